"""uwsgi packets against a running server, case by case."""
import pytest
from conftest import APPS
from harness import gateways
from harness.address import connect, free_address
from harness.uwsgi_packets import exchange
from harness.witness import Witness, check_one
from wire_cases import uwsgi

pytestmark = pytest.mark.margrave_only(reason="it drops what must be refused, and loads what it is asked to")

GROUPS = {"packet": uwsgi.PACKETS, "modifier": uwsgi.MODIFIED, "body": uwsgi.BODIES, "variable": uwsgi.SPECIAL, "answer": uwsgi.ANSWERS}
CASES = [pytest.param(case, id=f"{group}: {case}") for group, cases in GROUPS.items() for case in cases]
SHAPES = {"one thread": ["--processes", "1", "--threads", "1"], "two of four": ["--processes", "2", "--threads", "4"]}


@pytest.fixture(scope="module", params=SHAPES)
def site(request, serve_module, module_directory):
    found = Witness(module_directory / f"notes-{request.param.replace(' ', '-')}")
    found.uwsgi, found.unix = free_address(), str(module_directory / f"{request.param.replace(' ', '-')}.sock")
    found.server = serve_module(
        "--chdir", APPS, "--wsgi-file", "witness.py", "--master", "--socket", found.uwsgi, "--socket", found.unix, "--forwarded-allow", "none", *SHAPES[request.param],
        ready=[found.uwsgi, found.unix], env={"WITNESS_NOTES": str(found.path)},
    )  # fmt: skip
    return found


@pytest.mark.parametrize("case", CASES)
def test_packet_becomes_what_the_protocol_says(site, case):
    check_one(case, site.uwsgi, site, gateways.answer)


def test_packets_come_over_unix_sockets_too(site):
    for case in (*uwsgi.PACKETS[:3], *uwsgi.BODIES[:9], *uwsgi.ANSWERS[:6]):
        check_one(case, site.unix, site, gateways.answer)


PONG = b"\x64\x00\x00\x01"


@pytest.mark.parametrize("ping", [b"\x64\0\0\0", b"\x64\0\0\1", b"\x64\5\0\0hello", uwsgi.packet(modifier1=100)], ids=["empty", "modifier2", "text", "variables"])
def test_ping_is_answered(site, ping):
    """uwsgi: modifier1 100."""
    assert exchange(site.uwsgi, ping) == PONG
    assert not site.new()


def test_ping_in_pieces_is_answered(site):
    with connect(site.uwsgi) as link:
        for byte in b"\x64\0\0\0":
            link.sendall(bytes([byte]))
        assert link.recv(100) == PONG


def test_variables_that_would_move_the_server_do_not(site):
    """uwsgi: UWSGI_CHDIR and its kin are for those who run applications of strangers."""
    sent = uwsgi.packet(("UWSGI_CHDIR", "/"), ("UWSGI_SETENV", "EVIL=1"), ("UWSGI_TOUCH_RELOAD", "/tmp/evil"))
    exchange(site.uwsgi, sent)
    assert [note["place"] for note in site.new()] == [str(APPS)]
