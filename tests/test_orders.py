"""Orders to a running master: the FIFO's letters, touched files, pauses, more and fewer workers, chains, checks."""
import os
import signal
import threading
import time

import pytest
from harness import http, processes
from harness.address import connect
from harness.http import Reader, encode
from harness.load import Load
from harness.waiting import entered, until

pytestmark = pytest.mark.margrave_only(reason="the process model is Margrave's; the letters are compared in conformance")

APP = """
import tempfile, time
VERSION = {version!r}
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith(("/sleep/", "/hold")):
        tempfile.mkstemp(prefix="entered-", dir=".")
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    if path == "/hold":
        sum(range(15 * 10 ** 7))
    status = "200 OK"
    if path == "/healthz" and {sick!r}:
        status = "503 Service Unavailable"
    start_response(status, [("Content-Type", "text/plain")])
    return [VERSION.encode()]
"""


class Site:
    def __init__(self, directory, ini, address, serve):
        self.directory, self.write_ini, self.address, self.serve = directory, ini, address, serve
        self.fifo = directory / "fifo"

    def code(self, version, broken="", sick=False):
        (self.directory / "app.py").write_text(broken + APP.format(version=version, sick=sick))

    def start(self, more="", workers=2):
        text = f"chdir = %d\nwsgi-file = app.py\nhttp-socket = {self.address}\nprocesses = {workers}\nmaster-fifo = fifo\ndisable-logging = true\n{more}\n"
        self.server = self.serve("--ini", self.write_ini(text))
        self.server.wait_log("serves after")
        return self.server

    def order(self, letters):
        with open(self.fifo, "w") as fifo:
            fifo.write(letters)

    def version(self):
        return http.get(self.address).text

    def workers(self):
        """Pids of the workers, by their titles."""
        return [pid for pid in processes.descendants(self.server.pid) if "worker" in processes.title(pid)]

    def wait_workers(self, count, timeout=10):
        until(lambda: len(self.workers()) == count, timeout, lambda: f"{count} workers, now {self.workers()}\n{self.server.log}")


@pytest.fixture
def site(tmp_path, ini, address, serve):
    site = Site(tmp_path, ini, address, serve)
    site.code("one")
    return site


@pytest.mark.parametrize("order", ["r", "R", "w", "W", "c", "HUP", "touch-workers-reload", "touch-chain-reload", "fs-reload", "fs-brutal-reload"])
def test_every_kind_of_reload_brings_new_code_under_load_and_loses_no_request(site, order):
    trigger = site.directory / "trigger"
    trigger.write_text("")
    site.start(f"{order} = {trigger}" if "-" in order else "")
    with Load(site.address, clients=4) as kept, Load(site.address, clients=4, keepalive=False) as single:
        until(lambda: len(kept.answers) > 20 and len(single.answers) > 20, 10, "load")
        site.code("two")
        if order == "HUP":
            site.server.send(signal.SIGHUP)
        elif "-" in order:
            trigger.write_text("x")
        else:
            site.order(order)
        until(lambda: b"two" in kept.bodies() & single.bodies(), 20, lambda: f"the new code\n{site.server.log}")
        site.server.wait_log("generation 2 serves")
        site.wait_workers(2)
    for load in (kept, single):
        load.check(20)
        assert load.bodies() == {b"one", b"two"}
    assert site.version() == "two"


@pytest.mark.parametrize("order", ["r", "R", "w", "c"])
def test_a_syntax_error_changes_nothing_for_clients_whatever_kind_of_reload_it_was(site, order):
    site.start()
    before = sorted(site.workers())
    with Load(site.address, clients=4) as load:
        site.code("two", broken="def broken(:\n")
        site.order(order)
        site.server.wait_log("generation 2 failed, the old one serves on")
    load.check(1)
    assert load.bodies() == {b"one"}
    assert sorted(site.workers()) == before


@pytest.mark.parametrize("lazy", ["", "lazy-apps = true"], ids=["preforking", "lazy"])
def test_a_chain_replaces_one_worker_after_the_other_and_never_has_fewer(site, lazy):
    site.start(lazy, workers=3)
    old = set(site.workers())
    site.code("two")
    site.order("c")
    fewest = 3
    while "generation 2 serves" not in site.server.log:
        # Twice: while /proc is read, one may have come and one gone.
        fewest = min(fewest, max(len(site.workers()), len(site.workers())))
    assert fewest == 3
    assert len(site.server.log.split("gives way to its successor")) == 4
    until(lambda: not old & set(site.workers()), 10, "the old workers to end")


def test_a_chain_that_fails_half_way_gives_back_what_it_has_taken(site):
    loads = site.directory / "loads"
    loads.mkdir()
    # Each load leaves a directory; the fifth, which is that of the second new worker, dies.
    counting = (
        "import itertools, os\n"
        # Several workers load at the same time: each number is somebody's alone.
        "for number in itertools.count(1):\n"
        "    try:\n"
        f"        os.mkdir(os.path.join({str(loads)!r}, str(number)))\n"
        "        break\n"
        "    except FileExistsError:\n"
        "        pass\n"
        "if number == 5:\n    os._exit(7)\n"
    )
    site.code("one", broken=counting)
    site.start("lazy-apps = true", workers=3)
    until(lambda: len(list(loads.iterdir())) == 3, 10, "three loads")
    with Load(site.address, clients=4) as load:
        until(lambda: len(load.answers) > 20, 10, "load")
        site.order("c")
        site.server.wait_log("generation 2 failed, the old one serves on: worker 2 exited with code 7")
        site.wait_workers(3)
        until(lambda: len(list(loads.iterdir())) == 6, 10, "the place that was given back to be taken")
        seen = len(load.answers)
        until(lambda: len(load.answers) > seen + 50, 10, "load")
    load.check(50)
    assert http.get(site.address).status == 200


def test_one_slow_request_survives_every_graceful_reload(site):
    site.start()
    for number, order in enumerate("rwc", 1):
        with connect(site.address) as link:
            link.sendall(encode("GET", "/sleep/2"))
            entered(site.directory, number)
            reloads = len(site.server.log.split("serves after"))
            site.order(order)
            assert Reader(link).response().status == 200
            until(lambda: len(site.server.log.split("serves after")) > reloads, 10, "the reload")


def test_a_brutal_reload_gives_what_is_in_flight_a_moment_only(site):
    site.start()
    with connect(site.address) as slow, connect(site.address) as quick:
        slow.sendall(encode("GET", "/sleep/30"))
        quick.sendall(encode("GET", "/sleep/0.3"))
        entered(site.directory, 2)
        began = time.monotonic()
        site.order("R")
        assert Reader(quick).response().status == 200
        with pytest.raises((http.Broken, OSError)):
            Reader(slow).response()
        assert time.monotonic() - began < 8
    site.wait_workers(2)


def test_a_pause_lets_requests_wait_and_a_reload_or_a_dead_worker_does_not_end_it(site):
    site.start()
    with connect(site.address) as kept:
        reader = Reader(kept)
        kept.sendall(encode("GET", "/"))
        reader.response()
        site.server.send(signal.SIGTSTP)
        site.server.wait_log("paused")
        kept.sendall(encode("GET", "/"))
        with connect(site.address) as fresh:
            fresh.sendall(encode("GET", "/"))
            fresh.settimeout(0.5)
            with pytest.raises(TimeoutError):
                fresh.recv(1)
            victim = site.workers()
            processes.kill(victim[0])
            until(lambda: len(site.workers()) == 2 and site.workers() != victim, 10, "the replacement")
            with pytest.raises(TimeoutError):
                fresh.recv(1)
            site.order("p")
            fresh.settimeout(10)
            assert Reader(fresh).response().text == "one"
        site.server.wait_log("the pause is over")


def test_a_pause_can_be_stopped_gracefully(site):
    site.start()
    site.order("p")
    site.server.wait_log("paused")
    assert site.server.stop(signal.SIGTERM) == 0


def test_workers_come_and_go_by_order_and_one_always_stays(site):
    site.start()
    with Load(site.address, clients=4) as load:
        site.order("+")
        site.wait_workers(3)
        site.order("---")
        site.wait_workers(1)
        site.server.wait_log("one worker always stays")
        site.order("++")
        site.wait_workers(3)
    load.check(1)


def test_a_digit_switches_to_another_fifo(site):
    site.start("master-fifo = second")
    site.order("1")
    second = site.directory / "second"
    until(second.exists, 10, "the second FIFO")
    with open(second, "w") as fifo:
        fifo.write("+")
    site.wait_workers(3)
    assert site.server.stop(signal.SIGINT) == 0
    assert not second.exists()


@pytest.mark.parametrize("letter", ["q", "Q"])
def test_stop_by_letter(site, letter):
    site.start()
    site.order(letter)
    assert site.server.wait_exit() == 0
    assert not site.fifo.exists()


def test_pidfiles_are_written_again(site):
    site.start("pidfile = pid")
    pidfile = site.directory / "pid"
    pidfile.unlink()
    site.order("P")
    until(pidfile.exists, 5, "the pidfile")
    assert int(pidfile.read_text()) == site.server.pid


def test_stacks_show_every_thread_also_one_that_holds_the_gil(site):
    site.code("one", broken=(
        "import threading, time, uwsgi\n"
        "def background():\n    time.sleep(1000)\n"
        "uwsgi.post_fork_hook = lambda: threading.Thread(target=background, daemon=True).start()\n"
    ))
    server = site.start("threads = 2", workers=1)
    with connect(site.address) as link:
        link.sendall(encode("GET", "/hold"))
        entered(site.directory)
        server.send(signal.SIGUSR1)
        server.wait_log("stacks of all threads")
        for pattern in (r"worker 1 \(pid \d+\) core \d: in a request for", r"core \d: idle", r"in background", r"in application"):
            server.wait_log(pattern, timeout=5)
        assert Reader(link).response().status == 200


def test_cheap_mode_ends_all_workers_until_a_connection_comes(site):
    site.start("cheap = true")
    assert site.workers() == []
    assert site.version() == "one"
    site.wait_workers(2)
    site.order("C")
    site.wait_workers(0)
    assert site.version() == "one"
    site.wait_workers(2)


def test_idle_ends_the_workers_and_die_on_idle_the_instance(site):
    site.start("idle = 2")
    site.wait_workers(0)
    assert site.version() == "one"
    assert site.server.stop(signal.SIGTERM) == 0
    site.start("idle = 1\ndie-on-idle = true")
    assert site.server.wait_exit() == 0


def test_busyness_is_told_where_that_is_wanted(site):
    site.start("cheaper = 1\ncheaper-algo = busyness\ncheaper-overload = 1\ncheaper-busyness-verbose = true")
    site.server.wait_log(r"busyness: 0 % of 1 workers")


@pytest.mark.parametrize(
    "options, load, least, most",
    [
        ("cheaper-algo = spare\ncheaper-overload = 1\ncheaper-step = 2", 6, 3, 4),
        ("cheaper-algo = spare2\ncheaper-idle = 1", 6, 3, 4),
        ("cheaper-algo = busyness\ncheaper-overload = 1\ncheaper-busyness-multiplier = 1", 6, 3, 4),
        ("cheaper-algo = backlog\ncheaper-overload = 1\ncheaper-idle = 2", 6, 3, 4),
        ("cheaper-algo = latency\ncheaper-latency = 20ms\ncheaper-idle = 2", 6, 3, 4),
    ],
    ids=["spare", "spare2", "busyness", "backlog", "latency"],
)
def test_cheaper_follows_the_load(site, options, load, least, most):
    site.start(f"cheaper = 1\n{options}", workers=4)
    site.wait_workers(1)
    with Load(site.address, clients=load, target="/sleep/0.2") as clients:
        until(lambda: least <= len(site.workers()) <= most, 20, lambda: f"more workers\n{site.server.log}")
    clients.check(1)
    site.wait_workers(1, timeout=40)
    assert site.version() == "one"


def test_a_generation_that_does_not_answer_the_check_never_takes_over(site):
    site.start("reload-check = /healthz")
    with Load(site.address, clients=4) as load:
        site.code("two", sick=True)
        site.order("r")
        site.server.wait_log("/healthz was answered with 503 instead of 2xx")
        assert site.version() == "one"
        site.code("three")
        site.order("r")
        until(lambda: b"three" in load.bodies(), 20, "the healthy code")
        site.code("four", sick=True)
        site.order("c")
        site.server.wait_log("/healthz was answered with 503 instead of 2xx", count=2)
        site.wait_workers(2)
    load.check(1)
    assert load.bodies() == {b"one", b"three"}
