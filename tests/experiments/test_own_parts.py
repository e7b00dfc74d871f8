"""Parts of one's own in a suite without tables: they run, they are told apart, and mistakes are named."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from unittest.mock import Mock

import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import compile_quickly

import mgsc
from mgsc import noise
from mgsc.candidates import listed
from mgsc.environments import Environment, Simulator, TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import (
    AgentSettings,
    Suite,
    change_suite,
    own_candidates,
    own_environment,
    own_model,
    own_policy,
    own_values,
)
from mgsc.experiments.design.suites import check_suite, settings_as_dict
from mgsc.experiments.running.build import build_problem
from mgsc.models import FixedModel
from mgsc.policies import epsilon_greedy
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import number
from mgsc.types import Candidates, like
from mgsc.values import table

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "own_suite.py"


def example():
    spec = importlib.util.spec_from_file_location("example_own_suite", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def own():
    return example()


@pytest.fixture(scope="module")
def suite(own):
    return dataclasses.replace(own.SUITE, steps=40, record_every=20, measure_every=10)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    compile_quickly(monkeypatch)
    monkeypatch.setattr("mgsc.experiments.running.devices.CPU_WIDTH", 2)


@pytest.mark.slow
def test_a_suite_of_ones_own_parts_runs_is_kept_and_opens(suite, tmp_path):
    result = mgsc.run(suite, seeds=2, out=tmp_path / "result")
    assert dict(result.sizes) == {"agent": 2, "seed": 2, "chunk": 2}
    assert result.reward.notnull().all()
    assert "optimal_reward" not in result
    planned = result.effective_candidates.sel(agent="uniform")
    np.testing.assert_allclose(planned, 64, rtol=1e-3)
    assert result.value_here.attrs["units"] == "reward"
    settings = json.loads(result.attrs["settings"])
    assert settings["values"] == {"digest": suite.values.digest, "name": "bumps", "options": {}}
    assert settings["environment"]["digest"] == suite.environment.digest
    again = mgsc.run(suite, seeds=2, out=tmp_path / "result", resume=True)
    assert again.identical(result)


def test_other_code_cannot_pass_for_a_part(suite, tmp_path):
    mgsc.run(suite, seeds=1, agents=["uniform"], out=tmp_path / "result")
    others = {
        "values": own_values(
            "bumps", lambda settings, facts, initial: suite.values.row.build(settings, facts, initial)
        ),
        "model": own_model("push", lambda settings, facts: suite.model.row.build(settings, facts)),
    }
    for key, part in others.items():
        with pytest.raises(UserError, match=rf"other settings: .*{key}\.digest"):
            mgsc.run(
                dataclasses.replace(suite, **{key: part}),
                agents=["uniform"],
                seeds=1,
                out=tmp_path / "result",
                resume=True,
            )


def test_the_digest_of_an_environment_sees_its_code_and_its_numbers(own):
    def with_step(step, params=()):
        environment = Environment(noise.keys, noise.keys, own.reset, step, 2)
        return own_environment("line", Simulator(environment, params, like((1,), jnp.float32)))

    def slower(noise, place, action, params):
        return own.step(noise, place, action, params)._replace(reward=jnp.float32(0))

    assert with_step(own.step) == with_step(own.step)
    assert with_step(own.step) != with_step(slower)
    assert with_step(own.step, {"wind": 1.0}) != with_step(own.step, {"wind": 2.0})
    plain = with_step(own.step).source
    for other in (
        plain._replace(reward_scale=2.0),
        plain._replace(observation_scale=np.ones(1, np.float32)),
        plain._replace(observation=like((1,), jnp.float16)),
        plain._replace(environment=plain.environment._replace(num_actions=3)),
    ):
        assert own_environment("line", other) != own_environment("line", plain)


@dataclasses.dataclass(frozen=True)
class Optimism:
    """Settings of values of one's own."""

    bonus: float = number(1.0, 0.0, 10.0, "added to the initial value")


def optimistic(settings, facts, initial_value):
    return table(facts.num_states, facts.num_actions, initial_value + settings.bonus)


def half(settings, facts):
    index = jnp.arange(facts.num_states, dtype=jnp.int32)
    return listed(Candidates(index, index, ~jnp.asarray(facts.listed.is_terminal) & (index % 2 == 0)))


def tables_suite(**parts) -> Suite:
    agents = {"uniform": AgentSettings("uniform")}
    numbers = {"steps": 40, "record_every": 20, "measure_every": 10}
    return Suite("own", TMazeSettings(stem=2, arm=2), FixedModel(), agents=agents, **numbers, **parts)


def test_parts_of_ones_own_with_tables_keep_all_measures_and_their_settings_can_be_set():
    suite = tables_suite(
        values=own_values("optimistic", optimistic, Optimism()),
        candidates=own_candidates("half", half),
        policy=own_policy("greedy enough", lambda settings, epsilon: epsilon_greedy(epsilon / 2)),
    )
    suite = change_suite(suite, {"values.bonus": "3"})
    result = mgsc.run(suite, seeds=1)
    allowed = np.arange(result.sizes["state"]) % 2 == 0
    assert not result.query_distribution.values[..., ~allowed].any()
    assert float(result.state_value.max()) > 1, "values begin at 3"
    assert settings_as_dict(suite)["values"]["options"] == {"bonus": 3.0}
    with pytest.raises(UserError, match=r"values\.bonus is 99"):
        mgsc.run(change_suite(suite, {"values.bonus": 99.0}), seeds=1)


def broken_values(settings, facts, initial_value):
    good = table(facts.num_states, facts.num_actions, initial_value)
    return good._replace(q=lambda values, observation, action: undefined_name)


def nan_values(settings, facts, initial_value):
    return table(facts.num_states, facts.num_actions, jnp.nan)


def growing(settings, facts, initial_value):
    good = table(facts.num_states, facts.num_actions, initial_value)
    return good._replace(update=lambda values, learner, *rest: (values[None], learner))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: own_values("v", optimistic, {}), "settings of v are {}: they must be an instance of a frozen"),
        (lambda: own_values("v", lambda settings: None), r"it must take \(settings, facts, initial_value\)"),
        (lambda: own_model("m", 3), r"build of model m is a int: it must be a function \(settings, facts\)"),
        (lambda: own_policy("", lambda settings, epsilon: None), "policy.name is ''"),
        (
            lambda: change_suite(tables_suite(values=own_values("v", broken_values)), {"values.units": "3"}),
            r"values\.units cannot be set: v has no settings",
        ),
        (
            lambda: change_suite(tables_suite(values=own_values("v", optimistic, Optimism())), {"values.bonsu": "3"}),
            r"unknown setting 'values\.bonsu'; did you mean 'bonus'\?",
        ),
        (lambda: change_suite(tables_suite(), {"policy.epsilon": "0.2"}), "policy has no settings"),
        (lambda: own_values("v", int), r"build of values v must take \(settings, facts, initial_value\)"),
        (
            lambda: mgsc.run(tables_suite(values=own_values("v", lambda s, f, i: 1 / 0)), seeds=1),
            "build of values v fails: ZeroDivisionError",
        ),
        (
            lambda: mgsc.run(tables_suite(policy=own_policy("p", lambda s, e: jnp.argmax)), seeds=1),
            "policy p fails: TypeError",
        ),
        (
            lambda: mgsc.run(tables_suite(policy=own_policy("p", lambda s, e: type)), seeds=1),
            r"policy p gave a type: build must give a function \(values: ValueFunction\) -> Policy",
        ),
        (lambda: own_environment("e", 3), "the source of environment e is a int"),
        (lambda: check_suite(tables_suite(values=3)), r"values is a int: it must be settings .*own_values"),
        (
            lambda: mgsc.run(tables_suite(values=own_values("v", lambda s, f, i: None)), seeds=1),
            "build of values v gave a NoneType: it must give a ValueFunction",
        ),
        (
            lambda: mgsc.run(tables_suite(values=own_values("v", broken_values)), seeds=1),
            "uniform cannot run with values v: q of the values fails: NameError: name 'undefined_name'",
        ),
        (lambda: mgsc.run(tables_suite(values=own_values("v", nan_values)), seeds=1), "is not finite: see values v"),
        (
            lambda: mgsc.run(tables_suite(values=own_values("v", growing)), seeds=1),
            "uniform cannot run with values v: update of the values: θ must give a state of the form it was given",
        ),
    ],
)
def test_mistakes_are_named_before_any_work(make, message):
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation": None}, "observation of environment line is None: it must be a jax.ShapeDtypeStruct"),
        ({"params": {"a": object()}}, r"params\['a'\] of environment line is a object"),
        ({"reward_scale": -1.0}, "reward_scale of environment line is -1.0: it must be a finite number above 0"),
        ({"observation_scale": np.ones(2)}, r"observation_scale .* of shape \(1,\)"),
        ({"observation_scale": np.zeros(1)}, "finite numbers above 0"),
        ({"environment": None}, "environment of environment line is a NoneType: it must be an Environment"),
        ({"num_actions": 0}, "num_actions of environment line is 0: it must be an int of at least 1"),
        ({"num_actions": 2.5}, "num_actions of environment line is 2.5"),
    ],
)
def test_a_simulator_that_cannot_be_is_refused(own, change, message):
    environment = Environment(noise.keys, noise.keys, own.reset, own.step, change.pop("num_actions", 2))
    source = Simulator(environment, (), like((1,), jnp.float32))._replace(**change)
    with pytest.raises(UserError, match=message):
        own_environment("line", source)


def test_a_reward_that_is_no_number_is_named_though_returns_are_summed(own, suite):
    def paid_nothing(noise, place, action, params):
        return own.step(noise, place, action, params)._replace(reward=jnp.float32(jnp.nan))

    source = Simulator(Environment(noise.keys, noise.keys, own.reset, paid_nothing, 2), (), like((1,), jnp.float32))
    broken = dataclasses.replace(suite, environment=own_environment("line", source), records_episodes=True)
    with pytest.raises(UserError, match="the reward of the first real step of uniform is nan: see environment line"):
        mgsc.run(broken, agents=["uniform"], seeds=1)


def test_a_simulator_changes_itself(own):
    source = Simulator(Environment(noise.keys, noise.keys, own.reset, own.step, 2), (), like((1,), jnp.float32))
    with pytest.raises(UserError, match="a Simulator, which changes itself: leave out switch_every"):
        own_environment("line", source, switch_every=20)


def short_values(settings, facts, initial_value):
    good = table(facts.num_states, facts.num_actions, initial_value)
    return good._replace(action_values=lambda theta, observation: theta[observation, :-1])


def rows_of_values(settings, facts, initial_value):
    good = table(facts.num_states, facts.num_actions, initial_value)
    return good._replace(action_values=lambda theta, observation: theta[None, observation])


def no_candidates(settings, facts):
    return listed(Candidates(jnp.zeros(0, jnp.int32), jnp.zeros(0, jnp.int32), jnp.zeros(0, bool)))


def float_candidates(settings, facts):
    return listed(Candidates(jnp.zeros(3), jnp.arange(3, dtype=jnp.int32), jnp.ones(3, bool)))


def mean_values(settings, facts, initial_value):
    """Expected Sarsa's, at a uniform policy."""
    good = table(facts.num_states, facts.num_actions, initial_value)
    return good._replace(bootstrap=lambda theta, learner, observation: theta[observation].mean())


def halved_values(settings, facts, initial_value):
    good = table(facts.num_states, facts.num_actions, initial_value)
    return good._replace(q=lambda theta, observation, action: theta[observation, action] / 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [(mean_values, "their bootstrap is not the maximum of a row"), (halved_values, "their q is not the entry of θ")],
)
def test_values_that_are_no_table_though_they_say_so_are_refused(values, message, monkeypatch):
    """The closed form of the meta-gradient holds for tables only."""
    honest = own_values("v", lambda *asked: values(*asked)._replace(is_table=False))
    for given, error, words in ((own_values("v", values), UserError, message), (honest, StopIteration, "it ran")):
        monkeypatch.setattr("mgsc.experiments.running.run._run", Mock(side_effect=StopIteration("it ran")))
        with pytest.raises(error, match=words):
            mgsc.run(tables_suite(values=given), seeds=1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"values": own_values("v", short_values)},
            r"action_values .* is float32\[3\]: it must be floating\[4\]",
        ),
        (
            {"values": own_values("v", rows_of_values)},
            r"action_values .* is float32\[1, 4\]: it must be floating\[4\]",
        ),
        (
            {"candidates": own_candidates("c", no_candidates)},
            r"index of the candidates is int32\[0\]: .* N at least 1",
        ),
        (
            {"candidates": own_candidates("c", float_candidates)},
            r"the observation of the candidates is float32\[3\]: it must be int32\[3\]",
        ),
    ],
)
def test_parts_of_other_forms_are_refused(parts, message):
    with pytest.raises(UserError, match=message):
        mgsc.run(tables_suite(**parts), seeds=1)


def test_issue_a_step_that_asks_a_traced_number_is_told_what_to_do(suite):
    source = suite.environment.source

    def step(noise, place, action, params):
        return source.environment.step(noise, place, 0 if place > 1 else action, params)

    other = own_environment("line", source._replace(environment=source.environment._replace(step=step)))
    with pytest.raises(UserError, match=r"step of the environment fails: Tracer.*; .* use jnp\.where in place of if"):
        mgsc.run(dataclasses.replace(suite, environment=other), seeds=1)


def test_an_environment_that_gives_no_step_is_refused(suite):
    source = suite.environment.source
    broken = source.environment._replace(step=lambda noise, place, action, params: (place, 0.0))
    other = own_environment("line", source._replace(environment=broken))
    with pytest.raises(UserError, match="step of the environment gives a tuple: it must be a Step"):
        mgsc.run(dataclasses.replace(suite, environment=other), seeds=1)


def test_an_environment_of_another_form_than_it_says_is_refused(suite):
    source = suite.environment.source
    other = own_environment("line", source._replace(observation=like(source.observation.shape, jnp.int32)))
    with pytest.raises(UserError, match="the observation of reset is float32"):
        mgsc.run(dataclasses.replace(suite, environment=other), seeds=1)


def test_what_needs_tables_or_listed_states_is_refused_in_words(suite):
    with pytest.raises(
        UserError,
        match=r"model fixed needs an environment with tables.* are mlp, mlp_ensemble, and own_model",
    ):
        build_problem(dataclasses.replace(suite, model=FixedModel()))
    visited = {"visited": AgentSettings("visited")}
    with pytest.raises(UserError, match="strategy visited needs listed states, which this suite has not"):
        mgsc.run(dataclasses.replace(suite, agents=visited), seeds=1)
    listed = AgentSettings("meta_gradient", options=STRATEGIES["meta_gradient"].settings())
    with pytest.raises(UserError, match="choose another agent, or logits=network, which needs no list of states"):
        mgsc.run(dataclasses.replace(suite, agents={"mgsc": listed}), seeds=1)
    oracle = {"oracle": AgentSettings("oracle", options=STRATEGIES["oracle"].settings())}
    with pytest.raises(UserError, match=r"strategy oracle needs .*tables"):
        mgsc.run(dataclasses.replace(suite, agents=oracle), seeds=1)


def test_numbers_of_one_lane_do_not_depend_on_its_neighbours(suite):
    alone = mgsc.run(suite, seeds=1, agents=["uniform"])
    both = mgsc.run(suite, seeds=2, agents=["uniform"])
    np.testing.assert_array_equal(alone.reward.values, both.reward.values[:, :1])
