"""Large blocks of answers are sent from where the application made them: not copied, in order, freed in the end."""
import contextlib
import threading
from array import array

import pytest
from harness import fastcgi, http
from harness.address import connect, free_address
from harness.http import Reader, encode
from harness.uwsgi_packets import variables
from harness.waiting import until

own = pytest.mark.margrave_only(reason="its threads wait for their clients")

MIB = 1 << 20
READERS, SIZE = 20, 30 * MIB
APP = f"""
import os
from array import array
# No part of it is like another one.
BLOCK = array("I", range({SIZE} // 4)).tobytes()
PARTS = [BLOCK[start:start + 3 * {MIB} + 1] for start in range(0, {SIZE}, 3 * {MIB} + 1)]

def application(environ, start_response):
    start_response("200 OK", [])
    path = environ["PATH_INFO"]
    if path == "/block":
        return [BLOCK]
    if path == "/list":
        return PARTS
    if path == "/parts":
        return iter(PARTS)
    if path == "/fresh":
        return [BLOCK * 2]
    return [str(os.getpid()).encode()]
"""
BLOCK = array("I", range(SIZE // 4)).tobytes()


@pytest.fixture
def addresses(serve, tmp_path):
    (tmp_path / "large.py").write_text(APP)
    entries = {"http-socket": free_address(), "fastcgi-socket": free_address()}
    serve("--wsgi-file", "large.py", "--threads", "2", "--master", "--disable-logging",
          *[word for option, address in entries.items() for word in (f"--{option}", address)],
          ready=list(entries.values()), serving=entries["http-socket"])  # fmt: skip
    return entries


def resident(pid):
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


@contextlib.contextmanager
def readers(address, target, count):
    """Clients that take no more than the first byte."""
    with contextlib.ExitStack() as links:
        found = [links.enter_context(connect(address, 60)) for _ in range(count)]
        for link in found:
            link.sendall(encode("GET", target))
        for link in found:
            assert link.recv(1) == b"H"
        yield found


@own
@pytest.mark.parametrize("target", ["/block", "/list"])
def test_slow_readers_of_one_block_need_neither_threads_nor_copies_of_it(addresses, target):
    address = addresses["http-socket"]
    pid = int(http.get(address, "/pid").text)
    before = resident(pid)
    with readers(address, target, READERS) as links:
        assert int(http.get(address, "/pid").text) == pid
        grown = resident(pid) - before
        assert grown < 2 * SIZE, f"{grown / MIB:.0f} MiB more for {READERS} readers of {SIZE / MIB:.0f} MiB"
        for link in links[::7]:
            reader = Reader(link)
            reader.buffer = b"H"
            assert reader.response().body == BLOCK


@own
def test_blocks_are_freed_when_their_readers_have_gone_though_no_request_follows(addresses, under_test):
    if under_test.is_free_threaded():
        pytest.skip("the allocator of free-threaded Python keeps what is freed, here as in a script of three lines")
    address = addresses["http-socket"]
    pid = int(http.get(address, "/pid").text)
    before = resident(pid)
    with readers(address, "/fresh", 3):
        assert resident(pid) - before > 4 * SIZE
    until(lambda: resident(pid) - before < SIZE, 20, "the blocks to be freed")


@own
@pytest.mark.parametrize("target", ["/block", "/list", "/parts"])
def test_blocks_arrive_in_order_in_records_and_from_files(addresses, target):
    """Three readers at once, so that threads are needed and a part goes into files."""
    answers = []

    def take(link):
        data = bytearray()
        while piece := link.recv(100_000):
            data += piece
        answers.append(fastcgi.as_response(fastcgi.decode(data)).body)

    with contextlib.ExitStack() as links:
        found = [links.enter_context(connect(addresses["fastcgi-socket"], 60)) for _ in range(3)]
        for link in found:
            link.sendall(fastcgi.encode(variables("GET", target, [], None, "a")))
        assert http.get(addresses["http-socket"], "/pid", timeout=60).status == 200
        threads = [threading.Thread(target=take, args=[link]) for link in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [answer == BLOCK for answer in answers] == [True] * 3
