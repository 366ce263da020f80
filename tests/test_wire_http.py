"""HTTP/1.1 against a running server, case by case, on one thread, on many, and behind nginx."""
import pytest
from conftest import APPS
from harness import nginx
from harness.address import free_address
from harness.witness import Witness, check, play_behind
from wire_cases import http_answers, http_connection, http_fields, http_framing, http_line




GROUPS = {
    "method": http_line.METHODS,
    "target": http_line.TARGETS,
    "line": http_line.LINES,
    "host": http_line.HOSTS,
    "fields": http_fields.FIELDS,
    "spoofing": http_fields.SPOOFING,
    "length": http_framing.LENGTHS,
    "coding": http_framing.CODINGS,
    "chunks": http_framing.CHUNKS,
    "connection": http_connection.CONNECTIONS,
    "expect": http_connection.EXPECT,
    "slow": http_connection.SLOW,
    "answers": http_answers.ANSWERS,
    "bodies": http_answers.BODIES,
}
CASES = [pytest.param(case, id=f"{group}: {case}") for group, cases in GROUPS.items() for case in cases]
SHAPES = {
    "one thread": ["--processes", "1", "--threads", "1"],
    "two of four": ["--processes", "2", "--threads", "4"],
    "by http": ["--processes", "2", "--threads", "2"],
}


class Site:
    """A server with the witness."""

    def __init__(self, start, directory, name, *arguments):
        self.http = free_address()
        option = "--http" if name == "by-http" else "--http-socket"  # uWSGI's router, here served by the workers too
        self.witness = Witness(directory / f"notes-{name}")
        self.server = start(
            "--chdir", APPS, "--wsgi-file", "witness.py", "--master", option, self.http, "--forwarded-allow", "none", *arguments,
            serving=self.http, env={"WITNESS_NOTES": str(self.witness.path)},
        )  # fmt: skip


@pytest.fixture(scope="module", params=SHAPES)
def site(request, serve_module, module_directory):
    return Site(serve_module, module_directory, request.param.replace(" ", "-"), *SHAPES[request.param])


@pytest.mark.parametrize("case", CASES)
def test_request_becomes_what_the_standard_says(site, case):
    check(case, site.http, site.witness)


@pytest.fixture(scope="module")
def limited(serve_module, module_directory):
    return Site(serve_module, module_directory, "limited", "--limit-post", str(http_answers.LIMITED))


@pytest.mark.parametrize("case", http_answers.LIMITS, ids=str)
def test_body_is_limited(limited, case):
    check(case, limited.http, limited.witness)


@pytest.fixture(scope="module")
def behind(serve_module, module_directory):
    site = Site(serve_module, module_directory, "behind", *SHAPES["two of four"])
    with nginx.Nginx(module_directory / "nginx", {"kept": nginx.proxy_pass(site.http, keepalive=True)}) as front:
        front.begin()
        site.front = front.addresses["kept"]
        yield site


@pytest.mark.needs_nginx
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_smuggled_past_nginx(behind, case):
    play_behind(case, behind.front, behind.witness)
