"""Commands at times. Which minute is due is tested with virtual time in `lifecycle`; here they really run."""
import os
import signal

import pytest
from conftest import APPS
from harness import processes
from harness.server import run_to_end
from harness.waiting import until
from test_daemons import stats

pytestmark = pytest.mark.margrave_only(reason="the sentences are Margrave's")
EVERY = "-1 -1 -1 -1 -1"


@pytest.fixture
def timed(serve, address, ini, tmp_path):
    def start(*lines):
        path = ini("\n".join([f"http-socket = {address}", f"chdir = {APPS}", "wsgi-file = probe.py", f"stats = {tmp_path}/stats", *lines]))
        return serve(path, serving=address)

    return start


def test_a_command_that_is_due_runs_at_once_where_the_application_is(timed, tmp_path):
    server = timed(f"cron = {EVERY} pwd > {tmp_path}/out; echo \"$A\" >> {tmp_path}/out", "env = A=one; two")
    server.wait_log(r"cron: `pwd .*` \(pid \d+\) exited with code 0")
    assert (tmp_path / "out").read_text() == f"{APPS}\none; two\n"


def test_a_failing_command_is_told_and_another_minute_is_not_due(timed, tmp_path):
    server = timed(f"cron = {EVERY} exit 3", "cron = 0 0 31 2 -1 false")
    server.wait_log("warning: cron: `exit 3` .* exited with code 3")


def test_a_command_that_takes_too_long_is_killed_with_its_children(timed, tmp_path):
    server = timed(f"cron2 = minute=-1,harakiri=1,unique=1 sleep 987 & echo $! > {tmp_path}/child; sleep 986")
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip(), 10)
    cron = stats(tmp_path)["crons"][0]
    assert cron["unique"] == 1 and cron["minute"] == -1 and cron["pid"] > 1 and cron["started_at"] > 1e9
    server.wait_log("is killed after 1 s")
    until(lambda: not processes.alive(int((tmp_path / "child").read_text())), 10)
    until(lambda: stats(tmp_path)["crons"][0]["pid"] == -1, 10)


def test_commands_end_with_the_instance(timed, tmp_path):
    server = timed(f"unique-cron = {EVERY} touch {tmp_path}/runs; sleep 985")
    until(lambda: (tmp_path / "runs").exists(), 10)
    assert server.stop(signal.SIGINT) == 0
    server.assert_nothing_left()


def test_a_reload_takes_new_commands_and_does_not_repeat_old_ones(timed, tmp_path, ini, address):
    server = timed(f"cron = {EVERY} echo x >> {tmp_path}/first")
    until(lambda: (tmp_path / "first").exists(), 10)
    with open(tmp_path / "app.ini", "a") as file:
        file.write(f"\ncron = {EVERY} touch {tmp_path}/second\n")
    server.send(signal.SIGHUP)
    until(lambda: (tmp_path / "second").exists(), 15, lambda: server.log)


@pytest.mark.parametrize(
    "line, words",
    [
        ("cron = * * * * * x", "`*` is -1 here"),
        ("cron = 0 1", "is no number"),
        ("cron = 0 25 -1 -1 -1 x", "the hour 25 never comes"),
        ("legion-cron = a 0 0 -1 -1 -1 x", "there are no legions here"),
        ("curl-cron = 0 0 -1 -1 -1 http://x/", "curl -fsS"),
    ],
)
def test_what_never_comes_is_an_error_with_its_place(under_test, tmp_path, ini, line, words):
    code, log = run_to_end([under_test.executable, ini(f"http-socket = 127.0.0.1:0\n{line}\n")], tmp_path)
    assert code == 1 and words in log and "app.ini:3: " in log, log
