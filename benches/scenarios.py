"""What is measured: one row a scenario, with who takes part and what is aimed at."""

import dataclasses

from .load import Wrk
from .measure import ColdStart, Growth, Memory, Steady, Tail
from .peers import Work

PYTHON_SERVERS = ("margrave", "bjoern", "FastPySGI", "granian", "uWSGI", "gunicorn", "waitress")
THREADED = ("margrave", "granian", "uWSGI", "gunicorn", "waitress")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row of a scenario's table."""

    peer: str
    work: Work
    label: str = ""
    # How nginx in front reaches it: `uwsgi`, `fastcgi`, `scgi`, `http`, each also with ` kept` connections.
    front: str = ""
    # Where the scenario is a curve.
    x: float | None = None
    measure: object = None

    @property
    def name(self):
        return self.label or self.peer


@dataclasses.dataclass(frozen=True)
class Target:
    """What Margrave aims at: at most (or at least) `factor` times another row, plus `plus`.

    `of` names the row; `best` is the best peer, and nothing means that `plus` alone is the bound.
    """

    metric: str
    factor: float = 0
    of: str = ""
    plus: float = 0
    at_least: bool = False
    row: str = "margrave"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One question, asked of several servers alike."""

    name: str
    title: str
    measure: object
    entries: tuple
    targets: tuple = ()
    # Said below the table.
    note: str = ""
    # What the entries' `x` is.
    axis: str = ""
    # On all cores instead of one.
    spread: bool = False
    # Part of the plain `make bench`.
    default: bool = True


def same(peers, **work):
    return tuple(Entry(peer, Work(**work)) for peer in peers)


UWSGI_NOTE = "uWSGI has a thread for each connection here, because its HTTP keep-alive holds one."

SCENARIOS = (
    Scenario(
        "hello",
        "Hello, keep-alive, 32 connections",
        Steady(),
        (Entry("floor", Work(), "floor (constant answer in C)"), *same(PYTHON_SERVERS)),
        (Target("cpu_us", 0.85, "best"), Target("cpu_us", 1.2, "floor (constant answer in C)"), Target("cpu_us", plus=7.4)),
        note=UWSGI_NOTE,
    ),
    Scenario(
        "body10k",
        "A body of 10 KB",
        Steady(Wrk(path="/10240")),
        same(PYTHON_SERVERS, app="sized"),
        (Target("cpu_us", 0.9, "best"),),
        note=UWSGI_NOTE,
    ),
    Scenario(
        "django",
        "Django, default middleware, JSON",
        Steady(),
        same(PYTHON_SERVERS, app="site_json"),
        (Target("cpu_us", 1.0, "best"),),
        note=UWSGI_NOTE,
    ),
)


def find(names):
    """The scenarios of these names, in the order of the table; all default ones without names."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no scenario {', '.join(unknown)}; there are: {', '.join(known)}")
    return [one for one in SCENARIOS if (one.name in names if names else one.default)]
