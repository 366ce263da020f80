"""HTTP/1.1: how long a connection lives, Expect, and requests that arrive slowly."""
from .cases import ANSWER, END, INTERIM, RESET, SMUGGLED, Case, Pause, Planned, Seen, bad, chunked, good, post, request, several, silent, steps

P = Pause()


def get(target, *fields, version="HTTP/1.1"):
    return request(f"GET {target} {version}", *fields)


def row(*targets):
    """Requests in a row and what is seen of them."""
    return b"".join(get(target) for target in targets), [{"REQUEST_URI": target} for target in targets]


MANY, MANY_SEEN = row(*(f"/{number}" for number in range(200)))

CONNECTIONS = [
    good("HTTP/1.1 keeps it", "RFC 9112 9.3", get("/")),
    good("HTTP/1.0 closes it", "RFC 9112 9.3", get("/", version="HTTP/1.0"), then="closes"),
    *(good(f"Connection: {value!r} in HTTP/{version}", rule, get("/", *(f"Connection:{one}" for one in value.split("|")), version=f"HTTP/{version}"), then=then)
      for version, value, then, rule in [
          ("1.1", " close", "closes", "RFC 9112 9.6"),
          ("1.1", "close", "closes", "RFC 9112 9.6"),
          ("1.1", " Close", "closes", "RFC 9110 7.6.1: case-insensitive"),
          ("1.1", " CLOSE", "closes", "RFC 9110 7.6.1"),
          ("1.1", " a, close", "closes", "RFC 9110 7.6.1: a list"),
          ("1.1", " close, a", "closes", "RFC 9110 7.6.1"),
          ("1.1", " a,close,b", "closes", "RFC 9110 7.6.1"),
          ("1.1", " a ,\tclose\t, b", "closes", "RFC 9110 5.6.1: OWS in lists"),
          ("1.1", " ,,close,,", "closes", "RFC 9110 5.6.1.2: empty elements"),
          ("1.1", " a| close", "closes", "RFC 9110 5.3: two fields"),
          ("1.1", " close| keep-alive", "closes", "RFC 9112 9.3: close counts first"),
          ("1.1", " keep-alive, close", "closes", "RFC 9112 9.3: close counts first"),
          ("1.1", " close, keep-alive", "closes", "RFC 9112 9.3: close counts first"),
          ("1.1", " keep-alive", "stays", "RFC 9112 9.3"),
          ("1.1", " Keep-Alive", "stays", "RFC 9112 9.3"),
          ("1.1", "", "stays", "RFC 9112 9.3"),
          ("1.1", " closed", "stays", "RFC 9110 7.6.1: whole options"),
          ("1.1", " x-close", "stays", "RFC 9110 7.6.1: whole options"),
          ("1.1", " not close", "stays", "RFC 9110 7.6.1: whole options"),
          ("1.1", " upgrade", "stays", "RFC 9110 7.8: may be ignored"),
          ("1.1", " TE", "stays", "RFC 9110 7.6.1"),
          ("1.0", " close", "closes", "RFC 9112 9.3"),
          ("1.0", " keep-alive, close", "closes", "RFC 9112 9.3: close counts first"),
          ("1.0", " x", "closes", "RFC 9112 9.3"),
      ]),
    *(Case(f"Connection: {value!r} in HTTP/1.0 keeps it", "RFC 9112 9.3 and C.2.2", (get("/answer?pieces=3", f"Connection: {value}", version="HTTP/1.0"),),
           (Planned(200, b"aaa", {"Connection": "keep-alive", "Content-Length": "3"}),))
      for value in ("keep-alive", "Keep-Alive", "x, keep-alive")),
    good("Keep-Alive is a hint", "RFC 9112 C.2.2", get("/", "Keep-Alive: timeout=1, max=1")),
    good("Proxy-Connection is no Connection", "RFC 9112 C.2.2", get("/", "Proxy-Connection: close")),
    good("Upgrade to websocket is not accepted", "RFC 9110 7.8", get("/", "Connection: upgrade", "Upgrade: websocket")),
    good("Upgrade to h2c is not accepted", "RFC 9113 3.1; h2c smuggling", get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")),
    several("two in a row", "RFC 9112 9.3.2", *(lambda sent, seen: (sent, *seen))(*row("/1", "/2"))),
    several("two hundred in a row", "RFC 9112 9.3.2: all answered, in order", MANY, *MANY_SEEN),
    several("methods and bodies in a row", "RFC 9112 9.3.2", post("a", target="/1") + get("/2") + chunked(b"2\r\nbc\r\n0\r\n\r\n", target="/3") + post("", target="/4") + get("/5"),
            Seen({"REQUEST_URI": "/1"}, b"a"), {"REQUEST_URI": "/2"}, Seen({"REQUEST_URI": "/3"}, b"bc"), {"REQUEST_URI": "/4"}, {"REQUEST_URI": "/5"}),
    several("one after the other", "RFC 9112 9.3", tuple(step for target in ("/1", "/2", "/3") for step in (get(target), ANSWER)), *row("/1", "/2", "/3")[1]),
    several("nothing is served behind close", "RFC 9112 9.6", get("/1", "Connection: close") + SMUGGLED, {"REQUEST_URI": "/1"}, then="closes"),
    several("nor behind HTTP/1.0", "RFC 9112 9.3", get("/1", version="HTTP/1.0") + SMUGGLED, {"REQUEST_URI": "/1"}, then="closes"),
    several("nor behind a body that closes", "RFC 9112 9.6", post("abc", "Connection: close", target="/1") + SMUGGLED, {"REQUEST_URI": "/1"}, then="closes"),
    several("nor behind a refusal", "RFC 9112 9.6", get("/1", "X : y") + SMUGGLED, 400, then="closes"),
    several("the first of a row is answered before the second is refused", "RFC 9112 9.3.2", get("/1") + b"GARBAGE\r\n\r\n" + SMUGGLED, {"REQUEST_URI": "/1"}, 400, then="closes"),
    several("close in the midst of a row", "RFC 9112 9.6", get("/1") + get("/2", "Connection: close") + SMUGGLED, {"REQUEST_URI": "/1"}, {"REQUEST_URI": "/2"}, then="closes"),
    several("HEAD in a row", "RFC 9110 9.3.2", request("HEAD /answer?pieces=3 HTTP/1.1") + get("/answer?pieces=3"), Planned(200, b"", method="HEAD"), Planned(200, b"aaa")),
    several("204 in a row", "RFC 9110 15.3.5", get("/answer?status=204%20No&pieces=3") + get("/answer?pieces=3"), Planned(204, b""), Planned(200, b"aaa")),
    several("304 in a row", "RFC 9110 15.4.5", get("/answer?status=304%20No&pieces=3") + get("/answer?pieces=3"), Planned(304, b""), Planned(200, b"aaa")),
    several("404 in a row", "RFC 9112 9.3", get("/answer?status=404%20No&pieces=3") + get("/answer?pieces=3"), Planned(404, b"aaa"), Planned(200, b"aaa")),
    several("500 of the application in a row", "RFC 9112 9.3", get("/answer?status=500%20No&pieces=3") + get("/answer?pieces=3"), Planned(500, b"aaa"), Planned(200, b"aaa")),
    several("chunked answers in a row", "RFC 9112 7.1", get("/answer?how=generator&pieces=3,0,5") * 3, *[Planned(200, b"a" * 8, framing="chunked")] * 3),
    several("a client that sends no more gets its answer", "RFC 9112 9.6: half-closed", (get("/1"), END), {"REQUEST_URI": "/1"}, then="closes"),
    several("and all of a row", "RFC 9112 9.6: half-closed", (get("/1") + get("/2") + post("abc", target="/3"), END), {"REQUEST_URI": "/1"}, {"REQUEST_URI": "/2"}, Seen({}, b"abc"), then="closes"),
    several("and a long answer", "RFC 9112 9.6: half-closed", (get("/answer?pieces=3000000"), END), Planned(200, b"a" * 3_000_000), then="closes"),
    several("and that to chunks", "RFC 9112 9.6: half-closed", (chunked(b"1\r\na\r\n0\r\n\r\n"), END), Seen({}, b"a"), then="closes"),
    silent("a client that says nothing", "RFC 9112 9.5", (END,)),
    silent("half a request line", "RFC 9112 8", (b"GET /smug", END)),
    silent("half a head", "RFC 9112 8", (b"GET /smuggled HTTP/1.1\r\nHost: site.test\r\nX: y\r\n", END)),
    silent("a head without its last LF", "RFC 9112 8", (b"GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r", END)),
    silent("a client that leaves within the head", "RFC 9112 8", (b"GET /smuggled HTTP/1.1\r\n", P, RESET)),
    silent("a client that leaves within the body", "RFC 9112 8", (post("abc")[:-1], P, RESET)),
    silent("a client that leaves within chunks", "RFC 9112 8", (chunked(b"3\r\nab"), P, RESET)),
    *(Case(name, "RFC 9112 8: an incomplete body is not served as complete", steps((sent, END)), (), "broken")
      for name, sent in [
          ("a body that ends early", post("abc")[:-1]),
          ("a body that never begins", post("abc")[:-3]),
          ("chunks that end early", chunked(b"3\r\nabc\r\n")),
          ("chunks that end in the size", chunked(b"3")),
          ("chunks that end in the data", chunked(b"3\r\nab")),
          ("chunks that end in the last chunk", chunked(b"3\r\nabc\r\n0\r\n")),
          ("chunks that end in the last line", chunked(b"3\r\nabc\r\n0\r\n\r")),
          ("chunks that end in a trailer", chunked(b"3\r\nabc\r\n0\r\nX: y\r\n")),
      ]),
]  # fmt: skip

EXPECT = [
    several("100 comes before the body", "RFC 9110 10.1.1", (request("POST /1 HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), INTERIM, b"abc"), Seen({"REQUEST_URI": "/1"}, b"abc")),
    several("in any case of letters", "RFC 9110 10.1.1: case-insensitive", (request("POST /1 HTTP/1.1", "Content-Length: 3", "Expect: 100-Continue"), INTERIM, b"abc"), Seen({}, b"abc")),
    several("before chunks", "RFC 9110 10.1.1", (request("POST /1 HTTP/1.1", "Transfer-Encoding: chunked", "Expect: 100-continue"), INTERIM, b"3\r\nabc\r\n0\r\n\r\n"), Seen({}, b"abc")),
    several("for each request that expects it", "RFC 9110 10.1.1", (request("POST /1 HTTP/1.1", "Content-Length: 1", "Expect: 100-continue"), INTERIM, b"a", ANSWER,
            request("POST /2 HTTP/1.1", "Content-Length: 1", "Expect: 100-continue"), INTERIM, b"b"), Seen({}, b"a"), Seen({}, b"b")),
    several("a body of a megabyte", "RFC 9110 10.1.1", (request("POST /1 HTTP/1.1", "Content-Length: 1000000", "Expect: 100-continue"), INTERIM, b"a" * 1_000_000), Seen({"CONTENT_LENGTH": "1000000"})),
    several("a body that does not wait", "RFC 9110 10.1.1: 100 may be left out", post("abc", "Expect: 100-continue"), Seen({}, b"abc")),
    several("a body that does not wait, then a request", "RFC 9110 10.1.1", post("abc", "Expect: 100-continue", target="/1") + get("/2"), Seen({}, b"abc"), {"REQUEST_URI": "/2"}),
    *(several(f"expectations {lines}", "RFC 9110 10.1.1: a list", (request("POST /1 HTTP/1.1", "Content-Length: 3", *lines), INTERIM, b"abc"), Seen({}, b"abc"))
      for lines in (("Expect: 100-continue, 100-continue",), ("Expect: 100-continue", "Expect: 100-continue"), ("Expect: ,100-continue,",))),
    several("no expectation in Expect", "RFC 9110 5.6.1.2: an empty list", post("abc", "Expect:"), Seen({}, b"abc")),
    several("HTTP/1.0 gets no 100", "RFC 9110 10.1.1: ignored", (request("POST /1 HTTP/1.0", "Content-Length: 3", "Expect: 100-continue", body="abc"),), Seen({}, b"abc"), then="closes"),
    Case("no 100 without a body", "RFC 9110 10.1.1: no body expected", (request("GET /1 HTTP/1.1", "Expect: 100-continue"),), (Seen({"REQUEST_URI": "/1"}, b""),)),
    Case("no 100 for a body of nothing", "RFC 9110 10.1.1", (request("POST /1 HTTP/1.1", "Content-Length: 0", "Expect: 100-continue"),), (Seen({}, b""),)),
    *(bad(f"Expect: {value!r} is not met", "RFC 9110 10.1.1: 417", request("POST /1 HTTP/1.1", "Content-Length: 3", f"Expect: {value}", body="abc"), 417)
      for value in ("200-ok", "100", "continue", "100-continued", "x-100-continue", "100-continue, x", "x, 100-continue", "100-continue; q=1")),
    bad("a refused head gets no 100", "RFC 9110 10.1.1", request("POST /1 HTTP/1.1", "Content-Length: x", "Expect: 100-continue")),
    bad("nor does one with two lengths", "RFC 9110 10.1.1", request("POST /1 HTTP/1.1", "Content-Length: 3", "Transfer-Encoding: chunked", "Expect: 100-continue")),
]  # fmt: skip


def pieces(data, size):
    """The bytes in pieces that arrive one by one."""
    found = []
    for start in range(0, len(data), size):
        found += [data[start : start + size], Pause(0.001)]
    return tuple(found)


def split(data, *at):
    """The bytes in parts, cut at these places."""
    found, last = [], 0
    for place in (*at, len(data)):
        found += [data[last:place], P]
        last = place
    return tuple(found)


PLAIN = get("/slow?x=y", "X-F: v", "Cookie: a=b")
WITH_BODY = post("hello body", "X-F: v", target="/slow")
WITH_CHUNKS = chunked(b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n", "X-F: v", target="/slow")
ENDS = [index + 1 for index, byte in enumerate(PLAIN) if byte in b"\r\n"]

SLOW = [
    good("a head byte by byte", "RFC 9112 2.2: a stream of octets", pieces(PLAIN, 1), REQUEST_URI="/slow?x=y", HTTP_X_F="v"),
    good("a head in threes", "RFC 9112 2.2", pieces(PLAIN, 3), REQUEST_URI="/slow?x=y", HTTP_COOKIE="a=b"),
    *(good(f"a head cut at byte {at}", "RFC 9112 2.2", split(PLAIN, at), REQUEST_URI="/slow?x=y", HTTP_X_F="v", HTTP_COOKIE="a=b") for at in [1, 3, 4, 9, 14, *ENDS[:-1]]),
    good("a body byte by byte", "RFC 9112 6", (WITH_BODY[:-10], *pieces(WITH_BODY[-10:], 1)), b"hello body"),
    good("head and body byte by byte", "RFC 9112 6", pieces(WITH_BODY, 1), b"hello body"),
    good("a body behind its head", "RFC 9112 6", split(WITH_BODY, len(WITH_BODY) - 10), b"hello body"),
    good("chunks byte by byte", "RFC 9112 7.1", pieces(WITH_CHUNKS, 1), b"abc0123456789"),
    good("chunks in twos", "RFC 9112 7.1", pieces(WITH_CHUNKS, 2), b"abc0123456789"),
    *(good(f"chunks cut {at} bytes before the end", "RFC 9112 7.1", split(WITH_CHUNKS, len(WITH_CHUNKS) - at), b"abc0123456789") for at in (1, 2, 3, 5, 12, 13, 14, 15, 20, 30)),
    several("a row, cut in the midst of a head", "RFC 9112 9.3.2", split(get("/1") + get("/2"), len(get("/1")) + 9), {"REQUEST_URI": "/1"}, {"REQUEST_URI": "/2"}),
    several("a row, cut in the midst of a body", "RFC 9112 9.3.2", split(post("abcd", target="/1") + get("/2"), len(post("abcd", target="/1")) - 2), Seen({}, b"abcd"), {"REQUEST_URI": "/2"}),
    several("a row byte by byte", "RFC 9112 9.3.2", pieces(get("/1") + WITH_BODY + get("/2"), 1), {"REQUEST_URI": "/1"}, Seen({}, b"hello body"), {"REQUEST_URI": "/2"}),
    bad("a bad head byte by byte", "RFC 9112 5.1", pieces(request("GET / HTTP/1.1", "X : y"), 1)),
    bad("a bad chunk byte by byte", "RFC 9112 7.1", pieces(chunked(b"3\r\nabcX"), 1)),
    bad("CR at the end of a piece, then no LF", "RFC 9112 2.2", (b"GET / HTTP/1.1\r\nHost: site.test\r", P, b"X: y\r\n\r\n")),
    good("an empty line, then a head", "RFC 9112 2.2", (b"\r\n", P, PLAIN), REQUEST_URI="/slow?x=y"),
    good("a CR, then LF and a head", "RFC 9112 2.2", (b"\r", P, b"\n" + PLAIN), REQUEST_URI="/slow?x=y"),
    good("a large head in pieces", "RFC 9112 5.4", pieces(get("/slow", *(f"X-{n}: " + "v" * 300 for n in range(50))), 1000), HTTP_X_49="v" * 300),
    good("a large body in pieces", "RFC 9112 6", pieces(post("b" * 100_000, target="/slow"), 7000), CONTENT_LENGTH="100000"),
]  # fmt: skip
