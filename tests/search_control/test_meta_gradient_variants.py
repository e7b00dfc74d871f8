"""What the variants of MGSC do differently, and where they must not differ."""

from __future__ import annotations

import numpy as np
import pytest
from tests.search_control.strategies_table import IS_TERMINAL, NUM_STEPS, SUITE, run


@pytest.mark.parametrize("name", ["recent of one", "successive of one"])
def test_several_transitions_that_are_one_are_the_method(name):
    np.testing.assert_allclose(run(f"meta_gradient, {name}").weights, run("meta_gradient").weights, atol=1e-5)


def test_several_transitions_change_what_is_learned():
    one = run("meta_gradient").weights
    for name in ("recent", "successive"):
        assert np.abs(run(f"meta_gradient, {name}").weights - one).max() > 1e-3


def test_recent_transitions_are_looked_at_until_they_are_forgotten():
    """Weight moves at a state also in steps after it was visited, which the method alone never does in ∂L/∂w."""
    seen = run("meta_gradient, recent").state.search.inner.recent
    visited = run("meta_gradient, recent").transition.observation
    for step in range(5, NUM_STEPS):
        # The ring of three holds the last three transitions, in whatever order.
        np.testing.assert_array_equal(np.sort(seen.ring.observation[step]), np.sort(visited[step - 2 : step + 1]))
        assert seen.count[step] == step + 1


def test_a_share_of_the_queries_stays_uniform():
    weights = run("meta_gradient, mixture").weights
    allowed = ~IS_TERMINAL
    assert (weights[:, allowed] >= 0.3 / allowed.sum() - 1e-6).all()
    assert (weights[:, ~allowed] == 0).all()
    assert np.ptp(weights[:, allowed]) > 1e-3


def test_the_optimiser_starts_anew_at_every_switch():
    counts = run("meta_gradient, resets").state.search.inner.optimizer[0].count
    expected = np.arange(NUM_STEPS) % SUITE.environment.switch_every + 1
    np.testing.assert_array_equal(counts, expected)
