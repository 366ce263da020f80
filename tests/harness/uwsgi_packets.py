"""A client of the uwsgi protocol: a packet of variables, the body behind it, an HTTP answer back."""
import struct
from urllib.parse import unquote_to_bytes

from .address import connect
from .http import Reader


def encode(variables, modifier1=0, modifier2=0):
    """A packet; keys and values are str (latin-1) or bytes."""

    def text(value):
        value = value.encode("latin-1") if isinstance(value, str) else value
        return struct.pack("<H", len(value)) + value

    block = b"".join(text(key) + text(value) for key, value in variables)
    return struct.pack("<BHB", modifier1, len(block), modifier2) + block


def variables(method, target, fields=(), body=None, host="127.0.0.1"):
    """What nginx's uwsgi_params would send for this request."""
    path, _, query = target.partition("?")
    named = {name.lower(): value for name, value in fields}
    length = str(len(body)) if body is not None else ""
    found = [
        ("QUERY_STRING", query),
        ("REQUEST_METHOD", method),
        ("CONTENT_TYPE", named.get("content-type", "")),
        ("CONTENT_LENGTH", length),
        ("REQUEST_URI", target),
        ("PATH_INFO", unquote_to_bytes(path)),
        ("DOCUMENT_ROOT", "/usr/share/nginx/html"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", "40000"),
        ("SERVER_PORT", "80"),
        ("SERVER_NAME", "localhost"),
    ]
    if "host" not in named:
        found.append(("HTTP_HOST", host))
    for name, value in fields:
        if name.lower() not in ("content-length", "content-type"):
            found.append(("HTTP_" + name.upper().replace("-", "_"), value))
    return found


def exchange(address, packet, body=b"", timeout=20):
    """Sends a packet and a body; everything the server answers."""
    with connect(address, timeout) as link:
        link.sendall(packet + (body or b""))
        answer = b""
        while piece := link.recv(65536):
            answer += piece
        return answer


def request(address, method="GET", target="/", fields=(), body=None, timeout=20, host="127.0.0.1"):
    """One request; the answer as harness.http has it."""
    with connect(address, timeout) as link:
        link.sendall(encode(variables(method, target, fields, body, host)) + (body or b""))
        return Reader(link).response(method)
