"""PEP 3333, on the wire: what applications may do and what they may not."""

import contextlib
import gzip
import http.client
import io
import json
import os
import random
import socket
import threading

import pytest

from fake_master import fetch_by_uwsgi, listener, wait_for


def application(source):
    """An application whose body is ``source``."""
    lines = "\n".join("    " + line for line in source.strip().splitlines())
    return f"import os, sys, io, time\ndef application(environ, start_response):\n{lines}\n"


OK = "start_response('200 OK', [('Content-Type', 'text/plain')])\n"

BODIES = {
    "a list of one block": ("return [b'hello']", b"hello", "5"),
    "a list of several blocks": ("return [b'a', b'bc', b'']", b"abc", "3"),
    "a tuple": ("return (b'a', b'b')", b"ab", "2"),
    "an empty list": ("return []", b"", "0"),
    "bytes": ("return b'raw'", b"raw", "3"),
    "a generator": ("return (b for b in [b'x', b'', b'yz'])", b"xyz", None),
    "a generator of nothing": ("return iter(())", b"", "0"),
    "a list subclass": ("class L(list): pass\nreturn L([b'one'])", b"one", "3"),
    "an object of length one": (
        "class One:\n  def __len__(self): return 1\n  def __iter__(self): return iter([b'single'])\nreturn One()", b"single", "6"),
    "large blocks": ("return [b'x' * 200_000, b'y' * 200_000]", b"x" * 200_000 + b"y" * 200_000, "400000"),
    "many small blocks": ("return (b'%d,' % i for i in range(2000))", b"".join(b"%d," % i for i in range(2000)), None),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_arrive_whole_and_with_a_length_where_it_is_known(serve, name):
    source, body, length = BODIES[name]
    status, fields, data = serve(application(OK + source)).request()
    assert (status, data) == (200, body)
    assert fields.get("content-length") == length
    assert ("transfer-encoding" in fields) == (length is None)


def test_start_response_may_be_called_by_a_generator_before_its_first_block(serve):
    source = """
    def application(environ, start_response):
        start_response("201 Created", [("X-Late", "yes")])
        yield b"a"
        yield b"b"
    """
    status, fields, data = serve(source).request()
    assert (status, fields["x-late"], data) == (201, "yes", b"ab")


def test_write_sends_before_the_returned_blocks(serve):
    status, _, data = serve(application(
        "write = start_response('200 OK', [])\nwrite(b'first ')\nwrite(b'')\nwrite(b'second ')\nreturn [b'third']")).request()
    assert (status, data) == (200, b"first second third")


def test_exc_info_replaces_a_head_that_has_not_been_sent(serve):
    status, fields, data = serve(application("""
start_response('200 OK', [('X-Old', '1')])
try:
    raise ValueError('oops')
except ValueError:
    start_response('503 Busy', [('X-New', '1')], sys.exc_info())
return [b'sorry']
""")).request()
    assert (status, data) == (503, b"sorry")
    assert "x-new" in fields and "x-old" not in fields


def test_exc_info_is_raised_again_once_the_head_has_gone(serve):
    served = serve(application("""
start_response('200 OK', [('Content-Length', '100')])(b'begun')
try:
    raise ValueError('too late')
except ValueError:
    start_response('500 Oops', [], sys.exc_info())
return [b'never']
"""))
    with pytest.raises(Exception):
        served.request()
    assert served.log.count("ValueError: too late") == 1


FAULTS = {
    "raises": ("raise ValueError('broken')", "ValueError: broken"),
    "raises after start_response": (OK + "raise ValueError('broken')", "ValueError: broken"),
    "raises in the first step of a generator": (OK + "return (1/0 for _ in [1])", "ZeroDivisionError"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "is interrupted": ("raise KeyboardInterrupt('me')", "KeyboardInterrupt: me"),
    "ends its generator": ("raise GeneratorExit()", "GeneratorExit"),
    "raises a base exception": ("class B(BaseException): pass\nraise B('base')", "B: base"),
    "returns None": (OK + "return None", "returned NoneType"),
    "returns a number": (OK + "return 7", "returned int"),
    "returns text": (OK + "return 'text'", "returned str"),
    "returns text items": (OK + "return ['text']", "holds str"),
    "yields text": (OK + "return (x for x in ['text'])", "holds str"),
    "yields None": (OK + "return (x for x in [None])", "holds NoneType"),
    "never starts": ("return [b'body']", "before it called start_response"),
    "never starts and gives an empty block": ("return (b for b in [b'', b''])", "before it called start_response"),
    "never starts and says nothing": ("return []", "before it called start_response"),
    "starts twice": (OK + OK + "return [b'']", "second time"),
    "gives a status that is a number": ("start_response(200, [])\nreturn [b'']", "status must be str"),
    "gives a short status": ("start_response('20', [])\nreturn [b'']", "three digits"),
    "splits the status": ("start_response('200 OK\\r\\nX: y', [])\nreturn [b'']", "three digits"),
    "gives a tuple of headers": ("start_response('200 OK', ())\nreturn [b'']", "list of tuples"),
    "gives a header of one": ("start_response('200 OK', [('A',)])\nreturn [b'']", "tuple of two str"),
    "gives a header of bytes": ("start_response('200 OK', [(b'A', 'b')])\nreturn [b'']", "must be str"),
    "splits a header": ("start_response('200 OK', [('A', 'b\\r\\nSet-Cookie: x=y')])\nreturn [b'']", "line end"),
    "gives a header name with a blank": ("start_response('200 OK', [('A B', 'c')])\nreturn [b'']", "name"),
    "gives a header beyond Latin-1": ("start_response('200 OK', [('A', '\\u20ac')])\nreturn [b'']", "Latin-1"),
    "gives a bad content length": ("start_response('200 OK', [('Content-Length', 'x')])\nreturn [b'abc']", "Content-Length"),
    "starts without arguments": ("start_response()\nreturn [b'']", "needs status"),
    "starts with an unknown keyword": ("start_response('200 OK', [], colour=1)\nreturn [b'']", "colour"),
    "writes text": ("start_response('200 OK', [])('text')\nreturn []", "write takes bytes"),
    "writes nothing at all": ("start_response('200 OK', [])()\nreturn []", "exactly one argument"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_application_that(serve, name):
    source, expected = FAULTS[name]
    served = serve(application(f"if environ['PATH_INFO'] == '/good':\n    {OK}    return [b'fine']\n{source}"))
    status, fields, data = served.request()
    assert status == 500 and b"Internal Server Error" in data
    assert "set-cookie" not in fields and "x" not in fields
    # Once; the traceback's own lines of source code are indented.
    lines = [line for line in served.log.splitlines() if expected in line and not line.startswith(" ")]
    assert len(lines) == 1, served.log
    # The worker lives, and its next answer is right.
    assert served.request(path="/good")[::2] == (200, b"fine")


def test_an_exception_in_the_middle_never_looks_like_a_complete_answer(serve):
    served = serve("""
    def application(environ, start_response):
        start_response("200 OK", [])
        yield b"part"
        raise RuntimeError("in the middle")
    """)
    with socket.create_connection(("127.0.0.1", served.master.port), 5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while block := connection.recv(65536):
            data += block
    assert b"part" in data and not data.endswith(b"0\r\n\r\n")
    assert served.log.count("RuntimeError: in the middle") == 1
    assert served.log.count("Traceback") == 1


CLOSING = """
class Body:
    def __init__(self, blocks, fault=None):
        self.blocks, self.fault = blocks, fault
    def __iter__(self):
        yield from self.blocks
        if self.fault: raise self.fault
    def close(self):
        with open("closed", "a") as file: file.write("x")
        if self.fault == "close": raise ValueError("close failed")

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path != "/nostart":
        start_response("200 OK", [])
    if path == "/plain": return [b"plain"]
    if path == "/error": return Body([b"a"], ValueError("late"))
    if path == "/text": return Body(["text"])
    if path == "/big": return Body([b"x" * 100000] * 2000)
    return Body([b"a", b"b"])
"""


@pytest.mark.parametrize("path", ["/ok", "/error", "/text", "/nostart"])
def test_close_is_called_exactly_once(serve, tmp_path, path):
    served = serve(CLOSING)
    try:
        served.request(path=path)
    except Exception:
        pass
    # A second request on the one thread cannot be answered before the first is over.
    served.request(path="/plain")
    assert (tmp_path / "closed").read_text() == "x"


def test_close_is_called_when_the_client_leaves_and_nothing_is_logged(serve, tmp_path):
    served = serve(CLOSING)
    with socket.create_connection(("127.0.0.1", served.master.port), 5) as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000)
    served.request(path="/plain", timeout=20)
    assert (tmp_path / "closed").read_text() == "x"
    assert "Traceback" not in served.log


def test_an_exception_in_close_is_logged_and_harms_neither_the_answer_nor_the_connection(serve):
    served = serve("""
    class Body:
        def __init__(self, blocks): self.blocks = iter(blocks)
        def __iter__(self): return self.blocks
        def close(self): raise KeyError("in close")
    def application(environ, start_response):
        fields = [("Content-Length", "2")] if environ["PATH_INFO"] == "/length" else []
        start_response("200 OK", fields)
        return Body([b"o", b"k"])
    """)
    connection = http.client.HTTPConnection("127.0.0.1", served.master.port, timeout=10)
    with contextlib.closing(connection):
        for path in ["/", "/length", "/"]:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"ok")
            ours = connection.sock.getsockname()
        connection.request("GET", "/")
        connection.getresponse().read()
        assert connection.sock.getsockname() == ours, "the connection was kept"
    assert served.request(path="/")[2] == b"ok"
    assert served.log.count("KeyError: 'in close'") >= 4
    assert served.log.count("Traceback") == served.log.count("KeyError: 'in close'")


def test_an_exception_in_close_after_another_one_is_logged_too(serve):
    served = serve("""
    class Body:
        def __iter__(self): raise ValueError("while iterating")
        def close(self): raise KeyError("while closing")
    def application(environ, start_response):
        start_response("200 OK", [])
        return Body() if environ["PATH_INFO"] == "/" else []
    """)
    assert served.request()[0] == 500
    assert served.request(path="/next")[0] == 200
    assert (served.log.count("ValueError: while iterating"), served.log.count("KeyError: 'while closing'")) == (1, 1)


def test_the_answer_is_complete_before_close_and_after_req_hook_run(serve, tmp_path):
    served = serve("""
    import os, time, uwsgi
    def wait(name):
        with open(name, "w") as file: file.write(uwsgi.env["PATH_INFO"])
        while not os.path.exists("go"): time.sleep(0.01)
    class Body(list):
        def close(self): wait("closing")
    uwsgi.after_req_hook = lambda: wait("after")
    def application(environ, start_response):
        start_response("200 OK", [])
        return Body([b"whole"])
    """)
    assert served.request(path="/here", timeout=5)[2] == b"whole"
    wait_for(lambda: (tmp_path / "closing").exists() and (tmp_path / "closing").read_text() == "/here")
    assert not (tmp_path / "after").exists()
    (tmp_path / "go").touch()
    wait_for(lambda: (tmp_path / "after").exists() and (tmp_path / "after").read_text() == "/here")


def test_write_in_close_comes_too_late_and_says_so(serve):
    served = serve("""
    class Body(list):
        def close(self): self.write(b"more")
    def application(environ, start_response):
        body = Body([b"whole"])
        body.write = start_response("200 OK", [])
        return body if environ["PATH_INFO"] == "/" else []
    """)
    assert served.request()[2] == b"whole"
    served.request(path="/next")
    assert served.log.count("RuntimeError: the answer is complete") == 1


ITERATION = {
    "its own exception": ("def __iter__(self): raise ValueError('the real cause')", "ValueError: the real cause"),
    "its own TypeError": ("def __iter__(self): raise TypeError('a deeper mistake')", "TypeError: a deeper mistake"),
    "no iterator": ("def __iter__(self): return 7", "non-iterator"),
    "its own exit": ("def __iter__(self): raise SystemExit('left')", "SystemExit: left"),
    "an old sequence": ("def __getitem__(self, index): raise LookupError if False else ValueError('at an index')", "ValueError: at an index"),
    "nothing to iterate": ("pass", "the application returned Odd; it must be an iterable of bytes"),
}


@pytest.mark.parametrize("name", ITERATION)
def test_an_answer_that_cannot_be_iterated_is_logged_with(serve, name):
    source, expected = ITERATION[name]
    served = serve(f"class Odd:\n    {source}\n" + application(OK + "return Odd()"))
    assert served.request()[0] == 500
    lines = [line for line in served.log.splitlines() if expected in line and not line.startswith(" ")]
    assert len(lines) == 1, served.log


def test_empty_blocks_may_come_before_start_response(serve):
    served = serve("""
    def application(environ, start_response):
        yield b""
        yield b""
        start_response("200 OK", [("X-Late", "yes")])
        if environ["PATH_INFO"] == "/":
            yield b"late"
    """)
    status, fields, data = served.request()
    assert (status, fields["x-late"], data) == (200, "yes", b"late")
    status, fields, data = served.request(path="/empty")
    assert (status, fields["content-length"], data) == (200, "0", b"")
    assert served.log == ""


INPUT = """
import json
def application(environ, start_response):
    stream = environ["wsgi.input"]
    steps = json.loads(environ["HTTP_X_STEPS"])
    out = []
    for method, *arguments in steps:
        if method == "iterate":
            out.append([line.decode("latin-1") for line in stream])
        elif method == "readinto":
            buffer = bytearray(arguments[0])
            out.append(bytes(buffer[:stream.readinto(buffer)]).decode("latin-1"))
        else:
            result = getattr(stream, method)(*arguments)
            out.append([r.decode("latin-1") for r in result] if isinstance(result, list) else
                       result.decode("latin-1") if isinstance(result, bytes) else result)
    body = json.dumps(out).encode()
    start_response("200 OK", [])
    return [body]
"""

STEPS = [
    [["read"]],
    [["read", -1], ["read"]],
    [["read", None]],
    [["read", 0], ["read", 3], ["read", 4], ["read"]],
    [["readline"], ["readline"], ["readline"], ["readline"], ["readline"]],
    [["readline", 2], ["readline", 100], ["readline", -1], ["readline", 0]],
    [["readlines"]],
    [["readlines", 1], ["readlines", 6], ["readlines"]],
    [["iterate"], ["read"]],
    [["readline"], ["read", 2], ["readline"], ["iterate"]],
    [["readinto", 4], ["readinto", 100], ["readinto", 4]],
    [["readline", 3], ["read", 1], ["readline"], ["read"]],
    [["tell"], ["read"], ["tell"], ["seek", 0], ["tell"], ["read"]],
    [["readline"], ["tell"], ["readline"], ["seek", 1], ["readline"], ["tell"], ["read"]],
    [["readline"], ["seek", 2, 1], ["tell"], ["read", 3], ["seek", 0, 1], ["read"]],
    [["seek", 0, 2], ["tell"], ["read"], ["seek", 0], ["iterate"]],
    [["seek", 1 << 20], ["tell"], ["read"], ["readline"], ["tell"], ["seek", 5, 1], ["tell"], ["seek", 0], ["read", 3]],
    [["seekable"], ["readable"]],
]


def reference(steps, body):
    """The same steps on a ``BytesIO``."""
    stream, out = io.BytesIO(body), []
    for method, *arguments in steps:
        if method == "iterate":
            out.append([line.decode("latin-1") for line in stream])
        elif method == "readinto":
            buffer = bytearray(arguments[0])
            out.append(bytes(buffer[: stream.readinto(buffer)]).decode("latin-1"))
        else:
            result = getattr(stream, method)(*arguments)
            out.append([r.decode("latin-1") for r in result] if isinstance(result, list) else
                       result.decode("latin-1") if isinstance(result, bytes) else result)
    return out


@pytest.mark.parametrize("memory", [1 << 20, 0], ids=["memory", "file"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_the_input_stream_reads_like_a_file(serve, memory, chunked):
    served = serve(INPUT, http={"body_memory": memory})
    bodies = [b"", b"one line", b"l1\nl2\r\n\nlast", b"x" * 40_000 + b"\n" + b"y" * 70_000 + b"\nend\n", bytes(range(256)) * 20]
    for body in bodies:
        for steps in STEPS:
            headers = {"X-Steps": json.dumps(steps)}
            sent = iter([body[i : i + 7000] for i in range(0, len(body), 7000)]) if chunked else body
            status, _, data = served.request("POST", "/", sent, headers)
            assert status == 200
            assert json.loads(data) == reference(steps, body), (steps, len(body))


@pytest.mark.parametrize("memory", [1 << 20, 0], ids=["memory", "file"])
def test_the_input_stream_does_not_seek_to_places_that_cannot_be(serve, memory):
    served = serve(application("""
stream = environ['wsgi.input']
stream.readline()
errors = []
for place in [(-1,), (-9, 1), (-99, 2), (0, 3), ('x',)]:
    try: stream.seek(*place)
    except (ValueError, TypeError) as error: errors.append(type(error).__name__)
""" + OK + "return [repr((errors, stream.read())).encode()]"), http={"body_memory": memory})
    expected = (["ValueError"] * 4 + ["TypeError"], b"two")
    assert served.request("POST", "/", b"one\ntwo")[2] == repr(expected).encode()


def test_chunked_read_goes_on_where_the_input_stream_stands(serve):
    served = serve(application("""
import uwsgi
read = [environ['wsgi.input'].readline(), uwsgi.chunked_read(), uwsgi.chunked_read()]
""" + OK + "return [repr(read).encode()]"), http={"body_memory": 0})
    assert served.request("POST", "/", b"one\ntwo")[2] == repr([b"one\n", b"two", b""]).encode()


def test_a_chunked_body_has_a_content_length_for_the_application(serve):
    served = serve(application(OK + "return [repr((environ.get('CONTENT_LENGTH'), environ['wsgi.input_terminated'])).encode()]"))
    answer = served.request("POST", "/", iter([b"abc", b"de"]))
    assert answer[2] == b"('5', True)"


def test_what_an_application_keeps_is_dead_after_the_request_and_harms_no_other(serve):
    served = serve("""
    kept = []
    def application(environ, start_response):
        if environ["PATH_INFO"] == "/keep":
            write = start_response("200 OK", [])
            kept.append((start_response, write, environ["wsgi.input"], environ))
            return [b"kept"]
        outcome = []
        for number, call in enumerate([
            lambda: kept[0][0]("200 OK", []), lambda: kept[0][1](b"x"), lambda: kept[0][2].read()]):
            try:
                outcome.append(call())
            except (RuntimeError, ValueError) as error:
                outcome.append(type(error).__name__)
        outcome.append(kept[0][3]["PATH_INFO"])
        start_response("200 OK", [])
        return [repr(outcome).encode()]
    """)
    assert served.request("POST", "/keep", b"old body")[2] == b"kept"
    assert served.request("POST", "/use", b"new body")[2] == b"['RuntimeError', 'RuntimeError', 'ValueError', '/keep']"


FILES = """
import gzip, io, os, tempfile
def application(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    path = environ["PATH_INFO"]
    headers = []
    if path == "/file": body = wrapper(open("data.bin", "rb"))
    if path == "/offset":
        file = open("data.bin", "rb"); file.read(10); body = wrapper(file)
    if path == "/unbuffered": body = wrapper(open("data.bin", "rb", 0), 4096)
    if path == "/short":
        headers = [("Content-Length", "5")]; body = wrapper(open("data.bin", "rb"))
    if path == "/bytesio": body = wrapper(io.BytesIO(b"memory" * 1000), 100)
    if path == "/gzip": body = wrapper(gzip.open("data.gz", "rb"))
    if path == "/empty": body = wrapper(open("empty.bin", "rb"))
    if path == "/temporary":
        file = tempfile.NamedTemporaryFile(); file.write(b"temporary" * 10); file.seek(9); body = wrapper(file)
    if path == "/wrapped": body = (block for block in wrapper(open("data.bin", "rb")))
    if path == "/pipe":
        read, write = os.pipe(); os.write(write, b"piped"); os.close(write); body = wrapper(os.fdopen(read, "rb"))
    start_response("200 OK", headers)
    return body
"""

DATA = os.urandom(300_000)
FILE_CASES = {
    "/file": (DATA, "300000"), "/offset": (DATA[10:], "299990"), "/unbuffered": (DATA, "300000"),
    "/short": (DATA[:5], "5"), "/bytesio": (b"memory" * 1000, None), "/gzip": (b"unpacked" * 100, None), "/empty": (b"", "0"),
    "/temporary": (b"temporary" * 9, "81"), "/wrapped": (DATA, None), "/pipe": (b"piped", None),
}


def test_file_wrapper_gives_what_reading_would_give(serve, tmp_path):
    (tmp_path / "data.bin").write_bytes(DATA)
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "data.gz").write_bytes(gzip.compress(b"unpacked" * 100))
    served = serve(FILES)
    for path, (body, length) in FILE_CASES.items():
        status, fields, data = served.request(path=path)
        assert (status, data == body) == (200, True), (path, len(data))
        assert fields.get("content-length") == length, path
    assert "Traceback" not in served.log


@pytest.mark.parametrize("path", ["/file", "/bytesio"])
def test_head_requests_have_no_body(serve, tmp_path, path):
    (tmp_path / "data.bin").write_bytes(DATA)
    served = serve(FILES)
    with socket.create_connection(("127.0.0.1", served.master.port), 5) as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while block := connection.recv(65536):
            data += block
    assert data.startswith(b"HTTP/1.1 200 OK\r\n") and data.endswith(b"\r\n\r\n")


def test_environ_is_a_fresh_dictionary_with_the_standard_keys(serve):
    served = serve("""
    seen = []
    def application(environ, start_response):
        seen.append(environ)
        environ["added.by.app"] = 1
        assert type(environ) is dict
        assert all(type(key) is str for key in environ)
        start_response("200 OK", [])
        return [repr((len(seen), seen[0] is environ, "added.by.app" in seen[0], environ["wsgi.version"],
            environ["wsgi.url_scheme"], environ["wsgi.multithread"], environ["wsgi.multiprocess"],
            environ["wsgi.run_once"], environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"],
            environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"], environ.get("HTTP_X_ODD_NAME"))).encode()]
    """, process={"threads": 2, "workers": 2})
    expected = "(%d, %s, True, (1, 0), 'http', True, True, False, '', '/\u00e4 b', 'q=%%C3%%A4', 'GET', 'HTTP/1.1', %r)"
    first = served.request(path="/%E4%20b?q=%C3%A4", headers={"X-Odd-Name": "v\u00e4l"})
    assert first[2].decode() == expected % (1, True, "v\u00e4l")


def test_wsgiref_validate_is_silent(serve):
    served = serve("""
    import warnings
    from wsgiref.validate import validator
    warnings.simplefilter("error")
    def simple(environ, start_response):
        data = environ["wsgi.input"].read(3) + environ["wsgi.input"].readline() + b"".join(environ["wsgi.input"].readlines())
        environ["wsgi.errors"].write("")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"valid ", data]
    application = validator(simple)
    """)
    for method, path, body in [("GET", "/", None), ("POST", "/p?x=1", b"abcd\nef\n"), ("HEAD", "/", None), ("PUT", "/%C3%A4", b"")]:
        status, _, data = served.request(method, path, body)
        assert status == 200, served.log
        assert method == "HEAD" or data == b"valid " + (body or b"")
    assert served.log == ""


def test_catch_exceptions_shows_the_traceback(serve):
    served = serve(application("raise ValueError('shown')"), python={"catch_exceptions": True})
    status, fields, data = served.request()
    assert status == 500 and b"ValueError: shown" in data and fields["content-type"].startswith("text/plain")
    assert served.log.count("ValueError: shown") == 1


def test_an_excepthook_of_the_application_is_used(serve):
    served = serve("import sys\nsys.excepthook = lambda kind, value, traceback: sys.stderr.write(f'HOOK {value}\\n')\n"
                   + application("raise ValueError('seen')"))
    assert served.request()[0] == 500
    assert served.log == "HOOK seen\n"


def test_threads_answer_at_the_same_time(serve):
    served = serve("""
    import threading
    barrier = threading.Barrier(4, timeout=10)
    def application(environ, start_response):
        barrier.wait()
        start_response("200 OK", [])
        return [threading.current_thread().name.encode()]
    """, process={"threads": 4})
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(served.request()[2].decode())) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(answers) == [f"uWSGIWorker1Core{core}" for core in range(4)]


def test_what_pep_3333_demands_is_there_where_a_front_server_left_it_out(serve):
    served = serve("""
    import socket
    from wsgiref.validate import validator
    def inner(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        names = ["SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "REMOTE_ADDR",
            "REQUEST_URI", "HTTP_HOST"]
        return [repr([environ.get(name) for name in names] + [socket.gethostname()]).encode()]
    application = validator(inner)
    """, listen={"listeners": [listener("Uwsgi")]})

    def ask(**variables):
        return eval(fetch_by_uwsgi(served.master, variables))

    *seen, host = ask(REQUEST_METHOD="GET", QUERY_STRING="")
    assert seen == [host, str(served.master.port), "HTTP/1.0", "", "", "", None, None, None]
    given = {"SERVER_NAME": "site", "SERVER_PORT": "81", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/x", "SCRIPT_NAME": "/s",
             "QUERY_STRING": "q", "REMOTE_ADDR": "::1", "REQUEST_URI": "/s/x?q", "HTTP_HOST": "h"}
    assert ask(REQUEST_METHOD="GET", **given)[:-1] == list(given.values())
    assert served.log == ""


def test_environ_is_what_the_request_says_whatever_the_ones_before_said(serve):
    served = serve("""
    import json
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [json.dumps({key: value for key, value in environ.items() if key.isupper()}).encode()]
    """, listen={"listeners": [listener("Uwsgi")]})
    node = json.loads(fetch_by_uwsgi(served.master, {"REQUEST_METHOD": "GET"}))["SERVER_NAME"]
    usual = {"SERVER_NAME": node, "SERVER_PORT": str(served.master.port), "SERVER_PROTOCOL": "HTTP/1.0", "PATH_INFO": "", "SCRIPT_NAME": ""}
    chance = random.Random(5)
    values = {
        **{name: ["", "a", "b", "c" * 300] for name in usual if name not in ("PATH_INFO", "SCRIPT_NAME")},
        **{name: ["", "/a", "/b", "/" + "c" * 300] for name in ("PATH_INFO", "SCRIPT_NAME", "REQUEST_URI")},
        "CONTENT_LENGTH": ["", "0"],
        **{name: ["", "a", "b", "c" * 300] for name in ("REMOTE_ADDR", "REMOTE_PORT", "QUERY_STRING", "DOCUMENT_ROOT", "REMOTE_USER",
            "HTTP_HOST", "HTTP_COOKIE", "HTTP_ACCEPT", "HTTP_X_OWN")},
    }
    pairs = [(name, chance.choice(values[name])) for name in values]
    for _ in range(1500):
        # Mostly as before, so that there is something to remember.
        if chance.random() < 0.2:
            change = chance.choice(list(values))
            pairs = [pair for pair in pairs if pair[0] != change]
            pairs += [(change, chance.choice(values[change])) for _ in range(chance.choice([0, 1, 1, 2]))]
        sent = [("REQUEST_METHOD", "GET"), *pairs]
        assert json.loads(fetch_by_uwsgi(served.master, sent)) == {**usual, **dict(sent)}
    assert served.log == ""


def test_slow_reader_of_one_large_block_does_not_hold_the_thread(serve):
    served = serve(
        """
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"x" * 30_000_000 if environ["PATH_INFO"] == "/large" else b"small"]
        """
    )
    with socket.create_connection(("127.0.0.1", served.master.port), timeout=20) as reader:
        reader.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert reader.recv(15) == b"HTTP/1.1 200 OK"
        assert served.request()[2] == b"small"
        rest = 0
        while block := reader.recv(1 << 20):
            rest += len(block)
        assert rest > 30_000_000
