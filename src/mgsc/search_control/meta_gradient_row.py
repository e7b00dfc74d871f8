"""The row of MGSC: its settings, its construction, and advice where it fails."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import Literal

import jax.numpy as jnp
import optax

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.meta_gradient.forms import FORMS, Form, Origin
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Strategy
from mgsc.search_control.candidate_signals import candidate_features
from mgsc.search_control.experience import Experience
from mgsc.search_control.logits import (
    LogitFunction,
    encoded_features,
    feature_logits,
    linear_logits,
    network_logits,
    table_logits,
)
from mgsc.search_control.meta_gradient import meta_gradient
from mgsc.search_control.row import Need, Range, Stored, StrategyRow, named_setting, num_candidate_pairs, num_candidates
from mgsc.settings import added, choice, number, size, switch
from mgsc.types import Array

EntropyUnit = Literal["reward", "relative"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Order = Literal["meta_first", "model_first"]
Over = Literal["states", "pairs"]
LogitKind = Literal["table", "linear", "network", "features", "both"]


@dataclasses.dataclass(frozen=True)
class MetaGradientSettings:
    """Settings of ``meta_gradient``."""

    meta_step_size: float = number(0.03, 0.0, math.inf, "step size of the optimiser of the logits", above=True)
    entropy_bonus: float = number(0.0, 0.0, math.inf, "beta, the weight of the entropy of d in the meta-loss")
    entropy_unit: EntropyUnit = choice(
        "reward", ("reward", "relative"), "unit of beta: reward^2 per nat, or that over planned step^2 * K * max|R|^2"
    )
    temperature: float = number(1.0, 0.0, math.inf, "temperature of the softmax", above=True)
    mixture: float = number(0.0, 0.0, 0.99, "share of queries that stay as before anything is learned: uniform")
    optimizer: Optimizer = choice(
        "adam",
        ("adam", "sgd", "rmsprop"),
        "Optax optimiser of the logits",
        otherwise="for another see 'An optimiser of your own' in docs/strategies/meta_gradient.md",
    )
    form: Form = choice("scaled", FORMS, "form of the planned parameters")
    target: Origin = choice(
        "planned", ("planned", "current"), "parameters the real transition is applied to for the target"
    )
    experience: Experience = choice(
        "one",
        ("one", "recent", "successive"),
        "target from the newest transition, each of the last ones, or all in turn",
    )
    experience_length: int = size(1, 1, 1000, "transitions of experience=recent or successive")
    resets_optimizer: bool = switch(False, "whether the optimiser starts anew at every switch of rewards (privileged)")
    order: Order = choice(
        "meta_first", ("meta_first", "model_first"), "whether the meta-update or the model's learning comes first"
    )
    over: Over = added(choice("states", ("states", "pairs"), "what d is over: states, or pairs of state and action"))
    logits: LogitKind = added(
        choice(
            "table",
            ("table", "linear", "network", "features", "both"),
            "a number for each listed state; linear in the observation; a network on it, on features, or on both",
        )
    )
    logit_units: int = added(size(32, 1, 4096, "units of each hidden layer of a network of logits"))
    logit_layers: int = added(size(1, 0, 8, "hidden layers of a network of logits"))
    logit_steepness: int = added(
        size(0, 0, 1000, "of first units of logits=network, whose thresholds are spread; 0: all at the origin")
    )
    planned_step_size: float = added(
        number(
            0.0,
            0.0,
            math.inf,
            "step size of the planned updates that are differentiated, and of their target's; 0 takes the agent's",
        )
    )
    replays: bool = added(
        switch(False, "whether d is over the candidates' own stored transitions as well, which ask no model")
    )
    update_every: int = added(size(1, 1, 100, "real steps from one meta-update to the next"))


def _build(settings: MetaGradientSettings, facts: StrategyFacts) -> Strategy:
    problem = facts.problem.facts
    if settings.over == "pairs" and facts.problem.candidates.has_actions:
        raise UserError("over=pairs chooses actions, and these candidates bring their own: set over to states")
    if settings.replays:
        _check_replays(settings, facts)
    planned = planned_step_size(settings, facts)
    bonus: Array | float = settings.entropy_bonus
    is_zero = isinstance(bonus, float) and bonus == 0
    if settings.entropy_unit == "relative" and not is_zero:
        bonus = bonus * planned**2 * facts.planning_updates * problem.reward_scale**2
    return meta_gradient(
        getattr(optax, settings.optimizer)(settings.meta_step_size),
        step_size=planned,
        planning_updates=facts.planning_updates,
        entropy_bonus=bonus,
        temperature=settings.temperature,
        mixture=settings.mixture,
        form=settings.form,
        target=settings.target,
        experience=settings.experience,
        experience_length=settings.experience_length,
        reset_every=problem.switch_every if settings.resets_optimizer else 0,
        update_every=settings.update_every,
        logits=_logits(settings, problem),
        is_listed=facts.problem.candidates.listed is not None,
        replays=settings.replays,
        prior="uniform" if problem.numbers is None else "policy",
        action=problem.action,
    )


def planned_step_size(settings: MetaGradientSettings, facts: StrategyFacts) -> Array | float:
    """α of the planned updates: the setting, or where that is 0 the agent's own."""
    planned: Array | float = settings.planned_step_size
    if isinstance(planned, float):
        return planned or facts.step_size
    return jnp.where(planned > 0, planned, facts.step_size)


def _check_replays(settings: MetaGradientSettings, facts: StrategyFacts) -> None:
    allowed = {
        "logits": ("network", "linear", "features", "both"),
        "form": ("scaled", "single"),
        "experience": ("one", "recent"),
    }
    for name, words in allowed.items():
        if (given := getattr(settings, name)) not in words:
            raise UserError(f"replays=true is for {name}={' or '.join(words)}, not {name}={given}")
    if facts.problem.candidates.has_actions:
        raise UserError("replays=true brings the stored actions itself: set candidates.actions to policy")


def _logits(settings: MetaGradientSettings, facts: Facts) -> LogitFunction:
    num_actions = facts.num_choices if settings.over == "pairs" else None
    if settings.replays:
        num_actions = 1 + (num_actions or 1)
    widths = (settings.logit_units,) * settings.logit_layers
    if settings.logits in ("features", "both"):
        features = candidate_features(facts, per_action=settings.over == "pairs", has_stored=settings.replays)
        encode = facts.encode if settings.logits == "both" else None
        return feature_logits(widths, features, num_actions, encode=encode)
    if settings.logits == "network":
        return network_logits(widths, num_actions, encode=facts.encode, steepness=settings.logit_steepness)
    if settings.logits == "linear":
        return linear_logits(encoded_features(facts.encode, num_actions))
    return table_logits(num_actions)


def _needs(settings: MetaGradientSettings) -> Collection[Need]:
    needs: list[Need] = []
    if settings.logits == "table" or settings.experience == "successive":
        needs.append("listed states")
    looks = settings.logits in ("features", "both")
    if looks or settings.replays:
        needs.append("stored transitions")
    if settings.replays or settings.experience == "successive":
        needs.append("discrete actions")
    if settings.form == "saturating" or settings.experience == "successive":
        needs.append("a table of values")
    return needs


def _is_local(settings: MetaGradientSettings) -> bool:
    """Whether the meta-gradient of a table concerns the visited state only, so that its closed form holds."""
    return settings.target == "planned" and settings.form != "unrolled"


def _expected_backups(settings: MetaGradientSettings, facts: StrategyFacts) -> int:
    """Those of the closed form, where it holds; else one for each pair of a candidate and an action.

    With ``replays`` the TD error of each candidate's own transition counts as one more. ``unrolled`` makes
    all of them for each of its K updates. Between meta-updates none is made: the mean over steps, rounded up.
    """
    return -(-_of_meta_update(settings, facts) // settings.update_every)


def _of_meta_update(settings: MetaGradientSettings, facts: StrategyFacts) -> int:
    has_closed_form = facts.is_table and facts.problem.candidates.listed is not None
    if not has_closed_form or not _is_local(settings) or settings.experience == "successive":
        own, stages = num_candidates(facts), facts.max_updates if settings.form == "unrolled" else 1
        if facts.problem.candidates.has_actions:
            return stages * own
        return stages * num_candidate_pairs(facts) + (own if settings.replays else 0)
    num_actions = facts.problem.facts.num_actions
    return (1 + num_actions) * (settings.experience_length if settings.experience == "recent" else 1)


def _learns_model_first(settings: MetaGradientSettings) -> bool:
    return settings.order == "model_first"


def _has_static_updates(settings: MetaGradientSettings) -> bool:
    """Every planning update of ``unrolled`` is a stage of the program."""
    return settings.form == "unrolled"


def _can_overshoot(stored: Stored) -> bool:
    """K sampled updates in one step: the other forms take them one after the other, or only one."""
    return bool(stored.get("options", {}).get("form", "scaled") == "scaled")


def _advise_exploding(agent: str, stored: Stored) -> str:
    return (
        f"lower {named_setting(agent, stored, 'meta_step_size')} or {named_setting(agent, stored, 'step_size')},"
        f" raise {named_setting(agent, stored, 'temperature')}, or lower discount if values grow without bound"
    )


def _advise_nil(agent: str, stored: Stored) -> str:
    return (
        f"see whether rewards are ever found (epsilon, environment.reward, steps), raise"
        f" {named_setting(agent, stored, 'step_size')}: the gradient grows with its square"
    )


def _advise_uniform(agent: str, stored: Stored) -> str:
    options = stored.get("options", {})
    advice = [f"raise {named_setting(agent, stored, 'meta_step_size')}"]
    lowered = [name for name in ("entropy_bonus", "mixture") if options.get(name)]
    advice += [f"lower {named_setting(agent, stored, name)}" for name in lowered]
    if options.get("temperature", 1.0) > 1:
        advice.append(f"lower {named_setting(agent, stored, 'temperature')}")
    return ", ".join(advice)


def _advise_collapsed(agent: str, stored: Stored) -> str:
    return (
        f"lower {named_setting(agent, stored, 'meta_step_size')}, raise {named_setting(agent, stored, 'entropy_bonus')}"
        f" or {named_setting(agent, stored, 'mixture')}"
    )


def _advise_overshoot(agent: str, stored: Stored) -> str:
    return (
        f"{agent}.form=saturating, or lower {named_setting(agent, stored, 'step_size')},"
        f" or raise {named_setting(agent, stored, 'entropy_bonus')}"
    )


def _remedy(settings: MetaGradientSettings, missing: Collection[Need]) -> str:
    if list(missing) == ["listed states"] and settings.experience != "successive":
        return "logits=network, which needs no list of states"
    if list(missing) == ["discrete actions"]:
        return "replays=false"
    return ""


ROW = StrategyRow(
    name="meta_gradient",
    summary="MGSC: a softmax over states tuned by the meta-gradient",
    settings=MetaGradientSettings,
    build=_build,
    needs=_needs,
    remedy=_remedy,
    expected_backups=_expected_backups,
    tunes_updates=False,
    # Its own settings work together with the step size: below 0.3 none of them was found to do well.
    space={
        "step_size": Range(0.3, 1.0, is_bounded=True),
        "meta_step_size": Range(0.01, 0.3),
        "entropy_bonus": Range(1e-5, 1e-2, share_of_zero=0.25),
    },
    # A step of Adam on a network's parameters moves all logits at once, and values of networks have other step sizes.
    space_of_networks={"meta_step_size": Range(3e-4, 1e-2), "planned_step_size": Range(0.01, 0.3)},
    # K plain gradient steps of a minibatch's mean overshoot unless they are small.
    space_of_minibatches=lambda settings: {"planned_step_size": Range(1e-4, 1e-2)},
    is_meta_learned=True,
    learns_model_first=_learns_model_first,
    has_static_updates=_has_static_updates,
    static_zeros=("entropy_bonus", "planned_step_size"),
    can_overshoot=_can_overshoot,
    advice={
        "exploding_gradient": _advise_exploding,
        "nil_gradient": _advise_nil,
        "uniform": _advise_uniform,
        "collapsed": _advise_collapsed,
        "overshoot": _advise_overshoot,
    },
)
