"""Search control over features: its gradient, what it contains as special cases, and that nothing goes stale."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit
from tests.search_control import strategies_table as table

from mgsc import dyna
from mgsc.agent import parts_of
from mgsc.dyna import Dyna, DynaState
from mgsc.environments import TMazeSettings
from mgsc.environments.garnet import GarnetSettings
from mgsc.errors import UserError
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suites import Suite
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.program import run_key
from mgsc.models import FixedModel, LearnedModel
from mgsc.problem import Problem
from mgsc.search_control import LearnedPrioritySettings, MetaGradientSettings, learned_priority, pair_signals
from mgsc.search_control.expected import all_expected_errors, all_values
from mgsc.search_control.experience import as_kept
from mgsc.search_control.learned_priority_row import ConstantPrioritySettings
from mgsc.search_control.pair_signals import FEATURES
from mgsc.search_control.targets import Targets
from mgsc.search_control.td_error_priority import PrioritySettings
from mgsc.types import Array, Transition

NONE_USED = {f"uses_{name}": False for name in FEATURES}
ALL_USED = {f"uses_{name}": True for name in FEATURES}
STEPS = 90
SLOW = pytest.mark.slow
FORMS = [
    ("learned", "learned", "made"),
    pytest.param("uniform", "learned", "made", marks=SLOW),
    pytest.param("learned", "greedy", "made", marks=SLOW),
    ("learned", "behaviour", "expected"),
    pytest.param("learned", "learned", "expected", marks=SLOW),
    pytest.param("uniform", "learned", "expected", marks=SLOW),
]


class Ran(NamedTuple):
    """An agent after a while, with the d of every step."""

    suite: Suite
    problem: Problem
    agent: Dyna
    state: DynaState
    weights: Array
    reports: dict[str, Array]


def suite_with(agent: AgentSettings, **changes: Any) -> Suite:
    suite = dataclasses.replace(table.SUITE, agents={"agent": agent}, **changes)
    return dataclasses.replace(suite, epsilon=0.3, discount=0.9)


def ran(agent: AgentSettings, steps: int = STEPS, **changes: Any) -> Ran:
    suite = suite_with(agent, **changes)
    problem = build_problem(suite)
    built = build_agent(suite, agent, problem)
    key = run_key(0, table.SEED)

    def step(state: DynaState, noise: Any) -> Any:
        state, info = dyna.real_step(built, state, noise)
        return state, (info.weights, info.search)

    noise = dyna.draw_noise(built, key, jnp.arange(steps))
    state, (weights, reports) = quick_jit(lambda state, noise: jax.lax.scan(step, state, noise))(
        dyna.init(built, key), noise
    )
    return Ran(suite, problem, built, state, weights, reports)


def learner(**options: Any) -> AgentSettings:
    return AgentSettings("learned_priority", step_size=0.7, options=LearnedPrioritySettings(**options))


def rule_of(found: Ran) -> Any:
    """The strategy's own functions, bound to the agent's parts."""
    return found.agent.search_control.observe.__self__


@pytest.mark.parametrize(("states", "actions", "judged"), FORMS)
def test_the_meta_gradient_is_that_of_the_whole_loss(
    states: str, actions: str, judged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Writes that hold XLA's fusions apart are not differentiable.
    monkeypatch.setattr(sys.modules["mgsc.search_control.learned_priority"], "settled", lambda numbers: numbers)
    with jax.enable_x64(True):
        options = {"states": states, "actions": actions, "judged": judged}
        found = ran(learner(**options, **{**ALL_USED, "uses_disagreement": False}))
        rule, search = rule_of(found), found.state.search
        params, candidates, q = found.state.params, found.problem.listed, found.state.values
        plan, scale = search.plan, found.agent.step_size * found.agent.planning_updates
        pairs, credit, loss = quick_jit(rule.credit)(search, plan, params, candidates)
        got = quick_jit(rule.pulled_back)(plan, pairs, credit)

        if judged == "made":
            errors, d, planned = plan.signals.error, plan.distribution, q
        else:
            errors = all_expected_errors(rule.parts, params, candidates).reshape(-1)
            d = rule.with_actions(plan.joint, params, candidates) if actions != "learned" else plan.joint
            planned = q + (scale * d * errors).reshape(q.shape)
        transitions, is_real = as_kept(search.recent)
        target = transitions.reward + transitions.discount * planned[transitions.successor].max(-1)
        of_state = d.reshape(q.shape).sum(-1, keepdims=True)
        chosen = d.reshape(q.shape) / jnp.where(of_state > 0, of_state, 1.0)

        def whole_loss(learned: tuple[Array, Array]) -> Array:
            joint = rule.planned(*learned, plan.signals, params, candidates).joint
            new = joint if actions == "learned" else (joint.reshape(q.shape).sum(-1)[:, None] * chosen).reshape(-1)
            moved = planned.reshape(-1) + scale * (new - d) * errors
            asked = transitions.observation * table.NUM_ACTIONS + transitions.action
            there = planned.reshape(-1)[asked]
            toward = there + found.agent.step_size * (target - there)
            return jnp.sum(is_real / is_real.sum() * (toward - moved[asked]) ** 2)

        learned = (search.eta, search.table)
        whole, slopes = quick_jit(jax.value_and_grad(whole_loss))(learned)
        np.testing.assert_allclose(loss, whole, rtol=1e-9)
        assert all(np.abs(part).max() > 1e-9 for part in got)
        for mine, theirs in zip(got, slopes, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-14)


def test_a_table_over_states_alone_is_the_papers_method() -> None:
    mine = learner(
        actions="behaviour", judged="expected", experience_length=1, uses_table=True, table_step_size=0.1, **NONE_USED
    )
    paper = AgentSettings("meta_gradient", step_size=0.7, options=MetaGradientSettings(meta_step_size=0.1))
    with jax.enable_x64(True):
        one, other = ran(mine), ran(paper)
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-8)
        np.testing.assert_allclose(one.state.values, other.state.values, atol=1e-8)
        np.testing.assert_allclose(one.reports["meta_loss"], other.reports["meta_loss"], atol=1e-9)
        assert np.ptp(one.weights[-1]) > 0.01


def test_one_feature_of_fixed_weight_is_td_error_priority() -> None:
    only = {**NONE_USED, "uses_td_error": True, "td_error_weight": 0.6, "floor": 1e-3}
    mine = AgentSettings("constant_priority", step_size=0.7, options=ConstantPrioritySettings(**only))
    theirs = AgentSettings("td_error_priority", step_size=0.7, options=PrioritySettings(exponent=0.6, floor=1e-3))
    one, other = ran(mine), ran(theirs)
    np.testing.assert_allclose(one.weights, other.weights, atol=2e-6)
    np.testing.assert_array_equal(one.state.observation, other.state.observation)


def test_constant_weights_stay_and_learned_ones_move() -> None:
    kept = ran(AgentSettings("constant_priority", options=ConstantPrioritySettings()))
    moved = ran(learner())
    for name in ("policy", "td_error", "pair_error", "novelty"):
        assert np.ptp(kept.reports[f"{name}_weight"]) == 0
        assert np.ptp(moved.reports[f"{name}_weight"]) > 0


def test_the_weight_of_the_policy_may_be_kept_while_the_others_move() -> None:
    found = ran(learner(learns_policy_weight=False))
    assert np.ptp(found.reports["policy_weight"]) == 0
    assert all(np.ptp(found.reports[f"{name}_weight"]) > 0 for name in ("td_error", "pair_error", "novelty"))
    rule = rule_of(found)
    targets = Targets("transition", 0.0, 1.0)
    strategy = learned_priority(
        lambda parts: rule.signals,
        rule.initial_weights,
        rule.optimizer,
        step_size=1.0,
        planning_updates=1,
        targets=targets,
        kept=("speed",),
    )
    with pytest.raises(UserError, match=r"kept is 'speed'.*policy"):
        strategy(rule.parts)


@pytest.mark.parametrize(
    ("environment", "model"),
    [
        (GarnetSettings(states=30, switch_every=40), FixedModel("stale")),
        pytest.param(TMazeSettings(stem=2, arm=2, switch_every=40), LearnedModel(step_size=0.3), marks=SLOW),
    ],
    ids=["garnet, fixed", "tmaze, learned"],
)
def test_working_out_what_changed_equals_working_out_all(
    environment: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "learned" if isinstance(model, LearnedModel) else "fixed"
    monkeypatch.setitem(pair_signals.WORTH_KEEPING, kind, 10**9)
    anew = ran(learner(), environment=environment, model=model, candidates=table.SUITE.candidates)
    monkeypatch.setitem(pair_signals.WORTH_KEEPING, kind, 0)
    kept = ran(learner(), environment=environment, model=model)
    assert kept.state.search.plan.signals.touched is not None
    assert anew.state.search.plan.signals.touched is None
    np.testing.assert_array_equal(anew.state.observation, kept.state.observation)
    np.testing.assert_allclose(kept.weights, anew.weights, rtol=1e-4, atol=1e-6)
    for name in ("error", "log_error", "log_policy"):
        mine, theirs = (getattr(found.state.search.plan.signals, name) for found in (kept, anew))
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_errors_of_the_model_are_followed_and_fade() -> None:
    settings = LearnedPrioritySettings(uses_state_error=True, rate=0.5, fade=0.1)
    found = ran(AgentSettings("learned_priority", options=settings), steps=40)
    agent, problem = found.agent, found.problem
    key = run_key(0, table.SEED)
    state, noise = dyna.init(agent, key), dyna.draw_noise(agent, key, jnp.arange(40))
    parts = parts_of(agent.values, agent.policy, agent.model)
    of_pair, of_state = np.zeros(table.NUM_STATES * table.NUM_ACTIONS), np.zeros(table.NUM_STATES)
    step = quick_jit(lambda state, noise: dyna.real_step(agent, state, noise))
    for number in range(40):
        q = np.array(state.values)
        model = all_expected_errors(parts, state.params, problem.listed) + q
        state, info = step(state, jax.tree.map(lambda leaf, number=number: leaf[number], noise))
        here, action, reward, discount, successor = (np.asarray(part) for part in info.transition)
        wrong = model[here, action] - (reward + discount * q[successor].max())
        pair = here * table.NUM_ACTIONS + action
        of_pair *= 0.9
        of_state *= 0.9
        of_pair[pair] += 0.5 * (wrong - of_pair[pair])
        of_state[here] += 0.5 * (wrong - of_state[here])
    signals = state.search.plan.signals
    np.testing.assert_allclose(signals.pair_error, of_pair, atol=1e-5)
    np.testing.assert_allclose(signals.state_error, of_state, atol=1e-5)
    assert np.abs(of_pair).max() > 0.005


def some_transitions() -> Transition:
    """Six in a row, the third of which ends an episode and the fifth of which was cut short."""
    here, action = jnp.array([0, 1, 2, 0, 1, 3]), jnp.array([0, 1, 0, 1, 0, 1])
    reward, discount = jnp.array([0.0, 1.0, 2.0, -1.0, 0.5, 0.25]), jnp.array([0.9, 0.9, 0.0, 0.9, 0.9, 0.9])
    return Transition(here, action, reward, discount, jnp.array([1, 2, 3, 1, 2, 0]))


def test_returns_are_those_of_a_plain_loop() -> None:
    seen, q = some_transitions(), jnp.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5], [0.2, 0.1]])
    found = Targets("return", 0.7, 0.5).at(None, q, seen)
    expected = np.zeros(6)
    for place in range(5, -1, -1):
        _, _, reward, discount, successor = (np.asarray(part[place]) for part in seen)
        after = float(q[successor].max())
        if place < 5 and seen.observation[place + 1] == successor:
            after = 0.3 * after + 0.7 * expected[place + 1]
        expected[place] = reward + discount * after
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    one_step = Targets("transition", 0.7, 0.5).at(None, q, seen)
    np.testing.assert_allclose(Targets("return", 0.0, 0.5).at(None, q, seen), one_step, rtol=1e-6)
    assert expected[2] == 2.0  # the end of an episode
    np.testing.assert_allclose(expected[4], one_step[4], rtol=1e-6)  # what follows begins elsewhere


def test_values_of_real_transitions_only_are_q_learning() -> None:
    found = ran(learner(target="real_values"))
    q = np.zeros((table.NUM_STATES, table.NUM_ACTIONS))
    key = run_key(0, table.SEED)
    state, noise = dyna.init(found.agent, key), dyna.draw_noise(found.agent, key, jnp.arange(STEPS))
    step = quick_jit(lambda state, noise: dyna.real_step(found.agent, state, noise))
    for number in range(STEPS):
        state, info = step(state, jax.tree.map(lambda leaf, number=number: leaf[number], noise))
        here, action, reward, discount, successor = (np.asarray(part) for part in info.transition)
        q[here, action] += 0.7 * (reward + discount * q[successor].max() - q[here, action])
    np.testing.assert_allclose(found.state.search.real_values, q, atol=1e-5)
    assert np.abs(q).max() > 0.1


@SLOW
def test_later_values_judge_one_plan_at_a_time() -> None:
    found = ran(learner(target="later", experience_length=8))
    weights = np.asarray(found.reports["td_error_weight"])
    changes = np.flatnonzero(np.diff(weights)) + 2  # real steps, counted from 1, in which it changed
    assert len(changes) > 3
    assert not (changes % 8).any()


@SLOW
def test_actions_and_states_are_those_that_were_chosen() -> None:
    uniform_actions = ran(learner(states="uniform"))
    d = np.asarray(uniform_actions.weights).sum(-1)
    np.testing.assert_allclose(d[:, ~table.IS_TERMINAL], 1 / (~table.IS_TERMINAL).sum(), atol=1e-6)
    assert not d[:, table.IS_TERMINAL].any()
    greedy = ran(learner(actions="greedy"))
    q = all_values(rule_of(greedy).parts, greedy.state.params, greedy.problem.listed)
    assert greedy.weights.shape[1:] == q.shape
    assert ran(learner(actions="behaviour")).weights.shape[1:] == (table.NUM_STATES,)


def test_what_leaves_nothing_to_learn_is_refused() -> None:
    with pytest.raises(ValueError, match="uniform"):
        learned_priority(
            lambda parts: None,
            None,
            None,
            step_size=1.0,
            planning_updates=1,
            states="uniform",
            actions="behaviour",
            targets=Targets("transition", 0.0, 1.0),
        )
    with pytest.raises(UserError, match="actions"):
        build_agent(*with_problem(learner(states="uniform", actions="behaviour")))


def with_problem(agent: AgentSettings) -> tuple[Suite, AgentSettings, Problem]:
    suite = suite_with(agent)
    return suite, agent, build_problem(suite)
