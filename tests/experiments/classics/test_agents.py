"""Agents of the classics: no planning is Q-learning; counting and listing change no query."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc import dyna
from mgsc.environments import DynaMazeSettings
from mgsc.environments.book_mazes import dyna_maze
from mgsc.environments.tables import steps_to_goal
from mgsc.experiments.classics.sweeping import with_counter
from mgsc.experiments.classics.table import CLASSICS, SWEEPING, _agent
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.program import run_key
from mgsc.policies import epsilon_greedy
from mgsc.search_control import dyna_q, uniform

NUM_STEPS = 3000


def with_updates(agent: dyna.Dyna, epsilon: float, strategy, updates, most: int) -> dyna.Dyna:
    return dyna.assemble(
        agent.environment,
        agent.environment_params,
        agent.values,
        epsilon_greedy(epsilon),
        agent.model,
        strategy,
        agent.candidates,
        step_size=agent.step_size,
        discount=agent.discount,
        planning_updates=updates,
        max_planning_updates=most,
    )


@pytest.mark.parametrize("most", [0, 3])
def test_dyna_q_without_updates_is_q_learning_bit_for_bit(most):
    suite = CLASSICS["dyna-maze"].suite
    problem = build_problem(suite)
    plain = build_agent(suite, suite.agents["n = 0"], problem)

    def values(strategy, updates, bound):
        def end(updates):
            state, _ = dyna.run(with_updates(plain, suite.epsilon, strategy, updates, bound), run_key(0, 5), NUM_STEPS)
            return state.values

        return np.asarray(quick_jit(end)(updates))

    q_learning = values(uniform(), 0, 0)
    assert q_learning.max() > 0.1
    np.testing.assert_array_equal(values(dyna_q(4), jnp.asarray(0), most), q_learning)
    if most:
        assert (values(dyna_q(4), jnp.asarray(most), most) != q_learning).any()


def sweeping_agent():
    suite = CLASSICS["sweeping-1"].suite
    problem = build_problem(suite)
    agent = build_agent(suite, suite.agents[SWEEPING], problem)
    return agent._replace(updates_directly=False), problem


def last_state(agent, num_steps=NUM_STEPS):
    end = quick_jit(lambda seed: dyna.run(agent, run_key(0, seed), num_steps)[0])
    return jax.tree.map(np.asarray, end(jnp.asarray(5)))


@pytest.mark.slow
def test_counting_changes_nothing_and_counts_what_is_queued():
    agent, _ = sweeping_agent()
    plain = last_state(agent)
    counted = last_state(agent._replace(search_control=with_counter(agent.search_control)))
    np.testing.assert_array_equal(counted.values, plain.values)
    assert 0 < counted.search.updates < 5 * NUM_STEPS


def test_before_the_goal_there_is_nothing_to_sweep():
    agent, _ = sweeping_agent()
    early = last_state(agent._replace(search_control=with_counter(agent.search_control)), num_steps=250)
    assert early.values.max() == 0
    assert early.search.updates == 0


def test_only_prioritized_sweeping_can_be_counted():
    suite = CLASSICS["dyna-maze"].suite
    agent = build_agent(suite, suite.agents["n = 5"], build_problem(suite))
    with pytest.raises(ValueError, match="queue"):
        with_counter(agent.search_control)


def test_planning_only_leaves_real_transitions_out():
    suite = CLASSICS["dyna-maze"].suite
    plain = build_agent(suite, suite.agents["n = 0"], build_problem(suite))
    assert last_state(plain).values.max() > 0
    assert last_state(plain._replace(updates_directly=False)).values.max() == 0


def test_every_experiment_has_its_goal():
    """What is a solution: 16 and 33 steps as in the references, and 1.2 times the shortest path at resolution 3."""
    assert [CLASSICS[f"sweeping-{resolution}"].length for resolution in (1, 2)] == [16, 33]
    shortest = steps_to_goal(dyna_maze(DynaMazeSettings(resolution=3)).tables)
    assert CLASSICS["sweeping-3"].length == int(1.2 * shortest)
    assert CLASSICS["sweeping-2"].suite.environment == DynaMazeSettings(resolution=2)
    assert _agent("dyna_q_plus", 1.0, bonus=1e-4).options.bonus == 1e-4
