"""`margrave request`: the client for all protocols, against this server and against servers that misbehave."""
import json
import socket
import struct
import subprocess
import threading
import time

import pytest
from conftest import APPS
from harness.address import free_abstract, free_address, free_port
from harness.server import clean_environment
from harness.witness import Witness

pytestmark = pytest.mark.margrave_only(reason="it has no client")
PROTOCOLS = ["http", "uwsgi", "fastcgi", "scgi"]
KINDS = ["tcp", "ipv6", "unix", "abstract"]


@pytest.fixture(scope="module")
def site(serve_module, module_directory):
    found = Witness(module_directory / "notes")
    found.at, words = {}, []
    for protocol in PROTOCOLS:
        option = {"http": "--http-socket", "uwsgi": "--socket"}.get(protocol, f"--{protocol}-socket")
        made = {
            "tcp": free_address(), "ipv6": f"[::1]:{free_port('::1')}", "unix": str(module_directory / f"{protocol}.sock"),
            "abstract": free_abstract(protocol),
        }  # fmt: skip
        found.at.update({(protocol, kind): address for kind, address in made.items()})
        words += [word for address in made.values() for word in (option, address)]
    serve_module(
        "--chdir", APPS, "--wsgi-file", "witness.py", "--master", "--processes", "2", "--threads", "2", *words,
        ready=list(found.at.values()), env={"WITNESS_NOTES": str(found.path)},
    )  # fmt: skip
    return found


@pytest.fixture
def ask(under_test):
    """Runs `margrave request`: its exit code, standard output and standard error."""

    def run(*words, data=b"", cwd=None):
        done = subprocess.run(
            [under_test.executable, "request", *map(str, words)], input=data, capture_output=True, timeout=60, cwd=cwd, env=clean_environment()
        )
        return done.returncode, done.stdout, done.stderr.decode()

    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_request_is_made_over_every_protocol_and_kind_of_address(site, ask, protocol, kind):
    site.new()
    code, out, error = ask(f"--{protocol}", site.at[protocol, kind], "/a%20b?c=d", "-H", "X-Own: v", "-d", "hello")
    assert (code, error) == (0, "")
    (note,) = site.new()
    assert json.loads(out) == note
    expected = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/a b", "QUERY_STRING": "c=d", "REQUEST_URI": "/a%20b?c=d", "HTTP_X_OWN": "v",
        "CONTENT_LENGTH": "5", "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }  # fmt: skip
    assert {name: note["environ"].get(name) for name in expected} == expected
    assert note["body"] == "hello"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_exchange_is_shown(site, ask, protocol):
    code, out, shown = ask("-v", f"--{protocol}", site.at[protocol, "tcp"], "/answer?pieces=5&status=404%20Gone%20away&field=X-Own:v")
    assert (code, out) == (0, b"aaaaa")
    lines = shown.splitlines()
    assert lines[0].startswith(f"* connected to {site.at[protocol, 'tcp']} for ")
    sent = {
        "http": ["> GET /answer?pieces=5&status=404%20Gone%20away&field=X-Own:v HTTP/1.1"],
        "uwsgi": ["> a uwsgi packet: modifier1 0, modifier2 0, ", "> PATH_INFO = /answer"],
        "fastcgi": ["> BEGIN_REQUEST: id 1, responder", "> PARAMS: ", "> REQUEST_METHOD = GET"],
        "scgi": ["> an SCGI netstring: ", "> SCGI = 1", "> CONTENT_LENGTH = 0"],
    }[protocol]
    came = ["< HTTP/1.1 404 Gone away" if protocol in ("http", "uwsgi") else "< Status: 404 Gone away", "< X-Own: v", "* 5 bytes of body after "]
    if protocol == "fastcgi":
        came.insert(2, "< END_REQUEST: application status 0, REQUEST_COMPLETE")
    for start in sent + came:
        assert any(line.startswith(start) for line in lines), f"no {start!r} in\n{shown}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_come_from_a_file_and_from_standard_input(site, ask, tmp_path, protocol):
    body = bytes(range(256)) * 2000
    (tmp_path / "data").write_bytes(body)
    for words, data in ((["-d", "@data"], b""), (["-d", "-"], body)):
        code, out, error = ask(f"--{protocol}", site.at[protocol, "tcp"], "/x", "-X", "PUT", *words, data=data, cwd=tmp_path)
        assert (code, error) == (0, "")
        note = json.loads(out)
        assert note["body"].startswith(f"{len(body)}:") and note["environ"]["REQUEST_METHOD"] == "PUT"


@pytest.mark.parametrize("protocol", ["uwsgi", "fastcgi", "scgi"])
def test_variables_are_set(site, ask, protocol):
    code, out, _ = ask(f"--{protocol}", site.at[protocol, "unix"], "/x", "--var", "SCRIPT_NAME=/app", "--var", "PATH_INFO=/other", "--var", "REMOTE_USER=bob")
    environ = json.loads(out)["environ"]
    assert (code, environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["REMOTE_USER"]) == (0, "/app", "/other", "bob")


def test_head_is_printed_when_wanted(site, ask):
    _, out, _ = ask("-i", site.at["http", "tcp"], "/answer?pieces=3&field=X-Own:v")
    head, _, body = out.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\nX-Own: v" in head and body == b"aaa"
    _, out, _ = ask("-I", site.at["http", "tcp"], "/answer?pieces=3")
    assert out.startswith(b"HTTP/1.1 200 OK\r\n") and out.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_large_answer_comes_whole(site, ask, protocol):
    for how in ("list", "generator"):
        code, out, _ = ask(f"--{protocol}", site.at[protocol, "tcp"], f"/answer?how={how}&pieces=3000000")
        assert (code, out == b"a" * 3_000_000) == (0, True)


def test_modifiers_are_uwsgis(site, ask):
    address = site.at["uwsgi", "tcp"]
    assert ask("--uwsgi", address, "/", "--modifier1", "100")[:2] == (0, b"pong\n")
    code, out, shown = ask("-v", "--uwsgi", address, "/", "--modifier1", "5")
    assert (code, out) == (0, b"501 Not Implemented\n") and "modifier1 5, modifier2 0" in shown
    assert json.loads(ask("--uwsgi", address, "/", "--modifier1", "30", "--modifier2", "7")[1])["environ"]["PATH_INFO"] == "/"


def test_failure_of_the_application_is_seen_in_its_own_words(site, ask):
    code, out, shown = ask("-v", "--fastcgi", site.at["fastcgi", "tcp"], "/answer?how=fail-first")
    assert (code, out) == (0, b"Internal Server Error\n")
    assert "< STDERR: the application failed" in shown


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_error_status_is_an_error_when_wanted(site, ask, protocol):
    address = site.at[protocol, "tcp"]
    assert ask("-f", f"--{protocol}", address, "/answer?status=404%20No&pieces=3") == (22, b"aaa", "margrave: error: the status is 404\n")
    assert ask("-f", f"--{protocol}", address, "/answer?pieces=3")[0] == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_answer_that_breaks_off_is_an_error(site, ask, protocol):
    code, out, error = ask(f"--{protocol}", site.at[protocol, "tcp"], "/answer?how=fail-later&pieces=3&field=Content-Length:9")
    assert (code, out) == (18, b"aaa")
    assert error == "margrave: error: the answer broke off after 3 bytes of its body\n"


class Peer(threading.Thread):
    """A server of one connection that answers these bytes, whatever it is asked, and then closes, waits or resets."""

    def __init__(self, answer, waits=False, resets=False):
        super().__init__(daemon=True)
        self.resets = resets
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.answer, self.waits, self.over = answer, waits, threading.Event()
        self.start()

    def run(self):
        with self.listener, self.listener.accept()[0] as link:
            link.recv(65536)
            if self.resets:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            link.sendall(self.answer)
            if self.waits:
                self.over.wait(20)
            else:
                # A request may come in pieces; one that is not read to its end would make the close a reset.
                link.shutdown(socket.SHUT_WR)
                while link.recv(65536):
                    pass


@pytest.mark.parametrize("words, answer, waits, code, said", [
    (["--http"], b"", False, 52, "closed the connection without an answer; does it speak HTTP?"),
    (["--uwsgi"], b"", False, 52, "closed the connection without an answer; does it speak uwsgi?"),
    (["--fastcgi"], b"", False, 52, "does it speak FastCGI?"),
    (["--http"], b"SSH-2.0-OpenSSH_9\r\n", True, 8, "does not answer in HTTP: the answer begins with neither an HTTP status line nor a CGI field"),
    (["--uwsgi"], b"\x64\0\0\1", True, 8, "does not answer in uwsgi"),
    (["--fastcgi"], b"HTTP/1.1 400 Bad Request\r\n\r\n", True, 8, "does not answer in FastCGI: a FastCGI record is of version 72"),
    (["--scgi"], b"\x01\x06\0\x01\0\0\0\0", True, 8, "does not answer in SCGI"),
    (["--http"], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", False, 18, "broke off after 3 bytes"),
    (["--http"], b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False, 18, "broke off after 3 bytes"),
    (["--http"], b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", True, 8, "a chunk of the body is malformed"),
    (["--http"], b"HTTP/1.1 200 OK\r\nX", False, 18, "broke off after 0 bytes"),
    (["--http"], b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", True, 8, "contradicting"),
    (["--http", "--timeout", "0.2"], b"", True, 28, "no answer from"),
    (["--http", "--timeout", "0.2"], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", True, 28, "not complete after 0.2 s"),
    (["--uwsgi", "--modifier1", "100"], b"HTTP", True, 8, "the answer to a ping is a packet"),
    (["--fastcgi"], b"\x01\x03\0\x01\0\x08\0\0\0\0\0\0\x02\0\0\0", True, 8, "the server refused the request: OVERLOADED"),
], ids=lambda value: repr(value)[:40])  # fmt: skip
def test_server_that_misbehaves_is_told_from_others(ask, words, answer, waits, code, said):
    peer = Peer(answer, waits)
    start = time.monotonic()
    found, _, error = ask(*words, peer.address, "/")
    peer.over.set()
    assert found == code and said in error and error.count("\n") == 1, error
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("words", [["--http"], ["--fastcgi"], ["--uwsgi", "--modifier1", "100"]], ids=lambda words: words[0])
def test_reset_without_an_answer_is_no_answer(ask, words):
    code, _, error = ask(*words, Peer(b"", resets=True).address, "/")
    assert code == 52 and "closed the connection without an answer; does it speak" in error


@pytest.mark.parametrize("answer, body", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcmore", b"abc"),
    (b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2\r\nbc\r\n0\r\nT: v\r\n\r\n", b"abc"),
    (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", b""),
], ids=["more", "interim", "chunks", "204"])  # fmt: skip
def test_answer_ends_where_its_head_says(ask, answer, body):
    """RFC 9112, 6.3: the client does not wait for the end of the connection."""
    peer = Peer(answer, waits=True)
    code, out, error = ask(peer.address, "/")
    peer.over.set()
    assert (code, out, error) == (0, body, "")


def test_nobody_there_is_told(ask, tmp_path):
    address = free_address()
    code, _, error = ask(address, "/")
    assert code == 7 and error.startswith(f"margrave: error: cannot connect to {address}: ") and "nothing listens there" in error
    code, _, error = ask("--uwsgi", tmp_path / "none.sock", "/")
    assert code == 7 and "there is no such socket" in error
    code, _, error = ask("no-such-host.invalid:80", "/")
    assert code == 6 and error.startswith("margrave: error: cannot connect to no-such-host.invalid:80: ")


def test_input_that_does_not_end_does_not_keep_the_client(ask, under_test):
    peer = Peer(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno", waits=True)
    command = [under_test.executable, "request", peer.address, "/", "-d", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment()) as client:
        assert client.stdout.read() == b"no"
        assert client.wait(10) == 0
        client.stdin.close()
    peer.over.set()


@pytest.mark.parametrize("words, said", [
    ([], "the address and the path are missing; usage: margrave request "),
    ([":80"], "the path is missing"),
    ([":80", "/", "--var", "A=b"], "--var is for uwsgi"),
    (["http://h:80", "/"], "is a URL; leave `http://` out"),
    ([":80", "/a b"], "the request does not fit HTTP"),
], ids=lambda value: repr(value)[:40])  # fmt: skip
def test_wrong_arguments_are_told(ask, words, said):
    code, _, error = ask(*words)
    assert code == 2 and error.startswith("margrave: error: ") and said in error


def test_missing_data_are_told(ask, tmp_path):
    code, _, error = ask(free_address(), "/", "-d", "@none", cwd=tmp_path)
    assert code == 26 and "cannot read the data to send from none: " in error


def test_help_says_what_there_is(ask):
    code, out, _ = ask("--help")
    assert code == 0 and out.startswith(b"usage: margrave request ") and b"Exit codes" in out
