"""Limits and timeouts on HTTP requests, each with its status; clients that are slow on purpose; Expect; trust."""
import json
import time

import pytest
from conftest import APPS
from harness import gateways, http
from harness.address import connect, free_address
from harness.gateways import RecordReader
from harness.http import Reader, encode
from harness.uwsgi_packets import exchange
from harness.witness import Witness, check
from wire_cases import fastcgi, scgi, uwsgi
from wire_cases.cases import Case, Planned, Refused, Seen, chunked, good, post, request

pytestmark = pytest.mark.margrave_only(reason="it has few of these limits")

LIMITS = {
    "buffer-size": 8000, "max-vars": 20, "max-field-size": 3000, "max-target-size": 1000, "max-chunk-line": 100, "max-trailers-size": 200,
    "limit-post": 5000, "keepalive-requests": 3, "http-headers-timeout": 1, "body-timeout": 1, "http-keepalive": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def site(serve_module, module_directory):
    found = Witness(module_directory / "notes")
    found.http, found.uwsgi, found.scgi, found.fastcgi = (free_address() for _ in range(4))
    words = [f"--{name}={value}" for name, value in LIMITS.items()]
    found.server = serve_module(
        "--chdir", APPS, "--wsgi-file", "witness.py", "--master", "--processes", "1", "--threads", "2", "--http-socket", found.http,
        "--socket", found.uwsgi, "--scgi-socket", found.scgi, "--fastcgi-socket", found.fastcgi, *words,
        ready=[found.uwsgi, found.scgi, found.fastcgi], serving=found.http, env={"WITNESS_NOTES": str(found.path)},
    )  # fmt: skip
    return found


def refused(name, rule, sent, status):
    return Case(name, rule, (sent,), (Refused((status,)),), "closes")


CASES = [
    good("a head below the limit", "buffer-size", request("GET / HTTP/1.1", *("X: " + "v" * 2000 for _ in range(3)))),
    refused("a head beyond it", "RFC 6585 5; buffer-size", request("GET / HTTP/1.1", *("X: " + "v" * 2500 for _ in range(4))), 431),
    good("fields up to the limit", "max-vars", request("GET / HTTP/1.1", *(f"X-{n}: v" for n in range(19)))),
    refused("one field too many", "RFC 6585 5; max-vars", request("GET / HTTP/1.1", *(f"X-{n}: v" for n in range(20))), 431),
    refused("a field that is too long", "RFC 6585 5; max-field-size", request("GET / HTTP/1.1", "X: " + "v" * 3000), 431),
    good("a target up to the limit", "max-target-size", request("GET /" + "a" * 999 + " HTTP/1.1")),
    refused("a target that is too long", "RFC 9110 15.5.15; max-target-size", request("GET /" + "a" * 1000 + " HTTP/1.1"), 414),
    good("an extension up to the limit", "max-chunk-line", chunked(b"1;" + b"a" * 95 + b"\r\nx\r\n0\r\n\r\n"), b"x"),
    refused("an extension that is too long", "RFC 9112 7.1.1; max-chunk-line", chunked(b"1;" + b"a" * 200 + b"\r\nx\r\n0\r\n\r\n"), 400),
    good("trailers up to the limit", "max-trailers-size", chunked(b"0\r\nX: " + b"v" * 190 + b"\r\n\r\n"), b""),
    refused("trailers that are too long", "RFC 6585 5; max-trailers-size", chunked(b"0\r\nX: " + b"v" * 200 + b"\r\n\r\n"), 431),
    refused("many trailers that are too long", "RFC 6585 5; max-trailers-size", chunked(b"0\r\n" + b"X: v\r\n" * 50 + b"\r\n"), 431),
    refused("a body that is too long", "RFC 9110 15.5.14; limit-post", post("b" * 5001), 413),
    Case("as many requests as a connection may carry", "RFC 9112 9.6; keepalive-requests", (request() * 5,), (Seen(), Seen(), Seen()), "closes"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_limit_has_its_status(site, case):
    check(case, site.http, site)


def test_last_answer_of_a_connection_says_so(site):
    with connect(site.http) as link:
        link.sendall(request() * 3)
        reader = Reader(link)
        assert [reader.response().get("Connection") for _ in range(3)] == [None, None, "close"]


def status_of(protocol, site, body):
    """What a body that is too long is answered with."""
    if protocol == "uwsgi":
        return gateways.answer(exchange(site.uwsgi, uwsgi.post(body))).status
    if protocol == "scgi":
        return gateways.answer(exchange(site.scgi, scgi.post(body))).status
    (records,) = RecordReader(exchange(site.fastcgi, fastcgi.ask(body=body))).order
    return gateways.answer(records.stdout).status


@pytest.mark.parametrize("protocol", ["uwsgi", "scgi", "fastcgi"])
def test_body_is_limited_on_every_entry(site, protocol):
    assert status_of(protocol, site, b"b" * 5000) == 200
    assert status_of(protocol, site, b"b" * 5001) == 413


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n", b"G", request()[:-1], b"\r\n"], ids=["line", "letter", "all-but-one", "empty-line"])
def test_head_that_does_not_come_is_answered_with_408(site, sent):
    """RFC 9110, 15.5.9."""
    site.new()
    with connect(site.http) as link:
        link.sendall(sent)
        start = time.monotonic()
        answer = Reader(link).response()
        took = time.monotonic() - start
        assert (answer.status, answer.get("Connection")) == (408, "close") and 0.5 < took < 5
    assert not site.new()


def test_head_that_drips_is_not_waited_for_longer(site):
    with connect(site.http) as link:
        link.sendall(b"GET / HTTP/1.1\r\nX: ")
        start = time.monotonic()
        link.settimeout(0.1)
        data = b""
        while not data and time.monotonic() - start < 10:
            link.sendall(b"y")
            try:
                data = link.recv(1000)
            except TimeoutError:
                pass
        assert data.startswith(b"HTTP/1.1 408 ") and time.monotonic() - start < 5


@pytest.mark.parametrize("sent", [post("abc")[:-1], post("abc")[:-3], chunked(b"3\r\nab"), chunked(b"3\r\nabc\r\n")], ids=["body", "no-body", "chunk", "between"])
def test_body_that_does_not_come_is_answered_with_408(site, sent):
    """RFC 9110, 15.5.9."""
    site.new()
    with connect(site.http) as link:
        link.sendall(sent)
        answer = Reader(link).response()
    assert answer.status in (408, 500) and answer.get("Connection") == "close"
    assert not [note for note in site.new() if "error" not in note]


def test_connection_without_requests_is_closed_silently(site):
    for first in (b"", request()):
        with connect(site.http) as link:
            reader = Reader(link)
            if first:
                link.sendall(first)
                assert reader.response().status == 200
            start = time.monotonic()
            assert reader.at_end()
            assert time.monotonic() - start < 5


# ---- Expect


def test_final_answer_comes_without_100_when_nobody_reads(site):
    """RFC 9110, 10.1.1: a final status is an answer to the expectation."""
    with connect(site.http) as link:
        link.sendall(request("POST /answer?read=no&pieces=3 HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"))
        reader = Reader(link)
        answer = reader.response()
        assert (answer.status, answer.body, reader.interim) == (200, b"aaa", [])
        # The body may follow, or not: nothing of it may be taken for a request.
        if answer.get("Connection") != "close":
            link.sendall(b"abc" + encode("GET", "/next"))
            assert json.loads(reader.response().body)["environ"]["REQUEST_URI"] == "/next"
        else:
            assert reader.at_end()


def test_100_comes_once_and_before_the_answer(site):
    case = Case("", "", (request("POST /answer?pieces=3 HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"),), (Planned(200, b"aaa"),))
    with connect(site.http) as link:
        reader = Reader(link)
        link.sendall(case.steps[0])
        assert reader.interim_response() == 100
        link.sendall(b"abc")
        assert reader.response().body == b"aaa" and reader.interim == []


# ---- trust

BELIEVED = [
    ("none", "https", False), ("*", "https", True), ("127.0.0.0/8", "https", True), ("10.0.0.0/8", "https", False), ("10.0.0.0/8,127.0.0.1", "https", True),
    ("127.0.0.1", "HTTPS", True), ("127.0.0.1", "http", False), ("127.0.0.1", "https, http", True), ("127.0.0.1", "nonsense", False), (None, "https", True),
]  # fmt: skip


@pytest.mark.parametrize("allowed, value, secure", BELIEVED)
def test_scheme_is_believed_from_those_who_may_say_it(serve, tmp_path, allowed, value, secure):
    witness, address = Witness(tmp_path / "notes"), free_address()
    words = ["--forwarded-allow", allowed] if allowed else []
    serve("--chdir", APPS, "--wsgi-file", "witness.py", "--http-socket", address, *words, serving=address, env={"WITNESS_NOTES": str(witness.path)})
    environ = json.loads(http.get(address, "/", [("X-Forwarded-Proto", value)]).body)["environ"]
    assert environ["wsgi.url_scheme"] == ("https" if secure else "http")
    assert environ["HTTP_X_FORWARDED_PROTO"] == value, "a plain field in any case"

