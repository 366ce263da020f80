"""Under a service manager: notification, watchdog, sockets that it has opened. The manager is a socket of the test."""
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from conftest import APPS, ROOT
from harness import http, processes
from harness.address import free_address
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="uWSGI speaks other words to systemd")
UNIT = ROOT / "examples" / "systemd"
# Opens sockets like systemd, and becomes the server: LISTEN_PID must be its own.
ACTIVATE = """
import os, socket, sys
kinds, command = sys.argv[1].split(","), sys.argv[2:]
kept = []
for place in kinds:
    if "/" in place:
        one = socket.socket(socket.AF_UNIX); one.bind(place)
    else:
        host, port = place.rsplit(":", 1)
        one = socket.socket(); one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); one.bind((host, int(port)))
    one.listen(64)
    kept.append(one)
copies = [os.dup(one.fileno()) for one in kept]
for number, copy in enumerate(copies, 3):
    os.dup2(copy, number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)), LISTEN_FDNAMES=":".join("x" for _ in kept))
os.execv(command[0], command)
"""


class Manager:
    """Hears what services tell."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(20)
        self.heard = []
        self.env = {"NOTIFY_SOCKET": str(path)}

    def next(self):
        message = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())
        self.heard.append(message)
        return message

    def wait(self, key):
        """The next message with this key."""
        while True:
            message = self.next()
            if key in message:
                return message


@pytest.fixture
def manager(tmp_path):
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.socket.close()


WORDS = ["--chdir", APPS, "--wsgi-file", "probe.py"]


def test_the_manager_hears_of_start_reload_and_stop(serve, address, manager):
    server = serve("--http-socket", address, *WORDS, env=manager.env)
    ready = manager.wait("READY")
    assert ready["READY"] == "1" and int(ready["MAINPID"]) == server.pid and ready["STATUS"]
    server.send(signal.SIGHUP)
    reloading = manager.wait("RELOADING")
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert manager.wait("READY")["STATUS"]
    server.send(signal.SIGTERM)
    assert manager.wait("STOPPING")["STOPPING"] == "1"
    assert server.wait_exit() == 0


def test_a_start_that_fails_is_never_ready(serve, address, manager):
    server = serve("--http-socket", address, "--wsgi-file", "/no/such/file.py", env=manager.env)
    assert server.wait_exit() == 22
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.wait("READY")


def test_the_watchdog_hears_from_an_instance_that_serves_and_not_from_one_that_cannot(serve, address, manager, tmp_path):
    (tmp_path / "app.py").write_text(
        "import os\nif os.path.exists('broken') and os.getppid() != 1:\n    os._exit(3)\n"
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"
    )
    env = {**manager.env, "WATCHDOG_USEC": "400000"}
    server = serve("--http-socket", address, "--wsgi-file", "app.py", "--lazy-apps", env=env)
    manager.wait("READY")
    for _ in range(3):
        assert manager.wait("WATCHDOG") == {"WATCHDOG": "1"}
    (tmp_path / "broken").touch()
    for pid in processes.descendants(server.pid):
        if pid not in processes.children(server.pid):
            processes.kill(pid)
    server.wait_log("exited with code 3", count=2)
    manager.socket.settimeout(1.5)
    with pytest.raises(TimeoutError):
        while True:
            manager.wait("WATCHDOG")


def test_a_watchdog_for_another_process_is_none_of_ours(serve, address, manager):
    serve("--http-socket", address, *WORDS, env={**manager.env, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}, serving=address)
    manager.wait("READY")
    manager.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        manager.wait("WATCHDOG")


def test_what_is_the_managers_does_not_reach_the_application(serve, address, manager, tmp_path):
    (tmp_path / "app.py").write_text(
        "import os\ndef application(environ, start_response):\n    start_response('200 OK', [])\n"
        "    return [' '.join(n for n in os.environ if n.startswith(('NOTIFY', 'WATCHDOG', 'LISTEN_'))).encode()]\n"
    )
    env = {**manager.env, "WATCHDOG_USEC": "20000000", "LISTEN_PID": "1", "LISTEN_FDS": "1"}
    serve("--http-socket", address, "--wsgi-file", "app.py", env=env, serving=address)
    assert http.get(address, "/").body == b""


def test_sockets_that_the_manager_has_opened_are_taken_by_their_address(serve, under_test, tmp_path, address):
    unix, unused = f"{tmp_path}/app.sock", free_address()
    own = free_address()
    words = ["--http-socket", address, "--http-socket", unix, "--http-socket", own, *map(str, WORDS)]
    server = serve(
        "-c", ACTIVATE, f"{address},{unix},{unused}", str(under_test.executable), *words, executable=sys.executable, serving=own
    )
    for place in (address, unix):
        assert http.get(place, "/place").status == 200
    inode = os.stat(unix).st_ino
    server.send(signal.SIGHUP)
    server.wait_log("generation 2 serves")
    assert http.get(unix, "/place").status == 200 and os.stat(unix).st_ino == inode
    assert f"the service manager listens on {unused}, which no option names" in server.log
    assert server.stop(signal.SIGTERM) == 0
    assert os.path.exists(unix), "the file is the manager's"


def test_the_example_unit_starts_an_instance_that_says_so(serve, manager, tmp_path, address):
    unit = dict(line.split("=", 1) for line in (UNIT / "app.service").read_text().splitlines() if "=" in line and line[0] != "#")
    listens = [line.split("=", 1)[1] for line in (UNIT / "app.socket").read_text().splitlines() if line.startswith("ListenStream=")]
    ini = (UNIT / "app.ini").read_text()
    assert unit["Type"] == "notify" and unit["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert all(place in ini for place in listens), "app.ini names the addresses of app.socket"
    (tmp_path / "app.py").write_text((ROOT / "examples" / "hello" / "hello.py").read_text())
    (tmp_path / "app.ini").write_text(
        ini.replace("127.0.0.1:8000", address).replace("/run/app", str(tmp_path)).replace("/srv/app", str(tmp_path))
    )
    env = {**manager.env, "WATCHDOG_USEC": str(int(unit["WatchdogSec"]) * 1_000_000)}
    command = unit["ExecStart"].split()
    server = serve(str(tmp_path / Path(command[1]).name), env=env)
    assert int(manager.wait("READY")["MAINPID"]) == server.pid
    os.kill(server.pid, signal.SIGHUP)
    manager.wait("RELOADING")
    manager.wait("READY")
    server.send(getattr(signal, unit["KillSignal"]))
    manager.wait("STOPPING")
    assert server.wait_exit() == 0
    until(lambda: not os.path.exists(f"{tmp_path}/app.sock"), 5)
