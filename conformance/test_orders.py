"""Letters of the master FIFO and signals on both servers: who lives, who is replaced, how many workers, which exit code."""
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import http, processes
from harness.address import free_address
from harness.server import Server
from harness.waiting import until

APP = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
"""
LETTERS = ["q", "Q", "r", "R", "w", "W", "c", "C", "p", "+", "-", "P", "x", "\n"]
SIGNALS = ["HUP", "INT", "QUIT", "TERM", "TSTP", "WINCH", "URG", "USR1", "USR2"]
DIFFERENCES = {
    "TERM": "stops; uWSGI reloads brutally unless `die-on-term` is set",
    "USR2": "replaces the executable; uWSGI dies of it",
}


class Instance:
    def __init__(self, directory, name, executable):
        self.root = directory / name
        self.root.mkdir()
        (self.root / "app.py").write_text(APP)
        self.address = free_address()
        text = (
            f"[uwsgi]\nhttp-socket = {self.address}\nwsgi-file = app.py\nmaster = true\nprocesses = 4\ncheaper = 2\n"
            "lazy-apps = true\nmaster-fifo = fifo\npidfile = pid\nvacuum = true\nauto-procname = true\n"
        )
        (self.root / "app.ini").write_text(text)
        self.server = Server([executable, "app.ini"], self.root, name=name).start()
        self.server.wait_serving(self.address)
        until(lambda: len(self.workers()) == 2, 20, lambda: f"two workers\n{self.server.log}")
        if name == "uwsgi":
            # It loses signals to workers that still load.
            self.server.wait_log(r"^WSGI app 0 .* ready", count=2)

    def workers(self):
        return sorted(pid for pid in processes.descendants(self.server.pid) if "worker" in processes.title(pid))

    def order(self, order):
        if order in SIGNALS:
            self.server.send(getattr(signal, f"SIG{order}"))
        else:
            with open(self.root / "fifo", "w") as fifo:
                fifo.write(order)

    def rest(self, before):
        """What came of it, once nothing has changed for a while: uWSGI's master looks once a second."""
        last, since = None, time.monotonic()
        while time.monotonic() - since < 2.5:
            now = (self.server.process.poll(), self.workers() if self.server.running() else [])
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(0.05)  # other processes' state gives no event
        code, workers = last
        return {
            "exit code": code,
            "workers": len(workers),
            "the same workers": bool(set(before) & set(workers)),
            "pidfile": (self.root / "pid").exists(),
        }


def course(directory, name, executable, order):
    """What an order does to a server of its own."""
    instance = Instance(directory, name, executable)
    with instance.server:
        before = instance.workers()
        if order == "P":
            (instance.root / "pid").unlink()
        instance.order(order)
        seen = instance.rest(before)
        if order in ("p", "TSTP"):
            instance.order(order)
        if instance.server.running() and seen["workers"]:
            assert http.get(instance.address).status == 200
        if order == "USR2" and name == "margrave":
            new = int((instance.root / "pid").read_text())
            processes.kill(new, signal.SIGINT)
            until(lambda: not processes.alive(new), 10, "the new master to end")
        return seen


@pytest.mark.parametrize("order", LETTERS + SIGNALS, ids=lambda order: repr(order) if order == "\n" else order)
def test_an_order_means_the_same_on_both(pytestconfig, tmp_path, order):
    names = ("uwsgi", "margrave")
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(course, tmp_path, name, os.path.abspath(pytestconfig.getoption(f"--{name}")), order)
            for name in names
        ]
        theirs, ours = [run.result() for run in runs]
    if order in DIFFERENCES:
        assert theirs != ours, f"no difference any more: {DIFFERENCES[order]}"
    else:
        assert theirs == ours
