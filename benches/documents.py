"""Figures as JSON, plots as SVG, and the tables of a page that are made from them, so that they cannot go stale."""

import json
import re

from . import machine, plot, report, scenarios


def write(folder, scenario, rows, left_out, about):
    """Keeps one scenario's figures of every round, and draws them."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {**about, "scenario": scenario.name, "title": scenario.title, "left_out": left_out, "rows": rows}
    (folder / f"{scenario.name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    (folder / f"{scenario.name}.svg").write_text(plot.draw(scenario, rows))


def fill(page, folder):
    """Replaces what stands between `<!-- bench NAME -->` and `<!-- end -->` by the scenario's table."""
    known = {scenario.name: scenario for scenario in scenarios.SCENARIOS}

    def section(match):
        name = match.group(1)
        path = folder / f"{name}.json"
        if name not in known or not path.exists():
            return match.group(0)
        content = json.loads(path.read_text())
        return f"<!-- bench {name} -->\n{lines(known[name], content, folder.name)}\n<!-- end -->"

    text = page.read_text()
    page.write_text(re.sub(r"<!-- bench ([\w-]+) -->\n.*?<!-- end -->", section, text, flags=re.DOTALL))


def lines(scenario, content, folder):
    rows = content["rows"]
    parts = [*report.markdown(*report.table(scenario, rows)), ""]
    parts += [f"* {line}" for line in report.remarks(scenario, rows, content["left_out"])]
    parts += ["", f"![{scenario.title}]({folder}/{scenario.name}.svg)", "", f"<sub>{machine.sentence(content)}</sub>"]
    return "\n".join(parts)
