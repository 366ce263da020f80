"""Programs beside the workers: started, started again, found by their pidfile, ended."""
import json
import os
import signal
import time
import socket
import tempfile
from pathlib import Path

import pytest
from conftest import APPS
from harness import http, processes
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="the sentences are Margrave's")

PROGRAM = """#!/bin/sh
# Notes its life in the file RECORD: a word, then what it was given.
echo "start $1 $$" >> {record}
trap 'echo "term $1 $$" >> {record}; exit 0' TERM
trap 'echo "usr1 $1 $$" >> {record}; exit 0' USR1
trap 'echo "hup $1 $$" >> {record}' HUP
sleep 1000 &
while :; do wait; done
"""


class Record:
    def __init__(self, directory):
        self.path = directory / "record"
        self.path.touch()
        self.program = directory / "program"
        self.program.write_text(PROGRAM.format(record=self.path))
        self.program.chmod(0o755)

    def events(self, word=None, name=None):
        found = [line.split() for line in self.path.read_text().splitlines()]
        return [event for event in found if word in (None, event[0]) and name in (None, event[1])]

    def wait(self, word, name, count=1, timeout=15):
        """The pid of the `count`th such event."""
        until(lambda: len(self.events(word, name)) >= count, timeout, lambda: f"{count} {word} {name}: {self.events()}")
        return int(self.events(word, name)[count - 1][2])


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path)


@pytest.fixture
def attached(serve, address, ini, tmp_path):
    def start(*lines, **options):
        path = ini("\n".join([f"http-socket = {address}", f"chdir = {APPS}", "wsgi-file = probe.py", f"stats = {tmp_path}/stats", *lines]))
        return serve(path, serving=address, **options)

    return start


def stats(tmp_path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(tmp_path / "stats"))
        text = b""
        while piece := client.recv(65536):
            text += piece
    return json.loads(text)


def test_a_program_runs_leads_its_group_and_is_shown(attached, record, tmp_path):
    server = attached(f"attach-daemon = {record.program} one", "env = A=b")
    pid = record.wait("start", "one")
    shown = stats(tmp_path)["daemons"]
    assert [daemon["cmd"] for daemon in shown] == [f"{record.program} one"] and shown[0]["respawns"] == 0
    assert os.getpgid(pid) == shown[0]["pid"]
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{pid}/cwd") == str(APPS)
    assert b"A=b" in open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
    assert server.stop(signal.SIGTERM) == 0
    assert record.events("term", "one")
    server.assert_nothing_left()


def test_a_program_that_dies_is_started_again(attached, record, tmp_path):
    attached(f"attach-daemon = exec {record.program} one")
    first = record.wait("start", "one")
    processes.kill(first)
    second = record.wait("start", "one", 2)
    assert second != first
    until(lambda: not processes.alive(first), 10)
    assert stats(tmp_path)["daemons"][0]["respawns"] == 1


def test_a_program_that_keeps_dying_is_started_ever_more_slowly(attached, tmp_path):
    server = attached(f"attach-daemon = echo x >> {tmp_path}/count; exit 3")
    server.wait_log(r"exited with code 3", count=3)
    assert len((tmp_path / "count").read_text().split()) < 8


def test_the_children_of_a_program_end_with_it(attached, record):
    server = attached(f"attach-daemon = sh -c 'sleep 999 & exec {record.program} one'")
    pid = record.wait("start", "one")
    processes.kill(pid)
    record.wait("start", "one", 2)
    assert server.stop(signal.SIGINT) == 0
    server.assert_nothing_left()


def test_a_program_that_does_not_end_is_killed(attached, tmp_path):
    server = attached(f"attach-daemon = trap '' TERM; touch {tmp_path}/ready; while :; do sleep 1; done")
    until(lambda: (tmp_path / "ready").exists(), 10)
    assert server.stop(signal.SIGINT) == 0
    server.assert_nothing_left()


def test_the_instance_ends_with_its_control_daemon(attached, record):
    server = attached(f"attach-control-daemon = {record.program} one")
    processes.kill(record.wait("start", "one"), signal.SIGTERM)
    assert server.wait_exit() == 0
    assert "attach-control-daemon" in server.log


def test_a_reload_starts_plain_programs_again_and_keeps_those_with_a_pidfile(attached, record, tmp_path, address):
    pidfile, background = tmp_path / "two.pid", tmp_path / "three.pid"
    server = attached(
        f"attach-daemon = {record.program} one",
        f"smart-attach-daemon2 = {pidfile} exec {record.program} two",
        f"smart-attach-daemon = {background} {record.program} three & echo $! > {background}",
    )
    one, two, three = (record.wait("start", name) for name in ("one", "two", "three"))
    until(lambda: pidfile.exists() and int(pidfile.read_text()) == two and int(background.read_text()) == three, 10)
    server.send(signal.SIGHUP)
    server.wait_log("generation 2 serves")
    assert record.wait("start", "one", 2) != one
    assert server.stop(signal.SIGINT) == 0
    assert processes.alive(two) and processes.alive(three), "smart daemons outlive the instance, as in uWSGI"
    server = attached(
        f"smart-attach-daemon2 = {pidfile} exec {record.program} two",
        f"smart-attach-daemon = {background} {record.program} three & echo $! > {background}",
    )
    until(lambda: [daemon["pid"] for daemon in stats(tmp_path)["daemons"]] == [two, three], 10)
    assert len(record.events("start", "two")) == 1
    server.stop(signal.SIGINT)
    for pid in (two, three):
        os.killpg(os.getpgid(pid), signal.SIGKILL)


def test_every_key_of_attach_daemon2_does_what_it_says(attached, record, tmp_path):
    touch, place = tmp_path / "touched", tmp_path / "place"
    touch.touch()
    place.mkdir()
    server = attached(
        f"attach-daemon2 = cmd=exec {record.program} one,stopsignal=10,chdir={place},touch={touch}",
        f"attach-daemon2 = cmd=exec {record.program} two,pidfile={tmp_path}/two.pid,freq=1,reloadsignal=HUP",
    )
    one, two = record.wait("start", "one"), record.wait("start", "two")
    assert os.readlink(f"/proc/{one}/cwd") == str(place)
    os.utime(touch, (1, 1))
    assert record.wait("usr1", "one") == one
    record.wait("start", "one", 2)
    # A daemon with a pidfile is known from the first look at that file on, a `freq` after its start.
    time.sleep(2)
    server.send(signal.SIGHUP)
    assert record.wait("hup", "two") == two
    server.stop(signal.SIGINT)
    assert processes.alive(two)
    os.killpg(two, signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_program_can_run_as_another_user(attached):
    with tempfile.TemporaryDirectory() as open_to_all:  # pytest's directories are root's alone
        os.chmod(open_to_all, 0o777)
        found = Path(open_to_all) / "id"
        attached(f"attach-daemon2 = cmd=id -u > {found}; id -g >> {found}; exec sleep 100,uid=nobody,gid=nogroup,chdir=/")
        until(lambda: found.exists() and len(found.read_text().split()) == 2, 10)
        assert found.read_text().split() == ["65534", "65534"]


def test_programs_write_into_the_log_of_the_instance(attached, tmp_path):
    attached("attach-daemon = echo said by a daemon; exec sleep 100", f"logto = {tmp_path}/log")
    until(lambda: "said by a daemon" in (tmp_path / "log").read_text(), 10)


def test_requests_are_answered_while_a_program_cannot_be_started(attached, address):
    server = attached("attach-daemon = /no/such/program")
    server.wait_log("exited with code 127")
    assert http.get(address, "/place").status == 200
