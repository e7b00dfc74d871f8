"""Rows of the table: what they need, with networks and candidates that change from step to step."""

from __future__ import annotations

import dataclasses
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit
from tests.search_control import strategies_table as table

from mgsc import dyna, values
from mgsc.agent import parts_of
from mgsc.environments.cartpole import CartPoleSettings, cartpole
from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.meta_gradient.methods import suitable_method
from mgsc.models.mlp_ensemble import MlpEnsemble, mlp_ensemble
from mgsc.policies import epsilon_greedy
from mgsc.problem import Problem
from mgsc.replay_buffer import replay_buffer
from mgsc.search_control.expected import all_expected_errors
from mgsc.search_control.row import Need, named_setting, num_candidate_pairs
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import left_out
from mgsc.types import Candidates, Params, like
from mgsc.values.mlp import mlp

NUM_CANDIDATES = 6
ENSEMBLE = MlpEnsemble(members=2, units=4, layers=1, batch_size=3, capacity=50)
NETWORK_READY = {
    "no_planning": {},
    "uniform": {},
    "uniform_pairs": {},
    "replay": {"window": 5},
    "td_error_priority": {},
    "prioritized_replay": {},
    "disagreement": {},
    "curious_replay": {},
    "stored_priority": {},
    "hill_climbing": {"climb_steps": 3, "capacity": 20},
    "meta_gradient": {"logits": "network", "logit_units": 4},
}
"""What can do without a list of states, with the settings that make it so."""
LESS_OFTEN = ("no_planning", "replay", "prioritized_replay", "curious_replay", "stored_priority")
"""Those of them that choose among stored transitions, or none: their longest test is a slow one."""


def needs_of(name: str, **options: object) -> set[str]:
    row = STRATEGIES[name]
    return set(row.needs(row.settings(**options)))


def test_rows_are_named_as_in_the_table() -> None:
    assert all(row.name == name for name, row in STRATEGIES.items())
    assert all(needs_of(name) <= set(get_args(Need)) for name in STRATEGIES)


def test_what_needs_no_list_of_states() -> None:
    assert {name for name in STRATEGIES if "listed states" not in needs_of(name)} | {"meta_gradient"} == {
        *NETWORK_READY
    }
    for name, options in NETWORK_READY.items():
        assert needs_of(name, **options) <= {"discrete actions", "stored transitions", "an ensemble"}


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({}, {"listed states"}),
        ({"over": "pairs"}, {"listed states"}),
        ({"over": "pairs", "logits": "network"}, set()),
        ({"logits": "linear"}, set()),
        ({"logits": "both"}, {"stored transitions"}),
        ({"logits": "linear", "form": "saturating"}, {"a table of values"}),
        ({"logits": "linear", "experience": "recent"}, set()),
        (
            {"logits": "linear", "experience": "successive"},
            {"listed states", "discrete actions", "a table of values"},
        ),
    ],
)
def test_needs_of_mgsc_depend_on_its_settings(options: dict[str, str], needs: set[str]) -> None:
    assert needs_of("meta_gradient", **options) == needs


def problem() -> Problem:
    environment, params, observation, reward_scale, scale, *_ = cartpole(CartPoleSettings())
    facts = Facts(observation, 2, 0.99, reward_scale, switch_every=1, observation_scale=scale)
    source = replay_buffer(observation, num_candidates=NUM_CANDIDATES, capacity=50)
    return Problem(
        facts=facts,
        environment=environment,
        environment_params=params,
        policy=epsilon_greedy(0.1),
        model=mlp_ensemble(ENSEMBLE, facts),
        learns=True,
        candidates=source,
        truth=None,
    )


def run(name: str, **options: object) -> tuple[np.ndarray, bool]:
    """d of the last of some steps with networks, and whether all that is learned is finite."""
    given, row = problem(), STRATEGIES[name]
    facts = given.facts
    agent = dyna.assemble(
        given.environment,
        given.environment_params,
        mlp(facts.encode, (facts.num_inputs, 8, 2)),
        given.policy,
        given.model,
        row.build(row.settings(**options), table.facts_of(given)),
        given.candidates,
        step_size=0.05,
        discount=0.99,
        planning_updates=3 if row.plans else 0,
    )

    def keep(record, info):
        return record if info.weights is None else info.weights.reshape(NUM_CANDIDATES, -1).sum(-1)

    def whole(key):
        recorder = dyna.Recorder(
            init=lambda: jnp.zeros(NUM_CANDIDATES), step=keep, measure=lambda record, state: record
        )
        return dyna.run_chunk(agent, dyna.init(agent, key), key, num_steps=40, measure_every=40, recorder=recorder)

    state, weights = quick_jit(whole)(jax.random.key(0))
    numbers = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]
    return np.asarray(weights), all(np.isfinite(leaf).all() for leaf in numbers)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *((name, {}) for name in NETWORK_READY if name not in LESS_OFTEN),
        ("meta_gradient", {"logits": "both", "over": "pairs"}),
        *(
            pytest.param(name, more, marks=pytest.mark.slow)
            for name, more in (
                *((name, {}) for name in LESS_OFTEN),
                ("td_error_priority", {"kind": "rank"}),
                ("hill_climbing", {"kind": "frequency"}),
                ("disagreement", {"kind": "mask"}),
                ("meta_gradient", {"logits": "linear", "over": "pairs"}),
                ("meta_gradient", {"logits": "features"}),
                ("meta_gradient", {"experience": "recent", "experience_length": 2, "target": "current"}),
            )
        ),
    ],
)
def test_networks_and_candidates_of_a_buffer_will_do(name: str, more: dict[str, object]) -> None:
    weights, is_finite = run(name, **{**NETWORK_READY[name], **more})
    assert is_finite
    assert weights.sum() == pytest.approx(1 if STRATEGIES[name].plans else 0, abs=1e-5)


def test_expected_backups_count_the_candidates_there_are() -> None:
    facts = table.facts_of(problem())
    assert num_candidate_pairs(facts) == NUM_CANDIDATES * 2
    assert num_candidate_pairs(table.facts_of(table.PROBLEM)) == table.NUM_STATES * table.NUM_ACTIONS
    settings = STRATEGIES["meta_gradient"].settings(logits="network")
    assert STRATEGIES["meta_gradient"].expected_backups(settings, facts) == NUM_CANDIDATES * 2
    fifth = STRATEGIES["meta_gradient"].settings(logits="network", update_every=5)
    assert STRATEGIES["meta_gradient"].expected_backups(fifth, facts) == -(-NUM_CANDIDATES * 2 // 5)
    unrolled = STRATEGIES["meta_gradient"].settings(logits="network", form="unrolled")
    assert STRATEGIES["meta_gradient"].expected_backups(unrolled, facts) == NUM_CANDIDATES * 2 * facts.max_updates
    assert STRATEGIES["td_error_priority"].expected_backups(None, facts) == NUM_CANDIDATES * 2


def test_expected_errors_of_any_candidates_are_those_of_the_listed_ones() -> None:
    agent = table.build(table.VARIANTS["uniform"], table.numbers_of(table.VARIANTS["uniform"]))
    parts, listed = parts_of(agent.values, agent.policy, agent.model), table.PROBLEM.listed
    q = jax.random.normal(jax.random.key(0), (table.NUM_STATES, table.NUM_ACTIONS))
    params = Params(q, agent.model.init(jax.random.key(1)))
    every = all_expected_errors(parts, params, listed)
    some = jnp.array([6, 1, 1])
    batch = Candidates(some, jnp.arange(3), jnp.ones(3, bool))
    np.testing.assert_allclose(all_expected_errors(parts, params, batch, is_listed=False), every[some], atol=1e-6)


def test_stored_actions_that_are_numbers_cost_an_expected_backup_each() -> None:
    """There are no A actions to divide the pairs by."""
    given, action = problem(), like((2,), jnp.float32)
    source = replay_buffer(
        given.facts.observation, action=action, num_candidates=NUM_CANDIDATES, capacity=50, actions="stored"
    )
    facts = given.facts._replace(num_actions=0, numbers=action)
    row, given = STRATEGIES["meta_gradient"], given._replace(facts=facts, candidates=source)
    assert row.expected_backups(row.settings(logits="network"), table.facts_of(given)) == NUM_CANDIDATES


def test_pairs_are_refused_where_candidates_bring_their_actions() -> None:
    given = problem()
    source = replay_buffer(given.facts.observation, num_candidates=NUM_CANDIDATES, capacity=50, actions="stored")
    row, facts = STRATEGIES["meta_gradient"], table.facts_of(given._replace(candidates=source))
    assert row.expected_backups(row.settings(logits="network"), facts) == NUM_CANDIDATES
    with pytest.raises(UserError, match="over=pairs chooses actions"):
        row.build(row.settings(logits="network", over="pairs"), facts)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "logits=network or linear or features or both, not logits=table"),
        ({"logits": "network", "form": "unrolled"}, "form=scaled or single"),
        ({"logits": "linear", "experience": "successive"}, "experience=one or recent"),
    ],
)
def test_replays_are_refused_where_no_gradient_of_them_is_known(changes, words) -> None:
    row, facts = STRATEGIES["meta_gradient"], table.facts_of(problem())
    with pytest.raises(UserError, match=words):
        row.build(row.settings(replays=True, **changes), facts)


def test_replays_are_refused_where_candidates_bring_their_actions() -> None:
    given = problem()
    source = replay_buffer(given.facts.observation, num_candidates=NUM_CANDIDATES, capacity=50, actions="stored")
    row, facts = STRATEGIES["meta_gradient"], table.facts_of(given._replace(candidates=source))
    settings = row.settings(logits="network", replays=True)
    assert set(row.needs(settings)) == {"stored transitions", "discrete actions"}
    with pytest.raises(UserError, match=r"set candidates\.actions to policy"):
        row.build(settings, facts)


@pytest.mark.parametrize(
    ("form", "target", "is_table", "is_listed", "method"),
    [
        ("scaled", "planned", True, True, "table"),
        ("saturating", "planned", True, True, "table"),
        ("unrolled", "planned", True, True, "automatic"),
        ("scaled", "current", True, True, "automatic"),
        ("scaled", "planned", True, False, "network"),
        ("saturating", "planned", True, False, "automatic"),
        ("single", "current", False, True, "network"),
        ("unrolled", "planned", False, False, "automatic"),
    ],
)
def test_the_way_to_the_gradient_suits_the_values(form, target, is_table, is_listed, method) -> None:
    assert suitable_method(form, target, is_table=is_table, is_listed=is_listed) == method


def test_saturating_is_refused_without_a_table() -> None:
    with pytest.raises(UserError, match="form=saturating counts the updates of each entry of a table"):
        suitable_method("saturating", "planned", is_table=False, is_listed=True)


def test_a_batch_of_candidates_of_a_table_takes_another_way_to_the_same_gradient() -> None:
    """All states as a batch: the closed form and the forward-mode pass agree."""
    row, given = STRATEGIES["meta_gradient"], table.PROBLEM
    settings = row.settings(logits="linear")
    batch = given.candidates._replace(listed=None)
    found = []
    for source in (given.candidates, batch):
        agent = dyna.assemble(
            given.environment,
            given.environment_params,
            values.table(table.NUM_STATES, table.NUM_ACTIONS),
            given.policy,
            given.model,
            row.build(settings, table.facts_of(given._replace(candidates=source))),
            source,
            step_size=0.5,
            discount=0.9,
            planning_updates=3,
        )
        state, _ = quick_jit(lambda key, agent=agent: dyna.run(agent, key, 60))(jax.random.key(2))
        found.append(np.asarray(agent.search_control.weights(state.search, state.params, given.listed)))
    assert np.ptp(found[0]) > 1e-3
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_settings_of_mgsc_that_came_later_are_left_out_of_plain_data() -> None:
    row, networks = STRATEGIES["meta_gradient"], ["logit_units", "logit_layers", "logit_steepness"]
    networks += ["planned_step_size", "replays", "update_every"]
    assert left_out(row.settings()) == ["over", "logits", *networks]
    assert left_out(dataclasses.replace(row.settings(), over="pairs")) == ["logits", *networks]


def test_a_setting_is_named_with_its_value() -> None:
    stored = {"step_size": 0.5, "options": {"mixture": 0.25}}
    named = [named_setting("a", stored, name) for name in ("step_size", "mixture", "temperature")]
    assert named == ["a.step_size (0.5)", "a.mixture (0.25)", "a.temperature"]
