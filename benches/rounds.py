"""Turns: in each round every server of a scenario is started, measured and stopped, so that a machine which slows
down slows all of them."""

import contextlib
import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from . import peers
from .load import NothingAnswered
from .measure import Session
from .processes import CLIENT_CORE, SERVER_CORE, DidNotStart, free_port, running

# Of a curve the shape matters; its many points need fewer repetitions.
CURVE_ROUNDS = 2

# A file that has just been written may change again unseen, so that careful servers do not keep it in memory yet. Those of
# sites are older.
SETTLED = 1.1

# nginx location bodies by how the server behind is reached, and whether connections to it are kept.
PARAMS = (
    "QUERY_STRING $query_string",
    "REQUEST_METHOD $request_method",
    "CONTENT_TYPE $content_type",
    "CONTENT_LENGTH $content_length",
    "REQUEST_URI $request_uri",
    "PATH_INFO $document_uri",
    "SERVER_PROTOCOL $server_protocol",
    "REMOTE_ADDR $remote_addr",
    "REMOTE_PORT $remote_port",
    "SERVER_PORT $server_port",
    "SERVER_NAME $server_name",
)


def front_location(kind):
    """Location body and protocol of a front."""
    protocol, _, kept = kind.partition(" ")
    if protocol == "http":
        fields = 'proxy_http_version 1.1; proxy_set_header Connection "";' if kept else ""
        return f"{fields} proxy_set_header Host $http_host; proxy_pass http://behind;", protocol
    names = [one for one in PARAMS if protocol != "scgi" or "CONTENT_LENGTH" not in one]
    fields = "".join(f"{protocol}_param {one};" for one in names)
    fields += "fastcgi_keep_conn on;" if kept else ""
    fields += "scgi_param SCGI 1;" if protocol == "scgi" else ""
    return f"{fields} {protocol}_pass behind;", protocol


class Runner:
    """Starts what an entry names and takes its figures."""

    def __init__(self, tools, seconds):
        self.tools, self.seconds = tools, seconds

    def take(self, scenario, entry, number):
        with tempfile.TemporaryDirectory(prefix="margrave-bench-") as name:
            folder = pathlib.Path(name)
            folder.chmod(0o755)
            prepare_files(folder)

            def start(path, interval=0.02):
                return self.session(scenario, entry, folder, path, interval)

            if entry.work.static:
                time.sleep(SETTLED)
            return measure_of(scenario, entry).take(start, seconds_of(scenario, self.seconds), number)

    @contextlib.contextmanager
    def session(self, scenario, entry, folder, path, interval):
        work = entry.work
        core = None if scenario.spread else SERVER_CORE
        with contextlib.ExitStack() as stack:
            place = peers.Place(folder, free_port())
            if entry.front:
                location, protocol = front_location(entry.front)
                work = dataclasses.replace(work, protocol=protocol)
                place = peers.Place(folder, 0, folder / "behind.sock")
            command = peers.BUILDERS[entry.peer](self.tools, work, place)
            if not entry.front:
                server = stack.enter_context(
                    running(command, lambda: answers(place.port, path), folder, core=core, interval=interval)
                )
                yield Session(place.port, server.pid, folder, workers=work.processes)
                return
            server = stack.enter_context(running(command, place.socket.exists, folder, core=core))
            front = peers.Place(folder / "front", free_port())
            front.folder.mkdir()
            kept = "keepalive 64;" if entry.front.endswith("kept") else ""
            upstream = f"upstream behind {{ server unix:{place.socket}; {kept} }}"
            nginx = stack.enter_context(
                running(
                    peers.nginx_command(front, location, upstream),
                    lambda: answers(front.port, path),
                    front.folder,
                    core=CLIENT_CORE,
                )
            )
            yield Session(front.port, server.pid, folder, front=nginx.pid, workers=work.processes)


def prepare_files(folder):
    """What servers of files serve."""
    static = folder / "static"
    static.mkdir()
    (static / "20k.bin").write_bytes(bytes(range(256)) * 80)


def answers(port, path):
    """Whether there is a server, and it answers as it should."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status == 200 and answer.read() is not None
    except urllib.error.HTTPError as error:
        return not error.read()
    except OSError:
        return False


def run(scenarios, tools, rounds, seconds, only=()):
    """All rounds of all scenarios; yields each scenario with its figures by row, and what was left out."""
    plan = [(one, [entry for entry in one.entries if not only or entry.peer in only]) for one in scenarios]
    absent = peers.missing(tools)
    for name, reason in absent.items():
        if any(entry.peer == name for _, entries in plan for entry in entries):
            print(f"*** {name.upper()} IS LEFT OUT: {reason}", file=sys.stderr, flush=True)
    progress = Progress(sum(len(entries) * rounds_of(one, rounds) for one, entries in plan))
    runner = Runner(tools, seconds)
    for scenario, entries in plan:
        figures = {entry.name: [] for entry in entries if entry.peer not in absent}
        left_out = {entry.peer: absent[entry.peer] for entry in entries if entry.peer in absent}
        for number in range(rounds_of(scenario, rounds)):
            # Each round begins with another server, so that none always follows the same one.
            order = entries[number % len(entries) :] + entries[: number % len(entries)] if entries else []
            for entry in order:
                progress.show(f"{scenario.name}: {entry.name}")
                if entry.name in figures:
                    try:
                        figures[entry.name].append(runner.take(scenario, entry, number))
                    except peers.CannotDo as reason:
                        left_out[entry.name] = str(reason)
                        del figures[entry.name]
                    except (DidNotStart, NothingAnswered, OSError, subprocess.SubprocessError) as reason:
                        # One broken server must not cost the figures of all others; it is named, loudly.
                        progress.clear()
                        print(f"*** {scenario.name}: {entry.name.upper()} CANNOT BE MEASURED: {reason}", file=sys.stderr)
                        said = reason if isinstance(reason, NothingAnswered) else type(reason).__name__
                        left_out[entry.name] = f"could not be measured ({said})"
                        del figures[entry.name]
        progress.clear()
        yield scenario, {name: rows for name, rows in figures.items() if rows}, left_out


def measure_of(scenario, entry):
    return entry.measure or scenario.measure


def seconds_of(scenario, seconds):
    return max(seconds, scenario.seconds)


def rounds_of(scenario, rounds):
    return min(rounds, CURVE_ROUNDS) if scenario.axis else rounds


def method(scenario, rounds, seconds):
    """What a scenario makes of the rounds and seconds that were asked for: rounds, and the shortest and the longest load."""
    lengths = [measure_of(scenario, entry).lasts(seconds_of(scenario, seconds)) for entry in scenario.entries]
    lengths = [length for length in lengths if length is not None]
    used = {"seconds": min(lengths), "seconds_at_most": max(lengths)} if lengths else {}
    return {"rounds": rounds_of(scenario, rounds), **used}


class Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total):
        self.total, self.done, self.began = max(total, 1), 0, time.monotonic()
        self.is_terminal = sys.stderr.isatty()

    def show(self, what):
        """The next of all steps begins."""
        spent = time.monotonic() - self.began
        left = f"about {spent / self.done * (self.total - self.done) / 60:.0f} min left" if self.done > 2 else ""
        if self.is_terminal:
            bar = "#" * (30 * self.done // self.total)
            width = shutil.get_terminal_size().columns
            print(f"\r[{bar:30}] {self.done}/{self.total} {what:36} {left}"[:width].ljust(width - 1), end="", file=sys.stderr)
            sys.stderr.flush()
        elif self.done % 20 == 0:
            print(f"{self.done}/{self.total} {what} {left}", file=sys.stderr, flush=True)
        self.done += 1

    def clear(self):
        if self.is_terminal:
            print("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r", end="", file=sys.stderr, flush=True)
