"""What a run records, reduced inside the compiled loop.

Every step: reward, d, episodes, and what the strategy reports of itself. Every ``measure_every`` steps, where the
environment has tables, the loop keeps what the measures of ``mgsc.experiments.running.measures`` are worked out of
when it has ended (``running.measuring``). ``design.quantities`` lists what is recorded of which problem.
"""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.dyna import Dyna, DynaState, Recorder, StepInfo
from mgsc.experiments.design.quantities import (
    ALWAYS,
    MEASURES,
    REPORTED,
    SNAPSHOTS,
    STATE_MEASURES,
    Has,
    groups_of,
)
from mgsc.experiments.running.measure_row import View
from mgsc.experiments.running.measure_table import MORE_MEASURES
from mgsc.experiments.running.measures import Record, Seen, see
from mgsc.meta_gradient import entropy
from mgsc.problem import Problem
from mgsc.types import Array

MEASURED_APART = frozenset({*ALWAYS, *STATE_MEASURES, *SNAPSHOTS, *MEASURES})
"""What is worked out of the moments that were kept."""


def reward_recorder() -> Recorder:
    """Records the sum of rewards only, under the name ``reward``."""
    return Recorder(
        init=lambda: {"reward": jnp.zeros(())},
        step=lambda record, info: {"reward": record["reward"] + info.transition.reward},
        measure=lambda record, state: record,
    )


def what_it_has(problem: Problem, *, records_episodes: bool) -> tuple[Has, ...]:
    """What decides which quantities are recorded of a problem."""
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

    Its record holds the sum of rewards, and of all else means over the chunk: the quantities of ``groups_of`` what
    the problem has, but for those that are measured apart; those of planning only where the agent plans, and with them
    what its strategy ``reports``. Where there are exact tables it keeps a ``Seen`` of every moment.
    """
    plans = agent.max_planning_updates > 0
    has = what_it_has(problem, records_episodes=records_episodes)
    groups = [group for group in groups_of(has) if plans or not group.is_of_planning]
    names = {name for group in groups for name in group.quantities}
    # Group by group: the entropy of a d over drawn candidates is of another one, which the loop keeps.
    apart = {name for group in groups if MEASURED_APART.issuperset(group.quantities) for name in group.quantities}
    num_measures = num_steps // measure_every
    more = [row for row in MORE_MEASURES if row.applies(has)]
    reports = agent.search_control.reports if plans else ()

    def init() -> Record:
        record: Record = {name: jnp.zeros(()) for name in (*reports, *(row.name for row in more))}
        for group in groups:
            shape = (len(problem.known.is_candidate),) if "state" in group.dims else ()
            record |= dict.fromkeys((name for name in group.quantities if name not in apart), jnp.zeros(shape))
        return record

    def step(record: Record, info: StepInfo) -> Record:
        after = dict(record, reward=record["reward"] + info.transition.reward)
        if info.weights is not None:
            if "query_distribution" in names:
                d = info.weights if info.weights.ndim == 1 else info.weights.sum(-1)
                after["query_distribution"] = record["query_distribution"] + d / num_steps
            else:
                spread = entropy(info.weights)
                after["entropy"] = record["entropy"] + spread / num_steps
                after["effective_candidates"] = record["effective_candidates"] + jnp.exp(spread) / num_steps
            for name in (*REPORTED, *reports):
                after[name] = record[name] + info.search.get(name, jnp.nan) / num_steps
        return after | _of_episodes(record, info) if records_episodes else after

    def measure(record: Record, state: DynaState) -> Record:
        view = View(agent, problem, state)
        for row in more:
            record = record | {row.name: record[row.name] + row.measure(view) / num_measures}
        return record

    def keep(state: DynaState) -> Seen:
        weights = None
        if names.issuperset(MEASURES):
            weights = agent.search_control.weights(state.search, state.params, problem.listed)
        return see(agent, problem, state, weights)

    return Recorder(init=init, step=step, measure=measure, keep=None if problem.truth is None else keep)


def _of_episodes(record: Record, info: StepInfo) -> dict[str, Array]:
    """Sums over the episodes that have ended; ``means_of_episodes`` makes means of them when the run is over."""
    ended = {"episodes_terminated": info.terminated, "episodes_truncated": info.truncated & ~info.terminated}
    after = {name: record[name] + is_so for name, is_so in ended.items()}
    for name in ("episode_return", "episode_length"):
        after[name] = record[name] + jnp.where(info.is_over, info.environment[name], 0)
    return after
