#!/usr/bin/env python3
"""CPU time per request for "hello, world": Margrave beside uWSGI and bjoern, in one run.

Each server runs one process with one thread on one core, the client on another. Servers take turns in every round, so
that a machine that slows down slows all of them. The figure to compare is CPU time per request, as the scheduler
counts it for every thread of the server: unlike requests a second it does not depend on how much of the machine other
programs take. Nothing is asserted; a slower result than a peer's is printed like any other.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVER_CORE, CLIENT_CORE = 0, 1


class Server:
    """A server to measure: how to start it on a port."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    @contextlib.contextmanager
    def running(self, log):
        port = free_port()
        command = [str(part).replace("{port}", str(port)) for part in self.command]
        process = subprocess.Popen(
            command, cwd=HERE / "apps", stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )
        try:
            if not is_serving(process, port):
                log.seek(0)
                sys.exit(f"{self.name} does not serve; all servers said so far:\n{log.read().decode(errors='replace')}")
            yield process.pid, port
        finally:
            stop(process)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_serving(process, port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            if connection.getresponse().read() == b"Hello, World!":
                return True
        except OSError:
            time.sleep(0.05)
    return False


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def tree(pid):
    """The process and its descendants."""
    yield pid
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def cpu_seconds(pid):
    """CPU time of all threads of a process tree, from the scheduler's own account (nanoseconds)."""
    total = 0
    for process in tree(pid):
        for task in pathlib.Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def load(port, connections, seconds):
    """Runs wrk; requests answered, requests that failed, and the 99th percentile in milliseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=seconds + 30,
        preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE % (os.cpu_count() or 1)}),
    )
    requests = int(re.search(r"(\d+) requests in", result.stdout).group(1))
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", result.stdout).groups()
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", result.stdout)
    failed = sum(map(int, errors.groups())) if errors else 0
    return requests, failed, float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def measure(server, connections, seconds, log):
    with server.running(log) as (pid, port):
        load(port, connections, 1)  # warm-up
        before = cpu_seconds(pid)
        requests, failed, p99 = load(port, connections, seconds)
        spent = cpu_seconds(pid) - before
    return {"micros": spent / requests * 1e6, "rate": requests / seconds, "p99_ms": p99, "failed": failed}


def servers(margrave, peers):
    found = [Server("margrave", [margrave, "--http-socket", "127.0.0.1:{port}", "--module", "hello", "--disable-logging"])]
    uwsgi = peers / "uwsgi"
    if uwsgi.exists():
        options = ["--http11-socket", "127.0.0.1:{port}", "--module", "hello", "--disable-logging", "--master", "--processes", "1"]
        found.append(Server("uWSGI http11-socket", [uwsgi, *options]))
    python = peers / "python"
    has_bjoern = python.exists() and not subprocess.call([python, "-c", "import bjoern"], stderr=subprocess.DEVNULL)
    if has_bjoern:
        code = "import sys, bjoern, hello; bjoern.run(hello.application, '127.0.0.1', int(sys.argv[1]))"
        found.append(Server("bjoern", [python, "-c", f"import sys; sys.path.insert(0, '.'); {code}", "{port}"]))
    for name, there in (("uWSGI", uwsgi.exists()), ("bjoern", has_bjoern)):
        if not there:
            print(f"{name} is not installed in {peers}: left out", file=sys.stderr)
    return found


def table(results):
    """Lines of the result: medians, spread, and the ratio to Margrave's median of the same rounds."""
    yield f"{'server':22} {'CPU µs/request':>15} {'min..max':>14} {'/ margrave':>11} {'p99 ms':>8} {'requests/s':>11} {'failed':>7}"
    base = [row["micros"] for row in results["margrave"]]
    for name, rows in results.items():
        micros = [row["micros"] for row in rows]
        ratio = statistics.median(mine / other for mine, other in zip(micros, base))
        yield (
            f"{name:22} {statistics.median(micros):15.2f} {min(micros):6.2f}..{max(micros):6.2f} {ratio:11.2f} "
            f"{statistics.median(row['p99_ms'] for row in rows):8.2f} {statistics.median(row['rate'] for row in rows):11.0f} "
            f"{sum(row['failed'] for row in rows):7}"
        )


def progress(done, total, what):
    if sys.stderr.isatty():
        bar = "#" * (30 * done // total)
        print(f"\r[{bar:30}] {done}/{total} {what:24}", end="" if done < total else "\n", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--margrave", required=True, type=pathlib.Path)
    parser.add_argument("--peers", required=True, type=pathlib.Path, help="directory of uwsgi and of a python with bjoern")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="write every figure of every round here")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing; on Debian: apt-get install wrk")
    runners = servers(options.margrave.resolve(), options.peers.absolute())
    results = {server.name: [] for server in runners}
    total = options.rounds * len(runners)
    with tempfile.TemporaryFile() as log:
        for round_number in range(options.rounds):
            for place, server in enumerate(runners):
                progress(round_number * len(runners) + place, total, server.name)
                results[server.name].append(measure(server, options.connections, options.seconds, log))
    progress(total, total, "")
    machine = f"{os.cpu_count()} cores, {platform.release()}, Python {platform.python_version()}"
    print(f"hello, world; {options.connections} keep-alive connections, {options.rounds} rounds of {options.seconds} s; {machine}")
    print("\n".join(table(results)))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
