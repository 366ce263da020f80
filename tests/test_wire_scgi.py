"""SCGI requests against a running server, case by case, in the form of CGI and in that of HTTP (nph)."""
import pytest
from conftest import APPS
from harness import gateways
from harness.address import free_address
from harness.witness import Witness, check_one
from wire_cases import scgi

pytestmark = pytest.mark.margrave_only(reason="it takes most of what must be refused")

GROUPS = {"netstring": scgi.NETSTRINGS, "header": scgi.HEADER, "body": scgi.BODIES, "answer": scgi.ANSWERS}
CASES = [pytest.param(case, id=f"{group}: {case}") for group, cases in GROUPS.items() for case in cases]
SHAPES = {"one thread": ["--processes", "1", "--threads", "1"], "two of four": ["--processes", "2", "--threads", "4"]}


@pytest.fixture(scope="module", params=SHAPES)
def site(request, serve_module, module_directory):
    found = Witness(module_directory / f"notes-{request.param.replace(' ', '-')}")
    found.scgi, found.nph = free_address(), free_address()
    found.server = serve_module(
        "--chdir", APPS, "--wsgi-file", "witness.py", "--master", "--scgi-socket", found.scgi, "--scgi-nph-socket", found.nph, "--forwarded-allow", "none", *SHAPES[request.param],
        ready=[found.scgi, found.nph], env={"WITNESS_NOTES": str(found.path)},
    )  # fmt: skip
    return found


@pytest.mark.parametrize("case", CASES)
def test_request_becomes_what_the_protocol_says(site, case):
    answer = check_one(case, site.scgi, site, gateways.answer)
    assert answer is None or answer.version == "CGI"


@pytest.mark.parametrize("case", [case for case in scgi.ANSWERS if case.name != "Status of the application does not come twice"], ids=str)
def test_answer_without_parsed_headers_is_http(site, case):
    answer = check_one(case, site.nph, site, gateways.answer)
    assert answer.version == "HTTP/1.1"
