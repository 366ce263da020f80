"""The emperor: an instance for each file of a directory."""
import os
import signal
import time

import pytest
from harness import http
from harness.address import connect, free_address
from harness.waiting import until

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [{name!r}.encode()]
"""


class Vassals:
    """A directory of vassals and the emperor over it."""

    def __init__(self, directory, serve):
        self.directory = directory / "vassals"
        self.directory.mkdir()
        self.server = serve("--emperor", self.directory)

    def add(self, name, text=None):
        """A vassal that answers with its name, or with `text`; its address."""
        address = free_address()
        (self.directory / f"{name}.py").write_text(APP.format(name=text or name))
        self.write(name, address)
        return address

    def write(self, name, address):
        path = self.directory / f"{name}.ini"
        lines = ["[uwsgi]", f"http-socket = {address}", f"wsgi-file = %d{name}.py", "master = true", ""]
        path.with_suffix(".new").write_text("\n".join(lines))
        path.with_suffix(".new").rename(path)

    def until_says(self, address, text):
        def says():
            try:
                return http.get(address, timeout=5).text == text
            except (OSError, http.Broken):
                return False

        until(says, 30, lambda: f"{address} to say {text}\n{self.server.log}")


@pytest.fixture
def vassals(tmp_path, serve):
    return Vassals(tmp_path, serve)


def test_vassal_starts_when_its_file_appears_and_ends_when_it_goes(vassals):
    one = vassals.add("one")
    vassals.until_says(one, "one")
    two = vassals.add("two")
    vassals.until_says(two, "two")
    (vassals.directory / "one.ini").unlink()

    def gone():
        try:
            connect(one, 1).close()
        except OSError:
            return True
        return False

    until(gone, 30, "the first vassal to end")
    assert http.get(two).text == "two"


def test_vassal_reloads_when_its_file_changes(vassals):
    address = vassals.add("one", "before")
    vassals.until_says(address, "before")
    (vassals.directory / "one.py").write_text(APP.format(name="after"))
    path = vassals.directory / "one.ini"
    os.utime(path, (time.time() + 5, time.time() + 5))
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
