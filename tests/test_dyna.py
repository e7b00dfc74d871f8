"""The loop: it is Q-learning without planning, and asks its parts in the order it promises."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.quick import quick_jit
from tests.search_control import strategies_table as table

from mgsc import dyna, models, values
from mgsc.candidates import from_buffer
from mgsc.environments import from_map, tabular
from mgsc.experiments.running.program import run_key
from mgsc.noise import Use, draw_all, uniforms
from mgsc.planning import td_error
from mgsc.policies import epsilon_greedy
from mgsc.search_control import SearchControl, meta_gradient, uniform
from mgsc.search_control.base import no_state
from mgsc.types import Candidates, Params, Query, Transition, like
from mgsc.values.mlp import mlp

RIGHT = 3
PROBLEM = table.PROBLEM
NUM_STATES = table.NUM_STATES

# Powers of two: products with them are exact, so that a fused multiply-add makes no difference and
# every implementation has the same bits.
EPSILON, STEP_SIZE, DISCOUNT = 0.25, 0.5, 0.5


def assemble(strategy, **changes):
    parts = {
        "environment": PROBLEM.environment,
        "environment_params": PROBLEM.environment_params,
        "values": values.table(NUM_STATES, 4),
        "policy": epsilon_greedy(EPSILON),
        "model": models.fixed(PROBLEM.known.model_tables, DISCOUNT),
        "candidates": PROBLEM.listed,
        "step_size": STEP_SIZE,
        "discount": DISCOUNT,
        "planning_updates": 0,
    }
    return dyna.assemble(strategy=strategy, **parts | changes)


def corridor(text: str, **options: int):
    """An agent in a corridor that always goes right."""
    tables = from_map(text, {"A": (1.0, -1.0)}).tables
    environment, params = tabular(tables, **options)
    count = len(tables.start)
    index = jnp.arange(count)
    return assemble(
        uniform(),
        environment=environment,
        environment_params=params,
        values=values.table(count, 4)._replace(init=lambda key: (jnp.zeros((count, 4)).at[:, RIGHT].set(4.0), ())),
        policy=epsilon_greedy(0.0),
        candidates=Candidates(index, index, jnp.asarray(~tables.is_terminal)),
    )


def q_learning(num_steps: int, seed: int):
    """Q-learning as one would write it in NumPy, met by the same chance."""
    tables, settings = PROBLEM.known.tables, table.SUITE.environment
    wanted = dict.fromkeys((Use.EXPLORE, Use.ENVIRONMENT, Use.RESTART), uniforms)
    noise = draw_all(run_key(0, seed), jnp.arange(num_steps), wanted, 0)
    explore, environment = (np.asarray(noise[use]) for use in (Use.EXPLORE, Use.ENVIRONMENT))
    q = np.zeros((NUM_STATES, 4), np.float32)
    start = int(np.argmax(tables.start))
    state, episode, rewards = start, 0, []
    half = np.float32(0.5)
    for step in range(num_steps):
        is_greedy = q[state] == q[state].max()
        chances = np.float32(EPSILON / 4) + np.float32(1 - EPSILON) * is_greedy / is_greedy.sum()
        action = int(np.searchsorted(np.cumsum(chances), explore[step] * chances.sum(), "right"))
        place = (step // settings.switch_every % 2, state, action)
        shares = np.cumsum(tables.probability[place])
        slot = int(np.searchsorted(shares, environment[step] * shares[-1], "right"))
        reward, after = tables.reward[place][slot], int(tables.successor[place][slot])
        is_end = bool(tables.terminates[place][slot])
        bootstrap = np.float32(0) if is_end else half * q[after].max()
        q[state, action] += half * (reward + bootstrap - q[state, action])
        rewards.append(float(reward))
        episode += 1
        is_over = is_end or episode >= settings.step_limit
        state, episode = (start, 0) if is_over else (after, episode)
    return q, rewards


META = meta_gradient(optax.adam(0.1), step_size=STEP_SIZE, planning_updates=0)


@pytest.mark.parametrize("strategy", [uniform(), META], ids=["uniform", "meta_gradient"])
def test_without_planning_it_is_q_learning_bit_for_bit(strategy):
    agent = assemble(strategy)
    num_steps = 600
    run = quick_jit(lambda seed: dyna.run(agent, run_key(0, seed), num_steps, chunk_steps=20))
    for seed in range(3):
        state, rewards = run(seed)
        q, known = q_learning(num_steps, seed)
        assert np.count_nonzero(known) > 10
        np.testing.assert_array_equal(rewards, np.reshape(known, (-1, 20)).sum(1))
        np.testing.assert_array_equal(state.values, q)


def test_a_truncated_transition_keeps_its_bootstrap_and_starts_over():
    agent = corridor("S..A", step_limit=2)
    seen = quick_jit(lambda: table.trajectory(agent, 0, 4))()
    np.testing.assert_array_equal(seen.transition.observation, [0, 1, 0, 1])
    np.testing.assert_array_equal(seen.transition.successor, [1, 2, 1, 2])
    np.testing.assert_array_equal(seen.transition.discount, [DISCOUNT] * 4)
    np.testing.assert_array_equal(seen.state.observation, [1, 0, 1, 0])
    # q(1, right) at the first truncation: 4 + 0.5 · (0 + 0.5 · 4 − 4) = 3.
    assert seen.values[1, 1, RIGHT] == 3


def test_an_ending_transition_has_no_bootstrap_and_costs_one_step():
    agent = corridor("S.A", switch_every=3)
    seen = quick_jit(lambda: table.trajectory(agent, 0, 6))()
    np.testing.assert_array_equal(seen.transition.observation, [0, 1] * 3)
    np.testing.assert_array_equal(seen.transition.successor, [1, 2] * 3)
    np.testing.assert_array_equal(seen.transition.discount, [DISCOUNT, 0] * 3)
    # Steps 0..2 are of the first phase, 3..5 of the second.
    np.testing.assert_array_equal(seen.transition.reward, [0, 1, 0, -1, 0, -1])
    np.testing.assert_array_equal(seen.state.step, 1 + np.arange(6))
    np.testing.assert_array_equal(seen.state.environment.clock, 1 + np.arange(6))
    # q(1, right): 4 + 0.5 · (1 − 4) = 2.5, although the end's own value is 4.
    assert seen.values[1, 1, RIGHT] == 2.5


def test_one_update_by_hand():
    agent = assemble(uniform())
    theta = jnp.zeros((NUM_STATES, 4)).at[2, 1].set(8.0).at[5, 0].set(1.0)
    numbers = (jnp.int32(5), jnp.int32(0), jnp.float32(3), jnp.float32(0.5), jnp.int32(2))
    transition = Transition(*numbers)
    # δ = 3 + 0.5 · 8 − 1 = 6, and q(5, 0) = 1 + 0.5 · 6 = 4.
    assert td_error(agent, Params(theta, ()), transition) == 6
    after, _, backup = dyna.learn(agent, Params(theta, ()), transition, 5, 0.5)
    np.testing.assert_array_equal(after, theta.at[5, 0].set(4.0))
    assert (int(backup.index), float(backup.td_error)) == (5, 6.0)
    assert backup.transition is transition


def test_a_loop_too_long_to_be_unrolled_begins_with_the_updates_of_a_short_one():

    def values_after(budget: int, number: int):
        agent = assemble(uniform(), planning_updates=number, max_planning_updates=budget)
        state, rewards = dyna.run(agent, run_key(0, 3), 60, chunk_steps=20)
        return state.values, rewards

    short, long = quick_jit(lambda: [values_after(budget, 3) for budget in (3, 12)])()
    jax.tree.map(np.testing.assert_array_equal, short, long)
    assert np.count_nonzero(short[0]) > 5


def test_a_traced_number_of_updates_needs_a_bound():
    with pytest.raises(TypeError, match="max_planning_updates must be given"):
        assemble(uniform(), planning_updates=jnp.int32(3))
    assert assemble(uniform(), planning_updates=3).max_planning_updates == 3


def test_a_chunk_is_made_of_whole_measurements():
    agent = assemble(uniform())
    key = run_key(0, 0)
    with pytest.raises(ValueError, match=r"num_steps \(10\) must be a multiple of .* \(4\)"):
        dyna.run_chunk(
            agent,
            dyna.init(agent, key),
            key,
            num_steps=10,
            measure_every=4,
            recorder=dyna.total_reward(),
        )


# --- what a strategy is asked, and in which order ---------------------------------------------


def first_step(strategy, **changes):
    """State and info after one real step of an agent that makes 2 planning updates."""
    agent = assemble(strategy, planning_updates=2, **changes)
    key = run_key(0, 0)

    def step():
        noise = jax.tree.map(lambda leaf: leaf[0], dyna.draw_noise(agent, key, jnp.arange(1)))
        return dyna.real_step(agent, dyna.init(agent, key), noise)

    return quick_jit(step)()


def everywhere(state, params, candidates):
    return candidates.is_allowed / candidates.is_allowed.sum()


def logging_strategy(propose):
    """Logs (number of the backup told, index of ``last`` when proposing)."""

    def init(key, params, candidates):
        return jnp.full(2, -9), jnp.array(0)

    def after_backup(state, params, backup):
        log, count = state
        return log.at[count].set(backup.index), count + 1

    return lambda parts: SearchControl(init, everywhere, propose, after_backup)


def test_backups_are_told_in_order_and_the_first_proposal_hears_of_the_real_one():
    def propose(noise, state, params, distribution, candidates, last):
        # The real transition's own update has index −1: ask state 2, then 3, 4, ...
        return Query(last.index + 3, last.index + 3)

    state, _ = first_step(logging_strategy(propose))
    np.testing.assert_array_equal(state.search[0], [2, 5])
    assert state.search[1] == 2


def test_a_query_may_bring_its_action_a_bonus_or_the_whole_outcome():
    def bonus(noise, state, params, distribution, candidates, last):
        return Query(jnp.int32(5), jnp.int32(5), jnp.int32(2), reward_bonus=10.0)

    state, _ = first_step(lambda parts: SearchControl(no_state, everywhere, bonus))
    # Left in state 5 bumps: twice δ = 10 + 0.5 max q(5, ·) − q(5, 2), from 0: 5, then 5 + 3.75.
    # (With slip 0.1 both answers are state 5 unless chance moves it; the noise here does not.)
    assert state.values[5, 2] == 8.75

    told = Transition(*(jnp.asarray(x) for x in (6, 1, 4.0, 0.0, 0)))

    def outcome(noise, state, params, distribution, candidates, last):
        return Query(told.observation, told.observation, told.action, outcome=told)

    state, _ = first_step(lambda parts: SearchControl(no_state, everywhere, outcome))
    # Twice towards 4 by half: 2, then 3. The model is not asked: down in state 6 would bump.
    assert state.values[6, 1] == 3

    def in_some(noise, state, params, distribution, candidates, last):
        # The real transition's own update has index −1: the first query has the outcome, the second the model's answer.
        where = jnp.where(last.index < 0, told.observation, jnp.int32(5))
        action = jnp.where(last.index < 0, told.action, jnp.int32(2))
        return Query(where, where, action, reward_bonus=10.0, outcome=told, is_stored=last.index < 0)

    state, _ = first_step(lambda parts: SearchControl(no_state, everywhere, in_some))
    assert (state.values[6, 1], state.values[5, 2]) == (2, 5)


def test_joint_weights_choose_the_action():
    def weights(state, params, candidates):
        return jnp.zeros((NUM_STATES, 4)).at[3, RIGHT].set(1.0)

    state, info = first_step(lambda parts: SearchControl(no_state, weights))
    assert info.weights.shape == (NUM_STATES, 4)
    changed = np.argwhere(state.values)
    np.testing.assert_array_equal(changed, [[3, RIGHT]])


@pytest.mark.parametrize(("learns_first", "heard"), [(False, 0), (True, 1)])
def test_the_meta_update_comes_before_or_after_the_model_learns(learns_first, heard):
    def update(noise, model, transition):
        return model + 1

    model = models.fixed(PROBLEM.known.model_tables, DISCOUNT)
    counting = model._replace(init=lambda key: jnp.array(0), update=update)

    def observe(state, params, candidates, transition):
        return state, {"updates of the model": params.model}

    def strategy(parts):
        return SearchControl(no_state, everywhere, observe=observe)

    state, info = first_step(strategy, model=counting, learns_model_first=learns_first)
    assert info.search["updates of the model"] == heard
    assert state.model == 1


def test_search_control_observes_the_values_before_they_learn():
    def observe(state, params, candidates, transition):
        return state, {"largest": jnp.abs(params.values).max()}

    agent = corridor("SA")._replace(search_control=uniform()(None)._replace(observe=observe))
    seen = quick_jit(lambda: table.trajectory(agent, 0, 2))()
    np.testing.assert_array_equal(seen.search["largest"], [4.0, 4.0])
    # q(0, right) went from 4 to 4 + 0.5 · (1 − 4) = 2.5 meanwhile; that of the end stayed 4.
    assert seen.values[0, 0, RIGHT] == 2.5


# --- minibatches, learners and candidates that change -----------------------------------------


def test_a_minibatch_of_queries_makes_one_step_of_their_mean():
    """The same backups, received one by one, explain the values."""

    def init(key, params, candidates):
        nothing = jnp.full((2, 3), -1)
        zeros = jnp.zeros((2, 3))
        return Transition(nothing, nothing, zeros, zeros, nothing), zeros, jnp.array(0)

    def after_backup(state, params, backup):
        seen, errors, count = state
        place = (count // 3, count % 3)
        seen = jax.tree.map(lambda column, new: column.at[place].set(new), seen, backup.transition)
        return seen, errors.at[place].set(backup.td_error), count + 1

    state, _ = first_step(
        lambda parts: SearchControl(init, everywhere, after_backup=after_backup), batch_size=3, values=started()
    )
    seen, errors, count = jax.tree.map(np.asarray, state.search)
    assert count == 6, "two planning updates of three queries"
    assert len({(int(s), int(a)) for s, a in zip(seen.observation.ravel(), seen.action.ravel())}) > 2
    assert (errors != 0).all()
    values = np.asarray(started().init(None)[0]).copy()
    real = np.asarray(first_step(lambda parts: SearchControl(no_state, everywhere), values=started())[1].transition)
    direct = real.tolist()
    place = int(direct[0]), int(direct[1])
    values[place] += STEP_SIZE * (direct[2] + direct[3] * values[int(direct[4])].max() - values[place])
    for update in range(2):
        before = values.copy()
        for number in range(3):
            here, action, reward, discount, after = (column[update, number] for column in seen)
            error = reward + discount * before[after].max() - before[here, action]
            np.testing.assert_allclose(errors[update, number], error, rtol=1e-6)
            values[here, action] += STEP_SIZE * error / 3
    np.testing.assert_allclose(state.values, values, rtol=1e-6)


def started():
    """A table in which every entry differs, so that no update changes nothing."""
    given = jnp.cos(jnp.arange(NUM_STATES * 4.0)).reshape(NUM_STATES, 4)
    return values.table(NUM_STATES, 4)._replace(init=lambda key: (given, ()))


def test_updates_beyond_k_leave_the_learner_alone():
    encode = jax.nn.one_hot

    def counted(updates):
        network = mlp(lambda state: encode(state, NUM_STATES), (NUM_STATES, 4), optimizer=optax.scale_by_adam())
        agent = assemble(uniform(), values=network, planning_updates=updates, max_planning_updates=4)
        return dyna.run(agent, run_key(0, 0), 10, chunk_steps=10)[0].learner.optimizer.count

    found = quick_jit(lambda: [counted(jnp.int32(number)) for number in (0, 3)])()
    assert [int(count) for count in found] == [10, 40], "one direct update of each real step, and K planned ones"


def test_candidates_are_drawn_anew_from_what_was_visited():
    source = from_buffer(like((), jnp.int32), num_candidates=5, capacity=3)
    seen = []

    def observe(state, params, candidates, transition):
        return state, {"candidates": candidates.observation}

    agent = assemble(
        lambda parts: SearchControl(no_state, everywhere, observe=observe), candidates=source, planning_updates=1
    )
    key = run_key(0, 1)

    def step(state, number):
        noise = jax.tree.map(lambda leaf: leaf[0], dyna.draw_noise(agent, key, number[None]))
        return dyna.real_step(agent, state, noise)

    step = quick_jit(step)
    state, visited = dyna.init(agent, key), []
    for number in range(20):
        visited.append(int(state.observation))
        state, info = step(state, jnp.int32(number))
        seen.append(set(np.asarray(info.search["candidates"]).tolist()))
        assert seen[-1] <= set(visited[-3:]), "those of the last three steps, this one included"
    assert len(set(map(frozenset, seen))) > 3


def test_a_batch_of_no_queries_is_refused():
    with pytest.raises(ValueError, match="batch_size is 0"):
        assemble(uniform(), planning_updates=1, batch_size=0)
