"""What can be had in a noisy GridWorld: interpolation, the value of staying, and the known optimum without noise."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.benchmarks import noisy_optimum
from mgsc.benchmarks.noisy_optimum import Lattice, action_values, episode, simulator_of, solved

SIDE = 101


def test_values_between_places_are_linear_and_leave_walls_out() -> None:
    axis = jnp.linspace(0.0, 1.0, 11)
    values = 3 * axis[:, None] - 2 * axis[None, :]
    free = Lattice(values, jnp.ones((11, 11)))
    for place in ([0.0, 0.0], [0.234, 0.876], [1.0, 1.0], [0.5, 0.95]):
        np.testing.assert_allclose(free.at(jnp.array(place)), 3 * place[0] - 2 * place[1], atol=1e-5)
    walled = Lattice(values.at[3].set(-1e6), jnp.ones((11, 11)).at[3].set(0))
    np.testing.assert_allclose(walled.at(jnp.array([0.29, 0.5])), 3 * 0.2 - 2 * 0.5, atol=1e-5)


def test_an_action_that_a_wall_always_stops_is_never_best() -> None:
    simulator = simulator_of("net-gridworld", {"environment.noise": "0"})
    lattice = jax.jit(functools.partial(solved, simulator, side=21, sweeps=3))()
    up, right, down, left = action_values(simulator, lattice, jnp.array([0.475, 0.2]))
    assert right == -jnp.inf  # the wall begins at 0.5, its opening at 0.4
    assert all(jnp.isfinite(value) for value in (up, down, left))


@pytest.mark.parametrize(("suite", "best"), [("net-gridworld", -37), ("net-mazegridworld", -66)])
def test_without_noise_the_known_optimum_is_had(suite, best) -> None:
    simulator = simulator_of(suite, {"environment.noise": "0"})
    lattice = jax.jit(functools.partial(solved, simulator, side=SIDE, sweeps=120))()

    def one(key):
        return episode(simulator, lambda place: jnp.argmax(action_values(simulator, lattice, place)), 0.0, key)

    returns = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), 20))
    assert (returns <= best).all()
    # On a lattice this coarse an episode may go round for ever.
    assert best - 2 <= jnp.median(returns)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net-cartpole"], "net-cartpole is no GridWorld"),
        (["net-gridwrold"], "net-gridwrold"),
        (["net-gridworld", "--epsilon", "1.5"], "each --epsilon from 0 to 1"),
        (["net-gridworld", "--episodes", "0"], "--episodes must be at least 1"),
        (["net-gridworld", "--set", "environment.nose=0"], "environment.nose"),
    ],
)
def test_mistakes_are_refused_before_any_work(arguments, message, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["noisy_optimum", *arguments])
    monkeypatch.setattr(noisy_optimum, "solved", lambda *asked: pytest.fail("it was solved"))
    with pytest.raises(SystemExit) as stopped:
        noisy_optimum.in_words(noisy_optimum.main)
    assert message in capsys.readouterr().err + str(stopped.value)
