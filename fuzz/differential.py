"""Asks Margrave's HTTP/1 decoders and h11 about the same connections, and wants a reason for every disagreement.

    cargo build -p margrave-wire --example outcomes
    python fuzz/differential.py --outcomes target/debug/examples/outcomes --seconds 600

Inputs are made of the fuzz corpora and of a grammar of requests, good and bad, mutated; a seed gives the same ones
again. The reasons are the list `REASONS`: each names who is stricter, by which rule, and how it shows in the bytes. A
disagreement without a reason is printed with its input and fails the run.
"""
import argparse
import random
import re
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import h11

CORPUS = Path(__file__).parent / "corpus"
BATCH = 500
FOLDED = re.compile(rb"\r?\n[ \t]")
NAKED = re.compile(rb"(?<!\r)\n|\r(?!\n)")
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass
class Request:
    """One request as a parser has read it."""

    method: bytes
    target: bytes
    version: bytes
    keep: bool
    body: bytes
    fields: dict = field(default_factory=dict)


@dataclass
class Reading:
    """Requests of a connection, and how it ends: incomplete, closed, or refused."""

    requests: list
    end: str
    why: str = ""


# ---- the two parsers


def margrave(inputs, executable):
    """What the example `outcomes` says of each input."""
    data = b"".join(struct.pack("<I", len(one)) + one for one in inputs)
    done = subprocess.run([executable], input=data, capture_output=True, check=True)
    lines = done.stdout.decode("ascii").splitlines()
    assert len(lines) == len(inputs), "an input has crashed the decoder"
    return [read_line(line) for line in lines]


def unhex(text):
    return b"" if text == "-" else bytes.fromhex(text)


def read_line(line):
    *requests, end = line.split("\t")
    found = []
    for request in requests:
        method, target, version, keep, body, fields = request.split(" ")
        pairs = dict(tuple(map(unhex, pair.split("="))) for pair in fields.split(","))
        found.append(Request(unhex(method), unhex(target), version.encode(), keep == "keep", unhex(body), pairs))
    kind, _, why = end.partition(" ")
    return Reading(found, kind if kind in ("incomplete", "closed") else "refused", why)


def other(data):
    """What h11 says."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    if data:  # none at all would be the end of the connection
        connection.receive_data(data)
    found, current = [], None
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return Reading(found, "incomplete")
            if event is h11.PAUSED:
                return Reading(found, "closed")
            if isinstance(event, h11.Request):
                fields = {}
                for name, value in event.headers:
                    fields.setdefault(name, []).append(value)
                current = Request(event.method, event.target, event.http_version, True, b"", fields)
            elif isinstance(event, h11.Data):
                current.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                current.keep = connection.their_state is h11.DONE
                found.append(current)
                if not current.keep:
                    return Reading(found, "closed")
                connection.send(h11.Response(status_code=204, headers=[]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    current.keep = False
                    return Reading(found, "closed")
                connection.start_next_cycle()
    except h11.RemoteProtocolError as problem:
        return Reading(found, "refused", str(problem))


# ---- why they may disagree


def meaning(fault):
    """Faults that are about what a request means, which h11 leaves to those who use it."""
    return lambda data, ours, theirs: ours.why == fault


REASONS = [
    # Margrave refuses.
    ("lines end in CR LF alone (RFC 9112, 2.2 allows LF)", lambda data, ours, theirs: ours.why == "LineEnd" and NAKED.search(data)),
    ("no folded fields (RFC 9112, 5.2)", lambda data, ours, theirs: ours.why in ("FieldFolded", "Trailer", "ContentLength", "TransferEncoding", "Expectation") and FOLDED.search(data)),
    ("no control characters in values (RFC 9110, 5.5)", lambda data, ours, theirs: ours.why in ("FieldValue", "Trailer", "Chunk") and CONTROL.search(data)),
    ("a chunk's line has no naked CR or LF (RFC 9112, 7.1)", lambda data, ours, theirs: ours.why in ("Chunk", "Trailer") and NAKED.search(data)),
    ("no space in a chunk's line but in its extension (RFC 9112, 7.1)", lambda data, ours, theirs: ours.why == "Chunk" and re.search(rb"[0-9A-Fa-f][ \t]+(;|\r\n)", data)),
    ("a chunk's size has 16 digits (64 bits)", lambda data, ours, theirs: ours.why == "Chunk" and re.search(rb"[0-9A-Fa-f]{17}", data)),
    ("Host is a host (RFC 9110, 7.2)", meaning("Host")),
    ("a target has one of four forms (RFC 9112, 3.2)", meaning("Target")),
    ("CONNECT is for proxies (RFC 9110, 9.3.6)", meaning("Connect")),
    ("no method is that long", lambda data, ours, theirs: ours.why == "MethodTooLong" and re.search(rb"[!-~]{33}", data)),
    ("versions 1.0 to 1.9 (RFC 9110, 2.5)", lambda data, ours, theirs: ours.why == "VersionUnsupported" and re.search(rb" HTTP/[02-9]\.[0-9]", data)),
    ("one Content-Length (RFC 9112, 6.3 allows equal ones)", lambda data, ours, theirs: ours.why in ("ContentLengthTwice", "ContentLength") and len(re.findall(rb"(?i)content-length:|,", data)) > 1),
    ("a length fits 64 bits", lambda data, ours, theirs: ours.why == "BodyTooLarge" and re.search(rb"[0-9a-fA-F]{16}", data)),
    ("Transfer-Encoding beside Content-Length (RFC 9112, 6.1)", meaning("TwoLengths")),
    ("Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1)", lambda data, ours, theirs: ours.why == "TransferEncoding" and re.search(rb" HTTP/1\.0", data)),
    ("the expectation is 100-continue (RFC 9110, 10.1.1)", meaning("Expectation")),
    ("bounds of a head", lambda data, ours, theirs: ours.why in ("TooManyFields", "HeadTooLarge", "TargetTooLong", "FieldTooLarge", "TrailersTooLarge", "ChunkLineTooLong") and len(data) > 1000),
    ("Host from HTTP/1.1 on, of which 1.2 is one (RFC 9112, 3.2)", lambda data, ours, theirs: ours.why == "HostMissing" and re.search(rb" HTTP/1\.[2-9]\r", data)),
    ("both refuse, Margrave before all has come", lambda data, ours, theirs: ours.end == "refused" and theirs.end == "incomplete" and refused_later(data, ours)),
    # h11 refuses.
    ("h11: a CR that may become an empty line is no request (RFC 9112, 2.2)", lambda data, ours, theirs: ours.end == "incomplete" and data.endswith(b"\r") and theirs.why == "illegal request line"),
    ("h11: lengths and codings in trailers are looked at, and here dropped (RFC 9110, 6.5.1)", lambda data, ours, theirs: len(ours.requests) > len(theirs.requests) and b"chunked" in data.lower() and re.search("Content-Length|Transfer-Encoding", theirs.why)),
    ("h11: no space before a chunk's extension (RFC 9110, 5.6.3 has it skipped)", lambda data, ours, theirs: theirs.why.startswith("illegal chunk header") and re.search(rb"[0-9A-Fa-f][ \t]+;", data)),
    ("h11: targets are ASCII; uWSGI passes other bytes on", lambda data, ours, theirs: "illegal request line" in theirs.why and re.search(rb"[\x80-\xff]", data)),
    ("h11: a connection that was to be closed is looked at no more", lambda data, ours, theirs: theirs.end == "closed" and len(theirs.requests) == len(ours.requests)),
    ("h11: an empty line before a request is one too many (RFC 9112, 2.2 has it skipped)", lambda data, ours, theirs: theirs.why == "no request line received"),
]  # fmt: skip


def refused_later(data, ours):
    """h11 refuses the same request, once more of it has come."""
    for more in (b"\r\n\r\n", b" / HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1\r\nHost: h\r\n\r\n", b"\r\n0\r\n\r\n", b"\r\nabc\r\n\r\n"):
        theirs = other(data + more)
        if theirs.end == "refused" and len(theirs.requests) == len(ours.requests):
            return True
    return False


def explain(data, ours, theirs):
    """The reason for the first disagreement; `None` when they agree, `False` when there is no reason."""
    for one, two in zip(ours.requests, theirs.requests):
        if (difference := compare(one, two)) is not None:
            return difference
    same = len(ours.requests) == len(theirs.requests)
    if same and ours.end == theirs.end:
        return None
    for reason, shows in REASONS:
        if shows(data, ours, theirs):
            return reason
    return False


def compare(one, two):
    """Two readings of one request: `None` when they are the same."""
    if one.method != two.method or one.body != two.body:
        return False
    reasons = []
    if one.version != two.version:
        if not (one.version == b"1.1" and re.fullmatch(rb"1\.[2-9]", two.version)):
            return False
        reasons.append("a later minor version is taken as 1.1 (RFC 9110, 2.5)")
    if one.target != two.target:
        scheme, _, rest = two.target.partition(b"://")
        if scheme.lower() not in (b"http", b"https") or not rest.endswith(one.target.lstrip(b"/")):
            return False
        reasons.append("absolute-form is split into Host and path (RFC 9112, 3.2.2)")
    if not same_fields(one, two, bool(reasons)):
        return False
    if one.keep != two.keep:
        if not one.keep:
            return False
        if one.version == b"1.0":  # h11 keeps none of these open
            reasons.append("HTTP/1.0 keeps the connection where both want it (RFC 9112, C.2.2)")
        elif b"upgrade" in two.fields:
            reasons.append("an upgrade is not accepted, and the connection goes on (RFC 9110, 7.8)")
        elif two.version != b"1.1":  # h11 takes 1.2 for less than 1.1
            reasons.append("a later minor version keeps the connection as 1.1 does (RFC 9110, 2.5)")
        else:
            return False
    return reasons[0] if reasons else None


def same_fields(one, two, rewritten):
    """Every field that h11 has is among the variables, but for those that are dropped on purpose."""
    expected = {}
    for name, values in two.fields.items():
        if b"_" in name or name == b"proxy":
            continue
        variable = name.upper().replace(b"-", b"_")
        if variable not in (b"CONTENT_LENGTH", b"CONTENT_TYPE"):
            variable = b"HTTP_" + variable
        expected[variable] = (b"; " if name == b"cookie" else b", ").join(values)
    if rewritten:
        expected.pop(b"HTTP_HOST", None)
    # h11 writes Transfer-Encoding in small letters, and Content-Length without what is before and behind it.
    loose = (b"HTTP_TRANSFER_ENCODING", b"CONTENT_LENGTH")
    found = {name: value for name, value in one.fields.items() if name.startswith(b"HTTP_") or name in expected}
    if rewritten:
        found.pop(b"HTTP_HOST", None)
    same = {name: value for name, value in found.items() if name not in loose} == {name: value for name, value in expected.items() if name not in loose}
    return same and found.keys() == expected.keys()


# ---- inputs

METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"get", b"G(T", b"A" * 40, b"", b"CONNECT"]
TARGETS = [b"/", b"/a?b=c", b"*", b"http://o.test/p?q", b"/%41/../b", b"/\xe9", b"a", b"//x", b"/a b", b"/\x01", b"", b"https://[::1]:8/"]
VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1", b"http/1.1", b"HTTP/1.1 "]
ENDS = [b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n"]
FIELDS = [
    b"X-A: b", b"x-a:c", b"X-B:\t v \t", b"Cookie: a=1", b"Cookie: b=2", b"Content-Type: t/x", b"Connection: close", b"Connection: keep-alive", b"Connection: a, close",
    b"Expect: 100-continue", b"Expect: x", b"Proxy: p", b"X_A: u", b"Accept: */*", b"Host: other", b"Host: a b", b"X-E:", b"X-O: caf\xe9", b"X-C: a\x01b", b"X-N: a\0b", b"X : s",
    b" folded", b"nocolon", b": empty", b"X-L: " + b"v" * 300, b"TE: trailers", b"Upgrade: h2c", b"Keep-Alive: 5", b"X-\xe9: v", b"X(: v",
]  # fmt: skip
LENGTHS = [b"3", b"0", b"03", b"+3", b"-1", b"3, 3", b"3,4", b"x", b"", b"18446744073709551616", b"99", b"3 "]
CODINGS = [b"chunked"] * 5 + [b"Chunked", b"gzip, chunked", b"chunked, gzip", b"identity", b"xchunked", b"", b"chunked, chunked", b"\x0bchunked"]
SIZES = [b"3", b"3", b"3", b"03", b"3 ", b" 3", b"0x3", b"+3", b"3;a=b", b"3;a", b"3 ;a", b"4", b"2", b"ffffffffffffffffff", b"3;\x01", b""]
TRAILERS = [b"", b"", b"X-T: v\r\n", b"X : v\r\n", b" v\r\n", b"nocolon\r\n", b"X-T: \0\r\n", b"Content-Length: 5\r\n"]


def pick(source, choices, often=0.75):
    """The first of the choices, often."""
    return choices[0] if source.random() < often else source.choice(choices)


def make(source):
    """A request by the grammar."""
    lines = [pick(source, METHODS) + b" " + pick(source, TARGETS) + b" " + pick(source, VERSIONS, 0.8)]
    if source.random() < 0.95:
        lines.append(b"Host: h.test")
    lines += [source.choice(FIELDS) for _ in range(source.choice([0, 0, 1, 2, 3]))]
    kind, body = source.random(), b""
    if kind < 0.3:
        lines.append(b"Content-Length: " + pick(source, LENGTHS))
        body = b"abc"
    elif kind < 0.65:
        lines.append(b"Transfer-Encoding: " + source.choice(CODINGS))
        for _ in range(source.choice([0, 1, 1, 2])):
            body += pick(source, SIZES) + pick(source, ENDS) + b"abc" + pick(source, ENDS)
        body += b"0" + pick(source, ENDS) + pick(source, TRAILERS) + pick(source, ENDS)
        if kind > 0.6:
            lines.append(b"Content-Length: " + source.choice(LENGTHS))
    if source.random() < 0.2:
        source.shuffle(lines[1:])
    return b"".join(line + pick(source, ENDS, 0.95) for line in lines) + pick(source, ENDS, 0.95) + body


def mutate(data, source, pool):
    """A few bytes changed, dropped, doubled, or taken from another input."""
    data = bytearray(data)
    for _ in range(source.choice([1, 1, 2, 3])):
        at = source.randrange(len(data) + 1)
        end = min(at + source.randrange(1, 12), len(data))
        match source.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << source.randrange(8)
            case 1:
                data[at:at] = source.choice([b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b";", b",", b"_", b"0", b"\x0b", b"\x7f", b"\xff"])
            case 2:
                del data[at:end]
            case 3:
                to = source.randrange(len(data) + 1)
                data[to:to] = data[at:end]
            case 4:
                piece = source.choice(pool)
                start = source.randrange(len(piece) + 1)
                data[at:end] = piece[start : start + 30]
            case _:
                del data[at:]
    return bytes(data)


def inputs(source, pool):
    while True:
        kind = source.random()
        data = source.choice(pool) if kind < 0.15 else b"".join(make(source) for _ in range(source.choice([1, 1, 1, 2, 3])))
        if kind < 0.6:
            data = mutate(data, source, pool)
        yield data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", required=True, help="the example `outcomes` of margrave-wire")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=9112)
    parser.add_argument("--show", type=int, default=10, help="disagreements without a reason to print")
    options = parser.parse_args()
    source = random.Random(options.seed)
    pool = [path.read_bytes() for name in ("http1_head", "body") for path in sorted((CORPUS / name).iterdir()) if path.is_file()]
    stream, found, unexplained, count = inputs(source, pool), Counter(), [], 0
    deadline = time.monotonic() + options.seconds
    while time.monotonic() < deadline and len(unexplained) < options.show:
        batch = [next(stream) for _ in range(BATCH)]
        for data, ours in zip(batch, margrave(batch, options.outcomes)):
            theirs = other(data)
            reason = explain(data, ours, theirs)
            count += 1
            if reason is False:
                unexplained.append((data, ours, theirs))
            elif reason:
                found[reason] += 1
    print(f"{count} connections, seed {options.seed}; {sum(found.values())} disagreements with a reason:")
    for reason, times in found.most_common():
        print(f"{times:8} {reason}")
    for data, ours, theirs in unexplained[: options.show]:
        print(f"WITHOUT A REASON: {data!r}\n  Margrave {ours}\n  h11      {theirs}")
    sys.exit(bool(unexplained))


if __name__ == "__main__":
    main()
