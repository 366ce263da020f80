"""SIGUSR2 replaces the running executable: the new one takes over when it serves, the old one stays when it does not."""
import os
import shutil
import signal

import pytest
from harness import http, processes
from harness.address import connect
from harness.http import Reader, encode
from harness.load import Load
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="uWSGI does not handle SIGUSR2")

APP = """
import time
VERSION = {version!r}
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [VERSION.encode()]
"""


@pytest.fixture
def site(tmp_path, ini, address, serve):
    class Site:
        directory = tmp_path

        def code(self, version, broken=""):
            (tmp_path / "app.py").write_text(broken + APP.format(version=version))

        def start(self, more="", **options):
            self.address = address
            self.code("one")
            text = (
                f"chdir = %d\nwsgi-file = app.py\nhttp-socket = {address}\nsocket = site.sock\nprocesses = 2\n"
                f"pidfile = pid\nmaster-fifo = fifo\nstats = stats.sock\ndisable-logging = true\n{more}\n"
            )
            self.server = serve("--ini", ini(text), **options)
            self.server.wait_log("serves after")
            return self.server

        def master(self):
            return int((tmp_path / "pid").read_text())

    site = Site()
    yield site
    if site.master() != site.server.pid and processes.alive(site.master()):
        processes.kill(site.master(), signal.SIGINT)


@pytest.mark.parametrize("how", ["signal", "letter"])
def test_the_new_master_takes_over_under_load_and_no_request_is_lost(site, how):
    server = site.start()
    with Load(site.address, clients=4) as kept, Load(site.address, clients=4, keepalive=False) as single:
        with connect(site.address) as slow:
            slow.sendall(encode("GET", "/slow"))
            until(lambda: len(kept.answers) > 20, 10, "load")
            site.code("two")
            if how == "signal":
                server.send(signal.SIGUSR2)
            else:
                (site.directory / "fifo").open("w").write("f")
            until(lambda: site.master() != server.pid, 20, lambda: f"the new master\n{server.log}")
            until(lambda: b"two" in kept.bodies() & single.bodies(), 10, "the new code")
            assert Reader(slow).response().status == 200
        assert server.wait_exit() == 0
        number = len(kept.answers)
        until(lambda: len(kept.answers) > number + 20, 10, "answers of the new master alone")
    for load in (kept, single):
        load.check(20)
    new = site.master()
    assert processes.alive(new)
    # All that has a name is the new one's: it obeys the FIFO, and removes everything at its end.
    for name in ("site.sock", "stats.sock", "fifo"):
        assert (site.directory / name).exists(), name
    (site.directory / "fifo").open("w").write("q")
    until(lambda: not processes.alive(new), 15, "the new master to stop")
    assert not {"site.sock", "stats.sock", "fifo", "pid"} & set(os.listdir(site.directory))
    (site.directory / "pid").write_text(f"{server.pid}\n")


def test_an_executable_or_an_application_that_fails_changes_nothing(site):
    broken = site.directory / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    server = site.start(f"binary-path = {broken}")
    with Load(site.address, clients=4) as load:
        server.send(signal.SIGUSR2)
        server.wait_log("the new master exited with code 3 before it served; this one serves on")
    load.check(1)
    assert (site.master(), http.get(site.address).text) == (server.pid, "one")


def test_an_application_that_does_not_load_changes_nothing(site):
    server = site.start()
    with Load(site.address, clients=4) as load:
        site.code("two", broken="def broken(:\n")
        server.send(signal.SIGUSR2)
        server.wait_log("the new master exited with code 22 before it served; this one serves on")
    load.check(1)
    assert (site.master(), http.get(site.address).text) == (server.pid, "one")
    assert (site.directory / "fifo").exists()


def test_a_replaced_executable_is_the_one_that_is_started(site, under_test):
    copy = site.directory / "margrave"
    shutil.copy(under_test.executable, copy)
    server = site.start("python = %s" % under_test.python, executable=copy)
    os.rename(copy, site.directory / "old")
    shutil.copy(under_test.executable, copy)
    server.send(signal.SIGUSR2)
    until(lambda: site.master() != server.pid, 20, lambda: f"the new master\n{server.log}")
    assert os.readlink(f"/proc/{site.master()}/exe") == str(copy)
    assert server.wait_exit() == 0
