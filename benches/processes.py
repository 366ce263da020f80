"""Starting, pinning and stopping servers, and what they have cost: CPU time and memory of a whole process tree."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

SERVER_CORE, CLIENT_CORE = 0, 1
# Of clock ids, as clock_getcpuclockid(3) makes them: the CPU time of a whole process, in nanoseconds.
PROCESS_CPU_CLOCK = 2


class DidNotStart(Exception):
    """A server that ended or stayed silent; says what it printed."""


def pin(core):
    """For `preexec_fn`: runs on one core, where there are several."""
    return lambda: os.sched_setaffinity(0, {core % os.cpu_count()})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, is_ready, folder, core=SERVER_CORE, interval=0.02, patience=30):
    """A server from the moment it answers until it is stopped; gives its process."""
    path = folder / "output.txt"
    with path.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=pin(core) if core is not None else None,
        )
    try:
        deadline = time.monotonic() + patience
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                said = path.read_text(errors="replace")[-3000:]
                raise DidNotStart(f"{' '.join(map(str, command))}\n{said}")
            time.sleep(interval)
        yield process
    finally:
        stop(process)


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tree(pid):
    """The process and its descendants."""
    yield pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for child in (task / "children").read_text().split():
                    yield from tree(int(child))


def cpu_seconds(pid):
    """CPU time of a process tree by the scheduler's account, threads that have ended included."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError):
            total += time.clock_gettime((~process << 3) | PROCESS_CPU_CLOCK)
    return total


def proportional_memory(pid):
    """PSS of a process tree in bytes: shared pages are counted once."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
