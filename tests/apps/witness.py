"""An application that notes every request that reaches it, complete or not, so that one too many is seen.

`/answer?…` gives an answer of any kind: see `Plan`. Everything else is answered with what was seen.
"""
import fcntl
import hashlib
import io
import json
import os
from urllib.parse import parse_qsl

NOTES = os.environ["WITNESS_NOTES"]
SHOWN = 4096


def shown(data):
    """A body as it is, a long one as length and digest."""
    if len(data) <= SHOWN:
        return data.decode("latin-1")
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()}"


def note(entry):
    line = json.dumps(entry).encode() + b"\n"
    with open(NOTES, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(line)
    return line


def read(stream, how):
    """The body, read in one of the ways that PEP 3333 allows."""
    if how == "no":
        return b""
    if how == "some":
        return stream.read(3)
    if how == "lines":
        return b"".join(iter(stream.readline, b""))
    if how == "pieces":
        return b"".join(iter(lambda: stream.read(7), b""))
    if how == "iterate":
        return b"".join(stream)
    return stream.read()


def application(environ, start_response):
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True, encoding="latin-1")
    entry = {"environ": {name: value for name, value in environ.items() if isinstance(value, str)}}
    entry["types"] = {name: type(value).__name__ for name, value in environ.items()}
    entry["place"] = os.getcwd()
    entry["terminated"] = bool(environ.get("wsgi.input_terminated"))
    try:
        entry["body"] = shown(read(environ["wsgi.input"], dict(query).get("read", "all")))
    except Exception as problem:
        entry["error"] = repr(problem)
        note(entry)
        raise
    line = note(entry)
    if environ.get("PATH_INFO") == "/answer":
        return Plan(query).answer(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(line)))])
    return [line]


class Plan:
    """An answer made from a query: `status`, `field=Name:value` (many), `pieces=3,0,5` (sizes), and `how` they are given.

    `how`: list, generator, write, file, fail-first, fail-later, or nothing for a list.
    """

    def __init__(self, query):
        named = dict(query)
        self.status = named.get("status", "200 OK")
        self.fields = [tuple(value.split(":", 1)) for name, value in query if name == "field"]
        sizes = named.get("pieces", "3")
        self.pieces = [b"abcdefghij"[:1] * int(size) for size in sizes.split(",") if size]
        self.how = named.get("how", "list")

    def answer(self, environ, start_response):
        if self.how == "fail-first":
            raise ValueError("fails on purpose")
        write = start_response(self.status, self.fields)
        if self.how == "write":
            for piece in self.pieces:
                write(piece)
            return []
        if self.how == "file":
            return environ["wsgi.file_wrapper"](io.BytesIO(b"".join(self.pieces)))
        if self.how == "generator":
            return (piece for piece in self.pieces)
        if self.how == "fail-later":
            return self.failing()
        return self.pieces

    def failing(self):
        yield from self.pieces
        raise ValueError("fails on purpose, later")
