"""One request to one server, and what came of it, in a form that can be compared."""
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

from harness import fastcgi
from harness.address import connect
from harness.http import Broken, Reader

SILENCE = 1.0
PAIR = ThreadPoolExecutor(2)
# Differ from one request to the next on the same server.
BY_CHANCE = {"environ uwsgi.core", "environ REMOTE_PORT"}


def send(address, data, method="GET", finish=False):
    """The answer to these bytes as a dict of what is compared; `answer` says how it came."""
    try:
        with connect(address, SILENCE) as link:
            try:
                link.sendall(data)
                if finish:
                    link.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before all was read; the answer may be there all the same
            return observation(Reader(link).response(method))
    except (Broken, OSError):
        return {"answer": "none"}


def send_gateway(address, data, unwrap):
    """The same for SCGI and FastCGI, whose answers end with the connection; `unwrap` makes a CGI answer of them."""
    try:
        with connect(address, SILENCE) as link:
            link.sendall(data)
            return observation(fastcgi.as_response(unwrap(Reader(link).rest())))
    except (Broken, OSError):
        return {"answer": "none"}


def side_by_side(action, addresses):
    """The action on both servers at the same time: silence is waited for once."""
    return list(PAIR.map(action, addresses))


def observation(response):
    """Status, fields and body; the JSON of the capture application is taken apart."""
    seen = {"answer": "whole", "status": response.status, "reason": response.reason, "version": response.version}
    for name, value in response.fields:
        seen.setdefault(f"field {name}", []).append(value)
    if response.get("X-App") == "capture":
        seen.pop("field Content-Length", None)  # follows from what is compared below
    if response.get("X-App") == "capture" and response.body:
        data = json.loads(response.body)
        seen["body"] = data["body"]
        for key, kind, value in data["environ"]:
            seen[f"environ {key}"] = (kind, value)
    else:
        seen["body"] = response.body.decode("latin-1")
    return seen


class Neutral:
    """Makes two observations comparable: addresses of the two servers and values that differ on every request."""

    REPLACEMENTS = [
        (re.compile(r'(name="csrfmiddlewaretoken" value=")[^"]+'), r"\1TOKEN"),
        (re.compile(r"csrftoken=[^;]+"), "csrftoken=TOKEN"),
        (re.compile(r"sessionid=[^;]+"), "sessionid=ID"),
        (re.compile(r"expires=[^;]+"), "expires=WHEN"),
        (re.compile(r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$"), "WHEN"),
        (re.compile(r"messages=[^;]+"), "messages=SIGNED"),
        (re.compile(r"app;dur=[\d.]+"), "app;dur=N"),
    ]

    def __init__(self, *addresses):
        self.ports = [address.rpartition(":")[2] for address in addresses if "/" not in address]

    def __call__(self, value):
        if isinstance(value, (list, tuple)):
            return [self(one) for one in value]
        if not isinstance(value, str):
            return value
        for port in self.ports:
            value = value.replace(port, "PORT")
        for pattern, text in self.REPLACEMENTS:
            value = pattern.sub(text, value)
        return value


def compare(case, theirs, ours, neutral):
    """The differences as `path: uWSGI's value -> ours`, those that the list does not excuse."""
    from differences import excuse

    found = []
    # What comes with another answer or status is told by that alone.
    paths = next(([first] for first in ("answer", "status") if theirs.get(first) != ours.get(first)), {*theirs, *ours} - BY_CHANCE)
    for path in sorted(paths):
        left, right = neutral(theirs.get(path)), neutral(ours.get(path))
        if left != right and not excuse(case, path, left, right):
            found.append(f"{path}: {shortened(left)} -> {shortened(right)}")
    return found


def shortened(value):
    """For the report."""
    text = repr(value)
    return text if len(text) < 400 else f"{text[:400]}… ({len(text)})"
