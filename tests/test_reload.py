"""Reloads: a new generation with new code and new configuration, and no request lost."""
import os
import re
import signal
import time

import pytest
from harness import http, processes
from harness.address import connect, free_address
from harness.http import Reader, encode
from harness.load import Load
from harness.waiting import entered, until

pytestmark = pytest.mark.margrave_only(reason="the process model is Margrave's")

APP = """
import os, tempfile, time
VERSION = {version!r}
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        tempfile.mkstemp(prefix="entered-", dir=".")
        time.sleep(1.0)
    if environ["PATH_INFO"] == "/held":
        tempfile.mkstemp(prefix="entered-", dir=".")
        while not os.path.exists("released"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [VERSION.encode()]
"""


@pytest.fixture
def site(tmp_path, ini, address, serve):
    """A site whose code and configuration the test rewrites."""

    class Site:
        def code(self, version, broken=""):
            (tmp_path / "app.py").write_text(broken + APP.format(version=version))

        def config(self, more=""):
            self.ini = ini(f"chdir = %d\nwsgi-file = app.py\nhttp-socket = {address}\nprocesses = 2\nthreads = 2\n{more}\n")

        def start(self, *arguments, **options):
            self.server = serve("--ini", self.ini, *arguments, serving=address, **options)
            self.server.wait_log("serves after")  # every worker is there, not only the one that answered
            return self.server

        def version(self):
            return http.get(address).text

        def reload(self, version):
            """Reloads and waits until only the new generation answers."""
            old = processes.descendants(self.server.pid)
            self.server.send(signal.SIGHUP)
            until(lambda: self.version() == version, 20, f"version {version}")
            until(lambda: not any(map(processes.alive, old)), 20, "the old generation to end")

    site = Site()
    site.address = address
    site.code("one")
    site.config()
    return site


def test_reload_brings_new_code(site):
    site.start()
    assert site.version() == "one"
    site.code("two")
    site.reload("two")
    assert site.server.running()


@pytest.mark.parametrize("keepalive", [True, False], ids=["keep-alive", "one-shot"])
def test_reload_under_load_loses_no_request(site, keepalive):
    site.start()
    with Load(site.address, clients=16, target="/", keepalive=keepalive) as load:
        until(lambda: len(load.answers) > 50, 10, "load")
        for version in ("two", "three", "four"):
            site.code(version)
            site.reload(version)
            until(lambda v=version: v.encode() in load.bodies(), 10, f"{version} under load")
    load.check(100)
    assert load.bodies() == {b"one", b"two", b"three", b"four"}
    if keepalive:
        assert load.connects <= 16 * 2, f"{load.connects} connections for 16 clients and 3 reloads"


def test_idle_connections_move_to_the_new_generation(site):
    site.start()
    links = [connect(site.address) for _ in range(20)]
    readers = [Reader(link) for link in links]
    for link, reader in zip(links, readers):
        link.sendall(encode("GET", "/"))
        assert reader.response().text == "one"
    site.code("two")
    site.reload("two")
    for link, reader in zip(links, readers):
        link.sendall(encode("GET", "/"))
        assert reader.response().text == "two"
        link.close()


def test_request_in_flight_is_answered_by_the_old_code(site, tmp_path):
    site.start()
    with connect(site.address) as link:
        link.sendall(encode("GET", "/slow"))
        entered(tmp_path)
        site.code("two")
        site.server.send(signal.SIGHUP)
        assert Reader(link).response().text == "one"
    until(lambda: site.version() == "two", 20, "the new code")


@pytest.mark.parametrize(
    "broken, text",
    [("def broken(:\n", "SyntaxError"), ("import no_such_module\n", "no_such_module"), ("raise RuntimeError('not today')\n", "not today")],
    ids=["syntax", "import", "exception"],
)
def test_reload_that_fails_keeps_the_old_code(site, broken, text):
    server = site.start()
    with Load(site.address, clients=4, target="/") as load:
        until(lambda: len(load.answers) > 10, 10, "load")
        site.code("two", broken)
        server.send(signal.SIGHUP)
        server.wait_log(text)
        count = len(load.answers)
        until(lambda: len(load.answers) > count + 100, 10, "answers after the failure")
    load.check()
    assert load.bodies() == {b"one"}
    assert len(re.findall(rf"^\w*Error: .*(?:{text}|invalid syntax)", server.log, re.MULTILINE)) == 1
    until(lambda: len(processes.children(server.pid)) == 1, 10, "the failed generation to end")
    site.code("three")
    site.reload("three")


def test_reload_reads_the_configuration_again(site):
    site.start()
    assert len(processes.children(processes.children(site.server.pid)[0])) == 2
    site.config("processes = 3\n")
    site.code("two")
    site.reload("two")
    until(lambda: len(processes.children(processes.children(site.server.pid)[0])) == 3, 10, "three workers")


def test_reload_with_a_broken_configuration_keeps_the_old_one(site, tmp_path):
    server = site.start()
    site.config("processes = many\n")
    server.send(signal.SIGHUP)
    server.wait_log("app.ini:")
    assert site.version() == "one" and server.running()
    site.config()
    site.code("two")
    site.reload("two")


def test_reload_can_add_a_listener(site, address):
    server = site.start()
    other = free_address()
    site.config(f"http-socket = {other}\n")
    site.code("two")
    site.reload("two")
    assert http.get(other).text == "two" and server.running()


def test_reload_right_after_a_reload_ends_with_the_last_code(site):
    server = site.start()
    for version in ("two", "three", "four"):
        site.code(version)
        server.send(signal.SIGHUP)
        time.sleep(0.05)  # so close that they overlap
    until(lambda: site.version() == "four", 30, "the last code")
    until(lambda: len(processes.children(server.pid)) == 1, 20, "one generation")
    assert {site.version() for _ in range(10)} == {"four"}


def test_stop_during_a_reload_ends_everything(site):
    server = site.start()
    site.code("two", "import time\ntime.sleep(1.5)\n")
    server.send(signal.SIGHUP)
    until(lambda: len(processes.children(server.pid)) == 2, 10, "two generations")
    assert server.stop(signal.SIGTERM) == 0
    server.assert_nothing_left()


def test_reload_during_the_first_start_is_not_lost(site, serve):
    site.code("one", "import time\ntime.sleep(1.0)\n")
    server = site.server = serve("--ini", site.ini, ready=site.address)
    site.code("two")
    server.send(signal.SIGHUP)
    until(lambda: site.version() == "two", 20, "the new code")
    assert server.running()


def test_touch_reload_watches_its_file(site, tmp_path):
    watched = tmp_path / "watched"
    watched.write_text("")
    site.config(f"touch-reload = {watched}\n")
    site.start()
    site.code("two")
    os.utime(watched, (time.time() + 10, time.time() + 10))
    until(lambda: site.version() == "two", 20, "the new code")


def test_lazy_apps_reload_too(site):
    site.config("lazy-apps = true\n")
    site.start()
    site.code("two")
    site.reload("two")


def test_lazy_apps_reload_that_fails_keeps_the_old_code(site):
    site.config("lazy-apps = true\n")
    server = site.start()
    site.code("two", "raise RuntimeError('not today')\n")
    server.send(signal.SIGHUP)
    server.wait_log("not today")
    time.sleep(0.5)  # the old generation must still be there afterwards
    assert site.version() == "one" and server.running()


def test_term_reloads_when_asked_to(site):
    site.config("term-reloads = true\n")
    server = site.start()
    site.code("two")
    server.send(signal.SIGTERM)
    until(lambda: site.version() == "two", 20, "the new code")
    assert server.running()


def test_unix_socket_stays_the_same_file(site, tmp_path):
    from harness import uwsgi_packets

    path = tmp_path / "x.sock"
    site.config(f"socket = {path}\n")
    site.start()
    inode = path.stat().st_ino
    site.code("two")
    site.reload("two")
    assert path.stat().st_ino == inode and uwsgi_packets.request(str(path)).text == "two"


def test_pidfile_stays(site, tmp_path):
    path = tmp_path / "x.pid"
    site.config(f"pidfile = {path}\n")
    server = site.start()
    site.code("two")
    site.reload("two")
    assert int(path.read_text()) == server.pid


def test_reload_passes_on_more_connections_than_a_queue_holds(site):
    site.start()
    links = [connect(site.address) for _ in range(700)]
    for link in links[:500]:
        link.sendall(encode("GET", "/"))
    readers = [Reader(link) for link in links]
    assert {reader.response().text for reader in readers[:500]} == {"one"}
    begun = encode("GET", "/")
    for link in links[:200]:
        link.sendall(begun[:10])
    site.code("two")
    site.reload("two")
    for link in links[:200]:
        link.sendall(begun[10:])
    for link in links[200:]:
        link.sendall(begun)
    assert {reader.response().text for reader in readers} == {"two"}


@pytest.mark.parametrize("reloads", [2, 3])
def test_a_connection_whose_request_lasts_over_several_reloads_goes_on(site, tmp_path, reloads):
    site.start()
    with connect(site.address) as link:
        link.sendall(encode("GET", "/held"))
        reader = Reader(link)
        entered(tmp_path)
        for number in range(reloads):
            site.code(f"version {number}")
            site.server.send(signal.SIGHUP)
            until(lambda n=number: site.version() == f"version {n}", 20, "the new code")
        (tmp_path / "released").touch()
        answer = reader.response()
        assert answer.text == "one" and answer.get("Connection") is None

        def is_settled():
            # The last reload may be so young that the worker does not know its heirs yet.
            link.sendall(encode("GET", "/"))
            answer = reader.response()
            return answer.text == f"version {reloads - 1}" or answer.get("Connection") == "close"

        until(is_settled, 10, "the connection to be passed on, or to be said to end")
