"""What can be had in a GridWorld whose moves are noisy: ``python -m mgsc.benchmarks.noisy_optimum SUITE``.

Value iteration on a lattice of places, whose values are interpolated between them. Its policy looks one step ahead
from wherever it is, and runs in the environment itself: the returns that are printed were had, so the best policy has
no less. ``--epsilon`` lets it explore as the agents do. Without noise the optimum is known exactly
(``mgsc.environments.gridworld``).
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.over_seeds import with_interval
from mgsc.environments.gridworld import GridWorldSettings, gridworld, is_in_wall
from mgsc.environments.row import Simulator
from mgsc.errors import UserError
from mgsc.experiments.design.suites import change_suite, get_suite
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.reading.table_text import markdown_lines
from mgsc.experiments.running.evaluation import play
from mgsc.set_option import add_set, parse_changes
from mgsc.types import Array

SIDE = 401
"""Places of the lattice along each axis: a move of 0.05 is 20 of its steps."""

SWEEPS = 300
SMALLEST = 1e-6
"""Least weight of the free neighbours of a place, which is divided by."""

LONGEST = 1000
"""Steps after which an episode is given up; its return then counts as it stands."""


class Lattice(NamedTuple):
    """Values of places side by side in the unit square.

    Attributes:
        values: [SIDE, SIDE] expected returns.
        is_free: [SIDE, SIDE] 1 outside the walls, where alone anyone is.
    """

    values: Array
    is_free: Array

    def at(self, place: Array) -> Array:
        """[] the value at any place [2], linear in each axis between those of its neighbours that are free."""
        where = place * (len(self.values) - 1)
        low = jnp.clip(where.astype(jnp.int32), 0, len(self.values) - 2)
        share = where - low
        corners = low + jnp.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        weights = jnp.prod(jnp.where(corners == low, 1 - share, share), -1)
        weights = weights * self.is_free[corners[:, 0], corners[:, 1]]
        return jnp.sum(weights * self.values[corners[:, 0], corners[:, 1]]) / jnp.maximum(weights.sum(), SMALLEST)


def action_values(simulator: Simulator, lattice: Lattice, place: Array) -> Array:
    """[A] expected return of each action, undiscounted, repeated until it moves; −inf where a wall never lets it.

    The value of staying is that of trying again: interpolated between neighbours it would tempt into walls.
    """
    outcomes, now = simulator.outcomes, jnp.zeros((), jnp.int32)
    assert outcomes is not None, "a GridWorld's outcomes are known"

    def of(action: Array) -> Array:
        found = outcomes(place, action, now, now)
        after = jax.vmap(lattice.at)(found.observation)
        stays = (found.observation == place).all(-1) & ~found.terminated
        moved = found.reward + jnp.where(found.terminated | stays, 0.0, after)
        chance = jnp.sum(jnp.where(stays, 0.0, found.probability))
        return jnp.where(chance > 0, jnp.sum(found.probability * moved) / chance, -jnp.inf)

    return jax.vmap(of)(jnp.arange(simulator.environment.num_actions))


def solved(simulator: Simulator, side: int = SIDE, sweeps: int = SWEEPS) -> Lattice:
    """The lattice after so many sweeps of value iteration from 0, in the first phase."""
    axis = jnp.linspace(0.0, 1.0, side)
    places = jnp.stack(jnp.meshgrid(axis, axis, indexing="ij"), -1)
    ground = jax.tree.map(lambda of_phases: of_phases[0], simulator.params.dynamics)
    is_free = (~jax.vmap(jax.vmap(lambda place: is_in_wall(place, ground)))(places)).astype(jnp.result_type(float))

    def sweep(_: Array, lattice: Lattice) -> Lattice:
        def best(place: Array) -> Array:
            return action_values(simulator, lattice, place).max()

        return lattice._replace(values=jax.vmap(jax.vmap(best))(places))

    found: Lattice = lax.fori_loop(0, sweeps, sweep, Lattice(jnp.zeros((side, side)), is_free))
    return found


def episode(simulator: Simulator, choose: Callable[[Array], Array], epsilon: Array | float, key: Array) -> Array:
    """[] the return of one episode of the first phase, exploring with probability ``epsilon``."""
    environment = simulator.environment

    def explore(key: Array, place: Array) -> Array:
        whether, which = jax.random.split(key)
        at_random = jax.random.randint(which, (), 0, environment.num_actions)
        return jnp.where(jax.random.uniform(whether) < epsilon, at_random, choose(place))

    return play(environment, simulator.params, explore, key, LONGEST)


def simulator_of(name: str, changes: dict[str, str]) -> Simulator:
    """The GridWorld of a suite, which stays in its first phase.

    Raises:
        UserError: no such suite or setting, or its environment is no GridWorld.
    """
    settings = change_suite(get_suite(name), changes).environment
    if not isinstance(settings, GridWorldSettings):
        raise UserError(f"{name} is no GridWorld: take one of net-gridworld, net-mazegridworld")
    return gridworld(GridWorldSettings(settings.walls, settings.noise, settings.step_reward, settings.goal_reward))


def main() -> None:
    """Reads the command line, works the values out, and prints the returns."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.noisy_optimum", description=__doc__)
    parser.add_argument("suite", help="net-gridworld or net-mazegridworld")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[0.0, 0.01, 0.1], help="shares of random actions")
    parser.add_argument("--episodes", type=int, default=1000)
    add_set(parser)
    given = parser.parse_args()
    if given.episodes < 1 or not all(0 <= epsilon <= 1 for epsilon in given.epsilon):
        raise UserError("--episodes must be at least 1, and each --epsilon from 0 to 1")
    simulator = simulator_of(given.suite, parse_changes(given.changes))
    lattice = jax.jit(functools.partial(solved, simulator))()
    keys = jax.random.split(jax.random.key(0), given.episodes)

    def one(lattice: Lattice, epsilon: Array, key: Array) -> Array:
        return episode(simulator, lambda place: jnp.argmax(action_values(simulator, lattice, place)), epsilon, key)

    run = jax.jit(jax.vmap(one, (None, None, 0)))
    rows = [
        (f"{epsilon:g}", with_interval(mean_interval(np.asarray(run(lattice, epsilon, keys))), 1))
        for epsilon in given.epsilon
    ]
    print("\n".join(markdown_lines(("random actions", "return of an episode"), (True, True), rows)))


if __name__ == "__main__":
    in_words(main)
