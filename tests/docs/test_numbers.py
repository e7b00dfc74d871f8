"""The numbers on the pages are those of the committed tables and summaries, whose commands the pages name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mgsc.experiments.studies.summary import load_summary, summaries

DOCS = Path(__file__).parent.parent.parent / "docs"
SUITES = ("tmaze-fixed", "tworooms-fixed", "tmaze-learned", "tworooms-learned")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def table_lines(text: str) -> list[str]:
    """The rows of a page's tables that begin with an agent."""
    return [line.strip() for line in text.splitlines() if re.match(r"\s*\| `\w+` \|", line)]


def number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def means_of(suite: str) -> dict[str, float]:
    rows = re.findall(r"^\| `(\w+)` \| 30 \| (\S+) \|", page(f"results/{suite}.md"), re.MULTILINE)
    return {agent: number(mean) for agent, mean in rows}


@pytest.mark.parametrize(
    ("name", "sources"), [("why.md", ("tworooms-fixed",)), ("comparison.md", ("comparison", "held-out"))]
)
def test_a_pages_table_is_that_of_the_committed_result(name, sources) -> None:
    committed = {line for source in sources for line in table_lines(page(f"results/{source}.md"))}
    lines = table_lines(page(name))
    assert len(lines) > 5
    for line in lines:  # the page may leave out the last columns
        assert any(known.startswith(line.removesuffix("|")) for known in committed), line


def test_the_variants_gaps_are_differences_of_means() -> None:
    gaps = [line.strip("| ").split(" | ") for line in table_lines(page("results.md").split("## How to read")[0])]
    assert len(gaps) == 8
    for agent, *cells in gaps:
        for suite, cell in zip(SUITES, cells, strict=True):
            means = means_of(suite)
            expected = means["meta_gradient_recent"] - means[agent.strip("`")]
            assert number(cell.split()[0]) == pytest.approx(expected, abs=1.1), (suite, agent)
            low, high = re.search(r"\((\S+) … (\S+)\)", cell).groups()
            assert number(low) < number(cell.split()[0]) < number(high)


def test_the_ablations_are_those_of_the_summaries() -> None:
    first = page("ablations.md").split("## What `learned_priority`")[0]
    rows = re.findall(r"^\| (?:`(\w+)`)? ?\| .* \| ([\d,. ]+) \| ([\d,. ]+) \|$", first, re.MULTILINE)
    assert len(rows) == 8
    study = ""
    for name, *columns in rows:
        study = name or study
        summary = load_summary(str(summaries() / f"{study}.json"))
        for ground, column in zip(("TMaze", "TwoRooms"), columns, strict=True):
            cells = [cell for cell in summary["cells"] if cell["ground"] == ground]
            known = {round(entry["mean"]) for cell in cells for entry in cell["agents"].values()}
            assert {round(number(text)) for text in column.split(", ")} <= known, (study, ground)


NOISE = {"rewards": "reward-noise", "successors": "transition-noise", "corrupted": "corrupted-states"}


def shown_as(entry: Mapping[str, Any], better: str = "{} ↑", worse: str = "{} ↓") -> str:
    """A mean as the page has it, marked where its difference is significant."""
    mean = f"{round(entry['mean']):,}".replace("-", "−")
    verdict = (entry["difference"] or {}).get("verdict")
    return {"win": better, "loss": worse}.get(verdict, "{}").format(mean)


def cells_by_place(study: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    summary = load_summary(str(summaries() / f"{study}.json"))
    return {(cell["ground"], cell["at"][0]): cell["agents"] for cell in summary["cells"]}


def rows_of(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]


def test_the_priorities_under_noise_are_those_of_the_summaries() -> None:
    section = page("ablations.md").split("## Priorities over pairs")[1].split("### Why")[0]
    for maze in ("TMaze", "TwoRooms"):
        (_, *places), _, *rows = rows_of(section[section.index(f"| {maze} |") :].split("\n\n")[0])
        assert len(rows) == 7
        for agent, *cells in rows:
            for place, cell in zip(places, cells, strict=True):
                kind, level = place.split()
                known = cells_by_place(f"priority-{NOISE[kind]}")[f"{maze}, stale model", level]
                assert cell == shown_as(known[agent.strip("`")]), (maze, agent, place)


def test_what_makes_learned_errors_robust_is_that_of_the_summary() -> None:
    section = page("ablations.md").split("### Why, and what helps")[1].split("### How many")[0]
    places, _, *rows = rows_of(section[section.index("| change |") :].split("\n\n")[0])
    known = cells_by_place("wrong-models")
    assert len(rows) * len(places[1:]) == len(known)
    for label, *cells in rows:
        for place, cell in zip(places[1:], cells, strict=True):
            assert cell == shown_as(known[place, label]["learned_errors"], "**{}**"), (label, place)


def test_the_priorities_by_number_of_updates_are_those_of_the_summary() -> None:
    section = page("ablations.md").split("### How many updates")[1].split("## The map")[0]
    places, _, *rows = rows_of(section)
    known = cells_by_place("priority-updates")
    assert len(rows) == 7
    for agent, *cells in rows:
        for place, cell in zip(places[1:], cells, strict=True):
            expected = [shown_as(known[place, k][agent.strip("`")], "{}↑", "{}↓") for k in ("1", "2", "5", "10")]
            assert cell == ", ".join(expected), (agent, place)


def test_agents_and_problems_are_counted_as_the_pages_say() -> None:
    summary = load_summary(str(summaries() / "comparison.json"))
    in_all = set.intersection(*(set(cell["agents"]) for cell in summary["cells"]))
    table = page("results/comparison.md").split("**Mean score")[0]
    assert in_all == {line.split("`")[1] for line in table_lines(table)}
    assert (len(in_all), len(summary["cells"])) == (24, 11)
    assert "Twenty-four agents on eleven problems" in page("index.md")
    assert "so that eleven problems and 24 agents can be paid for" in page("design.md")
    # All but learned_errors itself and the oracle are behind it.
    first, second = (line.split("`")[1] for line in table_lines(table)[:2])
    assert (first, second) == ("oracle", "learned_errors")
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert "ahead of the twenty-two others that are not told the optimal values" in readme


def test_the_map_is_counted_as_the_page_says() -> None:
    summary = load_summary(str(summaries() / "map.json"))
    counts = {
        agent: [
            sum(cell["agents"][agent]["difference"]["verdict"] == verdict for cell in summary["cells"])
            for verdict in ("win", "tie", "loss")
        ]
        for agent in ("meta_gradient", "meta_gradient_recent")
    }
    text = page("ablations.md")
    (wins, cells) = map(int, re.search(r"MGSC wins in (\d+) of the (\d+) cells", text).groups())
    ties, losses = map(int, re.search(r"It ties in (\d+) and loses in (\d+), most", text).groups())
    assert (cells, [wins, ties, losses]) == (len(summary["cells"]), counts["meta_gradient"])
    wins = int(re.search(r"The variant wins in (\d+)", text)[1])
    ties, losses = map(int, re.search(r"It ties in (\d+) and loses in (\d+),\n", text).groups())
    assert [wins, ties, losses] == counts["meta_gradient_recent"]


def test_the_classics_are_those_of_the_committed_table() -> None:
    committed = page("results/classics.md")
    rows = re.findall(
        r"^\| [^|]* \| ([\d,]+) \| ([\d,.]+) \| (\S+ … \S+) \| (\S+) ± (\S+) \|$", page("classics.md"), re.MULTILINE
    )
    assert len(rows) == 9
    for n, mean, interval, reference, half_width in rows:
        known = re.findall(
            rf"\| {n} \| {re.escape(mean)} \| {interval} \| (\S+) \| (\S+) \| \S+ \| agrees \|", committed
        )
        assert (number(reference), number(half_width)) in [(number(one), number(other)) for one, other in known]
    for found, low, high in re.findall(r"([\d,.]+)\s+\(([\d,.]+) … ([\d,.]+)\)", page("classics.md")):
        assert f"| {found} | {low} … {high} |" in committed
    judged = re.findall(r"\| (agrees|differs) \|$", committed, re.MULTILINE)
    assert len(judged) > 12
    assert set(judged) == {"agrees"}


def test_the_speeds_are_those_of_the_committed_benchmark() -> None:
    bench = json.loads(page("bench.json"))
    pairs = {(pair["agent"], pair["cores"]): pair["ratio"] for pair in bench["beside_numba_32_seeds_5_updates"]}
    for agent, word in (("uniform", "uniform"), ("meta_gradient", "MGSC")):
        one, two = re.search(rf"^\| {word}, ours / numba \| (\S+) \| (\S+) \|", page("speed.md"), re.MULTILINE).groups()
        assert [float(one), float(two)] == [round(pairs[agent, cores], 2) for cores in (1, 2)]
