"""Tuning: the same protocol for every agent, on seeds that are never reported.

Each agent gets the same number of configurations: Sobol points in its own space, step sizes and their
like on log scales, K included. All run on the tuning seeds; the best few run again on fresh tuning
seeds, and the best of those is chosen. Choosing twice matters: on few seeds the luckiest wins.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mgsc.errors import UserError
from mgsc.experiments.run import Progress, Seeds, compiled_ahead, versions
from mgsc.experiments.strategies import STRATEGIES, Range
from mgsc.experiments.suites import AgentSettings, Suite, check_suite, settings_as_dict

if TYPE_CHECKING:
    from mgsc.experiments.program import Program

STEP_SIZES = Range(0.1, 1.0, is_bounded=True)
EDGE = 0.05
"""A choice within this share of its (log) range from an end is flagged."""

Numbers = dict[str, float]


class Protocol(NamedTuple):
    """How much is tried.

    Attributes:
        configurations: points per agent.
        seeds: tuning seeds all of them run on.
        finalists: how many of the best run again.
        final_seeds: fresh tuning seeds they run on.
        root: root seed of all tuning runs.
    """

    configurations: int = 64
    seeds: int = 16
    finalists: int = 5
    final_seeds: int = 32
    root: int = 1

    def check(self) -> None:
        """Refuses an impossible protocol.

        Raises:
            UserError: naming what is allowed.
        """
        if self.configurations < 1 or self.seeds < 1 or self.final_seeds < 1:
            raise UserError("configurations, seeds and final-seeds must be at least 1")
        if not 1 <= self.finalists <= self.configurations:
            raise UserError(
                f"finalists is {self.finalists}: it must be in [1, {self.configurations}], the number of configurations"
            )
        for seeds in self.tuning_seeds:
            seeds.check()

    @property
    def tuning_seeds(self) -> tuple[Seeds, Seeds]:
        """Seeds of the first and of the second round."""
        return Seeds(self.seeds, self.root), Seeds(self.final_seeds, self.root, first=self.seeds)


def space_of(suite: Suite, agent: AgentSettings) -> dict[str, Range]:
    """What is searched for an agent: step size, K where it plans, and its strategy's own settings."""
    row = STRATEGIES[agent.strategy]
    space: dict[str, Range] = {"step_size": STEP_SIZES}
    # A compute-matched rival is there to spend its extra updates: its K is not searched.
    if row.plans and row.tunes_updates and not agent.extra_updates:
        space["planning_updates"] = Range(1, suite.planning_updates, is_bounded=True)
    return {**space, **row.space}


def draw_configurations(space: Mapping[str, Range], whole: Sequence[str], count: int, seed: int) -> list[Numbers]:
    """``count`` Sobol points in a space, on log scales; settings in ``whole`` are rounded to whole numbers."""
    import warnings

    from scipy.stats import qmc

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The balance properties of Sobol")
        points = qmc.Sobol(len(space), rng=seed).random(count)
    return [
        {
            name: _place(float(share), span, name in whole)
            for share, (name, span) in zip(point, space.items(), strict=True)
        }
        for point in points
    ]


def _place(share: float, span: Range, is_whole: bool) -> float:
    if share < span.share_of_zero:
        return 0.0
    share = (share - span.share_of_zero) / (1 - span.share_of_zero)
    if is_whole:
        # Every whole number of a short range is equally likely on the log scale of its cell.
        low, high = math.log(span.low - 0.5), math.log(span.high + 0.5)
        return int(min(max(round(math.exp(low + share * (high - low))), span.low), span.high))
    return float(np.float32(span.low * (span.high / span.low) ** share))


def tune_suite(name: str, suite: Suite, protocol: Protocol, progress: Progress | None = None) -> dict[str, Any]:
    """Tunes every agent of a suite.

    Returns:
        The sweep as plain data: every configuration with its mean and interval, the finalists, and
        the settings chosen; ``tuned`` reads it.

    Raises:
        UserError: impossible settings or protocol; before any work.
    """
    from mgsc.experiments.problem import build_problem
    from mgsc.experiments.program import Program

    check_suite(suite)
    protocol.check()
    progress = progress or Progress()
    problem = build_problem(suite)
    lanes = protocol.configurations * protocol.seeds + protocol.finalists * protocol.final_seeds
    programs = {
        agent: Program(suite, settings, problem, protocol.root, tunes=True) for agent, settings in suite.agents.items()
    }
    agents = {}
    with compiled_ahead(programs, lambda agent: lanes, progress) as ready:
        for agent, program in programs.items():
            ready(agent)
            agents[agent] = _tune_agent(agent, program, protocol, progress)
    return {
        "suite": name,
        "protocol": protocol._asdict(),
        "tuning_seeds": [seeds.__dict__ for seeds in protocol.tuning_seeds],
        "settings": settings_as_dict(suite),
        "versions": versions(),
        "chosen": {agent: result["chosen"] for agent, result in agents.items()},
        "agents": agents,
    }


def _tune_agent(name: str, program: Program, protocol: Protocol, progress: Progress) -> dict[str, Any]:
    space = space_of(program.suite, program.agent)
    from mgsc.experiments.program import traced_numbers

    whole = [key for key, value in traced_numbers(program.agent).items() if isinstance(value, int)]
    points = draw_configurations(space, whole, protocol.configurations, seed=protocol.root)

    def advance(steps: int) -> None:
        progress.advance(name, steps)

    first, second = protocol.tuning_seeds
    tried = _evaluate(program, points, first, advance)
    best = sorted(tried, key=lambda row: -row["mean"])[: protocol.finalists]
    finalists = _evaluate(program, [row["settings"] for row in best], second, advance)
    chosen = max(finalists, key=lambda row: float(row["mean"]))["settings"]
    return {
        "chosen": chosen,
        "at_edge": [key for key, span in space.items() if is_at_edge(chosen[key], span)],
        "space": {key: span._asdict() for key, span in space.items()},
        "configurations": tried,
        "finalists": finalists,
    }


def is_at_edge(value: float, span: Range) -> bool:
    """Whether a chosen value lies so near an end of its range that the range may be too narrow."""
    if value == 0 or (span.is_bounded and value == span.high):
        return False
    share = math.log(value / span.low) / math.log(span.high / span.low) if span.high > span.low else 0.5
    return not EDGE < share < 1 - EDGE


def _evaluate(
    program: Program, points: Sequence[Numbers], seeds: Seeds, advance: Callable[[int], None]
) -> list[dict[str, Any]]:
    from mgsc.experiments.program import Lane, run_program
    from mgsc.experiments.statistics import mean_interval

    lanes = [Lane(seed, point) for point in points for seed in seeds.numbers]
    totals = np.concatenate([block.record["reward"].sum(1) for block in run_program(program, lanes, advance)])
    rows = []
    for point, rewards in zip(points, totals.reshape(len(points), len(seeds.numbers)).astype(float), strict=True):
        interval = mean_interval(rewards)
        numbers = {
            key: None if math.isnan(value) else round(value, 2)
            for key, value in zip(("mean", "low", "high"), interval[:3], strict=True)
        }
        rows.append({"settings": point, "n": len(rewards), **numbers})
    return rows


def check_can_write(path: str | os.PathLike[str]) -> None:
    """Refuses a file that could not be written, before hours are spent on its contents.

    Raises:
        UserError: saying why.
    """
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {file.parent}: {error.strerror}") from None
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UserError(f"cannot write {file}: name a file in a folder that can be written")


def write_sweep(sweep: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a sweep as JSON, all at once."""
    from mgsc.experiments.store.files import write_atomically

    write_atomically(Path(path), (json.dumps(sweep, indent=1) + "\n").encode())


def print_chosen(sweep: Mapping[str, Any]) -> None:
    """Prints what was chosen for each agent, and which choices lie at an edge of their range."""
    for agent, result in sweep["agents"].items():
        settings = ", ".join(f"{key} {value:.4g}" for key, value in result["chosen"].items())
        best = max(result["finalists"], key=lambda row: float(row["mean"]))
        edge = f"   at the edge of its range: {', '.join(result['at_edge'])}" if result["at_edge"] else ""
        print(f"{agent:<24} {best['mean']:8.1f}   {settings}{edge}")
