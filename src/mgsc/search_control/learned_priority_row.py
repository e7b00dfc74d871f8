"""The row of ``learned_priority``: its settings, its construction, and its needs."""

from __future__ import annotations

import dataclasses
import functools
import math

import jax.numpy as jnp
import optax

from mgsc.errors import UserError
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Strategy
from mgsc.search_control.learned_priority import Actions, Judged, States, learned_priority
from mgsc.search_control.pair_signals import FEATURES, PairSignals
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.search_control.targets import Target, Targets
from mgsc.search_control.uncertainty import ensemble_for
from mgsc.settings import added, choice, number, size, switch
from mgsc.types import Parts


@dataclasses.dataclass(frozen=True)
class LearnedPrioritySettings:
    """Settings of ``learned_priority``: for each feature its first weight, and whether it is used."""

    meta_step_size: float = number(0.06, 0.0, math.inf, "step size of Adam on the weights; 0 keeps them")
    table_step_size: float = number(0.03, 0.0, math.inf, "step size of Adam on the table of uses_table")
    uses_table: bool = switch(True, "whether a number for each pair is learned beside the features")
    states: States = choice("learned", ("learned", "uniform"), "states that are planned from: as learned, or all alike")
    actions: Actions = choice(
        "learned", ("learned", "behaviour", "greedy"), "which actions are planned: as learned, the policy's, the best"
    )
    judged: Judged = choice(
        "made", ("made", "expected"), "what is judged: the sampled updates made, or those expected now (as MGSC)"
    )
    target: Target = choice(
        "transition", ("transition", "return", "later", "real_values"), "where real experience says values should be"
    )
    trace: float = number(0.8, 0.0, 1.0, "lambda of target=return")
    experience_length: int = size(16, 1, 1000, "real transitions that are looked at; with target=later, steps between")
    floor: float = number(0.003, 0.0, math.inf, "added to sizes of changes in logarithms, over max|R|", above=True)
    rate: float = number(0.75, 0.0, 1.0, "weight of the newest error in the running errors of the model", above=True)
    fade: float = number(0.001, 0.0, 1.0, "share of the running errors, and of recency, that fades in each real step")
    uses_policy: bool = switch(True, "feature: log probability of the behaviour policy")
    uses_td_error: bool = switch(True, "feature: log size of the expected TD error")
    uses_pair_error: bool = switch(True, "feature: minus the running error of the model at the pair")
    uses_state_error: bool = switch(False, "feature: minus the running error of the model at the state")
    uses_novelty: bool = switch(True, "feature: -1/sqrt(1 + tries of the pair)")
    uses_recency: bool = switch(False, "feature: a trace of the last try of the pair")
    uses_count: bool = switch(False, "feature: log(1 + tries of the pair) / 5")
    uses_disagreement: bool = switch(False, "feature: minus the disagreement of an ensemble of learned models")
    uses_value_change: bool = switch(False, "feature: log size of the expected change of value along the pair")
    policy_weight: float = number(0.8, -math.inf, math.inf, "weight of that feature at first")
    td_error_weight: float = number(1.0, -math.inf, math.inf, "weight of that feature at first")
    pair_error_weight: float = number(20.0, -math.inf, math.inf, "weight of that feature at first")
    state_error_weight: float = number(0.0, -math.inf, math.inf, "weight of that feature at first")
    novelty_weight: float = number(0.5, -math.inf, math.inf, "weight of that feature at first")
    recency_weight: float = number(0.0, -math.inf, math.inf, "weight of that feature at first")
    count_weight: float = number(0.0, -math.inf, math.inf, "weight of that feature at first")
    disagreement_weight: float = number(0.0, -math.inf, math.inf, "weight of that feature at first")
    value_change_weight: float = number(0.0, -math.inf, math.inf, "weight of that feature at first")
    learns_policy_weight: bool = added(
        switch(True, "whether the weight of the policy's feature is learned; where successors are random it misleads")
    )

    @property
    def used(self) -> tuple[str, ...]:
        """The features in use."""
        return tuple(name for name in FEATURES if getattr(self, f"uses_{name}"))


@dataclasses.dataclass(frozen=True)
class ConstantPrioritySettings(LearnedPrioritySettings):
    """Settings of ``constant_priority``: the same features with constant weights."""

    meta_step_size: float = number(0.0, 0.0, math.inf, "step size of Adam on the weights; 0 keeps them")
    uses_table: bool = switch(False, "whether a number for each pair is learned beside the features")


def _build(settings: LearnedPrioritySettings, facts: StrategyFacts) -> Strategy:
    if (settings.states, settings.actions) == ("uniform", "behaviour"):
        raise UserError(
            "states=uniform with actions=behaviour is the agent uniform: allowed are actions=learned, greedy"
        )
    if not settings.used and not settings.uses_table:
        raise UserError("neither a feature nor uses_table is on: there is nothing that tells states apart")
    weights = [jnp.asarray(getattr(settings, f"{name}_weight"), jnp.result_type(float)) for name in settings.used]
    return learned_priority(
        functools.partial(_signals, settings, facts),
        jnp.stack(weights) if weights else None,
        optax.adam(settings.meta_step_size),
        step_size=facts.step_size,
        planning_updates=facts.planning_updates,
        table_optimizer=optax.adam(settings.table_step_size) if settings.uses_table else None,
        states=settings.states,
        actions=settings.actions,
        judged=settings.judged,
        targets=Targets(settings.target, settings.trace, facts.step_size),
        experience_length=settings.experience_length,
        kept=("policy",) if settings.uses_policy and not settings.learns_policy_weight else (),
    )


def _signals(settings: LearnedPrioritySettings, facts: StrategyFacts, parts: Parts) -> PairSignals:
    problem = facts.problem
    return PairSignals(
        parts=parts,
        num_states=problem.facts.num_states,
        num_actions=problem.facts.num_actions,
        used=settings.used,
        reward_scale=problem.facts.reward_scale,
        floor=settings.floor,
        rate=settings.rate,
        fade=settings.fade,
        predecessors=None if problem.truth is None else problem.truth.predecessors,
        max_updates=facts.max_updates,
        learns=problem.learns,
        ensemble=ensemble_for(problem) if settings.uses_disagreement else None,
        candidates=problem.listed,
    )


def _expected_backups(settings: LearnedPrioritySettings, facts: StrategyFacts) -> int:
    """Those of all pairs; of a large table only where values or the model have changed."""
    return facts.problem.facts.num_pairs * (2 if settings.judged == "expected" else 1)


ROW = StrategyRow(
    name="learned_priority",
    summary="pairs by features of many rivals, whose weights the meta-gradient learns",
    settings=LearnedPrioritySettings,
    build=_build,
    needs=always("listed states", "discrete actions", "a table of values"),
    expected_backups=_expected_backups,
    is_meta_learned=True,
)

CONSTANT_ROW = dataclasses.replace(
    ROW,
    name="constant_priority",
    summary="pairs by the same features, whose weights stay as tuned",
    settings=ConstantPrioritySettings,
    is_meta_learned=False,
    space={
        "policy_weight": Range(0.2, 2.0),
        "td_error_weight": Range(0.2, 2.0),
        "pair_error_weight": Range(1.0, 100.0),
        "novelty_weight": Range(0.1, 10.0),
    },
)
