"""Parts, settings and functions of networks and simulators that cannot be, or cannot be together, are refused."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.candidates import from_buffer
from mgsc.environments import from_map
from mgsc.environments.acrobot import AcrobotSettings, acrobot
from mgsc.environments.cartpole import CartPoleSettings, cartpole
from mgsc.environments.goright import GoRightSettings, goright
from mgsc.environments.images import drawn, maze_images, states_in
from mgsc.environments.pendulum import PendulumSettings, pendulum
from mgsc.environments.tmaze import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import AgentSettings, Suite
from mgsc.experiments.design.suites import SUITES, change_suite, check_suite
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.cluster_settings import ClusterSettings
from mgsc.experiments.running.executors import ray, slurm
from mgsc.experiments.running.jobs import make_folder
from mgsc.experiments.running.recorder import make_recorder
from mgsc.experiments.running.trial import _check_reports
from mgsc.models import FixedModel
from mgsc.models.mlp import MlpModel
from mgsc.models.mlp_ensemble import MlpEnsemble
from mgsc.models.simulated import simulated
from mgsc.replay_buffer import ReplayBufferSettings, replay_buffer
from mgsc.settings import check
from mgsc.values.mlp import MlpSettings
from mgsc.values.sac import SacSettings

MAZE = from_map("S.A", {"A": (1.0, -1.0)})
OF_NETWORKS = {"model": MlpModel(), "values": MlpSettings(), "candidates": ReplayBufferSettings()}

TOGETHER = {
    "values of tables": (CartPoleSettings(), {"values": None}, "allowed are mlp, and own_values$"),
    "values of numbers": (CartPoleSettings(), {"values": SacSettings()}, "allowed are mlp, and own_values$"),
    "numbered values": (PendulumSettings(), {}, "allowed are sac, and own_values$"),
    "a model of tables": (
        GoRightSettings(),
        {"model": FixedModel()},
        "allowed are mlp, mlp_ensemble, and own_model$",
    ),
    "more elites than members": (
        CartPoleSettings(),
        {"model": MlpEnsemble(members=2, elites=3)},
        "model.elites is 3 and model.members is 2",
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_issue_what_is_allowed_is_what_fits(case) -> None:
    environment, other, words = TOGETHER[case]
    parts = {name: part for name, part in {**OF_NETWORKS, **other}.items() if part is not None}
    with pytest.raises(UserError, match=words):
        build_problem(Suite("x", environment, agents={"uniform": AgentSettings("uniform")}, **parts))


def test_issue_tables_whose_candidates_are_drawn_record_the_spread_of_d() -> None:
    agents = {"uniform": AgentSettings("uniform")}
    suite = Suite("x", TMazeSettings(stem=1, arm=1), agents=agents, candidates=ReplayBufferSettings(num_candidates=2))
    problem = build_problem(suite)
    recorder = make_recorder(build_agent(suite, agents["uniform"], problem), problem, 50, 50)
    assert {"entropy", "effective_candidates"} <= set(recorder.init())


UNCHANGING = {
    "tilt": (cartpole, CartPoleSettings(change="tilt"), "environment.tilt is 0"),
    "gravity of the cart": (cartpole, CartPoleSettings(change="gravity", factor=1.0), "environment.factor is 1"),
    "pole": (cartpole, CartPoleSettings(change="pole", factor=1.0), "environment.factor is 1"),
    "link": (acrobot, AcrobotSettings(change="link", factor=1.0), "environment.factor is 1"),
    "height": (acrobot, AcrobotSettings(change="goal", later_height=1.0), "environment.later_height is 1"),
    "mass": (pendulum, PendulumSettings(change="mass", factor=1.0), "environment.factor is 1"),
    "angle": (pendulum, PendulumSettings(change="goal", later_angle=0.0), "environment.later_angle is 0"),
    "prize": (goright, GoRightSettings(change="prize", prize=-1.0), "environment.prize is -1"),
}


@pytest.mark.parametrize("case", UNCHANGING)
def test_issue_a_change_that_changes_nothing_is_refused(case) -> None:
    build, settings, words = UNCHANGING[case]
    with pytest.raises(UserError, match=f"{words}: nothing would change"):
        build(dataclasses.replace(settings, switch_every=500))


SETTINGS = {
    "too large for single precision": ({"uniform.initial_value": "1e39"}, r"of a size in \[1.18e-38, 3.4e\+38\]"),
    "far too large": ({"environment.step_reward": "-1e300"}, r"of a size in \[1.18e-38, 3.4e\+38\]"),
    "too small to be above 0": ({"candidates.floor": "1e-300"}, r"above 0.0, of a size in \[1.18e-38, 3.4e\+38\]"),
    "all agents at once": ({"agents": "x"}, "agents is all agents: name one of their settings"),
    "rollouts that end before they grow": (
        {"rollouts.starts": "1", "rollouts.first_step": "9", "rollouts.last_step": "3"},
        "rollouts.first_step is 9 and rollouts.last_step is 3",
    ),
    "a warm-up to the end": ({"steps": "500", "warm_up_steps": "500"}, "warm_up_steps is 500, and a run has 500 steps"),
    "rollouts of two lengths": (
        {"rollouts.starts": "8", "rollout_length": "2"},
        "rollout_length is 2 and rollouts.starts is 8",
    ),
    "rollouts that do not fit": (
        {"rollouts.starts": "8", "rollouts.last_length": "5", "rollouts.capacity": "39"},
        "rollouts.capacity is 39: 8 rollouts of up to 5 steps make 40 transitions",
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_issue_settings_that_mean_nothing_are_refused(case) -> None:
    changes, words = SETTINGS[case]
    with pytest.raises(UserError, match=words):
        check_suite(change_suite(SUITES["net-gridworld"], changes))


KINDS = {
    "no agents": ({"agents": None}, "agents is a NoneType: it must map names to AgentSettings"),
    "a list of agents": ({"agents": ["uniform"]}, "agents is a list"),
    "a name for an agent": ({"agents": {"mine": "uniform"}}, "the agent 'mine' is a str: it must be AgentSettings"),
    "no rollouts": ({"rollouts": None}, "rollouts is a NoneType: it must be RolloutSettings"),
}


@pytest.mark.parametrize("case", KINDS)
def test_issue_suites_of_other_things_are_refused(case) -> None:
    given, words = KINDS[case]
    with pytest.raises(UserError, match=words):
        check_suite(dataclasses.replace(SUITES["net-gridworld"], **given))


REPORTS = {
    "a text": "abc",
    "nothing": None,
    "numbers": (5,),
    "one twice": ("abc", "abc"),
    "a coordinate": ("seed",),
    "a dimension": ("chunk",),
    "a number of the whole result": ("run_seconds",),
    "an array of the truth": ("optimal_reward",),
    "too long a name": ("x" * 101,),
    "a text for a number": ("word",),
    "nothing for a number": ("nothing",),
    "a complex number": ("complex",),
}


@pytest.mark.parametrize("case", REPORTS)
def test_issue_reports_that_cannot_be_kept_are_refused(case) -> None:
    reports = REPORTS[case]
    each = reports if isinstance(reports, tuple) else ()
    info = {**dict.fromkeys(map(str, each), jnp.zeros(())), "abc": 1.0, "word": "x", "nothing": None, "complex": 1j}
    with pytest.raises(UserError, match="mine reports"):
        _check_reports("mine", reports, info)
    _check_reports("mine", ("abc",), info)


def test_numbers_at_the_ends_of_single_precision_are_taken() -> None:
    for reward in (np.finfo(np.float32).max, -np.finfo(np.float32).tiny, 0.0):
        check(CartPoleSettings(reward=float(reward)))


@pytest.mark.parametrize(
    "given", [{"num_candidates": 0}, {"capacity": 1.5}, {"num_candidates": True}, {"num_candidates": "3"}]
)
def test_issue_buffers_that_cannot_be_are_refused(given) -> None:
    (name,) = given
    for make in (replay_buffer, from_buffer):
        with pytest.raises(UserError, match=f"{name} is .*: it must be a whole number in"):
            make(jnp.zeros(2), **{"num_candidates": 2, "capacity": 4, **given})


@pytest.mark.parametrize("given", [{"order": "newest"}, {"actions": "all"}])
def test_issue_a_buffer_drawn_in_no_known_way_is_refused(given) -> None:
    with pytest.raises(UserError, match="allowed are"):
        replay_buffer(jnp.zeros(2), num_candidates=2, capacity=4, **given)


@pytest.mark.parametrize(
    "given", [{"rewards": "x"}, {"dynamics": "x"}, {"num_phases": 0}, {"num_phases": 1.5}, {"switch_every": 0}]
)
def test_issue_a_simulated_model_of_unknown_choices_is_refused(given) -> None:
    (name,) = given
    with pytest.raises(UserError, match=f"{name} is"):
        simulated(lambda *given: None, 0.9, **{"num_phases": 2, "switch_every": 5, **given})


@pytest.mark.parametrize("cells", [0, -1, 1.5, "2", True, None])
def test_issue_pictures_of_no_number_of_cells_are_refused(cells) -> None:
    for call in (
        lambda: maze_images(MAZE, cells),
        lambda: states_in(MAZE, np.zeros((2, 3)), cells),
        lambda: drawn(MAZE, switch_every=5, cells_per_pixel=cells),
    ):
        with pytest.raises(UserError, match=r"cells_per_pixel is .*: it must be a whole number in"):
            call()


def test_issue_a_picture_whose_goal_is_out_of_reach_is_refused() -> None:
    with pytest.raises(UserError, match="step_limit is 1, but the nearest goal is 2 steps from the start"):
        drawn(MAZE, switch_every=5, step_limit=1)
    assert drawn(MAZE, switch_every=5, step_limit=2).num_phases == 2


def test_issue_what_is_no_picture_and_no_maze_is_refused() -> None:
    for images in (np.full(3, np.nan), [["a", "b", "c"]], np.zeros(3, complex)):
        with pytest.raises(UserError, match="they must be numbers, and finite"):
            states_in(MAZE, images)
    for maze in ("S.A", MAZE.tables):
        with pytest.raises(UserError, match="it must be a Maze"):
            maze_images(maze)


@pytest.mark.parametrize("make", [slurm, ray])
@pytest.mark.parametrize("settings", [ClusterSettings(workers=-1), ClusterSettings(memory=float("nan")), 5])
def test_issue_settings_of_a_cluster_are_checked_in_python_too(make, settings) -> None:
    with pytest.raises(UserError, match=r"(workers|memory|settings) is"):
        make(settings)


def test_issue_two_sessions_of_one_second_have_folders_of_their_own(tmp_path) -> None:
    assert len({make_folder(str(tmp_path)) for _ in range(3)}) == 3


def test_issue_environments_made_by_anyone_are_looked_at() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    from mgsc.environments.live import live_gymnasium

    def fails():
        raise RuntimeError("no idea")

    class Still(gymnasium.Env):
        observation_space, action_space = gymnasium.spaces.Box(-1, 1, (2,)), gymnasium.spaces.Discrete(2)

    refused = {
        "an environment is 5": ((5,), {}),
        "fails: RuntimeError: no idea": ((fails,), {}),
        "gives a NoneType, and no gymnasium.Env": ((lambda: None,), {}),
        "time_limit is -1": ((Still,), {"time_limit": -1}),
        "time_limit is '5'": ((Still,), {"time_limit": "5"}),
        "reward_scale is nan": ((Still,), {"time_limit": 5, "reward_scale": float("nan")}),
        "observation_scale of Still must be": ((Still,), {"time_limit": 5, "observation_scale": np.ones(3)}),
        "observation_scale of Still must": ((Still,), {"time_limit": 5, "observation_scale": np.zeros(2)}),
    }
    for words, (given, named) in refused.items():
        with pytest.raises(UserError, match=words):
            live_gymnasium(*given, **named)
