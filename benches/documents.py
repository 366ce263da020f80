"""Figures as JSON, plots as SVG, and the tables of a page that are made from them, so that they cannot go stale."""

import json
import re

from . import machine, plot, report, scenarios

KNOWN = {scenario.name: scenario for scenario in scenarios.SCENARIOS}
# How servers are called in the README.md, and the scenarios of its columns.
README = {
    "margrave": "Margrave",
    "bjoern": "bjoern",
    "FastPySGI": "FastPySGI",
    "granian": "granian",
    "uWSGI": "uWSGI {version}, `http11-socket`",
    "gunicorn": "gunicorn, gthread",
}
README_COLUMNS = ("hello", "connections", "django")
# Rows of the summary: what a request costs, alike on all servers.
SUMMARY = ("hello", "body10k", "connections", "post16k", "django", "sleep", "static", "nginx")


def write(folder, scenario, rows, left_out, about):
    """Keeps one scenario's figures of every round, and draws them."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {**about, "scenario": scenario.name, "title": scenario.title, "left_out": left_out, "rows": rows}
    (folder / f"{scenario.name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    (folder / f"{scenario.name}.svg").write_text(plot.draw(scenario, rows))


def fill(page, folder):
    """Replaces what stands between `<!-- bench NAME -->` and `<!-- end -->` by what the folder holds of it."""

    def section(match):
        name = match.group(1)
        if name in PARTS:
            text = "\n".join(PARTS[name](folder))
        elif content := _read(folder, name):
            text = "\n".join(profile(content) if name == "profile" else table(KNOWN[name], content, folder.name))
        else:
            return match.group(0)
        return f"<!-- bench {name} -->\n{text}\n<!-- end -->" if text else match.group(0)

    text = page.read_text()
    page.write_text(re.sub(r"<!-- bench ([\w-]+) -->\n.*?<!-- end -->", section, text, flags=re.DOTALL))


def table(scenario, content, folder):
    """A scenario's table, its remarks, its plot and where it was measured."""
    rows = content["rows"]
    yield from report.markdown(*report.table(scenario, rows))
    yield ""
    yield from (f"* {line}" for line in report.remarks(scenario, rows, content["left_out"]))
    yield f"\n![{scenario.title}]({folder}/{scenario.name}.svg)\n"
    yield f"<sub>{machine.sentence(content)}</sub>"


def summary(folder):
    """CPU time a request of every server in every plain scenario."""
    servers = list(scenarios.PYTHON_SERVERS)
    yield "| CPU µs/request | " + " | ".join([*servers, "nginx"]) + " |"
    yield "|---" + "|---:" * (len(servers) + 1) + "|"
    for name in SUMMARY:
        if content := _read(folder, name):
            found = report.medians(content["rows"], "cpu_us")
            cells = [report.number("cpu_us", found.get(server)) for server in [*servers, "nginx"]]
            yield f"| {KNOWN[name].title} | **{cells[0]}** | " + " | ".join(cells[1:]) + " |"


def targets(folder):
    """Every target, and what came out on each machine that figures are kept of: the present one's and those in folders below."""
    folders = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    folders = [place for place in folders if _read(place, "hello")]
    machines = [_read(place, "hello")["machine"] for place in folders]
    yield "| | target | " + " | ".join(f"{machine['cpu']}, {machine['date']}" for machine in machines) + " |"
    yield "|---|---" + "|---:" * len(machines) + "|"
    for scenario in scenarios.SCENARIOS:
        contents = [_read(place, scenario.name) for place in folders]
        # What was measured elsewhere, or on another day, is in its own table.
        contents = [one if one and _is_of(one["machine"], machine) else None for one, machine in zip(contents, machines)]
        for target in scenario.targets if any(contents) else ():
            cells = [_outcome(report.judge(scenario, target, content["rows"]) if content else None) for content in contents]
            row = target.row.removeprefix("margrave").strip(", ")
            what = f"{scenario.name}{row and f' ({row})'}, {report.METRICS[target.metric][0]}"
            yield f"| {what} | {report.aim(target)} | {' | '.join(cells)} |"


def _is_of(machine, other):
    return all(machine[key] == other[key] for key in ("cpu", "date"))


def _read(folder, name):
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _outcome(judged):
    if not judged:
        return "-"
    metric = judged.target.metric
    text = f"{report.number(metric, judged.mine)} of {report.number(metric, judged.bound)}"
    return text if judged.is_met else f"**{text}**"


def readme(folder):
    """The README.md's few figures: hello with its ratios, new connections, Django."""
    contents = [_read(folder, name) for name in README_COLUMNS]
    if not all(contents):
        return
    hello, costs = contents[0], [report.medians(content["rows"], "cpu_us") for content in contents]
    yield "| server | µs per request | / Margrave | new connections | Django |\n|---|---:|---:|---:|---:|"
    for server, title in README.items():
        if server in costs[0]:
            title = title.format(version=hello["versions"].get(server, ""))
            ratio = report.ratio_to(hello["rows"][server], hello["rows"].get("margrave", []), "cpu_us")
            first, *others = [brief(found.get(server)) for found in costs]
            yield f"| {f'**{title}**' if server == 'margrave' else title} | {first} | {ratio} | {' | '.join(others)} |"
    if scenarios.FLOOR in costs[0]:
        yield f"\nA loop in C that answers a constant takes {brief(costs[0][scenarios.FLOOR])}."


def brief(micros):
    """One decimal, and none from a hundred on."""
    return "-" if micros is None else f"{micros:.1f}" if micros < 100 else f"{micros:,.0f}"


# Parts of a page that are made of several scenarios.
PARTS = {"summary": summary, "targets": targets, "readme": readme}


def profile(content):
    """Where the time of a request goes."""
    yield "| part of a hello request | µs | share |\n|---|---:|---:|"
    for row in content["rows"]:
        if row["micros"] >= 0.005:
            yield f"| {row['part']} | {row['micros']:.2f} | {row['share']:.1%} |"
    yield f"| **CPU time of a request** | **{content['micros']:.2f}** | {content['samples']} samples |"
