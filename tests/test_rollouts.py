"""Imagined rollouts: where each update begins, what goes on, and who may not have them."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit
from tests.search_control import strategies_table as table

from mgsc import dyna
from mgsc.errors import UserError
from mgsc.experiments.running.build import build_agent
from mgsc.experiments.running.program import run_key
from mgsc.planning import rolled_out
from mgsc.types import Query, Transition


def batches(length, batch_size):
    """[T, K, B] what each planning update of a run learned from."""
    agent = table.build(table.VARIANTS["uniform"], table.numbers_of(table.VARIANTS["uniform"]))
    agent = agent._replace(rollout_length=length, batch_size=batch_size)
    key = run_key(0, table.SEED)

    def heard(agent, count):
        """The same strategy, which writes down the backups of a step: these come one by one."""
        room = jnp.zeros(table.BUDGET * batch_size)
        whole = room.astype(jnp.int32)
        blank = Transition(whole, whole, room, room, whole)

        def after_backup(state, params, backup):
            del params
            number, seen = state
            return number + 1, jax.tree.map(
                lambda all_of_it, new: all_of_it.at[number].set(new), seen, backup.transition
            )

        return agent.search_control._replace(
            init=lambda *arguments: (count, blank),
            observe=lambda state, *arguments: ((jnp.int32(0), state[1]), {}),
            weights=lambda state, *arguments: agent.search_control.weights((), *arguments),
            after_backup=after_backup,
        )

    agent = agent._replace(search_control=heard(agent, jnp.int32(0)))

    def step(state, noise):
        state, _ = dyna.real_step(agent, state, noise)
        return state, state.search[1]

    noise = dyna.draw_noise(agent, key, jnp.arange(table.NUM_STEPS))
    seen = quick_jit(lambda: jax.lax.scan(step, dyna.init(agent, key), noise)[1])()
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(table.NUM_STEPS, table.BUDGET, batch_size), seen)


def test_a_rollout_from_a_stored_transition_goes_on_in_the_model():
    """Of two updates the first is of the stored transition, and the second asks the model at its successor."""
    agent = table.build(table.VARIANTS["uniform"], table.numbers_of(table.VARIANTS["uniform"]))
    agent = agent._replace(rollout_length=2)
    params = dyna.init(agent, run_key(0, table.SEED)).params
    own = Transition(*map(jnp.asarray, (1, 0, 2.0, 0.9, 3)))
    query = Query(own.observation, own.observation, own.action, outcome=own, is_stored=jnp.asarray(True))
    noise = agent.policy.draw(jax.random.key(0))
    first, second = (rolled_out(agent, params, query, noise, own, jnp.asarray(number)) for number in (0, 1))
    assert (first.observation, first.is_stored) == (1, True)
    assert (second.observation, second.is_stored) == (3, False)
    ended = own._replace(discount=jnp.asarray(0.0))
    begun = rolled_out(agent, params, query, noise, ended, jnp.asarray(1))
    assert (begun.observation, begun.is_stored) == (1, True)


@pytest.mark.parametrize("batch_size", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_rollout_goes_on_where_the_update_before_has_led(batch_size):
    apart, rolled = batches(1, batch_size), batches(2, batch_size)
    first, second, third = (jax.tree.map(lambda leaf, k=k: leaf[:, k], rolled) for k in range(table.BUDGET))
    np.testing.assert_array_equal(first.observation[0], apart.observation[0, 0])
    goes_on = first.discount > 0
    assert goes_on.any()
    assert not goes_on.all()
    np.testing.assert_array_equal(second.observation[goes_on], first.successor[goes_on])
    assert (third.observation[goes_on] != second.successor[goes_on]).any(), "the next rollout begins anew"
    assert (apart.observation[:, 1][goes_on] != apart.successor[:, 0][goes_on]).any()
    assert not table.IS_TERMINAL[second.observation].any(), "nothing begins where all is over"


def test_strategies_that_count_listed_states_are_refused():
    suite = dataclasses.replace(table.SUITE, rollout_length=2)
    build_agent(suite, table.VARIANTS["meta_gradient"].agent, table.PROBLEM)
    with pytest.raises(UserError, match="counts queries of listed states"):
        build_agent(suite, table.VARIANTS["trajectory"].agent, table.PROBLEM)
