"""Where Margrave answers otherwise than uWSGI 2.0.31 on purpose. Every entry has its reason and is used by some case.

`case` and `path` are patterns of fnmatch: a case is `group/protocol/name`, a path is `status`, `body`,
`field Content-Length`, `environ HTTP_X` … `when` looks at both values (None: absent).
"""
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Callable


@dataclass
class Difference:
    """One intended difference."""

    case: str
    path: str
    reason: str
    when: Callable = lambda theirs, ours: True
    used: int = field(default=0, compare=False)


def added(theirs, ours):
    """We send it, uWSGI does not."""
    return theirs is None and ours is not None


def removed(theirs, ours):
    """uWSGI sends it, we do not."""
    return theirs is not None and ours is None


def refused(theirs, ours):
    """We answer 400 where uWSGI takes it or says nothing."""
    return ours in (400, "whole")


DIFFERENCES = [
    Difference("*", "field Content-Length", "computed for an answer of one piece, so that the connection can be kept", added),
    Difference("*/http*", "field Date", "RFC 9110 asks a server with a clock for it", added),
    Difference("*/http*", "field Transfer-Encoding", "an answer of unknown length is chunked, so that the connection can be kept", added),
    Difference("*/http*", "field Connection", "says whether the connection is kept; uWSGI only closes it"),
    Difference("*", "environ wsgi.input_terminated", "tells frameworks that the body ends by itself, chunked ones too", added),
    Difference("*/*", "environ SCRIPT_NAME", "PEP 3333 wants it; an absent variable means the root", added),
    # Static files.
    Difference("django*/GET /static*", "field Accept-Ranges", "parts of static files are served", added),
    Difference("django*/HEAD /static*", "field Accept-Ranges", "parts of static files are served", added),
    Difference("django*/static/*", "field ETag", "a validator that changes with the file, for conditional requests", added),
    Difference("django-fields/*/GET /static/*", "status", "a Range is honoured", lambda theirs, ours: (theirs, ours) == (200, 206)),
    # Requests that no strict server takes: two readings of one request are how requests are smuggled.
    *[
        Difference(f"environ/*/{name}", path, f"{reason}: refused with 400", refused)
        for name, path, reason in [
            ("post_bad_cl", "status", "a Content-Length that is no number"),
            ("post_dup_cl", "status", "two different Content-Lengths"),
            ("header_space_before_colon", "status", "a blank before the colon"),
            ("header_folded", "status", "a folded field"),
            ("header_no_colon", "answer", "a field without a colon"),
            ("http09", "*", "HTTP/0.9"),
            ("no_host_11", "status", "HTTP/1.1 without Host"),
            ("two_hosts", "status", "two Hosts"),
            ("bare_lf", "answer", "lines that end without CR"),
        ]
    ],
    Difference("django-fields/*/GET /static/*", "field Last-Modified", "a 304 tells the validators (RFC 9110)", added),
    Difference("environ/nginx/big_headers_8k", "status", "a head of up to 64 KiB is taken; uWSGI makes nginx answer 502"),
    Difference("environ/*/big_headers_8k", "answer", "a head of up to 64 KiB is taken; beyond 4 KiB uWSGI cuts the connection"),
    # What the application sees.
    Difference("*/path_pct_bad", "environ PATH_INFO", "a percent sign that begins no escape stays one; uWSGI makes it a NUL"),
    Difference("django/http*/GET /%", "status", "a percent sign that begins no escape stays one; uWSGI drops it"),
    Difference("*/repeat_headers", "environ HTTP_COOKIE", "several Cookie fields are joined with a semicolon (RFC 6265)"),
    Difference("*/header_underscore", "environ HTTP_X_UNDER_SCORE", "a field with an underscore cannot pose as one with a hyphen"),
    Difference("*/header_spaces", "environ HTTP_X_*", "blanks around a value are not part of it (RFC 9110)"),
    Difference("*/header_special", "environ HTTP_PROXY", "a client must not set HTTP_PROXY for what the application starts", removed),
    Difference("*/chunked_post", "body", "a chunked body is decoded; uWSGI gives an empty one"),
    Difference("*/chunked_post", "environ CONTENT_LENGTH", "a chunked body has been read, so its length is known", added),
    Difference("*/http*/absolute_form", "environ *", "an absolute target is taken apart, as RFC 9112 says"),
    *[
        Difference("special/uwsgi/only_path", f"environ {name}", "PEP 3333 wants it, also when the client sent none", added)
        for name in ("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL")
    ],
    # Gateways.
    Difference("environ/fastcgi/head", "*", "the body of an answer to HEAD, here the environ, is not sent", removed),
    Difference("environ/scgi/head", "*", "the body of an answer to HEAD, here the environ, is not sent", removed),
    Difference("environ/fastcgi/post_short_body", "status", "STDIN that ends before CONTENT_LENGTH: refused with 400", refused),
    Difference("environ/fastcgi/expect_100", "status", "STDIN that ends before CONTENT_LENGTH: refused with 400", refused),
    Difference("environ/scgi/path_pct_nul", "status", "a NUL in a value ends it: the strings come in no pairs, refused with 400", refused),
    Difference("environ/fastcgi/keepalive_pipelined", "body", "STDIN is the body, with or without CONTENT_LENGTH"),
    Difference("environ/fastcgi/*", "environ CONTENT_LENGTH", "STDIN without a CONTENT_LENGTH has been read, so its length is known", lambda theirs, ours: list(theirs) == ["str", ""] and ours),
    Difference("special/uwsgi/empty_packet", "answer", "a packet without variables is answered with 400, not with silence"),
    Difference("special/uwsgi/modifier1_5", "answer", "an unknown modifier is answered, not met with silence"),
]


def excuse(case, path, theirs, ours):
    """Whether an entry covers this difference."""
    for entry in DIFFERENCES:
        if fnmatchcase(case, entry.case) and fnmatchcase(path, entry.path) and entry.when(theirs, ours):
            entry.used += 1
            return True
    return False


def unused():
    """Entries that no case needed."""
    return [f"{entry.case} {entry.path}: {entry.reason}" for entry in DIFFERENCES if not entry.used]
