"""What applications do with request bodies; `/seen` tells what the requests before it met."""
import hashlib
import os

SEEN = []
BLOCK = 1 << 16
ROUTES = {}


def route(function):
    ROUTES["/" + function.__name__] = function
    return function


def application(environ, start_response):
    return ROUTES.get(environ["PATH_INFO"], unread)(environ, start_response)


def answer(start_response, text, *fields):
    body = text.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *fields])
    return [body]


def pieces(stream, size):
    return iter(lambda: stream.read(size), b"")


@route
def digest(environ, start_response):
    total, found = 0, hashlib.sha256()
    for piece in pieces(environ["wsgi.input"], int(environ["QUERY_STRING"] or BLOCK)):
        total += len(piece)
        found.update(piece)
    return answer(start_response, f"{total} {found.hexdigest()}")


@route
def whole(environ, start_response):
    return answer(start_response, hashlib.sha256(environ["wsgi.input"].read()).hexdigest())


@route
def lines(environ, start_response):
    found = list(environ["wsgi.input"])
    again = environ["wsgi.input"].seek(0) or environ["wsgi.input"].readlines()
    return answer(start_response, f"{len(found)} {hashlib.sha256(b''.join(found)).hexdigest()} {found == again}")


@route
def count(environ, start_response):
    return answer(start_response, str(sum(len(piece) for piece in pieces(environ["wsgi.input"], BLOCK))))


@route
def unread(environ, start_response):
    return answer(start_response, "not read")


@route
def refuse(environ, start_response):
    start_response("413 Content Too Large", [("Content-Length", "0")])
    return []


@route
def first(environ, start_response):
    return answer(start_response, environ["wsgi.input"].read(4).decode())


@route
def catches(environ, start_response):
    try:
        environ["wsgi.input"].read()
        SEEN.append("whole")
    except OSError as error:
        SEEN.append(f"{type(error).__name__}: {error}")
    return answer(start_response, "caught")


@route
def raises(environ, start_response):
    SEEN.append("began")
    environ["wsgi.input"].read()
    SEEN.append("read")
    return answer(start_response, "read")


@route
def seen(environ, start_response):
    return answer(start_response, "; ".join(SEEN))


@route
def zeros(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    block = bytes(BLOCK)
    return (block for _ in range(int(environ["QUERY_STRING"]) // BLOCK))


@route
def part(environ, start_response):
    path, offset, length = environ["QUERY_STRING"].split(",")
    file = open(path, "rb")
    file.seek(int(offset))
    start_response("200 OK", [("Content-Length", length)])
    return environ["wsgi.file_wrapper"](file)


@route
def parts(environ, start_response):
    """What `uwsgi.chunked_read_nb` and `uwsgi.chunked_read` give one after the other, each as soon as it comes."""
    import uwsgi

    start_response("200 OK", [("Content-Type", "text/plain")])
    yield repr(uwsgi.chunked_read_nb()).encode() + b"\n"
    while part := uwsgi.chunked_read():
        yield repr((part, uwsgi.chunked_read_nb())).encode() + b"\n"
    yield repr(uwsgi.chunked_read_nb()).encode()


@route
def memory(environ, start_response):
    """The most memory that this process has had, in KiB."""
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    return answer(start_response, f"{os.getpid()} {peak}")
