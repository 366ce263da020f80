"""`margrave check`, `--fix`, `margrave options` and the JSON Schema, through the executable and independent readers."""
import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "docs/reference/margrave.schema.json").read_text())
CONFIGURATIONS = Path(__file__).parent / "configurations"

pytestmark = pytest.mark.margrave_only(reason="uWSGI has nothing of the kind")


@pytest.fixture
def run(under_test, tmp_path):
    """Runs the executable in the test's directory without any Python in reach; (exit code, output, errors)."""

    def call(*arguments, text=None, env=None):
        done = subprocess.run(
            [under_test.executable, *arguments], cwd=tmp_path, input=text, capture_output=True, text=True, timeout=60,
            env={"PATH": "/nonexistent", **(env or {})},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return call


def test_exit_code_says_what_becomes_of_the_worst_file(run, tmp_path):
    (tmp_path / "good.ini").write_text("[uwsgi]\nmodule = app\n")
    (tmp_path / "odd.ini").write_text("[uwsgi]\nmodule = app\nvaccum = 1\n")
    (tmp_path / "bad.ini").write_text("[uwsgi]\nmodule = app\nprocesses = x\n")
    for files, code in [(["good.ini"], 0), (["good.ini", "odd.ini"], 1), (["odd.ini", "bad.ini", "good.ini"], 2)]:
        assert run("check", *files)[0] == code
    code, output, _ = run("check", ".")
    assert code == 2 and output.splitlines()[-1].startswith("3 files: 1 as they are, 1 with differences, 1 not at all")
    assert run("check", "odd.ini", "--strict")[0] == 2


def test_standard_input_is_checked_and_corrected(run):
    text = "[uwsgi]\nmodule = app\nvaccum = 1\n"
    code, output, _ = run("check", "-", text=text)
    assert code == 1 and "did you mean `vacuum`?" in output
    code, output, errors = run("check", "--fix", "-", text=text)
    assert (code, output) == (0, "[uwsgi]\nmodule = app\nvacuum = 1\n")
    assert "1 line corrected" in errors


def test_fix_writes_a_copy_beside_the_file_with_its_permissions_and_never_over_another(run, tmp_path):
    path = tmp_path / "site.ini"
    path.write_text("[uwsgi]\n; keep me\nmodule = app\nproesses = 2 ; two\n")
    path.chmod(0o640)
    code, output, _ = run("check", "--fix", "site.ini")
    copy = tmp_path / "site.ini.fixed"
    assert code == 0 and "corrected in site.ini.fixed" in output
    assert copy.read_text() == "[uwsgi]\n; keep me\nmodule = app\n; two\nprocesses = 2\n"
    assert copy.stat().st_mode & 0o777 == 0o640
    assert path.read_text() == "[uwsgi]\n; keep me\nmodule = app\nproesses = 2 ; two\n"
    copy.write_text("mine")
    code, _, errors = run("check", "--fix", "site.ini")
    assert code == 2 and "not overwritten" in errors and copy.read_text() == "mine"
    assert run("check", "--fix", "-o", "new.ini", "site.ini")[0] == 0
    assert run("check", "new.ini")[:2] == (0, "new.ini: runs as it is (0 errors, 0 warnings, 0 notes)\n")


def test_corrected_copy_of_a_directory_is_no_vassal(run, tmp_path):
    (tmp_path / "vassals").mkdir()
    (tmp_path / "vassals/a.ini").write_text("[uwsgi]\nmodule = app\nvaccum = 1\n")
    assert run("check", "--fix", "vassals")[0] == 0
    assert sorted(os.listdir(tmp_path / "vassals")) == ["a.ini", "a.ini.fixed"]
    code, output, _ = run("check", "--json", "vassals")
    assert code == 1 and [report["file"] for report in json.loads(output)["files"]] == ["vassals/a.ini"]
    assert run("check", "vassals/a.ini.fixed")[0] == 0


def test_options_are_explained_and_listed(run):
    code, output, _ = run("options", "listen")
    assert code == 0 and "Default: 4096" in output and "in uWSGI 100" in output and "Example: listen = 1024" in output
    code, output, _ = run("options", "unix", "socket", "permission")
    assert code == 0 and "--chmod-socket" in output
    code, output, _ = run("--dump-options")
    names = output.split()
    assert code == 0 and len(names) == len(set(names)) > 1300 and {"socket", "wsgi-file", "route-host"} <= set(names)
    code, output, _ = run("--help", "static")
    assert code == 0 and "--static-map" in output and "--processes" not in output


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def read_toml(text):
    import tomllib  # not in the oldest Python that the suite is collected on

    return tomllib.loads(text)


READERS = {".json": json.loads, ".yaml": yaml.safe_load, ".yml": yaml.safe_load, ".toml": read_toml}
TOKENS = {"@PORT@": "8000", "@PORT2@": "8001", "@DIR@": "/srv"}


@pytest.mark.parametrize("path", sorted(path for path in CONFIGURATIONS.glob("more/*.*") if path.suffix in READERS and "broken" not in path.name), ids=lambda path: path.name)
def test_schema_accepts_the_configurations_that_start(path):
    text = path.read_text()
    for token, value in TOKENS.items():
        text = text.replace(token, value)
    jsonschema.validate(READERS[path.suffix](text), SCHEMA)


GOOD = {
    "module": ["app", "mysite.wsgi:application"],
    "processes": [4, "4", "%k", "$(WORKERS)"],
    "master": [True, False, "on", "1", 1],
    "http": [":8000", ["127.0.0.1:8000", "[::1]:8000"]],
    "chmod-socket": [660, "660", True],
    "env": ["A=1", ["A=1", "B=2"]],
    "switch-interval": ["5ms", 0.01],
    "reload-on-rss": [512, 1.5, "512"],
    "protocol": ["http", "fastcgi"],
    "static-map": [["/a=/b"]],
    "my-own-name": ["x", 3, True],
    "uid": ["www-data", 1000],
    "http-keepalive": [True, 30],
}
BAD = {
    "processes": ["four", -1, {}],
    "disable-logging": ["maybe", 1.5],
    "http": [True, {}],
    "chmod-socket": ["rw-rw----", "888"],
    "env": ["A", ["A=1", "B"]],
    "switch-interval": ["soon"],
    "reload-on-rss": ["much", -5],
    "protocol": ["gopher"],
    "static-map": ["/a"],
    "https": [":8443,a,b"],
    "uid": [""],
    "harakiri": ["never"],
}


@pytest.mark.parametrize("option,values", GOOD.items())
def test_schema_and_check_agree_on_good_values(option, values, run, tmp_path):
    for value in values:
        document = {"uwsgi": {"module": "app", option: value}}
        jsonschema.validate(document, SCHEMA)
        (tmp_path / "site.json").write_text(json.dumps(document))
        code, output, _ = run("check", "site.json", env={"WORKERS": "2", "PORT": "1"})
        assert code < 2, output


@pytest.mark.parametrize("option,values", BAD.items())
def test_schema_and_check_agree_on_bad_values(option, values, run, tmp_path):
    for value in values:
        document = {"uwsgi": {"module": "app", option: value}}
        errors = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(document))
        assert [error.absolute_path[1] for error in errors] == [option], (value, errors)
        (tmp_path / "site.json").write_text(json.dumps(document))
        code, output, _ = run("check", "site.json")
        assert code > 0 and option in output, (value, output)
