"""Hooks: what they do, in which process, and what their failure means. Their order is compared in `conformance/`."""
import os
import signal

import pytest
from conftest import APPS
from harness import http
from harness.server import run_to_end
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="the sentences and exit codes are Margrave's; the order is in conformance/")
WORDS = ["--chdir", APPS, "--wsgi-file", "probe.py", "--callable", "application"]


@pytest.fixture
def hooked(serve, address, ini, under_test):
    """Starts an instance with these lines in its file; it serves."""

    def start(*lines, **options):
        path = ini("\n".join([f"http-socket = {address}", f"chdir = {APPS}", "wsgi-file = probe.py", *lines]))
        return serve(path, serving=address, **options)

    return start


@pytest.fixture
def broken(tmp_path, address, ini, under_test):
    """Runs an instance that cannot start: exit code and log."""

    def run(*lines):
        path = ini("\n".join([f"http-socket = {address}", f"chdir = {APPS}", "wsgi-file = probe.py", *lines]))
        return run_to_end([under_test.executable, path], tmp_path)

    return run


def test_actions_change_files_in_the_order_of_the_configuration(hooked, tmp_path):
    target = tmp_path / "made"
    hooked(
        f"hook-asap = mkdir:{target}",
        f"hook-asap = writen:{target}/text one",
        f"hook-as-root = appendn:{target}/text two",
        f"hook-as-root = chmod:{target}/text 640",
        f"hook-as-user = create:{target}/gone",
        f"hook-as-user = unlink:{target}/gone",
        f"file-write = {target}/first=before every hook of root",
        f"exec-as-root = cp {target}/first {target}/copy",
    )
    assert (target / "text").read_text() == "one\ntwo\n"
    assert (target / "text").stat().st_mode & 0o777 == 0o640
    assert not (target / "gone").exists()
    assert (target / "copy").read_text() == "before every hook of root\n"


def test_variables_and_directories_of_hooks_reach_the_application(serve, address, ini, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "app.py").write_text(
        "import os\nat_import = os.environ.get('EARLY'), os.environ.get('LATE'), os.getcwd()\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [repr((*at_import, os.environ.get('FORKED'))).encode()]\n"
    )
    lines = [
        f"http-socket = {address}",
        "hook-as-user = putenv:EARLY=1",
        f"hook-pre-app = chdir:{tmp_path}/there",
        "hook-pre-app = putenv:LATE=2",
        "hook-post-fork = putenv:FORKED=3",
        "wsgi-file = app.py",
    ]
    serve(ini("\n".join(lines)), serving=address)
    assert http.get(address, "/").body == repr(("1", "2", f"{tmp_path}/there", "3")).encode()


@pytest.mark.parametrize("phase", ["pre-app", "post-app", "post-fork", "accepting", "accepting1-once", "master-start"])
@pytest.mark.parametrize("action, code, words", [("exec:exit 3", 1, "exited with code 3"), ("exit:44", 44, "")])
def test_a_failing_hook_after_the_start_ends_the_instance_that_does_not_serve_yet(broken, phase, action, code, words):
    found, log = broken(f"hook-{phase} = {action}", "processes = 2")
    assert found == code, log
    assert words in log and "Traceback" not in log
    assert words == "" or f"app.ini:5: hook-{phase}: `{action}`" in log


def test_a_hook_that_fails_in_a_reload_leaves_the_old_generation_serving(hooked, address, tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    server = hooked(f"hook-pre-app = exec:test -e {flag}")
    flag.unlink()
    server.send(signal.SIGHUP)
    server.wait_log("the command `test -e .*` exited with code 1")
    server.wait_log("rolled back|serves on")
    assert http.get(address, "/place").status == 200
    flag.touch()
    server.send(signal.SIGHUP)
    server.wait_log("generation 3 serves")


def test_hooks_of_the_end_run_whatever_they_answer(hooked, tmp_path):
    server = hooked("exec-as-user-atexit = false", f"exec-as-user-atexit = touch {tmp_path}/bye")
    assert server.stop(signal.SIGTERM) == 0
    assert (tmp_path / "bye").exists()


def test_a_command_of_the_running_master_is_not_waited_for(hooked, address, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = hooked(f"hook-master-start = exec:read line < {fifo}", f"hook-master-start = create:{tmp_path}/after")
    server.wait_log("hook-master-start: runs `exec:read")
    assert http.get(address, "/place").status == 200
    assert not (tmp_path / "after").exists(), "the next hook waits for the one before"
    fifo.write_text("go\n")
    until(lambda: (tmp_path / "after").exists(), 10, lambda: server.log)


def test_signals_mean_what_unix_signal_says(hooked, address):
    server = hooked("term-reloads = true", "hook-master-start = unix_signal:15 gracefully_kill_them_all")
    server.wait_log("runs `unix_signal:15")
    assert server.stop(signal.SIGTERM) == 0
    assert "asked for by" not in server.log


def test_touched_files_run_commands_and_actions(hooked, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.touch()
    server = hooked(
        f"touch-exec = {first} echo ran >> {tmp_path}/out", f"hook-touch = {second} appendn:{tmp_path}/out acted"
    )
    second.touch()
    until(lambda: (tmp_path / "out").exists(), 10, lambda: server.log)
    assert (tmp_path / "out").read_text() == "acted\n"
    os.utime(first, (1, 1))
    until(lambda: (tmp_path / "out").read_text() == "acted\nran\n", 10, lambda: server.log)


def test_the_start_waits_for_what_must_be_there(hooked, broken, tmp_path):
    code, log = broken(f"wait-for-file = {tmp_path}/late", "wait-for-fs-timeout = 0")
    assert code == 1 and f"wait-for-fs: the file {tmp_path}/late is not there after 0 s" in log
    (tmp_path / "late").touch()
    hooked(f"wait-for-file = {tmp_path}/late", "wait-for-interface = lo", f"wait-for-dir = {tmp_path}")


def test_an_instance_ends_when_a_file_system_is_gone(hooked, tmp_path):
    server = hooked("check-mountpoint = /proc", f"check-mountpoint = {tmp_path}")
    assert server.wait_exit() == 1
    assert f"check-mountpoint: no file system is mounted on {tmp_path}" in server.log


def test_a_directory_that_a_hook_of_the_user_makes_can_hold_the_socket(serve, ini, tmp_path):
    socket = f"{tmp_path}/run/app.sock"
    lines = [f"http-socket = {socket}", f"chdir = {APPS}", "wsgi-file = probe.py", f"hook-as-user = mkdir:{tmp_path}/run"]
    serve(ini("\n".join(lines)), serving=socket)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_file_systems_are_mounted_and_unmounted(hooked, tmp_path):
    target = tmp_path / "fs"
    target.mkdir()
    server = hooked(
        f"mount-as-root = tmpfs none {target} nosuid,size=1m",
        f"exec-as-root = grep -c '{target} tmpfs rw,nosuid' /proc/mounts > {tmp_path}/count",
        f"hook-as-user = umount:{target} detach",
    )
    assert (tmp_path / "count").read_text() == "1\n", server.log
    assert not os.path.ismount(target)


@pytest.mark.parametrize(
    "line, words",
    [
        ("hook-asap = exce:x", "did you mean `exec`"),
        ("hook-asap = call:some_symbol", "calls a C function inside uWSGI"),
        ("call-as-root = some_symbol", "calls a C function inside uWSGI"),
        ("hook-post-fork = unix_signal:15 kill_them_all", "write `hook-master-start`"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_starts(broken, line, words):
    code, log = broken(line)
    assert code == 1 and words in log and "app.ini:5: " in log, log
