"""Every protocol behind a real nginx, and the PROXY protocol: what the application gets and the client sees."""
import shutil
import signal

import pytest
import site_flows
from conftest import APPS
from harness import http, nginx
from harness.address import connect, free_address
from harness.browser import Browser
from harness.http import Reader, encode
from harness.load import Load
from harness.site import EXAMPLES
from harness.waiting import until

TRANSPORTS = [
    "fastcgi-unix", "fastcgi-kept", "fastcgi-unbuffered", "scgi", "scgi-nph", "uwsgi", "uwsgi-unix", "proxy", "proxy-kept", "proxy-unbuffered",
]  # fmt: skip
transports = pytest.mark.parametrize("transport", TRANSPORTS)
needs_nginx = pytest.mark.needs_nginx
own = pytest.mark.margrave_only


class Gateways:
    """An application behind sockets of every kind, and nginx in front of those."""

    def __init__(self, directory, start, *arguments):
        self.http = free_address()
        self.sockets = {
            "fastcgi-socket": [str(directory / "fastcgi.sock"), free_address()],
            "scgi-socket": [free_address()],
            "scgi-nph-socket": [free_address()],
            "uwsgi-socket": [str(directory / "uwsgi.sock"), free_address()],
        }
        named = [word for option, addresses in self.sockets.items() for address in addresses for word in ("--" + option, address)]
        self.server = start(
            *arguments, "--master", "--processes", "2", "--threads", "2", "--http-socket", self.http, "--enable-proxy-protocol",
            *named, ready=[address for addresses in self.sockets.values() for address in addresses], serving=self.http,
        )  # fmt: skip

    def front(self, directory):
        unix, tcp = self.sockets["fastcgi-socket"]
        locations = {
            "fastcgi-unix": nginx.fastcgi_pass(unix),
            "fastcgi-kept": nginx.fastcgi_pass("kept", "fastcgi_keep_conn on;"),
            "fastcgi-unbuffered": nginx.fastcgi_pass(tcp, "fastcgi_request_buffering off; fastcgi_buffering off;"),
            "scgi": nginx.scgi_pass(self.sockets["scgi-socket"][0]),
            "scgi-nph": nginx.scgi_pass(self.sockets["scgi-nph-socket"][0]),
            "uwsgi": nginx.uwsgi_pass(self.sockets["uwsgi-socket"][1]),
            "uwsgi-unix": nginx.uwsgi_pass(self.sockets["uwsgi-socket"][0]),
            "proxy": nginx.proxy_pass(self.http),
            "proxy-kept": nginx.proxy_pass("http-kept", keepalive=True),
            "proxy-unbuffered": "proxy_request_buffering off; proxy_buffering off; " + nginx.proxy_pass(self.http, keepalive=True),
        }
        return nginx.Nginx(directory, locations, {"kept": tcp, "http-kept": self.http})

    def send(self, transport, method="GET", target="/", fields=(), body=None):
        return http.request(self.nginx.addresses[transport], method, target, fields, body)


def behind_nginx(gateways, directory):
    with gateways.front(directory) as front:
        front.begin()
        gateways.nginx = front
        yield gateways


@pytest.fixture(scope="module")
def probe(module_directory, serve_module):
    gateways = Gateways(module_directory, serve_module, "--chdir", APPS, "--wsgi-file", "probe.py")
    yield from behind_nginx(gateways, module_directory / "nginx-probe")


@pytest.fixture(scope="module")
def flask(module_directory, serve_module):
    site = module_directory / "flask"
    shutil.copytree(EXAMPLES / "flask-app", site, ignore=shutil.ignore_patterns("*.sqlite3*", "__pycache__"))
    gateways = Gateways(site, serve_module, "--chdir", site, "--module", "app:create_app()")
    yield from behind_nginx(gateways, module_directory / "nginx-flask")


@needs_nginx
@transports
def test_environ_is_what_nginx_sent(probe, transport):
    seen = probe.send(transport, "GET", "/environ?a=%20b&c", [("X-Own", "1"), ("Host", "site.test")]).json()["environ"]
    expected = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/environ", "QUERY_STRING": "a=%20b&c", "SERVER_PROTOCOL": "HTTP/1.0" if transport == "proxy" else "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "site.test", "HTTP_X_OWN": "1", "wsgi.url_scheme": "http",
    }  # fmt: skip
    assert {name: seen.get(name) for name in expected} == expected
    if transport.startswith("scgi"):
        assert (seen["SCGI"], seen["CONTENT_LENGTH"]) == ("1", "0")


@needs_nginx
@transports
@pytest.mark.parametrize("target, status, body", [
    ("/one", 200, b"one piece"),
    ("/empty", 200, b""),
    ("/generator", 200, b"0,1,2,3,4,"),
    ("/writer", 200, b"written first, then returned"),
    ("/status?code=404", 404, b"body that must not be sent for some"),
    ("/file_like", 200, b"0123456789" * 10),
    ("/big?n=3000000", 200, b"0123456789abcdef" * 187500),
    ("/many?n=30", 200, b"x" * 65536 * 30),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_answer_reaches_the_client_whole(probe, transport, target, status, body):
    for _ in range(3):
        answer = probe.send(transport, "GET", target)
        assert (answer.status, answer.body == body) == (status, True)


@needs_nginx
@transports
@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
def test_body_reaches_the_application_whole(probe, transport, size):
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    assert probe.send(transport, "POST", "/echo", body=body).body == body


@own(reason="its FastCGI body ends with CONTENT_LENGTH, which nginx does not know when it passes chunks on")
@needs_nginx
@transports
def test_body_in_chunks_reaches_the_application_whole(probe, transport):
    with connect(probe.nginx.addresses[transport]) as link:
        link.sendall(encode("POST", "/echo", [("Transfer-Encoding", "chunked")]))
        for piece in (b"hello ", b"w" * 100_000, b"orld"):
            link.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        link.sendall(b"0\r\n\r\n")
        assert Reader(link).response().body == b"hello " + b"w" * 100_000 + b"orld"


@needs_nginx
@transports
def test_head_has_no_body(probe, transport):
    answer = probe.send(transport, "HEAD", "/one")
    assert (answer.status, answer.body) == (200, b"")


@own(reason="it answers nothing")
@needs_nginx
@transports
def test_failure_of_the_application_is_seen(probe, transport):
    assert probe.send(transport, "GET", "/crash").status == 500
    assert probe.send(transport, "GET", "/one").body == b"one piece"


@own(reason="it ends the answer as if it were complete")
@needs_nginx
@pytest.mark.parametrize("transport", ["fastcgi-unix", "fastcgi-kept", "proxy-kept", "proxy-unbuffered"])
def test_answer_that_breaks_off_does_not_look_complete(probe, transport):
    with pytest.raises(http.Broken):
        probe.send(transport, "GET", "/crash_generator")
    assert probe.send(transport, "GET", "/one").body == b"one piece"


@own(reason="it uses no STDERR")
@needs_nginx
def test_failure_is_in_the_log_of_nginx(probe):
    probe.send("fastcgi-unix", "GET", "/crash")
    until(lambda: "FastCGI sent in stderr: " in probe.nginx.log, 10, lambda: probe.nginx.log)


@needs_nginx
@transports
@pytest.mark.parametrize("flow", site_flows.FLASK, ids=lambda flow: flow.__name__)
def test_flask_flow_works(flask, transport, flow, under_test):
    if under_test.name == "uwsgi" and flow is site_flows.too_large:
        pytest.skip("uWSGI cuts the connection when the application leaves the body unread")
    flow(Browser(lambda *words: http.request(flask.nginx.addresses[transport], *words, host="127.0.0.1")))


@own(reason="it drops requests at a reload")
@needs_nginx
@pytest.mark.parametrize("transport", ["fastcgi-unix", "fastcgi-kept", "scgi", "uwsgi", "proxy-kept"])
def test_reload_under_load_loses_no_request(tmp_path, serve, transport):
    gateways = Gateways(tmp_path, serve, "--chdir", APPS, "--wsgi-file", "probe.py")
    with gateways.front(tmp_path / "nginx") as front:
        front.begin()
        with Load(front.addresses[transport]) as load:
            for _ in range(3):
                until(load.bodies, 20, "a first answer")
                seen = load.bodies()
                gateways.server.send(signal.SIGHUP)
                until(lambda: load.bodies() - seen, 20, "an answer of a new worker")
        load.check()


@own(reason="it knows version 1 alone, and closes after each answer")
@pytest.mark.parametrize("head, client", [
    (b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 80\r\n", "203.0.113.9"),
    (b"PROXY TCP6 2001:db8::9 2001:db8::1 4000 80\r\n", "2001:db8::9"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\2\1\x0f\xa0\0\x50", "203.0.113.9"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (b"", "127.0.0.1"),
], ids=["v1", "v1-ipv6", "v2", "unknown", "none"])  # fmt: skip
def test_proxy_protocol_names_the_client(probe, head, client):
    with connect(probe.http) as link:
        link.sendall(head)
        for _ in range(2):
            link.sendall(encode("GET", "/environ"))
            assert Reader(link).response().json()["environ"]["REMOTE_ADDR"] == client


@own(reason="it takes what looks like a header for a request")
def test_bad_proxy_protocol_is_refused(probe):
    assert http.raw(probe.http, b"PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n" + encode("GET", "/one")).startswith(b"HTTP/1.1 400 ")
