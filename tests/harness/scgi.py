"""A client of the SCGI protocol: a netstring of headers, the body behind it, a CGI answer back."""
from .address import connect
from .fastcgi import as_response
from .uwsgi_packets import variables


def encode(pairs):
    """The head of a request; CONTENT_LENGTH comes first, as the protocol asks."""
    pairs = dict(pairs)
    first = [("CONTENT_LENGTH", pairs.pop("CONTENT_LENGTH", "") or "0"), ("SCGI", "1")]

    def text(value):
        return value if isinstance(value, bytes) else value.encode("latin-1")

    block = b"".join(text(key) + b"\0" + text(value) + b"\0" for key, value in [*first, *pairs.items()])
    return b"%d:%s," % (len(block), block)


def request(address, method="GET", target="/", fields=(), body=None, timeout=20, host="127.0.0.1"):
    """One request; the answer as harness.http has it."""
    with connect(address, timeout) as link:
        link.sendall(encode(variables(method, target, fields, body, host)) + (body or b""))
        answer = b""
        while piece := link.recv(65536):
            answer += piece
        return as_response(answer)
