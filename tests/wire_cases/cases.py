"""What a case is: bytes to send, the answers that must come, and what the application may have seen."""
import hashlib
from dataclasses import dataclass, field

END = "no more will be sent"
ANSWER = "wait for an answer"
INTERIM = "wait for 100 Continue"
RESET = "leave with a reset"


@dataclass(frozen=True)
class Pause:
    """Sends nothing for a while, so that what was sent arrives alone."""

    seconds: float = 0.01


@dataclass(frozen=True)
class Seen:
    """The application answers with what it has seen: these variables, with `None` for those that must be missing."""

    environ: dict = field(default_factory=dict)
    body: object = None


@dataclass(frozen=True)
class Refused:
    """The server answers by itself, shortly, and the application sees no complete request."""

    statuses: tuple = (400,)


@dataclass(frozen=True)
class Planned:
    """The application gives the answer that the request planned."""

    status: int = 200
    body: bytes = b""
    fields: dict = field(default_factory=dict)
    method: str = "GET"
    broken: bool = False
    framing: str = ""


@dataclass(frozen=True)
class Case:
    """One connection. `then`: `stays` (the next request is served), `closes`, `either`, or `broken` (never complete)."""

    name: str
    rule: str
    steps: tuple
    answers: tuple
    then: str = "stays"
    method: str = "GET"

    def __str__(self):
        return f"{self.name} [{self.rule}]"


def latin1(text):
    return text.encode("latin-1") if isinstance(text, str) else text


def request(line="GET / HTTP/1.1", *fields, body=b"", host="site.test"):
    """Bytes of a request with a Host (unless `host` is None), the fields as they are, and a body as it is."""
    lines = [latin1(line)]
    if host is not None:
        lines.append(b"Host: " + latin1(host))
    lines += [latin1(one) for one in fields]
    return b"\r\n".join([*lines, b"", b""]) + latin1(body)


def post(body=b"", *fields, target="/post", length=True, **options):
    body = latin1(body)
    known = [f"Content-Length: {len(body)}"] if length else []
    return request(f"POST {target} HTTP/1.1", *known, *fields, body=body, **options)


def chunked(body, *fields, target="/chunks", **options):
    """A POST whose body is already in chunks, or is meant to be."""
    return request(f"POST {target} HTTP/1.1", "Transfer-Encoding: chunked", *fields, body=body, **options)


SMUGGLED = request("GET /smuggled HTTP/1.1")


def digest(body):
    """A long body as the witness shows it."""
    return f"{len(body)}:{hashlib.sha256(body).hexdigest()}"


def steps(sent):
    return sent if isinstance(sent, tuple) else (sent,)


def good(name, rule, sent, body=None, then="stays", **environ):
    """One request, served."""
    return Case(name, rule, steps(sent), (Seen(environ, body),), then)


def several(name, rule, sent, *answers, then="stays", **options):
    """Answers in a row: dictionaries of variables for requests that are served, numbers for refusals."""
    made = tuple(
        Refused((one,)) if isinstance(one, int) else Seen(one) if isinstance(one, dict) else one for one in answers
    )
    return Case(name, rule, steps(sent), made, then, **options)


def bad(name, rule, sent, *statuses):
    """Refused, and the connection closed: nothing behind it can be told from it."""
    return Case(name, rule, steps(sent), (Refused(statuses or (400,)),), "closes")


def silent(name, rule, sent):
    """The connection ends without an answer, and nothing complete reaches the application."""
    return Case(name, rule, steps(sent), (), "closes")
