"""What clients of FastCGI and SCGI send, and what the answers of uwsgi, FastCGI and SCGI say."""
import struct
from dataclasses import dataclass, field

from .http import Broken, Response

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = range(1, 12)


def record(kind, content=b"", number=1, padding=0, version=1, reserved=0):
    """One record; `padding` bytes of noise behind it."""
    return struct.pack(">BBHHBB", version, kind, number, len(content), padding, reserved) + content + b"\xa5" * padding


def begin(number=1, role=1, flags=0, **options):
    return record(BEGIN, struct.pack(">HB5x", role, flags), number, **options)


def length(size):
    return bytes([size]) if size < 128 else struct.pack(">I", size | 1 << 31)


def pair(name, value, long=False):
    """A name and a value; `long` spells both lengths with four bytes."""
    name, value = octets(name), octets(value)
    lengths = [struct.pack(">I", len(one) | 1 << 31) if long else length(len(one)) for one in (name, value)]
    return lengths[0] + lengths[1] + name + value


def octets(value):
    return value.encode("latin-1") if isinstance(value, str) else value


def stream(kind, data, number=1, size=65_528, **options):
    """A stream in records of `size`, with the empty one that ends it."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(record(kind, piece, number, **options) for piece in [*pieces, b""])


def netstring(content):
    return b"%d:%s," % (len(content), content)


@dataclass
class Records:
    """What came over a FastCGI connection for one request."""

    stdout: bytes = b""
    stderr: bytes = b""
    end: tuple = None
    sizes: list = field(default_factory=list)


class RecordReader:
    """Takes answers apart; `others` are the records of no request."""

    def __init__(self, data):
        self.requests, self.others, self.order = {}, [], []
        while data:
            if len(data) < 8:
                raise Broken(f"half a header: {data!r}")
            version, kind, number, size, padding, _ = struct.unpack(">BBHHBB", data[:8])
            content, data = data[8 : 8 + size], data[8 + size + padding :]
            assert version == 1 and len(content) == size, "a record is cut"
            self.take(kind, number, content)

    def take(self, kind, number, content):
        if number == 0:
            self.others.append((kind, content))
            return
        if number not in self.requests or self.requests[number].end:
            self.requests[number] = Records()
            self.order.append(self.requests[number])
        found = self.requests[number]
        if kind == STDOUT:
            found.stdout += content
            found.sizes.append(len(content))
        elif kind == STDERR:
            found.stderr += content
        elif kind == END:
            assert len(content) == 8
            found.end = struct.unpack(">IB3x", content)
        else:
            raise AssertionError(f"a record of type {kind} came")


def pairs(data):
    """Names and values of GET_VALUES_RESULT."""
    found = {}
    while data:
        sizes = []
        for _ in range(2):
            size, data = (data[0], data[1:]) if data[0] < 128 else (struct.unpack(">I", data[:4])[0] & 0x7FFFFFFF, data[4:])
            sizes.append(size)
        found[data[: sizes[0]]] = data[sizes[0] : sum(sizes)]
        data = data[sum(sizes) :]
    return found


def answer(data):
    """An answer that its connection ends: with a status line, or with the `Status` of a CGI script (RFC 3875, 6.3)."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        raise Broken(f"no head: {data[:200]!r}")
    lines = head.decode("latin-1").split("\r\n")
    if lines[0].startswith("HTTP/"):
        version, _, rest = lines.pop(0).partition(" ")
        status = rest
    else:
        version = "CGI"
        assert lines[0].startswith("Status: "), lines
        status = lines.pop(0).removeprefix("Status: ")
    fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines]
    number, _, reason = status.partition(" ")
    return Response(version, int(number), reason, fields, body)
