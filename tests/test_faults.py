"""What goes wrong on real machines, and what it may cost: figures are printed, losses are bounded."""
import os
import resource
import signal
import subprocess
import time

import pytest
from harness import http, processes
from harness.address import connect
from harness.http import Reader, encode
from harness.load import Load
from harness.server import clean_environment
from harness.waiting import until

pytestmark = pytest.mark.margrave_only(reason="the process model is Margrave's")

APP = """
import os, subprocess, sys
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/grow/"):
        bytearray(int(path[6:]) << 20)
    if path == "/orphan":
        # A grandchild whose parent ends at once: whoever adopts it has to reap it.
        subprocess.run([sys.executable, "-c", "import subprocess; subprocess.Popen(['sleep', '0.2'])"], check=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.fixture
def site(tmp_path, ini, address, serve):
    (tmp_path / "app.py").write_text(APP)

    class Site:
        directory = tmp_path

        def start(self, more="", workers=2):
            self.ini = ini(
                f"chdir = %d\nwsgi-file = app.py\nhttp-socket = {address}\nprocesses = {workers}\n"
                f"master-fifo = fifo\ndisable-logging = true\n{more}\n"
            )
            self.address = address
            self.server = serve("--ini", self.ini)
            self.server.wait_log("serves after")
            until(lambda: len(self.workers()) == workers, 10, "every worker")
            return self.server

        def workers(self):
            return [pid for pid in processes.descendants(self.server.pid) if "worker" in processes.title(pid)]

    return Site()


def holdings(pid):
    """Descriptors and resident kilobytes of a process."""
    with open(f"/proc/{pid}/statm") as statm:
        return len(os.listdir(f"/proc/{pid}/fd")), int(statm.read().split()[1]) * 4


def shared_memory(pids):
    """Kilobytes of shared memory that processes have between them."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as lines:
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss_Shmem:"))
    return total


class Timed(Load):
    """Notes the longest answer, too."""

    slowest = 0.0

    def _run(self):
        send = encode("GET", "/")
        link = reader = None
        while not self._end.is_set():
            began = time.monotonic()
            try:
                if link is None:
                    link = connect(self.address, 20)
                    reader = Reader(link)
                link.sendall(send if self.keepalive else encode("GET", "/", [("Connection", "close")]))
                answer = reader.response()
                with self._lock:
                    self.answers.append((answer.status, answer.body))
                    self.slowest = max(self.slowest, time.monotonic() - began)
                if not self.keepalive or (answer.get("Connection") or "").lower() == "close":
                    link.close()
                    link = None
            except (OSError, http.Broken) as problem:
                with self._lock:
                    self.failures.append(repr(problem))
                link = None
            time.sleep(self.pause)  # a client's think time, not a wait for something
        if link:
            link.close()


def test_fifty_reloads_of_every_kind_lose_no_request_and_leave_nothing_behind(site):
    server = site.start()
    seen = []
    with Timed(site.address, clients=4) as kept, Timed(site.address, clients=4, keepalive=False) as single:
        for number in range(1, 51):
            with open(site.directory / "fifo", "w") as fifo:
                fifo.write("rwcR"[number % 4])
            server.wait_log(f"generation {number + 1} serves")
            if number in (10, 50):
                until(lambda: len(site.workers()) == 2, 20, "the old workers to end")
                until(lambda: len(processes.descendants(server.pid)) == 3, 20, "the old zygotes to end")
                seen.append((*holdings(server.pid), shared_memory([server.pid, *processes.descendants(server.pid)])))
    slowest = max(kept.slowest, single.slowest)
    print(f"50 reloads: {len(kept.answers) + len(single.answers)} answers, the slowest took {slowest * 1000:.0f} ms; {seen}")
    for load in (kept, single):
        load.check(100)
    (descriptors, resident, shared), (descriptors_then, resident_then, shared_then) = seen
    assert descriptors_then <= descriptors + 1
    assert resident_then <= resident + 4096
    assert 0 < shared_then <= shared + 1024


def test_twenty_workers_killed_under_load_lose_only_what_they_had_in_hand(site):
    site.start()
    with Load(site.address, clients=4, target="/", keepalive=False) as load:
        for _ in range(20):
            number = len(load.answers)
            victims = site.workers()
            processes.kill(victims[0])
            until(lambda: victims[0] not in site.workers() and len(site.workers()) == 2, 10, "the replacement")
            until(lambda n=number: len(load.answers) > n + 10, 10, "answers")
    lost, answered = len(load.failures), len(load.answers)
    print(f"20 workers killed: {lost} requests lost of {answered + lost}")
    assert lost <= 20 * 2, load.failures
    assert {status for status, _ in load.answers} == {200}


def test_a_worker_that_is_stopped_takes_no_work_from_the_others(site):
    site.start()
    stopped = site.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        with Load(site.address, clients=4, target="/", keepalive=False) as load:
            until(lambda: len(load.answers) > 200, 20, lambda: f"answers of the other worker, {len(load.answers)} so far")
            os.kill(stopped, signal.SIGCONT)
    finally:
        os.kill(stopped, signal.SIGCONT)
    # What it had been given before, if anything, it answers when it goes on.
    load.check(200)
    assert site.server.stop(signal.SIGTERM) == 0


def test_a_worker_without_descriptors_left_answers_what_it_has_and_recovers(site):
    site.start(workers=1)
    worker = site.workers()[0]
    used = len(os.listdir(f"/proc/{worker}/fd"))
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 4, before[1]))
    links = [connect(site.address) for _ in range(20)]
    for link in links:
        link.sendall(encode("GET", "/"))
    site.server.wait_log("cannot accept a connection")
    resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
    assert [Reader(link).response().status for link in links] == [200] * 20
    for link in links:
        link.close()
    assert site.workers() == [worker]


def test_a_worker_that_may_have_no_more_memory_answers_500_and_lives_or_is_replaced(site):
    site.start(workers=1)
    worker = site.workers()[0]
    with open(f"/proc/{worker}/statm") as statm:
        space = int(statm.read().split()[0]) * 4096
    resource.prlimit(worker, resource.RLIMIT_AS, (space + (32 << 20), resource.RLIM_INFINITY))
    try:
        assert http.get(site.address, "/grow/4096").status == 500
    except (http.Broken, OSError):
        pass
    assert http.get(site.address, "/").status == 200


def test_a_master_without_descriptors_left_reloads_later(site):
    server = site.start()
    used = len(os.listdir(f"/proc/{server.pid}/fd"))
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used, before[1]))
    server.send(signal.SIGHUP)
    server.wait_log("the instance serves on with the old one|the old one serves on")
    assert http.get(site.address, "/").status == 200
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
    server.send(signal.SIGHUP)
    server.wait_log(r"generation \d serves")
    assert http.get(site.address, "/").status == 200


def test_a_master_that_was_stopped_for_a_while_finds_nobody_late(site):
    server = site.start("idle = 2\nreload-check = /")
    os.kill(server.pid, signal.SIGSTOP)
    server.send(signal.SIGHUP)
    time.sleep(3)  # the stop itself is what is tested
    assert http.get(site.address, "/").status == 200
    os.kill(server.pid, signal.SIGCONT)
    server.wait_log("generation 2 serves")
    assert http.get(site.address, "/").status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes process namespaces here")
def test_as_first_process_of_a_container_it_reaps_strangers_and_obeys_signals(site, under_test):
    site.start()
    assert site.server.stop(signal.SIGINT) == 0
    command = ["unshare", "--pid", "--fork", "--mount-proc", str(under_test.executable), "--ini", str(site.ini)]
    log = open(site.directory / "container.log", "wb")
    outer = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment(), cwd=site.directory)
    try:
        until(lambda: b"serves after" in (site.directory / "container.log").read_bytes(), 20, "the container")
        master = processes.children(outer.pid)[0]
        for _ in range(3):
            assert http.get(site.address, "/orphan").status == 200

        def orphans():
            return [pid for pid in processes.descendants(master) if processes.title(pid).startswith("sleep")]

        until(lambda: not orphans() and not processes.unreaped(master), 10, "orphans to be reaped")
        os.kill(master, signal.SIGTERM)
        assert outer.wait(15) == 0
    finally:
        if outer.poll() is None:
            for pid in processes.descendants(outer.pid):
                processes.kill(pid)
            outer.kill()
            outer.wait()


def test_a_body_that_cannot_be_stored_is_answered_500_and_the_log_says_what_to_do(tmp_path, address, serve):
    (tmp_path / "app.py").write_text(APP)
    server = serve("--http-socket", address, "--wsgi-file", "app.py", env={"TMPDIR": "/nowhere"}, serving=address)
    assert http.request(address, "POST", "/", body=b"x" * (8 << 20)).status == 500
    server.wait_log("cannot store a request body: .* in /nowhere; free space there, or set TMPDIR to another directory")
    assert http.request(address, "POST", "/", body=b"small").status == 200
