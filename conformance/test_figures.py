"""What tools read: the document of the stats server, the names of metrics, the lines of the log."""
import json
import re
from pathlib import Path

import pytest
from harness import http
from harness.address import connect, free_address
from harness.server import Server
from harness.waiting import until

APP = """
def application(environ, start_response):
    start_response("404 Not Found" if environ["PATH_INFO"] == "/404" else "200 OK", [("Content-Type", "text/plain"), ("X-Own", "1")])
    return [b"hi\\n"]
"""
# Parts of the document that only one of them has, each with its reason.
ONLY_UWSGI = {
    "locks[].signal": "Margrave has no lock for it",
    "locks[].filemon": "Margrave has no lock for it",
    "locks[].timer": "Margrave has no lock for it",
    "locks[].rbtimer": "Margrave has no lock for it",
    "locks[].cron": "Margrave has no lock for it",
    "locks[].rpc": "Margrave has no lock for it",
    "locks[].snmp": "Margrave has no lock for it",
    "locks[].metrics": "Margrave has no lock for it",
}


@pytest.fixture
def both(request, tmp_path):
    """Starts both servers with the same words; gives their names, servers and addresses."""
    (tmp_path / "app.py").write_text(APP)
    running = []

    def start(*words):
        found = []
        for name in ("uwsgi", "margrave"):
            place, stats = free_address(), free_address()
            executable = Path(request.config.getoption(f"--{name}")).absolute()
            command = [executable, "--master", "--http-socket", place, "--stats", stats, "--wsgi-file", "app.py", "--need-app", *words]
            server = Server(command, tmp_path, {}, name=name).start()
            running.append(server)
            server.wait_ready(place, stats).wait_serving(place)
            found.append((name, server, place, stats))
        return found

    yield start
    for server in running:
        server.end()


def document(stats):
    with connect(stats) as link:
        data = b""
        while piece := link.recv(65536):
            data += piece
    return json.loads(data)


def keys(value, path=""):
    """Every key with its place and the kind of its value; a list counts as its elements."""
    if isinstance(value, dict):
        return set().union(*(keys(item, f"{path}.{key}" if path else key) for key, item in value.items())) | {path}
    if isinstance(value, list):
        return set().union(*(keys(item, f"{path}[]") for item in value)) | {path}
    return {path, f"{path} is {'text' if isinstance(value, str) else 'number'}"}


@pytest.mark.parametrize("words", [(), ("--enable-metrics",), ("--stats-no-cores",), ("--enable-metrics", "--stats-no-metrics"), ("--enable-metrics", "--metrics-no-cores", "--processes", "2")], ids=" ".join)
def test_documents_have_the_same_keys(both, words):
    seen = {}
    for name, _, place, stats in both(*words):
        http.get(place, "/one")
        seen[name] = keys(until(lambda s=stats: rested(document(s)), 10, "a request that is over"))
    missing = {key for key in seen["uwsgi"] - seen["margrave"] if key.removesuffix(" is number") not in ONLY_UWSGI}
    assert not missing
    assert not seen["margrave"] - seen["uwsgi"]


def rested(found):
    """The document when requests were answered and none runs, which would have keys of its own."""
    workers = found["workers"]
    runs = any(core["in_request"] for worker in workers for core in worker.get("cores", ()))
    busy = runs or any(worker["status"] == "busy" for worker in workers)
    return found if sum(worker["requests"] for worker in workers) >= 2 and not busy else None


def request_lines(server, count):
    """Request lines without what differs from run to run."""
    pattern = r"^(?:\[pid: |<<|\{address).* /(?:one|404|post)\b.*$|^<</(?:one|404|post)\b.*$"
    server.wait_log(pattern, count=count)
    return [re.sub(r"\d+", "N", line) for line in re.findall(pattern, server.log, re.MULTILINE)]


@pytest.mark.parametrize("words", [
    (),
    ("--log-micros",),
    ("--disable-logging", "--log-4xx"),
    ("--memory-report",),
    ("--log-format", "<<%(addr) %(user) %(method) %(uri) %(proto) %(status) %(size) %(rsize) %(hsize) %(cl) %(headers) %(switches) %(core) %(modifier1) %(werr) %(rerr) %(ioerr)>>"),
    ("--log-format", "<<%(uri) [%(ltime)] [%(ctime)] [%(ftime)] %(time) %(epoch) %(tmsecs) %(tmicros) %(msecs) %(micros) %(secs) %(uagent) %(referer) %(host) %(no-such)>>"),
], ids=lambda words: " ".join(words)[:60])
def test_request_lines_have_the_same_form(both, words):
    seen = {}
    count = 1 if "--disable-logging" in words else 3
    for name, server, place, _ in both(*words):
        for method, target in (("GET", "/one?x=1"), ("GET", "/404"), ("POST", "/post")):
            http.request(place, method, target, [("User-Agent", "t/1"), ("Host", "h")], b"abc" if method == "POST" else None)
        seen[name] = request_lines(server, count)
    assert seen["margrave"] == seen["uwsgi"]
