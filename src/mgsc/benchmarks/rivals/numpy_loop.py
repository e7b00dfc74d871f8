"""Dyna-Q and MGSC for one seed as one would write them, with care, in Python and NumPy.

What makes them quick, each of it measured: random numbers are drawn in bulk; action values are
kept in lists, whose entries are read several times faster than an array's; the best value and
action of every state are kept up to date instead of being searched for; the meta-gradient is the
hand-derived one for tables, which needs 1 + A expected backups; and the softmax and Adam, the only
work proportional to the number of candidates, are a few whole-array operations in place.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .tables import Prepared, Problem, Result, Settings, mean_over_phases, prepare, steps_between_centring

_CHUNK = 2500
"""Most environment steps whose random numbers are drawn together."""

_GREEDY = -1
"""Among the drawn actions: act greedily."""

_TIE = -1
"""Among the greedy actions: several are best."""

_ADAM_DECAY = (0.9, 0.999)
_ADAM_EPSILON = 1e-8

_LARGEST_DRIFT = 300.0
"""How far a logit may move before the logits are centred again; exp overflows beyond 709."""

Outcomes = list[list[list[tuple[float, float, int]]]]
"""[S][A][M] of (reward, discount, successor)."""


class _Maze(NamedTuple):
    """The tables as nested lists; of the cumulative probabilities all but the last, 1."""

    cumulative: list[list[list[float]]]
    real: list[Outcomes]
    model: Outcomes


Transition = tuple[int, int, float, float, int]
"""(state, action, reward, discount, successor)."""


class _Values(NamedTuple):
    """[S][A] action values, with each state's best value and best action beside them."""

    q: list[list[float]]
    top: list[float]
    greedy: list[int]


def run_dyna_q(problem: Problem, settings: Settings, seed: int) -> Result:
    """Runs Dyna-Q that samples uniformly the states it plans from; K = 0 is Q-learning.

    Args:
        problem: the maze and the model.
        settings: ``meta_step_size`` is ignored.
        seed: any non-negative integer; what is drawn for the real steps does not depend on K.
    """
    return _run(problem, settings, seed, is_mgsc=False)


def run_mgsc(problem: Problem, settings: Settings, seed: int) -> Result:
    """Runs Meta-Gradient Search Control: target planned, planned parameters scaled, no entropy.

    The meta-update comes before the direct update; the K planning updates use the new d.

    Args:
        problem: the maze and the model.
        settings: with ``meta_step_size`` 0 this is ``run_dyna_q``, number by number.
        seed: as in ``run_dyna_q``, which draws the same numbers.
    """
    return _run(problem, settings, seed, is_mgsc=True)


def meta_gradient(
    problem: Problem,
    settings: Settings,
    q: np.ndarray,
    logits: np.ndarray,
    transition: Transition,
) -> np.ndarray:
    """The gradient of the meta-loss with respect to the [N] logits, as ``run_mgsc`` takes it.

    Args:
        problem: the maze and the model.
        settings: K, step size, discount and ε.
        q: [S, A] action values.
        logits: [N].
        transition: the real (state, action, reward, discount, successor).
    """
    tables = prepare(problem, settings.discount)
    slope_of = _slope_function(_values(q), tables, settings)
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    state, successor = tables.position[transition[0]], tables.position[transition[-1]]
    if state < 0:
        return np.zeros_like(weights)
    weight = float(weights[state])
    slope = slope_of(transition, weight, float(weights[successor]) if successor >= 0 else 0.0)
    gradient = -weight * slope * weights
    gradient[state] += weight * slope
    return gradient


def _run(problem: Problem, settings: Settings, seed: int, *, is_mgsc: bool) -> Result:
    """The loop of both, chunk by chunk."""
    num_updates, num_actions = settings.planning_updates, problem.probability.shape[1]
    tables = prepare(problem, settings.discount)
    maze = _as_lists(tables)
    values = _values(np.zeros(problem.probability.shape[:2]))
    control = _search_control(problem, settings, values, tables) if is_mgsc else None
    candidates = problem.candidates
    sums = np.zeros((len(maze.real), len(candidates)))
    rng_real, rng_plan = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    total, state = 0.0, int(problem.start)
    chunk = control.num_steps if control else _CHUNK
    for phase, steps in _chunks(settings.num_steps, problem.switch_every, len(sums), chunk):
        uniform, *planned = _draw(rng_plan, steps * num_updates, num_actions, settings.epsilon)
        uniform = uniform.reshape(steps, num_updates)
        if control:
            control.begin(sums[phase])
            queries: Iterable[Any] = uniform
        else:
            queries = candidates[(uniform * len(candidates)).astype(int)].tolist()
        _, *real = _draw(rng_real, steps, num_actions, settings.epsilon)
        world = _World(maze.cumulative, maze.real[phase], maze.model, int(problem.start), settings.step_size)
        total, state = _run_chunk(world, values, control, zip(queries, *real), planned, total, state)
    mean_d = np.full(sums.shape, 1.0 / len(candidates))
    if control:
        mean_d = mean_over_phases(sums, settings, problem.switch_every)
    return Result(total, np.array(values.q), mean_d)


class _World(NamedTuple):
    """What answers in one chunk: [S][A][M] cumulative probabilities, true outcomes and the model's; and α."""

    cumulative: list[list[list[float]]]
    outcomes: Outcomes
    model: Outcomes
    start: int
    step_size: float


def _run_chunk(
    world: _World,
    values: _Values,
    control: _SearchControl | None,
    steps: Iterable[tuple[Any, int, float, float]],
    planned: Sequence[Iterator[Any]],
    total: float,
    state: int,
) -> tuple[float, int]:
    """Steps of one phase; both kinds of update are written out, as calls would cost a tenth.

    Args:
        steps: K states or, for MGSC, K uniform numbers; a drawn action, a number that breaks ties, one for the outcome.
        planned: the last three of all planning updates.
        total, state: sum of rewards and state before the first step; both after the last one are returned.
    """
    cumulative, outcomes, model, start, step_size = world
    q, top, greedy = values
    actions, ties, numbers = planned
    for query, drawn, tie, number in steps:
        action = drawn if drawn != _GREEDY else greedy[state]
        row = q[state]
        if action == _TIE:
            action = _break_tie(row, tie)
        slot = bisect_right(cumulative[state][action], number)
        reward, discount, successor = outcomes[state][action][slot]
        total += reward
        states = query
        if control:
            states = control.search((state, action, reward, discount, successor), query)
        old = row[action]
        row[action] = new = old + step_size * (reward + discount * top[successor] - old)
        if new > top[state]:
            top[state] = new
            greedy[state] = action
        else:
            top[state] = best = max(row)
            greedy[state] = row.index(best) if row.count(best) == 1 else _TIE
        state = successor if discount else start
        # The states come first: when they end, nothing more is taken from the draws.
        for imagined, drawn, tie, number in zip(states, actions, ties, numbers):
            action = drawn if drawn != _GREEDY else greedy[imagined]
            row = q[imagined]
            if action == _TIE:
                action = _break_tie(row, tie)
            slot = bisect_right(cumulative[imagined][action], number)
            reward, discount, successor = model[imagined][action][slot]
            old = row[action]
            row[action] = new = old + step_size * (reward + discount * top[successor] - old)
            if new > top[imagined]:
                top[imagined] = new
                greedy[imagined] = action
            else:
                top[imagined] = best = max(row)
                greedy[imagined] = row.index(best) if row.count(best) == 1 else _TIE
    return total, state


def _slope_function(
    values: _Values, tables: Prepared, settings: Settings
) -> Callable[[Transition, float, float], float]:
    """Returns the derivative of the meta-loss with respect to the visited state's weight.

    It is g_s = −2 α² K δ̄ π(a|s) E_m[δ(s, a)], with δ̄ the real error at the planned parameters
    q̄ = q + α K w π E_m[δ]; every other state's derivative is zero.
    """
    q, top, _ = values
    expected_reward = tables.expected_reward.tolist()
    backups = _weighted_successors(tables)
    num_actions = len(q[0])
    explore, exploit = settings.epsilon / num_actions, 1.0 - settings.epsilon
    scale = settings.step_size * settings.planning_updates
    factor = -2.0 * settings.step_size * scale

    def slope(transition: Transition, weight: float, successor_weight: float) -> float:
        state, action, reward, discount, successor = transition
        row = q[state]
        value = row[action]
        error = expected_reward[state][action] - value
        for share, following in backups[state][action]:
            error += share * top[following]
        is_best = value == top[state]
        error *= explore + exploit / row.count(value) if is_best else explore
        target = reward
        if discount:
            row, best, bootstrap = q[successor], top[successor], -math.inf
            often = explore + exploit / row.count(best)
            scaled = scale * successor_weight
            for old, new, slots in zip(row, expected_reward[successor], backups[successor], strict=True):
                for share, following in slots:
                    new += share * top[following]
                planned = old + scaled * (often if old == best else explore) * (new - old)
                if planned > bootstrap:
                    bootstrap = planned
            target += discount * bootstrap
        return factor * (target - value - scale * weight * error) * error

    return slope


class _SearchControl(NamedTuple):
    """What the loop needs of MGSC.

    Attributes:
        num_steps: steps after which ``begin`` must be called again.
        begin: takes the [N] array that d is added to at every step; centres the logits.
        search: takes the real transition and K uniform numbers; one meta-update, then K states.
    """

    num_steps: int
    begin: Callable[[np.ndarray], None]
    search: Callable[[Transition, np.ndarray], list[int]]


def _search_control(problem: Problem, settings: Settings, values: _Values, tables: Prepared) -> _SearchControl:
    """A softmax over the candidates, moved by Adam along the meta-gradient.

    The weights are kept unnormalised, and the logits are centred once per chunk, not every step.
    """
    slope_of = _slope_function(values, tables, settings)
    candidates, position_of = problem.candidates, tables.position.tolist()
    num_candidates, rate = len(candidates), settings.meta_step_size
    logits, gradient, descend = _adam(num_candidates, rate)
    record, weights, scratch = np.zeros(num_candidates), np.ones(num_candidates), np.zeros(num_candidates)
    total = float(num_candidates)
    add, multiply = np.add, np.multiply

    def begin(sums: np.ndarray) -> None:
        nonlocal record, total
        record = sums
        np.subtract(logits, logits.max(), logits)
        np.exp(logits, weights)
        total = float(weights.sum())

    def search(transition: Transition, uniform: np.ndarray) -> list[int]:
        nonlocal total
        here, there = position_of[transition[0]], position_of[transition[-1]]
        slope = 0.0
        if here >= 0:
            weight = weights.item(here) / total
            successor_weight = weights.item(there) / total if there >= 0 else 0.0
            slope = weight * slope_of(transition, weight, successor_weight)
        multiply(weights, -slope / total, gradient)
        gradient[here] += slope
        descend()
        np.exp(logits, weights)
        cumulative = add.accumulate(weights)
        total = cumulative.item(-1)
        if settings.is_recorded:
            multiply(weights, 1.0 / total, scratch)
            add(record, scratch, record)
        chosen: list[int] = candidates.take(cumulative.searchsorted(uniform * total)).tolist()
        return chosen

    num_steps = steps_between_centring(rate, _LARGEST_DRIFT, _CHUNK)
    return _SearchControl(num_steps, begin, search)


def _adam(size: int, rate: float) -> tuple[np.ndarray, np.ndarray, Callable[[], None]]:
    """[size] numbers at zero, the array that takes their gradient, and what moves the numbers one step along it.

    The moments are kept without the factors 1 − β, which go into the step size.
    """
    (decay_1, decay_2), decays = _ADAM_DECAY, np.repeat(np.array(_ADAM_DECAY)[:, None], size, 1)
    moments, powers = np.zeros((2, size)), np.zeros((2, size))
    (first, second), (gradient, square) = moments, powers
    numbers, scratch = np.zeros(size), np.zeros(size)
    power_1 = power_2 = 1.0
    add, multiply = np.add, np.multiply

    def descend() -> None:
        nonlocal power_1, power_2
        multiply(gradient, gradient, square)
        multiply(moments, decays, moments)
        add(moments, powers, moments)
        power_1 *= decay_1
        power_2 *= decay_2
        root = math.sqrt((1.0 - power_2) / (1.0 - decay_2))
        np.sqrt(second, scratch)
        add(scratch, _ADAM_EPSILON * root, scratch)
        np.divide(first, scratch, scratch)
        multiply(scratch, rate * (1.0 - decay_1) / (1.0 - power_1) * root, scratch)
        np.subtract(numbers, scratch, numbers)

    return numbers, gradient, descend


def _draw(
    rng: np.random.Generator, count: int, num_actions: int, epsilon: float
) -> tuple[np.ndarray, Iterator[int], Iterator[float], Iterator[float]]:
    """Draws uniform numbers, and actions with the numbers that break ties and pick outcomes.

    What is drawn for a step does not depend on how many steps are drawn together.
    """
    state, action, outcome = rng.random((count, 3)).T
    is_random = action < epsilon
    random_action = np.minimum(action * (num_actions / max(epsilon, 1e-300)), num_actions - 1)
    actions = np.where(is_random, random_action, _GREEDY).astype(int)
    tie = (action - epsilon) / max(1.0 - epsilon, 1e-300)
    return state, iter(actions.tolist()), iter(tie.tolist()), iter(outcome.tolist())


def _break_tie(row: list[float], number: float) -> int:
    best = max(row)
    actions = [action for action, value in enumerate(row) if value == best]
    return actions[int(number * len(actions))]


def _chunks(num_steps: int, switch_every: int, num_phases: int, most: int) -> Iterator[tuple[int, int]]:
    """Yields (phase, number of steps); no chunk reaches across a switch of the rewards."""
    step = 0
    while step < num_steps:
        steps = min(most, num_steps - step, switch_every - step % switch_every)
        yield step // switch_every % num_phases, steps
        step += steps


def _values(q: np.ndarray) -> _Values:
    rows: list[list[float]] = q.tolist()
    greedy = [row.index(max(row)) if row.count(max(row)) == 1 else _TIE for row in rows]
    return _Values(rows, [max(row) for row in rows], greedy)


def _as_lists(tables: Prepared) -> _Maze:
    discount, successor = tables.discount.tolist(), tables.successor.tolist()

    def outcomes(reward: np.ndarray) -> Outcomes:
        return [[list(zip(*slots)) for slots in zip(*rows)] for rows in zip(reward.tolist(), discount, successor)]

    cumulative = [
        [[number for number in slots if number < math.inf] for slots in rows] for rows in tables.cumulative.tolist()
    ]
    real = [outcomes(reward) for reward in tables.true_reward]
    return _Maze(cumulative, real, outcomes(tables.model_reward))


def _weighted_successors(tables: Prepared) -> list[list[list[tuple[float, int]]]]:
    """[S][A] lists of (probability × discount, successor), without those that count nothing."""
    return [
        [[pair for pair in zip(*slots) if pair[0]] for slots in zip(*rows)]
        for rows in zip(tables.weight.tolist(), tables.successor.tolist())
    ]
