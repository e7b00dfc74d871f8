"""Garnets: random sparse Markov decision processes without terminal states.

Source: Archibald, McKinnon & Thomas 1995, "On the generation of Markov decision processes"; Bhatnagar, Sutton,
Ghavamzadeh & Lee 2009, "Natural actor-critic algorithms", Automatica 45(11), section 5 (the name GARNET).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mgsc.environments.row import EnvironmentRow
from mgsc.environments.world import World, from_tables
from mgsc.errors import UserError
from mgsc.settings import number, size, takes


@dataclasses.dataclass(frozen=True)
class GarnetSettings:
    """Settings of a Garnet."""

    states: int = size(100, 2, 100_000, "number of states")
    actions: int = size(4, 1, 1000, "number of actions")
    branching: int = size(3, 1, 1000, "successors of each state and action")
    reward_share: float = number(0.1, 0.0, 1.0, "share of the states whose entering is rewarded", above=True)
    phases: int = size(2, 1, 1000, "phases that follow in a circle; they differ in which states are rewarded")
    draw: int = size(0, 0, 2**31 - 1, "seed of the tables: another one is another process")
    switch_every: int = size(2500, 1, 2**30, "environment steps each phase lasts")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@takes(GarnetSettings)
def garnet(settings: GarnetSettings) -> World:
    """The process of the settings; runs begin in state 0.

    Every state and action has ``branching`` successors, drawn without replacement, whose probabilities are the
    gaps between sorted uniform numbers. *Differs in*: rewards belong to the state that is entered, standard normal in
    ``reward_share`` of the states and 0 in others, and are drawn anew for each phase.

    Raises:
        UserError: more successors than states.
    """
    if settings.branching > settings.states:
        raise UserError(f"branching is {settings.branching}: there are only {settings.states} states")
    random = np.random.default_rng(settings.draw)
    pairs = (settings.states, settings.actions)
    order = random.random((*pairs, settings.states)).argsort(-1)
    successor = order[..., : settings.branching]
    cuts = np.sort(random.random((*pairs, settings.branching - 1)), -1)
    probability = np.diff(cuts, axis=-1, prepend=0.0, append=1.0)
    rewarded = max(1, round(settings.reward_share * settings.states))
    rewards = np.zeros((settings.phases, settings.states))
    for phase in range(settings.phases):
        places = random.permutation(settings.states)[:rewarded]
        rewards[phase, places] = random.normal(size=rewarded)
    shape = (settings.phases, *probability.shape)
    return from_tables(
        np.broadcast_to(probability, shape),
        rewards[:, successor],
        np.broadcast_to(successor, shape),
        np.zeros(shape, bool),
        start=0,
    )


GARNET_ROW = EnvironmentRow("garnet", "a random sparse process that goes on for ever", GarnetSettings, garnet)
