"""The mazes as Gymnasium environments: its own checker, the same dynamics, the same schedule, the same seed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy import stats

from mgsc.environments import TMazeSettings, from_map, register_gymnasium, tmaze
from mgsc.environments.gym import CELL_PIXELS, MazeEnv, TMazeEnv
from mgsc.environments.registration import ENVIRONMENT_IDS
from mgsc.errors import UserError

ROOT = Path(__file__).parent.parent.parent
LEFT, RIGHT = 2, 3


@pytest.fixture(autouse=True)
def _registered():
    register_gymnasium()


@pytest.mark.parametrize("name", ENVIRONMENT_IDS)
@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array"])
def test_gymnasiums_own_checker_finds_nothing(name, render_mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name, render_mode=render_mode).unwrapped)


def test_settings_are_keyword_arguments():
    env = gymnasium.make("mgsc/TMaze-v0", stem=2, arm=2, slip=0.0, reward=3.0, penalty=-2.0, step_limit=4)
    assert env.observation_space == gymnasium.spaces.Discrete(7)
    assert env.action_space == gymnasium.spaces.Discrete(4)
    assert env.reset(seed=0) == (6, {"phase": 0})
    assert [env.step(action)[:4] for action in (0, 0, RIGHT, RIGHT)] == [
        (5, 0.0, False, False),
        (2, 0.0, False, False),
        (3, 0.0, False, False),
        (4, 3.0, True, False),  # the goal at the limit is a goal
    ]
    env.reset()
    assert [env.step(0)[3] for _ in range(4)] == [False, False, False, True]
    assert gymnasium.make("mgsc/TwoRooms-v0", width=2, height=3).observation_space.n == 2 * 2 * 3 + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stem": 0}, "stem is 0: it must be"),
        ({"slip": 2.0}, "slip is 2.0"),
        ({"stme": 3}, r"unknown setting 'stme'; did you mean 'stem'\?"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        TMazeEnv(**settings)


def test_wrong_numbers_and_actions_are_refused():
    maze = from_map("S.A", {"A": (1.0,)})
    with pytest.raises(UserError, match="step_limit is -1"):
        MazeEnv(maze, step_limit=-1)
    with pytest.raises(UserError, match="render_mode is 'human': allowed are ansi, rgb_array and None"):
        MazeEnv(maze, render_mode="human")
    env = MazeEnv(maze)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()
    with pytest.raises(UserError, match=r"action is 4: it must be in Discrete\(4\)"):
        env.step(4)


def test_the_schedule_goes_on_across_episodes_and_a_seed_begins_it_anew():
    env = MazeEnv(from_map("BSA", {"A": (1.0, -1.0), "B": (-1.0, 1.0)}), switch_every=3)

    def rewards():
        found = []
        for _ in range(7):
            found.append(env.step(RIGHT)[1])
            assert env.reset()[1]["phase"] == len(found) // 3 % 2
        return found

    env.reset(seed=0)
    assert rewards() == [1, 1, 1, -1, -1, -1, 1]
    env.reset(seed=0)
    assert rewards() == [1, 1, 1, -1, -1, -1, 1]
    env.reset()
    assert env.phase == 7 // 3 % 2


def trajectory(env, seed, num_steps=60):
    actions = np.random.default_rng(1).integers(0, 4, num_steps)
    seen = [env.reset(seed=seed)]
    for action in actions:
        seen.append(env.step(int(action)))
        if seen[-1][2] or seen[-1][3]:
            seen.append(env.reset())
    return seen


def test_a_seed_decides_everything():
    one, other = TMazeEnv(slip=0.5, switch_every=20), TMazeEnv(slip=0.5, switch_every=20)
    assert trajectory(one, 7) == trajectory(other, 7)
    assert trajectory(one, 7) == trajectory(one, 7)
    assert trajectory(one, 8) != trajectory(one, 7)


def test_outcomes_are_as_frequent_as_the_tables_say():
    """A χ² test of every state and action of a maze with slip, in both phases."""
    maze = from_map("B.S\n..A", {"A": (1.0, -1.0), "B": (2.0, 3.0)}, slip=0.6)
    env = MazeEnv(maze, switch_every=1)
    env.reset(seed=3)
    tables, num_draws, p_values = maze.tables, 400, []
    for phase, state, action in np.ndindex(*tables.probability.shape[:3]):
        if tables.is_terminal[state]:
            continue
        share = tables.probability[phase, state, action].astype(float)
        slots = {
            (int(s), float(r), bool(e)): slot
            for slot, (s, r, e) in enumerate(
                zip(*(array[phase, state, action] for array in (tables.successor, tables.reward, tables.terminates)))
            )
            if share[slot] > 0
        }
        counts = np.zeros(len(share))
        for _ in range(num_draws):
            env._state, env._clock = state, phase
            counts[slots[env.step(action)[:3]]] += 1
        possible = share > 0
        if possible.sum() > 1:
            expected = share[possible] / share[possible].sum() * num_draws
            p_values.append(stats.chisquare(counts[possible], expected).pvalue)
    assert len(p_values) >= 30
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert min(p_values) > 1e-3 / len(p_values)


def test_pictures_show_the_agent_the_walls_and_the_better_goal():
    maze = from_map("BS#\n#.A", {"A": (1.0, -1.0), "B": (-1.0, 1.0)})
    env = MazeEnv(maze, switch_every=2, render_mode="ansi")
    assert env.render() == "BS#\n#.A"
    env.reset(seed=0)
    assert env.render() == "B@#\n#.A"
    env.step(1)
    assert env.render() == "BS#\n#@A"
    env = MazeEnv(maze, switch_every=2, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert (first.shape, first.dtype) == ((2 * CELL_PIXELS, 3 * CELL_PIXELS, 3), np.uint8)
    cells = first[::CELL_PIXELS, ::CELL_PIXELS]
    np.testing.assert_array_equal(cells.repeat(CELL_PIXELS, 0).repeat(CELL_PIXELS, 1), first)
    assert len({tuple(cell) for cell in cells.reshape(-1, 3)}) == 5, "wall, floor, agent, gain, loss"
    np.testing.assert_array_equal(cells[0, 2], cells[1, 0])
    for action in (1, 0):
        env.step(action)
    after = env.render()[::CELL_PIXELS, ::CELL_PIXELS]
    np.testing.assert_array_equal(after[0, 0], cells[1, 2])
    np.testing.assert_array_equal(after[1, 2], cells[0, 0])


def test_rendering_without_a_mode_warns():
    env = MazeEnv(from_map("S.", {}))
    with pytest.warns(UserWarning, match="render needs a render_mode"):
        assert env.render() is None


def test_the_same_maze_as_the_suites():
    np.testing.assert_array_equal(TMazeEnv().maze.tables.successor, tmaze(TMazeSettings()).tables.successor)


@pytest.mark.parametrize(
    ("prelude", "prefix"),
    [
        (
            "import mgsc.environments; mgsc.environments.register_gymnasium(); mgsc.environments.register_gymnasium()",
            "",
        ),
        ("", "mgsc.environments.gym:"),
    ],
)
def test_a_fresh_process_makes_the_mazes(prelude, prefix):
    code = (
        f"import gymnasium; {prelude or 'pass'}; "
        f"print([gymnasium.make({prefix!r} + name).reset(seed=0)[0] for name in {list(ENVIRONMENT_IDS)}])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    # The foot of the stem is the last of 9 + 6 cells; TwoRooms begins after two rows of ten.
    assert done.stdout.strip() == "[14, 20]"
