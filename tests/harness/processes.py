"""Processes of this machine, as /proc shows them."""
import os
import signal

MARK = "MARGRAVE_TEST_RUN"


def _read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _stat(pid):
    """State, parent and session; None when the process is gone."""
    text = _read(pid, "stat")
    if not text:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[1]), int(fields[3])


def alive(pid):
    """Whether `pid` runs (a zombie does not)."""
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def parent(pid):
    """The parent's pid, 0 when gone."""
    stat = _stat(pid)
    return stat[1] if stat else 0


def children(pid):
    """Pids of the direct children that run."""
    return [other for other in everybody() if alive(other) and parent(other) == pid]


def unreaped(pid):
    """Pids of the direct children that have ended and that `pid` has not waited for."""
    return [other for other in everybody() if (stat := _stat(other)) and stat[0] == "Z" and stat[1] == pid]


def descendants(pid):
    """Pids of all that run below `pid`."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def everybody():
    """All pids."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def title(pid):
    """The command line as ps shows it."""
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def threads(pid):
    """Number of threads."""
    return len(os.listdir(f"/proc/{pid}/task"))


def identity(pid):
    """Effective uid and gid."""
    lines = dict(line.split(":", 1) for line in _read(pid, "status").decode().splitlines())
    return int(lines["Uid"].split()[1]), int(lines["Gid"].split()[1])


def marked(mark, sessions=()):
    """Pids that carry `mark` in their environment, or belong to one of the sessions, and run."""
    needle = f"{MARK}={mark}".encode()
    found = []
    for pid in everybody():
        stat = _stat(pid)
        if pid != os.getpid() and stat and stat[0] not in "ZX":
            if stat[2] in sessions or needle in _read(pid, "environ").split(b"\0"):
                found.append(pid)
    return found


def kill(pid, number=signal.SIGKILL):
    """Sends a signal; a process that is gone is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
