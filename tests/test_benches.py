"""What the benchmark makes of its figures. Nothing is measured here."""
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benches import documents, load, machine, measure, peers, report, rounds, scenarios  # noqa: E402


def ahead(name, rows):
    """Lines about peers that are ahead, of rows with one round each."""
    return list(report.who_is_ahead(documents.KNOWN[name], {row: [figures] for row, figures in rows.items()}))


def test_a_peer_is_ahead_in_each_figure_that_is_better_by_more_than_5_percent():
    rows = {
        "margrave, 100 MB": {"growth_mib": 5.1, "cpu_us": 82_618.92, "rate": 12.1},
        "uWSGI, 100 MB": {"growth_mib": 5.0, "cpu_us": 20_394.78, "rate": 39.6},
        # Of another size: nothing to compare it with.
        "uWSGI, 1 KB": {"growth_mib": 0.0, "cpu_us": 1, "rate": 10_000},
    }
    line = "uWSGI, 100 MB is ahead of margrave, 100 MB: 20,395 against 82,619 CPU µs/request, 40 against 12 requests/s"
    assert ahead("uploads", rows) == [line]


def test_nobody_is_ahead_by_figures_that_are_shown_alike():
    rows = {"margrave, 1 KB": {"growth_mib": 0.04, "cpu_us": 10}, "uWSGI, 1 KB": {"growth_mib": 0.02, "cpu_us": 9.9}}
    assert ahead("downloads", rows) == []


def test_floors_ideals_and_margrave_without_a_gil_are_no_peers():
    free = {"margrave, 2 threads": {"rate": 100}, "margrave free-threaded, 2 threads": {"rate": 200}}
    assert ahead("parallel", free) == []
    assert ahead("hello", {"margrave": {"cpu_us": 4}, scenarios.FLOOR: {"cpu_us": 3}}) == []
    assert ahead("tail-workers", {"margrave": {"p90_ms": 4}, scenarios.IDEAL: {"p90_ms": 3}}) == []


@pytest.mark.parametrize(
    "name, said",
    [
        ("hello", "3 rounds of 1 s"),
        ("workers", "2 rounds of 1 s"),
        ("tail-workers", "3 rounds of 8 s"),
        ("fairness", "3 rounds of 4 s"),
        ("uploads", "2 rounds of 1 to 4 s"),
        ("memory", "3 rounds"),
        ("start", "3 rounds"),
    ],
)
def test_a_caption_says_what_a_scenario_makes_of_three_rounds_of_a_second(name, said):
    assert machine.turns(rounds.method(documents.KNOWN[name], 3, 1)) == said


def test_answers_after_the_timeout_count_as_failed():
    said = (
        "    50%    1.00ms\n    99%    2.00ms\n  100 requests in 1.00s, 1MB read\n"
        "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n"
    )
    assert load._read_wrk(said, 0.5).failed == 15


def test_a_worker_without_a_request_has_no_ratio():
    assert measure.unevenness({"11": 30, "12": 20}, 2) == 1.5
    with pytest.raises(load.NothingAnswered, match="of 4 workers 2 got no request"):
        measure.unevenness({"11": 30, "12": 20}, 4)


@pytest.mark.parametrize("static", [False, True])
def test_uwsgi_has_tcp_nodelay_where_it_serves_files(static):
    tools, place = peers.Tools(Path("margrave"), Path("peers")), peers.Place(Path("folder"), 8000)
    assert ("--tcp-nodelay" in peers.uwsgi(tools, peers.Work(static=static), place)) == static


def figures(folder, name, rows):
    content = {"versions": {"uWSGI": "2.0.31"}, "rows": {row: [{"cpu_us": one} for one in taken] for row, taken in rows.items()}}
    (folder / f"{name}.json").write_text(json.dumps(content))


def test_the_table_of_the_readme_has_the_median_of_the_ratios_within_a_round(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- bench readme -->\nold\n<!-- end -->\nafter\n")
    documents.fill(page, tmp_path)
    assert "old" in page.read_text(), "a page keeps what there are no figures for"
    taken = {"margrave": [4.0, 5.0, 2.0], "uWSGI": [8.0, 5.0, 10.0], scenarios.FLOOR: [3.81, 3.82, 3.83]}
    for name in ("hello", "connections"):
        figures(tmp_path, name, taken)
    figures(tmp_path, "django", {"margrave": [120.4]})
    documents.fill(page, tmp_path)
    assert page.read_text() == (
        "before\n<!-- bench readme -->\n"
        "| server | µs per request | / Margrave | new connections | Django |\n|---|---:|---:|---:|---:|\n"
        "| **Margrave** | 4.0 | 1.00 | 4.0 | 120 |\n"
        "| uWSGI 2.0.31, `http11-socket` | 8.0 | 2.00 | 8.0 | - |\n"
        "\nA loop in C that answers a constant takes 3.8.\n<!-- end -->\nafter\n"
    )


def test_targets_are_judged_on_each_machine_that_figures_are_kept_of(tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other"
    other.mkdir()
    page.write_text("<!-- bench targets -->\n<!-- end -->\n")
    (tmp_path / "without figures").mkdir()
    for folder, cpu, mine in ((tmp_path, "A", 9.0), (other, "B", 8.0)):
        machine = {"cpu": cpu, "date": "2026-01-01"}
        for name, rows in {
            "hello": {"margrave": [mine], "bjoern": [10.0], "FastPySGI": [12.0]},
            "logging": {"margrave": [mine], "margrave, logging": [9.9]},
        }.items():
            content = {"machine": machine, "rows": {row: [{"cpu_us": one} for one in taken] for row, taken in rows.items()}}
            (folder / f"{name}.json").write_text(json.dumps(content))
    # Of another day.
    (other / "active.json").write_text(json.dumps({"machine": {"cpu": "B", "date": "2025-01-01"}, "rows": {}}))
    documents.fill(page, tmp_path)
    assert page.read_text() == (
        "<!-- bench targets -->\n| | target | A, 2026-01-01 | B, 2026-01-01 |\n|---|---|---:|---:|\n"
        "| hello, CPU µs/request | at most 0.85 × the best peer | **9.00 of 8.50** | 8.00 of 8.50 |\n"
        "| hello, CPU µs/request | at most 1.2 × floor (constant answer in C) | - | - |\n"
        "| hello, CPU µs/request | at most 7.40 | **9.00 of 7.40** | **8.00 of 7.40** |\n"
        "| logging (logging), CPU µs/request | at most 1 × without + 1.50 | 9.90 of 10.50 | **9.90 of 9.50** |\n<!-- end -->\n"
    )


@pytest.mark.parametrize("page", ["README.md", "docs/performance.md"])
def test_pages_show_what_the_published_figures_make(page, tmp_path):
    copy = tmp_path / "page.md"
    copy.write_text((ROOT / page).read_text())
    documents.fill(copy, ROOT / "docs/benchmarks")
    assert copy.read_text() == (ROOT / page).read_text()
