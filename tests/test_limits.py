"""Deadlines, sizes and exceptions: what ends a request or a worker, what the log says, and what clients get."""
import os
import signal
import socket
import stat
import time

import pytest
from harness import http, processes
from harness.address import connect
from harness.http import Reader, encode
from harness.load import Load
from harness.waiting import entered, until

pytestmark = pytest.mark.margrave_only(reason="the process model is Margrave's")

APP = """
import os, tempfile, time, uwsgi
kept = []
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        tempfile.mkstemp(prefix="entered-", dir=".")
        time.sleep(float(path[7:]))
    if path.startswith("/grow/"):
        kept.append(b"x" * (int(path[6:]) << 20))
    if path.startswith("/raise/"):
        raise {"ValueError": ValueError, "KeyError": KeyError}[path[7:]]("wrong")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
def after():
    if os.path.exists("hook"):
        time.sleep(2)
        open("hook-done", "w").close()
uwsgi.after_req_hook = after
"""


@pytest.fixture
def site(tmp_path, ini, address, serve):
    (tmp_path / "app.py").write_text(APP)

    class Site:
        directory = tmp_path

        def start(self, more="", workers=1):
            text = f"chdir = %d\nwsgi-file = app.py\nhttp-socket = {address}\nprocesses = {workers}\ndisable-logging = true\n{more}\n"
            self.address = address
            self.server = serve("--ini", ini(text))
            self.server.wait_log("serves after")
            return self.server

        def pid(self):
            return int(http.get(address, "/").text)

        def replaced(self, before, timeout=20):
            until(lambda: self.pid() != before, timeout, lambda: f"another worker than {before}\n{self.server.log}")

    return Site()


@pytest.mark.parametrize(
    "options, path, recycles",
    [
        ("reload-on-exception = true", "/raise/KeyError", True),
        ("reload-on-exception-type = ValueError", "/raise/ValueError", True),
        ("reload-on-exception-type = ValueError", "/raise/KeyError", False),
        ("reload-on-exception-value = wrong", "/raise/ValueError", True),
        ("reload-on-exception-repr = ValueError: wrong", "/raise/ValueError", True),
        ("reload-on-exception-repr = ValueError: right", "/raise/ValueError", False),
        ("", "/raise/ValueError", False),
    ],
)
def test_a_worker_is_replaced_after_the_exceptions_that_are_named(site, options, path, recycles):
    site.start(options)
    before = site.pid()
    assert http.get(site.address, path).status == 500
    if recycles:
        site.replaced(before)
        site.server.wait_log("an exception left the application")
    else:
        time.sleep(0.5)  # nothing happens, which gives no event
        assert site.pid() == before


@pytest.mark.parametrize(
    "option, reason",
    [
        ("reload-on-rss = 100", r"is being replaced: it uses \d+ MiB of memory \(reload-on-rss\)"),
        ("reload-on-uss = 90", r"is being replaced: it has \d+ MiB of memory of its own \(reload-on-uss\)"),
        ("reload-on-pss = 90", r"is being replaced: its share of memory is \d+ MiB \(reload-on-pss\)"),
        ("evil-reload-on-rss = 100", r"was killed: it uses \d+ MiB of memory \(evil-reload-on-rss\)"),
    ],
)
def test_a_worker_that_grows_too_large_is_replaced(site, option, reason):
    site.start(f"{option}\nmin-worker-lifetime = 0\nmem-collector-freq = 1")
    before = site.pid()
    http.get(site.address, "/grow/120")
    site.server.wait_log(reason)
    site.replaced(before)


def test_old_workers_are_replaced_one_after_the_other_and_later_by_their_delta(site):
    site.start("max-worker-lifetime = 2\nmax-worker-lifetime-delta = 3\nmin-worker-lifetime = 0", workers=2)
    with Load(site.address, clients=4, target="/") as load:
        site.server.wait_log(r"worker 1 .* is being replaced: it is \d s old")
        site.server.wait_log(r"worker 2 .* is being replaced: it is [5-9] s old")
    load.check(10)


def test_a_slow_request_is_shown_once_and_goes_on(site):
    server = site.start("slow-request-stack = 300ms")
    assert http.get(site.address, "/sleep/1").status == 200
    server.wait_log(r"slow request: worker 1 core 0: GET /sleep/1 from 127.0.0.1 has run for \d\.\d s")
    server.wait_log(r"app.py\", line \d+ in application")
    assert server.log.count("slow request") == 1


def test_a_hook_after_the_request_may_take_longer_where_that_is_wanted(site):
    server = site.start("harakiri = 1\nharakiri-no-arh = true")
    (site.directory / "hook").write_text("")
    assert http.get(site.address, "/").status == 200
    until((site.directory / "hook-done").exists, 10, "the end of the hook")
    assert "HARAKIRI" not in server.log


def test_a_verbose_harakiri_says_what_the_kernel_does(site):
    server = site.start("harakiri = 1\nharakiri-verbose = true")
    assert http.get(site.address, "/sleep/10").status == 504
    server.wait_log(r"HARAKIRI: .* has run for \d\.\d s \(system call \d+, waits in .*\); answered 504")


def test_requests_may_run_on_while_nobody_waits(site):
    server = site.start("harakiri = 1\nharakiri-queue-threshold = 3\nharakiri-graceful-timeout = 60")
    assert http.get(site.address, "/sleep/2.5").status == 200
    assert "HARAKIRI" not in server.log
    with connect(site.address) as stuck:
        stuck.sendall(encode("GET", "/sleep/20"))
        entered(site.directory, 2)
        others = [connect(site.address) for _ in range(6)]
        for other in others:
            other.sendall(encode("GET", "/"))
        assert Reader(stuck).response().status == 504
        for other in others:
            other.close()


def test_a_tracebacker_socket_gives_the_stacks_of_its_worker(site):
    site.start("py-tracebacker = tb", workers=2)

    def stacks(number):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(site.directory / f"tb{number}"))
            return b"".join(iter(lambda: link.recv(65536), b""))

    for number in (1, 2):
        # One of them may still be starting, and says so by its stack alone.
        until(lambda: f"worker {number} (pid ".encode() in stacks(number), 10, lambda: f"its name in {stacks(number)}")
        assert b"worker.py" in stacks(number)
        assert stat.S_IMODE((site.directory / f"tb{number}").stat().st_mode) == 0o600
    site.server.stop(signal.SIGTERM)
    assert not (site.directory / "tb1").exists()


def test_readiness_turns_false_before_a_stop_and_requests_are_answered_until_then(site):
    server = site.start("readiness = /ready\ndrain-delay = 2")
    assert http.get(site.address, "/ready").status == 200
    began = time.monotonic()
    server.send(signal.SIGTERM)
    until(lambda: http.get(site.address, "/ready").status == 503, 2, "the word that it is not ready")
    assert http.get(site.address, "/").status == 200
    assert server.wait_exit() == 0
    assert time.monotonic() - began >= 2


def test_a_second_sigterm_does_not_wait_for_the_delay(site):
    server = site.start("drain-delay = 30")
    server.send(signal.SIGTERM)
    server.wait_log("not ready any more")
    assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_an_immediate_stop_does_not_wait_for_a_request_nor_for_the_delay(site, number):
    server = site.start("drain-delay = 30\npidfile = pid")
    with connect(site.address) as link:
        link.sendall(encode("GET", "/sleep/60"))
        entered(site.directory)
        began = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - began < 8
    assert not (site.directory / "pid").exists()
