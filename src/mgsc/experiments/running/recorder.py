"""What a run records, reduced inside the compiled loop.

Every step: reward, d, and what the strategy reports of itself. Every ``measure_every`` steps: the
measures of ``mgsc.experiments.running.measures``, averaged over the chunk; and at the chunk's end a snapshot.
"""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.dyna import Dyna, DynaState, Recorder, StepInfo
from mgsc.experiments.design.problem import Problem
from mgsc.experiments.design.quantities import ALWAYS, MEASURES, REPORTED, SNAPSHOTS, STATE_MEASURES
from mgsc.experiments.running.measures import Record, look, measure_planning, measure_values


def reward_recorder() -> Recorder:
    """Records the sum of rewards only, under the name ``reward``."""
    return Recorder(
        lambda: {"reward": jnp.zeros(())},
        lambda record, info: {"reward": record["reward"] + info.transition.reward},
        lambda record, state: record,
    )


def make_recorder(agent: Dyna, problem: Problem, num_steps: int, measure_every: int) -> Recorder:
    """The recorder of one chunk of ``num_steps``; its record holds means over the chunk, and the sum of rewards.

    Record entries: ``reward`` (sum), ``ALWAYS``, ``STATE_MEASURES`` [S] and ``SNAPSHOTS`` [S]; and where the
    agent plans ``query_distribution`` [S], ``REPORTED`` and ``MEASURES``.
    """
    plans = agent.max_planning_updates > 0
    num_measures = num_steps // measure_every

    def init() -> Record:
        zero, zeros = jnp.zeros(()), jnp.zeros(len(problem.is_candidate))
        record = dict.fromkeys(["reward", *ALWAYS], zero) | dict.fromkeys([*STATE_MEASURES, *SNAPSHOTS], zeros)
        if plans:
            record |= {"query_distribution": zeros} | dict.fromkeys([*REPORTED, *MEASURES], zero)
        return record

    def step(record: Record, info: StepInfo) -> Record:
        after = dict(record, reward=record["reward"] + info.transition.reward)
        if info.weights is not None:
            d = info.weights if info.weights.ndim == 1 else info.weights.sum(-1)
            after["query_distribution"] = record["query_distribution"] + d / num_steps
            for name in REPORTED:
                after[name] = record[name] + info.search.get(name, jnp.nan) / num_steps
        return after

    def measure(record: Record, state: DynaState) -> Record:
        moment = look(agent, problem, state)
        always, per_state, snapshots = measure_values(problem, moment)
        means = always | per_state | (measure_planning(agent, problem, state, moment) if plans else {})
        return record | {name: record[name] + value / num_measures for name, value in means.items()} | snapshots

    return Recorder(init, step, measure)
