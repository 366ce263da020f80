"""Bad input: one sentence with where and what to do, a non-zero exit code, nothing half-started left behind."""
import os
import re
import socket

import pytest
from harness.address import free_port
from harness.server import run_to_end

pytestmark = [pytest.mark.margrave_only(reason="uWSGI's words are others"), pytest.mark.smoke]

HELLO = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"


class Try:
    """A directory, and a server started in it that must fail."""

    def __init__(self, under_test, directory):
        self.under_test, self.directory = under_test, directory
        self.address = f"127.0.0.1:{free_port()}"
        self.write("hello.py", HELLO)

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def start(self, *words, code=1, env=None):
        """Output of the failed start; checks what must hold for every failure."""
        before = self.files()
        got, output = run_to_end([self.under_test.executable, *words], self.directory, env)
        assert got == code, f"exit code {got}, expected {code}:\n{output}"
        assert self.files() == before, "files were left behind"
        assert "panicked" not in output and "RUST_BACKTRACE" not in output
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host, _, port = self.address.rpartition(":")
            probe.bind((host, int(port)))  # nobody listens there any more
        return output

    def files(self):
        return sorted(
            str(path.relative_to(self.directory))
            for path in self.directory.rglob("*")
            if path.suffix != ".log" and "__pycache__" not in path.parts
        )

    def http(self):
        return ["--http-socket", self.address]


@pytest.fixture
def attempt(under_test, tmp_path):
    return Try(under_test, tmp_path)


def sentence(output, *wanted):
    """The line that says it: holds every word wanted; it is not drowned in others."""
    found = [line for line in output.splitlines() if all(word.lower() in line.lower() for word in wanted)]
    assert found, f"no line with {wanted} in:\n{output}"
    assert len(found) <= 2, f"said {len(found)} times:\n{output}"
    return found[0]


# ---- sockets ---------------------------------------------------------------------------------------------------------


def test_port_in_use_names_the_address_and_what_to_do(attempt, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        output = attempt.start("--http-socket", address, "--wsgi-file", "hello.py")
    line = sentence(output, address, "use")
    assert len(line) < 300
    assert "Traceback" not in output


def test_port_in_use_names_the_line_of_the_file(attempt):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = attempt.write("app.ini", f"[uwsgi]\nwsgi-file = hello.py\nhttp-socket = {address}\n")
        output = attempt.start("--ini", path)
    sentence(output, f"{path.name}:3", address)


def test_second_listener_in_use_leaves_no_socket_file_of_the_first(attempt, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        attempt.start("--socket", tmp_path / "x.sock", "--http-socket", address, "--pidfile", tmp_path / "x.pid", "--wsgi-file", "hello.py")
    assert not (tmp_path / "x.sock").exists() and not (tmp_path / "x.pid").exists()


@pytest.mark.parametrize("option", ["--http", "--socket", "--http-socket"])
@pytest.mark.parametrize("value", ["127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:http", "[::1:80"])
def test_address_of_the_wrong_form_is_refused(attempt, option, value):
    sentence(attempt.start(option, value, "--wsgi-file", "hello.py"), option[2:], value.rpartition(":")[2])


def test_address_of_another_machine_is_refused(attempt):
    sentence(attempt.start("--http-socket", "192.0.2.1:8000", "--wsgi-file", "hello.py"), "192.0.2.1:8000")


def test_unresolvable_host_is_refused(attempt):
    sentence(attempt.start("--http-socket", "no-such-host.invalid:8000", "--wsgi-file", "hello.py"), "no-such-host.invalid")


def test_socket_in_a_missing_directory_is_refused(attempt):
    sentence(attempt.start("--socket", "/no/such/directory/x.sock", "--wsgi-file", "hello.py"), "/no/such/directory/x.sock")


def test_socket_over_a_file_that_is_no_socket_is_refused_and_the_file_kept(attempt, tmp_path):
    path = attempt.write("precious", "data")
    sentence(attempt.start("--socket", path, "--wsgi-file", "hello.py"), str(path))
    assert path.read_text() == "data"


def test_a_tracebacker_socket_takes_no_file_s_place(attempt):
    path = attempt.write("tb1", "precious")
    sentence(attempt.start(*attempt.http(), "--py-tracebacker", "tb", "--wsgi-file", "hello.py"), "py-tracebacker", str(path))
    assert path.read_text() == "precious"


def test_socket_path_that_is_too_long_is_refused(attempt, tmp_path):
    sentence(attempt.start("--socket", tmp_path / ("x" * 120), "--wsgi-file", "hello.py"), "x" * 60)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything; the next test tries it another way")
def test_no_permission_for_a_low_port(attempt):
    sentence(attempt.start("--http-socket", "127.0.0.1:80", "--wsgi-file", "hello.py"), "127.0.0.1:80", "permission")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop a capability first")
def test_no_permission_for_a_low_port_as_root_without_the_capability(attempt, under_test, tmp_path):
    words = ["setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service", under_test.executable]
    code, output = run_to_end([*words, "--http-socket", "127.0.0.1:81", "--wsgi-file", "hello.py"], tmp_path)
    assert code == 1, output
    sentence(output, "127.0.0.1:81", "permission")


def test_unknown_owner_for_a_socket_is_refused(attempt, tmp_path):
    output = attempt.start("--socket", tmp_path / "x.sock", "--chown-socket", "no-such-user-here", "--wsgi-file", "hello.py")
    sentence(output, "no-such-user-here")


def test_unknown_user_is_refused(attempt):
    sentence(attempt.start(*attempt.http(), "--uid", "no-such-user-here", "--wsgi-file", "hello.py"), "no-such-user-here")


# ---- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["--ini", None])
def test_missing_ini_file_is_named(attempt, form):
    sentence(attempt.start(*([form] if form else []), "/no/such/app.ini"), "/no/such/app.ini")


def test_ini_that_is_a_directory_is_refused(attempt, tmp_path):
    sentence(attempt.start("--ini", tmp_path), str(tmp_path))


def test_missing_section_names_those_that_exist(attempt):
    path = attempt.write("app.ini", "[uwsgi]\nmaster = 1\n[production]\nmaster = 1\n")
    line = sentence(attempt.start("--ini", f"{path}:staging"), "staging", path.name)
    assert "production" in line


def test_file_without_a_uwsgi_section_says_so(attempt):
    path = attempt.write("app.ini", "[somewhere]\nhttp-socket = 127.0.0.1:0\n")
    line = sentence(attempt.start("--ini", path), path.name, "uwsgi")
    assert "somewhere" in line


WRONG = [
    ("processes", "many"),
    ("threads", "-1"),
    ("processes", "0"),
    ("harakiri", "soon"),
    ("listen", "all"),
    ("chmod-socket", "rw"),
    ("buffer-size", "big"),
    ("umask", "999"),
]


@pytest.mark.parametrize("option, value", WRONG, ids=[f"{option}={value}" for option, value in WRONG])
def test_value_of_the_wrong_kind_is_refused_with_its_place(attempt, option, value):
    path = attempt.write("app.ini", f"[uwsgi]\nwsgi-file = hello.py\nhttp-socket = {attempt.address}\n{option} = {value}\n")
    line = sentence(attempt.start("--ini", path), f"{path.name}:4", option)
    assert value in line


def test_value_of_the_wrong_kind_on_the_command_line_is_refused(attempt):
    sentence(attempt.start(*attempt.http(), "--processes", "many", "--wsgi-file", "hello.py"), "processes", "many")


def test_unknown_command_line_option_is_refused_with_a_suggestion(attempt):
    line = sentence(attempt.start(*attempt.http(), "--procesess", "2", "--wsgi-file", "hello.py"), "procesess")
    assert "processes" in line


def test_option_without_its_value_is_refused(attempt):
    sentence(attempt.start("--wsgi-file", "hello.py", "--http-socket"), "http-socket")


def test_no_application_says_how_to_name_one(attempt):
    output = attempt.start(*attempt.http())
    assert "module" in output or "wsgi-file" in output


# ---- application -----------------------------------------------------------------------------------------------------


def test_syntax_error_in_the_application_shows_the_place_once(attempt, tmp_path):
    attempt.write("broken.py", "x = 1\ndef application(:\n    pass\n")
    output = attempt.start(*attempt.http(), "--wsgi-file", "broken.py", code=22)
    assert output.count("SyntaxError") == 1
    assert re.search(r'broken\.py", line 2', output)
    assert "_frozen_importlib" not in output and "zygote" not in output.split("SyntaxError")[0].lower()


def test_exception_at_import_shows_its_traceback_once(attempt):
    attempt.write("raising.py", "def deep():\n    raise RuntimeError('no database')\ndeep()\n")
    output = attempt.start(*attempt.http(), "--module", "raising", code=22)
    assert len(re.findall("^RuntimeError: no database$", output, re.MULTILINE)) == 1
    assert output.count("Traceback (most recent call last)") == 1
    assert re.search(r'raising\.py", line 2, in deep', output)
    sentence(output, "raising", "load")


def test_exit_at_import_is_a_failure(attempt):
    attempt.write("exiting.py", "import sys\nsys.exit(0)\n")
    output = attempt.start(*attempt.http(), "--module", "exiting", code=22)
    assert "exiting" in output


def test_process_that_dies_at_import_is_a_failure(attempt):
    attempt.write("dying.py", "import os\nos.kill(os.getpid(), 9)\n")
    output = attempt.start(*attempt.http(), "--module", "dying", code=22)
    assert "signal 9" in output.lower() or "kill" in output.lower()


def test_missing_module_is_named(attempt):
    output = attempt.start(*attempt.http(), "--module", "no_such_module.wsgi", code=22)
    sentence(output, "no_such_module", "module")


def test_missing_module_with_a_near_name_suggests_it(attempt):
    output = attempt.start(*attempt.http(), "--module", "helo", code=22)
    assert "helo" in output


def test_missing_file_is_named(attempt):
    output = attempt.start(*attempt.http(), "--wsgi-file", "nowhere.py", code=22)
    sentence(output, "nowhere.py")
    assert "Traceback" not in output


def test_missing_object_names_the_callables_that_exist(attempt):
    attempt.write("named.py", "import os\nsite = lambda e, s: []\nclass Other:\n    pass\ndef make_app(): pass\nnumber = 3\n")
    output = attempt.start(*attempt.http(), "--module", "named:application", code=22)
    line = sentence(output, "named", "application")
    assert "site" in line and "make_app" in line and "number" not in line
    assert "Traceback" not in output


def test_missing_object_of_a_file_names_the_callables_that_exist(attempt):
    attempt.write("named.py", "site = lambda e, s: []\n")
    line = sentence(attempt.start(*attempt.http(), "--wsgi-file", "named.py", code=22), "named.py", "application")
    assert "site" in line


def test_object_that_cannot_be_called_is_refused(attempt):
    attempt.write("named.py", "application = 42\n")
    line = sentence(attempt.start(*attempt.http(), "--module", "named", code=22), "application", "call")
    assert "int" in line


def test_factory_that_fails_shows_its_traceback(attempt):
    attempt.write("factory.py", "def create_app():\n    raise RuntimeError('no settings')\n")
    output = attempt.start(*attempt.http(), "--module", "factory:create_app()", code=22)
    assert len(re.findall("^RuntimeError: no settings$", output, re.MULTILINE)) == 1


def test_factory_that_returns_nothing_is_refused(attempt):
    attempt.write("factory.py", "def create_app():\n    pass\n")
    sentence(attempt.start(*attempt.http(), "--module", "factory:create_app()", code=22), "create_app", "None")


def test_lazy_application_that_does_not_load_fails_too(attempt):
    attempt.write("raising.py", "raise RuntimeError('no database')\n")
    output = attempt.start(*attempt.http(), "--lazy-apps", "--master", "--module", "raising", "--processes", "2", code=22)
    assert "RuntimeError: no database" in output


def test_need_app_off_keeps_a_server_without_application(serve, attempt):
    from harness import http

    attempt.write("raising.py", "raise RuntimeError('no database')\n")
    path = attempt.write("app.ini", f"[uwsgi]\nneed-app = false\nmodule = raising\nhttp-socket = {attempt.address}\n")
    serve("--ini", path, serving=attempt.address)
    assert http.get(attempt.address).status == 500


# ---- files and directories -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, named",
    [
        (["--chdir", "/no/such/directory"], "/no/such/directory"),
        (["--pidfile", "/no/such/directory/x.pid"], "/no/such/directory/x.pid"),
        (["--logto", "/no/such/directory/x.log"], "/no/such/directory/x.log"),
    ],
    ids=["chdir", "pidfile", "logto"],
)
def test_path_that_does_not_exist_is_named(attempt, words, named):
    sentence(attempt.start(*attempt.http(), *words, "--wsgi-file", "hello.py"), named)


def test_mistakes_are_told_together(attempt):
    path = attempt.write("app.ini", f"[uwsgi]\nprocesses = many\nthreads = few\nhttp-socket = {attempt.address}\n")
    output = attempt.start("--ini", path)
    assert "processes" in output
