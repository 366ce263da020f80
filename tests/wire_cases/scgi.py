"""SCGI 1 (python.ca/scgi/protocol.txt) and the answers of RFC 3875, section 6."""
from .cases import END, SMUGGLED, Case, Pause, Planned, Refused, Seen, bad, digest, good, silent

NETSTRING = "SCGI: netstrings"
HEADERS = "SCGI: request headers"
BODY = "SCGI: request body"
ANSWER = "RFC 3875 6"
P = Pause()


def octets(value):
    return value.encode("latin-1") if isinstance(value, str) else value


def strings(pairs):
    return b"".join(octets(one) + b"\0" for pair in pairs for one in pair)


def netstring(content):
    return b"%d:%s," % (len(content), content)


def pairs(*more, target="/s?q=1", method="GET", length="0", scgi="1", **named):
    path, _, query = target.partition("?")
    first = [] if length is None else [("CONTENT_LENGTH", length)]
    second = [] if scgi is None else [("SCGI", scgi)]
    found = {
        "REQUEST_METHOD": method, "REQUEST_URI": target, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "site.test",
        "SERVER_PORT": "80", "REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "site.test", **named,
    }  # fmt: skip
    return [*first, *second, *((name, value) for name, value in found.items() if value is not None), *more]


def head(*more, **named):
    return netstring(strings(pairs(*more, **named)))


def post(body, *more, **named):
    return head(*more, method="POST", length=str(len(body)), **named) + body


def served(name, rule, sent, body=None, **environ):
    return good(name, rule, sent, body, then="closes", **environ)


GOOD = head(("X_LAST", "1"))
PLAIN = strings(pairs())
DATA = bytes(range(256)) * 12_000

NETSTRINGS = [
    served("a request", NETSTRING, head(), b"", REQUEST_METHOD="GET", PATH_INFO="/s", QUERY_STRING="q=1", REQUEST_URI="/s?q=1", CONTENT_LENGTH="0", SCGI="1", REMOTE_ADDR="192.0.2.7"),
    served("the one of the specification", NETSTRING, b"70:CONTENT_LENGTH\x0027\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/deepthought\0,What is the answer to life?",
           b"What is the answer to life?", REQUEST_METHOD="POST", REQUEST_URI="/deepthought"),
    served("byte by byte", NETSTRING, tuple(step for at in range(len(GOOD)) for step in (GOOD[at : at + 1], Pause(0.0005))), X_LAST="1"),
    *(served(f"cut at byte {at}", NETSTRING, (GOOD[:at], P, GOOD[at:]), X_LAST="1") for at in (1, 2, 3, 4, 5, 17, 19, 20, len(GOOD) - 2, len(GOOD) - 1)),
    *(bad(f"the length {text!r}", NETSTRING, text + b":" + PLAIN + b",")
      for text in (b"", b"x", b"-%d" % len(PLAIN), b"+%d" % len(PLAIN), b" %d" % len(PLAIN), b"%d " % len(PLAIN), b"0%d" % len(PLAIN), b"00", b"0x%x" % len(PLAIN), b"%d.0" % len(PLAIN), b"1e2", b"1,000")),
    bad("no colon", NETSTRING, b"%d;" % len(PLAIN) + PLAIN + b","),
    bad("no comma", NETSTRING, b"%d:" % len(PLAIN) + PLAIN + b";"),
    bad("a length too short by one", NETSTRING, b"%d:" % (len(PLAIN) - 1) + PLAIN + b","),
    bad("a length too long by one", NETSTRING, b"%d:" % (len(PLAIN) + 1) + PLAIN + b",xx"),
    bad("a length of twenty digits", NETSTRING, b"9" * 20 + b":" + PLAIN, 400, 431),
    bad("a length of a gigabyte", NETSTRING, b"1000000000:" + PLAIN, 431),
    bad("digits without an end", NETSTRING, b"1" * 10_000, 400, 431),
    bad("an empty netstring", NETSTRING, b"0:,"),
    bad("HTTP", NETSTRING, SMUGGLED),
    bad("a uwsgi packet", NETSTRING, b"\x00\x10\x00\x00" + b"x" * 16),
    bad("NUL", NETSTRING, b"\0"),
    silent("nothing", NETSTRING, (END,)),
    silent("half a length", NETSTRING, (b"7", END)),
    silent("half a netstring", NETSTRING, (GOOD[:50], END)),
    silent("a netstring without its comma", NETSTRING, (GOOD[:-1], END)),
]  # fmt: skip

HEADER = [
    served("an empty value", HEADERS, head(("X", "")), X=""),
    served("bytes beyond ASCII", HEADERS, head(("X\xe9", "v\xe9")), **{"X\xe9": "v\xe9"}),
    served("every byte but NUL in a value", HEADERS, head(("X", bytes(range(1, 256)))), X="".join(map(chr, range(1, 256)))),
    served("a value of 60000 bytes", HEADERS, head(("X", "v" * 60_000)), X="v" * 60_000),
    served("1000 variables", HEADERS, head(*((f"X_{n}", str(n)) for n in range(1000))), X_999="999"),
    served("SCGI last", HEADERS, netstring(strings([*pairs(scgi=None), ("SCGI", "1")])), SCGI="1"),
    served("a field twice, as nginx passes it on: the last counts", HEADERS, head(("HTTP_X", "1"), ("HTTP_X", "2")), HTTP_X="2"),
    served("HTTPS", HEADERS, head(HTTPS="on"), HTTPS="on", **{"wsgi.url_scheme": "https"}),
    served("SCRIPT_NAME", HEADERS, head(SCRIPT_NAME="/app"), SCRIPT_NAME="/app"),
    served("UWSGI_FILE loads nothing", HEADERS, head(("UWSGI_FILE", "/tmp/evil.py")), UWSGI_FILE=None),
    served("PATH_INFO is not decoded again", HEADERS, head(PATH_INFO="/a%2fb/../c"), PATH_INFO="/a%2fb/../c"),
    bad("no CONTENT_LENGTH", HEADERS, head(length=None)),
    bad("an empty CONTENT_LENGTH", HEADERS, head(length="")),
    bad("CONTENT_LENGTH is not first", HEADERS, netstring(strings([("SCGI", "1"), ("CONTENT_LENGTH", "0"), ("REQUEST_METHOD", "GET")]))),
    bad("CONTENT_LENGTH twice", HEADERS, head(("CONTENT_LENGTH", "5"))),
    bad("CONTENT_LENGTH twice, equal", HEADERS, head(("CONTENT_LENGTH", "0"))),
    *(bad(f"CONTENT_LENGTH {value!r}", HEADERS, head(length=value) + b"abc" * 10, 400, 413)
      for value in ("x", "-1", "+3", "3x", "0x3", "3.0", " 3", "3 ", "3,3", "99999999999999999999999", "18446744073709551619", "\xb3")),
    bad("no SCGI", HEADERS, head(scgi=None)),
    bad("SCGI 0", HEADERS, head(scgi="0")),
    bad("SCGI 2", HEADERS, head(scgi="2")),
    bad("SCGI empty", HEADERS, head(scgi="")),
    bad("a name without a value", HEADERS, netstring(PLAIN + b"X\0")),
    bad("the last NUL missing", HEADERS, netstring(PLAIN[:-1])),
    bad("an empty name", HEADERS, netstring(PLAIN + b"\0v\0")),
    bad("an empty name and value", HEADERS, netstring(PLAIN + b"\0\0")),
    bad("one NUL too many", HEADERS, netstring(PLAIN + b"\0")),
    bad("text without NULs", HEADERS, netstring(b"CONTENT_LENGTH=0")),
    bad("a head beyond the limit", HEADERS, head(("X", "v" * 200_000)), 431),
]  # fmt: skip

BODIES = [
    *(served(f"a body of {size} bytes", BODY, post(DATA[:size]), DATA[:size] if size <= 4096 else digest(DATA[:size]), CONTENT_LENGTH=str(size)) for size in (0, 1, 3, 4096, 4097, 65_536, 300_000, 3_000_000)),
    served("what is beyond the length is not read", BODY, post(b"abc") + b"def", b"abc"),
    served("nor a second request", BODY, post(b"abc") + head(target="/smuggled"), b"abc"),
    served("a body that looks like a request", BODY, post(head(target="/smuggled")), head(target="/smuggled")),
    served("a body behind its head", BODY, (post(b"abc")[:-3], P, b"abc"), b"abc"),
    served("a body byte by byte", BODY, (post(b"abc")[:-3], P, b"a", P, b"b", P, b"c"), b"abc"),
    served("a body that is left unread", BODY, post(DATA[:300_000], target="/s?read=no"), b""),
    served("a client that sends no more", BODY, (post(b"abc"), END), b"abc"),
    *(Case(name, BODY, (sent, END), (), "broken") for name, sent in [("a body that ends early", post(b"abc")[:-1]), ("a body that never begins", post(b"abc")[:-3])]),
]  # fmt: skip


def planned(name, query, method="GET", status=200, body=b"", broken=False, **fields):
    expected = Planned(status, body, {key.replace("_", "-"): value for key, value in fields.items()}, method, broken)
    return Case(name, ANSWER, (head(target=f"/answer?{query}", method=method),), (expected,), "closes", method)


ANSWERS = [
    planned("one piece", "pieces=5", body=b"aaaaa"),
    planned("nothing", "pieces="),
    planned("a generator has no chunks", "how=generator&pieces=3,0,4", body=b"a" * 7, Transfer_Encoding=None),
    planned("a file", "how=file&pieces=70000", body=b"a" * 70_000),
    planned("three megabytes", "pieces=3000000", body=b"a" * 3_000_000),
    planned("a length", "pieces=5&field=Content-Length:5", body=b"aaaaa", Content_Length="5"),
    planned("no more than the length", "pieces=5&field=Content-Length:3", body=b"aaa", Content_Length="3"),
    planned("fewer than the length", "pieces=5&field=Content-Length:9", broken=True),
    planned("HEAD", "pieces=5", "HEAD"),
    planned("204", "status=204%20None&pieces=5", status=204),
    planned("304", "status=304%20Same&pieces=5", status=304),
    planned("404", "status=404%20Not&pieces=5", status=404, body=b"aaaaa"),
    planned("Status of the application does not come twice", "pieces=1&field=Status:404", body=b"a", Status=None),
    planned("two cookies", "pieces=1&field=Set-Cookie:a=1&field=Set-Cookie:b=2", body=b"a", Set_Cookie=["a=1", "b=2"]),
    planned("CR LF in a field", "pieces=3&field=X:a%0d%0aX-Injected:%201", status=500, body=b"Internal Server Error\n", X_Injected=None),
    planned("a failure before the head", "how=fail-first", status=500, body=b"Internal Server Error\n"),
    planned("a failure within a length", "how=fail-later&pieces=3&field=Content-Length:9", broken=True),
    Case("a refusal", ANSWER, (head(scgi="2"),), (Refused((400,)),), "closes"),
    Case("the next connection is served", ANSWER, (head(),), (Seen({"PATH_INFO": "/s"}),), "closes"),
]  # fmt: skip
