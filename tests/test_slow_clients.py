"""Clients that send or take slowly, all at once, and what they cost a good one: next to nothing."""
import contextlib
import os
import signal
import statistics
import time

import pytest
from conftest import APPS
from harness import http
from harness.address import connect, free_address
from harness.http import Reader, encode
from harness.waiting import until

own = pytest.mark.margrave_only(reason="one slow client holds one of its threads")

HEADS, IDLE, READERS, BODIES = 500, 500, 20, 20
# Of each answer that is read slowly; more than sockets and memory take.
BLOCKS = 200
# What all of them together may cost a good request.
MOST = 0.010


@pytest.fixture
def crowded(serve):
    address = free_address()
    serve("--chdir", APPS, "--wsgi-file", "probe.py", "--processes", "2", "--threads", "4", "--http-socket", address,
          "--disable-logging", ready=address, serving=address)  # fmt: skip
    with contextlib.ExitStack() as open_links:
        def link():
            return open_links.enter_context(connect(address, 30))

        yield address, link


def latencies(address, count=150):
    """Seconds that good requests take, half of them on connections of their own."""
    found = []
    with connect(address, 30) as kept:
        reader = Reader(kept)
        for number in range(count):
            began = time.perf_counter()
            if number % 2:
                kept.sendall(encode("GET", "/one"))
                answer = reader.response()
            else:
                answer = http.get(address, "/one")
            found.append(time.perf_counter() - began)
            assert answer.body == b"one piece"
    return found


def slow_heads(link):
    links = [link() for _ in range(HEADS)]
    for one in links:
        one.sendall(b"GET /one HTTP/1.1\r\nHost: a\r\nX-Sl")
    return links


def idle(link):
    links = [link() for _ in range(IDLE)]
    for one in links:
        one.sendall(encode("GET", "/one"))
        assert Reader(one).response().status == 200
    return links


def slow_readers(link):
    links = [link() for _ in range(READERS)]
    for one in links:
        one.sendall(encode("GET", f"/many?n={BLOCKS}"))
    for one in links:
        assert one.recv(1) == b"H"
    return links


def slow_bodies(link):
    links = [link() for _ in range(BODIES)]
    for number, one in enumerate(links):
        expects = [("Expect", "100-continue")] if number % 2 else []
        one.sendall(encode("POST", "/echo", [("Content-Length", "1000"), *expects]))
        if expects:
            assert one.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b"x" * 10)
    return links


def finish(readers, bodies):
    """They all get what they came for in the end."""
    for one in readers:
        reader = Reader(one)
        reader.buffer = b"H"
        assert reader.response().body == b"x" * 65536 * BLOCKS
    for one in bodies:
        one.sendall(b"x" * 990)
        assert Reader(one).response().body == b"x" * 1000


@own
def test_slow_clients_of_every_kind_cost_a_good_request_next_to_nothing(crowded):
    address, link = crowded
    before = latencies(address)
    readers = slow_readers(link)
    bodies = slow_bodies(link)
    heads, waiting = slow_heads(link), idle(link)
    # Threads come free as soon as they have put what is left of their answers into files.
    until(lambda: max(latencies(address, 8)) < 0.05, 30, "the answers of slow readers to be made")
    during = latencies(address)
    for one in heads:
        one.sendall(b"o: w\r\n")
    during += latencies(address)
    cost = statistics.median(during) - statistics.median(before)
    assert cost < MOST, f"{1000 * cost:.1f} ms more at the median"
    for one in heads[:20]:
        one.sendall(b"\r\n")
        assert Reader(one).response().body == b"one piece"
    for one in waiting[:20]:
        one.sendall(encode("GET", "/one"))
        assert Reader(one).response().body == b"one piece"
    finish(readers, bodies)


def together(address, links):
    """Sends one request over each link, so that the only worker sees them all at once."""
    worker = int(http.get(address, "/pid").body)
    os.kill(worker, signal.SIGSTOP)
    try:
        for link, path in links:
            link.sendall(encode("GET", path))
    finally:
        os.kill(worker, signal.SIGCONT)


@own
@pytest.mark.parametrize("path, body", [("/slow?s=5", b"slept"), ("/hang_up", b"all of it"), ("/one", b"one piece")])
def test_answers_of_requests_that_arrive_together_are_whole_and_do_not_wait_for_a_slow_one(serve, path, body):
    address = free_address()
    serve("--chdir", APPS, "--wsgi-file", "probe.py", "--http-socket", address, ready=address, serving=address)
    with contextlib.ExitStack() as open_links:
        links = [open_links.enter_context(connect(address, 20)) for _ in range(4)]
        together(address, zip(links, ["/one", "/one", path, "/empty"]))
        began = time.monotonic()
        assert [Reader(link).response().body for link in links[:2]] == [b"one piece"] * 2
        assert time.monotonic() - began < 4
        assert Reader(links[2]).response().body.startswith(body)
        assert Reader(links[3]).response().body == b""


PAUSES = """
import os, time
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/":
        return [b"fast"]
    return pause()
def pause():
    yield b"x" * 900_000
    for _ in range(1500):
        if os.path.exists("go on"):
            break
        time.sleep(0.01)
    yield b"end"
"""


def test_a_new_client_gets_what_there_is_of_an_answer_while_the_application_makes_the_rest(serve, tmp_path):
    (tmp_path / "app.py").write_text(PAUSES)
    path = str(tmp_path / "socket")
    serve("--chdir", tmp_path, "--wsgi-file", "app.py", "--http-socket", path, "--disable-logging", ready=path, serving=path)
    for _ in range(10):
        for _ in range(40):
            assert http.get(path, "/").body == b"fast"
            time.sleep(0.002)  # requests are few then, and nobody looks after the thread that runs one until something comes
        with connect(path, 20) as link:
            link.sendall(encode("GET", "/pause", [("Connection", "close")]))
            got = b""
            while len(got) < 900_000:
                got += link.recv(1 << 20) or pytest.fail(f"only {len(got)} bytes")
            assert b"end" not in got
            (tmp_path / "go on").touch()
            assert b"end" in b"".join(iter(lambda: link.recv(1 << 20), b""))
        (tmp_path / "go on").unlink()
