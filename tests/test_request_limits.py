"""Every limit on a request has a name, and passing it has a status."""
import pytest
from conftest import APPS
from harness import http, uwsgi_packets
from harness.address import connect, free_address
from harness.http import Reader, encode, raw

pytestmark = pytest.mark.margrave_only(reason="it has other limits, and closes the connection instead")

CHUNKED = [("Transfer-Encoding", "chunked")]

# Option, what just fits, what does not, the status of that.
LIMITS = [
    ("--buffer-size=600", encode("GET", "/one", [("X", "y" * 500)]), encode("GET", "/one", [("X", "y" * 600)]), 431),
    ("--max-vars=3", encode("GET", "/one", [("A", "1"), ("B", "2")]), encode("GET", "/one", [("A", "1"), ("B", "2"), ("C", "3")]), 431),
    ("--max-field-size=20", encode("GET", "/one", [("Nine-9999", "elf-elfelf")]), encode("GET", "/one", [("Nine-9999", "elf-elfelf12")]), 431),
    ("--max-target-size=9", encode("GET", "/one?2345"), encode("GET", "/one?23456"), 414),
    ("--limit-post=5", encode("POST", "/echo", body=b"12345"), encode("POST", "/echo", body=b"123456"), 413),
    ("--limit-post=5", encode("POST", "/echo", CHUNKED, b"3\r\n123\r\n2\r\n45\r\n0\r\n\r\n"),
     encode("POST", "/echo", CHUNKED, b"3\r\n123\r\n3\r\n456\r\n0\r\n\r\n"), 413),
    ("--max-chunk-line=8", encode("POST", "/echo", CHUNKED, b"3;x=y\r\n123\r\n0\r\n\r\n"),
     encode("POST", "/echo", CHUNKED, b"3;x=yyyyyy\r\n123\r\n0\r\n\r\n"), 400),
    ("--max-trailers-size=12", encode("POST", "/echo", CHUNKED, b"0\r\nX: 12345\r\n\r\n"),
     encode("POST", "/echo", CHUNKED, b"0\r\nX: 123456789\r\n\r\n"), 431),
]  # fmt: skip


@pytest.fixture
def start(serve):
    def start(*options):
        address, packets = free_address(), free_address()
        server = serve("--chdir", APPS, "--wsgi-file", "probe.py", "--http-socket", address, "--socket", packets, *options,
                       serving=address)  # fmt: skip
        return server, address, packets

    return start


@pytest.mark.parametrize("option, fits, passes, status", LIMITS, ids=[f"{row[0]} {number}" for number, row in enumerate(LIMITS)])
def test_request_beyond_a_limit_gets_its_status_and_the_connection_closes(start, option, fits, passes, status):
    server, address, _ = start(option)
    with connect(address) as link:
        reader = Reader(link)
        for _ in range(2):
            link.sendall(fits)
            assert reader.response().status == 200
        link.sendall(passes)
        answer = reader.response()
        assert (answer.status, answer.get("Connection")) == (status, "close")
        assert len(answer.body) < 100 and answer.get("Date") and reader.at_end()
    server.wait_log(f"refused with {status}")


def test_log_names_the_field_that_makes_a_head_too_large(start):
    server, address, _ = start()
    raw(address, encode("GET", "/one", [("X-Small", "1"), ("Cookie", "c" * 70_000)]))
    server.wait_log(r"431: the request head is too large .*its largest field is Cookie with \d{5} bytes")


def test_variables_of_a_packet_are_limited_by_the_same_name(start):
    _, _, packets = start("--max-vars=20")
    for extra, expected in ((3, b"200 OK"), (30, b"431 ")):
        variables = [*uwsgi_packets.variables("GET", "/one"), *((f"V{number}", "x") for number in range(extra))]
        assert expected in uwsgi_packets.exchange(packets, uwsgi_packets.encode(variables)).splitlines()[0]


def test_last_request_of_a_connection_says_so(start):
    _, address, _ = start("--keepalive-requests=3")
    with connect(address) as link:
        reader = Reader(link)
        link.sendall(encode("GET", "/one") * 5)
        answers = [reader.response() for _ in range(3)]
        assert [answer.get("Connection") for answer in answers] == [None, None, "close"]
        assert reader.at_end()


@pytest.mark.parametrize("option, data", [
    ("--http-headers-timeout=1", b"GET /one HTTP/1.1\r\nHo"),
    ("--body-timeout=1", encode("POST", "/echo", [("Content-Length", "9")]) + b"x"),
    ("--http-timeout=1", b"GET /one HTTP/1.1\r\nHo"),
    ("--socket-timeout=1", encode("POST", "/echo", CHUNKED) + b"3\r\n12"),
])  # fmt: skip
def test_client_that_stops_in_the_middle_is_answered_408(start, option, data):
    _, address, _ = start(option)
    with connect(address, 15) as link:
        link.sendall(data)
        answer = Reader(link).response()
        assert (answer.status, answer.get("Connection")) == (408, "close")


def test_body_read_in_one_piece_beyond_its_warning_is_logged(start):
    server, address, _ = start("--body-read-warning=1")
    assert len(http.request(address, "POST", "/echo?large", body=b"x" * 2_000_000).body) == 2_000_000
    server.wait_log(r'/echo\?large: the application takes 1 MiB .*body-read-warning')
    assert http.request(address, "POST", "/echo?small", body=b"x" * 1000).body == b"x" * 1000
    assert "/echo?small: the application" not in server.log
