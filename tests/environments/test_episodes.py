"""Returns and lengths of episodes, as the environment reports them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.environments import from_map, tabular
from mgsc.environments.episodes import with_episodes

RIGHT = 3


def test_an_episode_reports_its_own_return_and_length_and_the_next_begins_at_zero():
    environment, params = tabular(from_map("S.A", {"A": (5.0, 7.0)}), switch_every=4)
    counting = with_episodes(environment)
    state, _ = counting.reset(jnp.float32(0), params, None)
    found = []
    for _ in range(5):
        step = counting.step(jnp.float32(0), state, jnp.int32(RIGHT), params)
        found.append((float(step.info["episode_return"]), int(step.info["episode_length"]), bool(step.terminated)))
        state = step.state
        if step.terminated:
            state, _ = counting.reset(jnp.float32(0), params, state)
    # Two steps to the goal; the rewards switch after four steps, but the clock goes on across episodes.
    assert found == [(0, 1, False), (5, 2, True), (0, 1, False), (5, 2, True), (0, 1, False)]
    assert int(state.clock) == 5


def test_all_else_is_the_environments_own():
    environment, params = tabular(from_map("S.A", {"A": (5.0,)}))
    counting = with_episodes(environment)
    plain, _ = environment.reset(jnp.float32(0), params, None)
    state, _ = counting.reset(jnp.float32(0), params, None)
    one, other = (
        each.step(jnp.float32(0), start, jnp.int32(RIGHT), params)
        for each, start in ((environment, plain), (counting, state))
    )
    plainly = other._replace(info={}, state=other.state.inner)
    assert jax.tree.all(jax.tree.map(np.array_equal, one._replace(info={}), plainly))
