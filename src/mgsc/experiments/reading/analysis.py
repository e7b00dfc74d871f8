"""The comparison of a result's agents: reward, the states that planning queries, and cost.

Pure functions of the stored arrays. NaN means "does not apply" or "not known" (an agent that does not plan has no
search-control distribution; a single seed has no interval; without tables there is no optimum). It is never hidden: a
mean over numbers with a NaN is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mgsc.errors import check_type
from mgsc.experiments.design.quantities import Has
from mgsc.experiments.reading.chunks import steps_per_chunk
from mgsc.experiments.reading.episodes import Episodes, episodes_of
from mgsc.experiments.reading.finite import broken_rewards
from mgsc.experiments.reading.mechanisms import Mechanism, mechanism
from mgsc.experiments.reading.selected import selected_steps
from mgsc.experiments.reading.statistics import (
    LEVEL,
    NOTHING,
    Interval,
    bootstrap_interval,
    interquartile_mean,
    mean_interval,
    paired_difference,
    probability_of_improvement,
    win_rate,
)
from mgsc.experiments.store.contract import SIDE_BY_SIDE, check_result, what_it_has
from mgsc.settings import unknown

if TYPE_CHECKING:
    import xarray as xr

DEFAULT_BASELINE = "meta_gradient"
KINDS = ("all", "right", "wrong")
"""Kinds of phases: the model is right in all states, or wrong in some."""

SAME = 1e-9
"""Share by which totals must differ; a smaller difference is rounding."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measures:
    """One agent's measures over the steps of one kind of phase.

    Attributes:
        steps: environment steps of that kind, per seed.
        reward_per_step: mean over seeds with its interval [reward].
        fraction_of_optimal: the reward over the expected one of the best ε-soft policy in these steps.
        entropy: mean entropy of d [nats].
        wrong_mass: mean mass of d on states where the model is wrong [probability].
        uniform_wrong_mass: the same for a uniform d.
        weighted_error: mean of Σ d·e [reward].
        uniform_error: the same for a uniform d.
        weighted_error_ratio: one over the other; 1 is uniform, 0 is avoidance.
        redundant_mass: mean mass of d on redundant updates [probability].
        uniform_redundant_mass: the same for a uniform d.
        weighted_update: mean of Σ d·|E δ| [reward].
        uniform_update: the same for a uniform d.
        weighted_update_ratio: one over the other; above 1 the updates are larger.
    """

    steps: int
    reward_per_step: Interval
    fraction_of_optimal: Interval
    entropy: float
    wrong_mass: float
    uniform_wrong_mass: float
    weighted_error: float
    uniform_error: float
    weighted_error_ratio: float
    redundant_mass: float
    uniform_redundant_mass: float
    weighted_update: float
    uniform_update: float
    weighted_update_ratio: float


@dataclass(frozen=True)
class Budget:
    """The cost of one real step of an agent.

    Attributes:
        sampled_updates: planning updates.
        model_queries: sampled model queries.
        expected_backups: expected backups, each over all successors of a state and action.
        microseconds_per_step: run time over all steps of all seeds; they run side by side.
        compile_seconds: once for the whole run.
    """

    sampled_updates: float
    model_queries: float
    expected_backups: float
    microseconds_per_step: float
    compile_seconds: float


@dataclass(frozen=True)
class AgentRow:
    """One agent of a comparison.

    Attributes:
        name: the agent.
        n: number of seeds.
        total: total reward: mean and Student's t interval over seeds [reward].
        interquartile_mean: of the total reward, with its bootstrap interval [reward].
        difference: total reward minus the baseline's, paired by seed [reward]; NaN for itself.
        improvement: probability that a run of this agent beats one of the baseline.
        win_rate: share of seeds on which this agent beats the baseline.
        phases: measures by kind of phase; ``"all"`` always, the others where they occur. Those that the result
            lacks are NaN.
        mechanism: measures of its planning, and correlations of its changes after a switch.
        budget: cost of a step.
        episodes: returns and lengths by the names of ``episodes.STRETCHES``; empty where they are not recorded.
    """

    name: str
    n: int
    total: Interval
    interquartile_mean: Interval
    difference: Interval
    improvement: Interval
    win_rate: float
    phases: Mapping[str, Measures]
    mechanism: Mechanism
    budget: Budget
    episodes: Mapping[str, Episodes]


@dataclass(frozen=True)
class Comparison:
    """The agents of one result, compared.

    Attributes:
        suite: name of the suite.
        title: of the suite, in words.
        baseline: the agent that the others are compared to.
        level: of all intervals.
        steps: environment steps of a run, or of those selected.
        has: properties of the problem, which decide what can be compared.
        optimal_reward: expected total reward of the best ε-soft policy, NaN without tables [reward].
        unconstrained_reward: expected total reward of the best policy, NaN without tables [reward].
        rows: one for each agent, in the result's order.
        has_one_total: whether all of several runs have the same total reward.
        broken: rewards that are not finite, in words; empty without any.
        selected: first and last step of those that were compared; None of the whole run.
        side_by_side: in which settings several results differ, in words; empty of a single one.
    """

    suite: str
    title: str
    baseline: str
    level: float
    steps: int
    has: tuple[Has, ...]
    optimal_reward: float
    unconstrained_reward: float
    rows: tuple[AgentRow, ...]
    has_one_total: bool
    broken: str = ""
    selected: tuple[int, int] | None = None
    side_by_side: tuple[str, ...] = ()

    def __getitem__(self, agent: str) -> AgentRow:
        """The row of one agent.

        Raises:
            KeyError: there is no such agent.
        """
        for row in self.rows:
            if row.name == agent:
                return row
        raise KeyError(agent)


def compare(dataset: xr.Dataset, baseline: str | None = None, level: float = LEVEL) -> Comparison:
    """Compares the agents of a result.

    Args:
        dataset: a result, in the form of ``store.contract``, what ``select_steps`` has left of one, or what
            ``side_by_side`` has made of several.
        baseline: the agent that the others are compared to; by default ``meta_gradient``, of several results the first
            one's, or, where there is none, the first agent.
        level: of the intervals.

    Returns:
        One row for each agent.

    Raises:
        UserError: that is no result, or the baseline is not in it.
    """
    check_result(dataset, is_compared=True)
    if baseline is not None:
        check_type("baseline", baseline, str, "be the name of an agent")
    agents = [str(agent) for agent in dataset["agent"].values]
    if baseline is None:
        baseline = next((name for name in agents if name.rpartition("/")[2] == DEFAULT_BASELINE), agents[0])
    if baseline not in agents:
        raise unknown("agent", baseline, agents)
    totals = {agent: total_reward(dataset, agent) for agent in agents}
    return Comparison(
        suite=str(dataset.attrs["suite"]),
        title=str(dataset.attrs["title"]),
        baseline=baseline,
        level=level,
        steps=int(steps_per_chunk(dataset).sum()),
        has=what_it_has(dataset),
        optimal_reward=float(_per_chunk(dataset, "optimal_reward").sum()),
        unconstrained_reward=float(_per_chunk(dataset, "unconstrained_reward").sum()),
        rows=tuple(_row(dataset, agent, baseline, totals, level) for agent in agents),
        has_one_total=has_one_total(dataset),
        broken=broken_rewards(dataset),
        selected=selected_steps(dataset),
        side_by_side=tuple(dataset.attrs.get(SIDE_BY_SIDE, ())),
    )


def total_reward(dataset: xr.Dataset, agent: str) -> Floats:
    """[B] total reward of each seed of one agent."""
    totals: Floats = np.asarray(dataset["reward"].sel(agent=agent).values, np.float64).sum(axis=1)
    return totals


def has_one_total(dataset: xr.Dataset) -> bool:
    """Whether all of several runs have the same total reward, rounding aside: it then does not tell agents apart."""
    totals = np.asarray(dataset["reward"].values, np.float64).sum(axis=dataset["reward"].dims.index("chunk"))
    return bool(totals.size > 1 and totals.max() - totals.min() <= SAME * np.abs(totals).max())


def chunks_of_kind(dataset: xr.Dataset, kind: str) -> npt.NDArray[np.bool_]:
    """[chunk] whether a chunk is of a kind of phase: ``all``, model ``right``, model ``wrong``.

    Without tables no chunk is of the kinds ``right`` and ``wrong``.
    """
    if "is_model_wrong" not in dataset.coords:
        return np.full(dataset.sizes["chunk"], kind == "all")
    is_wrong = np.asarray(dataset["is_model_wrong"].values, bool)
    return {"all": np.ones_like(is_wrong), "right": ~is_wrong, "wrong": is_wrong}[kind]


def knows_where_wrong(dataset: xr.Dataset) -> bool:
    """Whether it is known when, and in which states, the model is wrong.

    So it is of a fixed model. A learned one may be wrong at any time: all chunks count as wrong, and no state is
    named. Without tables nothing is known.
    """
    if "is_model_wrong" not in dataset.coords:
        return False
    phases = np.asarray(dataset["phase_of_chunk"].values, int)
    wrong = np.asarray(dataset["wrong_state"].values, bool)[phases]
    return bool((wrong.any(axis=1) == chunks_of_kind(dataset, "wrong")).all())


def _row(dataset: xr.Dataset, agent: str, baseline: str, totals: Mapping[str, Floats], level: float) -> AgentRow:
    has_rival = agent != baseline
    total, other = totals[agent], totals[baseline]
    return AgentRow(
        name=agent,
        n=len(total),
        total=mean_interval(total, level),
        interquartile_mean=bootstrap_interval(total, interquartile_mean, level=level),
        difference=paired_difference(total, other, level) if has_rival else NOTHING,
        improvement=probability_of_improvement(total, other, level=level) if has_rival else NOTHING,
        win_rate=win_rate(total, other) if has_rival else math.nan,
        phases={kind: _measures(dataset, agent, kind, level) for kind in KINDS if chunks_of_kind(dataset, kind).any()},
        mechanism=mechanism(dataset, agent, level=level),
        budget=_budget(dataset, agent),
        episodes=episodes_of(dataset, agent, baseline, level),
    )


def _measures(dataset: xr.Dataset, agent: str, kind: str, level: float) -> Measures:
    chosen = chunks_of_kind(dataset, kind)
    steps = steps_per_chunk(dataset)[chosen]
    rewards = np.asarray(dataset["reward"].sel(agent=agent).values, np.float64)[:, chosen]
    optimum = float(_per_chunk(dataset, "optimal_reward")[chosen].sum())

    def mean(name: str) -> float:
        if name not in dataset:
            return math.nan
        values = dataset[name]
        values = values.sel(agent=agent).mean("seed", skipna=False) if "seed" in values.dims else values
        return float(np.average(np.asarray(values.values, np.float64)[chosen], weights=steps))

    plans = not math.isnan(mean("entropy"))

    def of_uniform(name: str) -> float:
        return mean(name) if plans else math.nan

    return Measures(
        steps=int(steps.sum()),
        reward_per_step=mean_interval(rewards.sum(axis=1) / steps.sum(), level),
        fraction_of_optimal=_scaled(mean_interval(rewards.sum(axis=1), level), optimum),
        entropy=mean("entropy"),
        wrong_mass=mean("wrong_mass"),
        uniform_wrong_mass=of_uniform("uniform_wrong_mass"),
        weighted_error=mean("weighted_error"),
        uniform_error=of_uniform("uniform_error"),
        weighted_error_ratio=_ratio(mean("weighted_error"), of_uniform("uniform_error")),
        redundant_mass=mean("redundant_mass"),
        uniform_redundant_mass=of_uniform("uniform_redundant_mass"),
        weighted_update=mean("weighted_update"),
        uniform_update=of_uniform("uniform_update"),
        weighted_update_ratio=_ratio(mean("weighted_update"), of_uniform("uniform_update")),
    )


def _budget(dataset: xr.Dataset, agent: str) -> Budget:
    def number(name: str) -> float:
        return float(dataset[name].sel(agent=agent).values) if name in dataset else math.nan

    lane_steps = steps_per_chunk(dataset).sum() * dataset.sizes["seed"]
    return Budget(
        sampled_updates=number("sampled_updates"),
        model_queries=number("model_queries"),
        expected_backups=number("expected_backups"),
        microseconds_per_step=1e6 * number("run_seconds") / float(lane_steps),
        compile_seconds=number("compile_seconds"),
    )


def _per_chunk(dataset: xr.Dataset, name: str) -> Floats:
    """[chunk] numbers that hold for all agents; NaN where the result lacks them."""
    if name not in dataset:
        return np.full(dataset.sizes["chunk"], math.nan)
    return np.asarray(dataset[name].values, np.float64)


def _scaled(interval: Interval, optimum: float) -> Interval:
    """An interval as a share of an optimum; NaN unless that is above zero."""
    if not optimum > 0:
        return NOTHING
    return Interval(*(bound / optimum for bound in interval))


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference > 0 else math.nan
