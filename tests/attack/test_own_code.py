"""Code of one's own that ends, raises, or gives numbers that are not finite is named."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.experiments.synthetic import synthetic
from tests.quick import compile_quickly

import mgsc
from mgsc import noise
from mgsc.candidates import BufferSettings
from mgsc.environments import Environment, Simulator, Step
from mgsc.environments.tmaze import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import (
    AgentSettings,
    Suite,
    compare,
    diagnose,
    own_environment,
    own_model,
    own_policy,
    own_strategy,
    own_values,
)
from mgsc.experiments.reading import tables
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.trial import check_own_parts, check_own_strategy
from mgsc.models.fixed import fixed
from mgsc.models.fixed_tables import FixedModel, model_tables
from mgsc.models.mlp import MlpModel
from mgsc.noise import uniforms
from mgsc.policies import Policy
from mgsc.search_control import MetaGradientSettings, SearchControl, from_logits, meta_gradient
from mgsc.settings import check, number
from mgsc.types import ActionChoice, like
from mgsc.values import table
from mgsc.values.mlp import MlpSettings

SMALL = {"steps": 500, "record_every": 50, "measure_every": 50, "environment.switch_every": 500}


def ends(settings, facts):
    sys.exit(7)


def raises(settings, facts):
    raise RuntimeError("no idea")


def of_another_shape(settings, facts):
    return from_logits(lambda state, params, candidates: jnp.zeros(len(candidates.index) + 1))


def breaks(settings, facts):
    def logits(state, params, candidates):
        has_grown = jnp.sum(jnp.abs(params.values)) > 0.8
        return jnp.where(has_grown, jnp.nan, 0.0) * jnp.ones(len(candidates.index))

    return from_logits(logits)


def outgrows(settings, facts):
    """A distribution until values have grown, then one and a half times it."""

    def weights(state, params, candidates):
        has_grown = jnp.sum(jnp.abs(params.values)) > 0.8
        return jnp.where(has_grown, 1.5, 1.0) * candidates.is_allowed / jnp.sum(candidates.is_allowed)

    return lambda parts: SearchControl(init=lambda key, params, candidates: (), weights=weights)


def suite_of(build) -> Suite:
    return Suite("own code", TMazeSettings(stem=1, arm=1), agents={"mine": own_strategy("mine", build)})


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (ends, "build of mine fails: SystemExit: 7"),
        (raises, "build of mine fails: RuntimeError: no idea"),
        (of_another_shape, "the strategy mine fails with its first real transition: "),
    ],
)
def test_issue_own_code_that_fails_is_named(build, words) -> None:
    with pytest.raises(UserError, match=words):
        mgsc.run(suite_of(build), seeds=1, settings=SMALL)


@pytest.mark.parametrize(("build", "words"), [(breaks, "not finite"), (outgrows, "no distribution, .* 1 in sum")])
def test_issue_an_own_d_that_breaks_later_stops_the_run(build, words, monkeypatch) -> None:
    compile_quickly(monkeypatch)
    with pytest.raises(UserError, match=rf"d of mine is {words}: on seed \d, between steps \d+ and \d+; see"):
        mgsc.run(suite_of(build), seeds=2, settings=SMALL)


@pytest.mark.parametrize("chunk", [0, 3])
def test_issue_a_d_that_is_not_finite_is_found(chunk) -> None:
    result = synthetic(("uniform", "no_planning"), num_seeds=2, num_chunks=40)
    d = result["query_distribution"].copy()
    d[0, 1, chunk:] = np.nan
    (finding,) = diagnose(result.assign(query_distribution=d))
    assert (finding.signature, finding.agent, finding.seeds, finding.since) == (
        "not_finite",
        "uniform",
        (1,),
        250 * chunk,
    )
    assert finding.words.startswith("d is not finite in")


def test_an_agent_that_does_not_plan_has_no_d_and_no_finding() -> None:
    assert diagnose(synthetic(("no_planning",), num_seeds=2, num_chunks=40)) == []


NUM_ACTIONS = 4
FAIR = jnp.full(NUM_ACTIONS, 1 / NUM_ACTIONS)


def tried(**parts) -> None:
    """The trial of an agent in a suite with parts of one's own, without the run."""
    suite = Suite("own parts", TMazeSettings(stem=1, arm=1), agents={"uniform": AgentSettings("uniform")})
    suite = dataclasses.replace(suite, **parts)
    check_own_parts("uniform", suite, suite.agents["uniform"], build_problem(suite))


def policy_of(sample=None, probability=FAIR, actions=None, explore=None):
    def build(values):
        return Policy(
            draw=uniforms,
            sample=sample or (lambda noise, theta, observation: jnp.int32(noise * NUM_ACTIONS)),
            actions=lambda theta, observation: ActionChoice(
                jnp.arange(NUM_ACTIONS, dtype=jnp.int32) if actions is None else actions, probability
            ),
            probabilities=lambda q: probability,
            explore=explore,
        )

    return own_policy("p", lambda settings, epsilon: build)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (policy_of(lambda noise, *_: jnp.int32(noise * 8)), r"sample of policy p gives action [4-7]: .* in 0\.\.3"),
        (policy_of(actions=jnp.arange(1, 5, dtype=jnp.int32)), "actions of policy p gives action 4"),
        (
            policy_of(probability=jnp.full(4, 0.1)),
            r"policy p gives are 0\.4 in sum: they must be 0 or more, and 1 in sum",
        ),
        (policy_of(probability=jnp.array([2.0, -1.0, 0.0, 0.0])), "policy p gives hold -1"),
        (policy_of(probability=jnp.full(4, jnp.nan)), "policy p gives are not finite"),
        (policy_of(lambda noise, *_: 1), r"gives a Python int: it must give an array, such as jnp\.int32\(1\)"),
        (policy_of(lambda noise, *_: noise), r"sample of the policy is float32\[\]: it must be integer"),
        (policy_of(explore=lambda noise, *_: 1), r"explore of the policy gives a Python int"),
        (policy_of(explore=lambda noise, *_: noise), r"explore of the policy is float32\[\]: it must be int32"),
        (policy_of(explore=lambda *_: jnp.int32(7)), r"explore of policy p gives action 7: .* in 0\.\.3"),
        (
            policy_of(explore=lambda noise, theta, seen, step: jnp.where(step > 40_000, 7, 1).astype(jnp.int32)),
            "explore of policy p gives action 7",
        ),
        (policy_of(explore=lambda noise: jnp.int32(0)), r"explore of the policy fails: TypeError"),
        (policy_of(probability=jnp.full(3, 1 / 3)), r"action of actions of the policy is int32\[4\]: .*\[3\]"),
    ],
)
def test_issue_an_own_policy_gives_actions_that_there_are(policy, message) -> None:
    with pytest.raises(UserError, match=message):
        tried(policy=policy)


def test_a_sound_own_policy_passes() -> None:
    tried(policy=policy_of())
    tried(policy=policy_of(explore=lambda noise, theta, observation, step: step % NUM_ACTIONS))


def values_of(**functions):
    def build(settings, facts, initial_value):
        return table(facts.num_states, facts.num_actions, initial_value)._replace(**functions)

    return own_values("v", build)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            values_of(update=lambda theta, learner, *batch: (theta + 0.01, learner)),
            "update of values v changes θ where the step size is 0, .*: where the step size is 0, θ must not change",
        ),
        (  # of values that are 0 this is seen only once they have been moved
            values_of(update=lambda theta, learner, *batch: (theta * 0.9, learner)),
            "update of values v changes θ where the step size is 0",
        ),
        (
            values_of(init=lambda key: jnp.zeros((5, 4))),
            r"init of the values gives an array float32\[5, 4\]: .*θ",
        ),
        (values_of(update=lambda theta, *rest: theta), r"update of the values gives an array .*: .*\(θ, learner\)"),
        (values_of(update=lambda *rest: None), r"update of the values gives None: it must give \(θ, learner\)"),
        (values_of(update=lambda theta, learner, *rest: (theta[1:], learner)), "update of the values: θ must give"),
        (values_of(update=lambda theta, learner, *rest: (theta, 1)), "update of the values: the learner must give"),
    ],
)
def test_issue_own_values_are_updated_as_the_loop_needs(values, message) -> None:
    with pytest.raises(UserError, match=message):
        tried(values=values)


def test_issue_an_own_models_outcomes_have_probabilities() -> None:
    def build(settings, facts):
        good = fixed(model_tables(FixedModel(), facts.listed), facts.discount)
        doubled = lambda *asked: (found := good.expect(*asked))._replace(probability=2 * found.probability)  # noqa: E731
        return good._replace(expect=doubled)

    with pytest.raises(UserError, match=r"the probabilities that expect of model m gives are 2 in sum: they must be 0"):
        tried(model=own_model("m", build))


def test_sound_own_values_pass() -> None:
    tried(values=values_of())


def simulator(step) -> Simulator:
    def reset(key, params, previous):
        return (), jnp.zeros(2)

    return Simulator(Environment(noise.keys, noise.keys, reset, step, NUM_ACTIONS), (), like((2,), jnp.float32))


def step_with(**changes):
    false = jnp.asarray(False)
    step = Step((), jnp.zeros(2), jnp.float32(0), false, false)._replace(**changes)
    return lambda key, state, action, params: step


@pytest.mark.parametrize("records_episodes", [False, True])
@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda *_: None, r"gives None: it must be a Step\(state, observation, reward, terminated, truncated\)"),
        (lambda *_: ((), 0.0, False, False, {}), r"step of the environment gives a tuple: it must be a Step\(state"),
        (
            step_with(reward=1),
            r"the reward of step is a Python number \(int\): it must be an array, as jnp\.float32\(reward\)",
        ),
        (step_with(terminated=0.0), r"terminated of step is float32\[\]: it must be bool"),
    ],
)
def test_issue_a_step_of_another_form_is_refused_in_words(step, message, records_episodes) -> None:
    with pytest.raises(UserError, match=message):
        tried(
            environment=own_environment("e", simulator(step)),
            records_episodes=records_episodes,
            model=MlpModel(units=2, layers=1),
            values=MlpSettings(units=2, layers=1),
            candidates=BufferSettings(num_candidates=2, capacity=4),
        )


def with_rewards(broken, chunk=2):
    """A result in which rewards of these agents are not finite on seed 1, from a chunk on."""
    result = synthetic(("uniform", "no_planning"), num_seeds=3, num_chunks=10)
    reward = result["reward"].copy()
    for place, agent in enumerate(("uniform", "no_planning")):
        reward[place, 1, chunk:] = np.nan if agent in broken else 0.0
    return result.assign(reward=reward)


def test_issue_rewards_that_are_not_finite_are_named_beside_a_comparison() -> None:
    comparison = compare(with_rewards(["uniform"]))
    assert comparison.broken == (
        "Rewards of uniform are not finite on seed 1, first in chunk 2 (steps 500 to 750). See what the environment's"
        " rewards are there; xarray's sums and means leave such numbers out."
    )
    assert tables.to_markdown(comparison).endswith(comparison.broken)
    assert json.loads(tables.to_json(comparison))["not_finite"] == comparison.broken
    assert "Rewards of no_planning" in compare(with_rewards(["uniform", "no_planning"])).broken
    assert not compare(with_rewards([])).broken


def test_issue_where_no_agent_is_finite_the_environment_is_looked_at_first() -> None:
    (alone,) = diagnose(with_rewards(["uniform"]))
    assert str(alone).startswith("uniform: rewards are not finite in 80 % of the chunks (1 of 3 seeds, since step 500)")
    assert "environment" not in alone.advice
    findings = diagnose(with_rewards(["uniform", "no_planning"], chunk=0))
    assert [finding.agent for finding in findings] == ["uniform", "no_planning"]
    for finding in findings:
        assert "(1 of 3 seeds, since the first chunk)" in str(finding)
        assert finding.advice.startswith("look first at the environment's rewards and observations, since no agent")


def test_issue_a_run_warns_of_rewards_that_are_not_finite(monkeypatch) -> None:
    monkeypatch.setattr("mgsc.experiments.api.run_suite", lambda *_, **__: with_rewards(["no_planning"], chunk=0))
    with pytest.warns(UserWarning, match=r"^Rewards of no_planning are not finite on seed 1, first in chunk 0"):
        mgsc.run(suite_of(breaks), seeds=1)


def with_optimizer(optimizer):
    def build(settings, facts):
        return meta_gradient(optimizer, step_size=facts.step_size, planning_updates=facts.planning_updates)

    return build


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (optax.adam, r"optimizer is the function adam, which was not called: .* such as optax\.adam\(0\.03\)"),
        ("adam", "optimizer is a str: it must be an Optax transformation"),
        (optax.lbfgs(), r"the optimiser of d needs more than a gradient .*value_fn.* optax\.lbfgs and others"),
    ],
)
def test_issue_what_is_no_optimiser_is_refused_in_words(optimizer, message) -> None:
    suite = suite_of(with_optimizer(optimizer))
    with pytest.raises(UserError, match=message):
        check_own_strategy("mine", suite, suite.agents["mine"], build_problem(suite))


def test_issue_an_optimiser_in_place_of_a_word_is_refused_with_the_way_to_have_it() -> None:
    options = MetaGradientSettings(optimizer=optax.adam(0.1))
    with pytest.raises(
        UserError,
        match=r"optimizer is a GradientTransformation.*: allowed are adam, sgd, rmsprop; for another see 'An optimiser",
    ):
        check(options)
    page = Path(__file__).parents[2] / "docs" / "strategies" / "meta_gradient.md"
    assert "### An optimiser of your own\n" in page.read_text(encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Warm:
    """Settings of a strategy of one's own."""

    temperature: float = number(1.0, 0.0, 10.0, "of a softmax", above=True)


def test_issue_a_text_in_place_of_a_number_is_refused_in_words() -> None:
    with pytest.raises(UserError, match=r"m\.temperature is 'a': it must be a number in \(0\.0, 10\.0\]"):
        own_strategy("m", raises, Warm(temperature="a"))
    with pytest.raises(UserError, match=r"epsilon is '0\.1': it must be a number in \[0\.0, 1\.0\]"):
        check(Suite("own", TMazeSettings(), epsilon="0.1"))
