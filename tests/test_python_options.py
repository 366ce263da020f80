"""Options about the interpreter and about how applications find each other."""
import json
import signal
import time

import pytest
from harness import http
from harness.server import run_to_end
from harness.waiting import until

APP = """
import json, sys
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Powered-By", "test"), ("X-Other", "stays")])
    answer = {
        "executable": sys.executable,
        "wrapper": "wsgi.file_wrapper" in environ,
        "aliases": {name: getattr(sys.modules.get(name), "__name__", None) for name in ("early", "late", "filed")},
        "site": "site" in sys.modules,
    }
    return [json.dumps(answer).encode()]
"""


@pytest.fixture
def answer(tmp_path, ini, address, serve):
    """The answer of an application that was started with some lines of configuration."""

    def ask(lines, app=APP):
        (tmp_path / "app.py").write_text(app)
        (tmp_path / "filed_module.py").write_text("")
        serve("--ini", ini(f"chdir = %d\nwsgi-file = app.py\nhttp-socket = {address}\n{lines}\n"), serving=address)
        return http.get(address)

    return ask


CASES = [
    ("py-executable = /opt/python", lambda answer: answer.json()["executable"] == "/opt/python"),
    ("wsgi-disable-file-wrapper = true", lambda answer: answer.json()["wrapper"] is False),
    ("memory-report = false", lambda answer: answer.json()["wrapper"] is True and answer.json()["site"] is True),
    ("pymodule-alias = early=json", lambda answer: answer.json()["aliases"]["early"] == "json"),
    ("post-pymodule-alias = late=json", lambda answer: answer.json()["aliases"]["late"] == "json"),
    ("pymodule-alias = filed=filed_module.py", lambda answer: "filed_module" in answer.json()["aliases"]["filed"]),
    ("no-site = true", lambda answer: answer.json()["site"] is False),
    ("rem-header = x-powered-by", lambda answer: answer.get("X-Powered-By") is None and answer.get("X-Other") == "stays"),
    (
        "rem-header = X-Powered-By\nadd-header = X-Powered-By: ini",
        lambda answer: answer.get("X-Powered-By") == "ini",
    ),
]


@pytest.mark.parametrize("lines, holds", CASES, ids=[lines.replace("\n", " ") for lines, _ in CASES])
def test_python_option(answer, lines, holds):
    got = answer(lines)
    assert holds(got), got.text


def test_pymodule_alias_of_a_module_that_does_not_exist_ends_the_start(under_test, tmp_path, ini, hello, address):
    lines = f"http-socket = {address}\nwsgi-file = {hello}\npymodule-alias = alias=no_such_module\n"
    code, output = run_to_end([under_test.executable, "--ini", ini(lines)], tmp_path)
    assert code == 22 and "pymodule-alias: module `no_such_module` did not load" in output, output


@pytest.mark.margrave_only(reason="uWSGI has no order for the end of its workers")
@pytest.mark.parametrize("skips", [False, True])
def test_skip_atexit_decides_whether_workers_run_their_exit_functions(tmp_path, ini, address, serve, skips):
    (tmp_path / "app.py").write_text(
        "import atexit, os, pathlib, uwsgi\n"
        "atexit.register(lambda: pathlib.Path(f'ended.{uwsgi.worker_id()}').touch())\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return [b'x']\n"
    )
    server = serve(
        "--ini",
        ini(f"chdir = %d\nwsgi-file = app.py\nlazy-apps = true\nhttp-socket = {address}\nskip-atexit = {str(skips).lower()}\n"),
        serving=address,
    )
    server.stop(signal.SIGTERM)
    assert (tmp_path / "ended.1").exists() is not skips


@pytest.mark.margrave_only(reason="autoreload of uWSGI ends the process group of the test")
def test_autoreload_does_not_look_at_ignored_modules(tmp_path, ini, address, serve):
    for name in ("watched", "ignored"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "app.py").write_text("import watched, ignored\n" + APP)
    server = serve(
        "--ini",
        ini(f"chdir = %d\nwsgi-file = app.py\nhttp-socket = {address}\npy-autoreload = 1\npy-auto-reload-ignore = ignored\n"),
        serving=address,
    )
    # Changed first and never reported, although there was time to see it.
    (tmp_path / "ignored.py").write_text("# changed\n")
    time.sleep(1.5)
    (tmp_path / "watched.py").write_text("# changed\n")
    until(lambda: "has changed; reloading" in server.log, 20, "the reload")
    assert "watched.py has changed" in server.log and "ignored.py has changed" not in server.log
    assert json.loads(http.get(address).text)
