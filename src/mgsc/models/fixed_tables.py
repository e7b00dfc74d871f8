"""The tables of a fixed model: the true ones with the rewards of one phase or their mean, and noise where it is set."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mgsc.environments.tables import Tables, mean_of_phases
from mgsc.settings import choice, number, size


@dataclasses.dataclass(frozen=True)
class FixedModel:
    """A model that never learns."""

    rewards: str = choice("stale", ("stale", "mean"), "its rewards: the first phase's, or the mean of all phases")
    reward_noise: float = number(0.0, 0.0, math.inf, "standard deviation of noise added to every reward, over max|R|")
    transition_noise: float = number(0.0, 0.0, 1.0, "share of each transition's probability given to a random state")
    corrupted_share: float = number(0.0, 0.0, 1.0, "share of the states whose transitions all go to one random state")
    noise_seed: int = size(0, 0, 2**31 - 1, "seed of the noise, which is the same in all runs")


def model_tables(settings: FixedModel, tables: Tables) -> Tables:
    """[S, A, M] the tables of a fixed model of an environment with tables [P, S, A, M]."""
    chosen = tables.phase(0) if settings.rewards == "stale" else mean_of_phases(tables)
    random = np.random.default_rng(settings.noise_seed)
    chosen = _with_corrupted_states(chosen, settings.corrupted_share, random)
    chosen = _with_random_transitions(chosen, settings.transition_noise, random)
    noise = settings.reward_noise * tables.largest_reward * random.normal(size=chosen.reward.shape)
    return chosen._replace(reward=(chosen.reward + noise).astype(np.float32))


def _with_corrupted_states(tables: Tables, share: float, random: np.random.Generator) -> Tables:
    """Every action in a corrupted state leads to one random non-terminal state."""
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
