"""All measurements of one run of ``mgsc bench``: its JSON file and its tables."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
from rich.console import Console
from rich.table import Table

from mgsc.benchmarks.large import LargeCost, measure_large
from mgsc.benchmarks.paired_speed import SEEDS, Paired, measure_pairs
from mgsc.benchmarks.paired_speed import UPDATES as PAIRED_UPDATES
from mgsc.benchmarks.rival_speed import RivalSpeed, measure_rivals
from mgsc.benchmarks.step_parts import StepPart, measure_parts
from mgsc.benchmarks.strategy_speed import FIELD, StrategyCost, measure_field, measure_strategies
from mgsc.benchmarks.suite_speed import SUITE, UPDATES, Speed, measure_agents
from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.running.devices import devices
from mgsc.experiments.running.display import short
from mgsc.experiments.running.versions import versions
from mgsc.experiments.tuning.file import check_can_write
from mgsc.files import write_atomically

M = TypeVar("M")

PARTIAL = ".partial"
"""Suffix of the file in which a stopped benchmark leaves its measurements."""


def bench(out: str, *, quick: bool = False) -> None:
    """Measures everything, prints it and writes ``out``.

    Args:
        out: JSON file. A stopped benchmark leaves its measurements in ``out`` with ``.partial`` at its end.
        quick: a tenth of the steps.

    Raises:
        UserError: ``out`` cannot be written; before anything is measured.
    """
    check_can_write(out)
    devices()  # it says so where there is none
    jax.config.update("jax_enable_compilation_cache", False)  # type: ignore[no-untyped-call]  # compile times count
    console = Console() if Console().is_terminal else Console(width=110)
    found = _measure_all(console, Path(out + PARTIAL), 0.1 if quick else 1.0)
    ratios = ratios_of(found.speeds, found.rivals)
    _print(console, found.speeds, found.rivals, found.large, ratios)
    print_strategies(console, found.strategies, found.field)
    print_pairs(console, found.pairs)
    print_parts(console, found.parts)
    write_atomically(Path(out), (json.dumps(_contents(found, ratios), indent=1) + "\n").encode())
    Path(out + PARTIAL).unlink()
    console.print(f"\nwritten: {out}")


class _Measured(NamedTuple):
    """All measurements of one run."""

    rivals: list[RivalSpeed]
    pairs: list[Paired]
    parts: list[StepPart]
    speeds: list[Speed]
    large: LargeCost
    strategies: list[StrategyCost]
    field: list[Speed]


def _measure_all(console: Console, partial: Path, scale: float) -> _Measured:
    """Measures everything; the file ``partial`` holds all measurements so far."""
    done: dict[str, Any] = {}

    def measured(words: str, measure: Callable[[], M]) -> M:
        with console.status(f"measuring {words}"):
            found = measure()
        done[words] = [row._asdict() for row in found] if isinstance(found, list) else found._asdict()  # type: ignore[attr-defined]
        write_atomically(partial, (json.dumps(done, indent=1) + "\n").encode())
        return found

    return _Measured(
        rivals=measured("the rivals", lambda: measure_rivals(get_suite(SUITE), UPDATES, scale)),
        pairs=measured("ours and numba in turn", lambda: measure_pairs(scale=scale)),
        parts=measured("the parts of a step", lambda: measure_parts(scale=scale)),
        speeds=measured("the compiled agents", lambda: measure_agents(scale=scale)),
        large=measured("10,000 states", measure_large),
        strategies=measured("every strategy", lambda: measure_strategies(scale=scale)),
        field=measured("a large field", lambda: measure_field(scale=scale)),
    )


def _contents(found: _Measured, ratios: dict[str, float]) -> dict[str, Any]:
    """The contents of the file."""
    return {
        "suite": SUITE,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": versions(),
        "agents": [speed._asdict() for speed in found.speeds],
        "rivals": [speed._asdict() for speed in found.rivals],
        "ratios_30_seeds_5_updates": ratios,
        "parts_of_a_step_in_nanoseconds": {part.part: part.nanoseconds for part in found.parts},
        "beside_numba_32_seeds_5_updates": [pair._asdict() for pair in found.pairs],
        "ten_thousand_states": found.large._asdict(),
        "strategies_30_seeds_5_updates": [cost._asdict() for cost in found.strategies],
        "field": {"suite": FIELD, "agents": [speed._asdict() for speed in found.field]},
    }


def ratios_of(speeds: list[Speed], rivals: list[RivalSpeed]) -> dict[str, float]:
    """Our steps per second at 30 seeds and K = 5 over each rival's on one core at K = 5."""
    ours = {speed.agent: speed.steps_per_second for speed in speeds if (speed.seeds, speed.planning_updates) == (30, 5)}
    ratios = {}
    for rival in rivals:
        for agent, steps in ours.items():
            is_rival = agent == rival.agent or rival.rival == "numpy_arrays"
            if rival.planning_updates == 5 and is_rival:
                ratios[f"{agent} / {rival.rival} {rival.agent}"] = steps / rival.steps_per_second
    return ratios


def _print(
    console: Console, speeds: list[Speed], rivals: list[RivalSpeed], large: LargeCost, ratios: dict[str, float]
) -> None:
    updates = [str(number) for number in UPDATES]
    table = Table(
        "agent",
        "seeds",
        *[f"K = {number}" for number in updates],
        "compile (s)",
        title="Environment steps per second, all cores",
        title_justify="left",
    )
    for agent, seeds in dict.fromkeys((speed.agent, speed.seeds) for speed in speeds):
        rows = {speed.planning_updates: speed for speed in speeds if (speed.agent, speed.seeds) == (agent, seeds)}
        cells = [short(rows[number].steps_per_second) if number in rows else "" for number in UPDATES]
        if 0 in rows:
            cells[0] = f"{short(rows[0].steps_per_second)} (K = 0)"
        table.add_row(agent, str(seeds), *cells, ", ".join(f"{row.compile_seconds:.1f}" for row in rows.values()))
    console.print(table)
    table = Table(
        "rival",
        "agent",
        *[f"K = {number}" for number in updates],
        title="By hand, one seed on one core",
        title_justify="left",
    )
    for name, agent in dict.fromkeys((speed.rival, speed.agent) for speed in rivals):
        cells = [short(speed.steps_per_second) for speed in rivals if (speed.rival, speed.agent) == (name, agent)]
        table.add_row(name, agent, *cells)
    console.print(table)
    table = Table("ratio", "measured", title="At 30 seeds, K = 5", title_justify="left")
    for name, ratio in ratios.items():
        table.add_row(name, f"{ratio:.3g}")
    table.add_row(f"MGSC step / bare softmax + Adam + sum, {large.num_states} states", f"{large.ratio:.3g}")
    console.print(table)


def print_strategies(console: Console, costs: list[StrategyCost], field: list[Speed]) -> None:
    """Prints the cost of a step of every strategy, and the speeds in the field."""
    table = Table(
        "agent",
        "µs per step",
        "over uniform's",
        title=f"Every strategy: {SUITE}, 30 seeds, K = 5, all cores",
        title_justify="left",
    )
    for cost in sorted(costs, key=lambda cost: cost.over_base):
        table.add_row(cost.agent, f"{cost.microseconds:.3g}", f"{cost.over_base:.2f}")
    console.print(table)
    table = Table("agent", "steps per second", title="Field of 40 × 40 cells, 30 seeds, K = 5", title_justify="left")
    for speed in field:
        table.add_row(speed.agent, short(speed.steps_per_second))
    console.print(table)


def print_pairs(console: Console, pairs: list[Paired]) -> None:
    """Prints the speeds of the agents beside those of the numba kernels on the same cores."""
    if not pairs:
        console.print("numba is not installed: `make bench` installs it")
        return
    title = f"Beside numba on the same cores, in turn: {SEEDS} seeds, K = {PAIRED_UPDATES}, rewards only"
    table = Table("agent", "cores", "ours", "numba", "ratio", title=title, title_justify="left")
    for pair in pairs:
        table.add_row(pair.agent, str(pair.cores), short(pair.ours), short(pair.numba), f"{pair.ratio:.2f}")
    console.print(table)


def print_parts(console: Console, parts: list[StepPart]) -> None:
    """Prints the cost of each part of a step."""
    table = Table("part", "ns", title=f"A step of one seed on one core, {SUITE}", title_justify="left")
    for part in parts:
        table.add_row(part.part, f"{part.nanoseconds:.0f}")
    console.print(table)
