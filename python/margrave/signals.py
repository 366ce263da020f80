"""Signals for the master that reach its workers too: by the terminal, ``killall``, or a service manager's stop.

Only the master acts on them; a worker that ended by itself would lose the requests it is at. Handlers, because
subprocesses of the application would inherit an ignored signal. They stand before the application loads, so that
its own handlers replace them.
"""

import os
import signal
import threading

NUMBERS = (
    signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
)

# What the handlers have replaced.
_before = {}
# Signal masks of threads that are forking.
_masks = {}
# Whether children of this process are workers.
_makes_workers = False


def leave_to_master():
    """Called once, in the zygote."""
    for number in NUMBERS:
        _before[number] = signal.signal(number, nothing)
    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=give_back)


def nothing(number, frame):
    """The master acts."""


def make_workers(now):
    """Says whether the children that are forked from now on are workers, or the application's own."""
    global _makes_workers
    _makes_workers = now


def hold():
    """Before a fork. The interpreter of a child forgets what has reached it before :func:`give_back`."""
    _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)


def release():
    """After a fork."""
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop(threading.get_ident()))


def give_back():
    """In a child of the application: signals do again what its parent expects, such as ``Process.terminate()``."""
    if not _makes_workers:
        for number, handler in _before.items():
            if signal.getsignal(number) is nothing:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
    release()
