"""FastCGI 1.0, role of the responder: records, streams, and how requests end.

Sections are those of the FastCGI specification of April 1996.
"""
import struct
from dataclasses import dataclass

from harness.gateways import ABORT, BEGIN, DATA, GET_VALUES, GET_VALUES_RESULT, PARAMS, STDERR, STDIN, STDOUT, UNKNOWN_TYPE, begin, pair, record, stream

from .cases import END, SMUGGLED, Pause, Planned, Refused, Seen, digest

RECORDS = "3.3 Records"
PAIRS = "3.4 Name-Value Pairs"
CLOSING = "3.5 Closing Transport Connections"
VALUES = "4.1 FCGI_GET_VALUES"
UNKNOWN = "4.2 FCGI_UNKNOWN_TYPE"
BEGINNING = "5.1 FCGI_BEGIN_REQUEST"
PARAMETERS = "5.2 FCGI_PARAMS"
STREAMS = "5.3 Byte Streams"
ABORTING = "5.4 FCGI_ABORT_REQUEST"
ENDING = "5.5 FCGI_END_REQUEST"
RESPONDER = "6.2 Responder"

COMPLETE, CANT_MPX, OVERLOADED, UNKNOWN_ROLE = range(4)
KEEP = 1
P = Pause()
ABORTED = "answered by its end alone"
CUT = "left without an end"


@dataclass(frozen=True)
class Talk:
    """One connection. `answers`: request id, what comes of it, and the protocol status of its end."""

    name: str
    section: str
    steps: tuple
    answers: tuple
    others: tuple = ()
    stays: bool = False

    def __str__(self):
        return f"{self.name} [FastCGI {self.section}]"


def variables(target="/f?q=1", method="GET", **more):
    path, _, query = target.partition("?")
    found = {
        "REQUEST_METHOD": method, "REQUEST_URI": target, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "site.test",
        "SERVER_PORT": "80", "REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "site.test", **more,
    }  # fmt: skip
    return [(name, value) for name, value in found.items() if value is not None]


def params(*more, target="/f?q=1", method="GET", long=False, **named):
    return b"".join(pair(name, value, long) for name, value in [*variables(target, method, **named), *more])


def ask(*more, number=1, flags=0, body=None, length=True, size=65_528, padding=0, **named):
    """A whole request."""
    if body is not None and length:
        named = {"method": "POST", "CONTENT_LENGTH": str(len(body)), **named}
    options = {"size": size, "padding": padding}
    return begin(number, flags=flags, padding=padding) + stream(PARAMS, params(*more, **named), number, **options) + stream(STDIN, body or b"", number, **options)


def seen(body=None, number=1, **environ):
    return (number, Seen(environ, body), COMPLETE)


def good(name, section, sent, body=None, stays=False, others=(), **environ):
    return Talk(name, section, sent if isinstance(sent, tuple) else (sent,), (seen(body, **environ),), others, stays)


def refused(name, section, sent, *statuses):
    return Talk(name, section, (sent,), ((1, Refused(statuses or (400,)), COMPLETE),))


def closed(name, section, sent):
    """No request could be answered, so the connection ends."""
    return Talk(name, section, sent if isinstance(sent, tuple) else (sent,), ())


def ended(number, status):
    return (number, ABORTED, status)


PLAIN = ask()
HEAD = begin() + stream(PARAMS, params())
LAST = ask(("X_LAST", "1"))
DATA_BYTES = bytes(range(256)) * 12_000

FRAMING = [
    good("a request", RECORDS, PLAIN, b"", REQUEST_METHOD="GET", PATH_INFO="/f", QUERY_STRING="q=1", REQUEST_URI="/f?q=1", SERVER_NAME="site.test", REMOTE_ADDR="192.0.2.7"),
    good("byte by byte", RECORDS, tuple(step for byte in LAST for step in (bytes([byte]), Pause(0.0003))), X_LAST="1"),
    *(good(f"cut at byte {at}", RECORDS, (LAST[:at], P, LAST[at:]), X_LAST="1") for at in (1, 7, 8, 9, 15, 16, 17, 23, 24, 25, len(LAST) - 9, len(LAST) - 8, len(LAST) - 1)),
    *(good(f"{size} bytes of padding", RECORDS, ask(padding=size, body=b"abc"), b"abc", PATH_INFO="/f") for size in (1, 7, 8, 128, 255)),
    *(good(f"request id {number}", RECORDS, ask(number=number), number=number) for number in (2, 255, 256, 65_535)),
    good("the reserved byte means nothing", RECORDS, begin(reserved=99) + stream(PARAMS, params(), reserved=7) + stream(STDIN, b"", reserved=255), PATH_INFO="/f"),
    good("other flags mean nothing", BEGINNING, begin(flags=0xFE) + HEAD[16:] + record(STDIN), PATH_INFO="/f"),
    good("bytes 4 to 8 of BEGIN_REQUEST are reserved", BEGINNING, record(BEGIN, b"\0\1\0\xff\xff\xff\xff\xff") + HEAD[16:] + record(STDIN), PATH_INFO="/f"),
    closed("another version", RECORDS, record(BEGIN, b"\0\1\0\0\0\0\0\0", version=2)),
    closed("version 0", RECORDS, b"\0" * 64),
    closed("HTTP", RECORDS, SMUGGLED),
    closed("TLS", RECORDS, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 150),
    closed("nothing", RECORDS, (END,)),
    closed("half a header", RECORDS, (PLAIN[:5], END)),
    closed("BEGIN_REQUEST alone", RECORDS, (begin(), END)),
    closed("half of PARAMS", RECORDS, (HEAD[:60], END)),
    closed("PARAMS without their end", RECORDS, (HEAD[:-8], END)),
    closed("BEGIN_REQUEST of id 0", RECORDS, begin(0)),
    closed("BEGIN_REQUEST that is too short", BEGINNING, record(BEGIN, b"\0\1\0\0")),
    closed("BEGIN_REQUEST that is too long", BEGINNING, record(BEGIN, b"\0\1\0\0\0\0\0\0\0\0")),
    closed("an answer instead of a request", RECORDS, record(STDOUT, b"x")),
    closed("END_REQUEST of the front server", RECORDS, record(3, b"\0" * 8)),
]  # fmt: skip

MANY = params(*((f"X_{n}", str(n)) for n in range(2000)))

PARAMETERS_OF = [
    *(good(f"PARAMS in records of {size} bytes", STREAMS, ask(("X_LAST", "1"), size=size), X_LAST="1", PATH_INFO="/f") for size in (1, 2, 3, 7, 8, 100)),
    good("PARAMS and STDIN in records of one byte", STREAMS, ask(("X_LAST", "1"), size=1, body=b"abc"), b"abc", X_LAST="1"),
    good("lengths of four bytes where one would do", PAIRS, begin() + stream(PARAMS, params(long=True)) + record(STDIN), PATH_INFO="/f"),
    *(good(f"a value of {size} bytes", PAIRS, ask(("X_LONG", "v" * size)), X_LONG="v" * size) for size in (0, 1, 126, 127, 128, 129, 255, 256, 16_000)),
    *(good(f"a name of {size} bytes", PAIRS, ask(("N" * size, "v")), **{"N" * size: "v"}) for size in (127, 128, 1000)),
    good("a length that two records share", STREAMS, begin() + record(PARAMS, params() + b"\x01\x80") + record(PARAMS, b"\0\0\x82X" + b"v" * 130) + record(PARAMS) + record(STDIN), X="v" * 130),
    good("every byte in a value", PAIRS, ask(("X", bytes(range(256)))), X="".join(map(chr, range(256)))),
    good("a variable twice: the last counts", PAIRS, ask(("X", "1"), ("X", "2")), X="2"),
    good("2000 variables", PAIRS, begin() + stream(PARAMS, MANY) + record(STDIN), X_1999="1999"),
    good("HTTPS", PARAMETERS, ask(HTTPS="on"), HTTPS="on", **{"wsgi.url_scheme": "https"}),
    good("SCRIPT_NAME", PARAMETERS, ask(SCRIPT_NAME="/app"), SCRIPT_NAME="/app", PATH_INFO="/f"),
    good("PATH_INFO is not decoded again", PARAMETERS, ask(PATH_INFO="/a%2fb/../c"), PATH_INFO="/a%2fb/../c"),
    good("UWSGI_FILE loads nothing", PARAMETERS, ask(("UWSGI_FILE", "/tmp/evil.py")), UWSGI_FILE=None),
    refused("no PARAMS", PARAMETERS, begin() + record(PARAMS) + record(STDIN)),
    refused("an empty name", PAIRS, begin() + stream(PARAMS, params() + pair("", "v")) + record(STDIN)),
    refused("a value that goes beyond the stream", PAIRS, begin() + stream(PARAMS, params() + b"\x01\x09X1") + record(STDIN)),
    refused("half a length", PAIRS, begin() + stream(PARAMS, params() + b"\x01") + record(STDIN)),
    refused("half a length of four bytes", PAIRS, begin() + stream(PARAMS, params() + b"\x80\0") + record(STDIN)),
    refused("a length of two gigabytes", PAIRS, begin() + stream(PARAMS, params() + b"\xff\xff\xff\xff\xff\xff\xff\xffX") + record(STDIN)),
    refused("more PARAMS than the limit", PARAMETERS, begin() + stream(PARAMS, params(("X", "v" * 500_000))) + record(STDIN), 431),
    refused("PARAMS after their end", PARAMETERS, begin() + stream(PARAMS, params(method="POST", CONTENT_LENGTH="3")) + record(PARAMS, b"\x01\x01Xv")),
    refused("STDIN before the end of PARAMS", STREAMS, HEAD[:-8] + record(STDIN, b"abc")),
    refused("a second BEGIN_REQUEST of the same id", BEGINNING, begin() + begin() + HEAD[16:] + record(STDIN)),
]  # fmt: skip

BODIES = [
    *(good(f"a body of {size} bytes", RESPONDER, ask(body=DATA_BYTES[:size]), DATA_BYTES[:size] if size <= 4096 else digest(DATA_BYTES[:size]), CONTENT_LENGTH=str(size))
      for size in (0, 1, 3, 4096, 65_528, 65_529, 65_535, 300_000, 3_000_000)),
    *(good(f"STDIN in records of {size} bytes", STREAMS, ask(body=b"0123456789abcdefghi", size=size), b"0123456789abcdefghi") for size in (1, 2, 3, 8)),
    good("STDIN in full records", STREAMS, ask(body=DATA_BYTES[:200_000], size=65_535), digest(DATA_BYTES[:200_000])),
    good("STDIN without CONTENT_LENGTH is all body", RESPONDER, ask(body=b"abc", length=False, method="POST"), b"abc"),
    good("with an empty CONTENT_LENGTH too", RESPONDER, ask(body=b"abc", length=False, method="POST", CONTENT_LENGTH=""), b"abc"),
    good("none of a GET", RESPONDER, ask(), b""),
    good("beyond CONTENT_LENGTH is dropped", RESPONDER, ask(body=b"abcdef", length=False, method="POST", CONTENT_LENGTH="3"), b"abc"),
    good("STDIN behind the rest", STREAMS, (HEAD, P, record(STDIN)), b""),
    good("records of STDIN that come one by one", STREAMS, (begin() + stream(PARAMS, params(method="POST", CONTENT_LENGTH="3")), P, record(STDIN, b"a"), P, record(STDIN, b"bc"), P, record(STDIN)), b"abc"),
    good("a body that is left unread", RESPONDER, ask(body=DATA_BYTES[:300_000], target="/f?read=no"), b""),
    good("a body that looks like records", RESPONDER, ask(body=ask(target="/smuggled")), ask(target="/smuggled")),
    good("a client that sends no more", CLOSING, (ask(body=b"abc"), END), b"abc"),
    *(refused(f"CONTENT_LENGTH {value!r}", RESPONDER, ask(body=b"abc", length=False, method="POST", CONTENT_LENGTH=value), 400, 413)
      for value in ("x", "-1", "+3", "3x", "0x3", "3.0", " 3", "3,3", "99999999999999999999999")),
    Talk("STDIN that ends early", RESPONDER, (ask(body=b"ab", length=False, method="POST", CONTENT_LENGTH="3"),), ((1, Refused((400,)), COMPLETE),)),
    Talk("a connection that ends within STDIN", RESPONDER, (ask(body=b"abc")[:-16], END), ((1, CUT, None),)),
]  # fmt: skip

CONNECTIONS = [
    good("KEEP_CONN keeps the connection", CLOSING, ask(flags=KEEP), stays=True),
    good("and it is closed without", CLOSING, ask()),
    Talk("three in a row", CLOSING, (ask(number=1, flags=KEEP, target="/1") + ask(number=1, flags=KEEP, target="/2", body=b"abc") + ask(number=1, flags=KEEP, target="/3"),),
         (seen(PATH_INFO="/1"), seen(b"abc", PATH_INFO="/2"), seen(PATH_INFO="/3")), stays=True),
    Talk("other ids in a row", CLOSING, (ask(number=5, flags=KEEP, target="/1") + ask(number=9, flags=KEEP, target="/2"),), (seen(number=5, PATH_INFO="/1"), seen(number=9, PATH_INFO="/2")), stays=True),
    Talk("nothing is served behind one without", CLOSING, (ask(target="/1") + ask(target="/smuggled", number=2),), (seen(PATH_INFO="/1"),)),
    Talk("a body left unread, and the next", CLOSING, (ask(flags=KEEP, body=DATA_BYTES[:300_000], target="/f?read=no") + ask(flags=KEEP, target="/2"),), (seen(b""), seen(PATH_INFO="/2")), stays=True),
    Talk("a body beyond its length, and the next", CLOSING, (ask(flags=KEEP, body=b"abcdef", length=False, method="POST", CONTENT_LENGTH="3") + ask(flags=KEEP, target="/2"),), (seen(b"abc"), seen(PATH_INFO="/2")), stays=True),
    Talk("a row byte by byte", CLOSING, tuple(step for byte in ask(flags=KEEP, body=b"abc") + ask(flags=KEEP, number=2) for step in (bytes([byte]), Pause(0.0003))), (seen(b"abc"), seen(number=2)), stays=True),
    Talk("a second request between PARAMS is not multiplexed", ENDING, (begin() + record(PARAMS, params()) + ask(number=2, target="/smuggled") + record(PARAMS) + record(STDIN),), (ended(2, CANT_MPX), seen(PATH_INFO="/f"))),
    Talk("nor one between STDIN", ENDING, (begin() + stream(PARAMS, params(method="POST", CONTENT_LENGTH="2")) + record(STDIN, b"a") + ask(number=7, target="/smuggled") + record(STDIN, b"b") + record(STDIN),), (ended(7, CANT_MPX), seen(b"ab"))),
    Talk("and the first is served on, kept", ENDING, (begin(flags=KEEP) + record(PARAMS, params()) + ask(number=2, target="/smuggled") + record(PARAMS) + record(STDIN),), (ended(2, CANT_MPX), seen(PATH_INFO="/f")), stays=True),
    *(Talk(f"role {role} is not served", BEGINNING, (begin(role=role) + stream(PARAMS, params(target="/smuggled")) + record(STDIN),), (ended(1, UNKNOWN_ROLE),)) for role in (0, 2, 3, 4, 65_535)),
    Talk("and the connection is kept", BEGINNING, (begin(role=2, flags=KEEP) + stream(PARAMS, params(target="/smuggled")) + record(STDIN) + ask(number=3, flags=KEEP),), (ended(1, UNKNOWN_ROLE), seen(number=3)), stays=True),
    Talk("a filter with its data", BEGINNING, (begin(role=3, flags=KEEP) + stream(PARAMS, params(target="/smuggled")) + record(STDIN) + stream(DATA, b"data") + ask(number=3, flags=KEEP),), (ended(1, UNKNOWN_ROLE), seen(number=3)), stays=True),
    Talk("aborted within PARAMS", ABORTING, (begin() + record(PARAMS, params(target="/smuggled")) + record(ABORT),), (ended(1, COMPLETE),)),
    Talk("aborted within STDIN", ABORTING, (begin() + stream(PARAMS, params(target="/smuggled", method="POST", CONTENT_LENGTH="9")) + record(STDIN, b"abc") + record(ABORT),), (ended(1, COMPLETE),)),
    Talk("aborted, and the connection kept", ABORTING, (begin(flags=KEEP) + record(PARAMS, params(target="/smuggled")) + record(ABORT) + ask(number=2, flags=KEEP),), (ended(1, COMPLETE), seen(number=2)), stays=True),
    good("what is aborted is not there", ABORTING, record(ABORT, number=5) + ask(flags=KEEP), stays=True),
    good("an ABORT of another id in the midst", ABORTING, begin(flags=KEEP) + record(PARAMS, params()) + record(ABORT, number=9) + record(PARAMS) + record(STDIN), stays=True),
    good("STDIN of another id in the midst", RECORDS, begin(flags=KEEP) + record(PARAMS, params()) + record(STDIN, b"abc", 9) + record(PARAMS) + record(STDIN), b"", stays=True),
    Talk("aborted behind the end, and the connection kept", ABORTING, (ask(flags=KEEP) + record(ABORT) + ask(number=2, flags=KEEP),), (ended(1, COMPLETE), seen(number=2)), stays=True),
]  # fmt: skip


def asked(*names):
    return record(GET_VALUES, b"".join(pair(name, "") for name in names), 0)


ALL = ("FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS")

MANAGEMENT = [
    good("values before a request", VALUES, asked(*ALL) + ask(), others=((GET_VALUES_RESULT, ALL),)),
    good("one value", VALUES, asked("FCGI_MPXS_CONNS") + ask(), others=((GET_VALUES_RESULT, ("FCGI_MPXS_CONNS",)),)),
    good("values that nobody knows are left out", VALUES, asked("FCGI_MAX_REQS", "FCGI_OWN", "x") + ask(), others=((GET_VALUES_RESULT, ("FCGI_MAX_REQS",)),)),
    good("no values", VALUES, record(GET_VALUES, b"", 0) + ask(), others=((GET_VALUES_RESULT, ()),)),
    good("values within a request", VALUES, begin() + record(PARAMS, params()) + asked(*ALL) + record(PARAMS) + record(STDIN), others=((GET_VALUES_RESULT, ALL),)),
    good("values twice", VALUES, asked("FCGI_MAX_CONNS") + asked("FCGI_MAX_REQS") + ask(), others=((GET_VALUES_RESULT, ("FCGI_MAX_CONNS",)), (GET_VALUES_RESULT, ("FCGI_MAX_REQS",)))),
    *(good(f"type {kind} is not known", UNKNOWN, record(kind, b"what", 0) + ask(), others=((UNKNOWN_TYPE, struct.pack(">B7x", kind)),)) for kind in (12, 50, 200, 255)),
    good("a type that is not known, within a request", UNKNOWN, begin() + record(PARAMS, params()) + record(99, b"x" * 100, 0, padding=4) + record(PARAMS) + record(STDIN), others=((UNKNOWN_TYPE, struct.pack(">B7x", 99)),)),
]  # fmt: skip


def planned(name, query, method="GET", status=200, body=b"", broken=False, stderr="", **fields):
    expected = Planned(status, body, {key.replace("_", "-"): value for key, value in fields.items()}, method, broken)
    return Talk(name, RESPONDER, (ask(target=f"/answer?{query}", method=method, flags=KEEP),), ((1, expected, COMPLETE),), ((STDERR, stderr),) if stderr else (), stays=not broken)


ANSWERS = [
    planned("one piece", "pieces=5", body=b"aaaaa"),
    planned("nothing", "pieces="),
    planned("a generator has no chunks", "how=generator&pieces=3,0,4", body=b"a" * 7, Transfer_Encoding=None),
    planned("written", "how=write&pieces=3,4", body=b"a" * 7),
    planned("a file", "how=file&pieces=70000", body=b"a" * 70_000),
    planned("100000 bytes", "pieces=100000", body=b"a" * 100_000),
    planned("three megabytes", "pieces=3000000", body=b"a" * 3_000_000),
    planned("a length", "pieces=5&field=Content-Length:5", body=b"aaaaa", Content_Length="5"),
    planned("no more than the length", "pieces=5&field=Content-Length:3", body=b"aaa", Content_Length="3"),
    planned("fewer than the length", "pieces=5&field=Content-Length:9", broken=True),
    planned("HEAD", "pieces=5", "HEAD"),
    planned("204", "status=204%20None&pieces=5", status=204),
    planned("304", "status=304%20Same&pieces=5", status=304),
    planned("404", "status=404%20Not&pieces=5", status=404, body=b"aaaaa"),
    planned("two cookies", "pieces=1&field=Set-Cookie:a=1&field=Set-Cookie:b=2", body=b"a", Set_Cookie=["a=1", "b=2"]),
    planned("CR LF in a field", "pieces=3&field=X:a%0d%0aX-Injected:%201", status=500, body=b"Internal Server Error\n", X_Injected=None),
    planned("a failure before the head, with a word for the front server's log", "how=fail-first", status=500, body=b"Internal Server Error\n", stderr="failed"),
    planned("a failure within the answer", "how=fail-later&pieces=3", broken=True),
]  # fmt: skip
