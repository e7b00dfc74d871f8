"""Mazes drawn as images: pictures by hand, and the steps and outcomes of the tables behind them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments import from_map, tabular, tmaze, two_rooms
from mgsc.environments.images import (
    TMazeImageSettings,
    TwoRoomsImageSettings,
    drawn,
    maze_images,
    pictures_of,
    states_in,
    tmaze_image,
)
from mgsc.errors import UserError

EVERY, NUM_STEPS = 50, 400


def test_a_picture_by_hand():
    maze = from_map("A..\n#S#", {"A": (1.0,)})
    images = maze_images(maze).reshape(4, 2, 3)
    np.testing.assert_array_equal(images[3], [[0, 0.5, 0], [0.5, 1, 0.5]])
    np.testing.assert_array_equal(images[0], [[1, 0.5, 0], [0.5, 0, 0]])


@pytest.mark.parametrize(
    ("build", "settings", "pixels"),
    [
        (tmaze, TMazeImageSettings(stem=60, arm=40, cells_per_pixel=10), 7 * 9),
        (two_rooms, TwoRoomsImageSettings(width=6, height=7), 7 * 13),
        (two_rooms, TwoRoomsImageSettings(width=6, height=7, cells_per_pixel=4), 3 * 4),
    ],
)
def test_states_and_pictures_of_any_size_lead_to_one_another(build, settings, pixels):
    """A TMaze ten times as long and wide has the pictures of the small one, with the agent between pixels."""
    maze, cells = build(settings), settings.cells_per_pixel
    images, pictures = maze_images(maze, cells), pictures_of(maze, cells)
    assert images.shape == (len(maze.row), pixels)
    np.testing.assert_array_equal(states_in(maze, images, cells), np.arange(len(maze.row)))
    few = np.array([0, 3, len(maze.row) - 1])
    np.testing.assert_allclose(quick_jit(jax.vmap(pictures.draw))(few), images[few], atol=1e-6)
    assert (pictures.state >= 0).all(), "walls stand for the nearest state"
    with pytest.raises(UserError, match="the last axis must be"):
        states_in(maze, images[:, 1:], cells)


@pytest.fixture(scope="module")
def walks():
    """The same random walk in the tables and in their pictures, and what the simulator says of each step."""
    settings = TMazeImageSettings(stem=2, arm=2, switch_every=EVERY, step_limit=30)
    maze, simulator = tmaze(settings), tmaze_image(settings)
    plain, params = tabular(maze, switch_every=EVERY, step_limit=30)

    def walk(environment, params, key):
        def step(carry, key):
            state, observation = carry
            key_action, key_step, key_reset = jax.random.split(key, 3)
            action = jax.random.randint(key_action, (), 0, 4)
            made = environment.step(environment.draw(key_step), state, action, params)
            begun = environment.reset(environment.draw_reset(key_reset), params, made.state)
            is_over = made.terminated | made.truncated
            after = jax.tree.map(lambda new, old: jnp.where(is_over, new, old), begun, (made.state, made.observation))
            return after, (observation, action, made)

        begun = environment.reset(environment.draw_reset(key), params, None)
        return jax.lax.scan(step, begun, jax.random.split(key, NUM_STEPS))[1]

    def both(key):
        pictured = walk(simulator.environment, simulator.params, key)
        phase = jnp.arange(NUM_STEPS) // EVERY % simulator.num_phases
        true = jax.vmap(simulator.outcomes)(pictured[0], pictured[1], phase, phase)
        stale = jax.vmap(simulator.outcomes)(pictured[0], pictured[1], phase, jnp.zeros_like(phase))
        return walk(plain, params, key), pictured, true, stale

    return maze, jax.device_get(quick_jit(both)(jax.random.key(1)))


def test_steps_are_those_of_the_tables(walks):
    maze, (listed, pictured, *_) = walks
    for number, picture in ((listed[0], pictured[0]), (listed[2].observation, pictured[2].observation)):
        np.testing.assert_array_equal(maze_images(maze)[number], picture)
    for name in ("reward", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(listed[2], name), getattr(pictured[2], name))
    assert pictured[2].terminated.any()
    assert pictured[2].truncated.any()


def test_outcomes_are_the_tables_rows_and_stale_ones_the_first_phases(walks):
    maze, ((states, actions, _), _, true, stale) = walks
    phase = np.arange(NUM_STEPS) // EVERY % 2
    tables, images = maze.tables, maze_images(maze)
    for made, task in ((true, phase), (stale, np.zeros_like(phase))):
        np.testing.assert_array_equal(made.probability, tables.probability[phase, states, actions])
        np.testing.assert_array_equal(made.reward, tables.reward[task, states, actions])
        np.testing.assert_array_equal(made.terminated, tables.terminates[task, states, actions])
        np.testing.assert_array_equal(made.observation, images[tables.successor[phase, states, actions]])
    assert (true.reward != stale.reward).any()


def test_a_maze_whose_gates_move_slots_has_no_outcomes_for_half_of_a_phase():
    maze = from_map("S.a.A", {"A": (1.0, 1.0)}, gates={"a": (True, False)})
    assert drawn(maze, switch_every=5).outcomes is None
