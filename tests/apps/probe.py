"""One application that shows what the server gives it and does everything that PEP 3333 allows."""
import io
import json
import os
import sys
import threading
import time

EVENTS = []
LOCK = threading.Lock()
RELEASED = threading.Event()
ROUTES = {}


def route(function):
    ROUTES["/" + function.__name__.replace("__", "/")] = function
    return function


def plain(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


def answer(start_response, text, status="200 OK", fields=()):
    data = text if isinstance(text, bytes) else text.encode()
    start_response(status, [("Content-Type", "text/plain"), *fields])
    return [data]


def as_json(start_response, value):
    return answer(start_response, json.dumps(value), fields=[("X-Kind", "json")])


def argument(environ, name, default=None):
    for pair in environ.get("QUERY_STRING", "").split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return value
    return default


def application(environ, start_response):
    function = ROUTES.get(environ["PATH_INFO"])
    if function is None:
        return answer(start_response, "no such path\n", "404 Not Found")
    return function(environ, start_response)


app = application


@route
def environ(environ, start_response):
    shown = {key: value if isinstance(value, str) else repr(value) for key, value in environ.items()}
    types = {key: type(value).__name__ for key, value in environ.items()}
    return as_json(start_response, {"environ": shown, "types": types})


@route
def pid(environ, start_response):
    return answer(start_response, str(os.getpid()))


@route
def place(environ, start_response):
    return as_json(
        start_response,
        {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "cwd": os.getcwd(),
            "argv": sys.argv,
            "executable": sys.executable,
            "prefix": sys.prefix,
            "version": sys.version_info[:3],
            "path": sys.path,
            "thread": threading.current_thread().name,
            "main": threading.current_thread() is threading.main_thread(),
            "uid": os.getuid(),
            "gid": os.getgid(),
            "groups": os.getgroups(),
            "umask": umask(),
            "environment": dict(os.environ),
            "loaded": LOADED,
        },
    )


LOADED = os.getpid()


def umask():
    """There is no call that only looks."""
    value = os.umask(0o22)
    os.umask(value)
    return value


@route
def slow(environ, start_response):
    time.sleep(float(argument(environ, "s", "0.5")))
    return answer(start_response, f"slept {os.getpid()}")


@route
def spin(environ, start_response):
    end = time.monotonic() + float(argument(environ, "s", "0.5"))
    while time.monotonic() < end:
        pass
    return answer(start_response, "spun")


@route
def crash(environ, start_response):
    raise ValueError("crash on purpose")


@route
def crash_late(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"first")
    raise ValueError("late crash on purpose")


@route
def crash_generator(environ, start_response):
    def pieces():
        yield b"first"
        raise ValueError("generator crash on purpose")

    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces()


@route
def crash_before_first(environ, start_response):
    def pieces():
        raise ValueError("early crash on purpose")
        yield b""

    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces()


@route
def die(environ, start_response):
    os._exit(7)


@route
def never_started(environ, start_response):
    return [b"no start_response"]


@route
def returns_none(environ, start_response):
    start_response("200 OK", [])


@route
def returns_text(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["text, not bytes"]


@route
def one(environ, start_response):
    return answer(start_response, "one piece")


@route
def empty(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return []


@route
def several(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a", b"", b"bc", b"d" * 1000]


@route
def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (b"%d," % number for number in range(5))


@route
def lazy(environ, start_response):
    """start_response is called when the first piece is asked for, as PEP 3333 allows."""

    def pieces():
        start_response("202 Accepted", [("Content-Type", "text/plain")])
        yield b"lazy "
        yield b"start"

    return pieces()


@route
def lazy_stream(environ, start_response):
    """Each piece must be sent before the next one is made."""
    start_response("200 OK", [("Content-Type", "text/plain")])

    def pieces():
        for number in range(3):
            yield b"%d\n" % number
            time.sleep(0.3)

    return pieces()


@route
def writer(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    write(b"")
    write(b"first, ")
    return [b"then ", b"returned"]


@route
def length(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    return [b"01234", b"56789"]


@route
def too_long(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"0123", b"too much"]


@route
def too_short(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    return [b"0123"]


@route
def big(environ, start_response):
    size = int(argument(environ, "n", str(3 * 1024 * 1024)))
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [b"0123456789abcdef" * (size // 16)]


@route
def many(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (b"x" * 65536 for _ in range(int(argument(environ, "n", "64"))))


@route
def status(environ, start_response):
    code = argument(environ, "code", "204")
    start_response(f"{code} Because", [("X-Own", "1")])
    return [b"body that must not be sent for some"]


@route
def fields(environ, start_response):
    start_response(
        "299 Own Reason",
        [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9"), ("x-lower", "v"), ("X-Empty", "")],
    )
    return [b"fields"]


@route
def bad_field(environ, start_response):
    start_response("200 OK", [("X-Split", "a\r\nX-Injected: yes")])
    return [b"never"]


@route
def bad_status(environ, start_response):
    start_response("200 OK\r\nX-Injected: yes", [])
    return [b"never"]


@route
def hop(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")])
    return [b"never"]


@route
def exc_info(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise KeyError("handled")
    except KeyError:
        start_response("500 Replaced", [("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


@route
def exc_info_late(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"sent already")
    try:
        raise KeyError("too late on purpose")
    except KeyError:
        start_response("500 Replaced", [], sys.exc_info())
    return [b"never"]


@route
def twice(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        start_response("201 Again", [("X-Second", "2")])
    except Exception as problem:  # noqa: BLE001 - the server's own class
        return [f"refused: {type(problem).__name__}".encode()]
    return [b"accepted"]


class Closing:
    """An iterable that notes that it was closed."""

    def __init__(self, name, pieces, crash=False):
        self.name, self.pieces, self.crash = name, iter(pieces), crash

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.pieces)
        if piece is None:
            raise ValueError("iteration crash on purpose")
        return piece

    def close(self):
        with LOCK:
            EVENTS.append(f"closed {self.name}")
        if self.crash:
            raise ValueError("close crash on purpose")


@route
def close(environ, start_response):
    name = argument(environ, "name", "x")
    how = argument(environ, "how", "all")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if how == "raise":
        return Closing(name, [b"a", None])
    if how == "raise-first":
        return Closing(name, [None])
    if how == "close-raises":
        return Closing(name, [b"a", b"b"], crash=True)
    if how == "endless":
        return Closing(name, (b"x" * 65536 for _ in iter(int, 1)))
    if how == "file":
        path = argument(environ, "path")
        file = open(path, "rb")  # noqa: SIM115 - the server closes it
        original = file

        class Wrapped:
            def read(self, size=-1):
                return original.read(size)

            def close(self):
                original.close()
                EVENTS.append(f"closed {name}")

        return environ["wsgi.file_wrapper"](Wrapped())
    return Closing(name, [b"a", b"b"])


class ClosedLate(Closing):
    """An iterable of one piece whose `close()` waits for `/release`."""

    def __len__(self):
        return 1

    def close(self):
        RELEASED.wait(30)
        super().close()


@route
def hang_up(environ, start_response):
    import uwsgi

    write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
    write(b"all of it")
    uwsgi.disconnect()
    return []


@route
def close_late(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ClosedLate(argument(environ, "name", "x"), [b"all of it"])


@route
def release(environ, start_response):
    RELEASED.set()
    return answer(start_response, "released")


@route
def events(environ, start_response):
    return as_json(start_response, EVENTS)


@route
def file(environ, start_response):
    opened = open(argument(environ, "path"), "rb")  # noqa: SIM115 - the server closes it
    opened.seek(int(argument(environ, "offset", "0")))
    extra = [("Content-Length", argument(environ, "length"))] if argument(environ, "length") else []
    start_response("200 OK", [("Content-Type", "application/octet-stream"), *extra])
    size = int(argument(environ, "block", "32768"))
    return environ["wsgi.file_wrapper"](opened, size)


@route
def file_like(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789" * 10), 7)


@route
def file_iterated(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789"), 4)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"|".join(wrapper)]


@route
def echo(environ, start_response):
    data = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [data]


@route
def size(environ, start_response):
    total = 0
    while piece := environ["wsgi.input"].read(65536):
        total += len(piece)
    return as_json(
        start_response,
        {
            "bytes": total,
            "length": environ.get("CONTENT_LENGTH"),
            "terminated": environ.get("wsgi.input_terminated"),
            "coding": environ.get("HTTP_TRANSFER_ENCODING"),
        },
    )


@route
def unread(environ, start_response):
    return answer(start_response, "not read")


@route
def input(environ, start_response):
    """Runs `read`, `readline` … with the numbers given: `do=read:3,readline,readlines:5,iter`."""
    stream = environ["wsgi.input"]
    results = []
    for step in argument(environ, "do", "").split(","):
        name, _, number = step.partition(":")
        arguments = [int(number)] if number else []
        if name == "iter":
            results.append([plain(line) for line in stream])
        elif name == "next":
            results.append(plain(next(iter(stream), b"END")))
        else:
            value = getattr(stream, name)(*arguments)
            results.append([plain(line) for line in value] if isinstance(value, list) else plain(value))
    return as_json(start_response, results)


@route
def errors(environ, start_response):
    stream = environ["wsgi.errors"]
    stream.write("to wsgi.errors\n")
    stream.writelines(["line one\n", "line two\n"])
    stream.flush()
    print("to stdout", flush=True)
    return answer(start_response, "logged")


@route
def module(environ, start_response):
    """What the `uwsgi` module says."""
    import uwsgi

    return as_json(
        start_response,
        {
            "version": plain(uwsgi.version),
            "opt": {plain(key): plain_list(value) for key, value in uwsgi.opt.items()},
            "magic_table": {plain(key): plain(value) for key, value in uwsgi.magic_table.items()},
            "applications": sorted(map(str, uwsgi.applications)) if uwsgi.applications else uwsgi.applications,
            "numproc": uwsgi.numproc,
            "worker_id": uwsgi.worker_id(),
            "masterpid": uwsgi.masterpid(),
            "mypid": getattr(uwsgi, "mypid", os.getpid)(),  # uWSGI 2.0 has none
            "total_requests": uwsgi.total_requests(),
            "workers": [{key: plain(value) for key, value in worker.items() if key != "apps"} for worker in uwsgi.workers()],
            "connected": uwsgi.is_connected(uwsgi.connection_fd()),
            "env_is_environ": getattr(uwsgi, "env", None) is environ,
            "env_path": uwsgi.env.get("PATH_INFO") if hasattr(uwsgi, "env") else None,
        },
    )


def plain_list(value):
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else plain(value)


@route
def module__log(environ, start_response):
    import uwsgi

    uwsgi.log("from uwsgi.log")
    return answer(start_response, "logged")


@route
def module__logvar(environ, start_response):
    import uwsgi

    uwsgi.set_logvar("colour", "teal")
    return answer(start_response, "set")


@route
def module__reload(environ, start_response):
    import uwsgi

    return answer(start_response, str(uwsgi.reload()))


@route
def module__stop(environ, start_response):
    import uwsgi

    return answer(start_response, str(uwsgi.stop()))


@route
def module__lock(environ, start_response):
    """Adds to a file under the lock, in a way that loses updates without it."""
    import uwsgi

    path = argument(environ, "path")
    uwsgi.lock()
    try:
        with open(path) as file:
            number = int(file.read() or 0)
        time.sleep(0.005)
        with open(path, "w") as file:
            file.write(str(number + 1))
    finally:
        uwsgi.unlock()
    return answer(start_response, "counted")
