"""The smallest WSGI application: `margrave --http-socket 127.0.0.1:8002 examples/hello/hello.py`."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"Hello, world!\n"]
