"""The strategies of the family, each against a plain account of what it should query."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit, slow_but_for
from tests.search_control import plain
from tests.search_control import strategies_table as table
from tests.search_control.plain import ALLOWED, DISCOUNT, MODEL, PAIRS, steps
from tests.search_control.strategies_table import PLANNING, VARIANTS

from mgsc import dyna, search_control
from mgsc.agent import parts_of as agent_parts
from mgsc.environments.predecessors import incoming_pairs
from mgsc.experiments.design.agents import FAMILY, AgentSettings
from mgsc.experiments.design.suites import check_suite
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.models import FixedModel, LearnedModel
from mgsc.search_control.base import SearchControl, sample_query
from mgsc.search_control.table import STRATEGIES
from mgsc.types import Params, Parts

NUM_PAIRS = table.NUM_STATES * table.NUM_ACTIONS


def shares(pairs) -> np.ndarray:
    weights = np.zeros((table.NUM_STATES, table.NUM_ACTIONS))
    for pair, share in pairs.items():
        weights[pair] = share
    return weights / weights.sum()


@pytest.mark.parametrize("name", ["dyna_q", "dyna_q, states"])
def test_dyna_q_asks_about_what_was_tried(name):
    seen = table.run(name)
    tried, asked = set(), set()
    for step in steps(seen):
        tried.add(step.real[:2])
        actions = {state: sum(pair[0] == state for pair in tried) for state, _ in tried}
        expected = {pair: 1 / actions[pair[0]] if name.endswith("states") else 1 for pair in tried}
        np.testing.assert_allclose(seen.weights[step.number], shares(expected), atol=1e-6)
        asked |= {query[:2] for query in step.queries}
        assert asked <= tried
    assert len(asked) > 0.8 * len(tried), "most of what was tried is asked about"


def test_dyna_q_plus_pays_for_what_was_not_tried_for_long():
    seen = table.run("dyna_q_plus", bonus=0.1)
    visited, tried_at, untried = set(), {}, 0
    for step in steps(seen):
        visited.add(step.real[0])
        tried_at[step.real[:2]] = step.number + 1
        assert set(np.flatnonzero(seen.weights[step.number].sum(-1))) == visited
        assert np.ptp(seen.weights[step.number][list(visited)]) == 0
        for state, action, reward, _, successor in step.queries:
            bonus = 0.1 * np.sqrt(step.number + 1 - tried_at.get((state, action), 0))
            untried += (state, action) not in tried_at
            known = [r for _, r, _, s in plain.outcomes(MODEL, state, action) if s == successor]
            assert np.abs(np.array(known) + bonus - reward).min() < 1e-5
    assert untried > 0


@pytest.mark.parametrize("name", ["prioritized_sweeping", "prioritized_sweeping, once"])
def test_issue_prioritized_sweeping_keeps_a_queue(name):
    """Every priority is accounted for, that of the pair just updated too; where the queue is empty nothing changes."""
    seen, threshold, requeues = table.run(name), 1e-3, name == "prioritized_sweeping"
    queue = dict.fromkeys(PAIRS, 0.0)
    scale = np.zeros(seen.query.shape)
    for step in steps(seen, scale):
        error = abs(plain.target(step.at_first, step.real) - step.at_first[step.real[:2]])
        if error > threshold:
            queue[step.real[:2]] = max(queue[step.real[:2]], error)
        values = step.before[0]
        for k, query in enumerate(step.queries):
            largest, pair = max(queue.values()), query[:2]
            assert queue[pair] >= largest - 1e-6
            if largest == 0:
                continue
            scale[step.number, k] = 1
            values = plain.updated(values, query, plain.STEP_SIZE)
            for other in PAIRS:
                leads = any(g > 0 and s == pair[0] for _, _, g, s in plain.outcomes(MODEL, *other))
                if leads or other == pair:
                    error = abs(plain.expected_error(values, *other))
                    assert abs(error - threshold) > 1e-7, "too close to call"
                    queue[other] = error if error > threshold and (leads or requeues) else 0.0
        np.testing.assert_allclose(
            [seen.state.search.inner.queue[step.number][s * 4 + a] for s, a in PAIRS],
            list(queue.values()),
            atol=1e-5,
        )
    assert 0.2 < scale.mean() < 1, "both happen"
    assert len({pair for pair in zip(*(part[scale > 0] for part in seen.planned[:2]), strict=True)}) > 5


def test_an_empty_queue_changes_nothing():
    seen = table.run("prioritized_sweeping", threshold=100.0)
    scale = np.zeros(seen.query.shape)
    assert seen.values.any()
    assert sum(1 for _ in steps(seen, scale)) == table.NUM_STEPS, "all of it follows from direct updates"
    assert np.ptp(seen.weights[:, ALLOWED]) < 1e-7


def parts_of(suite=table.SUITE, problem=table.PROBLEM) -> Parts:
    agent = build_agent(suite, table.VARIANTS["uniform"].agent, problem)
    return agent_parts(agent.values, agent.policy, agent.model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prioritized_sweeping", "small_backups", "gain_need"])
@pytest.mark.parametrize("model", [FixedModel(), LearnedModel(step_size=0.3)])
def test_listed_predecessors_change_nothing(name, model):
    """Neither what is queried nor what becomes of the values, but for the order of equals within rounding."""
    suite = dataclasses.replace(
        table.SUITE, model=model, agents={name: AgentSettings(name, options=STRATEGIES[name].settings())}
    )
    listed = build_problem(suite)
    truth = listed.known
    assert truth.predecessors.shape[1] < truth.optimal[0].size
    found = []
    for problem in (listed, listed._replace(truth=truth._replace(links=None))):
        agent = build_agent(suite, suite.agents[name], problem)
        found.append(quick_jit(lambda agent=agent: table.trajectory(agent, jnp.uint32(3), table.NUM_STEPS))())
    assert np.asarray(found[0].values).any()
    np.testing.assert_array_equal(found[0].query, found[1].query)
    np.testing.assert_allclose(found[0].values, found[1].values, atol=1e-6)


@pytest.mark.parametrize("name", ["prioritized_sweeping", "small_backups"])
def test_what_was_never_tried_is_never_swept(name):
    """The model that learns guesses about it; the queue holds none of that."""
    suite = dataclasses.replace(
        table.SUITE,
        model=LearnedModel(untried="optimistic", optimistic_reward=5.0),
        agents={name: AgentSettings(name, options=STRATEGIES[name].settings())},
    )
    problem = build_problem(suite)
    agent = build_agent(suite, suite.agents[name], problem)
    search = quick_jit(lambda: dyna.run(agent, jax.random.key(1), 40, chunk_steps=40))()[0].search
    untried = (np.asarray(search.tried) == 0).reshape(-1)
    assert 0 < untried.sum() < untried.size
    assert (np.asarray(search.queue)[:-1][untried] <= 0).all()
    assert (np.asarray(search.queue) > 0).any()


RULED_OUT = 2
"""A state in which episodes go on."""
OF_ALL_STATES = [
    name
    for name in PLANNING
    if name in STRATEGIES
    and name not in {"recency", "visited", "trajectory", "replay", "dyna_q", "uncertainty", "value_gradient"}
]


@pytest.mark.parametrize("name", slow_but_for(["prioritized_sweeping", "meta_gradient"], OF_ALL_STATES))
def test_what_is_ruled_out_is_never_queried_though_the_agent_goes_there(name):
    candidates = table.PROBLEM.listed
    allowed = candidates.is_allowed & (candidates.index != RULED_OUT)
    numbers = table.numbers_of(VARIANTS[name])
    agent = table.build(VARIANTS[name], numbers, candidates._replace(is_allowed=allowed))
    seen = jax.tree.map(np.asarray, quick_jit(lambda: table.trajectory(agent, jnp.uint32(3), table.NUM_STEPS))())
    assert (seen.transition.observation == RULED_OUT).sum() > 5
    assert (seen.query != RULED_OUT).all()
    assert not seen.weights[:, RULED_OUT].any()


def test_incoming_pairs_by_hand():
    """In a corridor of two cells with a goal at its end."""
    shape = (3, 1, 2)
    tables = MODEL._replace(
        probability=np.array([0.5, 0.5, 1, 0, 1, 0], np.float32).reshape(shape),
        successor=np.array([0, 1, 2, 0, 2, 2], np.int32).reshape(shape),
        terminates=np.array([0, 0, 1, 0, 0, 0], bool).reshape(shape),
    )
    np.testing.assert_array_equal(incoming_pairs(tables), [[0], [0], [2]])


@pytest.mark.parametrize("name", ["td_error_priority", "td_error_priority, rank", "td_error_priority, importance"])
def test_td_errors_are_priorities(name):
    seen, exponent, correction = table.run(name), 0.6, 0.4
    scale = np.ones(seen.query.shape)
    if name.endswith("importance"):
        for step in range(table.NUM_STEPS):
            chances = seen.weights[step]
            least = chances[chances > 0].min()
            scale[step] = (least / chances[seen.query[step], seen.planned.action[step]]) ** correction
        assert scale.min() < 0.5
    for step in steps(seen, scale):
        errors = {pair: abs(plain.expected_error(step.before[0], *pair)) for pair in PAIRS}
        if name.endswith("rank"):
            # float32 tells apart what it holds for different: pairs within rounding may share or swap a rank.
            low = {p: 1 + sum(o > e + 1e-6 for o in errors.values()) for p, e in errors.items()}
            high = {p: 1 + sum(o > e - 1e-6 for o in errors.values()) for p, e in errors.items()}
            found = seen.weights[step.number]
            for pair in PAIRS:
                rank = (found.max() / found[pair]) ** (1 / exponent)
                assert low[pair] - 1e-2 <= rank <= high[pair] + 1e-2
            continue
        priorities = {pair: (error + 1e-3) ** exponent for pair, error in errors.items()}
        np.testing.assert_allclose(seen.weights[step.number], shares(priorities), atol=2e-5)
    assert seen.weights.max() > 2.5 / len(PAIRS)


def test_uncertainty_counts():
    seen, counts = table.run("uncertainty"), {}
    for step in steps(seen):
        counts[step.real[:2]] = counts.get(step.real[:2], 0) + 1
        scores = {pair: np.exp(-1 / (0.3 * np.sqrt(count))) for pair, count in counts.items()}
        np.testing.assert_allclose(seen.weights[step.number], shares(scores), atol=1e-6)


def test_learning_progress_is_the_gain_in_likelihood():
    seen, half = table.run("learning_progress"), 5
    likelihoods: dict[int, list[float]] = {state: [] for state in ALLOWED}
    gains = []
    for step in steps(seen):
        state, action, reward, discount, successor = step.real
        density = sum(
            p * np.exp(-0.5 * ((r - reward) / 0.1) ** 2)
            for p, r, g, s in plain.outcomes(MODEL, state, action)
            if (s, g > 0) == (successor, discount > 0)
        )
        likelihoods[state].append(np.log(max(density, 1e-3)))
        progress = {
            state: np.mean(past[-half:]) - np.mean(past[-2 * half : -half]) if len(past) >= 2 * half else 0.0
            for state, past in likelihoods.items()
        }
        gains += progress.values()
        expected = np.zeros(table.NUM_STATES)
        expected[ALLOWED] = [max(gain, 0) + 0.1 for gain in progress.values()]
        np.testing.assert_allclose(seen.weights[step.number], expected / expected.sum(), atol=1e-5)
    assert max(gains) > 0.1 > -0.1 > min(gains)


def test_model_error_averages_errors_on_real_transitions():
    seen, errors = table.run("model_error"), np.zeros(table.NUM_STATES)
    for step in steps(seen):
        state, action, *_ = step.real
        error = abs(plain.expected_target(step.at_first, state, action) - plain.target(step.at_first, step.real))
        errors[state] += 0.1 * (error - errors[state])
        scores = np.exp(-errors / 0.1) * ~table.IS_TERMINAL
        np.testing.assert_allclose(seen.weights[step.number], scores / scores.sum(), atol=1e-5)
    assert np.ptp(errors[ALLOWED]) > 0.05


def test_value_gradient_climbs_to_the_best_neighbour():
    seen, visited, climbs, begins = table.run("value_gradient"), [], 0, 0
    for step in steps(seen):
        visited.append(step.real[0])
        last = None
        for query, values in zip(step.queries, step.before, strict=True):
            best = values.max(-1)
            near = [s for a in range(4) for _, _, g, s in plain.outcomes(MODEL, last or 0, a) if g > 0 and s in ALLOWED]
            top = max(best[near]) if last is not None else -np.inf
            if last is not None and top > best[last] + 1e-6:
                climbs += 1
                assert query[0] in near
                assert best[query[0]] >= top - 1e-6
            elif last is None or top < best[last] - 1e-6:
                begins += 1
                assert query[0] in visited[-table.WINDOW :]
            last = query[0]
    assert min(climbs, begins) > 20


def test_value_frequency_measures_how_values_change():
    seen = table.run("value_frequency")
    for step in steps(seen):
        best, scores = step.before[0].max(-1), np.zeros(table.NUM_STATES)
        for state in ALLOWED:
            changes = [
                sum(p * (best[s] - best[state]) for p, _, g, s in plain.outcomes(MODEL, state, action) if g > 0)
                for action in range(table.NUM_ACTIONS)
            ]
            scores[state] = np.square(changes).sum() + sum(changes) ** 2 + 1e-3
        np.testing.assert_allclose(seen.weights[step.number], scores / scores.sum(), atol=1e-4)
    assert seen.weights.max() > 0.5


def test_gain_need_asks_where_their_product_is_largest():
    seen = table.run("gain_need")
    occupancy = np.eye(table.NUM_STATES)
    gaining = 0
    for step in steps(seen):
        state, _, _, discount, successor = step.real
        goal = np.eye(table.NUM_STATES)[state] + discount * occupancy[successor]
        occupancy[state] += 0.1 * (goal - occupancy[state])
        here = successor if discount > 0 else state
        for query, values in zip(step.queries, step.before, strict=True):
            worth = {}
            for pair in PAIRS:
                after = values[pair[0]].copy()
                after[pair[1]] += plain.STEP_SIZE * plain.expected_error(values, *pair)
                gain = (plain.epsilon_greedy(after) - plain.epsilon_greedy(values[pair[0]])) @ after
                worth[pair] = max(gain, 1e-6) * occupancy[here, pair[0]]
            most = max(worth.values())
            assert worth[query[:2]] >= most - 1e-6
            gaining += most > 1e-4
    assert gaining > 20
    np.testing.assert_allclose(seen.state.search.inner.occupancy[-1], occupancy, atol=1e-5)


def test_the_oracle_looks_where_an_update_comes_closer_to_the_optimum():
    seen, problem = table.run("oracle"), table.PROBLEM
    is_mixed = False
    for step in steps(seen):
        phase = step.number // table.SUITE.environment.switch_every % problem.known.tables.num_phases
        values = step.before[0]
        scores = {}
        for pair in PAIRS:
            before = values[pair] - problem.known.optimal[phase][pair]
            after = before + plain.STEP_SIZE * (plain.expected_target(values, *pair) - values[pair])
            scores[pair] = max(0.0, abs(before) - abs(after))
        np.testing.assert_allclose(seen.weights[step.number], shares(scores), atol=1e-4)
        is_mixed |= 0 < sum(score == 0 for score in scores.values()) < len(PAIRS)
    assert is_mixed


@pytest.mark.parametrize("name", slow_but_for(["dyna_q", "small_backups", "oracle"], FAMILY))
def test_the_family_plans_with_a_model_that_learns(name):
    suite = dataclasses.replace(
        table.SUITE, model=LearnedModel(), agents={name: AgentSettings(name, options=STRATEGIES[name].settings())}
    )
    check_suite(suite)
    problem = build_problem(suite)
    agent = build_agent(suite, suite.agents[name], problem)
    state, _ = quick_jit(lambda key: dyna.run(agent, key, 120, chunk_steps=40))(jax.random.key(1))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert np.asarray(state.values).any()
    weights = agent.search_control.weights(state.search, Params(state.values, state.model), agent.candidates.listed)
    np.testing.assert_allclose(weights.sum(), 1, atol=1e-5)


def test_expected_backups_are_counted():
    """K = 3, S = 7, A = 4; the widest state of the model has eight pairs leading to it or more."""
    widest = max(
        sum(any(g > 0 and s == here for _, _, g, s in plain.outcomes(MODEL, *divmod(pair, 4))) for pair in range(28))
        for here in range(7)
    )
    expected = {
        "dyna_q": 0,
        "dyna_q_plus": 0,
        "prioritized_sweeping": 3 * (1 + widest),
        "small_backups": 4 * (1 + widest),
        "td_error_priority": 28,
        "uncertainty": 0,
        "learning_progress": 1,
        "model_error": 1,
        "value_gradient": 3 * 4,
        "value_frequency": 28,
        "gain_need": 4 * (4 + widest),
        "oracle": 28,
    }
    assert set(expected) == set(FAMILY)
    for name, number in expected.items():
        row = STRATEGIES[name]
        assert row.expected_backups(row.settings(), table.facts_of(table.PROBLEM)) == number
    anywhere = table.PROBLEM._replace(truth=table.PROBLEM.known._replace(links=None))
    row = STRATEGIES["prioritized_sweeping"]
    assert row.expected_backups(row.settings(), table.facts_of(anywhere)) == 3 * (1 + 28)


@pytest.mark.parametrize("scale", [0.0, 0.25])
def test_a_query_may_scale_its_step_size(scale):
    def scaled(parts):
        uniform = search_control.uniform()(parts)

        def propose(noise, state, params, distribution, candidates, last):
            query = sample_query(noise, distribution, candidates)
            return query._replace(step_scale=jnp.float32(scale))

        return SearchControl(uniform.init, uniform.weights, propose)

    agent = build_agent(table.SUITE, table.VARIANTS["uniform"].agent, table.PROBLEM)
    agent = agent._replace(search_control=scaled(parts_of()), discount=DISCOUNT)
    agent = agent._replace(max_planning_updates=table.BUDGET, planning_updates=table.BUDGET)
    seen = jax.tree.map(np.asarray, quick_jit(lambda: table.trajectory(agent, jnp.uint32(3), table.NUM_STEPS))())
    assert sum(1 for _ in steps(seen, np.full(seen.query.shape, scale))) == table.NUM_STEPS
    assert seen.values.any()
