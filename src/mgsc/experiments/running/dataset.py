"""From the records of a suite's agents to one set of labelled arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.experiments.design.quantities import ALWAYS, MEASURES, REPORTED, SNAPSHOTS, STATE_MEASURES
from mgsc.experiments.design.suites import Suite, row_of, updates_of

if TYPE_CHECKING:
    import xarray as xr

    from mgsc.experiments.design.problem import Problem

    Arrays = dict[str, np.ndarray[Any, Any]]


def as_dataset(suite: Suite, problem: Problem, results: dict[str, Arrays], seeds: Sequence[int]) -> xr.Dataset:
    """The records of all agents and what holds for the whole suite, as labelled arrays."""
    import xarray as xr

    from mgsc.environments.tables import goal_rewards
    from mgsc.experiments.running.optimal import optimum

    num_chunks = suite.steps // suite.record_every
    phase = np.arange(num_chunks) * suite.record_every // suite.environment.switch_every % problem.tables.num_phases
    wrong = problem.wrong[phase]
    per_chunk = ("agent", "seed", "chunk")
    variables: dict[str, Any] = {
        "wrong_state": (("phase", "state"), problem.wrong),
        "goal_reward": (("phase", "state"), goal_rewards(problem.tables)),
    }
    for key, dims in _recorded(results).items():
        shape = (len(seeds), num_chunks, *([len(problem.is_candidate)] if "state" in dims else []))
        missing = np.full(shape, np.nan, np.float32)
        variables[key] = (dims, np.stack([result.get(key, missing) for result in results.values()]))
    variables["reward"] = (per_chunk, variables["reward"][1].astype(np.float64))
    if not problem.learns:
        # What is known of every step need not be measured now and then.
        d = variables["query_distribution"][1]
        variables["wrong_mass"] = (per_chunk, np.einsum("abcs,cs->abc", d, wrong).astype(np.float32))
    for key, epsilon in (("optimal_reward", suite.epsilon), ("unconstrained_reward", 0.0)):
        variables[key] = ("chunk", optimum(suite, epsilon))
    for key, numbers in _budget(suite, problem, results).items():
        variables[key] = ("agent", np.array(numbers))
    coordinates = {
        "agent": list(results),
        "seed": np.array(seeds, np.int64),
        "step": ("chunk", (1 + np.arange(num_chunks)) * suite.record_every),
        "state_row": ("state", problem.maze.row),
        "state_column": ("state", problem.maze.column),
        "phase_of_chunk": ("chunk", phase),
        # A learned model may be wrong at any time.
        "is_model_wrong": ("chunk", wrong.any(1) | problem.learns),
        "is_candidate": ("state", problem.is_candidate),
        "start": ("state", problem.tables.start),
    }
    switches = list(range(suite.environment.switch_every, suite.steps, suite.environment.switch_every))
    return xr.Dataset(variables, coordinates, attrs={"switch_steps": switches, "record_every": suite.record_every})


def _recorded(results: dict[str, Arrays]) -> dict[str, tuple[str, ...]]:
    """Names and dimensions of what the recorder writes, for agents that plan and agents that don't."""
    per_chunk = ("agent", "seed", "chunk")
    names = ("reward", *ALWAYS, *REPORTED, *MEASURES)
    states = ("query_distribution", *STATE_MEASURES, *SNAPSHOTS)
    return {**dict.fromkeys(names, per_chunk), **dict.fromkeys(states, (*per_chunk, "state"))}


def _budget(suite: Suite, problem: Problem, results: dict[str, Arrays]) -> dict[str, list[float]]:
    budget: dict[str, list[float]] = {key: [] for key in ("model_queries", "expected_backups", "sampled_updates")}
    for name in results:
        agent = suite.agents[name]
        updates, row = updates_of(suite, agent), row_of(agent)
        budget["sampled_updates"].append(float(updates))
        budget["model_queries"].append(float(updates * row.queries_model))
        budget["expected_backups"].append(float(row.expected_backups(agent.options, problem, updates)))
    return {
        **budget,
        **{
            key: [float(result[key].sum()) for result in results.values()] for key in ("compile_seconds", "run_seconds")
        },
    }
