"""A run with networks that was stopped and saved goes on bit for bit: values, optimisers, model, buffer and d."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

import mgsc
from mgsc import dyna
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.running.build import build_agent, build_problem

AGENTS = (
    "meta_gradient_both",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("hill_climbing", "dqn", "meta_gradient_pairs", "meta_gradient_recent")
    ),
)
SMALL = {
    "values.units": 4,
    "values.target_every": 7,
    "model.units": 3,
    "model.members": 2,
    "model.batch_size": 3,
    "model.capacity": 30,
    "candidates.num_candidates": 4,
    "candidates.capacity": 20,
    "candidates.order": "priority",
    "candidates.every": 3,
    "planning_updates": 2,
    "batch_size": 3,
    "rollout_length": 2,
}

MORE = {
    "meta_gradient_pairs": {"meta_gradient_pairs.replays": True},
    "meta_gradient_recent": {"meta_gradient_recent.update_every": 3},
}
"""Settings of some of them, so that together they have all that a state may hold."""


@pytest.mark.parametrize("name", AGENTS)
def test_a_saved_run_goes_on_bit_for_bit(name, tmp_path):
    changes = SMALL | MORE.get(name, {})
    suite = change_suite(choose_agents(get_suite("net-cartpole"), [name]), changes)
    agent, key = build_agent(suite, suite.agents[name], build_problem(suite)), jax.random.key(3)
    recorder = dyna.total_reward()

    def half(state):
        return dyna.run_chunk(agent, state, key, num_steps=25, measure_every=25, recorder=recorder)

    half = quick_jit(half)
    begun = quick_jit(lambda: dyna.init(agent, key))()
    middle, _ = half(begun)
    mgsc.save_state((middle, key), tmp_path / "run.npz")
    like = jax.eval_shape(lambda: (dyna.init(agent, key), key))
    restored, same_key = mgsc.load_state(tmp_path / "run.npz", like=like)
    jax.tree.map(np.testing.assert_array_equal, middle, restored)
    assert jnp.array_equal(jax.random.key_data(same_key), jax.random.key_data(key))
    (end, reward), (other, same) = half(middle), half(restored)
    jax.tree.map(np.testing.assert_array_equal, (end, reward), (other, same))
    assert end.step == 50
    moved = jax.tree.map(lambda one, later: bool((one != later).any()), middle.values, end.values)
    assert all(jax.tree.leaves(moved)), "there was something to learn"
