"""Branched rollouts: the schedule of lengths, the buffer, where rollouts lead, and what minibatches are made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.agent import Dyna, StepNoise
from mgsc.branching import REPORTS, branch, plan_from
from mgsc.candidates import CandidateSource
from mgsc.environments import Environment
from mgsc.models import Model
from mgsc.noise import keys, nothing
from mgsc.policies import Policy
from mgsc.rollouts import Imagined, RolloutSettings, draw, keep, length_at, nothing_imagined
from mgsc.search_control import SearchControl
from mgsc.types import ActionChoice, Candidates, Params, Transition, like
from mgsc.values import ValueFunction

PLACE = like((1,), jnp.float32)
REAL, DREAMT = 1.0, 0.0
"""Rewards, by which transitions are told apart."""


@pytest.mark.parametrize(("step", "length"), [(0, 1), (99, 1), (100, 1), (122, 2), (150, 5), (200, 10), (900, 10)])
def test_lengths_follow_a_line_between_two_steps(step: int, length: int) -> None:
    """From 1 to 10 between the steps 100 and 200: 1 + 9 (t − 100) / 100, rounded down."""
    settings = RolloutSettings(first_length=1, last_length=10, first_step=100, last_step=200)
    assert int(length_at(settings, jnp.int32(step))) == length == int(1 + 9 * np.clip((step - 100) / 100, 0, 1) + 1e-9)


def test_lengths_stay_without_a_schedule() -> None:
    assert [int(length_at(RolloutSettings(first_length=3, last_length=3), jnp.int32(step))) for step in (0, 7)] == [
        3,
        3,
    ]


def transitions(numbers: list[float]) -> Transition:
    column = jnp.array(numbers)
    return Transition(column[:, None], column[:, None], column, column, column[:, None])


def test_the_buffer_keeps_the_newest_of_what_is_to_be_kept() -> None:
    empty = nothing_imagined(PLACE, PLACE, 4)
    first = keep(empty, transitions([1, 2, 3]), jnp.array([True, False, True]))
    assert int(first.count) == 2
    assert set(np.asarray(draw(jnp.linspace(0, 0.99, 9), first).reward)) == {1, 3}
    second = keep(first, transitions([4, 5, 6]), jnp.array([True, True, True]))
    assert int(second.count) == 5
    assert set(np.asarray(draw(jnp.linspace(0, 0.99, 9), second).reward)) == {3, 4, 5, 6}


def agent(*, length: int = 4, real_share: float = 0.25, warm_up_steps: int = 0) -> Dyna:
    """Who stands in x acts with x, goes one place on, and is at the end where it leads to 3; values count rewards."""

    def imagine(noise, state, here, action):
        end = here[0] + 1 >= 3
        return Transition(here, action, jnp.float32(DREAMT), jnp.where(end, 0.0, 0.9), here + 1)

    def learn(noise, theta, learner, batch, step_size):
        return theta + jnp.sum(step_size * batch.reward), learner + 1, batch.reward

    real = Transition(jnp.zeros(1), jnp.zeros(1), jnp.float32(REAL), jnp.float32(0.9), jnp.zeros(1))
    values = ValueFunction(
        init=lambda key: (jnp.zeros(()), jnp.zeros(())),
        q=lambda theta, here, action: theta,
        bootstrap=lambda theta, learner, here: theta,
        update=lambda *arguments: arguments[:2],
        learn=learn,
        draw=keys,
    )
    only_two = SearchControl(
        init=lambda *arguments: (), weights=lambda state, params, candidates: jnp.array([0.0, 1.0, 0.0])
    )
    policy = Policy(keys, lambda noise, theta, here: here, lambda theta, here: ActionChoice(here[None], jnp.ones(1)))
    return Dyna(
        environment=Environment(nothing, nothing, lambda *arguments: (), lambda *arguments: (), 0),
        environment_params=(),
        values=values,
        policy=policy,
        model=Model(init=lambda key: (), draw=keys, sample=imagine, expect=lambda *arguments: ()),
        search_control=only_two,
        candidates=CandidateSource(init=lambda key: (), candidates=lambda *_: None, stored=lambda uniform, state: real),
        step_size=0.5,
        discount=0.9,
        planning_updates=2,
        max_planning_updates=3,
        learns_model_first=False,
        batch_size=8,
        warm_up_steps=warm_up_steps,
        rollouts=RolloutSettings(starts=2, last_length=length, last_step=10, capacity=32, real_share=real_share),
    )


CANDIDATES = Candidates(jnp.array([[9.0], [0.0], [7.0]]), jnp.arange(3), jnp.ones(3, bool))
PARAMS = Params(jnp.zeros(()), (), jnp.zeros(()))


def branched(made: Dyna, step: int) -> tuple[Imagined, np.ndarray]:
    begun = nothing_imagined(PLACE, PLACE, 32)
    return jax.device_get(
        quick_jit(lambda: branch(made, PARAMS, (), CANDIDATES, begun, jax.random.key(0), jnp.int32(step)))()
    )[:2]


@pytest.mark.parametrize(("step", "length"), [(0, 1), (4, 2), (30, 3)])
def test_rollouts_begin_where_d_is_and_end_with_the_schedule_or_the_episode(step: int, length: int) -> None:
    """Two begin in 0, the only candidate with weight. In the end they might have four steps, but three lead to 3."""
    imagined, weights = branched(agent(), step)
    np.testing.assert_array_equal(weights, [0, 1, 0])
    assert imagined.count == 2 * length
    places = imagined.ring.observation[: imagined.count, 0]
    np.testing.assert_array_equal(places, np.repeat(np.arange(length), 2))
    np.testing.assert_array_equal(imagined.ring.action[: imagined.count, 0], places)
    np.testing.assert_array_equal(imagined.ring.successor[: imagined.count, 0], places + 1)
    np.testing.assert_array_equal(imagined.ring.discount[: imagined.count] == 0, places == 2)


def test_the_first_action_of_a_rollout_is_drawn_where_d_is_over_pairs() -> None:
    """Of the two actions that stand for the policy's, all weight is on the second, 10 more than the first."""
    made = agent()
    pairs = made.search_control._replace(weights=lambda *_: jnp.zeros((3, 2)).at[1, 1].set(1.0))
    policy = made.policy._replace(
        actions=lambda theta, here: ActionChoice(jnp.stack([here, here + 10]), jnp.array([0.9, 0.1]))
    )
    imagined, _ = branched(made._replace(search_control=pairs, policy=policy), 30)
    places, actions = imagined.ring.observation[:6, 0], imagined.ring.action[:6, 0]
    np.testing.assert_array_equal(places, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(actions, [10, 10, 1, 1, 2, 2])


def test_what_is_reported_of_where_rollouts_begin() -> None:
    half = SearchControl(init=lambda *_: (), weights=lambda state, params, candidates: jnp.array([0.5, 0.25, 0.25]))
    made = agent()._replace(search_control=half, model_miss=lambda params, candidates: jnp.array([4.0, 0.0, 8.0]))
    begun, aged = nothing_imagined(PLACE, PLACE, 32), CANDIDATES._replace(age=jnp.array([2, 4, 8]))
    report = branch(made, PARAMS, (), aged, begun, jax.random.key(0), jnp.int32(0))[2]
    assert {name: float(value) for name, value in report.items()} == {
        "start_model_error": 4.0,
        "candidate_model_error": 4.0,
        "start_age": 4.0,
    }
    assert tuple(report) == REPORTS
    assert branch(made, PARAMS, (), CANDIDATES, begun, jax.random.key(0), jnp.int32(0))[2] == {}


def test_nothing_is_kept_before_the_warm_up_is_over() -> None:
    waiting = agent(warm_up_steps=5)
    assert branched(waiting, 4)[0].count == 0
    assert branched(waiting, 5)[0].count > 0


@pytest.mark.parametrize("real_share", [0.0, 0.25, 1.0])
def test_minibatches_have_their_share_of_real_transitions(real_share: float) -> None:
    """By hand: each of K = 2 updates adds 0.5 for every real one of 8 transitions; the third update does nothing."""
    made = agent(real_share=real_share)
    imagined = keep(nothing_imagined(PLACE, PLACE, 32), transitions([DREAMT] * 3), jnp.ones(3, bool))
    noise = StepNoise(*[()] * len(StepNoise._fields))._replace(
        query=jnp.linspace(0, 0.99, 24).reshape(3, 8), plan_learn=jax.random.split(jax.random.key(0), 3)
    )
    theta, learner = plan_from(made, PARAMS, imagined, (), noise)
    assert (float(theta), float(learner)) == (2 * 0.5 * 8 * real_share, 2)
