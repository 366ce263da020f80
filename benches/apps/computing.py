"""Computes as long as the client asks, in steps of some 100 ns: `/100000`. Threads share nothing: constants are small, because
CPython 3.13 without a GIL counts references to larger ones in modules that it has just compiled, and threads get in each other's way.
"""

FIELDS = [("Content-Type", "text/plain")]


def application(environ, start_response):
    body = str(compute(int(environ["PATH_INFO"][1:] or 0))).encode()
    start_response("200 OK", [*FIELDS, ("Content-Length", str(len(body)))])
    return [body]


def compute(steps):
    value = 0
    for step in range(steps):
        value = (value * 31 + step) % 251
    return value
