"""The models of a suite: what the agents' model believes, or how it learns.

``FixedModel`` answers from tables that are the truth but for its rewards, and for noise where asked for;
``LearnedModel`` starts from nothing and hears of every real transition.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mgsc.errors import UserError
from mgsc.settings import choice, number, size

if TYPE_CHECKING:
    from mgsc.environments import Tables
    from mgsc.models import Model


@dataclasses.dataclass(frozen=True)
class FixedModel:
    """A model that never learns."""

    rewards: str = choice("stale", ("stale", "mean"), "rewards it believes in: first phase's, or the phases' mean")
    reward_noise: float = number(0.0, 0.0, math.inf, "standard deviation of noise added to every reward, over max|R|")
    transition_noise: float = number(0.0, 0.0, 1.0, "share of each transition's probability given to a random state")
    corrupted_share: float = number(0.0, 0.0, 1.0, "share of the states whose transitions all go to one random state")
    noise_seed: int = size(0, 0, 2**31 - 1, "seed of the noise, which is the same in all runs")


@dataclasses.dataclass(frozen=True)
class LearnedModel:
    """A model that learns from real transitions."""

    average: str = choice("recency", ("sample", "recency"), "sample averages, or recency-weighted ones")
    step_size: float = number(0.1, 0.0, 1.0, "weight of the newest experience in recency-weighted averages", above=True)
    untried: str = choice("stay", ("stay", "uniform", "optimistic"), "what a pair never tried predicts")
    optimistic_reward: float = number(1.0, -math.inf, math.inf, "reward that untried=optimistic predicts")
    max_successors: int = size(0, 0, 1000, "outcomes kept for a state and action; 0 for as many as there can be")


MODELS: Mapping[str, type] = {"fixed": FixedModel, "learned": LearnedModel}
"""The settings of each kind of model, by its name."""


def believed_tables(settings: FixedModel, tables: Tables) -> Tables:
    """[S, A, M] what a fixed model believes of an environment with tables [P, S, A, M]."""
    from mgsc.environments.tables import mean_of_phases

    believed = tables.phase(0) if settings.rewards == "stale" else mean_of_phases(tables)
    random = np.random.default_rng(settings.noise_seed)
    believed = _with_corrupted_states(believed, settings.corrupted_share, random)
    believed = _with_random_transitions(believed, settings.transition_noise, random)
    noise = settings.reward_noise * tables.largest_reward * random.normal(size=believed.reward.shape)
    return believed._replace(reward=(believed.reward + noise).astype(np.float32))


def _with_corrupted_states(tables: Tables, share: float, random: np.random.Generator) -> Tables:
    """Whatever is done in a corrupted state leads, the model says, to one random non-terminal state."""
    states = np.flatnonzero(~tables.is_terminal)
    chosen = random.permutation(states)[: round(share * len(states))]
    probability, reward = tables.probability.copy(), tables.reward.copy()
    successor, terminates = tables.successor.copy(), tables.terminates.copy()
    probability[chosen] = np.arange(probability.shape[-1]) == 0
    reward[chosen], terminates[chosen] = 0, False
    successor[chosen] = random.choice(states, len(chosen))[:, None, None]
    return tables._replace(probability=probability, reward=reward, successor=successor, terminates=terminates)


def _with_random_transitions(tables: Tables, share: float, random: np.random.Generator) -> Tables:
    """One more slot for each state and action: a random non-terminal state, with a share of all probability."""
    if share == 0:
        return tables
    states = np.flatnonzero(~tables.is_terminal)
    shape = (*tables.probability.shape[:2], 1)
    return tables._replace(
        probability=np.concatenate([tables.probability * (1 - share), np.full(shape, share)], -1, dtype=np.float32),
        reward=np.concatenate([tables.reward, np.zeros(shape)], -1, dtype=np.float32),
        successor=np.concatenate([tables.successor, random.choice(states, shape)], -1, dtype=np.int32),
        terminates=np.concatenate([tables.terminates, np.zeros(shape, bool)], -1),
    )


def learned_model(settings: LearnedModel, tables: Tables, discount: float) -> Model:
    """The model that learns, for an environment with tables [P, S, A, M]."""
    from mgsc import models

    _, num_states, num_actions, _ = tables.probability.shape
    return models.learned(
        num_states,
        num_actions,
        slots_of(settings, tables),
        discount,
        step_size=None if settings.average == "sample" else settings.step_size,
        untried=settings.untried,  # type: ignore[arg-type]
        optimistic_reward=settings.optimistic_reward,
        is_terminal=tables.is_terminal,  # type: ignore[arg-type]
    )


def slots_of(settings: LearnedModel, tables: Tables) -> int:
    """M of a learned model: the most outcomes that a state and action have over all phases, or as set.

    Raises:
        UserError: fewer are set than there can be.
    """
    most = 1
    outcomes = 2 * tables.successor + tables.terminates
    for pair in np.ndindex(*tables.probability.shape[1:3]):
        is_possible = tables.probability[:, *pair] > 0
        most = max(most, len(np.unique(outcomes[:, *pair][is_possible])))
    if 0 < settings.max_successors < most:
        raise UserError(f"model.max_successors is {settings.max_successors}: this environment has up to {most}")
    return settings.max_successors or most
