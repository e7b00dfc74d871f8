"""One seed of one agent for the failure signatures: its measures, and the numbers they are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mgsc.experiments.reading.chunks import steps_per_chunk
from mgsc.experiments.reading.episodes import ended_in, has_episodes
from mgsc.experiments.reading.mechanisms import has_d

if TYPE_CHECKING:
    import xarray as xr

    from mgsc.search_control.row import StrategyRow

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

JUDGED = (
    *("reward", "entropy", "wrong_mass", "redundant_mass", "useful_share", "overshoot"),
    *("meta_loss", "meta_gradient_norm", "value_error", "effective_candidates", "episode_return"),
)
"""Measures of the signatures, where they are recorded."""

VALUES = ("value_here", "state_value")
"""Values, one a chunk or one for each state, which must be finite where they are recorded."""


D = ("query_distribution", "effective_candidates")
"""d, or the number of candidates over which it is spread, which must be finite where an agent plans."""


class Run(NamedTuple):
    """One seed of one agent.

    Attributes:
        measures: by name, [chunk].
        distance: [chunk] total variation between d and a uniform d; None without d on states.
        learns: whether it learns its d.
        has_finite_values: [chunk] whether all recorded values are finite.
        has_finite_d: [chunk] whether d is finite, of an agent that plans.
        begins: [chunk] environment steps done when a chunk begins.
        optimum: [chunk] expected reward of the best ε-soft policy; None without tables.
        reward_scale: max |R| of the goals, twice; without tables, where rewards have one sign, bounds of it: the
            largest reward per step of a chunk, and the largest of a chunk.
        settings: of the agent, as stored.
        ended: [chunk] episodes that ended; None where episodes are not recorded.
    """

    measures: Mapping[str, Floats]
    distance: Floats | None
    learns: bool
    has_finite_values: Flags
    has_finite_d: Flags
    begins: Floats
    optimum: Floats | None
    reward_scale: tuple[float, float]
    settings: Mapping[str, Any]
    ended: Floats | None = None


def runs_of(dataset: xr.Dataset, agent: str, settings: Mapping[str, Any]) -> dict[int, Run]:
    """The runs of an agent, by seed."""
    chosen = dataset.sel(agent=agent)
    measures = {name: np.asarray(chosen[name].values, np.float64) for name in JUDGED if name in dataset}
    distance = _distance(dataset, chosen)
    finite = _are_finite(chosen, VALUES)
    # Where no seed ever has a d, none is recorded: the agent does not plan.
    recorded = _are_finite(chosen, D)
    finite_d = recorded if recorded.any() else np.ones_like(recorded)
    ended = ended_in(chosen) if has_episodes(dataset) else None
    # A strategy says that it learns by reporting both; one that diverged at once has nothing left to say.
    row = row_of_stored(settings)
    reports = all((~np.isnan(measures[name])).any() for name in ("meta_loss", "meta_gradient_norm"))
    learns = reports or (row is not None and row.is_meta_learned)
    return {
        int(seed): Run(
            {name: values[place] for name, values in measures.items()},
            None if distance is None else distance[place],
            learns,
            finite[place],
            finite_d[place],
            np.concatenate([[0.0], np.asarray(dataset["step"].values, np.float64)[:-1]]),
            np.asarray(dataset["optimal_reward"].values, np.float64) if "optimal_reward" in dataset else None,
            _reward_scale(dataset),
            settings,
            None if ended is None else ended[place],
        )
        for place, seed in enumerate(dataset["seed"].values)
    }


def row_of_stored(settings: Mapping[str, Any]) -> StrategyRow[Any] | None:
    """The row of a stored agent's strategy; None for a strategy without one."""
    from mgsc.search_control.table import STRATEGIES

    return STRATEGIES.get(str(settings.get("strategy", "")))


def mean_return(run: Run, begin: int, end: int) -> float:
    """Mean return of the episodes that ended in the chunks [begin, end), at least one."""
    assert run.ended is not None
    ended, returns = run.ended[begin:end], run.measures["episode_return"][begin:end]
    return float(np.average(returns[ended > 0], weights=ended[ended > 0]))


def _distance(dataset: xr.Dataset, chosen: xr.Dataset) -> Floats | None:
    if not has_d(dataset):
        return None
    candidates = np.asarray(dataset["is_candidate"].values, bool)
    d = np.asarray(chosen["query_distribution"].values, np.float64)
    distance: Floats = np.abs(d - candidates / candidates.sum()).sum(-1) / 2
    return distance


def _are_finite(chosen: xr.Dataset, names: Collection[str]) -> Flags:
    """[seed, chunk] whether all numbers of these variables are, as far as they are recorded."""
    finite = np.ones((chosen.sizes["seed"], chosen.sizes["chunk"]), bool)
    for name in names:
        if name in chosen:
            finite &= np.isfinite(np.asarray(chosen[name].values, np.float64)).reshape(*finite.shape, -1).all(-1)
    return finite


def _reward_scale(dataset: xr.Dataset) -> tuple[float, float]:
    if "goal_reward" in dataset:
        goals = np.abs(np.asarray(dataset["goal_reward"].values, np.float64))
        return (_largest(goals),) * 2
    rewards = np.abs(np.asarray(dataset["reward"].values, np.float64))
    return _largest(rewards / steps_per_chunk(dataset)), _largest(rewards)


def _largest(numbers: Floats) -> float:
    return float(np.max(numbers[np.isfinite(numbers)], initial=0.0))
