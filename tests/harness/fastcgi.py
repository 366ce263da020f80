"""A client of FastCGI: one request a connection, a CGI answer back."""
import struct

from .address import connect
from .http import Broken, Response
from .uwsgi_packets import variables

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


def record(kind, content=b""):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(key, value):
    """A name and its value with their lengths in four bytes."""
    key, value = (part if isinstance(part, bytes) else part.encode("latin-1") for part in (key, value))
    return struct.pack(">LL", len(key) | 1 << 31, len(value) | 1 << 31) + key + value


def encode(pairs, body=b""):
    """A whole request."""
    params = b"".join(pair(key, value) for key, value in pairs)
    parts = [record(BEGIN, struct.pack(">HB5x", 1, 0)), record(PARAMS, params), record(PARAMS)]
    parts += [record(STDIN, body[at : at + 65535]) for at in range(0, len(body), 65535)]
    return b"".join([*parts, record(STDIN)])


def decode(data):
    """What came on the standard output of the request; fails when its end did not come."""
    output, at = bytearray(), 0
    while len(data) >= at + 8:
        _, kind, _, length, padding = struct.unpack_from(">BBHHBx", data, at)
        if kind == STDOUT:
            output += data[at + 8 : at + 8 + length]
        if kind == END:
            return bytes(output)
        at += 8 + length + padding
    raise Broken(f"no end of the request after {bytes(output)!r}")


def as_response(output):
    """A CGI answer as harness.http has it."""
    head, blank, body = output.partition(b"\r\n\r\n")
    if not blank:
        raise Broken(f"no head: {output!r}")
    lines = head.decode("latin-1").split("\r\n")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines if not line.startswith("HTTP/"))]
    status = next((value for name, value in fields if name.lower() == "status"), None) or lines[0].partition(" ")[2] or "200 OK"
    code, _, reason = status.partition(" ")
    if not code.isdigit():
        raise Broken(f"no status: {output!r}")
    return Response("HTTP/1.1", int(code), reason, fields, body)


def request(address, method="GET", target="/", fields=(), body=None, timeout=20, host="127.0.0.1"):
    """One request; the answer as harness.http has it."""
    with connect(address, timeout) as link:
        link.sendall(encode(variables(method, target, fields, body, host), body or b""))
        data = b""
        while piece := link.recv(65536):
            data += piece
        return as_response(decode(data))
