"""Applications behind wsgiref.validate: a server that breaks PEP 3333 makes them answer 500 with the assertion."""
import traceback
import warnings
from wsgiref.validate import validator

warnings.simplefilter("error")


def inner(environ, start_response):
    path = environ["PATH_INFO"]
    stream = environ["wsgi.input"]
    if path == "/read":
        pieces = [stream.read(3), stream.readline(), *stream.readlines(), stream.read(0)]
    elif path == "/iterate":
        pieces = list(stream)
    else:
        pieces = [b"hello ", path.encode("latin-1")]
    environ["wsgi.errors"].write("noted\n")
    environ["wsgi.errors"].flush()
    if environ["REQUEST_METHOD"] == "HEAD" or path == "/none":
        start_response("204 No Content" if path == "/none" else "200 OK", [] if path == "/none" else [("Content-Type", "text/plain")])
        return []
    if path == "/writer":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return [b"returned"]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return iter(pieces) if path == "/lazy" else pieces


checked = validator(inner)


def application(environ, start_response):
    """Turns a complaint into an answer; the validator's iterator complains at close, so everything is collected."""
    started = []

    def start(status, fields, exc_info=None):
        started[:] = [status, fields]
        return sent.append

    sent = []
    try:
        result = checked(environ, start)
        try:
            sent.extend(result)
        finally:
            result.close()
    except Exception:  # noqa: BLE001 - shown to the test
        started[:] = ["500 Complaint", [("Content-Type", "text/plain")]]
        sent[:] = [traceback.format_exc().encode()]
    start_response(*started)
    return sent


def direct(environ, start_response):
    """The validator right under the server: it checks how the server calls start_response, iterates and closes."""
    return checked(environ, start_response)
