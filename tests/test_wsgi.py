"""PEP 3333, seen from the application and from the wire, over HTTP and over the uwsgi protocol."""
import json
import os
import random
import socket
import time

import pytest
from conftest import APPS
from harness import http, uwsgi_packets
from harness.address import connect, free_address
from harness.http import Reader, encode, raw
from harness.waiting import until

pytestmark = pytest.mark.smoke
own = pytest.mark.margrave_only


class Probe:
    """The probe application behind one server with an HTTP and a uwsgi listener."""

    def __init__(self, server, http_address, uwsgi_address):
        self.server, self.http, self.uwsgi = server, http_address, uwsgi_address

    def send(self, protocol, method="GET", target="/", fields=(), body=None):
        if protocol == "http":
            return http.request(self.http, method, target, fields, body)
        return uwsgi_packets.request(self.uwsgi, method, target, fields, body)


@pytest.fixture(scope="module")
def probe(serve_module):
    http_address, uwsgi_address = free_address(), free_address()
    server = serve_module(
        "--chdir", APPS, "--wsgi-file", "probe.py", "--master", "--processes", "1", "--threads", "2",
        "--socket", uwsgi_address, "--http-socket", http_address, ready=uwsgi_address, serving=http_address,
    )  # fmt: skip
    return Probe(server, http_address, uwsgi_address)


both = pytest.mark.parametrize("protocol", ["http", "uwsgi"])

# What every server must answer: path, status, body.
ANSWERS = [
    ("/one", 200, b"one piece"),
    ("/empty", 200, b""),
    ("/several", 200, b"abc" + b"d" * 1000),
    ("/generator", 200, b"0,1,2,3,4,"),
    ("/writer", 200, b"written first, then returned"),
    ("/lazy", 202, b"lazy start"),
    ("/length", 200, b"0123456789"),
    ("/file_like", 200, b"0123456789" * 10),
    ("/status?code=404", 404, b"body that must not be sent for some"),
    ("/nothing-here", 404, b"no such path\n"),
    ("/big?n=1600", 200, b"0123456789abcdef" * 100),
]


@both
@pytest.mark.parametrize("target, status, body", ANSWERS, ids=[row[0] for row in ANSWERS])
def test_answer_reaches_the_client_whole(probe, protocol, target, status, body):
    answer = probe.send(protocol, "GET", target)
    assert (answer.status, answer.body) == (status, body)


@both
@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 1_000_000, 20_000_000])
def test_large_answer_of_one_piece_is_whole(probe, protocol, size):
    answer = probe.send(protocol, "GET", f"/big?n={size}")
    assert len(answer.body) == size // 16 * 16


@both
def test_large_answer_of_many_pieces_is_whole(probe, protocol):
    assert probe.send(protocol, "GET", "/many?n=200").body == b"x" * 65536 * 200


@own(reason="it sends none")
def test_content_length_is_computed_for_a_complete_answer(probe):
    for target, size in (("/one", 9), ("/empty", 0)):
        assert http.get(probe.http, target).get("Content-Length") == str(size), target


def test_answer_over_uwsgi_gets_no_framing_of_the_server(probe):
    """The web server in front frames it for its client; it needs to see what the application said, no more."""
    for target in ("/one", "/generator"):
        answer = probe.send("uwsgi", "GET", target)
        assert answer.get("Transfer-Encoding") is None and answer.get("Connection") is None


@own(reason="it ends the answer by closing")
def test_answer_of_unknown_length_is_chunked(probe):
    for target in ("/generator", "/writer", "/lazy", "/many?n=2"):
        answer = http.get(probe.http, target)
        assert answer.get("Transfer-Encoding") == "chunked", target
        assert answer.get("Content-Length") is None


@own(reason="it ends the answer by closing")
def test_answer_of_unknown_length_to_http_1_0_ends_by_closing(probe):
    answer = raw(probe.http, b"GET /generator HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"0,1,2,3,4," and b"chunked" not in head.lower()


@both
@own(reason="it sends the bodies")
@pytest.mark.parametrize("code", [204, 304])
def test_status_without_body_has_none(probe, protocol, code):
    data = (
        raw(probe.http, encode("GET", f"/status?code={code}", [("Connection", "close")]))
        if protocol == "http"
        else uwsgi_packets.exchange(probe.uwsgi, uwsgi_packets.encode(uwsgi_packets.variables("GET", f"/status?code={code}")))
    )
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b""
    assert b"transfer-encoding" not in head.lower()
    if code == 204:
        assert b"content-length" not in head.lower()


@both
@own(reason="it sends the bodies")
@pytest.mark.parametrize("target", ["/one", "/length", "/generator", "/writer", "/file?path=" + __file__])
def test_head_has_no_body(probe, protocol, target):
    data = (
        raw(probe.http, encode("HEAD", target, [("Connection", "close")]))
        if protocol == "http"
        else uwsgi_packets.exchange(probe.uwsgi, uwsgi_packets.encode(uwsgi_packets.variables("HEAD", target)))
    )
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1


@own(reason="it does not count")
def test_body_never_exceeds_the_content_length_said(probe):
    with connect(probe.http) as link:
        reader = Reader(link)
        link.sendall(encode("GET", "/too_long") + encode("GET", "/one", [("Connection", "close")]))
        assert reader.response().body == b"0123"
        rest = reader.rest()
    assert b"too much" not in rest


@own(reason="it does not count")
def test_body_shorter_than_its_content_length_cuts_the_connection(probe):
    with connect(probe.http) as link:
        link.sendall(encode("GET", "/too_short"))
        with pytest.raises(http.Broken):
            Reader(link).response()


@both
def test_status_and_fields_are_passed_on_as_they_are(probe, protocol):
    answer = probe.send(protocol, "GET", "/fields")
    assert (answer.status, answer.reason) == (299, "Own Reason")
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.get("X-Latin") == "caf\xe9"
    assert ("x-lower", "v") in answer.fields and ("X-Empty", "") in answer.fields


@both
@own(reason="it passes them on")
@pytest.mark.parametrize("target", ["/bad_field", "/bad_status"])
def test_line_breaks_in_status_or_fields_are_refused(probe, protocol, target):
    answer = probe.send(protocol, "GET", target)
    assert answer.status == 500 and answer.get("X-Injected") is None


@own(reason="it passes it on")
def test_transfer_encoding_of_the_application_is_refused(probe):
    answer = http.get(probe.http, "/hop")
    assert answer.status in (200, 500)
    assert answer.status == 500 or answer.body == b"never"


@both
@own(reason="it raises SystemError")
def test_exc_info_replaces_the_head(probe, protocol):
    answer = probe.send(protocol, "GET", "/exc_info")
    assert (answer.status, answer.reason, answer.body) == (500, "Replaced", b"replaced")
    assert answer.get("X-First") is None and answer.get("X-Second") == "2"


@own(reason="it raises SystemError")
def test_exc_info_after_the_head_was_sent_raises_it_again(probe):
    data = raw(probe.http, encode("GET", "/exc_info_late"), finish=False)
    assert b"sent already" in data and b"never" not in data
    assert not data.endswith(b"0\r\n\r\n"), "a broken answer must not look complete"
    probe.server.wait_log("too late on purpose")


@both
@own(reason="it takes the second")
def test_second_start_response_is_refused(probe, protocol):
    answer = probe.send(protocol, "GET", "/twice")
    assert answer.body.startswith(b"refused") and answer.get("X-First") == "1"


@both
@own(reason="it answers with nothing")
@pytest.mark.parametrize("target", ["/crash", "/crash_before_first", "/never_started", "/returns_none", "/returns_text"])
def test_application_that_fails_before_its_answer_is_a_500(probe, protocol, target):
    answer = probe.send(protocol, "GET", target)
    assert answer.status == 500
    assert answer.body and len(answer.body) < 500 and b"Traceback" not in answer.body


def test_traceback_stands_in_the_log_exactly_once(serve, address, tmp_path):
    (tmp_path / "probe.py").write_bytes((APPS / "probe.py").read_bytes())
    server = serve("--wsgi-file", "probe.py", "--http-socket", address, serving=address)
    raw(address, encode("GET", "/crash", [("Connection", "close")]))
    server.wait_log("ValueError: crash on purpose")
    assert server.stop() is not None
    assert server.log.count("crash on purpose") == server.log.count("ValueError: crash on purpose") + server.log.count(
        'raise ValueError("crash on purpose")'
    )
    assert server.log.count("Traceback (most recent call last)") == 1
    assert server.log.count("ValueError: crash on purpose") == 1
    assert "probe.py" in server.log


@own(reason="it ends the answer as if it were whole")
@pytest.mark.parametrize("target", ["/crash_generator", "/crash_late"])
def test_answer_that_fails_half_way_does_not_look_complete(probe, target):
    with connect(probe.http) as link:
        link.sendall(encode("GET", target))
        with pytest.raises(http.Broken):
            Reader(link).response()


@both
@pytest.mark.parametrize("how", ["all", "raise", "close-raises", "raise-first"])
def test_close_is_called_once_whatever_happens(probe, protocol, how):
    name = f"{protocol}-{how}-{random.random()}"
    try:
        probe.send(protocol, "GET", f"/close?name={name}&how={how}")
    except (http.Broken, OSError):
        pass
    events = http.get(probe.http, "/events").json()
    assert events.count(f"closed {name}") == 1


def test_close_is_called_when_the_client_leaves(probe):
    name = f"gone-{random.random()}"
    with connect(probe.http) as link:
        link.sendall(encode("GET", f"/close?name={name}&how=endless"))
        link.recv(1000)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: f"closed {name}" in http.get(probe.http, "/events").json(), 15, "close() after the client left")
    assert http.get(probe.http, "/one").body == b"one piece"


@own
def test_the_end_of_the_connection_comes_with_the_last_bytes_and_not_after_close(probe):
    name = f"late-{random.random()}"
    with connect(probe.http, 20) as link:
        link.sendall(encode("GET", f"/close_late?name={name}", [("Connection", "close")]))
        assert b"".join(iter(lambda: link.recv(65536), b"")).endswith(b"\r\n\r\nall of it")
        assert f"closed {name}" not in http.get(probe.http, "/events").json()
        link.shutdown(socket.SHUT_WR)
        http.get(probe.http, "/release")
        until(lambda: f"closed {name}" in http.get(probe.http, "/events").json(), 15, "close()")


@pytest.fixture(scope="module")
def payload(module_directory):
    path = module_directory / "payload.bin"
    path.write_bytes(random.Random(5).randbytes(5_000_001))
    return path


@both
def test_file_wrapper_sends_a_file(probe, protocol, payload):
    answer = probe.send(protocol, "GET", f"/file?path={payload}")
    assert answer.body == payload.read_bytes()


@both
@own(reason="it sends from the beginning")
def test_file_wrapper_sends_from_the_position_of_the_file(probe, protocol, payload):
    answer = probe.send(protocol, "GET", f"/file?path={payload}&offset=4999990")
    assert answer.body == payload.read_bytes()[4999990:]


@own(reason="it sends too much")
def test_file_wrapper_obeys_content_length(probe, payload):
    answer = http.get(probe.http, f"/file?path={payload}&length=1000")
    assert answer.body == payload.read_bytes()[:1000]


@own(reason="it does not count")
def test_file_wrapper_computes_content_length(probe, payload):
    assert http.get(probe.http, f"/file?path={payload}").get("Content-Length") == "5000001"


def test_file_wrapper_can_be_iterated_by_the_application(probe, under_test):
    if under_test.name == "uwsgi":
        pytest.skip("uWSGI's wrapper cannot")
    assert http.get(probe.http, "/file_iterated").body == b"0123|4567|89"


def test_file_wrapper_closes_the_file(probe, payload):
    name = f"file-{random.random()}"
    assert len(http.get(probe.http, f"/close?name={name}&how=file&path={payload}").body) == 5_000_001
    assert http.get(probe.http, "/events").json().count(f"closed {name}") == 1


@both
def test_pieces_are_sent_as_they_are_made(probe, protocol):
    with connect(probe.http if protocol == "http" else probe.uwsgi) as link:
        fields = [("Connection", "close")]
        if protocol == "http":
            link.sendall(encode("GET", "/lazy_stream", fields))
        else:
            link.sendall(uwsgi_packets.encode(uwsgi_packets.variables("GET", "/lazy_stream", fields)))
        data, first = b"", None
        start = time.monotonic()
        while piece := link.recv(65536):
            data += piece
            if first is None and b"0\n" in data.partition(b"\r\n\r\n")[2]:
                first = time.monotonic() - start
        total = time.monotonic() - start
    assert b"2\n" in data
    assert first < 0.25 + total / 4, f"the first piece came after {first:.2f} of {total:.2f} s"


INPUT = [
    ("read", ["abcde\nfgh\n\nij"]),
    ("read:4,read:100", ["abcd", "e\nfgh\n\nij"]),
    ("read:0,read:-1,read", ["", "abcde\nfgh\n\nij", ""]),
    ("readline,readline,readline,readline,readline", ["abcde\n", "fgh\n", "\n", "ij", ""]),
    ("readline:3,readline:3,readline:100,readline:0", ["abc", "de\n", "fgh\n", ""]),
    ("readlines", [["abcde\n", "fgh\n", "\n", "ij"]]),
    ("iter,read", [["abcde\n", "fgh\n", "\n", "ij"], ""]),
    ("next,next,read", ["abcde\n", "fgh\n", "\nij"]),
    ("read:2,readline,iter", ["ab", "cde\n", ["fgh\n", "\n", "ij"]]),
]


def chunked(data, sizes=(1, 5, 2, 1000)):
    """The body in chunks of these sizes, with an extension and a trailer."""
    out, rest = b"", data
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        if piece:
            out += b"%x;ext=1\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\nX-Trailer: 1\r\n\r\n"


@pytest.mark.parametrize("framing", ["http", "uwsgi", "chunked"])
@pytest.mark.parametrize("steps, expected", INPUT, ids=[row[0] for row in INPUT])
def test_input_reads_like_a_file(probe, under_test, framing, steps, expected):
    body = b"abcde\nfgh\n\nij"
    if under_test.name == "uwsgi" and (framing == "chunked" or ":-1" in steps or "readline:0" in steps or "next" in steps):
        pytest.skip("uWSGI's input does otherwise")
    if framing == "chunked":
        fields = [("Transfer-Encoding", "chunked"), ("Connection", "close")]
        data = raw(probe.http, encode("POST", f"/input?do={steps}", fields) + chunked(body))
        assert json.loads(data[data.index(b"[") :].split(b"\r\n")[0]) == expected
    else:
        assert probe.send(framing, "POST", f"/input?do={steps}", (), body).json() == expected


@own(reason="it gives an empty body")
def test_chunked_body_arrives_decoded_and_terminated(probe):
    data = b"0123456789" * 100_000
    body = chunked(data, [70_000] * 15)
    answer = http.request(probe.http, "POST", "/size", [("Transfer-Encoding", "chunked")], body)
    assert answer.json()["bytes"] == 1_000_000
    assert answer.json()["terminated"] in (True, "True")


@both
@pytest.mark.parametrize("size", [0, 1, 100, 65536, 300_000, 8_000_000])
def test_body_of_any_size_arrives_whole(probe, protocol, size):
    body = random.Random(size).randbytes(size)
    assert probe.send(protocol, "POST", "/echo", [("Content-Type", "x/y")], body).body == body


def test_body_that_comes_in_drops_arrives_whole(probe):
    body = bytes(range(256)) * 8
    with connect(probe.http) as link:
        request = encode("POST", "/echo", [("Connection", "close")], body)
        for start in range(0, len(request), 97):
            link.sendall(request[start : start + 97])
        assert Reader(link).response().body == body


@own(reason="it closes early")
def test_body_that_the_application_leaves_unread_breaks_nothing(probe):
    body = b"z" * 500_000
    with connect(probe.http) as link:
        reader = Reader(link)
        for _ in range(3):
            link.sendall(encode("POST", "/unread", [], body))
            assert reader.response().body == b"not read"


@own(reason="only its router does")
def test_expect_continue_is_answered_before_the_body(probe):
    with connect(probe.http) as link:
        fields = [("Expect", "100-continue"), ("Content-Length", "5"), ("Connection", "close")]
        link.sendall(encode("POST", "/echo", fields))
        assert link.recv(1000).startswith(b"HTTP/1.1 100 ")
        link.sendall(b"12345")
        answer = Reader(link).response()
        assert answer.body == b"12345"


def test_errors_and_stdout_reach_the_log(probe):
    http.get(probe.http, "/errors")
    for line in ("to wsgi.errors", "line one", "line two", "to stdout"):
        probe.server.wait_log(f"^{line}$")


@both
def test_environ_is_complete(probe, protocol, under_test):
    answer = probe.send(protocol, "GET", "/environ?a=1&b=%20", [("X-Own-Field", "v"), ("Cookie", "a=b"), ("Content-Type", "t/x")])
    environ, types = answer.json()["environ"], answer.json()["types"]
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ",
        "QUERY_STRING": "a=1&b=%20",
        "REQUEST_URI": "/environ?a=1&b=%20",
        "CONTENT_TYPE": "t/x",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_X_OWN_FIELD": "v",
        "HTTP_COOKIE": "a=b",
        "wsgi.version": "(1, 0)",
        "wsgi.url_scheme": "http",
        "wsgi.multithread": "True",
        "wsgi.multiprocess": "False",
        "wsgi.run_once": "False",
    }
    if under_test.name == "uwsgi" and protocol == "uwsgi":
        del expected["SCRIPT_NAME"]  # it gives only what the client sent
    assert {key: environ.get(key) for key in expected} == expected
    assert environ["SERVER_PORT"] == (probe.http.rpartition(":")[2] if protocol == "http" else "80")
    assert types["uwsgi.version"] == "bytes" and types["uwsgi.node"] == "bytes"
    for key in ("SERVER_NAME", "SERVER_PORT", "wsgi.input", "wsgi.errors", "wsgi.file_wrapper"):
        assert key in environ


def test_environ_is_a_dict_of_its_own_for_each_request(probe):
    for number in range(3):
        environ = http.get(probe.http, f"/environ?{number}", [(f"X-N{number}", "1")]).json()["environ"]
        assert [key for key in environ if key.startswith("HTTP_X_N")] == [f"HTTP_X_N{number}"]


def test_path_is_decoded_and_the_uri_is_not(probe):
    environ = http.get(probe.http, "/environ%3F".replace("%3F", "") + "?x=%C3%A9").json()["environ"]
    assert environ["QUERY_STRING"] == "x=%C3%A9"
    answer = http.get(probe.http, "/%65nviron")
    assert answer.json()["environ"]["PATH_INFO"] == "/environ"
    assert answer.json()["environ"]["REQUEST_URI"] == "/%65nviron"


@own(reason="it closes")
def test_connection_is_kept_for_the_next_request(probe):
    with connect(probe.http) as link:
        reader = Reader(link)
        for target in ("/one", "/generator", "/big?n=160000", "/file?path=" + __file__, "/status?code=204", "/one"):
            link.sendall(encode("GET", target))
            answer = reader.response()
            assert answer.status in (200, 204)
        link.sendall(encode("HEAD", "/one") + encode("GET", "/one", [("Connection", "close")]))
        assert reader.response("HEAD").body == b""
        assert reader.response().body == b"one piece"
        assert reader.at_end()


@own(reason="it closes")
def test_pipelined_requests_are_answered_in_order(probe):
    with connect(probe.http) as link:
        bodies = [b"%d" % number * (number * 1000 + 1) for number in range(20)]
        link.sendall(b"".join(encode("POST", "/echo", [], body) for body in bodies))
        reader = Reader(link)
        assert [reader.response().body for _ in bodies] == bodies


MALFORMED = [
    (b"GARBAGE\r\n\r\n", {400}),
    (b"GET / HTTP/9.9\r\nHost: h\r\n\r\n", {400, 505}),
    (b"GET / HTTP/1.1\r\nHost h\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", {400}),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    (b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", {400}),
    (b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", {400, 501}),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost: h\r\n folded: y\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", {431}),
    (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", {414, 431}),
]


@own(reason="it is lenient, or cuts the connection")
@pytest.mark.parametrize("data, statuses", MALFORMED, ids=[repr(row[0][:60]) for row in MALFORMED])
def test_malformed_request_is_refused_with_its_status(probe, data, statuses):
    answer = raw(probe.http, data)
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    assert int(answer[9:12]) in statuses
    assert b"connection: close" in answer.lower()


@own(reason="it cuts the connection")
def test_uwsgi_packet_with_a_broken_block_is_refused_and_the_server_lives(probe):
    for packet in (b"\0\5\0\0\1\0a\xff\xff", b"\0\4\0\0\xff\xff\0\0", b"\x63\0\0\0", b"\0\0\0\0"):
        raw(probe.uwsgi, packet)
    assert http.get(probe.http, "/one").body == b"one piece"


VALIDATED = [
    ("GET", "/", None),
    ("GET", "/lazy", None),
    ("GET", "/writer", None),
    ("GET", "/none", None),
    ("HEAD", "/x", None),
    ("POST", "/read", b"one\ntwo\nthree"),
    ("POST", "/iterate", b"one\ntwo\nthree\n"),
    ("PUT", "/x", b""),
]


@pytest.fixture(scope="module")
def validated(serve_module):
    addresses = {}
    for name in ("application", "direct"):
        http_address, uwsgi_address = free_address(), free_address()
        server = serve_module(
            "--chdir", APPS, "--wsgi-file", "validated.py", "--callable", name, "--master",
            "--socket", uwsgi_address, "--http-socket", http_address, ready=uwsgi_address, serving=http_address,
        )  # fmt: skip
        addresses[name] = Probe(server, http_address, uwsgi_address)
    return addresses


@both
@pytest.mark.parametrize("name", ["application", "direct"])
@pytest.mark.parametrize("method, target, body", VALIDATED, ids=[f"{row[0]}{row[1]}" for row in VALIDATED])
def test_wsgiref_validate_is_silent(validated, protocol, name, method, target, body, under_test):
    if under_test.name == "uwsgi" and (name, method, protocol) != ("application", "GET", "http"):
        pytest.skip("uWSGI does not satisfy it")
    probe = validated[name]
    answer = probe.send(protocol, method, target, (), body)
    assert answer.status in (200, 204), answer.text
    if target in ("/read", "/iterate"):
        assert answer.body == body
    assert "AssertionError" not in probe.server.log and "WSGIWarning" not in probe.server.log


def test_worker_survives_the_application_ending_its_process(serve, address):
    serve("--chdir", APPS, "--wsgi-file", "probe.py", "--master", "--http-socket", address, serving=address)
    first = http.get(address, "/pid").text
    with pytest.raises((http.Broken, OSError)):
        http.get(address, "/die")
    second = http.get(address, "/pid").text
    assert first != second and not os.path.exists(f"/proc/{first}")
