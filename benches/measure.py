"""How figures are taken. Each kind of measurement starts servers through `start` and gives metrics by name.

CPU time is the scheduler's count for the server's whole process tree; a front server is counted apart.
"""

from __future__ import annotations

import dataclasses
import pathlib
import resource
import time
import urllib.request

from . import ideal
from . import load as clients
from .paced import percentiles
from .processes import cpu_seconds, proportional_memory, tree

# What a metric is called in tables, and how many digits it deserves.
METRICS = {
    "cpu_us": ("CPU µs/request", 2),
    "front_us": ("nginx µs/request", 2),
    "both_us": ("both µs/request", 2),
    "rate": ("requests/s", 0),
    "client_cores": ("client's cores", 2),
    "p50_ms": ("p50 ms", 2),
    "p90_ms": ("p90 ms", 2),
    "p99_ms": ("p99 ms", 2),
    "max_ms": ("max ms", 1),
    "slow_p50_ms": ("slow p50 ms", 1),
    "failed": ("failed", 0),
    "unevenness": ("busiest/least busy", 2),
    "pss_mib": ("PSS MiB", 1),
    "idle_bytes": ("bytes/connection", 0),
    "start_ms": ("first answer ms", 0),
    "growth_mib": ("memory growth MiB", 1),
    "cpu_us_per_mb": ("CPU µs/MB", 0),
}
# Requests before anything is counted: code is loaded, caches and the interpreter's own are warm.
WARM_UP = 300
# Seconds after which nothing of the start is left to do.
SETTLED = 0.5


@dataclasses.dataclass(frozen=True)
class Session:
    """A server that answers."""

    port: int
    pid: int
    folder: pathlib.Path
    # A front server's process.
    front: int | None = None
    # Processes that are to serve.
    workers: int = 1


def warm_up(session, path, requests=WARM_UP, connections=1):
    """One connection is enough; a server of one thread may serve no second one beside it."""
    clients.paced(session.port, path=path, requests=requests, connections=connections)


def settled_memory(session):
    """Memory of all processes when a server has had the time to give back what only its start has needed."""
    time.sleep(SETTLED)
    return proportional_memory(session.pid)


@dataclasses.dataclass(frozen=True)
class Steady:
    """CPU time per request and latencies under load that the server just takes."""

    load: clients.Wrk = clients.Wrk()
    # Keep-alive connections that wait beside those that ask.
    idle: int = 0
    main = "cpu_us"

    def lasts(self, seconds):
        """How long there is load, where others have so many seconds; `None` where time is not what ends it."""
        return seconds

    def take(self, start, seconds, number):
        del number
        with start(self.load.path) as session:
            warm_up(session, self.load.path)
            empty = settled_memory(session) if self.idle else 0
            with clients.idle_connections(session.port, self.idle):
                held = proportional_memory(session.pid) if self.idle else 0
                figures = self.figures(session, seconds)
            if self.idle:
                figures["idle_bytes"] = (held - empty) / self.idle
            return figures

    def figures(self, session, seconds):
        before, front_before = cpu_seconds(session.pid), session.front and cpu_seconds(session.front)
        answered = self.load.run(session.port, seconds)
        spent = cpu_seconds(session.pid) - before
        figures = {
            "cpu_us": spent / answered.requests * 1e6,
            "rate": answered.requests / answered.seconds,
            "p50_ms": answered.p50_ms,
            "p99_ms": answered.p99_ms,
            "failed": answered.failed,
        }
        if self.load.nice:
            figures["client_cores"] = answered.cpu_seconds / answered.seconds
        if session.front:
            figures["front_us"] = (cpu_seconds(session.front) - front_before) / answered.requests * 1e6
            figures["both_us"] = figures["cpu_us"] + figures["front_us"]
        if self.load.tally:
            figures["unevenness"] = unevenness(answered.tally, session.workers)
        return figures


def unevenness(tally, workers):
    """Answers of the busiest worker for each of the least busy one. One that got nothing to do makes it no number."""
    if len(tally) < workers:
        raise clients.NothingAnswered(f"of {workers} workers {workers - len(tally)} got no request in one of the rounds")
    return max(tally.values()) / min(tally.values())


@dataclasses.dataclass(frozen=True)
class Tail:
    """Latencies of the fast requests at a steady rate while others are slow."""

    rate: float
    slow: str = ""
    slow_share: float = 0.02
    connections: int = 64
    # Asked once before the measurement.
    prelude: str = ""
    # So many times as long as others: one second has too few slow requests to say anything.
    stretch: int = 3
    main = "p99_ms"

    def lasts(self, seconds):
        return seconds * self.stretch

    def take(self, start, seconds, number):
        with start("/") as session:
            warm_up(session, "/")
            if self.prelude:
                urllib.request.urlopen(f"http://127.0.0.1:{session.port}{self.prelude}", timeout=20).read()
            before = cpu_seconds(session.pid)
            options = {
                "rate": self.rate,
                "seconds": self.lasts(seconds),
                "connections": self.connections,
                "seed": seed_of(number),
            }
            if self.slow:
                options.update(slow=self.slow, slow_share=self.slow_share)
            report = clients.paced(session.port, **options)
            spent = cpu_seconds(session.pid) - before
        fast, slow = report["fast"], report.get("slow", {"count": 0})
        return {
            "p50_ms": fast["p50_ms"],
            "p90_ms": fast["p90_ms"],
            "p99_ms": fast["p99_ms"],
            "max_ms": fast["max_ms"],
            **({"slow_p50_ms": slow["p50_ms"]} if slow["count"] else {}),
            "cpu_us": spent / (fast["count"] + slow["count"]) * 1e6,
            "failed": report["failed"] + report["unanswered"],
        }


@dataclasses.dataclass(frozen=True)
class Ideal:
    """What the best server could do with the requests of a tail: computed, not measured."""

    tail: Tail
    servers: int
    main = "p90_ms"

    def lasts(self, seconds):
        return self.tail.lasts(seconds)

    def take(self, start, seconds, number):
        del start
        tail = self.tail
        found = ideal.latencies(tail.rate, self.lasts(seconds), self.servers, slow_share=tail.slow_share, seed=seed_of(number))
        fast = percentiles(found)
        return {name: fast[name] for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")}


def seed_of(number):
    """Each round has requests in another order, the same for all servers."""
    return number + 1


@dataclasses.dataclass(frozen=True)
class Memory:
    """Memory of all processes together after some thousand requests, shared pages counted once."""

    requests: int = 5000
    connections: int = 4
    main = "pss_mib"

    def lasts(self, seconds):
        """So many requests, however long they take."""
        del seconds

    def take(self, start, seconds, number):
        del seconds, number
        with start("/") as session:
            warm_up(session, "/", self.requests, self.connections)
            return {"pss_mib": settled_memory(session) / 2**20}


@dataclasses.dataclass(frozen=True)
class ColdStart:
    """Time from the start of the command to its first answer."""

    main = "start_ms"

    def lasts(self, seconds):
        """Nothing but the start."""
        del seconds

    def take(self, start, seconds, number):
        del seconds, number
        began = time.monotonic()
        with start("/", interval=0.002):
            return {"start_ms": (time.monotonic() - began) * 1e3}


@dataclasses.dataclass(frozen=True)
class Growth:
    """What bodies of a size cost: CPU time a megabyte, and memory at its peak beyond that of small ones."""

    load: clients.Wrk
    size: int
    main = "growth_mib"

    def lasts(self, seconds):
        """The largest bodies need their time even on a busy machine."""
        return max(seconds, 1 + self.size // 30_000_000)

    def take(self, start, seconds, number):
        del number
        with start("/1") as session:
            warm_up(session, "/1")
            before, small = cpu_seconds(session.pid), peak_memory(session.pid)
            answered = self.load.run(session.port, self.lasts(seconds))
            spent = cpu_seconds(session.pid) - before
            grown = peak_memory(session.pid) - small
        megabytes = answered.requests * self.size / 1e6
        return {
            "growth_mib": grown / 2**20,
            "cpu_us": spent / answered.requests * 1e6,
            "cpu_us_per_mb": spent / megabytes * 1e6,
            "rate": answered.requests / answered.seconds,
            "failed": answered.failed,
        }


def peak_memory(pid):
    """The largest resident sizes that the processes of a tree have had, added up; in bytes."""
    total = 0
    for process in tree(pid):
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024
    return total


def raise_limits():
    """Ten thousand connections need descriptors, here and in the servers that inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard

