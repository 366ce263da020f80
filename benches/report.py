"""Tables: medians and spread, the ratio to Margrave round by round, targets, and where a peer is ahead."""

from __future__ import annotations

import dataclasses
import statistics

from .measure import METRICS
from .scenarios import Target

# Who takes part without being compared.
NO_PEERS = ("margrave", "margrave free-threaded", "floor", "ideal")
# A peer is said to be ahead in these, beside what its table is about, if it is by more than a share of our figure. A steady
# rate is the client's doing: tails have none.
AHEAD_IN = ("cpu_us", "rate", "p99_ms")
AHEAD_BY = 0.05


def main_metric(scenario):
    """What the scenario's table compares."""
    return scenario.main or scenario.measure.main


def is_better_higher(metric):
    return metric == "rate"


def medians(rows, metric):
    """Median by row name, for rows that have the metric."""
    return {
        name: statistics.median(one[metric] for one in taken)
        for name, taken in rows.items()
        if taken and all(metric in one for one in taken)
    }


def columns(scenario, rows):
    """The scenario's metrics that some row has, the main one first."""
    present = [name for name in METRICS if any(name in one for taken in rows.values() for one in taken)]
    main = main_metric(scenario)
    return [main, *(name for name in present if name != main and name != "failed"), "failed" if "failed" in present else None]


def variant(entry):
    """What a row has beside its server's name: rows are compared with ours of the same variant."""
    return entry.name.removeprefix(entry.peer)


def counterparts(scenario):
    """For each row's name that of Margrave's row that did the same."""
    return {entry.name: f"margrave{variant(entry)}" for entry in scenario.entries}


def table(scenario, rows):
    """Header and lines of cells."""
    main, *others = [name for name in columns(scenario, rows) if name]
    ours = counterparts(scenario)
    header = ["server", METRICS[main][0], "min…max", "/ margrave", *(METRICS[name][0] for name in others)]
    lines = []
    for name, taken in rows.items():
        found = [one[main] for one in taken]
        mine = rows.get(ours.get(name), rows.get("margrave", []))
        ratio = ratio_to(taken, mine, main)
        spread = f"{number(main, min(found))}…{number(main, max(found))}"
        cells = [name, number(main, statistics.median(found)), spread, ratio]
        for other in others:
            values = [one[other] for one in taken if other in one]
            figure = sum(values) if other == "failed" else statistics.median(values) if values else None
            cells.append(number(other, figure))
        lines.append(cells)
    return header, lines


def ratio_to(taken, mine, metric):
    """The median of the ratios to our row within a round."""
    pairs = [their[metric] / my[metric] for their, my in zip(taken, mine) if my.get(metric)]
    return f"{statistics.median(pairs):.2f}" if pairs else ""


def number(metric, value):
    """With as many digits as the metric deserves; thousands need no fractions."""
    return "-" if value is None else f"{value:,.{METRICS[metric][1] if abs(value) < 1000 else 0}f}"


def plain(header, lines):
    """The table for a terminal."""
    widths = [max(len(str(row[place])) for row in [header, *lines]) for place in range(len(header))]
    for row in [header, *lines]:
        yield "  ".join(
            str(cell).ljust(width) if place == 0 else str(cell).rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        )


def markdown(header, lines):
    """The table for the documents."""
    yield "| " + " | ".join(header) + " |"
    yield "|---" + "|---:" * (len(header) - 1) + "|"
    for row in lines:
        cells = [f"**{cell}**" if row[0].startswith("margrave") and cell else cell for cell in row]
        yield "| " + " | ".join(cells) + " |"


def best_peer(scenario, found, row):
    """Name of the row with the least of a metric among the peers that did the same as a row of ours."""
    ours = counterparts(scenario)
    peers = {entry.name for entry in scenario.entries if entry.peer not in NO_PEERS}
    known = {name: value for name, value in found.items() if name in peers and ours[name] == row}
    return min(known, key=known.get) if known else None


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What came out for a target."""

    target: Target
    mine: float
    bound: float
    # The row that the bound comes from, if it comes from one, and its figure.
    other: str
    theirs: float | None

    @property
    def is_met(self):
        return self.mine >= self.bound if self.target.at_least else self.mine <= self.bound


def judge(scenario, target, rows):
    """What came out for a target; nothing where a row is missing."""
    found = medians(rows, target.metric)
    name = best_peer(scenario, found, target.row) if target.of == "best" else target.of
    if target.row not in found or (name and name not in found) or (target.of and not name):
        return None
    theirs = found[name] if name else None
    return Judgement(target, found[target.row], target.plus + target.factor * (theirs or 0), name, theirs)


def targets(scenario, rows):
    """A sentence for each target: what was aimed at, what came out."""
    for target in scenario.targets:
        metric, judged = target.metric, judge(scenario, target, rows)
        if not judged:
            yield f"{METRICS[metric][0]}: not to be judged, a row is missing"
            continue
        reason = f" ({target.factor} × {judged.other}'s {number(metric, judged.theirs)}" if judged.other else ""
        if reason and target.plus:
            reason += f" + {number(metric, target.plus)}"
        yield (
            f"{METRICS[metric][0]} of {target.row}: {number(metric, judged.mine)}, target "
            f"{'at least' if target.at_least else 'at most'} {number(metric, judged.bound)}{reason and reason + ')'}: "
            f"{'met' if judged.is_met else 'MISSED'}"
        )


def aim(target):
    """A target in few words: `at most 0.85 × the best peer`."""
    row = {"best": "the best peer", "margrave": "without"}.get(target.of, target.of)
    parts = [f"{target.factor:g} × {row}"] if target.of else []
    parts += [number(target.metric, target.plus)] if target.plus else []
    return f"{'at least' if target.at_least else 'at most'} {' + '.join(parts)}"


def who_is_ahead(scenario, rows):
    """Says plainly which peers beat Margrave, and in what."""
    main = main_metric(scenario)
    found = {metric: medians(rows, metric) for metric in (main, *(one for one in AHEAD_IN if one != main))}
    ours = counterparts(scenario)
    for entry in scenario.entries:
        leads = []
        for metric, known in found.items():
            theirs, mine = known.get(entry.name), known.get(ours[entry.name])
            if entry.peer not in NO_PEERS and theirs is not None and mine is not None and is_ahead(metric, theirs, mine):
                leads.append(f"{number(metric, theirs)} against {number(metric, mine)} {METRICS[metric][0]}")
        if leads:
            yield f"{entry.name} is ahead of {ours[entry.name]}: {', '.join(leads)}"


def is_ahead(metric, theirs, mine):
    """Whether a peer's figure is better than ours by enough to be told, and to be seen in the digits that are shown."""
    is_better = theirs > mine * (1 + AHEAD_BY) if is_better_higher(metric) else theirs < mine * (1 - AHEAD_BY)
    return is_better and number(metric, theirs) != number(metric, mine)


def remarks(scenario, rows, left_out):
    """Everything that is said below a table."""
    yield from targets(scenario, rows)
    yield from who_is_ahead(scenario, rows)
    if scenario.note:
        yield scenario.note
    for name, reason in left_out.items():
        yield f"{name} is left out: {reason}"
