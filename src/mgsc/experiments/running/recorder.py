"""The record of a run, reduced inside the compiled loop.

Every step adds reward, d, episodes and the numbers that the strategy reports. Every ``measure_every`` steps, where the
environment has tables, the loop keeps the arrays of the measures (``running.measures``), which are computed when it has
ended (``running.measuring``). ``design.quantities`` lists the recorded quantities of each problem.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mgsc.branching import reports_of_starts
from mgsc.dyna import Dyna, DynaState, Recorder, StepInfo
from mgsc.experiments.design.quantities import (
    ALWAYS,
    ENDED,
    MEASURES,
    REPORTED,
    SNAPSHOTS,
    STATE_MEASURES,
    Group,
    Has,
    groups_of,
)
from mgsc.experiments.running.measure_row import MeasureRow, View
from mgsc.experiments.running.measure_table import MORE_MEASURES
from mgsc.experiments.running.measures import Record, Seen, see
from mgsc.meta_gradient import entropy
from mgsc.problem import Problem
from mgsc.types import Array

MEASURED_APART = frozenset({*ALWAYS, *STATE_MEASURES, *SNAPSHOTS, *MEASURES})
"""Quantities that are computed when the loop has ended."""


def reward_recorder(*, counts_episodes: bool = False) -> Recorder:
    """Records the sum of rewards only, under the name ``reward``, and the numbers of episodes that ended on request."""
    names = ("reward", *(ENDED if counts_episodes else ()))

    def step(record: Record, info: StepInfo) -> Record:
        seen = {"reward": info.transition.reward, **_ended(info)}
        return {name: record[name] + seen[name] for name in names}

    return Recorder(init=lambda: dict.fromkeys(names, jnp.zeros(())), step=step, measure=lambda record, state: record)


def what_it_has(problem: Problem, *, records_episodes: bool) -> tuple[Has, ...]:
    """The properties of a problem that decide its recorded quantities."""
    has: list[Has] = []
    if problem.truth is not None:
        has.append("truth")
    if problem.candidates.listed is not None:
        has.append("listed")
    if records_episodes:
        has.append("episodes")
    if problem.model.held_out_error is not None:
        has.append("held out")
    if problem.facts.numbers is not None:
        has.append("actor")
    return tuple(has)


def make_recorder(
    agent: Dyna, problem: Problem, num_steps: int, measure_every: int, *, records_episodes: bool = False
) -> Recorder:
    """The recorder of one chunk of ``num_steps``.

    Its record holds the sum of rewards, and means over the chunk of all other quantities of the problem's groups that
    are not measured apart. Agents that plan also have the quantities of planning, the ``reports`` of their strategy,
    and what is reported of where rollouts begin. Where there are exact tables it keeps a ``Seen`` at every measurement.
    """
    plans = agent.max_planning_updates > 0
    has = what_it_has(problem, records_episodes=records_episodes)
    rule = _Rule(
        agent=agent,
        problem=problem,
        num_steps=num_steps,
        num_measures=num_steps // measure_every,
        groups=tuple(group for group in groups_of(has) if plans or not group.is_of_planning),
        more=tuple(row for row in MORE_MEASURES if row.applies(has)),
        reports=(*agent.search_control.reports, *reports_of_starts(agent)) if plans else (),
        records_episodes=records_episodes,
    )
    keep = None if problem.truth is None else rule.keep
    return Recorder(init=rule.init, step=rule.step, measure=rule.measure, keep=keep)


class _Rule(NamedTuple):
    """What is recorded of one chunk.

    Attributes:
        agent: whose steps are recorded.
        problem: of the agent.
        num_steps: of the chunk.
        num_measures: how often it is measured.
        groups: of quantities.
        more: measures that have rows.
        reports: names of the numbers that the strategy reports.
        records_episodes: whether episodes are counted.
    """

    agent: Dyna
    problem: Problem
    num_steps: int
    num_measures: int
    groups: tuple[Group, ...]
    more: tuple[MeasureRow, ...]
    reports: tuple[str, ...]
    records_episodes: bool

    @property
    def names(self) -> set[str]:
        """All quantities of the groups."""
        return {name for group in self.groups for name in group.quantities}

    @property
    def apart(self) -> set[str]:
        """Quantities that are measured apart.

        Group by group: the entropy of a d over drawn candidates is of another one, which the loop keeps.
        """
        apart = (group for group in self.groups if MEASURED_APART.issuperset(group.quantities))
        return {name for group in apart for name in group.quantities}

    def init(self) -> Record:
        record: Record = {name: jnp.zeros(()) for name in (*self.reports, *(row.name for row in self.more))}
        apart = self.apart
        for group in self.groups:
            shape = (len(self.problem.known.is_candidate),) if "state" in group.dims else ()
            record |= dict.fromkeys((name for name in group.quantities if name not in apart), jnp.zeros(shape))
        return record

    def step(self, record: Record, info: StepInfo) -> Record:
        after = dict(record, reward=record["reward"] + info.transition.reward)
        if info.weights is not None:
            after |= self.of_planning(record, info.weights, info.search)
        return after | _of_episodes(record, info) if self.records_episodes else after

    def of_planning(self, record: Record, weights: Array, reported: Record) -> Record:
        """Means of d or of its entropy, and of what the strategy reports, with one step more."""
        after = {}
        if "query_distribution" in self.names:
            d = weights if weights.ndim == 1 else weights.sum(-1)
            after["query_distribution"] = record["query_distribution"] + d / self.num_steps
        else:
            spread = entropy(weights)
            after["entropy"] = record["entropy"] + spread / self.num_steps
            after["effective_candidates"] = record["effective_candidates"] + jnp.exp(spread) / self.num_steps
        for name in (*REPORTED, *self.reports):
            after[name] = record[name] + reported.get(name, jnp.nan) / self.num_steps
        return after

    def measure(self, record: Record, state: DynaState) -> Record:
        view = View(self.agent, self.problem, state)
        for row in self.more:
            record = record | {row.name: record[row.name] + row.measure(view) / self.num_measures}
        return record

    def keep(self, state: DynaState) -> Seen:
        weights = None
        if self.names.issuperset(MEASURES):
            weights = self.agent.search_control.weights(state.search, state.params, self.problem.listed)
        return see(self.agent, self.problem, state, weights)


def _of_episodes(record: Record, info: StepInfo) -> dict[str, Array]:
    """Sums over the episodes that have ended; ``means_of_episodes`` makes means of them when the run is over."""
    after = {name: record[name] + is_so for name, is_so in _ended(info).items()}
    for name in ("episode_return", "episode_length"):
        after[name] = record[name] + jnp.where(info.is_over, info.environment[name], 0)
    return after


def _ended(info: StepInfo) -> dict[str, Array]:
    """Whether an episode ended in this step, by the names of ``ENDED``."""
    return dict(zip(ENDED, (info.terminated, info.truncated & ~info.terminated), strict=True))
