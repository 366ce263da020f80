"""What is measured: one row a scenario, with who takes part and what is aimed at."""

from __future__ import annotations

import dataclasses

from .load import Wrk
from .measure import ColdStart, Growth, Ideal, Memory, Steady, Tail
from .peers import Work

PYTHON_SERVERS = ("margrave", "bjoern", "FastPySGI", "granian", "uWSGI", "gunicorn", "waitress")
# waitress is shown once or twice: it is never near the others, and a run is to take a quarter of an hour.
USUAL = ("margrave", "bjoern", "FastPySGI", "granian", "uWSGI", "gunicorn")
FLOOR = "floor (constant answer in C)"
DEALT = "floor (connections dealt out in turn, in C)"
IDEAL = "ideal (one queue, no cost)"
THREADED = ("margrave", "granian", "uWSGI", "gunicorn")
FEW_WORKERS = Tail(150, slow="/sleep/200", stretch=8)


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
    # Measured for so long at least.
    seconds: int = 0
    # The metric that is compared; the measurement's own unless another one is asked about.
    main: str = ""
    # Part of the plain `make bench`.
    default: bool = True


def same(peers, **work):
    return tuple(Entry(peer, Work(**work)) for peer in peers)


def curve(peers, axis, values, unit):
    """One row for each peer and value; `axis` is the field of `Work` that grows."""
    return tuple(
        Entry(peer, Work(**{"app": app, axis: value}), f"{peer}, {value} {unit if value > 1 else unit[:-1]}", x=value)
        for peer, app in peers
        for value in values
    )


def threads_at_work(name, title, app, path="/", **more):
    """One worker on the usual Python and on one without a GIL, with more and more threads; not part of a plain run."""
    entries = curve((("margrave", app), ("margrave free-threaded", app)), "threads", (1, 2, 4), "threads")
    measure = Steady(Wrk(path=path, nice=19))
    return Scenario(name, title, measure, entries, axis="threads", main="rate", spread=True, default=False, **more)


def fronts(peers, ways, **work):
    """Each peer behind nginx by each way that it speaks."""
    return tuple(
        Entry(peer, Work(connections=0, **work), f"{peer} by {way}" if len(ways) > 1 else peer, front=way)
        for way in ways
        for peer in peers
    )


def bodies(peers, sizes, posted):
    """Bodies of growing size, in the request or in the answer."""
    for peer in peers:
        for size in sizes:
            load = Wrk(path="/", body=size, connections=4) if posted else Wrk(path=f"/{size}", connections=4)
            work = Work(app="posted" if posted else "streamed", connections=4)
            yield Entry(peer, work, f"{peer}, {label(size)}", x=size, measure=Growth(load, size))


def label(size):
    return f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size // 1000} KB"


UWSGI_NOTE = "uWSGI has a thread for each connection here, because its HTTP keep-alive holds one."
SIZES = (1_000, 100_000, 1_000_000, 100_000_000)

SCENARIOS = (
    # ---- what a request costs -----------------------------------------------------------------------------------------
    Scenario(
        "hello",
        "Hello, keep-alive, 32 connections",
        Steady(),
        (Entry("floor", Work(), FLOOR), *same(PYTHON_SERVERS)),
        (Target("cpu_us", 0.85, "best"), Target("cpu_us", 1.2, FLOOR), Target("cpu_us", plus=7.4)),
        note=UWSGI_NOTE,
    ),
    Scenario(
        "body10k",
        "A body of 10 KB",
        Steady(Wrk(path="/10240")),
        same(USUAL, app="sized"),
        (Target("cpu_us", 0.9, "best"),),
        note=UWSGI_NOTE,
    ),
    Scenario(
        "connections",
        "A new connection for each request",
        Steady(Wrk(close=True)),
        same(USUAL, connections=0),
        (Target("cpu_us", 0.95, "best"),),
    ),
    Scenario(
        "post16k",
        "POST of 16 KB, read by the application",
        Steady(Wrk(body=16384)),
        same(USUAL, app="posted"),
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
    Scenario(
        "sleep",
        "The application sleeps 10 ms, 32 threads",
        Steady(Wrk(path="/sleep/10")),
        same(THREADED, app="mixed", threads=32),
        (Target("cpu_us", 0.8, "best"), Target("p99_ms", plus=12.1)),
    ),
    Scenario(
        "static",
        "A static file of 20 KB",
        Steady(Wrk(path="/static/20k.bin")),
        same(("margrave", "nginx", "uWSGI", "granian"), static=True),
        (Target("cpu_us", 1.1, "nginx"),),
    ),
    Scenario(
        "nginx",
        "nginx in front, by the uwsgi protocol",
        Steady(),
        (
            Entry("floor", Work(), FLOOR, front="uwsgi"),
            *fronts(("margrave", "uWSGI", "gunicorn"), ("uwsgi",)),
        ),
        (Target("cpu_us", 0.7, "uWSGI"),),
        note="The server's own CPU time decides; nginx's is beside it.",
    ),
    Scenario(
        "protocols",
        "The same application behind nginx, by each protocol",
        Steady(),
        fronts(("margrave", "uWSGI"), ("uwsgi", "fastcgi", "scgi", "http"))
        + fronts(("margrave",), ("fastcgi kept", "http kept")),
        note="Over a UNIX socket. `kept` keeps connections between nginx and the server, which uwsgi and SCGI cannot.",
    ),
    Scenario(
        "logging",
        "The default request line, written to a file",
        Steady(),
        (
            Entry("margrave", Work()),
            Entry("margrave", Work(log=True), "margrave, logging"),
            Entry("uWSGI", Work(), "uWSGI"),
            Entry("uWSGI", Work(log=True), "uWSGI, logging"),
        ),
        (Target("cpu_us", 1.0, "margrave", plus=1.5, row="margrave, logging"),),
    ),
    # ---- the tail -----------------------------------------------------------------------------------------------------
    Scenario(
        "tail-threads",
        "One request in fifty takes 200 ms; 8 threads, 500 requests a second",
        Tail(500, slow="/sleep/200"),
        same(THREADED, app="mixed", threads=8, connections=64),
        (Target("p99_ms", plus=1.5), Target("cpu_us", 0.6, "granian")),
        note="Latencies are those of the fast requests, counted from when they were due. " + UWSGI_NOTE,
    ),
    Scenario(
        "tail-workers",
        "One request in fifty takes 200 ms; 2 workers of 1 thread, 150 requests a second",
        FEW_WORKERS,
        (
            Entry("ideal", Work(), IDEAL, measure=Ideal(FEW_WORKERS, servers=2)),
            *same(THREADED, app="mixed", processes=2, connections=64),
        ),
        (Target("p90_ms", plus=10), Target("p90_ms", 1.0, IDEAL, plus=5)),
        main="p90_ms",
        note="Latencies are those of the fast requests. " + UWSGI_NOTE,
        spread=True,
    ),
    Scenario(
        "tail-computing",
        "A thread of the application computes all the time; 8 threads, 200 requests a second",
        Tail(200, prelude="/background/1"),
        same(THREADED, app="mixed", threads=8, connections=64),
    ),
    Scenario(
        "tail-burning",
        "One request in twenty burns 20 ms of Python; 8 threads, 200 requests a second",
        Tail(200, slow="/burn/20", slow_share=0.05),
        same(THREADED, app="mixed", threads=8, connections=64),
        note="Latencies are those of the fast requests. " + UWSGI_NOTE,
    ),
    Scenario(
        "fairness",
        "Four workers: requests of the busiest against the least busy one, keep-alive",
        Steady(Wrk(tally=True, connections=64)),
        (
            Entry("floor", Work(processes=4), DEALT),
            *same(("margrave", "granian", "gunicorn", "uWSGI"), app="mixed", processes=4, connections=64),
        ),
        (Target("unevenness", plus=1.15), Target("unevenness", 1.0, DEALT, plus=0.1)),
        main="unevenness",
        note="The floor has exactly as many connections in each process: what is uneven there is the scheduler's doing.",
        spread=True,
        # Within a second the scheduler tends to leave the same worker on the client's core; over some it changes.
        seconds=4,
    ),
    Scenario(
        "fairness-new",
        "The same, a new connection for each request",
        Steady(Wrk(tally=True, connections=64, close=True)),
        same(("margrave", "granian", "gunicorn", "uWSGI"), app="mixed", processes=4, connections=0),
        (Target("unevenness", plus=1.15),),
        main="unevenness",
        spread=True,
        seconds=4,
    ),
    # ---- many connections ---------------------------------------------------------------------------------------------
    Scenario(
        "idle",
        "Hello beside 10,000 idle keep-alive connections",
        Steady(),
        tuple(
            Entry(peer, Work(connections=10_100), peer if idle else f"{peer}, none idle", measure=Steady(idle=idle))
            for peer in ("margrave", "bjoern", "granian")
            for idle in (0, 10_000)
        ),
        (Target("cpu_us", 1.05, "margrave, none idle"), Target("idle_bytes", plus=512)),
    ),
    Scenario(
        "active",
        "Hello, 256 active connections",
        Steady(),
        tuple(
            Entry(peer, Work(connections=connections), peer if connections == 256 else f"{peer}, 32 connections",
                  measure=Steady(Wrk(connections=connections)))
            for peer in ("margrave", "bjoern", "granian")
            for connections in (32, 256)
        ),
        (Target("cpu_us", 1.1, "margrave, 32 connections"),),
    ),
    # ---- memory and start ---------------------------------------------------------------------------------------------
    Scenario(
        "memory",
        "Memory of Django with 4 workers after 5,000 requests",
        Memory(),
        (
            *same(("margrave",), app="site_json", processes=4),
            Entry("margrave", Work(app="site_json", processes=4, options=("--warmup", "/")), "margrave, warmup"),
            *same(("uWSGI", "gunicorn", "granian"), app="site_json", processes=4, connections=4),
        ),
        (Target("pss_mib", 0.65, "uWSGI"), Target("pss_mib", 0.5, "uWSGI", row="margrave, warmup")),
        spread=True,
        note="All processes together, master and zygote included; shared pages are counted once.",
    ),
    Scenario(
        "start",
        "First answer of Django after a cold start",
        ColdStart(),
        same(("margrave", "uWSGI", "gunicorn", "granian"), app="site_json", processes=4, connections=4),
        (Target("start_ms", 1.0, "uWSGI", plus=30),),
        spread=True,
    ),
    # ---- growth -------------------------------------------------------------------------------------------------------
    Scenario(
        "workers",
        "Requests a second of Django by number of workers",
        Steady(Wrk(nice=19)),
        curve((("margrave", "site_json"), ("uWSGI", "site_json")), "processes", (1, 2), "workers"),
        (
            Target("rate", 1.8, "margrave, 1 worker", row="margrave, 2 workers", at_least=True),
            # The same for the time that the client leaves of the two cores: 2 / 1.8.
            Target("cpu_us", 1.11, "margrave, 1 worker", row="margrave, 2 workers"),
        ),
        axis="workers",
        main="rate",
        spread=True,
        note="On both cores, with the client niced away: it runs where a worker has nothing to do.",
    ),
    Scenario(
        "threads",
        "Requests a second of an application that sleeps 10 ms, by number of threads",
        Steady(Wrk(path="/sleep/10")),
        curve((("margrave", "mixed"), ("granian", "mixed")), "threads", (1, 4, 16, 32), "threads"),
        (Target("rate", 30, "margrave, 1 thread", row="margrave, 32 threads", at_least=True),),
        axis="threads",
        main="rate",
    ),
    threads_at_work(
        "parallel",
        "Requests a second of an application that computes for some 5 ms, by number of threads in one worker",
        "computing",
        "/50000",
        targets=(Target("rate", 1.8, "margrave free-threaded, 1 thread", row="margrave free-threaded, 2 threads", at_least=True),),
        note="On both cores, with the client niced away.",
    ),
    threads_at_work("parallel-short", "The same for some 300 µs", "computing", "/3000"),
    threads_at_work("parallel-django", "The same for Django, default middleware, JSON", "site_json"),
    threads_at_work("parallel-hello", "The same for hello", "hello", note="The client needs the second core."),
    Scenario(
        "uploads",
        "Memory at its peak beyond that of small requests, by size of the request's body",
        Steady(),
        tuple(bodies(("margrave", "uWSGI"), SIZES, posted=True)),
        axis="bytes",
        main="growth_mib",
    ),
    Scenario(
        "downloads",
        "The same by size of an answer that is yielded in pieces of 64 KB",
        Steady(),
        tuple(bodies(("margrave", "uWSGI"), SIZES, posted=False)),
        axis="bytes",
        main="growth_mib",
    ),
)


def find(names):
    """The scenarios of these names, in the order of the table; all default ones without names."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no scenario {', '.join(unknown)}; there are: {', '.join(known)}")
    return [one for one in SCENARIOS if (one.name in names if names else one.default)]
