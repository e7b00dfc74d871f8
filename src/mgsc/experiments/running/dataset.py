"""From the records of a suite's agents to one set of labelled arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.environments.phases import phase_at
from mgsc.experiments.design.quantities import PER_CHUNK, REPORTED_BY, SEARCH_CONTROL, USUAL, Has, recorded_of
from mgsc.experiments.design.suites import Suite, row_of, updates_of
from mgsc.experiments.running.build import expected_backups
from mgsc.experiments.running.measure_table import MORE_MEASURES
from mgsc.problem import Problem, Truth

if TYPE_CHECKING:
    import xarray as xr

    Arrays = dict[str, np.ndarray[Any, Any]]


SECONDS = ("compile_seconds", "run_seconds")
"""Arrays of an agent beside its record: seconds of its units."""


def as_dataset(
    suite: Suite, problem: Problem, results: dict[str, Arrays], seeds: Sequence[int], has: Collection[Has]
) -> xr.Dataset:
    """The records of all agents and the facts of the suite, as labelled arrays.

    Args:
        suite: its settings.
        problem: of its agents.
        results: by agent, its record and seconds.
        seeds: of the rows of all arrays.
        has: properties of the problem, which decide the recorded quantities.
    """
    import xarray as xr

    num_chunks = suite.steps // suite.record_every
    variables: dict[str, Any] = {} if problem.truth is None else _of_truth(problem.truth)
    variables |= recorded(suite, problem, results, has)
    coordinates = {
        "agent": list(results),
        "seed": np.array(seeds, np.int64),
        "step": ("chunk", (1 + np.arange(num_chunks)) * suite.record_every),
    }
    if problem.truth is not None:
        coordinates |= _add_truth(suite, problem, problem.truth, variables)
    for key, numbers in _budget(suite, problem, results).items():
        variables[key] = ("agent", np.array(numbers))
    switches = list(range(suite.environment.switch_every, suite.steps, suite.environment.switch_every))
    attributes: dict[str, Any] = {"switch_steps": switches, "record_every": suite.record_every}
    if tuple(has) != USUAL:
        attributes["has"] = list(has)
    return xr.Dataset(variables, coordinates, attrs=attributes)


def recorded(
    suite: Suite, problem: Problem, results: Mapping[str, Arrays], has: Collection[Has], first_chunk: int = 0
) -> dict[str, Any]:
    """The stored form of the records of some agents, for all chunks or for successive ones.

    Args:
        suite: its settings.
        problem: of its agents.
        results: by agent, its record [seeds, chunks, ...].
        has: properties of the problem, which decide the recorded quantities.
        first_chunk: the number of the first chunk, from 0.

    Returns:
        Name -> (dims, array [agents, seeds, chunks, ...]), some with attributes.
    """
    variables: dict[str, Any] = {}
    lengths = next(iter(results.values()))["reward"].shape
    num_states = 0 if problem.truth is None else len(problem.truth.is_candidate)
    for key, dims in recorded_of(has).items():
        missing = np.full((*lengths, *([num_states] if "state" in dims else [])), np.nan, np.float32)
        variables[key] = (dims, np.stack([result.get(key, missing) for result in results.values()]))
    variables["reward"] = (PER_CHUNK, variables["reward"][1].astype(np.float64))
    for row in MORE_MEASURES:
        if row.applies(has):
            described = {"long_name": row.meaning, "units": row.unit}
            variables[row.name] = (PER_CHUNK, np.stack([result[row.name] for result in results.values()]), described)
    variables |= _reported(results, known={*variables, *SECONDS})
    if "episodes" in has:
        _make_means(variables)
    truth = problem.truth
    if truth is not None and truth.model_tables is not None and "query_distribution" in variables:
        # What is known of every step need not be measured now and then.
        d, wrong = variables["query_distribution"][1], truth.wrong[_phases(suite, truth, first_chunk, lengths[1])]
        variables["wrong_mass"] = (PER_CHUNK, np.einsum("abcs,cs->abc", d, wrong).astype(np.float32))
    return variables


def _phases(suite: Suite, truth: Truth, first_chunk: int, num_chunks: int) -> np.ndarray[Any, Any]:
    """[chunks] the phase of each."""
    first_steps = suite.record_every * (first_chunk + np.arange(num_chunks))
    return phase_at(first_steps, suite.environment.switch_every, truth.tables.num_phases)


def _reported(results: Mapping[str, Arrays], known: Collection[str]) -> dict[str, Any]:
    """What some strategies report of themselves and others do not."""
    names = {name: array for result in results.values() for name, array in result.items() if name not in known}
    return {
        name: (
            PER_CHUNK,
            np.stack([result.get(name, np.full_like(array, np.nan)) for result in results.values()]),
            {"long_name": name.replace("_", " ").capitalize().replace("Td ", "TD "), REPORTED_BY: SEARCH_CONTROL},
        )
        for name, array in names.items()
    }


def _of_truth(truth: Truth) -> dict[str, Any]:
    from mgsc.environments.tables import goal_rewards

    return {
        "wrong_state": (("phase", "state"), truth.wrong),
        "goal_reward": (("phase", "state"), goal_rewards(truth.tables)),
    }


def _add_truth(suite: Suite, problem: Problem, truth: Truth, variables: dict[str, Any]) -> dict[str, Any]:
    """Adds what follows from the tables to the variables; gives the coordinates."""
    from mgsc.experiments.running.optimal import optimum

    num_chunks = suite.steps // suite.record_every
    phase = _phases(suite, truth, 0, num_chunks)
    for key, epsilon in (("optimal_reward", None), ("unconstrained_reward", 0.0)):
        variables[key] = ("chunk", optimum(suite, epsilon))
    return {
        "state_row": ("state", truth.source.row),
        "state_column": ("state", truth.source.column),
        "phase_of_chunk": ("chunk", phase),
        # A learned model may be wrong at any time.
        "is_model_wrong": ("chunk", truth.wrong[phase].any(1) | problem.learns),
        "is_candidate": ("state", truth.is_candidate),
        "start": ("state", truth.tables.start),
    }


def _make_means(variables: dict[str, Any]) -> None:
    """Makes the sums of returns and lengths to means over the episodes that ended; NaN where none did."""
    ended = sum(variables[name][1] for name in ("episodes_terminated", "episodes_truncated"))
    for name in ("episode_return", "episode_length"):
        dims, sums = variables[name]
        nothing = np.full_like(sums, np.nan)
        variables[name] = (dims, np.divide(sums, ended, out=nothing, where=ended > 0))


def _budget(suite: Suite, problem: Problem, results: dict[str, Arrays]) -> dict[str, list[float]]:
    budget: dict[str, list[float]] = {key: [] for key in ("model_queries", "expected_backups", "sampled_updates")}
    for name in results:
        agent = suite.agents[name]
        updates, row = updates_of(suite, agent), row_of(agent)
        budget["sampled_updates"].append(float(updates))
        budget["model_queries"].append(float(updates * row.queries_model * suite.batch_size))
        budget["expected_backups"].append(float(expected_backups(suite, agent, problem)))
    return {**budget, **{key: [float(result[key].sum()) for result in results.values()] for key in SECONDS}}
