"""A fixed model of an environment without tables: the simulator's outcomes in the first phase or the current one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp

from mgsc.environments.phases import phase_at
from mgsc.environments.row import Outcomes
from mgsc.environments.tables import check_steps
from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.models.base import Model, drawn_outcome
from mgsc.models.row import BuiltModel, ModelRow
from mgsc.noise import uniforms
from mgsc.settings import check_setting, choice
from mgsc.types import Array, PyTree, Successors, Transition

STALE, CURRENT = "stale", "current"


@dataclasses.dataclass(frozen=True)
class SimulatedModel:
    """A model that never learns; with both settings ``current`` it is exact."""

    rewards: str = choice(
        STALE, (STALE, CURRENT), "its rewards and ends of episodes: those of the start, or the true ones"
    )
    dynamics: str = choice(STALE, (STALE, CURRENT), "where its actions lead: as at the start, or truly")


def simulated(
    outcomes: Callable[[Array, Array, Array, Array], Outcomes],
    discount: Array | float,
    *,
    num_phases: int,
    switch_every: int,
    rewards: str = STALE,
    dynamics: str = STALE,
) -> Model:
    """A model with the outcomes of a simulator.

    Its state counts real steps where it follows the phases, and is empty where it keeps the first one.

    Args:
        outcomes: see ``Simulator``.
        discount: γ, given to successors that do not terminate; may be traced.
        num_phases: P, phases that follow in a circle.
        switch_every: environment steps each phase lasts.
        rewards: ``stale`` for those of the first phase, or ``current``.
        dynamics: the same choice for the successors.

    Raises:
        UserError: no phases, phases of no step, or an unknown choice.
    """
    check_setting(SimulatedModel, "rewards", rewards)
    check_setting(SimulatedModel, "dynamics", dynamics)
    check_steps("num_phases", num_phases, least=1)
    check_steps("switch_every", switch_every, least=1)
    follows = num_phases > 1 and CURRENT in (rewards, dynamics)

    def init(key: Array) -> PyTree:
        del key
        return jnp.zeros((), jnp.int32) if follows else ()

    def update(noise: PyTree, state: PyTree, transition: Transition) -> PyTree:
        del noise, transition
        return state + 1

    def expect(state: PyTree, observation: Array, action: Array) -> Successors:
        first = jnp.zeros((), jnp.int32)
        now = phase_at(state, switch_every, num_phases) if follows else first
        made = outcomes(
            observation, action, now if dynamics == CURRENT else first, now if rewards == CURRENT else first
        )
        return Successors(made.probability, made.reward, discount * (1.0 - made.terminated), made.observation)

    def sample(noise: PyTree, state: PyTree, observation: Array, action: Array) -> Transition:
        return drawn_outcome(noise, observation, action, expect(state, observation, action))

    return Model(init=init, draw=uniforms, sample=sample, expect=expect, update=update if follows else None)


def _build(settings: SimulatedModel, facts: Facts) -> BuiltModel:
    if facts.outcomes is None:
        raise UserError(
            "model simulated needs a simulator whose observations tell its state, and which says so: "
            "allowed are mlp, mlp_ensemble, and own_model; for tables fixed"
        )
    model = simulated(
        facts.outcomes,
        facts.discount,
        num_phases=facts.num_phases,
        switch_every=facts.switch_every,
        rewards=settings.rewards,
        dynamics=settings.dynamics,
    )
    return BuiltModel(model)


SIMULATED_ROW = ModelRow(
    "simulated", "a simulator's own outcomes, those of the start or of now", SimulatedModel, _build
)
