"""Strategies that follow the agent, against a plain account of where it went."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.quick import quick_jit
from tests.search_control import strategies_table as table

from mgsc.search_control import visited
from mgsc.search_control.experience import LARGEST_WINDOW
from mgsc.search_control.frequency import FORGETTING
from mgsc.search_control.table import STRATEGIES
from mgsc.types import Candidates, Params, Transition

NUM_STATES, NUM_STEPS, BUDGET = table.NUM_STATES, table.NUM_STEPS, table.BUDGET
SEEDS = range(8)


def shares(observations: np.ndarray, window: int) -> np.ndarray:
    """[T, S] after each step, the share of the last ``window`` steps in each state."""
    counted = [
        np.bincount(observations[max(0, step + 1 - window) : step + 1], minlength=NUM_STATES)
        for step in range(len(observations))
    ]
    return np.array([visits / visits.sum() for visits in counted])


# --- visited and recency -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_visited_asks_by_the_frequencies_of_all_steps_so_far(seed):
    seen = table.run("visited", seed)
    np.testing.assert_allclose(seen.weights, shares(seen.transition.observation, NUM_STEPS), atol=1e-6)


@pytest.mark.parametrize("window", [1, table.WINDOW, 50])
def test_recency_asks_by_the_frequencies_of_its_window(window):
    for seed in SEEDS:
        seen = table.run("recency", seed, window=window)
        known = shares(seen.transition.observation, window)
        np.testing.assert_allclose(seen.weights, known, atol=1e-6)
        # What has left the window is forgotten altogether.
        np.testing.assert_array_equal(seen.weights > 0, known > 0)
    assert (seen.weights == 0)[window:, ~table.IS_TERMINAL].any(), "some state was forgotten"


def test_a_window_that_holds_the_whole_run_forgets_nothing():
    """Planning differs in no bit then, and so the agent goes the same way."""
    one, other = table.run("recency", window=NUM_STEPS), table.run("visited")
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.query, other.query)
    assert not np.array_equal(table.run("recency", window=NUM_STEPS - 100).weights, other.weights)


@pytest.mark.parametrize("name", ["visited", "recency"])
def test_queries_are_as_frequent_as_the_frequencies_say(name):
    weights, queries = [], []
    for seed in SEEDS:
        seen = table.run(name, seed)
        weights.append(np.repeat(seen.weights, BUDGET, axis=0))
        queries.append(seen.query.ravel())
    weights, queries = np.concatenate(weights), np.concatenate(queries)
    # The number of queries of a state is a sum of independent chances.
    counts = np.bincount(queries, minlength=NUM_STATES)
    spread = np.sqrt((weights * (1 - weights)).sum(0))
    assert (np.abs(counts - weights.sum(0)) <= 4 * spread).all()
    assert counts.max() > 2 * counts[~table.IS_TERMINAL].min(), "which is far from uniform"


@pytest.mark.parametrize("name", ["visited", "recency"])
def test_the_model_is_asked_what_the_policy_would_do_there_now(name):
    """They do not repeat what happened: other actions, and other outcomes, come up."""
    seen = table.run(name)
    real = {tuple(step) for step in zip(*(column.tolist() for column in seen.transition))}
    planned = {tuple(step) for step in zip(*(column.ravel().tolist() for column in seen.planned))}
    assert planned - real


def test_experiments_leave_room_for_every_window_they_allow():
    settings = STRATEGIES["recency"].settings
    assert settings.__dataclass_fields__["window"].metadata["high"] == LARGEST_WINDOW


@pytest.mark.parametrize("window", [1, 4, 5])
def test_the_ring_goes_round(window):
    """A ring for five, over two hundred steps; windows up to its size."""
    states = np.random.default_rng(0).integers(0, NUM_STATES, 200)
    index = jnp.arange(NUM_STATES)
    candidates = Candidates(index, index, jnp.ones(NUM_STATES, bool))

    @quick_jit
    def walk(window, states):
        control = visited(window, capacity=5)(None)

        def step(state, here):
            seen = Transition(here, here, jnp.zeros(()), jnp.ones(()), here)
            state, info = control.observe(state, None, candidates, seen)
            assert info == {}
            return state, control.weights(state, None, candidates)

        return lax.scan(step, control.init(jax.random.key(0), Params(None, None), candidates), states)[1]

    found = walk(jnp.int32(window), jnp.asarray(states, jnp.int32))
    np.testing.assert_allclose(found, shares(states, window), atol=1e-6)


# --- trajectory ----------------------------------------------------------------------------------

EACH_TRAJECTORY = pytest.mark.parametrize("name", ["trajectory", "trajectory, learned model"])


def beginnings(seen) -> np.ndarray:
    """[T] where imagined trajectories begin: where the real step led, or where it was made if it ended the episode."""
    real = seen.transition
    return np.where(real.discount > 0, real.successor, real.observation)


@EACH_TRAJECTORY
def test_each_query_is_where_the_one_before_has_led(name):
    for seed in SEEDS:
        seen = table.run(name, seed)
        begins = beginnings(seen)
        for step in range(NUM_STEPS):
            here = begins[step]
            for number in range(BUDGET):
                assert seen.query[step, number] == here
                assert seen.planned.observation[step, number] == here
                goes_on = seen.planned.discount[step, number] > 0
                here = seen.planned.successor[step, number] if goes_on else begins[step]


def test_trajectories_meet_all_that_may_happen():
    """The test above would say less if nothing ever ended."""
    runs = [table.run("trajectory", seed) for seed in SEEDS]
    assert any((seen.transition.discount == 0).any() for seen in runs), "real episodes end"
    assert any((seen.planned.discount[:, :-1] == 0).any() for seen in runs), "imagined ones, too, with updates to come"
    moved = [np.mean(seen.query[:, 1:] != seen.query[:, :-1]) for seen in runs]
    assert min(moved) > 0.3, "and trajectories lead somewhere"
    # Each real step begins a new one: they do not go on where the last one of the step before has led.
    assert any((seen.query[1:, 0] != seen.planned.successor[:-1, -1]).mean() > 0.3 for seen in runs)


@EACH_TRAJECTORY
def test_imagined_steps_are_the_models_not_the_worlds(name):
    seen = table.run(name)
    assert (seen.planned.successor != seen.transition.successor[:, None]).any()


def test_trajectory_reports_how_often_it_asked_lately():
    seen = table.run("trajectory")
    allowed = ~table.IS_TERMINAL
    frequency = allowed / allowed.sum()
    for step in range(NUM_STEPS):
        np.testing.assert_allclose(seen.weights[step], frequency, atol=1e-5)
        for state in seen.query[step]:
            frequency = (1 - FORGETTING) * frequency + FORGETTING * (np.arange(NUM_STATES) == state)
    assert np.abs(frequency - allowed / allowed.sum()).max() > 0.1


def test_updates_beyond_k_are_not_counted():
    seen = table.run("trajectory", planning_updates=1)
    allowed = ~table.IS_TERMINAL
    frequency = allowed / allowed.sum()
    for state in seen.query[:-1, 0]:
        frequency = (1 - FORGETTING) * frequency + FORGETTING * (np.arange(NUM_STATES) == state)
    np.testing.assert_allclose(seen.weights[-1], frequency, atol=1e-5)
