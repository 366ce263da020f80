"""`margrave ctl`, `margrave stop --all`: instances are found, tell how they are, and obey."""
import json
import os
import re
import signal
import socket
import stat
import subprocess

import pytest
from conftest import APPS
from harness import http
from harness.address import free_address
from harness.server import clean_environment
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="it has no such command")
WORDS = ["--chdir", APPS, "--wsgi-file", "probe.py"]


@pytest.fixture
def place(tmp_path):
    """A registry of its own: other instances of this user, such as those of other tests, are none of its business."""
    return tmp_path / "run"


@pytest.fixture
def start(serve, address, place):
    def start(*arguments, at=address, **options):
        env = {"MARGRAVE_RUN_DIR": str(place)}
        return serve("--http-socket", at, *WORDS, *arguments, serving=at, env=env, **options)

    return start


@pytest.fixture
def margrave(under_test, place):
    """Runs `margrave …`; its exit code and what it printed."""

    def run(*words, **options):
        command = [str(under_test.executable), *map(str, words)]
        env = clean_environment() | {"MARGRAVE_RUN_DIR": str(place)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, **options)
        return done.returncode, done.stdout + done.stderr

    return run


def document(margrave, *words):
    code, text = margrave("ctl", "--json", *words)
    assert code == 0, text
    return json.loads(text)


def test_status_is_told_to_persons_and_programs(start, margrave, address):
    server = start("--instance-name", "shop", "--processes", "2")
    code, text = margrave("ctl", "status")
    assert code == 0 and text.startswith(f"shop  pid {server.pid}  serving"), text
    assert re.search(rf"^{address} +http +0 +\d+$", text, re.MULTILINE)
    assert len(re.findall(r"^[12] +\d+ +(?:idle|busy) ", text, re.MULTILINE)) == 2
    found = document(margrave, "shop", "status")["status"]
    assert found["instance"]["state"] == "serving" and found["stats"]["pid"] == server.pid
    served = lambda: sum(worker["requests"] for worker in document(margrave, "status")["status"]["stats"]["workers"])
    until(lambda: served() >= 1, 10, "the first request to be counted")


@pytest.mark.parametrize("how", ["--socket", "--pidfile", "name", "pid", "only"])
def test_an_instance_is_found_in_every_way(start, margrave, tmp_path, how):
    pidfile, path = tmp_path / "p.pid", tmp_path / "c.sock"
    more = ["--control-socket", path] if how == "--socket" else ["--pidfile", pidfile]
    server = start(*more, "--instance-name", "one")
    words = {"--socket": ["--socket", path], "--pidfile": ["--pidfile", pidfile], "name": ["one"], "pid": [server.pid], "only": []}[how]
    assert document(margrave, *words, "status")["status"]["stats"]["pid"] == server.pid


def test_orders_are_obeyed(start, margrave, address, place):
    server = start()
    first = http.get(address, "/pid").text
    code, text = margrave("ctl", "reload")
    assert code == 0 and "reloading" in text
    until(lambda: http.get(address, "/pid").text != first, 20, "new workers")
    server.wait_log("reload: asked for by margrave ctl")
    until(lambda: document(margrave, "status")["status"]["instance"]["state"] == "serving", 20, "the end of the reload")
    assert document(margrave, "status")["status"]["instance"] | {"uptime": 0, "name": "", "version": ""} == {
        "state": "serving", "generation": 2, "reloads": 1, "uptime": 0, "name": "", "version": "",
    }
    code, text = margrave("ctl", "stop")
    assert code == 0 and "stopping" in text
    assert server.wait_exit() == 0
    assert not list(place.iterdir())


def test_the_number_of_workers_and_pauses_follow_orders(start, margrave, address):
    server = start("--processes", "2")
    state = lambda: document(margrave, "status")["status"]["instance"]["state"]
    until(lambda: state() == "serving", 20, "the start")
    assert margrave("ctl", "workers", "+1")[1].endswith("3 workers, 2 before\n")
    until(lambda: len([w for w in document(margrave, "status")["status"]["stats"]["workers"] if w["accepting"]]) == 3, 20, "the third worker")
    assert margrave("ctl", "pause")[0] == 0 and state() == "paused"
    assert margrave("ctl", "resume")[0] == 0 and state() == "serving"
    assert http.get(address, "/one").status == 200
    code, text = margrave("ctl", "stacks")
    assert code == 0 and text.count("worker ") >= 3 and "File " in text, text
    assert margrave("ctl", "statistics")[0] == 0
    server.wait_log("^listens on +protocol")


def test_a_request_in_flight_is_finished_by_a_stop(start, margrave, address):
    server = start("--threads", "2")
    with subprocess.Popen(["curl", "-s", f"http://{address}/slow?s=1"], stdout=subprocess.PIPE, text=True) as client:
        server_is_busy = lambda: "busy" in margrave("ctl", "status")[1]
        until(server_is_busy, 10, "the request")
        assert margrave("ctl", "stop")[0] == 0
        assert client.communicate(timeout=20)[0].startswith("slept")
    assert server.wait_exit() == 0


@pytest.mark.parametrize("words, code, expected", [
    (["ctl"], 2, "needs an order"),
    (["ctl", "relaod"], 2, "`relaod` is no order; known are status"),
    (["ctl", "workers", "4"], 2, "write +1 or -1"),
    (["ctl", "status"], 1, "no instance of this user runs"),
    (["ctl", "--socket", "/nowhere/c", "status"], 1, "cannot reach the instance at /nowhere/c"),
    (["ctl", "--pidfile", "/nowhere/p", "status"], 1, "cannot read /nowhere/p"),
    (["ctl", "list"], 0, "no instance of this user runs"),
    (["stop", "--all"], 0, "no instance of this user runs"),
    (["stop"], 2, "margrave stop --all"),
])
def test_what_cannot_be_done_is_said_in_a_sentence(margrave, words, code, expected):
    found = margrave(*words)
    assert found[0] == code and expected in found[1], found


def test_all_instances_are_listed_and_stopped(start, margrave, place):
    names = ["a", "b", "c"]
    servers = [start("--instance-name", name, at=at) for name, at in zip(names, [free_address() for _ in names])]
    code, text = margrave("ctl", "list")
    assert code == 0 and [line.split()[:2] for line in text.splitlines()[1:]] == [
        [name, str(server.pid)] for name, server in zip(names, servers)
    ]
    code, text = margrave("ctl", "status")
    assert code == 2 and "several instances run: a (pid" in text
    assert margrave("ctl", "d", "status")[0] == 1
    # One that was killed leaves its entry and its socket behind; the next list takes them away.
    servers[1].process.kill()
    servers[1].process.wait()
    left = sorted(path.name for path in place.iterdir())
    assert f"{servers[1].pid}.json" in left
    assert [entry["name"] for entry in json.loads(margrave("ctl", "list", "--json")[1])] == ["a", "c"]
    assert not [path for path in place.iterdir() if path.name.startswith(str(servers[1].pid))]
    code, text = margrave("stop", "--all")
    assert code == 0 and sorted(re.findall(r"^(\w) \(pid \d+\) has ended$", text, re.MULTILINE)) == ["a", "c"], text
    assert [servers[0].wait_exit(1), servers[2].wait_exit(1)] == [0, 0]
    assert not list(place.iterdir())


def test_an_emperor_is_stopped_with_its_vassals(serve, margrave, place, tmp_path, address):
    vassals = tmp_path / "vassals"
    vassals.mkdir()
    (vassals / "shop.ini").write_text(f"[uwsgi]\nhttp-socket = {address}\nchdir = {APPS}\nwsgi-file = probe.py\n")
    emperor = serve("--emperor", vassals, env={"MARGRAVE_RUN_DIR": str(place)})
    until(lambda: "shop" in margrave("ctl", "list")[1] and "(emperor)" in margrave("ctl", "list")[1], 30, "emperor and vassal")
    until(lambda: margrave("ctl", "shop", "status")[0] == 0 and document(margrave, "shop", "status")["status"]["instance"]["state"] == "serving", 30, "the vassal")
    assert margrave("stop", "--all")[0] == 0
    assert emperor.wait_exit() == 0
    emperor.assert_nothing_left()


def test_only_the_owner_can_speak(start, tmp_path):
    path = tmp_path / "c.sock"
    start("--control-socket", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if os.getuid() != 0:
        pytest.skip("becoming another user needs root")
    # Even where the file lets everybody in, the kernel says who asks.
    for directory in [path, *path.parents]:
        if directory.stat().st_uid == 0 and not directory.stat().st_mode & 0o001:
            os.chmod(directory, directory.stat().st_mode | 0o755)
    os.chmod(path, 0o666)
    code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); print(s.makefile().read())"
    done = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, user=65534, group=65534, timeout=20)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"done": False, "text": "this instance belongs to another user"}, done.stderr


def test_nonsense_on_the_socket_is_answered_and_hurts_nobody(start, tmp_path, address):
    path = tmp_path / "c.sock"
    start("--control-socket", path)
    for text, expected in [
        (b"status\n", "that is no request"),
        (b'{"order":"fly"}\n', "`fly` is no order"),
        (b'{"order":""}\n', "is no order"),
        (b"\xff" * 10000, "that is no request"),
        (b'{"order":"pause"', None),
    ]:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(path))
            link.sendall(text)
            link.shutdown(socket.SHUT_WR)
            answer = link.makefile().read()
        assert (expected in json.loads(answer)["text"]) if expected else answer == "", (text[:30], answer)
    # Several requests at once are answered in order.
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(path))
        link.sendall(b'{"order":"status"}\n{"order":"fly"}\n{"order":"status"}\n')
        link.shutdown(socket.SHUT_WR)
        assert [json.loads(line)["done"] for line in link.makefile()] == [True, False, True]
    assert http.get(address, "/one").status == 200


def test_without_its_socket_an_instance_runs_and_warns(start, margrave, address):
    server = start("--control-socket", "/nowhere/c.sock", "--instance-name", "mute")
    server.wait_log(r"warning: .*control-socket: .*/nowhere/c\.sock.*by signals only")
    code, text = margrave("ctl", "mute", "status")
    assert code == 1 and "has no control socket, and `status` needs one" in text
    code, text = margrave("ctl", "mute", "stop")
    assert code == 0 and "by a signal" in text
    assert server.wait_exit() == 0


def test_a_directory_that_others_can_enter_is_not_used(serve, address, place):
    place.mkdir()
    os.chmod(place, 0o777)
    serve("--http-socket", address, *WORDS, serving=address, env={"MARGRAVE_RUN_DIR": str(place)})
    assert not list(place.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="giving up privileges needs root")
def test_an_instance_that_gave_up_root_still_obeys_root(serve, under_test, margrave, place, address, tmp_path_factory):
    """Needs a Python that others may execute; one below a private home directory is not."""
    from test_processes import reachable_python

    interpreter = reachable_python(under_test)
    if not interpreter:
        pytest.skip("THE INTERPRETER STANDS IN A PRIVATE DIRECTORY: giving up root was not tried")
    directory = tmp_path_factory.mktemp("open")
    for path in (directory, *directory.parents[:-2]):
        os.chmod(path, 0o755)
    (directory / "probe.py").write_bytes((APPS / "probe.py").read_bytes())
    packages = under_test.run("import sysconfig; print(sysconfig.get_path('platlib'))")
    server = serve(
        *("--python", interpreter, "--uid", "nobody", "--gid", "nogroup", "--instance-name", "low", "--http-socket", address),
        *("--chdir", directory, "--wsgi-file", "probe.py"), serving=address, cwd=directory,
        env={"MARGRAVE_PACKAGE": packages, "MARGRAVE_RUN_DIR": str(place)},
    )  # fmt: skip
    assert document(margrave, "low", "status")["status"]["stats"]["uid"] == 65534
    assert margrave("ctl", "low", "stop")[0] == 0
    assert server.wait_exit() == 0


def lines_after(address, path):
    http.get(address, "/errors?after")
    text = path.read_text()
    return "to stdout" in text and "after" in text


@pytest.mark.parametrize("more", [(), ("--log-master",)], ids=["direct", "log-master"])
def test_log_files_are_opened_anew_and_rotated(start, margrave, address, tmp_path, more):
    path, moved = tmp_path / "all.log", tmp_path / "moved.log"
    start("--logto", path, *more)
    until(lambda: lines_after(address, path), 10, "the first lines")
    path.rename(moved)
    assert margrave("ctl", "log", "reopen")[0] == 0
    until(path.exists, 10, "the new file")
    until(lambda: lines_after(address, path), 10, "lines in the new file")
    assert margrave("ctl", "log", "rotate")[0] == 0
    until(lambda: len(list(tmp_path.glob("all.log*"))) == 2, 10, "a rotated file")
    until(lambda: lines_after(address, path), 10, "lines in the file after the rotation")
