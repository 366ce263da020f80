"""Waiting for something that another process does, with a bound and a reason."""
import time


def until(condition, timeout=10, what="the condition"):
    """The first true value of `condition()`; an AssertionError that names `what` after `timeout` seconds.

    Looks again every few milliseconds: other processes' state (a log file, /proc, a listener) gives no event to wait on.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what() if callable(what) else what}")
        time.sleep(0.01)


def entered(directory, count=1):
    """Waits until `count` requests are, or have been, in an application that runs in `directory` and leaves a file for each."""
    until(lambda: len(list(directory.glob("entered-*"))) >= count, 10, f"{count} requests to be in the application")
