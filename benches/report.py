"""Tables: medians and spread, the ratio to Margrave round by round, targets, and where a peer is ahead."""

import statistics

from .measure import METRICS

# Who takes part without being compared.
NO_PEERS = ("margrave", "floor", "ideal")


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
        pairs = [their[main] / my[main] for their, my in zip(taken, mine) if my.get(main)]
        ratio = f"{statistics.median(pairs):.2f}" if pairs else ""
        spread = f"{number(main, min(found))}…{number(main, max(found))}"
        cells = [name, number(main, statistics.median(found)), spread, ratio]
        for other in others:
            values = [one[other] for one in taken if other in one]
            figure = sum(values) if other == "failed" else statistics.median(values) if values else None
            cells.append(number(other, figure))
        lines.append(cells)
    return header, lines


def number(metric, value):
    return "-" if value is None else f"{value:,.{METRICS[metric][1]}f}"


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


def targets(scenario, rows):
    """A sentence for each target: what was aimed at, what came out."""
    for target in scenario.targets:
        found = medians(rows, target.metric)
        name = best_peer(scenario, found, target.row) if target.of == "best" else target.of
        if target.row not in found or (name and name not in found) or (target.of and not name):
            yield f"{METRICS[target.metric][0]}: not to be judged, a row is missing"
            continue
        bound = target.plus + (target.factor * found[name] if name else 0)
        mine = found[target.row]
        is_met = mine >= bound if target.at_least else mine <= bound
        reason = f" ({target.factor} × {name}'s {number(target.metric, found[name])}" if name else ""
        if reason and target.plus:
            reason += f" + {number(target.metric, target.plus)}"
        yield (
            f"{METRICS[target.metric][0]} of {target.row}: {number(target.metric, mine)}, target "
            f"{'at least' if target.at_least else 'at most'} {number(target.metric, bound)}{reason and reason + ')'}: "
            f"{'met' if is_met else 'MISSED'}"
        )


def who_is_ahead(scenario, rows):
    """Says plainly which peers beat Margrave in the main metric."""
    main = main_metric(scenario)
    found = medians(rows, main)
    ours = counterparts(scenario)
    for entry in scenario.entries:
        theirs, mine = found.get(entry.name), found.get(ours[entry.name])
        if entry.peer in NO_PEERS or theirs is None or mine is None:
            continue
        if theirs > mine if is_better_higher(main) else theirs < mine:
            figures = f"{number(main, theirs)} against {number(main, mine)} {METRICS[main][0]}"
            yield f"{entry.name} is ahead of {ours[entry.name]}: {figures}"


def remarks(scenario, rows, left_out):
    """Everything that is said below a table."""
    yield from targets(scenario, rows)
    yield from who_is_ahead(scenario, rows)
    if scenario.note:
        yield scenario.note
    for name, reason in left_out.items():
        yield f"{name} is left out: {reason}"
