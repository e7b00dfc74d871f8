"""Small random problems for the meta-gradient, and a slow reference that shares no code with it."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tests.quick import quick_jit

from mgsc import meta_gradient
from mgsc.types import ActionChoice, Candidates, Params, Parts, Successors, Transition

EPSILON = 0.3
NUM_STATES, NUM_ACTIONS, NUM_SLOTS = 6, 3, 3
TERMINAL = NUM_STATES - 1
UNROLLED_UPDATES = 3
"""K of the unrolled form in every test: it is compiled anew for each."""


class Problem(NamedTuple):
    parts: Parts
    params: Params
    candidates: Candidates
    logits: Any
    transition: Transition
    step_size: float
    planning_updates: int

    @property
    def weights(self):
        """[N] softmax of the logits over what is allowed."""
        return jnp.asarray(softmax(self.logits))

    @property
    def arguments(self):
        """What the public functions take, in their order."""
        return (
            self.parts,
            self.params,
            self.candidates,
            self.weights,
            self.transition,
            self.step_size,
            self.planning_updates,
        )


def softmax(logits):
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum()


def epsilon_greedy(q):
    is_greedy = (q == jnp.max(q)).astype(q.dtype)
    return EPSILON / q.shape[0] + (1 - EPSILON) * is_greedy / jnp.sum(is_greedy)


def _look_up(values, state):
    return values[state]


def _table_answers(model, state, action):
    return Successors(*(array[state, action] for array in model))


def parts_of(action_values, policy, answers) -> Parts:
    """The functions of an agent with discrete actions, from those of all its actions at once."""

    def actions(values, observation):
        probability = policy(action_values(values, observation))
        return ActionChoice(jnp.arange(len(probability)), probability)

    return Parts(
        q=lambda values, observation, action: action_values(values, observation)[action],
        bootstrap=lambda values, learner, observation: jnp.max(action_values(values, observation)),
        actions=actions,
        expect=answers,
        action_values=action_values,
        policy=policy,
        is_discrete=True,
    )


TABLE = parts_of(_look_up, epsilon_greedy, _table_answers)


def table_problem(seed: int) -> Problem:
    """A random sparse decision process; seeds go through bumps, terminations and bad successors."""
    rng = np.random.default_rng(seed)
    shape = (NUM_STATES, NUM_ACTIONS, NUM_SLOTS)
    # Sparse: about a third of the slots are padding of probability zero.
    probability = rng.random(shape) * (rng.random(shape) < 0.7) + np.eye(NUM_SLOTS)[0]
    probability /= probability.sum(-1, keepdims=True)
    successor = rng.integers(0, NUM_STATES, shape)
    discount = np.where((rng.random(shape) < 0.2) | (successor == TERMINAL), 0.0, 0.9)
    model = Successors(*map(jnp.asarray, (probability, rng.normal(size=shape), discount, successor)))
    values = rng.normal(size=shape[:2])
    values[rng.integers(NUM_STATES)] = 0.5  # a tie between all actions
    state = int(rng.integers(TERMINAL))
    kinds = [
        (0.9, int(rng.integers(TERMINAL))),  # any successor
        (0.9, state),  # a bump
        (0.0, TERMINAL),  # termination
        (0.0, state),  # termination that names the state itself
        (0.9, TERMINAL),  # a successor that is never queried, and still bootstrapped from
    ]
    kind, following = kinds[seed % len(kinds)]
    logits = np.where(np.arange(NUM_STATES) == TERMINAL, -np.inf, rng.normal(size=NUM_STATES))
    states = jnp.arange(NUM_STATES)
    return Problem(
        TABLE,
        Params(jnp.asarray(values), model),
        Candidates(states, states, states != TERMINAL),
        logits,
        _transition(state, int(rng.integers(NUM_ACTIONS)), rng.normal(), kind, following),
        step_size=float(rng.uniform(0.1, 0.9)),
        planning_updates=int(rng.integers(1, 7)),
    )


OBSERVATION, HIDDEN, NUM_CANDIDATES = 2, 4, 4


def _network(values, observation):
    hidden = jnp.tanh(values["first"][0] @ observation + values["first"][1])
    return values["second"] @ hidden


def network_answers(model, observation, action):
    successors = jnp.tanh(model["move"][action] @ observation)
    return Successors(
        jax.nn.softmax(model["logits"][action] * observation[0]),
        model["reward"][action] * observation[1],
        model["discount"][action],
        successors,
    )


NETWORK = parts_of(_network, epsilon_greedy, network_answers)


def network_problem(seed: int) -> Problem:
    """A random two-layer network with a random model between continuous observations."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape))

    values = {
        "first": (normal(HIDDEN, OBSERVATION), normal(HIDDEN)),
        "second": normal(NUM_ACTIONS, HIDDEN),
    }
    shape = (NUM_ACTIONS, NUM_SLOTS)
    model = {
        "move": normal(*shape, OBSERVATION, OBSERVATION),
        "logits": normal(*shape),
        "reward": normal(*shape),
        "discount": jnp.asarray(0.9 * (rng.random(shape) < 0.8)),
    }
    observation, successor = normal(OBSERVATION), normal(OBSERVATION)
    discount = 0.9 if seed % 3 else 0.0
    return Problem(
        NETWORK,
        Params(values, model),
        Candidates(
            normal(NUM_CANDIDATES, OBSERVATION),
            jnp.arange(NUM_CANDIDATES),
            jnp.ones(NUM_CANDIDATES, bool),
        ),
        rng.normal(size=NUM_CANDIDATES),
        _transition(observation, seed % NUM_ACTIONS, rng.normal(), discount, successor),
        step_size=float(rng.uniform(0.05, 0.3)),
        planning_updates=int(rng.integers(1, 5)),
    )


def _transition(observation, action, reward, discount, successor):
    return Transition(*map(jnp.asarray, (observation, action, reward, discount, successor)))


PROBLEMS = {"table": table_problem, "network": network_problem}

FORMS_OF = {"table": ("scaled", "single", "saturating"), "network": ("scaled", "single")}
"""Forms that take a traced K."""


class Answer(NamedTuple):
    """What one form and target origin give."""

    loss: Any
    gradient: Any
    alignment: Any


def answer(module, parts, *arguments, form="scaled", origin="planned", target=None):
    choices = {"form": form, "origin": origin, "target": target}
    loss, gradient = module.loss_and_weights_gradient(parts, *arguments, **choices)
    return Answer(loss, gradient, module.alignment(parts, *arguments, **choices))


def compiled(function):
    """Compiles a function, fast rather than well; outside of jit JAX compiles each operation."""
    names = set(inspect.signature(function).parameters)
    static = {"parts", "form", "forms", "origin", "module", "num_updates"} & names
    return quick_jit(function, static_argnames=sorted(static))


def _answers_and_planned(arguments, forms):
    parts, params, candidates, weights, _, step_size, count = arguments
    answers = {
        (form, origin): answer(meta_gradient, *arguments, form=form, origin=origin)
        for form in forms
        for origin in meta_gradient.ORIGINS
    }
    planned = {
        form: meta_gradient.planned_parameters(parts, params, candidates, weights, step_size, count, form=form)
        for form in forms
    }
    return answers, planned


@compiled
def _traced_count(parts, params, candidates, weights, transition, step_size, count, forms):
    arguments = (parts, params, candidates, weights, transition, step_size, count)
    return _answers_and_planned(arguments, forms)


@compiled
def _static_count(parts, params, candidates, weights, transition, step_size, num_updates, forms):
    arguments = (parts, params, candidates, weights, transition, step_size, num_updates)
    return _answers_and_planned(arguments, forms)


def automatic(*arguments, forms):
    """{(form, origin): Answer} by automatic differentiation, for forms with a traced K."""
    return _traced_count(*arguments, forms)[0]


def automatic_planned(*arguments, forms):
    """{form: θ̄}, likewise."""
    return _traced_count(*arguments, forms)[1]


def unrolled(problem, num_updates=UNROLLED_UPDATES):
    """{("unrolled", origin): Answer} and {"unrolled": θ̄}, with K as given."""
    return _static_count(*problem.arguments[:-1], num_updates, ("unrolled",))


def all_automatic(kind, problem):
    """{(form, origin): Answer} of every form; the unrolled one with its own K."""
    return automatic(*problem.arguments, forms=FORMS_OF[kind]) | unrolled(problem)[0]


@compiled
def network_way(parts, params, candidates, weights, transition, step_size, count):
    """{(form, origin): Answer} by ``exact_network``."""
    arguments = (parts, params, candidates, weights, transition, step_size, count)
    return {
        (form, origin): answer(meta_gradient.exact_network, *arguments, form=form, origin=origin)
        for form in ("scaled", "single")
        for origin in meta_gradient.ORIGINS
    }


@compiled
def table_way(parts, params, candidates, weights, transition, step_size, count):
    """{form: VisitedGradient} by ``exact_table``."""
    del candidates
    arguments = (parts, params, weights, transition, step_size, count)
    return {form: meta_gradient.visited_gradient(*arguments, form=form) for form in FORMS_OF["table"]}


@compiled
def planned_way(parts, params, candidates, weights, step_size, count, *, forms):
    return {
        form: meta_gradient.planned_parameters(parts, params, candidates, weights, step_size, count, form=form)
        for form in forms
    }


# The reference: loops over candidates, actions and slots, in NumPy, with one gradient per entry.


@compiled
def _gradient(parts, values, observation, action):
    return jax.grad(lambda v: parts.q(v, observation, action))(values)


@compiled
def _values(parts, values, observation):
    return parts.action_values(values, observation)


@compiled
def _policy(parts, q):
    return parts.policy(q)


def questions(problem, values=None):
    """Policy [N, A] and expected target [N, A] at ``values``: what the method holds fixed."""
    values = problem.params.values if values is None else values
    parts, candidates = problem.parts, problem.candidates
    policies, goals = [], []
    for observation in candidates.observation:
        policies.append(np.asarray(_policy(parts, _values(parts, values, observation))))
        row = []
        for action in range(NUM_ACTIONS):
            answers = parts.expect(problem.params.model, observation, jnp.asarray(action))
            row.append(
                sum(
                    float(p) * (float(r) + float(g) * np.max(_values(parts, values, o))) for p, r, g, o in zip(*answers)
                )
            )
        goals.append(row)
    return np.array(policies), np.array(goals)


def reference_directions(problem, values, held=None):
    """Flat Δ_i, [N, parameters], with policy and targets ``held`` or taken at ``values``."""
    parts = problem.parts
    policies, goals = questions(problem, values) if held is None else held
    directions = []
    for i, observation in enumerate(problem.candidates.observation):
        if not problem.candidates.is_allowed[i]:
            directions.append(np.zeros(flat(values).shape))
            continue
        q = np.asarray(_values(parts, values, observation))
        directions.append(
            sum(
                policies[i, a] * (goals[i, a] - q[a]) * flat(_gradient(parts, values, observation, a))
                for a in range(NUM_ACTIONS)
            )
        )
    return np.array(directions)


def reference_held(problem, form):
    """What the method holds fixed, at the problem's weights: policy and targets of each stage."""
    values, held = problem.params.values, []
    for _ in range(UNROLLED_UPDATES if form == "unrolled" else 1):
        held.append(questions(problem, values))
        values = _moved(
            values,
            problem.step_size * np.asarray(problem.weights) @ reference_directions(problem, values, held[-1]),
        )
    return held


def reference_planned(problem, weights, form, held):
    """θ̄ as a pytree, with ``held`` from ``reference_held``."""
    values, step_size, count = problem.params.values, problem.step_size, problem.planning_updates
    weights = np.asarray(weights)
    if form == "saturating":
        policies, goals = held[0]
        share = 1 - (1 - step_size * weights[:, None] * policies) ** count
        return np.asarray(values) + np.where(weights[:, None] > 0, share * (goals - values), 0)
    rate = step_size * (count if form == "scaled" else 1)
    for stage in held:
        values = _moved(values, rate * weights @ reference_directions(problem, values, stage))
    return values


def reference_target(problem, planned, origin):
    """Flat θ̂."""
    start = planned if origin == "planned" else problem.params.values
    seen = problem.transition
    error = (
        float(seen.reward)
        + float(seen.discount) * np.max(_values(problem.parts, start, seen.successor))
        - float(_values(problem.parts, start, seen.observation)[seen.action])
    )
    gradient = _gradient(problem.parts, start, seen.observation, seen.action)
    return flat(start) + problem.step_size * error * flat(gradient)


def flat(values):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(values)])


def _moved(values, change):
    leaves, structure = jax.tree.flatten(values)
    ends = np.cumsum([leaf.size for leaf in leaves])
    changes = np.split(change, ends[:-1])
    moved = [np.asarray(leaf) + np.reshape(part, leaf.shape) for leaf, part in zip(leaves, changes)]
    return jax.tree.unflatten(structure, moved)
