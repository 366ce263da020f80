"""FastCGI against a running server, connection by connection, in the form of CGI and in that of HTTP (nph)."""
import json
import socket
import time

import pytest
from conftest import APPS
from harness import gateways
from harness.address import connect, free_address
from harness.gateways import GET_VALUES_RESULT, STDERR, RecordReader
from harness.http import Reader
from harness.waiting import entered
from harness.witness import AFTER, SMUGGLED, Witness, check_seen
from wire_cases import fastcgi
from wire_cases.cases import END, Pause, Refused, Seen
from wire_cases.fastcgi import ABORTED, CUT, KEEP, ask

pytestmark = pytest.mark.margrave_only(reason="it keeps no connection and answers few of the records")

GROUPS = {
    "record": fastcgi.FRAMING,
    "params": fastcgi.PARAMETERS_OF,
    "stdin": fastcgi.BODIES,
    "connection": fastcgi.CONNECTIONS,
    "management": fastcgi.MANAGEMENT,
    "answer": fastcgi.ANSWERS,
}
TALKS = [pytest.param(talk, id=f"{group}: {talk}") for group, talks in GROUPS.items() for talk in talks]
SHAPES = {"one thread": ["--processes", "1", "--threads", "1"], "two of four": ["--processes", "2", "--threads", "4"]}
LAST_ID = 4242


@pytest.fixture(scope="module", params=SHAPES)
def site(request, serve_module, module_directory):
    found = Witness(module_directory / f"notes-{request.param.replace(' ', '-')}")
    found.fastcgi, found.nph = free_address(), free_address()
    found.server = serve_module(
        "--chdir", APPS, "--wsgi-file", "witness.py", "--master", "--fastcgi-socket", found.fastcgi, "--fastcgi-nph-socket", found.nph, "--forwarded-allow", "none", *SHAPES[request.param],
        ready=[found.fastcgi, found.nph], env={"WITNESS_NOTES": str(found.path)},
    )  # fmt: skip
    return found


def play(talk, address):
    """Everything that comes until the connection ends; where it stays, a last request that does not keep it."""
    with connect(address) as link:
        for step in (*talk.steps, *([ask(number=LAST_ID, target=AFTER)] if talk.stays else [])):
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            elif step is END:
                link.shutdown(socket.SHUT_WR)
            else:
                try:
                    link.sendall(step)
                except OSError:
                    break  # it was refused before it was complete: the answer says so
        reader = Reader(link)
        try:
            return RecordReader(reader.rest())
        except ConnectionResetError:  # how an answer ends that must not look complete
            return RecordReader(reader.buffer)


def check(talk, address, site):
    site.new()
    found = play(talk, address)
    noted = site.new()
    assert not [note for note in noted if note["environ"].get("PATH_INFO") == SMUGGLED], f"smuggled: {noted}"
    complete = [note for note in noted if "error" not in note]
    if talk.stays:
        last = found.order.pop()
        assert last.end == (0, 0) and json.loads(gateways.answer(last.stdout).body) == complete.pop()
    answers = [row for row in talk.answers if row[1] is not CUT]
    assert len(found.order) == len(answers), found.order
    for number, _, status in (row for row in answers if row[1] is ABORTED):  # these need not wait for one another
        records = found.requests[number]
        found.order.remove(records)
        assert (records.stdout, records.end) == (b"", (0, status))
    for (number, expected, status), records in zip((row for row in answers if row[1] is not ABORTED), found.order):
        assert number in found.requests
        check_records(expected, status, records, complete)
    assert not complete, f"these were served too: {complete}"
    check_others(talk, found)


def check_records(expected, status, records, complete):
    answer = gateways.answer(records.stdout)
    assert all(0 < size <= 65_535 for size in records.sizes[:-1]), records.sizes
    if isinstance(expected, Seen):
        note = complete.pop(0)
        assert answer.status == 200 and json.loads(answer.body) == note
        check_seen(expected, note)
        assert records.end == (0, status)
    elif isinstance(expected, Refused):
        assert answer.status in expected.statuses and len(answer.body) < 500, answer
        assert records.end and records.end[1] == status
    else:
        complete.pop(0)
        if expected.broken:
            assert records.end is None or records.end[0] != 0, "it looks complete"
            return
        assert (answer.status, answer.body) == (expected.status, expected.body)
        assert records.end and records.end[1] == status and (records.end[0] != 0) == (b"failed" in records.stderr)
        for name, value in expected.fields.items():
            assert answer.all(name) == ([] if value is None else value if isinstance(value, list) else [value]), answer


def check_others(talk, found):
    management = [row for row in talk.others if row[0] != STDERR]
    assert len(found.others) == len(management), found.others
    for (kind, expected), (came, content) in zip(management, found.others):
        assert kind == came
        if kind == GET_VALUES_RESULT:
            values = {name.decode(): value for name, value in gateways.pairs(content).items()}
            assert sorted(values) == sorted(expected) and all(value.isdigit() for value in values.values())
            assert values.get("FCGI_MPXS_CONNS", b"0") == b"0"
        else:
            assert content == expected
    for _, expected in (row for row in talk.others if row[0] == STDERR):
        assert any(expected.encode() in records.stderr for records in found.requests.values())


@pytest.mark.parametrize("talk", TALKS)
def test_records_become_what_the_specification_says(site, talk):
    check(talk, site.fastcgi, site)


@pytest.mark.parametrize("talk", fastcgi.ANSWERS, ids=str)
def test_answer_without_parsed_headers_is_http(site, talk):
    check(talk, site.nph, site)


def test_answer_without_parsed_headers_has_a_status_line(site):
    with connect(site.nph) as link:
        link.sendall(ask(target="/answer?pieces=3"))
        (records,) = RecordReader(Reader(link).rest()).order
    assert records.stdout.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_front_server_that_leaves_while_its_request_runs_is_gone_with_the_answer(serve, tmp_path):
    (tmp_path / "app.py").write_text(
        "import tempfile, time\ndef application(environ, start_response):\n"
        "    tempfile.mkstemp(prefix='entered-', dir='.')\n    time.sleep(0.3)\n"
        "    start_response('200 OK', [])\n    return [b'ok']\n"
    )
    address = free_address()
    serve("--fastcgi-socket", address, "--wsgi-file", "app.py", "--http-keepalive=60", ready=address)
    with connect(address, timeout=10) as link:
        link.sendall(ask(flags=KEEP))
        entered(tmp_path)
        link.shutdown(socket.SHUT_WR)
        assert b"ok" in Reader(link).rest()


def test_pieces_come_as_they_are_made(site):
    """FastCGI 5.3: STDOUT is a stream; of an answer that is not complete the front server has what was made."""
    with connect(site.fastcgi) as link:
        link.sendall(ask(target="/answer?how=generator&pieces=3,3", flags=KEEP))
        assert link.recv(100)
