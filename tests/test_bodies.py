"""Bodies of requests and answers: held back by the client, cut, unread, larger than memory."""
import hashlib
import os
import socket

import pytest
from conftest import APPS
from harness import gateways, http
from harness.address import connect, free_address
from harness.gateways import RecordReader
from harness.http import Broken, Reader, encode
from wire_cases.fastcgi import begin, params

pytestmark = pytest.mark.margrave_only(reason="it knows no 100-continue, gives cut bodies out and leaves unread ones")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = ("Expect", "100-continue")
SHAPES = {"one thread": ("1", "1"), "two of four": ("2", "4")}
LINES = b"".join(b"%d %s\n" % (number, b"x" * (number % 97)) for number in range(3000))
LARGE = 4 << 30


@pytest.fixture(params=SHAPES, ids=str)
def start(request, serve):
    processes, threads = SHAPES[request.param]

    def start(*options):
        address = free_address()
        server = serve("--chdir", APPS, "--wsgi-file", "bodies.py", "--http-socket", address, "--disable-logging",
                       "--processes", processes, "--threads", threads, *options, serving=address)  # fmt: skip
        return server, address

    return start


def expecting(path, length=None):
    framing = ("Content-Length", str(length)) if length is not None else ("Transfer-Encoding", "chunked")
    return encode("POST", path, [framing, EXPECT])


def chunks(data, size):
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("path, expected", [
    ("/digest", f"{len(LINES)} {hashlib.sha256(LINES).hexdigest()}"),
    ("/digest?7", f"{len(LINES)} {hashlib.sha256(LINES).hexdigest()}"),
    ("/whole", hashlib.sha256(LINES).hexdigest()),
    ("/lines", f"3000 {hashlib.sha256(LINES).hexdigest()} True"),
])  # fmt: skip
def test_body_that_is_asked_for_is_read_in_any_way(start, path, expected):
    _, address = start("--post-buffering=5000")
    with connect(address, 30) as link:
        reader = Reader(link)
        for chunked in (False, True):
            link.sendall(expecting(path, None if chunked else len(LINES)))
            assert reader.exactly(len(CONTINUE)) == CONTINUE
            data = chunks(LINES, 1000) if chunked else LINES
            for at in range(0, len(data), 30_000):
                link.sendall(data[at : at + 30_000])
            assert reader.response().body.decode() == expected


@pytest.mark.parametrize("path, status", [("/unread", 200), ("/refuse", 413)])
def test_answer_without_reading_comes_without_100(start, path, status):
    _, address = start()
    with connect(address) as link:
        reader = Reader(link)
        link.sendall(expecting(path, 1000))
        assert reader.line().split()[1] == str(status).encode()
        assert b"connection: close" in reader.rest().lower()


def test_body_that_is_cut_raises_and_is_never_short(start):
    server, address = start()
    for path in ("/catches", "/raises"):
        with connect(address) as link:
            link.sendall(expecting(path, 10))
            assert Reader(link).exactly(len(CONTINUE)) == CONTINUE
            link.sendall(b"half")
            link.shutdown(socket.SHUT_WR)
            answer = Reader(link).response()
            assert (answer.status, answer.get("Connection")) == ((200, "close") if path == "/catches" else (400, "close"))
    for data in (encode("POST", "/raises", [("Content-Length", "10")]) + b"half", encode("POST", "/raises", [("Transfer-Encoding", "chunked")]) + b"5\r\nhalf"):
        assert b"200 OK" not in http.raw(address, data)
    seen = "; ".join(http.get(address, "/seen").text for _ in range(8))
    assert "whole" not in seen and "read" not in seen.replace("before", "")
    assert "Traceback" not in server.log, "a client that leaves is no failure of the application"


@pytest.mark.parametrize("length, kept", [(100_000, True), (3_000_000, False)])
def test_body_larger_than_what_is_read_ahead_and_not_read_is_dropped_or_ends_the_connection(start, length, kept):
    _, address = start("--post-buffering=10000", "--body-file-limit=20000", "--drain-limit=1000000")
    with connect(address) as link:
        reader = Reader(link)
        link.sendall(encode("POST", "/first", [("Content-Length", str(length))]) + b"y" * 30_000)
        answer = reader.response()
        assert (answer.body, answer.get("Connection")) == (b"yyyy", None if kept else "close")
        if kept:
            link.sendall(b"y" * (length - 30_000) + encode("GET", "/unread"))
            assert reader.response().body == b"not read"
        else:
            link.shutdown(socket.SHUT_WR)
            assert reader.at_end()


def test_chunked_read_gives_parts_as_they_come(start):
    """uWSGI: chunked_read waits for the next part, chunked_read_nb says None where there is none yet."""
    _, address = start()
    with connect(address) as link:
        reader = Reader(link)
        link.sendall(expecting("/parts"))
        assert reader.exactly(len(CONTINUE)) == CONTINUE
        assert reader.line().split()[1] == b"200"
        while reader.line():
            pass
        expected = [b"None\n", b"(b'first', None)\n", b"(b'second', None)\n", b"b''"]
        for part, said in zip([b"5\r\nfirst\r\n", b"6\r\nsecond\r\n", b"0\r\n\r\n", b""], expected):
            chunk = b"%x\r\n%s\r\n" % (len(said), said)
            assert reader.exactly(len(chunk)) == chunk
            link.sendall(part)


def test_fastcgi_values_are_told_while_a_body_is_awaited(serve):
    """FastCGI, 4.1: management records may come at any time, and are answered by themselves."""
    address = free_address()
    serve("--chdir", APPS, "--wsgi-file", "bodies.py", "--fastcgi-socket", address, "--post-buffering=1000", "--body-file-limit=1000", ready=address)
    values = gateways.record(gateways.GET_VALUES, gateways.pair("FCGI_MPXS_CONNS", ""), 0)
    with connect(address) as link:
        reader = Reader(link)
        link.sendall(begin() + gateways.stream(gateways.PARAMS, params(target="/digest", method="POST", CONTENT_LENGTH="2500")))
        for _ in range(2):
            link.sendall(gateways.record(gateways.STDIN, b"y" * 1000) + values)
            header = reader.exactly(8)
            content = reader.exactly(int.from_bytes(header[4:6], "big") + header[6])
            assert header[1] == gateways.GET_VALUES_RESULT and content.startswith(gateways.pair("FCGI_MPXS_CONNS", "0"))
        link.sendall(gateways.stream(gateways.STDIN, b"y" * 500))
        (records,) = RecordReader(reader.rest()).order
    assert gateways.answer(records.stdout).text.startswith("2500 ")


def test_body_streams_to_the_application_beyond_what_is_read_ahead(start):
    _, address = start("--post-buffering=10000", "--body-file-limit=200000")
    data = os.urandom(1 << 20) * 12
    expected = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
    assert http.request(address, "POST", "/digest", body=data).text == expected
    with connect(address, 30) as link:
        link.sendall(encode("POST", "/digest", [("Transfer-Encoding", "chunked")]) + chunks(data, 70_000))
        assert Reader(link).response().text == expected


def test_part_of_a_file_is_sent_from_its_offset_by_its_content_length(start, tmp_path):
    _, address = start()
    content = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(content)
    for offset, length in ((0, 3_000_000), (7, 100), (1_000_000, 1_500_000)):
        body = http.get(address, f"/part?{tmp_path}/file,{offset},{length}").body
        assert body == content[offset : offset + length]
    with pytest.raises(Broken):
        http.get(address, f"/part?{tmp_path}/file,2999990,100")


class Peaks:
    """The most memory that each worker has had."""

    def __init__(self, address):
        self.address = address

    def look(self):
        peaks = {}
        for _ in range(8):
            pid, kilobytes = http.get(self.address, "/memory").text.split()
            peaks[pid] = int(kilobytes)
        return peaks

    def growth(self, before):
        return max(after - before.get(pid, after) for pid, after in self.look().items()) << 10


def receive(link, length):
    """Takes `length` bytes and keeps none."""
    buffer = bytearray(1 << 20)
    while length > 0:
        count = link.recv_into(buffer, min(length, len(buffer)))
        assert count, f"{length} bytes are missing"
        length -= count


def test_four_gibibytes_go_up_and_down_in_constant_memory(serve, tmp_path):
    address = free_address()
    serve("--chdir", APPS, "--wsgi-file", "bodies.py", "--http-socket", address, "--threads", "2", "--disable-logging",
          serving=address)  # fmt: skip
    peaks = Peaks(address)
    http.request(address, "POST", "/count", body=bytes(1 << 20))
    before = peaks.look()
    block = bytes(1 << 22)
    with connect(address, 120) as link:
        link.sendall(encode("POST", "/count", [("Content-Length", str(LARGE))]))
        for _ in range(LARGE // len(block)):
            link.sendall(block)
        assert Reader(link).response().text == str(LARGE)
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(LARGE + 10)
    with connect(address, 120) as link:
        reader = Reader(link)
        link.sendall(encode("GET", f"/part?{tmp_path}/sparse,10,{LARGE}"))
        assert reader.head().get("Content-Length") == str(LARGE)
        receive(link, LARGE - len(reader.buffer))
    with connect(address, 120) as link:
        reader = Reader(link)
        link.sendall(encode("GET", f"/zeros?{LARGE}", version="HTTP/1.0"))
        reader.head()
        receive(link, LARGE - len(reader.buffer))
        assert not link.recv(1)
    assert peaks.growth(before) < 16 << 20
