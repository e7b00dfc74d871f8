"""What was accepted in silence and changed what is computed, or nothing at all, is refused in words."""

from __future__ import annotations

import jax.numpy as jnp
import pytest
from tests.quick import compile_quickly

import mgsc
from mgsc import cli, meta_gradient
from mgsc.environments import from_map, from_tables
from mgsc.environments.gymnax import as_gymnax
from mgsc.environments.tabular import NO_LIMIT, tabular
from mgsc.environments.tmaze import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import AgentSettings, Suite, own_strategy
from mgsc.meta_gradient import exact_table
from mgsc.search_control import uniform
from mgsc.search_control.row import Range

MAZE = from_map("S.A", {"A": (1.0, -1.0)})


def build(settings, facts):
    return uniform()


TWICE = {
    "steps twice": (["run", "tmaze-fixed", "--steps", "2000", "--set", "steps=abc"], "steps is set twice"),
    "steps twice alike": (["run", "tmaze-fixed", "--steps", "2000", "--set", "steps=2000"], "steps is set twice"),
    "a setting twice": (["run", "tmaze-fixed", "--set", "epsilon=0.1", "--set", "epsilon=0.2"], "epsilon is set twice"),
    "two forms": (["compare", "nowhere", "--json", "--markdown"], "not allowed with"),
    "what is tuned": (["tune", "tmaze-fixed", "--set", "uniform.step_size=0.4"], "leave it out of --set"),
    "what is tuned of all": (["tune", "tmaze-fixed", "--set", "agents.step_size=0.4"], "leave it out of --set"),
    "what is tuned of MGSC": (
        ["tune", "tmaze-fixed", "--set", "meta_gradient.options.meta_step_size=0.1"],
        "leave it out of --set",
    ),
}


@pytest.mark.parametrize("case", TWICE)
def test_issue_the_command_line_refuses_what_would_have_no_effect(case, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, words = TWICE[case]
    assert cli.main(arguments) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert words in error
    assert list(tmp_path.iterdir()) == []


PYTHON = {
    "seeds are true": ({"seeds": True}, "seeds is True: it must be a whole number"),
    "seeds are no number": ({"seeds": float("nan")}, "seeds is nan: it must be a whole number"),
    "seeds are a text": ({"seeds": "2"}, "seeds is '2': it must be a whole number"),
    "first seed is true": ({"first_seed": True}, "first-seed is True"),
    "half a root seed": ({"root_seed": 1.5}, "root-seed is 1.5"),
    "more seeds than fit": ({"seeds": 2_000_000_000}, "at most 1000000 are possible"),
    "overwrite is a text": ({"overwrite": "no"}, "overwrite is 'no': it must be True or False"),
    "overwrite nothing": ({"overwrite": True}, "name its folder with out"),
    "append to nothing": ({"append": True}, "name its folder with out"),
    "resume nothing": ({"resume": True}, "name its folder with out"),
    "settings are a list": ({"settings": ["steps"]}, "settings is a list: it must map keys to values"),
    "a number for a suite": ({"suite": 5}, "suite is a int: it must be a name of `mgsc list`, or a Suite"),
    "a maze for an environment": ({"suite": Suite("a maze", MAZE)}, "own_environment"),
    "an agent without options": (
        {"suite": Suite("one", TMazeSettings(), agents={"mgsc": AgentSettings("meta_gradient")})},
        r"the options of mgsc are NoSettings: meta_gradient takes MetaGradientSettings of",
    ),
}


@pytest.mark.parametrize("case", PYTHON)
def test_issue_run_refuses_arguments_that_mean_something_else(case) -> None:
    arguments, words = PYTHON[case]
    with pytest.raises(UserError, match=words):
        mgsc.run(**{"suite": "tmaze-fixed", "settings": {"steps": 500}, **arguments})


@pytest.mark.parametrize("steps", [-1, -5, 1.5, float("nan"), float("inf"), 2**40, True, "5"])
def test_issue_what_is_no_number_of_steps_is_refused(steps) -> None:
    arrays = {"probability": [[[1.0]]], "reward": [[[0.0]]], "successor": [[[0]]], "terminates": [[[False]]]}
    refusing = [
        lambda: tabular(MAZE, switch_every=steps),
        lambda: tabular(MAZE, step_limit=steps),
        lambda: as_gymnax(MAZE, switch_every=steps),
        lambda: as_gymnax(MAZE, step_limit=steps),
        lambda: from_tables(**arrays, start=0, step_limit=steps),
    ]
    for call in refusing:
        with pytest.raises(UserError, match=r"it must be a number of steps in \[1, 2147483647\]"):
            call()


def test_issue_no_steps_between_switches_are_refused_and_no_limit_is_none() -> None:
    for make in (tabular, as_gymnax):
        with pytest.raises(UserError, match="switch_every is 0"):
            make(MAZE, switch_every=0)
    assert tabular(MAZE, step_limit=0)[1].step_limit == NO_LIMIT
    assert as_gymnax(MAZE, step_limit=0).default_params.max_steps_in_episode == NO_LIMIT


@pytest.mark.parametrize("steps", [-1, 1.5, float("nan")])
def test_issue_gymnasium_mazes_refuse_what_is_no_number_of_steps(steps) -> None:
    pytest.importorskip("gymnasium")
    from mgsc.environments.gym import MazeEnv

    for name in ("switch_every", "step_limit"):
        with pytest.raises(UserError, match=f"{name} is {steps}"):
            MazeEnv(MAZE, **{name: steps})


@pytest.mark.parametrize("action", [99, -3, 4, 1.0])
def test_issue_an_action_that_there_is_not_is_refused(action) -> None:
    import jax

    env, key = as_gymnax(MAZE), jax.random.key(0)
    _, state = env.reset(key)
    with pytest.raises(UserError, match="action is"):
        env.step(key, state, action)
    assert env.step(key, state, 3)[0].shape == ()


def test_issue_losses_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="target must be like planned"):
        meta_gradient.meta_loss(jnp.zeros(2), jnp.zeros((3, 1)))
    with pytest.raises(ValueError, match="target must be like planned"):
        meta_gradient.meta_loss({"a": jnp.zeros(2)}, {"b": jnp.zeros(2)})


def test_issue_weights_and_budgets_that_mean_nothing_are_refused() -> None:
    def planned(weights, updates=1):
        return meta_gradient.planned_from_directions(jnp.zeros(2), jnp.eye(2), weights, 0.2, updates)

    with pytest.raises(ValueError, match="planning_updates must be at least 0, not -1"):
        planned(jnp.ones(2) / 2, -1)
    for weights in (jnp.ones((2, 2)) / 4, jnp.ones(3) / 3, 0.5):
        with pytest.raises(ValueError, match=r"weights must have shape \[2\]"):
            planned(weights)
    assert planned(jnp.ones(2) / 2).shape == (2,)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_issue_temperatures_that_are_not_above_0_are_refused(temperature) -> None:
    weights, visited = jnp.ones(2) / 2, exact_table.VisitedGradient(*[jnp.zeros(())] * 4)
    refusing = [
        lambda: meta_gradient.logits_gradient(weights, weights, temperature),
        lambda: meta_gradient.entropy_gradient(weights, temperature),
        lambda: exact_table.visited_logits_gradient(weights, visited, temperature),
    ]
    for call in refusing:
        with pytest.raises(ValueError, match="temperature must be above 0"):
            call()


CLAIMS = {
    "backups are a text": ({"expected_backups": "x"}, "expected_backups of mine is 'x'"),
    "backups are negative": ({"expected_backups": -1}, "0 or more"),
    "queries are a text": ({"queries_model": "x"}, "it must be True or False"),
    "a number for a range": ({"space": {"temperature": 5}}, "it must be a Range with 0 < low < high"),
    "a range without an inside": ({"space": {"temperature": Range(1.0, 1.0)}}, "0 < low < high"),
    "a list for a space": ({"space": ["temperature"]}, "it must map settings to a Range"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_issue_own_strategies_claim_what_can_be(case) -> None:
    claims, words = CLAIMS[case]
    with pytest.raises(UserError, match=words):
        own_strategy("mine", build, **claims)


NAMES = ["", " ", "a/b\n", "x" * 101, "\x1b[31mred", "\x1b]0;title\x07", "a\0b", "\ud800", " uniform", "ü" * 100]


@pytest.mark.parametrize("name", NAMES)
def test_issue_agents_have_names_that_can_be_printed_and_stored(name) -> None:
    suite = Suite("names", TMazeSettings(), agents={name: AgentSettings("uniform")})
    with pytest.raises(UserError, match="an agent's name has 1 to 100 printable characters") as refused:
        mgsc.run(suite, seeds=1, settings={"steps": 250})
    assert str(refused.value).isprintable()


@pytest.mark.slow
def test_names_that_look_like_paths_or_markup_are_quoted(tmp_path, monkeypatch) -> None:
    compile_quickly(monkeypatch)
    names = ["../../x", "<script>", "a/b"]
    suite = Suite("names", TMazeSettings(stem=1, arm=1), agents={name: AgentSettings("uniform") for name in names})
    small = {"steps": 50, "record_every": 50, "measure_every": 50, "environment.switch_every": 50}
    result = mgsc.run(suite, seeds=1, settings=small, out=tmp_path / "result")
    assert [str(name) for name in result.agent.values] == names
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
