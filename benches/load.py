"""Load: wrk for as much as a server can take, `paced` for a steady rate, and connections that only wait."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys

from .processes import CLIENT_CORE, pin

HERE = pathlib.Path(__file__).resolve().parent
# Seconds after which an answer counts as failed.
TIMEOUT = 20
MILLIS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclasses.dataclass(frozen=True)
class Wrk:
    """Closed-loop load: each connection asks again when it has its answer."""

    path: str = "/"
    connections: int = 32
    # Bytes of a POST body.
    body: int = 0
    # A new connection for each request.
    close: bool = False
    # Counts answers by their bodies.
    tally: bool = False
    # The client's nice value, where it must not take CPU time from servers on all cores.
    nice: int = 0

    def run(self, port, seconds):
        """What was answered in so many seconds."""
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--timeout", f"{TIMEOUT}s", "--latency"]
        if self.body:
            command += ["-s", HERE / "wrk/post.lua"]
        if self.tally:
            command += ["-s", HERE / "wrk/tally.lua"]
        if self.close:
            command += ["-H", "Connection: close"]

        def prepare():
            pin(CLIENT_CORE)()
            os.nice(self.nice)

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(
            [*map(str, command), f"http://127.0.0.1:{port}{self.path}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
            env={**os.environ, "BENCH_BODY": str(self.body)},
            preexec_fn=prepare,
        ).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return _read_wrk(said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@dataclasses.dataclass(frozen=True)
class Answered:
    """What wrk says of a run."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    # Connections that were refused or broke, answers that were no success, and those that took longer than the timeout.
    failed: int
    # Requests by answer body.
    tally: dict
    # CPU time of the client.
    cpu_seconds: float


class NothingAnswered(Exception):
    """No request was answered, or none by one of the workers, so that there is nothing to count."""


def _read_wrk(said, cpu_seconds):
    requests, seconds, unit = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", said).groups()
    if requests == "0":
        raise NothingAnswered("no request was answered in the time given")
    percentile = {key: float(value) * MILLIS[unit] for key, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)\b", said)}
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    failed = sum(map(int, errors.groups())) if errors else 0
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Answered(
        requests=int(requests),
        seconds=float(seconds) * MILLIS[unit] / 1e3,
        p50_ms=percentile["50"],
        p99_ms=percentile["99"],
        failed=failed + (int(other.group(1)) if other else 0),
        tally={body: int(count) for body, count in re.findall(r"answered (\S+) (\d+)", said)},
        cpu_seconds=cpu_seconds,
    )


def paced(port, **options):
    """Runs `benches.paced` on the client's core; its report, see there."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    said = subprocess.run(
        [sys.executable, "-m", "benches.paced", f"--port={port}", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=HERE.parent,
        preexec_fn=pin(CLIENT_CORE),
    ).stdout
    return json.loads(said)


@contextlib.contextmanager
def idle_connections(port, count):
    """So many keep-alive connections that have had one answer and now wait."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            client.recv(4096)
        yield
