"""The fixed model answers as its tables say, on average and every time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from tests.quick import quick_jit

from mgsc import models
from mgsc.environments import TMazeSettings, tmaze

RIGHT = 3
DISCOUNT = 0.9
TABLES = tmaze(TMazeSettings()).tables.phase(0)


@pytest.fixture(scope="module")
def model():
    return models.fixed(TABLES, DISCOUNT)


def test_expectations_are_the_tables(model):
    answers = model.expect(model.init(None), jnp.int32(7), jnp.int32(RIGHT))
    possible = answers.probability > 0
    found = {
        int(successor): (round(float(p), 6), float(reward), round(float(discount), 6))
        for p, reward, discount, successor in zip(*(column[possible] for column in answers))
    }
    # Beside the right end: 0.925 to the end, whose value does not count; two bumps; one step back.
    assert found == {
        8: (0.925, 1.0, 0.0),
        7: (0.05, 0.0, DISCOUNT),
        6: (0.025, 0.0, DISCOUNT),
    }


def test_every_expectation_sums_to_one_and_ends_are_worth_nothing(model):
    states, actions = np.arange(15)[:, None], np.arange(4)
    answers = jax.vmap(jax.vmap(model.expect, (None, None, 0)), (None, 0, None))(
        model.init(None), jnp.arange(15), jnp.arange(4)
    )
    np.testing.assert_allclose(answers.probability.sum(-1), 1, atol=1e-6)
    ends = TABLES.terminates[states, actions]
    np.testing.assert_allclose(answers.discount, np.where(ends, 0, DISCOUNT), rtol=1e-6)
    np.testing.assert_array_equal(answers.observation, TABLES.successor)


@pytest.mark.parametrize(("state", "action"), [(7, RIGHT), (4, RIGHT), (14, RIGHT)])
def test_samples_are_as_frequent_as_expected_and_belong_together(model, state, action):
    count = 20_000
    noise = jnp.float32(np.random.default_rng(1).integers(0, 2**23, count) * 2.0**-23)

    def ask(uniform):
        return model.sample(uniform, model.init(None), jnp.int32(state), jnp.int32(action))

    drawn = jax.tree.map(np.asarray, quick_jit(jax.vmap(ask))(noise))
    assert (drawn.observation == state).all()
    assert (drawn.action == action).all()
    answers = model.expect(model.init(None), jnp.int32(state), jnp.int32(action))
    counts, expected = [], []
    for probability, reward, discount, successor in zip(*map(np.asarray, answers)):
        if probability > 0:
            this = drawn.successor == successor
            assert (drawn.reward[this] == reward).all()
            assert (drawn.discount[this] == discount).all()
            counts.append(this.sum())
            expected.append(probability * count)
    assert sum(counts) == count
    assert stats.chisquare(counts, np.array(expected) / np.sum(expected) * count).pvalue > 1e-3


def test_it_never_learns(model):
    assert model.update is None
    assert model.init(None) == ()


def test_the_discount_may_be_traced():
    def value(discount):
        return models.fixed(TABLES, discount).expect((), jnp.int32(4), jnp.int32(0)).discount

    np.testing.assert_allclose(jax.jit(value)(0.5)[0], 0.5)
