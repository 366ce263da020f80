"""HTTP/1.1: how answers are framed, and bodies of all sizes."""
import random

from .cases import Case, Planned, Refused, Seen, chunked, digest, post, request


def plan(name, rule, query, *expected, method="GET", version="HTTP/1.1", then="stays", fields=()):
    """The application gives this answer."""
    planned = [Planned(method=method, **one) for one in expected]
    return Case(name, rule, (request(f"{method} /answer?{query} {version}", *fields),), tuple(planned), then, method)


def ok(body=b"", framing="", status=200, broken=False, **fields):
    return {"status": status, "body": body, "framing": framing, "broken": broken, "fields": {name.replace("_", "-"): value for name, value in fields.items()}}


FAILURE = b"Internal Server Error\n"

ANSWERS = [
    plan("one piece has a computed length", "RFC 9110 8.6; PEP 3333 (Handling the Content-Length Header)", "pieces=5", ok(b"aaaaa", "length", Content_Length="5")),
    plan("nothing has the length 0", "RFC 9110 8.6", "pieces=", ok(b"", "length", Content_Length="0")),
    plan("one empty piece", "RFC 9110 8.6", "pieces=0", ok(b"", "")),
    plan("pieces of a generator are chunks", "RFC 9112 7.1", "how=generator&pieces=3,4", ok(b"a" * 7, "chunked")),
    plan("an empty piece does not end the chunks", "RFC 9112 7.1: last-chunk", "how=generator&pieces=3,0,4", ok(b"a" * 7, "chunked")),
    plan("empty pieces first", "RFC 9112 7.1", "how=generator&pieces=0,0,4", ok(b"a" * 4, "chunked")),
    plan("empty pieces alone", "RFC 9112 7.1", "how=generator&pieces=0,0", ok(b"")),
    plan("a generator of nothing", "RFC 9112 6.3", "how=generator&pieces=", ok(b"")),
    plan("written pieces are chunks", "PEP 3333 (The write() Callable)", "how=write&pieces=3,4", ok(b"a" * 7, "chunked")),
    plan("a chunk of 100000 bytes", "RFC 9112 7.1", "how=generator&pieces=100000,1", ok(b"a" * 100_001, "chunked")),
    plan("a thousand chunks", "RFC 9112 7.1", "how=generator&pieces=" + ",".join(["1"] * 1000), ok(b"a" * 1000, "chunked")),
    plan("the length that the application gives", "RFC 9110 8.6", "pieces=3,4&field=Content-Length:7", ok(b"a" * 7, "length", Content_Length="7")),
    plan("of a generator too", "RFC 9110 8.6", "how=generator&pieces=3,4&field=Content-Length:7", ok(b"a" * 7, "length", Content_Length="7")),
    plan("in any case of letters", "RFC 9110 5.1", "how=generator&pieces=3&field=content-LENGTH:3", ok(b"aaa", "length")),
    plan("a file", "PEP 3333 (Optional Platform-Specific File Handling)", "how=file&pieces=70000", ok(b"a" * 70_000)),
    plan("a file with a length", "PEP 3333 (Optional Platform-Specific File Handling)", "how=file&pieces=70000&field=Content-Length:70000", ok(b"a" * 70_000, "length")),
    *(plan(f"what is beyond the length is not sent: {how}", "RFC 9112 6.3; PEP 3333 (Handling the Content-Length Header)", f"how={how}&pieces=3,4&field=Content-Length:{length}", ok(b"a" * length, "length"), then="either")
      for how in ("list", "generator", "write", "file") for length in (0, 2, 3, 5)),
    *(plan(f"too short a body ends with the connection: {how}", "RFC 9112 6.3, 8", f"how={how}&pieces={sizes}&field=Content-Length:10", ok(broken=True), then="closes")
      for how in ("list", "generator", "write", "file") for sizes in ("3,4", "9")),
    plan("too short a body: nothing", "RFC 9112 6.3, 8", "pieces=&field=Content-Length:10", ok(broken=True), then="closes"),
    *(plan(f"HEAD, {name}", "RFC 9110 9.3.2", query, ok(b"", **fields), method="HEAD")
      for name, query, fields in [
          ("one piece", "pieces=5", {}),
          ("a given length", "pieces=5&field=Content-Length:5", {"Content_Length": "5"}),
          ("a given length and nothing sent", "pieces=&field=Content-Length:5", {"Content_Length": "5"}),
          ("a generator", "how=generator&pieces=3,4", {}),
          ("written", "how=write&pieces=3,4", {}),
          ("a file", "how=file&pieces=300", {}),
          ("404", "status=404%20No&pieces=5", {"status": 404}),
          ("204", "status=204%20No&pieces=5", {"status": 204}),
      ]),
    *(Case(f"a refused HEAD has no body: {name}", "RFC 9110 9.3.2", (sent,), (Refused((status,)),), "closes", "HEAD")
      for name, sent, status in [
          ("400", request("HEAD / HTTP/1.1", host=None), 400),
          ("a field", request("HEAD / HTTP/1.1", "X : y"), 400),
          ("behind an empty line", b"\r\n" + request("HEAD / HTTP/1.1", host=None), 400),
          ("414", request("HEAD /" + "a" * 100_000 + " HTTP/1.1"), 414),
          ("501", request("HEAD / HTTP/1.1", "Transfer-Encoding: gzip, chunked"), 501),
          ("505", request("HEAD / HTTP/2.0"), 505),
          ("its body", request("HEAD / HTTP/1.1", "Transfer-Encoding: chunked", body=b"x"), 400),
      ]),
    plan("a failed HEAD has no body", "RFC 9110 9.3.2", "how=fail-first", ok(b"", status=500), method="HEAD", then="either"),
    *(plan(f"{status} has no body: {how}", rule, f"how={how}&status={status}%20Own&pieces=5,3", ok(b"", status=status, Transfer_Encoding=None))
      for status, rule in ((204, "RFC 9110 15.3.5"), (304, "RFC 9110 15.4.5")) for how in ("list", "generator", "write", "file")),
    plan("204 has no length", "RFC 9110 8.6", "status=204%20Own&pieces=", ok(b"", "none", status=204, Content_Length=None)),
    plan("204 with a length of the application has none", "RFC 9110 8.6", "status=204%20Own&pieces=&field=Content-Length:0", ok(b"", "none", status=204)),
    plan("304 keeps its length", "RFC 9110 8.6: that of the 200", "status=304%20Own&pieces=&field=Content-Length:50", ok(b"", status=304)),
    plan("205 has no body", "RFC 9110 15.3.6", "status=205%20Own&pieces=5", ok(b"", "length", status=205, Content_Length="0")),
    *(plan(f"status {status}", "RFC 9110 15", f"status={status}%20Own&pieces=5", ok(b"aaaaa", "length", status=status))
      for status in (200, 201, 202, 203, 206, 226, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 410, 418, 422, 429, 451, 500, 501, 503, 599, 600, 999)),
    plan("HTTP/1.0 gets no chunks", "RFC 9112 7.1", "how=generator&pieces=3,4", ok(b"a" * 7, "none"), version="HTTP/1.0", then="closes"),
    plan("nor when it would keep the connection", "RFC 9112 7.1", "how=generator&pieces=3,4", ok(b"a" * 7, "none"), version="HTTP/1.0", then="closes", fields=("Connection: keep-alive",)),
    plan("HTTP/1.0 and a length", "RFC 9110 8.6", "pieces=5", ok(b"aaaaa", "length"), version="HTTP/1.0", then="closes"),
    plan("HTTP/1.0 and HEAD", "RFC 9110 9.3.2", "how=generator&pieces=5", ok(b""), version="HTTP/1.0", method="HEAD", then="closes"),
    plan("close of the application", "RFC 9112 9.6", "pieces=3&field=Connection:close", ok(b"aaa", Connection="close"), then="closes"),
    plan("close of the client is answered by close", "RFC 9112 9.6", "pieces=3", ok(b"aaa", Connection="close"), then="closes", fields=("Connection: close",)),
    *(plan(f"{name} of the application is not passed on", "PEP 3333 (Other HTTP Features): hop-by-hop", f"pieces=3&field={name}:{value}", ok(b"aaa", **{name: None}))
      for name, value in [("Keep-Alive", "timeout=5"), ("Connection", "keep-alive"), ("Proxy-Connection", "keep-alive"), ("TE", "trailers"), ("Trailer", "X"), ("Upgrade", "h2c")]),
    plan("Transfer-Encoding of the application is an error", "PEP 3333 (Other HTTP Features): hop-by-hop", "pieces=3&field=Transfer-Encoding:chunked", ok(FAILURE, status=500, Transfer_Encoding=None), then="either"),
    plan("fields come as they were given", "PEP 3333 (The start_response() Callable)", "pieces=3&field=X-One:1&field=x-two:2&field=X-Empty:", ok(b"aaa", X_One="1", x_two="2", X_Empty="")),
    plan("a field that comes twice", "RFC 9110 5.3; RFC 6265 3", "pieces=3&field=Set-Cookie:a=1&field=Set-Cookie:b=2", ok(b"aaa", Set_Cookie=["a=1", "b=2"])),
    plan("a value beyond ASCII", "PEP 3333 (Unicode Issues): latin-1", "pieces=3&field=X-F:caf%E9", ok(b"aaa", X_F="caf\xe9")),
    plan("Date of the application stays alone", "RFC 9110 6.6.1", "pieces=3&field=Date:Sun,%2006%20Nov%201994%2008:49:37%20GMT", ok(b"aaa", Date="Sun, 06 Nov 1994 08:49:37 GMT")),
    plan("Server of the application stays", "RFC 9110 10.2.4", "pieces=3&field=Server:own", ok(b"aaa", Server="own")),
    *(plan(f"a response field {field!r} is an error", "RFC 9110 5.1, 5.5; PEP 3333 (The start_response() Callable)", f"pieces=3&field={field}", ok(FAILURE, status=500, X_Injected=None), then="either")
      for field in ("X:a%0d%0aX-Injected:%20yes", "X:a%0aX-Injected:%20yes", "X:a%0dX-Injected:%20yes", "X:a%00b", "X:a%7fb", "X:a%0d%0a%0d%0abody", "X%0d%0aX-Injected:a", "X%20Y:a", ":a",
                    "X%0a:a", "X%00:a", "X%E9:a", "Content-Length:x", "Content-Length:-1", "Content-Length:%2B3", "Content-Length:3,%203", "Content-Length:", "Content-Length:0x3")),
    *(plan(f"a status {status!r} is an error", "PEP 3333 (The start_response() Callable)", f"pieces=3&status={status}", ok(FAILURE, status=500, X_Injected=None), then="either")
      for status in ("200%20OK%0d%0aX-Injected:%20yes", "200%20OK%0aX-Injected:%20yes", "OK", "", "20", "2000%20OK", "abc%20OK", "%20200%20OK", "-20%20OK", "099%20OK", "200%00OK")),
    *(plan(f"a final answer cannot be {status}", "RFC 9110 15.2", f"pieces=3&status={status}%20Own", ok(FAILURE, status=500), then="either") for status in (100, 102, 103, 199)),
    plan("two lengths that differ", "RFC 9110 8.6", "pieces=3&field=Content-Length:3&field=Content-Length:4", ok(FAILURE, status=500), then="either"),
    plan("a failure before the head", "RFC 9110 15.6.1", "how=fail-first", ok(FAILURE, status=500), then="either"),
    plan("a failure behind the head, before the body", "RFC 9110 15.6.1", "how=fail-later&pieces=", ok(FAILURE, status=500), then="either"),
    plan("a failure within chunks", "RFC 9112 8: not ended as if it were whole", "how=fail-later&pieces=3", ok(broken=True), then="closes"),
    plan("a failure within a length", "RFC 9112 8", "how=fail-later&pieces=3&field=Content-Length:5", ok(broken=True), then="closes"),
]  # fmt: skip

SIZES = (0, 1, 100, 4095, 4096, 4097, 16_384, 65_535, 65_536, 65_537, 300_000, 3_000_000)
RANDOM = random.Random(9112)
BYTES = RANDOM.randbytes(max(SIZES))


def body_case(name, rule, sent, body):
    shown = digest(body) if len(body) > 4096 else body
    return Case(name, rule, (sent,), (Seen({"REQUEST_METHOD": "POST"}, shown),))


def in_chunks(body, size):
    cut = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut) + b"0\r\n\r\n"


BODIES = [
    *(body_case(f"{size} bytes", "RFC 9112 6.2", post(BYTES[:size]), BYTES[:size]) for size in SIZES),
    *(body_case(f"{size} bytes in chunks of {chunk}", "RFC 9112 7.1", chunked(in_chunks(BYTES[:size], chunk)), BYTES[:size])
      for size, chunk in [(10, 1), (4097, 1), (65_537, 1000), (300_000, 4096), (300_000, 65_536), (3_000_000, 1_000_000)]),
    *(body_case(f"{how}, {kind}", "PEP 3333 (Input and Error Streams)", sent(f"/b?read={how}"), BYTES[:30_000])
      for how in ("lines", "pieces", "iterate")
      for kind, sent in [("by length", lambda target: post(BYTES[:30_000], target=target)),
                         ("in chunks", lambda target: chunked(in_chunks(BYTES[:30_000], 999), target=target))]),
    *(Case(f"{size} bytes left unread", "RFC 9112 9.3: read over, or closed", (post(BYTES[:size], target="/b?read=no"),), (Seen({}, b""),), "stays")
      for size in (1, 4097, 65_537)),
]  # fmt: skip

LIMITED = 100_000
LIMITS = [
    Case("a body at the limit", "RFC 9110 15.5.14", (post(BYTES[:LIMITED]),), (Seen({}, digest(BYTES[:LIMITED])),)),
    Case("chunks at the limit", "RFC 9110 15.5.14", (chunked(in_chunks(BYTES[:LIMITED], 4096)),), (Seen({}, digest(BYTES[:LIMITED])),)),
    Case("a length beyond it", "RFC 9110 15.5.14", (post(BYTES[: LIMITED + 1]),), (Refused((413,)),), "closes"),
    Case("a length far beyond it", "RFC 9110 15.5.14", (request("POST / HTTP/1.1", "Content-Length: 99999999999"),), (Refused((413,)),), "closes"),
    Case("chunks beyond it", "RFC 9110 15.5.14", (chunked(in_chunks(BYTES[: LIMITED + 1], 4096)),), (Refused((413,)),), "closes"),
    Case("one chunk beyond it", "RFC 9110 15.5.14", (chunked(b"fffffff\r\n"),), (Refused((413,)),), "closes"),
    Case("no 100 for a length beyond it", "RFC 9110 10.1.1", (request("POST / HTTP/1.1", "Content-Length: 99999999", "Expect: 100-continue"),), (Refused((413,)),), "closes"),
]  # fmt: skip
