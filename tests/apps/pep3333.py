"""Applications that do what PEP 3333 allows, and what it forbids, by path.

`/check/NAME` answers with what an expression about the environ gives; `/raise/KIND/POINT` raises there; the rest are
functions below. `/closed` tells how often `close()` was called for each name, in this process.
"""
import io
import json
import os
import sys
import tempfile
import types

ROUTES = {}
CHECKS = {}


def route(function):
    ROUTES["/" + function.__name__] = function
    return function


def check(function):
    CHECKS[function.__name__] = function
    return function


def text(start_response, value, status="200 OK"):
    start_response(status, [("Content-Type", "text/plain")])
    return [value.encode("utf-8")]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    first, _, rest = path[1:].partition("/")
    if first == "check":
        return text(start_response, json.dumps(CHECKS[rest](environ)))
    if first == "raise":
        kind, point = rest.split("/")
        return RAISING[point](KINDS[kind], start_response)
    if first == "input":
        return text(start_response, json.dumps(steps(environ["wsgi.input"], rest)))
    if first == "closing":
        start_response("200 OK", [("X-Own", "1")])
        return Closing(rest, environ["QUERY_STRING"])
    function = ROUTES.get(path)
    return function(environ, start_response) if function else text(start_response, "hello " + path)


# ---- the environ


@check
def environ_is_a_dict(environ):
    return type(environ) is dict


@check
def environ_can_be_changed(environ):
    environ["own"], environ["PATH_INFO"] = object(), "/changed"
    del environ["REQUEST_METHOD"]
    return environ["PATH_INFO"] == "/changed" and "REQUEST_METHOD" not in environ


@check
def changes_of_others_are_not_seen(environ):
    return "own" not in environ


@check
def required(environ):
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL")
    return [name for name in names if type(environ.get(name)) is not str]


@check
def required_and_not_empty(environ):
    return [name for name in ("REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL") if not environ.get(name)]


@check
def not_strings(environ):
    return [name for name, value in environ.items() if "." not in name and type(value) is not str]


@check
def not_latin1(environ):
    return [name for name, value in environ.items() if isinstance(value, str) and any(ord(one) > 255 for one in value)]


@check
def names_not_strings(environ):
    return [repr(name) for name in environ if type(name) is not str]


@check
def version(environ):
    return [type(environ["wsgi.version"]).__name__, list(environ["wsgi.version"])]


@check
def scheme(environ):
    return environ["wsgi.url_scheme"]


@check
def switches(environ):
    return [type(environ[name]) is bool and environ[name] for name in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once")]


@check
def input_methods(environ):
    return [name for name in ("read", "readline", "readlines", "__iter__") if not hasattr(environ["wsgi.input"], name)]


@check
def errors_methods(environ):
    return [name for name in ("flush", "write", "writelines") if not hasattr(environ["wsgi.errors"], name)]


@check
def errors_take_text(environ):
    stream = environ["wsgi.errors"]
    stream.write("caf\xe9 \u20ac\n")
    stream.writelines(["one\n", "two\n"])
    print("three", file=stream)
    stream.flush()
    try:
        stream.write(b"bytes")
    except TypeError:
        return True
    return False


@check
def wrapper_is_callable(environ):
    return callable(environ["wsgi.file_wrapper"])


@check
def content_of_nothing(environ):
    return [environ.get("CONTENT_TYPE", ""), environ.get("CONTENT_LENGTH", ""), environ["wsgi.input"].read().decode()]


@check
def content(environ):
    return [environ.get("CONTENT_TYPE"), environ.get("CONTENT_LENGTH"), environ.get("HTTP_CONTENT_TYPE"), environ.get("HTTP_CONTENT_LENGTH")]


@check
def url(environ):
    """The reconstruction that the PEP gives."""
    from urllib.parse import quote

    found = environ["wsgi.url_scheme"] + "://"
    found += environ.get("HTTP_HOST") or environ["SERVER_NAME"] + ":" + environ["SERVER_PORT"]
    found += quote(environ.get("SCRIPT_NAME", ""), encoding="latin-1") + quote(environ.get("PATH_INFO", ""), encoding="latin-1")
    return found + ("?" + environ["QUERY_STRING"] if environ.get("QUERY_STRING") else "")


@check
def os_environment(environ):
    """What only the process's own environment has."""
    return [name for name in ("PATH", "HOME", "PWD") if name in environ]


@check
def pid(environ):
    return os.getpid()


# ---- start_response


@route
def returns_write(environ, start_response):
    write = start_response("200 OK", [])
    return [str(callable(write)).encode()]


@route
def keyword_exc_info(environ, start_response):
    start_response("200 OK", [], exc_info=None)
    return [b"ok"]


@route
def twice(environ, start_response):
    start_response("200 First", [("X-Own", "1")])
    try:
        start_response("201 Second", [("X-Own", "2")])
    except Exception as problem:
        return [type(problem).__name__.encode()]
    return [b"taken"]


@route
def twice_and_unhandled(environ, start_response):
    start_response("200 First", [])
    start_response("201 Second", [])
    return [b"never"]


def handled():
    try:
        raise KeyError("handled")
    except KeyError:
        return sys.exc_info()


@route
def replaced(environ, start_response):
    start_response("200 First", [("X-First", "1"), ("Content-Length", "50")])
    start_response("503 Second", [("X-Second", "2")], handled())
    return [b"replaced"]


@route
def first_with_exc_info(environ, start_response):
    start_response("503 Only", [("X-Second", "2")], handled())
    return [b"only"]


@route
def replaced_in_generator(environ, start_response):
    start_response("200 First", [("X-First", "1")])
    yield b""
    start_response("503 Second", [("X-Second", "2")], handled())
    yield b"replaced"


@route
def replaced_too_late(environ, start_response):
    start_response("200 First", [])
    yield b"sent"
    start_response("503 Second", [], handled())
    yield b"never"


@route
def replaced_too_late_after_write(environ, start_response):
    start_response("200 First", [])(b"sent")
    start_response("503 Second", [], handled())
    return [b"never"]


@route
def lazy(environ, start_response):
    start_response("202 Lazy", [("X-Own", "1")])
    yield b"lazy"


@route
def lazy_after_nothing(environ, start_response):
    yield b""
    start_response("202 Lazy", [])
    yield b"lazy"


@route
def too_late(environ, start_response):
    yield b"body first"
    start_response("200 OK", [])


@route
def never_started(environ, start_response):
    return [b"body"]


@route
def never_started_and_empty(environ, start_response):
    return []


@route
def never_started_in_generator(environ, start_response):
    yield b"body"


@route
def list_changed_afterwards(environ, start_response):
    fields = [("X-Own", "1")]
    start_response("200 OK", fields)
    fields.append(("X-Late", "2"))
    del fields[0]
    return [b"ok"]


STATUSES = {
    "int": 200, "bytes": b"200 OK", "none": None, "empty": "", "two-digits": "20 OK", "four-digits": "2000 OK", "no-digits": "OK", "float": 200.0,
    "line-end": "200 OK\r\nX-Injected: 1", "lf": "200 OK\nX-Injected: 1", "beyond-latin1": "200 \u20ac", "nul": "200 O\0K", "tuple": ("200", "OK"),
}  # fmt: skip


@route
def status(environ, start_response):
    start_response(STATUSES[environ["QUERY_STRING"]], [])
    return [b"never"]


class Words(str):
    """Text of a subclass."""


class Octets(bytes):
    """Bytes of a subclass."""


GOOD_STATUSES = {"no-reason": "200", "blank-reason": "200 ", "own": "299 Own Reason", "latin1": "200 caf\xe9", "subclass": Words("200 OK"), "tab": "200 a\tb"}


@route
def good_status(environ, start_response):
    start_response(GOOD_STATUSES[environ["QUERY_STRING"]], [])
    return [b"ok"]


FIELDS = {
    "none": None, "int": 5, "str": "X: y", "bytes-name": [(b"X", "y")], "bytes-value": [("X", b"y")], "int-value": [("X", 5)], "none-value": [("X", None)],
    "none-name": [(None, "y")], "one": [("X",)], "three": [("X", "y", "z")], "not-a-tuple": ["Xy"], "none-in-list": [None], "line-end": [("X", "a\r\nX-Injected: 1")],
    "lf": [("X", "a\nX-Injected: 1")], "cr": [("X", "a\rb")], "nul": [("X", "a\0b")], "name-line-end": [("X\r\nX-Injected", "1")], "name-colon": [("X:", "1")],
    "name-space": [("X Y", "1")], "name-empty": [("", "1")], "beyond-latin1": [("X", "\u20ac")], "name-beyond-ascii": [("caf\xe9", "1")],
    "coding": [("Transfer-Encoding", "chunked")], "length": [("Content-Length", "many")], "length-int": [("Content-Length", 3)], "two-lengths": [("Content-Length", "2"), ("Content-Length", "3")],
    "surrogate": [("X", "\udcff")],
}  # fmt: skip


@route
def fields(environ, start_response):
    start_response("200 OK", FIELDS[environ["QUERY_STRING"]])
    return [b"never"]


GOOD_FIELDS = {
    "none": [], "latin1": [("X-Own", "caf\xe9")], "empty": [("X-Own", "")], "subclass": [(Words("X-Own"), Words("y"))], "tuple": (("X-Own", "y"),),
    "lists": [["X-Own", "y"]], "many": [("X-Own", str(n)) for n in range(100)], "long": [("X-Own", "v" * 50_000)], "space": [("X-Own", " y ")],
}  # fmt: skip


@route
def good_fields(environ, start_response):
    start_response("200 OK", GOOD_FIELDS[environ["QUERY_STRING"]])
    return [b"ok"]


# ---- what is returned


class Plain:
    """An iterable with nothing more."""

    def __iter__(self):
        return iter([b"plain ", b"iterable"])


class Sequence:
    """The old protocol: indices from 0."""

    def __getitem__(self, index):
        return [b"by ", b"index"][index]


class NoLength(Plain):
    """It has a length, which cannot be had."""

    def __len__(self):
        raise ValueError("no length")


class Called:
    """An application that is an object."""

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b"called"]


class AsClass:
    """An application that is a class, as the PEP shows."""

    def __init__(self, environ, start_response):
        self.start = start_response

    def __iter__(self):
        self.start("200 OK", [])
        yield b"made"


GOOD_RETURNS = {
    "list": lambda: [b"a", b"b"], "tuple": lambda: (b"a", b"b"), "generator": lambda: (one for one in (b"a", b"b")), "iterator": lambda: iter([b"a", b"b"]),
    "map": lambda: map(bytes, [b"a", b"b"]), "plain": Plain, "sequence": Sequence, "no-length": NoLength,
    "empty-list": list, "empty-tuple": tuple, "empty-pieces": lambda: [b"", b"", b""], "empty-between": lambda: [b"a", b"", b"b"], "subclass": lambda: [Octets(b"sub")],
    "dict": lambda: {b"a": 1, b"b": 2}, "deque": lambda: __import__("collections").deque([b"a", b"b"]), "bytesio": lambda: io.BytesIO(b"l1\nl2\n"),
    "bytes-list-of-one": lambda: [b"x" * 100_000], "chain": lambda: __import__("itertools").chain([b"a"], [b"b"]), "file": lambda: open(__file__, "rb"),
}  # fmt: skip


@route
def good_return(environ, start_response):
    start_response("200 OK", [])
    return GOOD_RETURNS[environ["QUERY_STRING"]]()


@route
def instance(environ, start_response):
    return Called()(environ, start_response)


@route
def by_class(environ, start_response):
    return AsClass(environ, start_response)


BAD_RETURNS = {
    "none": lambda: None, "int": lambda: 5, "text": lambda: "text", "texts": lambda: ["text"], "nones": lambda: [None], "ints": lambda: [1, 2],
    "bytes": lambda: b"bytes", "object": object, "texts-later": lambda: iter(["text"]), "lists": lambda: [[b"x"]], "type": lambda: int, "nothing": lambda: NotImplemented,
}  # fmt: skip


@route
def bad_return(environ, start_response):
    start_response("200 OK", [])
    return BAD_RETURNS[environ["QUERY_STRING"]]()


@route
def text_after_bytes(environ, start_response):
    start_response("200 OK", [])
    return iter([b"bytes", "text"])


# ---- write()


@route
def written(environ, start_response):
    write = start_response("200 OK", [])
    write(b"one ")
    write(b"")
    write(b"two ")
    return [b"three"]


@route
def written_alone(environ, start_response):
    start_response("200 OK", [])(b"alone")
    return []


@route
def written_with_length(environ, start_response):
    write = start_response("200 OK", [("Content-Length", "5")])
    write(b"on")
    write(b"ly5")
    return []


@route
def written_text(environ, start_response):
    start_response("200 OK", [])("text")
    return []


@route
def written_nothing(environ, start_response):
    start_response("204 None", [])(b"")
    return []


@route
def written_in_generator(environ, start_response):
    write = start_response("200 OK", [])
    write(b"one ")
    yield b"two "
    write(b"three ")
    yield b"four"


# ---- exceptions


class OwnBase(BaseException):
    """Neither an Exception nor one that Python knows."""


def recursion():
    return recursion()


KINDS = {
    "ValueError": lambda: ValueError("on purpose"), "SystemExit": lambda: SystemExit(3), "SystemExit0": lambda: SystemExit(0), "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit, "StopIteration": lambda: StopIteration("on purpose"), "OwnBase": lambda: OwnBase("on purpose"), "MemoryError": MemoryError,
    "OSError": lambda: OSError(5, "on purpose"), "BrokenPipeError": lambda: BrokenPipeError("on purpose"), "UnicodeError": lambda: "\u20ac".encode("latin-1"),
}  # fmt: skip


def thrown(kind):
    problem = kind()
    raise problem


class Raising:
    """Iterates over pieces of which one raises; `close` may raise too."""

    def __init__(self, pieces, closing=None, at_iter=None):
        self.pieces, self.closing, self.at_iter = iter(pieces), closing, at_iter

    def __iter__(self):
        if self.at_iter:
            thrown(self.at_iter)
        return self

    def __next__(self):
        piece = next(self.pieces)
        if isinstance(piece, bytes):
            return piece
        return thrown(piece)

    def close(self):
        if self.closing:
            thrown(self.closing)


def started(start_response, length=None):
    return start_response("200 OK", [("Content-Length", str(length))] if length else [])


def at_call(kind, start_response):
    thrown(kind)


def after_start(kind, start_response):
    started(start_response)
    thrown(kind)


def at_iter(kind, start_response):
    started(start_response)
    return Raising([b"x"], at_iter=kind)


def at_first(kind, start_response):
    started(start_response)
    return Raising([kind])


def after_nothing(kind, start_response):
    started(start_response)
    return Raising([b"", kind])


def after_first(kind, start_response):
    started(start_response)
    return Raising([b"first", kind])


def after_first_of_length(kind, start_response):
    started(start_response, 50)
    return Raising([b"first", kind])


def after_write(kind, start_response):
    started(start_response)(b"first")
    thrown(kind)


def in_close(kind, start_response):
    started(start_response)
    return Raising([b"first"], closing=kind)


def in_both(kind, start_response):
    started(start_response)
    return Raising([kind], closing=kind)


RAISING = {function.__name__: function for function in (at_call, after_start, at_iter, at_first, after_nothing, after_first, after_first_of_length, after_write, in_close, in_both)}


@route
def forked(environ, start_response):
    """The child comes back in one of these ways; the parent answers with what the child ended with."""
    how = environ["QUERY_STRING"]
    child = os.fork()
    if child:
        return text(start_response, str(os.waitpid(child, 0)[1] >> 8))
    if how == "exits":
        sys.exit(3)
    if how == "raises":
        raise ValueError("of the child")
    if how == "writes":
        start_response("200 OK", [])(b"child")
    start_response("200 OK", [])
    return [b"child"] if how == "returns" else (piece for piece in [b"child"])


@route
def too_deep(environ, start_response):
    recursion()


@route
def bad_traceback(environ, start_response):
    class Unprintable(Exception):
        def __str__(self):
            raise ValueError("cannot be printed")

    raise Unprintable


# ---- close()


CLOSED = {}


class Closing:
    """Counts the calls of close(); yields `pieces`, fails at `None`."""

    def __init__(self, name, how):
        self.name = name
        CLOSED[name] = []
        pieces = {"endless": iter(lambda: b"x" * 65536, b""), "fails": iter([b"a", None]), "fails-first": iter([None]), "empty": iter([])}
        self.pieces = pieces.get(how, iter([b"a", b"b"]))
        self.over = False

    def __iter__(self):
        return self

    def __next__(self):
        try:
            piece = next(self.pieces)
        except StopIteration:
            self.over = True
            raise
        if piece is None:
            raise ValueError("fails on purpose")
        return piece

    def close(self):
        CLOSED[self.name].append(self.over)


@route
def closed(environ, start_response):
    return text(start_response, json.dumps(CLOSED))


# ---- wsgi.file_wrapper


class OnlyRead:
    """All that a file-like object must have."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def read(self, size=-1):
        return self.data.read(size)


class Failing(OnlyRead):
    def read(self, size=-1):
        raise OSError("fails on purpose")


class BadPosition(OnlyRead):
    """It has a descriptor's number that is none."""

    def fileno(self):
        raise io.UnsupportedOperation("fileno")


def real_file(data=b"0123456789" * 1000):
    file = tempfile.TemporaryFile()
    file.write(data)
    file.seek(0)
    return file


def at_offset():
    file = real_file()
    file.seek(9_990)
    return file


def pipe():
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    return open(reading, "rb")


def text_file():
    return io.StringIO("text")


FILES = {
    "real": real_file, "offset": at_offset, "empty": lambda: real_file(b""), "bytesio": lambda: io.BytesIO(b"0123456789"), "only-read": lambda: OnlyRead(b"0123456789"),
    "pipe": pipe, "no-size": lambda: open("/proc/sys/kernel/ostype", "rb"), "never-ending": lambda: open("/dev/zero", "rb"), "bad-position": lambda: BadPosition(b"0123456789"), "failing": lambda: Failing(b""), "text": text_file, "buffered": lambda: io.BufferedReader(io.BytesIO(b"0123456789")),
    "unbuffered": lambda: open(__file__, "rb", buffering=0),
}  # fmt: skip


@route
def wrapped(environ, start_response):
    name, _, length = environ["QUERY_STRING"].partition("&")
    start_response("200 OK", [("Content-Length", length)] if length else [])
    return environ["wsgi.file_wrapper"](FILES[name](), 4)


@route
def never_ending(environ, start_response):
    """Gives more than it has promised, without an end; HEAD and 204 promise nothing."""
    status, _, length = environ["QUERY_STRING"].partition("&")
    start_response(status + " Own", [("Content-Length", length)] if length else [])
    return iter(lambda: b"abc", b"")


@route
def wrapped_and_iterated(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789"), 4)
    start_response("200 OK", [])
    return (b"[" + piece + b"]" for piece in wrapper)


@route
def wrapped_by_keyword(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](filelike=io.BytesIO(b"0123456789"), blksize=4)


@route
def wrapped_and_dropped(environ, start_response):
    environ["wsgi.file_wrapper"](real_file())
    return text(start_response, "another answer")


@route
def wrapped_after_write(environ, start_response):
    start_response("200 OK", [])(b"first ")
    return environ["wsgi.file_wrapper"](io.BytesIO(b"then a file"))


# ---- wsgi.input


def plain(value):
    return value.decode("latin-1") if isinstance(value, bytes) else [one.decode("latin-1") for one in value]


def steps(stream, words):
    """Runs `read:3,readline,iter …` and gives what each returned."""
    found = []
    for word in words.split(","):
        name, _, number = word.partition(":")
        arguments = [None if number == "None" else int(number)] if number else []
        if name == "iter":
            found.append(plain(list(stream)))
        elif name == "next":
            found.append(plain(next(iter(stream), b"END")))
        else:
            found.append(plain(getattr(stream, name)(*arguments)))
    return found


class Middleware:
    """Wraps an application and passes on what it returns, in the way of the PEP's example."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, environ, start_response):
        def own_start(status, fields, exc_info=None):
            return start_response(status, [*fields, ("X-Middleware", "1")], exc_info)

        return self.inner(environ, own_start)


through_middleware = Middleware(application)
ROUTES["/sys_exc_info_is_clean"] = lambda environ, start_response: text(start_response, str(sys.exc_info() == (None, None, None)))
ROUTES["/types"] = lambda environ, start_response: text(start_response, str(isinstance(start_response, (types.FunctionType, types.BuiltinFunctionType)) or callable(start_response)))
