"""Variables of a front server that name applications and files."""
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import APPS
from harness import uwsgi_packets
from harness.address import free_address
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="it honours all of them, and keeps the working directory of the last one")

APP = """
import os
def application(environ, start_response):
    start_response("200 OK", [])
    return [f"{__name__} {os.getcwd()} {os.environ.get('OWN')} {environ.get('SCRIPT_NAME')}".encode()]
def second(environ, start_response):
    start_response("200 OK", [])
    return [b"second"]
"""


class Front:
    """Sends packets as a front server does."""

    def __init__(self, address):
        self.address = address

    def ask(self, target="/one", body=None, **variables):
        packet = uwsgi_packets.encode([*uwsgi_packets.variables("GET", target, body=body), *variables.items()])
        answer = uwsgi_packets.exchange(self.address, packet, body)
        return answer.partition(b"\r\n\r\n")[2].decode()


@pytest.fixture
def front(serve, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "named.py").write_text(APP)

    def start(*options, app=("--wsgi-file", "probe.py")):
        address = free_address()
        server = serve("--chdir", APPS, *app, "--socket", address, "--threads", "2", *options, ready=address)
        return server, Front(address)

    return start


def test_application_named_by_a_request_is_loaded_once_and_then_known_by_its_name(front, tmp_path):
    server, front = front("--dynamic-apps")
    file = str(tmp_path / "inner" / "named.py")
    assert "None None" not in front.ask(UWSGI_FILE=file), "the default application has that name"
    first = front.ask(UWSGI_FILE=file, SCRIPT_NAME="/n", UWSGI_SETENV="OWN=1")
    assert first.endswith(f"{APPS} 1 /n")
    assert front.ask(SCRIPT_NAME="/n") == first
    assert front.ask(UWSGI_MODULE="named", UWSGI_CALLABLE="second", UWSGI_APPID="x", UWSGI_CHDIR=str(tmp_path / "inner")) == "second"
    assert front.ask(UWSGI_APPID="x") == "second"
    assert front.ask(UWSGI_SCRIPT="named:second", UWSGI_APPID="y") == "second"
    assert front.ask() == "one piece"
    assert server.log.count("application `/n`") == 1 and server.log.count("application `x`") == 1


def test_applications_that_load_at_the_same_time_leave_the_working_directory_as_it_was(front, tmp_path):
    """The first waits for the second to begin, a second long, and the second for the first one's end."""
    wait = "import os, time\nend = time.monotonic() + {}\nwhile not os.path.exists({!r}) and time.monotonic() < end:\n    time.sleep(0.01)\n"
    began, ended = tmp_path / "began", tmp_path / "ended"
    for name, code in (
        ("first", f"open({str(tmp_path / 'first-began')!r}, 'w').close()\n" + wait.format(1, str(began))),
        ("second", f"open({str(began)!r}, 'w').close()\n" + wait.format(20, str(ended))),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text(code + APP)
    server, front = front("--dynamic-apps")

    def load(name):
        return front.ask(UWSGI_MODULE=name, UWSGI_APPID=name, UWSGI_CHDIR=str(tmp_path / name))

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load, "first")
        until((tmp_path / "first-began").exists, 10, "the first one to load")
        second = pool.submit(load, "second")
        assert first.result(20).startswith("first ")
        ended.touch()
        assert second.result(20).startswith("second ")
    assert front.ask(UWSGI_APPID="first").split()[1] == str(APPS)


def test_application_that_does_not_load_leaves_the_request_to_the_default_one(front):
    server, front = front("--dynamic-apps")
    for variables in ({"UWSGI_FILE": "/none.py"}, {"UWSGI_MODULE": "no.such"}, {"UWSGI_FILE": "probe.py", "UWSGI_CALLABLE": "none"}):
        assert front.ask(UWSGI_APPID="bad", **variables) == "one piece"
    assert "application `bad`: file `/none.py` does not exist" in server.log


def test_without_a_default_application_the_first_request_brings_one(front, tmp_path):
    server, front = front("--dynamic-apps", "--need-app=false", app=())
    assert "Internal Server Error" in front.ask()
    file = str(tmp_path / "inner" / "named.py")
    assert front.ask(UWSGI_FILE=file).endswith(f"{APPS} None ")


def test_without_dynamic_apps_no_request_loads_anything(front, tmp_path):
    server, front = front()
    file = str(tmp_path / "inner" / "named.py")
    assert front.ask(UWSGI_FILE=file, SCRIPT_NAME="/n") == "one piece"
    seen = front.ask("/environ", UWSGI_FILE=file, UWSGI_MODULE="named", UWSGI_SCRIPT="named", UWSGI_CHDIR="/tmp")
    assert "UWSGI_FILE" not in seen and "UWSGI_MODULE" not in seen and '"UWSGI_CHDIR"' in seen


@pytest.mark.parametrize("length, expected", [("4", "file"), ("9", "file body"), ("99", "file body"), ("", "")])
def test_body_in_a_file_of_the_front_server_is_read_from_there(front, tmp_path, length, expected):
    server, front = front()
    (tmp_path / "body").write_text("file body")
    assert front.ask("/echo", CONTENT_LENGTH=length, UWSGI_POSTFILE=str(tmp_path / "body")) == expected


def test_body_file_that_cannot_be_read_is_no_body(front, tmp_path):
    server, front = front()
    for path in (tmp_path / "none", tmp_path):
        assert front.ask("/echo", b"abc", UWSGI_POSTFILE=str(path)) == "abc"
    server.wait_log("UWSGI_POSTFILE")


def test_body_file_is_not_read_for_a_front_server_that_is_not_believed(front, tmp_path):
    server, front = front("--forwarded-allow", "none")
    (tmp_path / "body").write_text("file body")
    assert front.ask("/echo", b"abc", UWSGI_POSTFILE=str(tmp_path / "body")) == "abc"
