"""The form of a row of the table of strategies: a strategy's settings, its construction, and its needs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import jax

from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Strategy
from mgsc.settings import Row

S = TypeVar("S")

Stored = Mapping[str, Any]
"""An agent's settings as plain data, in the form of stored results; those of its strategy are ``options``."""

Need = Literal["listed states", "tables", "discrete actions", "a table of values", "stored transitions", "an ensemble"]
"""The needs that a strategy may have.

``listed states``     the same candidates in every step, numbered by their place: it keeps a number for each.
``tables``            the true transitions: it is privileged, or takes the predecessors of states from them.
``discrete actions``  it compares all A actions of a state, or stores their numbers.
``a table of values`` it reads the values as an array [S, A].
``stored transitions`` candidates from a replay buffer, with their own transitions.
``an ensemble``       a model of several members, which may disagree.
"""


class Range(NamedTuple):
    """The range of a setting in tuning.

    Attributes:
        low, high: ends of the range; whole numbers for a ``size`` setting.
        share_of_zero: share of the configurations that set it to exactly 0.
        is_bounded: whether the high end is a rule, such as the budget: a best value there is no reason to widen it.
    """

    low: float
    high: float
    share_of_zero: float = 0.0
    is_bounded: bool = False


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """A strategy without settings of its own."""


def _no_backups(settings: Any, facts: StrategyFacts) -> int:
    del settings, facts
    return 0


def _nothing(settings: Any) -> tuple[()]:
    del settings
    return ()


def _nowhere(settings: Any) -> Mapping[str, Range]:
    del settings
    return {}


def _no_remedy(settings: Any, missing: Collection[Need]) -> str:
    del settings, missing
    return ""


def _never(settings: Any) -> bool:
    del settings
    return False


@dataclasses.dataclass(frozen=True)
class StrategyRow(Row[S]):
    """A strategy that suites may name.

    Attributes:
        build: ``(settings, facts) -> Strategy``.
        needs: ``(settings) ->`` its needs; a suite that lacks one raises ``UserError``.
        remedy: ``(settings, missing needs) ->`` the setting that does without them, in words; empty where none does.
        plans: False for Q-learning.
        queries_model: False where planning updates use real transitions.
        expected_backups: ``(settings, facts) ->`` its expected backups per real step; K is an int there.
        tunes_updates: whether tuning searches K too: where updates can do harm, fewer may be better.
        space: ranges of its settings that tuning searches, on log scales.
        space_of_networks: the ranges where values are networks.
        space_of_minibatches: ``(settings) ->`` the ranges where their updates are of minibatches.
        is_meta_learned: whether its distribution is learned by a meta-gradient.
        learns_model_first: ``(settings) ->`` whether the model learns before the strategy observes.
        has_static_updates: ``(settings) ->`` whether K must be fixed when compiling.
        static_zeros: settings whose default 0 saves work where it is fixed when compiling.
        can_overshoot: ``(stored settings of the agent) ->`` whether one planned step may lead past its target.
        advice: by the name of a diagnosis, ``(agent, its stored settings) ->`` advice in words.
    """

    build: Callable[[S, StrategyFacts], Strategy]
    needs: Callable[[S], Collection[Need]] = _nothing
    remedy: Callable[[S, Collection[Need]], str] = _no_remedy
    plans: bool = True
    queries_model: bool = True
    expected_backups: Callable[[S, StrategyFacts], int] = _no_backups
    tunes_updates: bool = True
    space: Mapping[str, Range] = dataclasses.field(default_factory=dict)
    space_of_networks: Mapping[str, Range] = dataclasses.field(default_factory=dict)
    space_of_minibatches: Callable[[S], Mapping[str, Range]] = _nowhere
    is_meta_learned: bool = False
    learns_model_first: Callable[[S], bool] = _never
    has_static_updates: Callable[[S], bool] = _never
    static_zeros: tuple[str, ...] = ()
    can_overshoot: Callable[[Stored], bool] = _never
    advice: Mapping[str, Callable[[str, Stored], str]] = dataclasses.field(default_factory=dict)


def always(*needs: Need) -> Callable[[Any], Collection[Need]]:
    """The needs of a strategy that do not depend on its settings."""
    return functools.partial(_same_needs, needs)


def _same_needs(needs: Collection[Need], settings: Any) -> Collection[Need]:
    del settings
    return needs


def num_candidates(facts: StrategyFacts) -> int:
    """N, candidates of one step; S of listed states."""
    source = facts.problem.candidates
    drawn = source.listed
    if drawn is None:
        key = jax.random.key(0)
        drawn = jax.eval_shape(lambda: source.candidates(source.draw(key), source.init(key)))
    return int(drawn.index.shape[0])


def num_candidate_pairs(facts: StrategyFacts) -> int:
    """N·A: pairs of a candidate of one step and an action; S·A of listed states, N·C of actions that are numbers."""
    return num_candidates(facts) * facts.problem.facts.num_choices


def named_setting(agent: str, stored: Stored, name: str) -> str:
    """A setting of an agent by its full name, with its value where that is stored."""
    value = stored.get(name, stored.get("options", {}).get(name))
    return f"{agent}.{name}" if value is None else f"{agent}.{name} ({value:g})"
