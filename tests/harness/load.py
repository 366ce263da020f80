"""Clients that keep asking while something happens to the server, and what went wrong for them."""
import threading
import time

from .address import connect
from .http import Broken, Reader, encode


class Load:
    """`clients` threads send requests until `with` ends; every failure is kept."""

    def __init__(self, address, clients=8, target="/pid", keepalive=True, pause=0.002):
        self.address, self.target, self.keepalive, self.pause = address, target, keepalive, pause
        self.answers, self.failures, self.connects = [], [], 0
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self._end.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "a client still waits for its answer"

    def bodies(self):
        """The different bodies seen so far."""
        return {body for _, body in self.answers}

    def _run(self):
        link = reader = None
        while not self._end.is_set():
            try:
                if link is None:
                    link = connect(self.address, 20)
                    reader = Reader(link)
                    with self._lock:
                        self.connects += 1
                fields = [] if self.keepalive else [("Connection", "close")]
                link.sendall(encode("GET", self.target, fields))
                answer = reader.response()
                with self._lock:
                    self.answers.append((answer.status, answer.body))
                if not self.keepalive or (answer.get("Connection") or "").lower() == "close":
                    link.close()
                    link = None
            except (OSError, Broken) as problem:
                with self._lock:
                    self.failures.append(repr(problem))
                if link:
                    link.close()
                link = None
            time.sleep(self.pause)  # a client's think time, not a wait for something
        if link:
            link.close()

    def check(self, at_least=20):
        """Enough was asked and nothing was lost."""
        assert not self.failures, f"{len(self.failures)} of {len(self.answers)} lost: {self.failures[:5]}"
        assert len(self.answers) >= at_least
        wrong = [status for status, _ in self.answers if status != 200]
        assert not wrong, f"{len(wrong)} answers like {wrong[:5]}"
