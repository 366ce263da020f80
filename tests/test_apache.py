"""Apache in front: mod_proxy_http, mod_proxy_uwsgi, mod_proxy_fcgi and mod_proxy_scgi."""
import json
import signal

import pytest
from conftest import APPS
from harness import http
from harness.address import connect, free_address
from harness.apache import FCGI_PATH, SCGI_PATH, Apache, proxy_pass
from harness.http import Reader, encode
from harness.load import Load
from harness.waiting import until
from harness.witness import Witness

pytestmark = pytest.mark.needs_apache
own = pytest.mark.margrave_only
TRANSPORTS = ["http", "http-closed", "uwsgi", "uwsgi-kept", "fcgi", "fcgi-kept", "scgi"]
transports = pytest.mark.parametrize("transport", TRANSPORTS)


class Site:
    """A server with sockets of every kind, and Apache in front of them."""

    def __init__(self, directory, start, app):
        self.witness = Witness(directory / "notes")
        places = {option: free_address() for option in ("http-socket", "socket", "fastcgi-socket", "scgi-socket")}
        named = [word for option, address in places.items() for word in (f"--{option}", address)]
        self.server = start(
            "--chdir", APPS, "--wsgi-file", app, "--master", "--processes", "2", "--threads", "2", *named,
            ready=list(places.values()), serving=places["http-socket"], env={"WITNESS_NOTES": str(self.witness.path)},
        )  # fmt: skip
        self.hosts = {
            "http": proxy_pass("http", places["http-socket"]),
            "http-closed": proxy_pass("http", places["http-socket"], "disablereuse=on", "SetEnv proxy-sendchunked 1"),
            "uwsgi": proxy_pass("uwsgi", places["socket"]),
            "uwsgi-kept": proxy_pass("uwsgi", places["socket"], "enablereuse=on"),
            "fcgi": proxy_pass("fcgi", places["fastcgi-socket"], "", FCGI_PATH),
            "fcgi-kept": proxy_pass("fcgi", places["fastcgi-socket"], "enablereuse=on", FCGI_PATH),
            "scgi": proxy_pass("scgi", places["scgi-socket"], "", SCGI_PATH),
        }

    def send(self, transport, method="GET", target="/", fields=(), body=None):
        return http.request(self.addresses[transport], method, target, fields, body)


def behind(site, directory):
    with Apache(directory, site.hosts) as front:
        front.begin()
        site.addresses = front.addresses
        yield site


@pytest.fixture(scope="module")
def probe(module_directory, serve_module):
    yield from behind(Site(module_directory, serve_module, "probe.py"), module_directory / "apache-probe")


@pytest.fixture(scope="module")
def seen(module_directory, serve_module):
    yield from behind(Site(module_directory, serve_module, "witness.py"), module_directory / "apache-witness")


@transports
def test_environ_is_that_of_the_client_s_request(seen, transport):
    # mod_proxy_scgi passes an escaped path on as it is, and takes a wrong part of it for the script's name.
    escaped = transport != "scgi"
    answer = seen.send(transport, "GET", f"/{'a%20b' if escaped else 'ab'}/c?d=%20e&f", [("X-Own", "1"), ("Host", "site.test"), ("Cookie", "a=b")])
    environ = json.loads(answer.body)["environ"]
    expected = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/a b/c" if escaped else "/ab/c", "QUERY_STRING": "d=%20e&f", "SCRIPT_NAME": "", "HTTP_X_OWN": "1", "HTTP_COOKIE": "a=b",
        "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http",
    }  # fmt: skip
    assert {name: environ.get(name) for name in expected} == expected
    if not transport.startswith("http"):
        assert environ["HTTP_HOST"] == "site.test"


@transports
@pytest.mark.parametrize("target, status, body", [
    ("/one", 200, b"one piece"),
    ("/empty", 200, b""),
    ("/generator", 200, b"0,1,2,3,4,"),
    ("/writer", 200, b"written first, then returned"),
    ("/status?code=404", 404, b"body that must not be sent for some"),
    ("/status?code=204", 204, b""),
    ("/file_like", 200, b"0123456789" * 10),
    ("/big?n=3000000", 200, b"0123456789abcdef" * 187500),
    ("/many?n=30", 200, b"x" * 65536 * 30),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_answer_reaches_the_client_whole(probe, transport, target, status, body):
    for _ in range(3):
        answer = probe.send(transport, "GET", target)
        assert (answer.status, answer.body == body) == (status, True)


@transports
@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
def test_body_reaches_the_application_whole(probe, transport, size):
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    assert probe.send(transport, "POST", "/echo", body=body).body == body


@own(reason="a chunked body arrives empty")
@transports
def test_body_in_chunks_reaches_the_application_whole(probe, transport):
    with connect(probe.addresses[transport]) as link:
        link.sendall(encode("POST", "/echo", [("Transfer-Encoding", "chunked")]))
        for piece in (b"hello ", b"w" * 50_000, b"orld"):
            link.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        link.sendall(b"0\r\n\r\n")
        if transport.startswith(("uwsgi", "scgi")):
            assert Reader(link).response().status == 411, "these modules want a length, and say so"
            return
        assert Reader(link).response().body == b"hello " + b"w" * 50_000 + b"orld"


@transports
def test_connection_of_the_client_is_kept(probe, transport):
    with connect(probe.addresses[transport]) as link:
        reader = Reader(link)
        for target in ("/one", "/generator", "/one"):
            link.sendall(encode("GET", target))
            assert reader.response().status == 200
        link.sendall(encode("HEAD", "/one") + encode("GET", "/one"))
        assert reader.response("HEAD").body == b""
        assert reader.response().body == b"one piece"


@own(reason="it answers nothing")
@transports
def test_failure_of_the_application_is_seen(probe, transport):
    assert probe.send(transport, "GET", "/crash").status == 500
    assert probe.send(transport, "GET", "/one").body == b"one piece"


@own(reason="it ends the answer as if it were complete")
@pytest.mark.parametrize("transport", ["http", "http-closed"])
def test_answer_that_breaks_off_does_not_look_complete(probe, transport):
    with pytest.raises(http.Broken):
        probe.send(transport, "GET", "/crash_generator")
    assert probe.send(transport, "GET", "/one").body == b"one piece"


@own(reason="it breaks the connection")
@transports
def test_body_that_the_application_leaves_unread_breaks_nothing(probe, transport):
    for _ in range(3):
        assert probe.send(transport, "POST", "/unread", body=b"z" * 500_000).body == b"not read"


@own(reason="it drops requests at a reload")
@pytest.mark.parametrize("transport", ["http", "uwsgi", "fcgi-kept", "scgi"])
def test_reload_under_load_loses_no_request(tmp_path, serve, transport):
    for site in behind(Site(tmp_path, serve, "probe.py"), tmp_path / "apache"):
        with Load(site.addresses[transport]) as load:
            for _ in range(3):
                until(load.bodies, 20, "a first answer")
                known = load.bodies()
                site.server.send(signal.SIGHUP)
                until(lambda: load.bodies() - known, 20, "an answer of a new worker")
        load.check()
