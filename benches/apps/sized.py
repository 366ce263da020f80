"""A body of as many bytes as the path says: `/10240`."""

BODIES = {}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = BODIES.get(path)
    if body is None:
        body = BODIES[path] = b"x" * int(path[1:] or 13)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
