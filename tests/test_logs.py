"""What the log says: the start, each request, errors; and where it goes."""
import json
import os
import re
import signal

import pytest
from conftest import APPS
from harness import http
from harness.http import encode, raw
from harness.waiting import until

own = pytest.mark.margrave_only
WORDS = ["--chdir", APPS, "--wsgi-file", "probe.py"]
# uWSGI's default fields, as its documentation shows them.
LINE = re.compile(
    r"^\[pid: (?P<pid>\d+)\|app: (?P<app>-?\d+)\|req: (?P<own>-?\d+)/(?P<all>\d+)\] (?P<addr>\S*) \((?P<user>[^)]*)\) "
    r"\{(?P<vars>\d+) vars in (?P<bytes>\d+) bytes\} \[(?P<time>[^\]]+)\] (?P<method>\S+) (?P<uri>\S*) => "
    r"generated (?P<size>\d+) bytes in (?P<msecs>\d+) msecs (?P<how>via sendfile\(\) )?\((?P<proto>\S+) (?P<status>\d+)\) "
    r"(?P<headers>\d+) headers in (?P<hsize>\d+) bytes \((?P<switches>\d+) switches on core (?P<core>\d+)\)$",
    re.MULTILINE,
)


@pytest.fixture
def probe(serve, address):
    def start(*arguments, **options):
        return serve(*arguments, "--master", "--http-socket", address, *WORDS, serving=address, **options)

    return start


def line_of(server, part):
    """The request line that mentions `part`."""
    server.wait_log(re.escape(part) + r"\S* =>")
    found = [match for match in LINE.finditer(server.log) if part in match["uri"]]
    assert found, server.log
    return found[-1]


def test_request_line_has_the_default_fields(probe, address):
    server = probe()
    pid = http.get(address, "/pid").text
    http.request(address, "POST", "/echo?a=1", [("X-One", "1")], b"12345")
    line = line_of(server, "/echo?a=1")
    assert line["pid"] == pid and line["addr"] == "127.0.0.1" and line["user"] == ""
    assert (line["method"], line["proto"], line["status"], line["size"]) == ("POST", "HTTP/1.1", "200", "5")
    assert re.fullmatch(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", line["time"])
    assert int(line["headers"]) >= 1 and int(line["hsize"]) > 40 and int(line["vars"]) > 10 and line["core"] == "0"
    assert line["app"] == "0"


def test_request_numbers_count_up(probe, address):
    server = probe()
    for number in range(3):
        http.get(address, f"/one?number-{number}")
    numbers = [(int(line["own"]), int(line["all"])) for line in (line_of(server, f"number-{n}") for n in range(3))]
    assert numbers[1] == (numbers[0][0] + 1, numbers[0][1] + 1) and numbers[2][1] == numbers[0][1] + 2


def test_request_line_tells_sendfile(probe, address):
    server = probe()
    http.get(address, f"/file?path={APPS}/probe.py")
    line = line_of(server, "/file?path")
    assert line["how"] and int(line["size"]) == os.path.getsize(APPS / "probe.py")


def test_time_of_a_slow_request_is_measured(probe, address):
    server = probe()
    http.get(address, "/slow?s=0.3")
    assert 290 <= int(line_of(server, "/slow")["msecs"]) < 1500


def test_hostile_uri_cannot_forge_a_line(probe, address):
    server = probe()
    raw(address, b"GET /one?\x1b[31m HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    raw(address, encode("GET", "/one?quote%22%0a", [("Connection", "close"), ("User-Agent", "a\x1bb")]))
    http.get(address, "/one?afterwards")
    line_of(server, "afterwards")
    assert "\x1b" not in server.log


@own(reason="it prints much more")
def test_start_is_a_short_summary(probe, address, under_test):
    server = probe("--processes", "3", "--threads", "2")
    server.wait_log("workers|processes")
    lines = [line for line in server.log.splitlines() if line.strip() and not line.startswith("[pid:")]
    head = "\n".join(lines)
    assert 4 <= len(lines) <= 20, head
    text = head.lower()
    version = under_test.run("import platform; print(platform.python_version())")
    for wanted in (address, "probe.py", version, "3", "margrave"):
        assert wanted in text, f"{wanted!r} is not in the summary:\n{head}"


def test_disable_logging_leaves_out_request_lines(probe, address):
    server = probe("--disable-logging")
    http.get(address, "/one?not-this")
    http.get(address, "/errors")
    server.wait_log("^to stdout$")
    assert "not-this" not in server.log and "[pid:" not in server.log


@pytest.mark.parametrize("option, target, logged", [("--log-4xx", "/none?x", True), ("--log-5xx", "/crash?x", True), ("--log-4xx", "/one?x", False)])
def test_disabled_logging_can_still_show_errors(probe, address, option, target, logged):
    server = probe("--disable-logging", option)
    raw(address, encode("GET", target, [("Connection", "close")]))
    http.get(address, "/errors")
    server.wait_log("^to stdout$")
    if logged:
        server.wait_log(re.escape(target))
    else:
        assert target not in server.log


@own(reason="its slow requests are on one line with others")
def test_log_slow_shows_slow_requests_only(probe, address):
    server = probe("--disable-logging", "--log-slow", "200")
    http.get(address, "/one?quick")
    http.get(address, "/slow?s=0.4")
    server.wait_log("/slow")
    assert "/one?quick" not in server.log


FORMATS = [
    ("%(method) %(uri) %(proto) %(status)", r"^GET /one\?x=1 HTTP/1\.1 200$"),
    ("<%(addr)> <%(user)> <%(host)> <%(uagent)> <%(referer)>", r"^<127\.0\.0\.1> <-?> <127\.0\.0\.1> <probe/1> <http://r/>$"),
    ("%(pid) %(wid) %(core)", r"^\d+ 1 0$"),
    ("%(rsize) %(hsize) %(size) %(headers)", r"^9 \d+ \d+ \d+$"),
    ("%(msecs) %(micros) %(secs)", r"^\d+ \d+ \d+\.\d{6}$"),
    ("%(time) %(epoch)", r"^\d{10} \d{10}$"),
    ("[%(ctime)]", r"^\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]$"),
    ("[%(ltime)]", r"^\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]$"),
    ("%(vars) %(cl)", r"^\d+ 0$"),
    ("%(metric.none)|%(no-such-thing)|", r"\|.*\|$"),
    ("100%% %(method", r"^100%% %\(method$|^100% %\(method$"),
    ("%(var.HTTP_X_OWN)", r"^own value$"),
]


@pytest.mark.parametrize("format, expected", FORMATS, ids=[row[0] for row in FORMATS])
def test_log_format_variable(probe, address, format, expected, under_test):
    if under_test.name == "uwsgi" and any(text in format for text in ("100%%", "no-such", "core)")):
        pytest.skip("uWSGI does otherwise")
    server = probe("--log-format", format)
    http.get(address, "/one?x=1", [("User-Agent", "probe/1"), ("Referer", "http://r/"), ("X-Own", "own value")])
    http.get(address, "/errors")
    server.wait_log("^to stdout$")
    server.wait_log(expected)


@own(reason="it does not escape")
def test_json_log_is_valid_whatever_the_client_sends(probe, address):
    server = probe("--log-format", '{"uri": "%(uri)", "agent": "%(uagent)", "status": %(status)}', "--log-format-strftime")
    raw(address, encode("GET", '/one?"\\', [("Connection", "close"), ("User-Agent", 'a"b\\c\te')]))
    found = json.loads(server.wait_log(r'^\{"uri": .*one.*\}$')[0])
    assert found == {"uri": '/one?"\\', "agent": 'a"b\\c\te', "status": 200}


@own(reason="it has no such option")
def test_every_line_of_a_json_log_is_a_document(probe, address):
    server = probe("--log-json=method,uri,status,user,micros,isotime,myvar,var.HTTP_X_OWN")
    http.get(address, '/errors?"\\', [("X-Own", 'a"b')])
    server.wait_log("to stdout")
    server.wait_log(r'"uri":"/errors')
    documents = [json.loads(line) for line in server.log.splitlines()]
    lines = [document for document in documents if "method" in document and document["uri"].startswith("/errors")]
    assert lines == [
        {"method": "GET", "uri": '/errors?"\\', "status": 200, "user": None, "myvar": None, "var.HTTP_X_OWN": 'a"b'}
        | {name: lines[0][name] for name in ("micros", "isotime")}
    ]
    assert isinstance(lines[0]["micros"], int) and re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}$", lines[0]["isotime"])
    assert any(document.get("message") == "to stdout" for document in documents)


@own(reason="it has no such option")
def test_strftime_in_a_format_leaves_the_client_alone(probe, address):
    server = probe("--log-format", "%Y|%(uri)|%%", "--logformat-strftime")
    http.get(address, "/one?%Y")
    server.wait_log(r"^20\d\d\|/one\?%Y\|%$")


def test_log_micros_counts_in_microseconds(probe, address):
    server = probe("--log-micros")
    http.get(address, "/slow?s=0.3")
    found = server.wait_log(r"/slow\S* => generated \d+ bytes in (\d+) micros")
    assert 290_000 <= int(found[1]) < 1_500_000


@pytest.mark.parametrize("option, wanted, unwanted", [("--log-sendfile", "/file?path={probe}", "/one?x"), ("--log-zero", "/empty?x", "/one?x"), ("--log-big=300", "/many?n=500", "/one?x")])
@own(reason="its options have other forms")
def test_disabled_logging_can_show_other_requests(probe, address, option, wanted, unwanted):
    server = probe("--disable-logging", option)
    wanted = wanted.format(probe=APPS / "probe.py")
    http.get(address, unwanted)
    http.get(address, wanted)
    server.wait_log(re.escape(wanted) + " =>")
    assert unwanted not in server.log


@own(reason="it writes such a line for each piece")
def test_log_ioerror_shows_clients_that_left(probe, address):
    import socket

    from harness.address import connect

    server = probe("--disable-logging", "--log-ioerror")
    http.get(address, "/one?x")
    with connect(address) as link:
        link.sendall(encode("GET", "/many?n=20000"))
        link.recv(1000)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.wait_log("/many")
    with connect(address) as link:
        link.sendall(encode("POST", "/size?cut", [("Content-Length", "10"), ("Expect", "100-continue")]))
        link.recv(1000)
        link.shutdown(socket.SHUT_WR)
    server.wait_log("/size.cut")
    assert "/one?x" not in server.log


def test_logto_receives_everything(probe, address, tmp_path):
    path = tmp_path / "all.log"
    server = probe("--logto", path)
    http.get(address, "/errors")
    http.get(address, "/one?in-the-file")
    until(lambda: "in-the-file" in path.read_text() and "to stdout" in path.read_text(), 10, "the lines in the file")
    assert "in-the-file" not in server.log


@own(reason="it truncates nothing, but opens otherwise")
def test_logto_appends(probe, address, tmp_path):
    path = tmp_path / "all.log"
    path.write_text("what was there\n")
    probe("--logto", path)
    http.get(address, "/one?later")
    until(lambda: "later" in path.read_text(), 10, "the line")
    assert path.read_text().startswith("what was there\n")


def test_req_logger_receives_request_lines_only(probe, address, tmp_path):
    path = tmp_path / "requests.log"
    server = probe("--req-logger", f"file:{path}")
    http.get(address, "/errors")
    http.get(address, "/one?in-the-file")
    until(lambda: path.exists() and "in-the-file" in path.read_text(), 10, "the line in the file")
    server.wait_log("^to stdout$")
    assert "in-the-file" not in server.log and "to stdout" not in path.read_text()


def test_logger_receives_the_lines(probe, address, tmp_path):
    path = tmp_path / "app.log"
    probe("--logger", f"file:{path}")
    http.get(address, "/errors")
    until(lambda: path.exists() and "to stdout" in path.read_text(), 10, "the line in the file")


def test_log_maxsize_rotates(probe, address, tmp_path):
    path = tmp_path / "all.log"
    probe("--logto", path, "--log-maxsize", "5000", "--log-master")
    for number in range(80):
        http.get(address, f"/one?number-{number}")
    until(lambda: len(list(tmp_path.glob("all.log*"))) > 1, 10, "a rotated file")


@own(reason="it has no such line")
def test_stop_is_said(probe, address):
    server = probe()
    assert server.stop(signal.SIGTERM) == 0
    assert re.search("(?i)stop", server.log)


def test_uncaught_exception_is_logged_once_with_its_place(probe, address):
    server = probe()
    raw(address, encode("GET", "/crash", [("Connection", "close")]))
    server.wait_log("^ValueError: crash on purpose$")
    line_of(server, "/crash")
    assert server.log.count("Traceback (most recent call last)") == 1
    assert server.log.count("ValueError: crash on purpose") == 1
    assert re.search(r'File ".*probe\.py", line \d+, in crash', server.log)
    assert line_of(server, "/crash")["status"] == "500"


@own(reason="it logs each")
def test_client_that_leaves_is_not_an_error_in_the_log(probe, address):
    import socket

    from harness.address import connect

    server = probe()
    for _ in range(3):
        with connect(address) as link:
            link.sendall(encode("GET", "/many?n=500"))
            link.recv(1000)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    http.get(address, "/errors")
    server.wait_log("^to stdout$")
    assert "Traceback" not in server.log and "Broken pipe" not in server.log


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


@own(reason="the wheel of it knows no regular expressions")
def test_named_loggers_get_what_is_routed_to_them(probe, address, tmp_path):
    every, errors, api, rest = (tmp_path / name for name in ("all", "errors", "api", "rest"))
    probe(
        *("--logger", f"file:{every}", "--logger", f"errors file:{errors}", "--log-route", "errors ^ValueError"),
        *("--req-logger", f"file:{rest}", "--req-logger", f"api file:{api}", "--log-req-route", r"api GET /one\?api"),
        *("--log-req-drain", "are-you-there", "--log-drain", "^Traceback"),
    )
    raw(address, encode("GET", "/crash?1", [("Connection", "close")]))
    http.get(address, "/one?api")
    http.get(address, "/one?other")
    until(lambda: lines(api) and lines(errors) and len(lines(rest)) == 2, 10, "the lines")
    assert [re.search(r"GET (\S+)", line)[1] for line in lines(rest)] == ["/crash?1", "/one?other"]
    assert [re.search(r"GET (\S+)", line)[1] for line in lines(api)] == ["/one?api"]
    assert lines(errors) == ["ValueError: crash on purpose"]
    assert any(line.startswith("margrave: serves") for line in lines(every))
    assert not [line for line in lines(every) if line.startswith(("Traceback", "ValueError"))]


def test_encoders_change_lines(probe, address, tmp_path):
    path, requests = tmp_path / "log", tmp_path / "requests"
    probe(
        *("--logger", f"file:{path}", "--log-encoder", 'json {"at":${unix},"m":"${msg}"}', "--log-encoder", "nl"),
        *("--req-logger", f"file:{requests}", "--log-req-encoder", "prefix A ", "--log-req-encoder", "format <${msg}>", "--log-req-encoder", "nl"),
    )
    http.get(address, "/errors")
    until(lambda: any('"to stdout"' in line for line in lines(path)) and "/errors" in (requests.read_text() if requests.exists() else ""), 10, "the lines")
    for line in lines(path):
        assert set(json.loads(line)) == {"at", "m"}
    assert all(re.match(r"<A \[pid: .*\)>$", line) for line in lines(requests))


def datagrams(kind, target):
    import socket

    server = socket.socket(kind, socket.SOCK_DGRAM)
    server.bind(target)
    server.settimeout(10)
    return server


def received(server, part):
    """The first datagram that has `part` in it."""
    while True:
        data = server.recv(65536)
        if part in data:
            return data


def test_loggers_of_the_network_get_the_lines(probe, address, tmp_path):
    import socket

    udp, remote = (datagrams(socket.AF_INET, ("127.0.0.1", 0)) for _ in range(2))
    with udp, remote:
        probe(
            *("--logger", f"socket:127.0.0.1:{udp.getsockname()[1]},PRE"),
            *("--logger", f"rsyslog:127.0.0.1:{remote.getsockname()[1]},me"),
        )
        http.get(address, "/errors")
        assert received(udp, b"to stdout") == b"PREto stdout\n"
        assert re.fullmatch(rb"<29>\w{3} [ \d]\d \d\d:\d\d:\d\d me: to stdout", received(remote, b"to stdout"))


@own(reason="it has no such logger without a plugin")
def test_a_command_gets_the_lines_and_is_started_again(probe, address, tmp_path):
    path, pids = tmp_path / "log", tmp_path / "pids"
    probe("--logger", f"pipe:echo $$ >> {pids}; exec cat >> {path}")
    http.get(address, "/one?first")
    until(lambda: "first" in "".join(lines(path)), 10, "the line")
    os.kill(int(lines(pids)[0]), signal.SIGKILL)
    until(lambda: http.get(address, "/one?again") and "again" in "".join(lines(path)), 10, "a line after the restart")
    assert len(lines(pids)) == 2


@own(reason="its worker waits for whoever reads")
@pytest.mark.parametrize("more", [(), ("--log-master",), ("--disable-logging",)], ids=["direct", "log-master", "no requests"])
def test_a_log_that_nobody_reads_stops_no_request(under_test, address, tmp_path, more):
    """Standard error is a pipe that is full and whose reader has stopped."""
    import fcntl
    import subprocess

    from harness.server import clean_environment

    read, write = os.pipe()
    process = subprocess.Popen(
        [under_test.executable, "--http-socket", address, *WORDS, "--processes", "2", *more],
        env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write, cwd=tmp_path,
    )
    try:
        until(lambda: _answers(address), 20, "the server")
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)
        except BlockingIOError:
            pass
        fcntl.fcntl(write, fcntl.F_SETFL, fcntl.fcntl(write, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        for number in range(3000):
            assert http.get(address, f"/one?{number}-{'long' * 250}").status == 200
        process.send_signal(signal.SIGHUP)
        for number in range(200):
            assert http.get(address, f"/one?{number}").status == 200
        if not more:
            # Who reads again is told what has been lost.
            def drained():
                return b"log lines of worker" in os.read(read, 1 << 20) or (http.get(address, "/one") and False)

            until(drained, 20, "the sentence about lost lines")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(read)
        os.close(write)


def _answers(address):
    try:
        return http.get(address, "/one").status == 200
    except OSError:
        return False


@own(reason="it does otherwise")
@pytest.mark.parametrize("option", ["--logto", "--req-logger", "--logger"])
def test_a_full_disk_stops_no_request(probe, address, option):
    server = probe(option, "/dev/full" if option == "--logto" else "file:/dev/full")
    for number in range(50):
        assert http.get(address, f"/one?{number}").status == 200
    assert server.running()
    assert server.stop(signal.SIGTERM) == 0
