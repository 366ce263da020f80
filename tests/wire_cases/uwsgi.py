"""The uwsgi protocol: packets, their variables, bodies, and what comes back.

The standard is uWSGI's manual, "The uwsgi Protocol"; where it is silent, what uWSGI 2.0.31 was seen to do.
"""
import struct

from .cases import END, SMUGGLED, Case, Pause, Planned, Refused, Seen, bad, digest, good, silent

PACKET = "uwsgi: packet header"
BLOCK = "uwsgi: vars block"
MODIFIERS = "uwsgi: modifiers"
BODY = "uwsgi: body"
VARIABLES = "uwsgi: special variables"
ANSWER = "uwsgi: the answer is HTTP"
P = Pause()


def octets(value):
    return value.encode("latin-1") if isinstance(value, str) else value


def pair(name, value):
    name, value = octets(name), octets(value)
    return struct.pack("<H", len(name)) + name + struct.pack("<H", len(value)) + value


def head(block, modifier1=0, modifier2=0, size=None):
    """A packet of a block that need not be one."""
    return struct.pack("<BHB", modifier1, len(block) if size is None else size, modifier2) + block


def variables(target="/u?q=1", method="GET", **more):
    """What a front server sends; `None` leaves a variable out."""
    path, _, query = target.partition("?")
    found = {
        "REQUEST_METHOD": method, "REQUEST_URI": target, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "site.test",
        "SERVER_PORT": "80", "REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "site.test", **more,
    }  # fmt: skip
    return [(name, value) for name, value in found.items() if value is not None]


def packet(*more, target="/u?q=1", method="GET", body=b"", modifier1=0, modifier2=0, **named):
    block = b"".join(pair(name, value) for name, value in [*variables(target, method, **named), *more])
    return head(block, modifier1, modifier2) + octets(body)


def post(body, *more, length=True, **named):
    known = {"CONTENT_LENGTH": str(len(body))} if length else {}
    return packet(*more, method="POST", body=body, **known, **named)


def served(name, rule, sent, body=None, **environ):
    return good(name, rule, sent, body, then="closes", **environ)


def refused(name, rule, sent, *statuses):
    return bad(name, rule, sent, *statuses)


GOOD = packet(X_LAST="1")

PACKETS = [
    served("a packet", PACKET, packet(), b"", REQUEST_METHOD="GET", PATH_INFO="/u", QUERY_STRING="q=1", REQUEST_URI="/u?q=1", SERVER_NAME="site.test", SERVER_PORT="80", REMOTE_ADDR="192.0.2.7", HTTP_HOST="site.test"),
    served("byte by byte", PACKET, tuple(step for byte in GOOD for step in (bytes([byte]), Pause(0.0005))), X_LAST="1"),
    *(served(f"cut at byte {at}", PACKET, (GOOD[:at], P, GOOD[at:]), X_LAST="1") for at in (1, 2, 3, 4, 5, 6, 10, 20, len(GOOD) - 1)),
    served("a packet of 65535 bytes", PACKET, packet(("X_LONG", "v" * (65535 - (len(packet()) - 4) - 10))), HTTP_HOST="site.test"),
    served("a value of 60000 bytes", BLOCK, packet(("X_LONG", "v" * 60000)), X_LONG="v" * 60000),
    served("a name of 1000 bytes", BLOCK, packet(("X" * 1000, "v")), **{"X" * 1000: "v"}),
    served("1000 variables", BLOCK, packet(*((f"X_{n}", str(n)) for n in range(1000))), X_0="0", X_999="999"),
    served("an empty value", BLOCK, packet(("X", "")), X=""),
    served("every byte in a value", BLOCK, packet(("X", bytes(range(256)))), X="".join(map(chr, range(256)))),
    served("bytes beyond ASCII in a name", BLOCK, packet(("X\xe9", "v\xe9")), **{"X\xe9": "v\xe9"}),
    served("a variable twice: the last counts", BLOCK, packet(("X", "1"), ("X", "2")), X="2"),
    served("one of CGI twice", BLOCK, packet(("PATH_INFO", "/last")), PATH_INFO="/last"),
    served("names of small letters", BLOCK, packet(("x_small", "v")), x_small="v"),
    served("HTTP_PROXY is the front server's to drop", BLOCK, packet(("HTTP_X", "v")), HTTP_X="v"),
    refused("an empty name", BLOCK, head(pair("", "v") + packet()[4:])),
    refused("an empty name and value", BLOCK, head(packet()[4:] + pair("", ""))),
    refused("no variables", PACKET, head(b"")),
    refused("a name beyond the block", BLOCK, head(packet()[4:] + b"\x05\x00ab")),
    refused("a value beyond the block", BLOCK, head(packet()[4:] + b"\x01\x00a\x09\x00b")),
    refused("a name of 65535 bytes that is not there", BLOCK, head(packet()[4:] + b"\xff\xff")),
    refused("half a length of a name", BLOCK, head(packet()[4:] + b"\x01")),
    refused("half a length of a value", BLOCK, head(packet()[4:] + b"\x01\x00a\x01")),
    refused("a name without a value", BLOCK, head(packet()[4:] + b"\x01\x00a")),
    refused("a block of one byte", BLOCK, head(b"\x00")),
    refused("a size that cuts a value", PACKET, head(packet()[4:], size=len(packet()) - 5)),
    silent("a packet that does not come", PACKET, (head(packet()[4:], size=len(packet())), END)),
    silent("half a header", PACKET, (b"\x00\x10", END)),
    silent("a header alone", PACKET, (b"\x00\x10\x00\x00", END)),
    silent("half a packet", PACKET, (packet()[:50], END)),
    silent("nothing", PACKET, (END,)),
    refused("HTTP", PACKET, SMUGGLED, 400, 501),
    refused("TLS", PACKET, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 150, 400, 501),
    Case("a second packet behind the first is not served", PACKET, (packet() + packet(target="/smuggled"),), (Seen({"PATH_INFO": "/u"}),), "closes"),
    Case("nor one behind a body", PACKET, (post(b"abc") + packet(target="/smuggled"),), (Seen({"PATH_INFO": "/u"}, b"abc"),), "closes"),
]  # fmt: skip

SERVED = {0: "WSGI", 30: "WSGI with SCRIPT_NAME"}
NAMED = (5, 6, 7, 8, 9, 10, 14, 15, 17, 18, 22, 23, 24, 25, 26, 27, 31, 32, 33, 48, 72, 73, 74, 95, 96, 97, 98, 99, 101, 109, 110, 111, 173, 200, 224, 255)
UNNAMED = (1, 2, 3, 4, 11, 12, 13, 16, 20, 29, 47, 50, 80, 102, 123, 127, 128, 172, 199, 225, 254)

MODIFIED = [
    *(served(f"modifier1 {number} is served: {name}", MODIFIERS, packet(modifier1=number), PATH_INFO="/u") for number, name in SERVED.items()),
    *(served(f"modifier2 {number} means nothing to WSGI", MODIFIERS, packet(modifier2=number), PATH_INFO="/u") for number in (1, 7, 255)),
    served("modifier1 30 leaves PATH_INFO as it is, as on Python 3", MODIFIERS, packet(("SCRIPT_NAME", "/u"), modifier1=30), SCRIPT_NAME="/u", PATH_INFO="/u"),
    *(refused(f"modifier1 {number} is refused", MODIFIERS, packet(modifier1=number), 501) for number in NAMED),
    *(refused(f"modifier1 {number}, which has no meaning, is refused", MODIFIERS, packet(modifier1=number), 501) for number in UNNAMED),
    refused("a reload over the wire is refused", MODIFIERS, head(b"", 98), 501),
    refused("code over the wire is refused", MODIFIERS, head(b"import os; os._exit(1)", 22), 501),
]  # fmt: skip

LENGTHS = (0, 1, 3, 4095, 4096, 4097, 65_535, 65_536, 300_000, 3_000_000)
DATA = bytes(range(256)) * 12_000

BODIES = [
    *(served(f"a body of {size} bytes", BODY, post(DATA[:size]), DATA[:size] if size <= 4096 else digest(DATA[:size]), CONTENT_LENGTH=str(size)) for size in LENGTHS),
    served("no CONTENT_LENGTH, no body", BODY, packet(method="POST", body=b"abc"), b""),
    served("an empty CONTENT_LENGTH, no body", BODY, packet(method="POST", CONTENT_LENGTH="", body=b"abc"), b""),
    served("what is beyond it is not read", BODY, packet(method="POST", CONTENT_LENGTH="3", body=b"abcdef"), b"abc"),
    served("a body behind its packet", BODY, (post(b"abc")[:-3], P, b"abc"), b"abc"),
    served("a body byte by byte", BODY, (post(b"abc")[:-3], P, b"a", P, b"b", P, b"c"), b"abc"),
    served("a body in the packet's last piece", BODY, (post(b"abc")[:10], P, post(b"abc")[10:]), b"abc"),
    served("a client that sends no more", BODY, (post(b"abc"), END), b"abc"),
    served("a GET with a body", BODY, packet(CONTENT_LENGTH="3", body=b"abc"), b"abc"),
    served("a body that looks like a packet", BODY, post(packet(target="/smuggled")), packet(target="/smuggled")),
    served("a body that is left unread", BODY, post(DATA[:300_000], target="/u?read=no"), b""),
    served("zeros before the length", BODY, packet(method="POST", CONTENT_LENGTH="003", body=b"abc"), b"abc"),
    *(refused(f"CONTENT_LENGTH {value!r}", BODY, packet(method="POST", CONTENT_LENGTH=value, body=b"abc" * 10), 400, 413)
      for value in ("x", "-1", "-0", "+3", "3x", "0x3", "3.0", " 3", "3 ", "1 3", "3,3", "99999999999999999999999", "18446744073709551619", "\xb3", "3\0", "3\n")),
    *(Case(name, BODY, (sent, END), (), "broken")
      for name, sent in [("a body that ends early", post(b"abc")[:-1]), ("a body that never begins", post(b"abc")[:-3]), ("a long body that ends early", post(DATA[:300_000])[:-1])]),
]  # fmt: skip


def scheme(name, expected, **more):
    return served(name, VARIABLES, packet(**more), **{"wsgi.url_scheme": expected, **more})


LOADING = ("UWSGI_FILE", "UWSGI_MODULE", "UWSGI_CALLABLE", "UWSGI_SCRIPT", "UWSGI_PYHOME", "UWSGI_HOME")

SPECIAL = [
    scheme("HTTPS on", "https", HTTPS="on"),
    scheme("HTTPS ON", "https", HTTPS="ON"),
    scheme("HTTPS 1", "https", HTTPS="1"),
    scheme("HTTPS off", "http", HTTPS="off"),
    scheme("HTTPS empty", "http", HTTPS=""),
    scheme("UWSGI_SCHEME https", "https", UWSGI_SCHEME="https"),
    scheme("UWSGI_SCHEME beats HTTPS", "http", UWSGI_SCHEME="http", HTTPS="on"),
    scheme("REQUEST_SCHEME is no scheme of uWSGI", "http", REQUEST_SCHEME="https"),
    served("SCRIPT_NAME is passed on", VARIABLES, packet(SCRIPT_NAME="/app"), SCRIPT_NAME="/app", PATH_INFO="/u"),
    served("without one it is empty", VARIABLES, packet(), SCRIPT_NAME=""),
    served("REMOTE_USER is the front server's", VARIABLES, packet(REMOTE_USER="bob"), REMOTE_USER="bob"),
    served("REMOTE_ADDR is the front server's", VARIABLES, packet(REMOTE_ADDR="2001:db8::7"), REMOTE_ADDR="2001:db8::7"),
    served("PATH_INFO is not decoded again", VARIABLES, packet(PATH_INFO="/a%2fb/../c//d"), PATH_INFO="/a%2fb/../c//d"),
    served("QUERY_STRING is as it was sent", VARIABLES, packet(QUERY_STRING="a=%20&b"), QUERY_STRING="a=%20&b"),
    served("DOCUMENT_ROOT is passed on", VARIABLES, packet(DOCUMENT_ROOT="/srv"), DOCUMENT_ROOT="/srv"),
    served("variables of the site are passed on", VARIABLES, packet(("MY_VAR", "x"), ("SSL_CLIENT_CERT", "y")), MY_VAR="x", SSL_CLIENT_CERT="y"),
    served("fields with _ were made by the front server", VARIABLES, packet(HTTP_X_Y="v"), HTTP_X_Y="v"),
    *(served(f"{name} loads nothing", VARIABLES, packet((name, "/tmp/evil.py")), **{name: None}) for name in LOADING),
    served("no REQUEST_METHOD", VARIABLES, packet(REQUEST_METHOD=None), PATH_INFO="/u"),
    served("no REQUEST_URI", VARIABLES, packet(REQUEST_URI=None), PATH_INFO="/u"),
    served("no SERVER_PROTOCOL", VARIABLES, packet(SERVER_PROTOCOL=None), PATH_INFO="/u"),
    served("HTTP/2.0 as SERVER_PROTOCOL, of nginx", VARIABLES, packet(SERVER_PROTOCOL="HTTP/2.0"), SERVER_PROTOCOL="HTTP/2.0"),
]  # fmt: skip


def planned(name, query, method="GET", status=200, body=b"", broken=False, **fields):
    """An answer of the application; the front server frames it, and the end of the connection ends it."""
    expected = Planned(status, body, {key.replace("_", "-"): value for key, value in fields.items()}, method, broken)
    return Case(name, ANSWER, (packet(target=f"/answer?{query}", method=method),), (expected,), "closes", method)


ANSWERS = [
    planned("one piece", "pieces=5", body=b"aaaaa"),
    planned("nothing", "pieces="),
    planned("a generator has no chunks", "how=generator&pieces=3,0,4", body=b"a" * 7, Transfer_Encoding=None),
    planned("written", "how=write&pieces=3,4", body=b"a" * 7),
    planned("a file", "how=file&pieces=70000", body=b"a" * 70_000),
    planned("three megabytes", "pieces=3000000", body=b"a" * 3_000_000),
    planned("a length of the application", "pieces=5&field=Content-Length:5", body=b"aaaaa", Content_Length="5"),
    planned("no more than the length", "pieces=5&field=Content-Length:3", body=b"aaa", Content_Length="3"),
    planned("fewer than the length", "pieces=5&field=Content-Length:9", broken=True),
    planned("HEAD", "pieces=5", "HEAD"),
    planned("HEAD of a generator", "how=generator&pieces=5,3", "HEAD"),
    planned("204", "status=204%20None&pieces=5", status=204, Content_Length=None),
    planned("304", "status=304%20Same&pieces=5", status=304),
    planned("404", "status=404%20Not&pieces=5", status=404, body=b"aaaaa"),
    planned("an own status", "status=299%20Own&pieces=5", status=299, body=b"aaaaa"),
    planned("two cookies", "pieces=1&field=Set-Cookie:a=1&field=Set-Cookie:b=2", body=b"a", Set_Cookie=["a=1", "b=2"]),
    planned("CR LF in a field", "pieces=3&field=X:a%0d%0aX-Injected:%201", status=500, body=b"Internal Server Error\n", X_Injected=None),
    planned("CR LF in the status", "pieces=3&status=200%20OK%0d%0aX-Injected:%201", status=500, body=b"Internal Server Error\n", X_Injected=None),
    planned("a failure before the head", "how=fail-first", status=500, body=b"Internal Server Error\n"),
    planned("a failure within a length", "how=fail-later&pieces=3&field=Content-Length:9", broken=True),
    Case("a refusal is HTTP too", ANSWER, (head(b"\x00"),), (Refused((400,)),), "closes"),
]  # fmt: skip
