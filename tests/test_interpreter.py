"""Which Python runs, with which paths, arguments and environment."""
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import APPS
from harness import http
from harness.server import clean_environment, run_to_end

own = pytest.mark.margrave_only


@pytest.fixture
def place(serve, address):
    """Starts the probe with these options; what it sees of its process."""

    def start(*arguments, **options):
        words = ["--http-socket", address, "--wsgi-file", APPS / "probe.py"]
        start.server = serve(*arguments, *words, serving=address, **options)
        return http.get(address, "/place").json()

    return start


@pytest.fixture(scope="module")
def other_venv(under_test, tmp_path_factory):
    """A venv beside the server's, that sees the server's packages, with a package of its own."""
    directory = tmp_path_factory.mktemp("venvs") / "other"
    subprocess.run([under_test.python, "-m", "venv", "--without-pip", directory], check=True, timeout=60, env=clean_environment())
    site = next(directory.glob("lib/python*/site-packages"))
    if under_test.name == "margrave":
        (site / "server.pth").write_text(under_test.run("import sysconfig; print(sysconfig.get_path('platlib'))") + "\n")
    (site / "only_here.py").write_text("where = 'other venv'\n")
    return directory


@pytest.mark.parametrize("option", ["--home", "--virtualenv", "--venv", "-H"])
def test_venv_option_chooses_the_environment(place, other_venv, option):
    seen = place(option, other_venv)
    assert Path(seen["prefix"]).resolve() == other_venv.resolve()


def test_venv_option_finds_its_packages(serve, address, other_venv, tmp_path):
    (tmp_path / "app.py").write_text(
        "import only_here\ndef application(e, s):\n    s('200 OK', [])\n    return [only_here.where.encode()]\n"
    )
    serve("--venv", other_venv, "--http-socket", address, "--wsgi-file", "app.py", serving=address)
    assert http.get(address).text == "other venv"


@own(reason="its Python is built in")
def test_virtual_env_variable_is_honoured(place, other_venv):
    seen = place(env={"VIRTUAL_ENV": str(other_venv)})
    assert Path(seen["prefix"]).resolve() == other_venv.resolve()


@own(reason="its Python is built in")
def test_python_option_names_the_interpreter(place, other_venv):
    seen = place("--python", other_venv / "bin/python3")
    assert Path(seen["prefix"]).resolve() == other_venv.resolve()


def test_default_is_the_environment_of_the_executable(place, under_test):
    assert Path(place()["prefix"]).resolve() == under_test.executable.parent.parent.resolve()


def test_later_pythonpath_is_searched_first(serve, address, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pick.py").write_text(f"name = {name!r}\n")
    (tmp_path / "second" / "extra.py").write_text("name = 'extra'\n")
    (tmp_path / "app.py").write_text(
        "import pick, extra\ndef application(e, s):\n    s('200 OK', [])\n    return [(pick.name + extra.name).encode()]\n"
    )
    serve(
        "--pythonpath", "first", "--python-path", tmp_path / "second", "--http-socket", address, "--wsgi-file", "app.py",
        serving=address,
    )  # fmt: skip
    assert http.get(address).text == "secondextra", "each `pythonpath` goes to the front, so the last one wins"


def test_chdir_is_where_the_application_is_found(serve, address, tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "deep.py").write_text(
        "import os\ndef application(e, s):\n    s('200 OK', [])\n    return [os.getcwd().encode()]\n"
    )
    serve("--chdir", "a/b", "--http-socket", address, "--module", "deep", serving=address)
    assert http.get(address).text == str(deep)


def test_pyargv_becomes_sys_argv(place):
    assert place("--pyargv", "one --two=3 four")["argv"][1:] == ["one", "--two=3", "four"]


def test_env_and_unenv_change_the_environment(place):
    seen = place("--env", "COLOUR=teal", "--env", "SHAPE=a=b", "--unenv", "GONE", env={"GONE": "1", "KEPT": "1"})["environment"]
    assert seen["COLOUR"] == "teal" and seen["SHAPE"] == "a=b" and seen["KEPT"] == "1" and "GONE" not in seen


def test_umask_is_set(place):
    assert place("--umask", "027")["umask"] == 0o027


def test_one_thread_runs_the_application_in_the_main_thread(place):
    assert place()["main"] is True


def test_interpreter_is_the_expected_version(place, under_test):
    assert place()["version"] == list(map(int, under_test.run("import platform; print(platform.python_version())").split(".")))


def fails(under_test, tmp_path, *words, env=None):
    code, output = run_to_end([under_test.executable, *words], tmp_path, env)
    assert code not in (0, None), output
    return output


@own(reason="its Python is built in")
class TestMistakes:
    """Each one a clear sentence with what mends it."""

    def test_missing_venv(self, under_test, hello, tmp_path, address):
        output = fails(under_test, tmp_path, "--venv", "/no/such/venv", "--http-socket", address, "--wsgi-file", hello)
        assert "/no/such/venv" in output and "venv" in output.replace("/no/such/venv", "")

    def test_directory_that_is_no_venv(self, under_test, hello, tmp_path, address):
        output = fails(under_test, tmp_path, "--venv", tmp_path, "--http-socket", address, "--wsgi-file", hello)
        assert str(tmp_path) in output and "python" in output.lower()

    def test_venv_without_margrave(self, under_test, hello, tmp_path, address):
        bare = tmp_path / "bare"
        venv.create(bare, with_pip=False)
        if sys.version_info[:2] == tuple(map(int, under_test.run("import sys; print(*sys.version_info[:2])").split())):
            # The package beside the executable fits this version: it may be used, or asked for.
            server_words = ["--venv", bare, "--http-socket", address, "--wsgi-file", hello]
            from harness.server import Server

            with Server([under_test.executable, *server_words], tmp_path).start() as server:
                try:
                    server.wait_serving(address)
                except AssertionError:
                    assert "pip install" in server.log and str(bare) in server.log
        else:
            output = fails(under_test, tmp_path, "--venv", bare, "--http-socket", address, "--wsgi-file", hello)
            assert "pip install" in output and str(bare) in output

    def test_missing_interpreter(self, under_test, hello, tmp_path, address):
        output = fails(under_test, tmp_path, "--python", "/no/python3", "--http-socket", address, "--wsgi-file", hello)
        assert "/no/python3" in output and "Traceback" not in output

    def test_interpreter_that_is_no_python(self, under_test, hello, tmp_path, address):
        output = fails(under_test, tmp_path, "--python", "/bin/true", "--http-socket", address, "--wsgi-file", hello)
        assert "/bin/true" in output

    @pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="there is no other Python here")
    def test_interpreter_of_another_installation_without_margrave(self, under_test, hello, tmp_path, address):
        version = subprocess.run(
            ["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, timeout=20
        ).stdout
        if version.strip() == under_test.run("import sys; print(*sys.version_info[:2])"):
            pytest.skip("it has the same version, so the package beside the executable fits it")
        output = fails(under_test, tmp_path, "--python", "/usr/bin/python3", "--http-socket", address, "--wsgi-file", hello)
        assert "/usr/bin/python3" in output and "pip install" in output


@pytest.mark.smoke
@own(reason="its Python is built in")
def test_python_without_gil_stays_without_and_the_start_says_so(serve, address, under_test, tmp_path):
    (tmp_path / "app.py").write_text(
        "import sys\nhas_gil = getattr(sys, '_is_gil_enabled', lambda: True)\n"
        "def application(e, s):\n    s('200 OK', [])\n    return [b'GIL' if has_gil() else b'none']\n"
    )
    server = serve("--http-socket", address, "--wsgi-file", "app.py", "--threads", "2", serving=address)
    assert http.get(address).text == ("none" if under_test.is_free_threaded() else "GIL")
    assert (" free-threaded in " in server.log) == under_test.is_free_threaded()
