"""Answers with everything that the application sees: environ in order with types, and the body read."""
import json

SHOWN = (str, int, float, bool, bytes, tuple)


def shown(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, SHOWN) else None


def application(environ, start_response):
    seen = [[key, type(value).__name__ if isinstance(value, SHOWN) else "object", shown(value)] for key, value in environ.items()]
    try:
        body = environ["wsgi.input"].read().decode("latin-1")
    except Exception as problem:  # noqa: BLE001 - part of what is compared
        body = type(problem).__name__
    data = json.dumps({"environ": seen, "body": body}).encode()
    fields = [("Content-Type", "application/json"), ("X-App", "capture"), ("Content-Length", str(len(data)))]
    start_response("200 OK", fields)
    return [data]


app = other = application
