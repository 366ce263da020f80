"""Where the time of a hello request goes: perf's samples of the worker, sorted into what they are for.

`python -m benches.profile --out docs/benchmarks` writes `profile.json`, from which the documents take their table.
Needs perf and the right to use it; without, says so and writes nothing.
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from . import documents, machine, measure, peers, processes, rounds
from .load import Wrk
from .measure import Session
from .processes import CLIENT_CORE, SERVER_CORE, cpu_seconds, free_port, pin, running

# Of the symbols of a sample, the innermost first; the first that some rule knows decides.
SYSTEM_CALLS = {
    "sendto": "kernel: send",
    "sendmsg": "kernel: send",
    "recvfrom": "kernel: receive",
    "epoll_wait": "kernel: wait for events",
    "epoll_pwait": "kernel: wait for events",
    "futex": "kernel: wake and wait between threads",
}
OURS = [
    ("margrave_wire::response", "encode the answer's head"),
    ("margrave_wire", "decode the request"),
    ("wsgi::environ", "build the environ"),
    ("_margrave::wsgi", "call the application, take its answer"),
    ("margrave_server::log", "count and log"),
    ("margrave_stats", "count and log"),
    ("margrave_server", "reactor: connections, roles, delivery"),
    ("margrave_sys", "reactor: connections, roles, delivery"),
    ("_margrave", "call the application, take its answer"),
]


def purpose(stack):
    """What a sample was taken in, from its frames, the innermost first."""
    innermost, library = stack[0]
    if "kernel" in library or library == "[unknown]" and innermost.startswith("[k]"):
        for symbol, _ in stack:
            for prefix in ("__x64_sys_", "__arm64_sys_", "__se_sys_"):
                if symbol.startswith(prefix):
                    return SYSTEM_CALLS.get(symbol.removeprefix(prefix), "kernel: other system calls")
        return "kernel: interrupts and scheduling"
    # The machine's own interrupts end up in whatever ran: the rest is told by the library.
    if "_margrave" in library:
        return next((what for part, what in OURS if part in innermost), "extension, the rest")
    if "python" in library:
        return "the interpreter: application, objects"
    if "vdso" in library:
        return "clock"
    return "C library: memory, copies, entry of system calls"


def stacks(script):
    """Frames of each sample in perf's text, as (symbol, library)."""
    found = []
    for line in script.splitlines():
        if not line.strip():
            if found:
                yield found
            found = []
        elif line[0] in " \t":
            _, _, rest = line.strip().partition(" ")
            symbol, _, library = rest.rpartition(" (")
            found.append((symbol.rpartition("+0x")[0] or symbol, library.rstrip(")")))
    if found:
        yield found


def worker_of(pid):
    """The last of the line: master, zygote, worker."""
    return list(processes.tree(pid))[-1]


def take(tools, seconds, folder):
    """CPU time per request, and the number of samples by purpose."""
    place = peers.Place(folder, free_port())
    command = peers.margrave(tools, peers.Work(), place)
    with running(command, lambda: rounds.answers(place.port, "/"), folder, core=SERVER_CORE) as server:
        measure.warm_up(Session(place.port, server.pid, folder), "/")
        data = folder / "perf.data"
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "3000", "-g", "-o", data, "-p", worker_of(server.pid)]
        load = Wrk()
        before = cpu_seconds(server.pid)
        bare = load.run(place.port, seconds)
        micros = (cpu_seconds(server.pid) - before) / bare.requests * 1e6
        perf = subprocess.Popen([str(part) for part in record], stderr=subprocess.DEVNULL, preexec_fn=pin(CLIENT_CORE))
        load.run(place.port, seconds)
        perf.terminate()
        perf.wait()
    script = subprocess.run(
        ["perf", "script", "-i", data, "-F", "ip,sym,symoff,dso"], capture_output=True, text=True, check=True
    ).stdout
    return micros, collections.Counter(purpose(stack) for stack in stacks(script))


def main():
    parser = argparse.ArgumentParser(prog="python -m benches.profile", description=__doc__.partition("\n")[0])
    parser.add_argument("--margrave", type=pathlib.Path, default=pathlib.Path(".venv/bin/margrave"))
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--document", type=pathlib.Path, help="page whose table is replaced")
    options = parser.parse_args()
    if not shutil.which("perf"):
        sys.exit("perf is missing: nothing is profiled; on Debian: apt-get install linux-perf")
    tools = peers.Tools(options.margrave.absolute(), pathlib.Path("."))
    with tempfile.TemporaryDirectory(prefix="margrave-bench-") as folder:
        micros, samples = take(tools, options.seconds, pathlib.Path(folder))
    total = sum(samples.values())
    rows = [{"part": part, "share": count / total, "micros": micros * count / total} for part, count in samples.most_common()]
    for row in rows:
        print(f"{row['micros']:6.2f} µs  {row['share']:6.1%}  {row['part']}")
    print(f"{micros:6.2f} µs  CPU time of a request; {total} samples")
    if options.out:
        content = {"machine": machine.describe(), "micros": micros, "samples": total, "rows": rows}
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "profile.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        if options.document:
            documents.fill(options.document, options.out)


if __name__ == "__main__":
    main()
