"""The emperor: an instance for each file of a directory."""
import os
import signal
import time

import pytest
from harness import http
from harness.address import free_address, refuses
from harness.server import run_to_end
from harness.waiting import until

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [{name!r}.encode()]
"""


class Vassals:
    """A directory of vassals and the emperor over it."""

    def __init__(self, directory, serve, *lines):
        self.directory = directory / "vassals"
        self.directory.mkdir()
        self.record = directory / "record"
        self.record.touch()
        path = directory / "emperor.ini"
        path.write_text("\n".join(["[uwsgi]", f"emperor = {self.directory}", *lines, ""]))
        self.server = serve("--ini", path)

    def add(self, name, text=None, lines=()):
        """A vassal that answers with its name, or with `text`; its address."""
        address = free_address()
        (self.directory / f"{name}.py").write_text(APP.format(name=text or name))
        self.write(name, address, *lines)
        return address

    def write(self, name, address, *more):
        path = self.directory / f"{name}.ini"
        lines = ["[uwsgi]", f"http-socket = {address}", f"wsgi-file = %d{name}.py", "master = true", *more, ""]
        path.with_suffix(".new").write_text("\n".join(lines))
        path.with_suffix(".new").rename(path)

    def until_says(self, address, text):
        def says():
            try:
                return http.get(address, timeout=5).text == text
            except (OSError, http.Broken):
                return False

        until(says, 30, lambda: f"{address} to say {text}\n{self.server.log}")

    def until_gone(self, address):
        until(lambda: refuses(address), 30, lambda: f"the vassal at {address} to end\n{self.server.log}")

    def touch(self, name):
        os.utime(self.directory / f"{name}.ini", (time.time() + 5, time.time() + 5))

    def steps(self):
        """What hooks have recorded, each as words."""
        return [line.split() for line in self.record.read_text().splitlines()]

    def until_recorded(self, *names):
        def there():
            return {step[0] for step in self.steps()} >= set(names)

        until(there, 30, lambda: f"{names} in {self.steps()}\n{self.server.log}")


@pytest.fixture
def vassals(tmp_path, serve):
    return Vassals(tmp_path, serve)


def test_vassal_starts_when_its_file_appears_and_ends_when_it_goes(vassals):
    one = vassals.add("one")
    vassals.until_says(one, "one")
    two = vassals.add("two")
    vassals.until_says(two, "two")
    (vassals.directory / "one.ini").unlink()

    vassals.until_gone(one)
    assert http.get(two).text == "two"


def test_vassal_reloads_when_its_file_changes(vassals):
    address = vassals.add("one", "before")
    vassals.until_says(address, "before")
    (vassals.directory / "one.py").write_text(APP.format(name="after"))
    vassals.touch("one")
    vassals.until_says(address, "after")


def test_vassal_that_does_not_load_does_not_disturb_the_others(vassals):
    good = vassals.add("good")
    vassals.until_says(good, "good")
    (vassals.directory / "bad.py").write_text("raise RuntimeError('bad vassal')\n")
    vassals.write("bad", free_address())
    vassals.server.wait_log("bad vassal")
    assert http.get(good).text == "good" and vassals.server.running()


@pytest.mark.margrave_only(reason="TERM reloads there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT], ids=lambda n: n.name)
def test_stopping_the_emperor_stops_its_vassals(vassals, number):
    vassals.until_says(vassals.add("one"), "one")
    assert vassals.server.stop(number, 30) == 0
    vassals.server.assert_nothing_left()


def record(directory, name, words=""):
    """A hook's command: in the shell itself, so that its parent is the process that runs the hook."""
    return f'echo "{name} $PPID $PWD {words}" >> {directory}/record'


def test_hooks_of_the_emperor_run_in_the_emperor_and_in_what_becomes_a_vassal(tmp_path, serve):
    told = "$UWSGI_VASSAL_CONFIG $UWSGI_VASSAL_PID $UWSGI_VASSAL_UID $UWSGI_VASSAL_GID"
    vassals = Vassals(
        tmp_path,
        serve,
        f"hook-emperor-start = exec:{record(tmp_path, 'start')}",
        f"hook-as-vassal = exec:{record(tmp_path, 'hook-as-vassal')}",
        "hook-as-vassal = putenv:GIVEN=by-the-emperor",
        f"exec-as-vassal = {record(tmp_path, 'exec-as-vassal')}",
        f"hook-as-emperor = exec:{record(tmp_path, 'hook-as-emperor')}",
        f"exec-as-emperor = {record(tmp_path, 'exec-as-emperor', told)}",
    )
    one = vassals.add("one", lines=[f"hook-asap = exec:{record(tmp_path, 'asap', '$GIVEN')}"])
    vassals.until_says(one, "one")
    vassals.until_recorded("exec-as-emperor")
    steps = {step[0]: step[1:] for step in vassals.steps()}
    emperor, vassal, directory = str(vassals.server.pid), steps["asap"][0], str(vassals.directory)
    assert steps["start"] == [emperor, directory]
    assert steps["hook-as-vassal"] == [vassal, directory] and steps["exec-as-vassal"] == [vassal, directory]
    assert steps["asap"] == [vassal, directory, "by-the-emperor"]
    told = ["one.ini", vassal, str(os.getuid()), str(os.getgid())]
    assert steps["exec-as-emperor"][1:] == [directory, *told] and steps["hook-as-emperor"][1] == directory
    assert "names no option" not in vassals.server.log
    names = [step[0] for step in vassals.steps()]
    assert names.index("start") < names.index("hook-as-vassal") < names.index("exec-as-vassal") < names.index("asap")
    assert names.index("hook-as-emperor") < names.index("exec-as-emperor")


def test_programs_get_the_name_of_a_vassal_that_starts_and_of_one_that_has_ended(tmp_path, serve):
    for name in ("start", "stop"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{record(tmp_path, name, '$1 $UWSGI_VASSALS_DIR')}\n")
        (tmp_path / name).chmod(0o755)
    hooks = [f"vassals-start-hook = {tmp_path}/start", f"vassals-stop-hook = {tmp_path}/stop"]
    vassals = Vassals(tmp_path, serve, *hooks)
    vassals.until_says(vassals.add("one"), "one")
    directory = str(vassals.directory)
    assert [(step[0], *step[2:]) for step in vassals.steps()] == [("start", directory, "one.ini", directory)]
    (vassals.directory / "one.ini").unlink()
    vassals.until_recorded("stop")
    assert [(step[0], *step[2:]) for step in vassals.steps()[1:]] == [("stop", directory, "one.ini", directory)]


def test_vassal_runs_hooks_before_it_reloads_or_stops_for_its_emperor(vassals, tmp_path):
    # That hooks fail keeps nobody from doing as the emperor says.
    lines = [
        f"hook-emperor-reload = exec:{record(tmp_path, 'reload')}; exit 3",
        f"hook-emperor-stop = exec:{record(tmp_path, 'stop')}; exit 3",
        f"hook-as-user-atexit = exec:{record(tmp_path, 'atexit')}",
    ]
    one = vassals.add("one", "before", lines)
    vassals.until_says(one, "before")
    (vassals.directory / "one.py").write_text(APP.format(name="after"))
    vassals.touch("one")
    vassals.until_says(one, "after")
    assert vassals.steps()[0][0] == "reload"
    (vassals.directory / "one.ini").unlink()
    vassals.until_recorded("stop")
    until(lambda: vassals.steps()[-1][0] == "atexit", 30, lambda: str(vassals.steps()))
    assert vassals.steps()[-2][0] == "stop" and len({step[1] for step in vassals.steps()}) == 1


@pytest.mark.margrave_only(reason="a slow hook holds up all of uWSGI's emperor")
def test_slow_hook_for_one_vassal_delays_no_other(tmp_path, serve):
    (tmp_path / "gate").touch()
    wait = f"while [ $UWSGI_VASSAL_CONFIG = slow.ini -a -e {tmp_path}/gate ]; do sleep 0.1; done"
    vassals = Vassals(
        tmp_path,
        serve,
        f"exec-as-vassal = {record(tmp_path, 'begun', '$UWSGI_VASSAL_CONFIG')}; {wait}",
        f"exec-as-emperor = {wait}; {record(tmp_path, 'told', '$UWSGI_VASSAL_CONFIG')}",
    )
    slow = vassals.add("slow")

    def has_been(what, name):
        return any((step[0], step[3]) == (what, name) for step in vassals.steps())

    until(lambda: has_been("begun", "slow.ini"), 30, lambda: vassals.server.log)
    vassals.until_says(vassals.add("quick"), "quick")
    until(lambda: has_been("told", "quick.ini"), 30, lambda: vassals.server.log)
    assert not has_been("told", "slow.ini")
    (tmp_path / "gate").unlink()
    vassals.until_says(slow, "slow")
    until(lambda: has_been("told", "slow.ini"), 30, lambda: vassals.server.log)


@pytest.mark.parametrize("hook", ["hook-as-vassal = exec:", "exec-as-vassal = "])
def test_vassal_whose_hook_fails_starts_when_it_no_longer_does(tmp_path, serve, hook):
    vassals = Vassals(tmp_path, serve, f"{hook}{record(tmp_path, 'tried')}; test -e {tmp_path}/gate")
    one = vassals.add("one")
    until(lambda: len(vassals.steps()) >= 2, 30, lambda: vassals.server.log)
    (tmp_path / "gate").touch()
    vassals.until_says(one, "one")


@pytest.mark.parametrize("hook", ["hook-as-emperor = exec:", "exec-as-emperor = "])
def test_failing_hook_beside_the_emperor_costs_nothing(tmp_path, serve, hook):
    vassals = Vassals(tmp_path, serve, f"{hook}{record(tmp_path, 'told')}; exit 3")
    vassals.until_says(vassals.add("one"), "one")
    vassals.until_recorded("told")
    assert vassals.server.running()


@pytest.mark.parametrize("action", ["exec:exit 3", "exit:44"])
def test_failing_hook_at_the_start_of_the_emperor_ends_it(tmp_path, under_test, action):
    path = tmp_path / "emperor.ini"
    path.write_text(f"[uwsgi]\nemperor = {tmp_path}\nhook-emperor-start = {action}\n")
    code, log = run_to_end([under_test.executable, "--ini", path], tmp_path)
    assert code == (44 if action == "exit:44" else 1), log


@pytest.mark.margrave_only(reason="TERM reloads there")
def test_emperor_waits_for_the_hooks_of_vassals_that_have_ended(tmp_path, serve):
    stop = tmp_path / "stop"
    stop.write_text(f"#!/bin/sh\nsleep 1\n{record(tmp_path, 'stop')}\n")
    stop.chmod(0o755)
    vassals = Vassals(tmp_path, serve, f"vassals-stop-hook = {stop}")
    vassals.until_says(vassals.add("one"), "one")
    assert vassals.server.stop(signal.SIGTERM, 30) == 0
    assert vassals.steps()[0][0] == "stop"
    vassals.server.assert_nothing_left()


def test_vassal_that_reloads_at_sigterm_stops_when_its_file_goes(vassals):
    one = vassals.add("one", lines=["term-reloads = true"])
    vassals.until_says(one, "one")
    (vassals.directory / "one.ini").unlink()
    vassals.until_gone(one)
