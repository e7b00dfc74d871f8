"""Continuous GridWorlds: the published optima, walls, noise and changes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments.changing import ChangingState
from mgsc.environments.gridworld import LENGTH, GridWorldSettings, gridworld
from mgsc.errors import UserError

UP, RIGHT, DOWN, LEFT = range(4)
WIDEST = 256
"""Places of a front of the breadth-first search at most."""


def mover(settings: GridWorldSettings, phase: int = 0):
    """``(places [N, 2]) -> Step`` of all moves without noise [N, 4]."""
    simulator = gridworld(settings)
    clock = jnp.int32(phase * settings.switch_every)

    def one(place, action):
        state = ChangingState(place, clock, jnp.int32(0))
        return simulator.environment.step(jnp.zeros(()), state, action, simulator.params)

    return quick_jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))


def fewest_steps(settings: GridWorldSettings, begin: tuple[float, float], phase: int = 0) -> int:
    """Breadth-first search over all places that noise-free moves reach, those at the borders included."""
    move, seen, steps = mover(settings, phase), {begin}, 0
    front = [begin]
    while front:
        steps += 1
        padded = np.array([*front, *[front[-1]] * (WIDEST - len(front))])
        made = move(padded, jnp.arange(4))
        if made.terminated.any():
            return steps
        # Places that differ by rounding only are one; the first stands for them.
        reached = {tuple(place.round(6)): tuple(place) for place in np.asarray(made.observation).reshape(-1, 2)}
        front = [place for name, place in reached.items() if name not in seen]
        seen |= reached.keys()
    raise AssertionError("the goal cannot be reached")


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("walls", "begin", "steps"),
    [("grid", (0.025, 0.025), 38), ("tough", (0.0375, 0.0375), 38), ("maze", (0.025, 0.025), 67)],
)
def test_without_noise_the_fewest_steps_are_the_published_ones(walls, begin, steps):
    """38 and 67 steps at −1, the last at 0: returns of −37 and −66."""
    assert fewest_steps(GridWorldSettings(walls=walls), begin) == steps


@pytest.mark.parametrize(("change", "steps"), [("goal", 35), ("walls", 38), ("reversed", 38)])
def test_each_change_leaves_a_way(change, steps):
    """The lower corner: 19 moves to the right, 8 up to the opening at .425, and 8 down again into y < .05."""
    settings = GridWorldSettings(change=change, switch_every=100)
    assert fewest_steps(settings, (0.025, 0.025), phase=1) == steps


def test_rewards_walls_and_borders_by_hand():
    places = np.array([(0.475, 0.325), (0.475, 0.425), (0.525, 0.425), (0.025, 0.025), (0.975, 0.925)], np.float32)
    made = jax.device_get(mover(GridWorldSettings())(places, jnp.arange(4)))
    before_wall, before_opening, in_opening, corner, before_goal = made.observation
    np.testing.assert_allclose(before_wall[RIGHT], (0.475, 0.325))
    np.testing.assert_allclose(before_opening[RIGHT], (0.525, 0.425), atol=1e-6)
    np.testing.assert_allclose(in_opening[UP], (0.525, 0.475), atol=1e-6)
    np.testing.assert_allclose(corner[LEFT], (0, 0.025))
    np.testing.assert_allclose(before_goal[UP], (0.975, 0.975), atol=1e-6)
    assert (made.reward[-1, UP], made.terminated[-1, UP]) == (0, True)
    assert (made.reward[-1, DOWN], made.terminated[-1, DOWN]) == (-1, False)
    settings = GridWorldSettings(change="reversed", switch_every=7)
    later, again = (mover(settings, phase)(places, jnp.arange(4)).observation for phase in (1, 2))
    np.testing.assert_array_equal(later[:, [UP, RIGHT]], made.observation[:, [DOWN, LEFT]])
    np.testing.assert_array_equal(again, made.observation, err_msg="the phases follow in a circle")


def test_noise_is_along_the_move_and_episodes_begin_in_the_lower_left():
    simulator = gridworld(GridWorldSettings(step_limit=3))
    environment, params = simulator.environment, simulator.params

    def one(key):
        _, begun = environment.reset(key, params, None)
        middle = ChangingState(jnp.array([0.3, 0.3]), jnp.int32(0), jnp.int32(2))
        return begun, environment.step(environment.draw(key), middle, jnp.int32(UP), params)

    begun, made = jax.device_get(quick_jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 1000)))
    assert begun.min() >= 0
    assert 0.045 < begun.max() <= LENGTH
    np.testing.assert_allclose(made.observation[:, 0], 0.3, rtol=1e-6)
    # Means of a thousand: standard error .0003; deviations: .0002.
    assert abs(made.observation[:, 1].mean() - 0.35) < 0.0013
    assert abs(made.observation[:, 1].std() - 0.01) < 0.001
    assert made.truncated.all()


def test_a_change_without_a_schedule_is_refused_and_the_reverse():
    with pytest.raises(UserError, match=r"environment.change is 'goal' .* a change needs both"):
        gridworld(GridWorldSettings(change="goal"))
    with pytest.raises(UserError, match=r"environment\.switch_every is 50"):
        gridworld(GridWorldSettings(switch_every=50))
