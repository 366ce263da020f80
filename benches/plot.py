"""Plots as SVG, without a library: bars for a table, lines for a curve."""

from xml.sax.saxutils import escape

from . import report
from .measure import METRICS

WIDTH, BAR, LEFT, RIGHT = 760, 26, 250, 90
INK, PALE, OURS, THEIRS = "#24292f", "#d0d7de", "#b3541e", "#8c9bab"
LINES = ("#b3541e", "#2f6f9f", "#4d7f45", "#8059a6", "#7a7a7a", "#a83f5f")


def draw(scenario, rows):
    return curve(scenario, rows) if scenario.axis else bars(scenario, rows)


def frame(height, title, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="16" y="26" font-size="16" font-weight="600">{escape(title)}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bars(scenario, rows):
    """The median of the main metric, with a line from the least to the largest round."""
    main = report.main_metric(scenario)
    found = report.medians(rows, main)
    largest = max((max(one[main] for one in rows[name]) for name in found), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / largest
    parts = [f'<text x="16" y="46" fill="#57606a">{escape(METRICS[main][0])}, median and spread</text>']
    for place, (name, value) in enumerate(sorted(found.items(), key=lambda one: one[1])):
        top = 62 + place * BAR
        taken = [one[main] for one in rows[name]]
        colour = OURS if name.startswith("margrave") else THEIRS
        middle = top + BAR / 2 - 3
        low, high = LEFT + min(taken) * scale, LEFT + max(taken) * scale
        parts += [
            f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{max(value * scale, 1):.1f}" height="{BAR - 6}" fill="{colour}"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="{INK}" stroke-width="1.5"/>',
            f'<text x="{high + 8:.1f}" y="{middle + 4}">{report.number(main, value)}</text>',
        ]
    return frame(62 + len(found) * BAR + 14, scenario.title, parts)


def curve(scenario, rows):
    """One line a server over the scenario's axis, both from zero; the axis is in steps of its own values."""
    main = report.main_metric(scenario)
    found = report.medians(rows, main)
    series = {}
    for entry in scenario.entries:
        if entry.name in found:
            series.setdefault(entry.peer, []).append((entry.x, found[entry.name]))
    steps = sorted({x for points in series.values() for x, _ in points})
    top, bottom, height = 70, 330, 400
    largest = max((y for points in series.values() for _, y in points), default=0) or 1
    across = lambda x: 80 + steps.index(x) * (WIDTH - 240) / max(len(steps) - 1, 1)  # noqa: E731
    up = lambda y: bottom - y * (bottom - top) / largest  # noqa: E731
    parts = [f'<text x="16" y="46" fill="#57606a">{escape(METRICS[main][0])} by {escape(scenario.axis)}</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = up(largest * share)
        parts.append(f'<line x1="80" x2="{WIDTH - 160}" y1="{y:.1f}" y2="{y:.1f}" stroke="{PALE}"/>')
        parts.append(f'<text x="72" y="{y + 4:.1f}" text-anchor="end">{report.number(main, largest * share)}</text>')
    for x in steps:
        parts.append(f'<text x="{across(x):.1f}" y="{bottom + 22}" text-anchor="middle">{x:,.0f}</text>')
    parts.append(f'<text x="{(WIDTH - 80) / 2}" y="{bottom + 48}" text-anchor="middle">{escape(scenario.axis)}</text>')
    for place, (peer, points) in enumerate(series.items()):
        colour = LINES[place % len(LINES)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in sorted(points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{WIDTH - 150}" y="{top + 8 + place * 20}" fill="{colour}">{escape(peer)}</text>')
    return frame(height, scenario.title, parts)
