"""PEP 3333 against a running server, row by row; whatever an application does, its worker lives."""
import random

import pytest
from conftest import APPS
from harness import http, uwsgi_packets
from harness.address import connect, free_address
from harness.http import Broken, Reader, encode
from harness.waiting import until
from wire_cases import pep3333
from wire_cases.http_answers import in_chunks
from wire_cases.pep3333 import BROKEN

pytestmark = pytest.mark.margrave_only(reason="it does otherwise in a third of them")

GROUPS = {
    "environ": pep3333.ENVIRONS,
    "start_response": pep3333.STARTS,
    "returned": pep3333.RETURNS,
    "write": pep3333.WRITES,
    "raises": pep3333.RAISES,
    "file_wrapper": pep3333.WRAPPERS,
    "input": pep3333.INPUTS,
}
ROWS = [pytest.param(row, id=f"{group}: {row}") for group, rows in GROUPS.items() for row in rows]
SHAPES = {"one thread": ("1", "1", "application"), "two of four": ("2", "4", "through_middleware")}
TRANSPORTS = ["http", "uwsgi"]


class Site:
    """A server with the applications."""

    def __init__(self, start, shape):
        processes, threads, name = SHAPES[shape]
        self.shape, self.http, self.uwsgi = shape, free_address(), free_address()
        self.server = start(
            "--chdir", APPS, "--wsgi-file", "pep3333.py", "--callable", name, "--master", "--processes", processes, "--threads", threads,
            "--http-socket", self.http, "--socket", self.uwsgi, ready=self.uwsgi, serving=self.http,
        )  # fmt: skip
        self.processes, self.workers = int(processes), set()

    def check_workers(self):
        """Nobody has died: no more processes have ever answered than there are."""
        self.workers.add(http.get(self.http, "/check/pid").json())
        assert len(self.workers) <= self.processes, "a worker was replaced"

    def send(self, transport, row):
        if transport == "uwsgi":
            return uwsgi_packets.request(self.uwsgi, row.method, row.target, row.sent, row.data, host="site.test")
        fields, data = [("Connection", "close"), *row.sent], row.data
        if transport == "chunked":
            fields, data = [*fields, ("Transfer-Encoding", "chunked")], in_chunks(data, 2)
        with connect(self.http) as link:
            link.sendall(encode(row.method, row.target, fields, data, host="site.test"))
            return Reader(link).response(row.method)


@pytest.fixture(scope="module", params=SHAPES)
def site(request, serve_module):
    return Site(serve_module, request.param)


def compare(row, answer, transport):
    assert answer.status == row.status, answer
    if isinstance(row.body, bytes):
        assert answer.body == row.body
    elif row.body is not None:
        assert answer.json() == row.body
    for name, value in row.fields.items():
        if transport == "uwsgi" and name == "Content-Length" and not answer.all(name):
            continue  # the front server frames, as with uWSGI
        assert answer.all(name) == ([] if value is None else value if isinstance(value, list) else [value]), answer


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("row", ROWS)
def test_application_gets_what_the_pep_promises(site, transport, row):
    if transport == "uwsgi" and row.body == BROKEN and "of_length" not in row.target:
        pytest.skip("the end of the connection ends its answers, whole or not")
    lines = len(site.server.log)
    if row.body == BROKEN:
        with pytest.raises((Broken, ConnectionResetError)):
            site.send(transport, row)
    else:
        compare(row, site.send(transport, row), transport)
    if row.logged:
        until(lambda: row.logged in site.server.log[lines:], 5, lambda: f"{row.logged} in the log:\n{site.server.log[lines:]}")
    site.check_workers()


@pytest.mark.parametrize("row", pep3333.INPUTS, ids=str)
def test_input_of_chunks_reads_like_a_file(site, row):
    compare(row, site.send("chunked", row), "chunked")


def test_switches_tell_the_truth(site):
    many = site.shape != "one thread"
    assert http.get(site.http, "/check/switches").json() == [many, many, False]


@pytest.fixture(scope="module")
def alone(serve_module):
    """One process, so that what it counts is all there is."""
    return Site(serve_module, "one thread")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("how", ["all", "empty", "fails", "fails-first"])
def test_close_is_called_once_at_the_end(alone, method, how):
    """PEP 3333, Specification Details: close() must be called, whether the iteration ended or not."""
    name = f"{method}-{how}-{random.random()}"
    try:
        http.request(alone.http, method, f"/closing/{name}?{how}")
    except Broken:
        pass
    calls = http.get(alone.http, "/closed").json()[name]
    assert len(calls) == 1
    if method == "GET" and not how.startswith("fails"):
        assert calls == [True], "it came before the end of the iteration"


def test_close_is_called_when_the_client_leaves(alone):
    """PEP 3333, Specification Details: close() also when the client has gone."""
    name = f"gone-{random.random()}"
    with connect(alone.http) as link:
        link.sendall(encode("GET", f"/closing/{name}?endless"))
        link.recv(1000)
    until(lambda: http.get(alone.http, "/closed").json()[name] == [False], 10, "close()")
