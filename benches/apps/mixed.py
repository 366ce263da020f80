"""Fast and slow requests, as the client asks: `/` at once, `/sleep/200` after 200 ms, `/burn/20` after 20 ms of Python."""

import os
import threading
import time

FIELDS = [("Content-Type", "text/plain")]


def application(environ, start_response):
    _, what, millis = (environ["PATH_INFO"] + "//").split("/", 2)
    action = ACTIONS.get(what)
    if action:
        action(int(millis.strip("/") or 0) / 1000)
    body = str(os.getpid()).encode()
    start_response("200 OK", [*FIELDS, ("Content-Length", str(len(body)))])
    return [body]


def burn(seconds):
    """Computes for so much of this thread's own CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


class Background:
    """A thread that computes for ever, begun by the first request that asks for it, thus in the worker."""

    thread = None

    @classmethod
    def begin(cls, _):
        if cls.thread is None:
            cls.thread = threading.Thread(target=burn, args=(1e9,), daemon=True)
            cls.thread.start()


ACTIONS = {"sleep": time.sleep, "burn": burn, "background": Background.begin}
