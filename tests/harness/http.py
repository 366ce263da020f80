"""A small HTTP/1.1 client that shows what really came over the wire."""
import json as json_module
from dataclasses import dataclass, field

from .address import connect


class Broken(Exception):
    """The answer is no HTTP, or ended too early."""


@dataclass
class Response:
    """One answer, fields in the order in which they came."""

    version: str
    status: int
    reason: str
    fields: list
    body: bytes = b""
    trailers: list = field(default_factory=list)

    def all(self, name):
        """Values of every field `name`."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        """Value of the only field `name`."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else default

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json_module.loads(self.body)


def encode(method, target, fields=(), body=None, host="127.0.0.1", version="HTTP/1.1"):
    """Bytes of a request; a Host and, with a body, a Content-Length are added when missing."""
    names = {name.lower() for name, _ in fields}
    lines = [f"{method} {target} {version}"]
    if "host" not in names and version != "HTTP/1.0":
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class Reader:
    """Reads answers from a socket, one after the other."""

    def __init__(self, link):
        self.link = link
        self.buffer = b""
        self.interim = []  # statuses of the answers 1xx that came

    def _more(self):
        data = self.link.recv(65536)
        self.buffer += data
        return bool(data)

    def line(self):
        while b"\n" not in self.buffer:
            if not self._more():
                raise Broken(f"the connection ended within a line: {self.buffer!r}")
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Broken(f"a line without CR: {line!r}")
        return line[:-1]

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self._more():
                raise Broken(f"{len(self.buffer)} bytes came of {size}")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def rest(self):
        while self._more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def at_end(self):
        """Whether the peer has closed; waits for either."""
        return not self.buffer and not self._more()

    def _fields(self):
        fields = []
        while line := self.line():
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise Broken(f"no field: {line!r}")
            fields.append((name, value.strip()))
        return fields

    def _chunks(self):
        body = b""
        while size := int(self.line().split(b";")[0], 16):
            body += self.exactly(size)
            if self.line():
                raise Broken("no line end after a chunk")
        return body, self._fields()

    def head(self):
        """Status line and fields; answers 1xx are skipped."""
        while True:
            first = self.line().decode("latin-1")
            version, _, rest = first.partition(" ")
            status, _, reason = rest.partition(" ")
            if not version.startswith("HTTP/") or not status.isdigit():
                raise Broken(f"no status line: {first!r}")
            response = Response(version, int(status), reason, self._fields())
            if response.status >= 200:
                return response
            self.interim.append(response.status)

    def interim_response(self):
        """Status of the next answer, which should be 1xx."""
        status = self.line().split(b" ")[1]
        assert not self._fields()
        return int(status)

    def response(self, method="GET"):
        """A whole answer; framing errors raise Broken."""
        response = self.head()
        length = response.get("Content-Length")
        if method == "HEAD" or response.status in (204, 304):
            return response
        if "chunked" in (response.get("Transfer-Encoding") or ""):
            assert length is None, "both Content-Length and chunked"
            response.body, response.trailers = self._chunks()
        elif length is not None:
            response.body = self.exactly(int(length))
        else:
            response.body = self.rest()
        return response


def request(address, method="GET", target="/", fields=(), body=None, timeout=20, **options):
    """One request on a connection of its own."""
    fields = list(fields)
    if not any(name.lower() == "connection" for name, _ in fields):
        fields.append(("Connection", "close"))
    with connect(address, timeout) as link:
        link.sendall(encode(method, target, fields, body, **options))
        return Reader(link).response(method)


def get(address, target="/", fields=(), **options):
    """GET on a connection of its own."""
    return request(address, "GET", target, fields, **options)


def raw(address, data, timeout=10, finish=True):
    """Sends bytes, says that no more come, and returns everything that the server answers until it closes."""
    with connect(address, timeout) as link:
        link.sendall(data)
        if finish:
            link.shutdown(1)
        answer = b""
        while piece := link.recv(65536):
            answer += piece
        return answer
