"""The order of hooks, their process, user and directory, on both servers; and how a failing hook ends an instance."""
import os
import signal
from collections import namedtuple

import pytest
from harness import processes
from harness.address import free_address
from harness.server import Server
from harness.waiting import until

HOOKS = (
    "asap pre-jail post-jail in-jail as-root as-user as-user-atexit pre-app post-app post-fork accepting accepting1 "
    "accepting-once accepting1-once master-start"
).split()
COMMANDS = "asap pre-jail post-jail in-jail as-root as-user as-user-atexit pre-app post-app".split()
APP = """
import os
with open("{record}", "a") as record:
    record.write(f"LOAD {{os.getpid()}} {{os.getcwd()}}\\n")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""
Step = namedtuple("Step", "name pid directory")
AFTER_FORK = ("hook-post-fork", "hook-accepting", "hook-accepting1", "hook-accepting-once", "hook-accepting1-once")


class Instance:
    def __init__(self, directory, name, executable, extra=""):
        self.root = directory / name
        (self.root / "app").mkdir(parents=True)
        self.record = self.root / "record"
        self.record.touch()
        (self.root / "app" / "app.py").write_text(APP.format(record=self.record))
        lines = ["[uwsgi]", f"http-socket = {free_address()}", f"chdir = {self.root}/app", "wsgi-file = app.py"]
        lines += ["master = true", "processes = 2", "need-app = true", extra]
        lines += [f"hook-{phase} = exec:{self.step('hook-' + phase)}" for phase in HOOKS]
        lines += [f"exec-{phase} = {self.step('exec-' + phase)}" for phase in COMMANDS]
        (self.root / "hooks.ini").write_text("\n".join(lines))
        self.server = Server([executable, "hooks.ini"], self.root, name=name)

    def step(self, name):
        # In the shell itself, so that its parent is the process that runs the hook.
        return f'echo "{name} $PPID $PWD" >> {self.record}'

    def steps(self):
        return [Step(*line.split()) for line in self.record.read_text().splitlines()]

    def names(self):
        return [step.name for step in self.steps()]

    def until_last(self, count):
        """Until the last hook of a start has run so many times, and each worker's."""
        names = lambda: self.names()
        there = lambda: names().count("hook-accepting1-once") >= count and names().count("hook-accepting-once") >= 2 * count
        until(lambda: there() and names().count("hook-master-start") >= count, 20, lambda: f"{names()}\n{self.server.log}")

    def mark(self, text):
        with open(self.record, "a") as record:
            record.write(f"{text} 0 /\n")


def run(directory, name, executable, extra=""):
    """What one server records over a start, a reload and a stop; the exit code."""
    instance = Instance(directory, name, executable, extra)
    with instance.server.start():
        instance.until_last(1)
        workers = set(instance.server.everyone())
        instance.mark("RELOAD")
        instance.server.send(signal.SIGHUP)
        instance.until_last(2)
        until(lambda: not (workers - {instance.server.pid}) & set(instance.server.everyone()), 20, "the old workers to go")
        instance.mark("STOP")
        code = instance.server.stop(signal.SIGINT)
    return instance, code


def directory_of(instance, step):
    return {str(instance.root): "start", str(instance.root / "app"): "application"}.get(step.directory, step.directory)


def sections(instance):
    """The steps of start, reload and stop."""
    found = [[]]
    for step in instance.steps():
        if step.name in ("RELOAD", "STOP"):
            found.append([])
        else:
            found[-1].append(step)
    return found


def common(instance, steps):
    """What processes before the fork and the master do: name and directory, in order, each name once.

    uWSGI as root without `uid` repeats its as-root and as-user hooks at every look at its privileges.
    """
    shown = {}
    for step in steps:
        if step.name not in AFTER_FORK and step.name != "hook-master-start":
            shown.setdefault(step.name, directory_of(instance, step))
    return list(shown.items())


def by_worker(steps):
    """What each worker does, the first worker first."""
    found = {}
    for step in steps:
        if step.name in AFTER_FORK:
            found.setdefault(step.pid, []).append(step.name)
    return sorted(found.values(), key=len, reverse=True)


@pytest.fixture(scope="module")
def both(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("hooks")
    return {name: run(directory, name, request.config.getoption(f"--{name}")) for name in ("uwsgi", "margrave")}


def test_the_start_runs_the_same_hooks_in_the_same_order_and_directories(both):
    theirs, ours = (common(both[name][0], sections(both[name][0])[0]) for name in ("uwsgi", "margrave"))
    assert ours == theirs
    assert [name for name, _ in ours][-3:] == ["LOAD", "hook-post-app", "exec-post-app"]


def test_workers_run_the_same_hooks_in_the_same_order(both):
    for section in (0, 1):
        theirs, ours = (by_worker(sections(both[name][0])[section]) for name in ("uwsgi", "margrave"))
        assert ours == theirs
        assert len(ours) == 2 and "hook-accepting1" in ours[0] and "hook-accepting1" not in ours[1]


def test_a_reload_runs_the_same_hooks_and_those_of_the_end_when_the_old_ones_have_gone(both):
    theirs, ours = (dict(common(both[name][0], sections(both[name][0])[1])) for name in ("uwsgi", "margrave"))
    assert ours == theirs
    # uWSGI ends what it runs before it loads; here the new generation serves first.
    order = [name for name, _ in common(both["margrave"][0], sections(both["margrave"][0])[1])]
    assert order.index("hook-as-user-atexit") > order.index("exec-post-app")


def test_the_end_runs_the_same_hooks(both):
    theirs, ours = (common(both[name][0], sections(both[name][0])[2]) for name in ("uwsgi", "margrave"))
    assert ours == theirs and ours
    assert both["uwsgi"][1] == both["margrave"][1] == 0


def test_hooks_of_the_application_run_in_the_process_that_loads_it(both):
    for name, (instance, _) in both.items():
        start = sections(instance)[0]
        pids = {step.name: int(step.pid) for step in start}
        assert pids["hook-pre-app"] == pids["LOAD"] == pids["exec-post-app"], name
        assert pids["hook-asap"] == pids["hook-as-user"] == pids["hook-master-start"] == instance.server.pid, name


@pytest.mark.parametrize("extra", ["lazy-apps = true"])
def test_with_lazy_apps_the_hooks_of_the_application_run_in_each_worker(request, tmp_path, extra):
    shown = {}
    for name in ("uwsgi", "margrave"):
        instance, _ = run(tmp_path, name, request.config.getoption(f"--{name}"), extra)
        start = sections(instance)[0]
        loads = {step.pid for step in start if step.name == "LOAD"}
        shown[name] = sorted(
            tuple(step.name for step in start if step.pid == pid and step.name != "hook-master-start") for pid in loads
        )
        assert len(loads) == 2
    assert shown["margrave"] == shown["uwsgi"]


@pytest.mark.parametrize("phase", ["asap", "pre-jail", "in-jail", "as-root", "as-user"])
@pytest.mark.parametrize("action, code", [("exec:exit 3", 1), ("exit:33", 33), ("nosuch:x", 1), ("chdir:/no/such", 1)])
def test_a_hook_that_fails_ends_the_start_with_the_same_code(request, tmp_path, phase, action, code):
    (tmp_path / "app.py").write_text(APP.format(record=os.devnull))
    words = ["--http-socket", free_address(), "--master", "--wsgi-file", "app.py", f"--hook-{phase}", action]
    for name in ("uwsgi", "margrave"):
        server = Server([request.config.getoption(f"--{name}"), *words], tmp_path, name=name)
        with server.start():
            assert server.wait_exit() == code, f"{name}:\n{server.log}"


def test_a_worker_that_is_replaced_runs_its_hooks_but_for_those_of_the_first_time(request, tmp_path):
    shown = {}
    for name in ("uwsgi", "margrave"):
        instance = Instance(tmp_path, name, request.config.getoption(f"--{name}"), "processes = 1")
        with instance.server.start():
            until(lambda: "hook-accepting1-once" in instance.names(), 20, lambda: instance.server.log)
            victim = next(int(step.pid) for step in instance.steps() if step.name == "hook-accepting1")
            instance.mark("RELOAD")
            processes.kill(victim)
            until(lambda: instance.names().count("hook-accepting1") == 2, 20, lambda: instance.server.log)
            shown[name] = by_worker(sections(instance)[1])
            instance.server.stop(signal.SIGINT)
    assert shown["margrave"] == shown["uwsgi"] == [["hook-post-fork", "hook-accepting", "hook-accepting1"]]
