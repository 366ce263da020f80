"""`python -m benches`: measures, prints tables, and writes figures and plots where asked to."""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

from . import documents, machine, measure, peers, report, rounds, scenarios

HERE = pathlib.Path(__file__).resolve().parent


def options():
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("scenario", nargs="*", help="names of scenarios; without any, the whole default run")
    parser.add_argument("--list", action="store_true", help="names and titles of all scenarios")
    parser.add_argument("--margrave", type=pathlib.Path, default=pathlib.Path(".venv/bin/margrave"))
    parser.add_argument("--peers", type=pathlib.Path, default=pathlib.Path(".run/peers/bin"), help="folder of uwsgi, granian …")
    parser.add_argument("--free-threaded", type=pathlib.Path, help="Margrave's executable in an environment whose Python has no GIL")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=int, default=1, help="seconds of load in each turn")
    parser.add_argument("--only", action="append", default=[], help="measures these servers alone")
    parser.add_argument("--out", type=pathlib.Path, help="folder for figures and plots, such as docs/benchmarks")
    parser.add_argument(
        "--document", type=pathlib.Path, action="append", default=[], help="page whose tables are replaced by what --out holds"
    )
    return parser.parse_args()


def build_floor(folder):
    """The server in C that marks the floor; `None` without a compiler."""
    path = folder / "floor"
    if not shutil.which("cc"):
        return None
    subprocess.run(["cc", "-O2", "-o", path, HERE / "floor.c"], check=True)
    return path


def main():
    chosen = options()
    if chosen.list:
        for scenario in scenarios.SCENARIOS:
            print(f"{scenario.name:18} {scenario.title}")
        return
    if not shutil.which("wrk"):
        sys.exit("wrk is missing; on Debian: apt-get install wrk")
    wanted = scenarios.find(chosen.scenario)
    measure.raise_limits()
    with tempfile.TemporaryDirectory(prefix="margrave-bench-") as folder:
        # Absolute, but not resolved: a venv's python is a link whose place matters.
        free_threaded = chosen.free_threaded and chosen.free_threaded.absolute()
        tools = peers.Tools(
            chosen.margrave.absolute(), chosen.peers.absolute(), build_floor(pathlib.Path(folder)), free_threaded
        )
        about = {"machine": machine.describe(), "versions": peers.versions(tools)}
        print(machine.sentence(about), flush=True)
        for scenario, rows, left_out in rounds.run(wanted, tools, chosen.rounds, chosen.duration, chosen.only):
            method = rounds.method(scenario, chosen.rounds, chosen.duration)
            show(scenario, rows, left_out, method)
            if chosen.out and rows:
                documents.write(chosen.out, scenario, rows, left_out, {**about, "method": method})
    for page in chosen.document:
        documents.fill(page, chosen.out)


def show(scenario, rows, left_out, method):
    print(f"\n== {scenario.name}: {scenario.title}; {machine.turns(method)}")
    if rows:
        print("\n".join(report.plain(*report.table(scenario, rows))))
    for line in report.remarks(scenario, rows, left_out):
        print(f"   {line}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
