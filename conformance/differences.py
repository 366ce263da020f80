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


DIFFERENCES = [
    Difference("*", "field Content-Length", "computed for an answer of one piece, so that the connection can be kept", added),
    Difference("*/http*", "field Date", "RFC 9110 asks a server with a clock for it", added),
    Difference("*/http*", "field Transfer-Encoding", "an answer of unknown length is chunked, so that the connection can be kept", added),
    Difference("*/http*", "field Connection", "says whether the connection is kept; uWSGI only closes it"),
    Difference("*", "environ uwsgi.version", "names Margrave's version"),
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
