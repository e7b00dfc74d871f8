"""The one table of strategies that every shared promise is tested over, and a cheap way to run a row.

Every row of ``STRATEGIES`` is in it without being named, so that a new strategy is tested by being
there; so is every variant of ``meta_gradient``, and a few rows whose model learns. ``run`` compiles each
row once per process.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from tests.quick import quick_jit

from mgsc import dyna, models
from mgsc.candidates import listed
from mgsc.dyna import Dyna, DynaState, StepNoise
from mgsc.environments import TMazeSettings
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suites import Suite
from mgsc.experiments.running.build import build_agent, build_problem, replace_numbers
from mgsc.experiments.running.program import run_key, traced_numbers
from mgsc.models import LearnedModel, learned_model
from mgsc.policies import epsilon_greedy
from mgsc.problem import Problem, StrategyFacts
from mgsc.search_control import SearchControl
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import traced_fields
from mgsc.types import Array, Backup, Candidates, PyTree, Transition

NUM_STEPS = 120
SEED = 7
"""A run that ends several episodes."""
BUDGET = 3
WINDOW = 7
"""Window of all strategies that have one: short, so that what they remember leaves it during the run."""

SUITE = Suite(
    "a small maze in which everything happens within a few dozen steps",
    TMazeSettings(stem=2, arm=2, switch_every=40, step_limit=25),
    steps=NUM_STEPS,
    record_every=40,
    measure_every=8,
    planning_updates=BUDGET,
)
PROBLEM = build_problem(SUITE)
LEARNING = dataclasses.replace(SUITE, model=LearnedModel(step_size=0.3))
LEARNING_PROBLEM = build_problem(LEARNING)
NUM_STATES = 7
"""L 1 2 3 R along the bar, then two cells of stem."""
NUM_ACTIONS = 4
IS_TERMINAL = np.array([True, False, False, False, True, False, False])
BESIDE_A_GOAL = (1, 3)
"""States that avoid_terminal must avoid."""


class Variant(NamedTuple):
    """A row: a strategy with some of its options changed, planning with a fixed model or with one that learns."""

    strategy: str
    options: dict[str, Any]
    learns: bool = False

    @property
    def agent(self) -> AgentSettings:
        row = STRATEGIES[self.strategy]
        has_window = "window" in traced_fields(row.settings())
        options = {"window": WINDOW, **self.options} if has_window else self.options
        return AgentSettings(self.strategy, options=row.settings(**options))

    @property
    def plans(self) -> bool:
        return STRATEGIES[self.strategy].plans

    @property
    def program(self) -> tuple[Any, ...]:
        """What decides the compiled program: rows that differ in traced numbers only share it."""
        numbers = traced_fields(self.agent.options)
        words = {k: v for k, v in self.options.items() if k not in numbers}
        return (self.strategy, self.learns, *sorted(words.items()))


OF_STORED = {
    name for name, row in STRATEGIES.items() if {*row.needs(row.settings())} & {"stored transitions", "an ensemble"}
}
"""Strategies that tables cannot have: ``test_rows`` runs them with networks."""

VARIANTS = {name: Variant(name, {}) for name in STRATEGIES if name not in OF_STORED} | {
    f"meta_gradient, {name}": Variant("meta_gradient", options)
    for name, options in {
        "single": {"form": "single"},
        "unrolled": {"form": "unrolled"},
        "saturating": {"form": "saturating"},
        "current": {"target": "current"},
        "model first": {"order": "model_first"},
        "entropy bonus": {"entropy_bonus": 0.01},
        "sgd": {"optimizer": "sgd", "meta_step_size": 10.0},
        "temperature": {"temperature": 0.5},
        "mixture": {"mixture": 0.3},
        "recent": {"experience": "recent", "experience_length": 3},
        "recent, automatic": {"experience": "recent", "experience_length": 2, "target": "current"},
        "successive": {"experience": "successive", "experience_length": 3},
        "recent of one": {"experience": "recent", "experience_length": 1},
        "successive of one": {"experience": "successive", "experience_length": 1},
        "resets": {"resets_optimizer": True},
        "every third step": {"update_every": 3, "experience": "recent", "experience_length": 3},
        "pairs": {"over": "pairs"},
        "pairs, linear": {"over": "pairs", "logits": "linear"},
        # Plain steps: Adam makes whole steps of gradients that are rounding.
        "network": {"logits": "network", "logit_units": 4, "optimizer": "sgd", "meta_step_size": 10.0},
    }.items()
}
VARIANTS |= {
    "uniform, learned model": Variant("uniform", {}, learns=True),
    "trajectory, learned model": Variant("trajectory", {}, learns=True),
    "meta_gradient, learned model": Variant("meta_gradient", {}, learns=True),
    "meta_gradient, learned model first": Variant("meta_gradient", {"order": "model_first"}, learns=True),
    "dyna_q, states": Variant("dyna_q", {"over": "states"}),
    "prioritized_sweeping, once": Variant("prioritized_sweeping", {"requeues": False}),
    "td_error_priority, rank": Variant("td_error_priority", {"kind": "rank"}),
    "td_error_priority, importance": Variant("td_error_priority", {"correction": "importance"}),
    "uncertainty, ensemble": Variant("uncertainty", {"source": "ensemble"}),
}
PLANNING = [name for name, variant in VARIANTS.items() if variant.plans]
META_GRADIENT = [name for name in VARIANTS if name.startswith("meta_gradient")]


class Noted(NamedTuple):
    """The planning updates of a step; −1 where none was made."""

    inner: PyTree
    count: Array
    index: Array
    transition: Transition


def spied(control: SearchControl) -> SearchControl:
    """The same strategy, writing down every backup of the planning loop."""

    def init(key: Array, params: Any, candidates: Any) -> Noted:
        nothing = jnp.full(BUDGET, -1)
        zeros = jnp.zeros(BUDGET)
        blank = Transition(nothing, nothing, zeros, zeros, nothing)
        return Noted(control.init(key, params, candidates), jnp.array(0), nothing, blank)

    def observe(state: Noted, *rest: Any) -> tuple[Noted, dict[str, Array]]:
        inner, info = state.inner, {}
        if control.observe is not None:
            inner, info = control.observe(inner, *rest)
        return state._replace(inner=inner, count=jnp.array(0), index=jnp.full(BUDGET, -1)), info

    def after_backup(state: Noted, params: Any, backup: Backup) -> Noted:
        inner = state.inner
        if control.after_backup is not None:
            inner = control.after_backup(inner, params, backup)
        noted = jax.tree.map(
            lambda all_of_it, new: all_of_it.at[state.count].set(new),
            state.transition,
            backup.transition,
        )
        return Noted(inner, state.count + 1, state.index.at[state.count].set(backup.index), noted)

    def after_learning(state: Noted, *rest: Any) -> Noted:
        return state._replace(inner=control.after_learning(state.inner, *rest))

    def propose(noise: Any, state: Noted, *rest: Any) -> Any:
        return control.propose(noise, state.inner, *rest)

    return control._replace(
        init=init,
        observe=observe,
        after_backup=after_backup,
        after_learning=None if control.after_learning is None else after_learning,
        weights=lambda state, *rest: control.weights(state.inner, *rest),
        propose=None if control.propose is None else propose,
    )


class Trajectory(NamedTuple):
    """What a run went through, each with a leading axis of steps; the state is that after the step."""

    transition: Transition
    weights: Array | None
    search: dict[str, Array]
    noise: StepNoise
    state: DynaState

    @property
    def query(self) -> Array:
        """[T, K] index of every query."""
        return self.state.search.index

    @property
    def planned(self) -> Transition:
        """[T, K] what each planning update learned from."""
        return self.state.search.transition

    @property
    def values(self) -> Array:
        """[T, S, A] values."""
        return self.state.values


def numbers_of(variant: Variant) -> dict[str, float]:
    """Every number of a row that may be traced, and some that this module adds."""
    shared = {"epsilon": 0.3, "discount": 0.9, "reward_scale": 1.0}
    own = traced_numbers(variant.agent)
    return {**own, **shared, "planning_updates": BUDGET}


def numbers_of_suite(name: str = "meta_gradient") -> dict[str, float]:
    """The same, with ε and γ of the suite."""
    shared = {"epsilon": SUITE.epsilon, "discount": SUITE.discount}
    return numbers_of(VARIANTS[name]) | shared


def scaled(problem: Problem, scale: Array | float, discount: Array | float) -> Problem:
    """The problem with all rewards multiplied, the model's too, and the model's successors discounted anew."""
    params = problem.environment_params
    problem = problem._replace(environment_params=params._replace(reward=params.reward * scale))
    if problem.learns:
        return problem._replace(model=learned_model(LEARNING.model, problem.known.tables, discount))
    model_tables = problem.known.model_tables._replace(reward=problem.known.model_tables.reward * scale)
    truth = problem.known._replace(model_tables=model_tables)
    return problem._replace(model=models.fixed(model_tables, discount), truth=truth)


def build(variant: Variant, numbers: dict[str, Any], candidates: Candidates | None = None) -> Dyna:
    """The agent of a row, by the experiments' own assembly; the numbers may be tracers.

    Args:
        variant: the row.
        numbers: of ``numbers_of``.
        candidates: that are listed in place of the problem's.
    """
    own = dict(numbers)
    shared = {name: own.pop(name) for name in ("epsilon", "discount", "reward_scale")}
    suite = LEARNING if variant.learns else SUITE
    suite = dataclasses.replace(suite, epsilon=shared["epsilon"], discount=shared["discount"])
    problem = scaled(LEARNING_PROBLEM if variant.learns else PROBLEM, shared["reward_scale"], shared["discount"])
    problem = problem._replace(policy=epsilon_greedy(shared["epsilon"]))
    if candidates is not None:
        problem = problem._replace(candidates=listed(candidates))
    if variant.options.get("form") == "unrolled":
        del own["planning_updates"]  # unrolled while tracing: its number is static, the budget
    agent = replace_numbers(variant.agent, own)
    return build_agent(suite, agent, problem)


def facts_of(problem: Problem, planning_updates: int = BUDGET) -> StrategyFacts:
    """What a row is built of, with a step size of a half."""
    return StrategyFacts(problem, jnp.asarray(0.5), planning_updates, is_table=True)


def step_by_step(agent: Dyna) -> Callable[[DynaState, StepNoise], tuple[DynaState, Trajectory]]:
    """One real step of the spied-on agent, to be scanned or called."""
    agent = agent._replace(search_control=spied(agent.search_control))

    def step(state: DynaState, noise: StepNoise) -> tuple[DynaState, Trajectory]:
        state, info = dyna.real_step(agent, state, noise)
        return state, Trajectory(info.transition, info.weights, info.search, noise, state)

    return step


def trajectory(agent: Dyna, seed: Array | int, num_steps: int) -> Trajectory:
    """A whole run, keeping everything: a loop of the public functions only."""
    key = run_key(0, seed)
    noise = dyna.draw_noise(agent, key, jnp.arange(num_steps))
    begun = dyna.init(agent._replace(search_control=spied(agent.search_control)), key)
    return lax.scan(step_by_step(agent), begun, noise)[1]


TRACES: dict[tuple[Any, ...], int] = {}
"""How often each program was traced in this process."""

_PROGRAMS: dict[tuple[Any, ...], Any] = {}


def _compiled(variant: Variant) -> Any:
    if variant.program in _PROGRAMS:
        return _PROGRAMS[variant.program]

    def whole_run(seed: Array, numbers: dict[str, Array]) -> Trajectory:
        TRACES[variant.program] = TRACES.get(variant.program, 0) + 1
        return trajectory(build(variant, numbers), seed, NUM_STEPS)

    _PROGRAMS[variant.program] = quick_jit(whole_run)
    return _PROGRAMS[variant.program]


def arrays_of(numbers: dict[str, float]) -> dict[str, Array]:
    """Strongly typed scalars: Python numbers would be traced as another type."""
    return {
        name: jnp.asarray(value, jnp.int32 if isinstance(value, int) else jnp.float32)
        for name, value in numbers.items()
    }


@functools.cache
def _run(name: str, seed: int, changes: tuple[tuple[str, float], ...]) -> Trajectory:
    variant = VARIANTS[name]
    numbers = numbers_of(variant) | dict(changes)
    assert set(numbers) == set(numbers_of(variant))
    seen = _compiled(variant)(jnp.uint32(seed), arrays_of(numbers))
    return jax.tree.map(np.asarray, seen)


def run(name: str, seed: int = SEED, **changes: float) -> Trajectory:
    """A run of a row of the table as NumPy arrays; compiled once, remembered."""
    return _run(name, seed, tuple(sorted(changes.items())))
