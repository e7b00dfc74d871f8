"""An ensemble of networks: what it learns, what it holds out, who answers, and where its members disagree."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.quick import quick_jit

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.models.mlp_ensemble import MlpEnsemble, mlp_ensemble
from mgsc.models.moments import no_moments, standard_deviation, with_number
from mgsc.types import Transition, like

FACTS = Facts(
    like((2,), jnp.float32), 2, 0.9, reward_scale=2.0, switch_every=1, observation_scale=np.array([1.0, 20.0])
)
NUM_STEPS = 600
RIGHT = jnp.int32(1)


def real(key) -> Transition:
    """Action 1 moves right and pays 2, action 0 left and pays nothing; beyond 1 the episode ends.

    The second entry is ten times as large and shaken by 1.
    """
    key_place, key_action, key_noise = jax.random.split(key, 3)
    here = jax.random.uniform(key_place, (2,), minval=-1.0) * jnp.array([1.0, 10.0])
    action = jax.random.randint(key_action, (), 0, 2, jnp.int32)
    after = here + jnp.array([0.4 * (2 * action - 1), jax.random.normal(key_noise)])
    return Transition(here, action, 2.0 * action, jnp.where(after[0] > 1, 0.0, 0.9), after)


def learned(**settings):
    """A model that has met many transitions, and its held-out error of its first networks and of the last."""
    model = mlp_ensemble(MlpEnsemble(units=16, layers=1, step_size=1e-2, capacity=300, members=3, **settings), FACTS)

    def step(state, key):
        key_seen, key_batch = jax.random.split(key)
        return model.update(model.draw_update(key_batch), state, real(key_seen)), None

    def whole():
        keys = jax.random.split(jax.random.key(0), NUM_STEPS)
        begun = model.init(jax.random.key(1))
        state, _ = lax.scan(step, begun, keys)
        return state, model.held_out_error(state._replace(layers=begun.layers)), model.held_out_error(state)

    return model, *quick_jit(whole)()


@pytest.fixture(scope="module")
def deterministic():
    return learned()


def test_steep_members_change_at_places_of_their_own():
    networks = [mlp_ensemble(MlpEnsemble(units=50, layers=1, members=2, steepness=s), FACTS) for s in (0.0, 20.0)]
    plain, steep = (model.init(jax.random.key(0)).layers for model in networks)
    np.testing.assert_allclose(steep[0][0], 20 * plain[0][0], rtol=1e-6)
    assert not plain[0][1].any()
    assert np.unique(steep[0][1]).size == 100


def test_elites_are_those_that_were_wrong_least_of_late():
    model = mlp_ensemble(MlpEnsemble(units=4, layers=1, members=3, elites=2, capacity=20), FACTS)

    def two_steps():
        state = model.init(jax.random.key(0))
        state = state._replace(misses=jnp.array([3.0, 1.0, 2.0]))
        made = []
        for key in jax.random.split(jax.random.key(1), 2):
            state = model.update(model.draw_update(key), state, real(key))
            made.append(state)
        return made

    first, second = quick_jit(two_steps)()
    for state, member in ((first, 2), (second, 1)):  # in turn: the second best, the best
        expected = [leaf[member] for leaf in jax.tree.leaves(state.layers)]
        jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(state.active), expected)
    # At first all members say the same: their ranks are 0.
    np.testing.assert_allclose(first.misses, 0.99 * np.array([3, 1, 2]), rtol=1e-6)
    everyone = mlp_ensemble(MlpEnsemble(units=4, layers=1, members=3, elites=3, capacity=20), FACTS)
    assert jax.eval_shape(everyone.init, jax.random.key(0)).misses is None


def test_it_learns_where_actions_lead_what_they_pay_and_when_episodes_end(deterministic):
    model, state, early, late = deterministic
    right = model.expect(state, jnp.array([0.0, 5.0]), RIGHT)
    np.testing.assert_allclose(right.observation[0], [0.4, 5.0], atol=0.4)
    np.testing.assert_allclose(right.reward, [2], atol=0.2)
    np.testing.assert_allclose(right.discount, [0.9], atol=0.15)
    assert model.expect(state, jnp.array([0.95, 5.0]), RIGHT).discount[0] < 0.4
    left = model.expect(state, jnp.array([0.0, 5.0]), jnp.int32(0))
    np.testing.assert_allclose(left.observation[0, 0], -0.4, atol=0.1)
    # What is left is the noise: of changes of variance 1, half the entries, 1/2; besides, errors of the end.
    assert 0.4 < late < 0.8 < early


def test_sample_draws_from_what_expect_gives_the_mean_of(deterministic):
    model, state, _, _ = deterministic
    here = jnp.array([0.6, 0.0])
    drawn = jax.vmap(lambda noise: model.sample(noise, state, here, RIGHT))(jnp.linspace(0, 1, 1000, endpoint=False))
    said = model.expect(state, here, RIGHT)
    np.testing.assert_allclose(drawn.discount.mean(), said.discount[0], atol=2e-3)
    np.testing.assert_allclose(drawn.successor, np.broadcast_to(said.observation[0], (1000, 2)), rtol=1e-5)
    assert set(np.asarray(drawn.discount).tolist()) == {0.0, np.float32(0.9)}


def test_members_disagree_where_nothing_was_met(deterministic):
    model, state, _, _ = deterministic
    near, far = (model.disagreement(state, jnp.array(place), RIGHT) for place in ([0.0, 0.0], [9.0, 0.0]))
    assert 0 < 3 * near < far


@pytest.mark.slow
def test_one_of_so_many_transitions_is_held_out_and_never_learned_from():
    model = mlp_ensemble(MlpEnsemble(units=2, layers=0, capacity=3, held_out_every=4, batch_size=200), FACTS)
    update, state = quick_jit(model.update), model.init(jax.random.key(0))
    assert np.isnan(model.held_out_error(state)), "nothing is held out yet"
    for number in range(9):
        seen = real(jax.random.key(number))._replace(reward=jnp.float32(100.0 if number % 4 == 3 else 0.0))
        state = update(model.draw_update(jax.random.key(number)), state, seen)
    assert (state.count, state.num_held) == (7, 2)
    assert set(np.asarray(state.held.reward[:2]).tolist()) == {100.0}
    # A network that had met a reward of 100 would say more than it does of rewards of 0; steps of Adam are 1e-3.
    assert abs(model.expect(state, jnp.zeros(2), RIGHT).reward[0]) < 1e-6
    assert state.inputs.count == 7
    assert model.held_out_error(state) > 1000


@pytest.mark.slow
def test_members_answer_in_turn_or_all_in_the_mean():
    seen = real(jax.random.key(0))
    for answers, same in (("member", False), ("mean", True)):
        model = mlp_ensemble(MlpEnsemble(units=3, layers=0, members=2, answers=answers, capacity=5), FACTS)
        update, states = quick_jit(model.update), [model.init(jax.random.key(5))]
        for number in range(2):
            states.append(update(model.draw_update(jax.random.key(number)), states[-1], seen))
        leaf = jax.tree.leaves(states[-1].layers)[0]
        if same:
            assert states[-1].active is None
        else:
            np.testing.assert_array_equal(jax.tree.leaves(states[-1].active)[0], leaf[0])
            np.testing.assert_array_equal(jax.tree.leaves(states[1].active)[0], jax.tree.leaves(states[1].layers)[0][1])


@pytest.mark.slow
def test_a_probabilistic_model_learns_how_large_the_noise_is():
    model, state, early, late = learned(kind="probabilistic")
    assert late < early
    here = jnp.array([0.0, 0.0])
    keys = jax.random.split(jax.random.key(3), 500)
    drawn = jax.vmap(lambda key: model.sample(model.draw(key), state, here, RIGHT).successor)(keys)
    np.testing.assert_allclose(drawn.std(0), [0.0, 1.0], atol=0.3)
    np.testing.assert_allclose(drawn.mean(0), [0.4, 0.0], atol=0.4)


def test_moments_are_those_of_all_numbers_that_count():
    numbers = jax.random.normal(jax.random.key(0), (7, 2)) * 3 + 5
    moments = no_moments(2)
    for row in numbers:
        moments = with_number(with_number(moments, row), row + 100, is_counted=False)
    np.testing.assert_allclose(moments.mean, numbers.mean(0), rtol=1e-5)
    np.testing.assert_allclose(standard_deviation(moments), numbers.std(0), rtol=1e-5)


def test_states_of_a_list_are_refused():
    with pytest.raises(UserError, match="observations that are numbers"):
        mlp_ensemble(MlpEnsemble(), FACTS._replace(observation=like((), jnp.int32)))
