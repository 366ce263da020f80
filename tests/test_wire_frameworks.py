"""Requests as Werkzeug, Django and `wsgiref.validate` see them, on every entry; `margrave request` is the client."""
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from conftest import APPS
from harness.address import free_address
from harness.gateways import answer
from harness.server import clean_environment

pytestmark = pytest.mark.margrave_only(reason="it has no client, and other environs on FastCGI and SCGI")
ENTRIES = {"http": "http-socket", "uwsgi": "socket", "fastcgi": "fastcgi-socket", "fastcgi-nph": "fastcgi-nph-socket", "scgi": "scgi-socket", "scgi-nph": "scgi-nph-socket"}
entries = pytest.mark.parametrize("entry", ENTRIES)
frameworks = pytest.mark.parametrize("framework", ["django", "werkzeug"])


class Site:
    """A server with a socket of every kind."""

    def __init__(self, start, under_test, *arguments, env=None):
        self.executable = under_test.executable
        self.addresses = {entry: free_address() for entry in ENTRIES}
        words = [word for entry, option in ENTRIES.items() for word in (f"--{option}", self.addresses[entry])]
        self.server = start(
            "--chdir", APPS, *arguments, "--master", "--processes", "2", "--threads", "2", *words,
            ready=list(self.addresses.values()), serving=self.addresses["http"], env=env,
        )  # fmt: skip

    def ask(self, entry, target, *words, data=None):
        """One request by `margrave request`; the answer."""
        command = [self.executable, "request", "-i", f"--{entry.removesuffix('-nph')}", self.addresses[entry], target, *words]
        if data is not None:
            command += ["-d", "-"]
        done = subprocess.run(command, input=data or b"", capture_output=True, timeout=60, env=clean_environment())
        assert done.returncode == 0, done.stderr.decode()
        return answer(done.stdout)


@pytest.fixture(scope="module")
def parsed(serve_module, under_test):
    return Site(serve_module, under_test, "--wsgi-file", "parsed.py")


def digest(data):
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()}"


def multipart(*parts):
    """A form of texts and files, and its type."""
    lines = b""
    for name, filename, kind, content in parts:
        more = f'; filename="{filename}"\r\nContent-Type: {kind}' if filename else ""
        lines += f'--limit\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
    return lines + b"--limit--\r\n", "Content-Type: multipart/form-data; boundary=limit"


@entries
@frameworks
def test_form_is_parsed(parsed, framework, entry):
    seen = json.loads(parsed.ask(entry, f"/{framework}/seen?q=%C3%A9&x", "-H", "Cookie: a=1; b=2", "-H", "Host: site.test", data=b"one=1&two=%C3%A9&one=3").body)
    assert seen["form"] == {"one": ["1", "3"], "two": ["\xe9"]} and seen["query"] == {"q": "\xe9", "x": ""}
    assert (seen["method"], seen["cookies"], seen["host"], seen["secure"]) == ("POST", {"a": "1", "b": "2"}, "site.test", False)


@entries
@frameworks
@pytest.mark.parametrize("size", [0, 10, 70_000, 3_000_000])
def test_upload_is_parsed(parsed, framework, entry, size):
    content = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    body, kind = multipart(("text", "", "", "caf\xe9".encode()), ("file", "a.bin", "application/x-own", content))
    seen = json.loads(parsed.ask(entry, f"/{framework}/seen", "-H", kind, data=body).body)
    assert seen["form"] == {"text": ["caf\xe9"]}
    assert seen["files"] == {"file": {"name": "a.bin", "content": digest(content), "type": "application/x-own"}}


@entries
@frameworks
@pytest.mark.parametrize("how", ["body", "pieces"])
def test_stream_is_read(parsed, framework, entry, how):
    data = bytes(range(256)) * 1000
    assert parsed.ask(entry, f"/{framework}/{how}", "-H", "Content-Type: x/y", data=data).body == digest(data).encode()


@entries
def test_limited_stream_ends_where_it_should(parsed, entry):
    assert parsed.ask(entry, "/werkzeug/limited", data=b"hello, world").body == digest(b"hello").encode()


@entries
@frameworks
def test_answer_is_streamed(parsed, framework, entry):
    assert parsed.ask(entry, f"/{framework}/streamed").body == b"".join(b"piece %d\n" % number for number in range(1000))


@entries
@frameworks
def test_file_is_sent(parsed, framework, entry):
    assert parsed.ask(entry, f"/{framework}/file").body == (Path(APPS) / "parsed.py").read_bytes()


VALIDATED = [
    (("/",), None, b"hello /"),
    (("/lazy",), None, b"hello /lazy"),
    (("/writer",), None, b"written returned"),
    (("/none",), None, b""),
    (("/x", "-I"), None, b""),
    (("/x", "-X", "DELETE"), None, b"hello /x"),
    (("/read",), b"one\ntwo\nthree", b"one\ntwo\nthree"),
    (("/iterate",), b"one\ntwo\nthree\n", b"one\ntwo\nthree\n"),
    (("/caf%C3%A9",), None, "hello /caf\xe9".encode()),
]


@pytest.fixture(scope="module", params=["application", "direct"])
def validated(request, serve_module, under_test):
    return Site(serve_module, under_test, "--wsgi-file", "validated.py", "--callable", request.param)


@entries
@pytest.mark.parametrize("words, data, body", VALIDATED, ids=lambda value: repr(value)[:30])
def test_wsgiref_validate_is_silent_on_every_entry(validated, entry, words, data, body):
    found = validated.ask(entry, *words, data=data)
    assert found.status in (200, 204), found.text
    assert found.body == body
    assert "AssertionError" not in validated.server.log and "WSGIWarning" not in validated.server.log


@pytest.fixture(scope="module")
def witness(serve_module, under_test, module_directory):
    return Site(serve_module, under_test, "--wsgi-file", "witness.py", env={"WITNESS_NOTES": str(module_directory / "notes")})


OWN = {"CONTENT_LENGTH", "CONTENT_TYPE", "SCGI", "REQUEST_SCHEME", "REMOTE_PORT", "SERVER_PORT", "SERVER_NAME", "HTTP_HOST", "HTTP_CONNECTION"}


@pytest.mark.parametrize("target, words", [
    ("/plain", ()), ("/a%20b/../c?d=%20e", ("-H", "X-Own: v")), ("/x", ("-X", "DELETE", "-H", "Cookie: a=b")), ("/%E2%82%AC/%ff", ()), ("//a//b/.", ("-H", "Accept: t/x")),
])  # fmt: skip
def test_environ_is_the_same_on_every_entry(witness, target, words):
    """But for what only a front server or only the connection can say."""
    found = {entry: json.loads(witness.ask(entry, target, *words).body) for entry in ENTRIES}
    values = {entry: {name: value for name, value in note["environ"].items() if name not in OWN} for entry, note in found.items()}
    types = {entry: {name: kind for name, kind in note["types"].items() if name not in OWN} for entry, note in found.items()}
    for entry in ENTRIES:
        assert values[entry] == values["http"], entry
        assert types[entry] == types["http"], entry
