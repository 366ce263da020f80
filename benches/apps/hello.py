"""The smallest application; every server runs the same one."""

BODY = b"Hello, World!"
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    start_response("200 OK", FIELDS)
    return [BODY]
