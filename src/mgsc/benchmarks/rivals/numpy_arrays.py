"""Dyna-Q with its action values in a NumPy array, the way most people would write it first.

Everything else is as in ``numpy_loop``, whose numbers it reproduces exactly; it stands beside it
to show what keeping the values in lists, and the best of them up to date, is worth.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from .numpy_loop import _CHUNK, _GREEDY, _as_lists, _break_tie, _chunks, _draw
from .tables import Problem, Result, Settings, prepare


def run_dyna_q(problem: Problem, settings: Settings, seed: int) -> Result:
    """Runs Dyna-Q as ``numpy_loop.run_dyna_q`` does."""
    num_steps, num_updates = settings.num_steps, settings.planning_updates
    step_size = settings.step_size
    cumulative, real, model = _as_lists(prepare(problem, settings.discount))
    candidates, start = problem.candidates, int(problem.start)
    q = np.zeros(problem.probability.shape[:2])
    num_actions, epsilon = q.shape[1], settings.epsilon
    rng_real, rng_plan = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    total, state = 0.0, start

    def choose(row: list[float], drawn: int, tie: float) -> int:
        if drawn != _GREEDY:
            return drawn
        best = max(row)
        return row.index(best) if row.count(best) == 1 else _break_tie(row, tie)

    for phase, steps in _chunks(num_steps, problem.switch_every, len(real), _CHUNK):
        outcomes = real[phase]
        uniform, *plan_draws = _draw(rng_plan, steps * num_updates, num_actions, epsilon)
        uniform = uniform.reshape(steps, num_updates)
        queries = candidates[(uniform * len(candidates)).astype(int)].tolist()
        _, *draws = _draw(rng_real, steps, num_actions, epsilon)
        for states, drawn, tie, number in zip(queries, *draws):
            row = q[state].tolist()
            action = choose(row, drawn, tie)
            slot = bisect_right(cumulative[state][action], number)
            reward, discount, successor = outcomes[state][action][slot]
            total += reward
            error = reward + discount * max(q[successor].tolist()) - row[action]
            q[state, action] += step_size * error
            state = successor if discount else start
            for imagined, drawn, tie, number in zip(states, *plan_draws):
                row = q[imagined].tolist()
                action = choose(row, drawn, tie)
                slot = bisect_right(cumulative[imagined][action], number)
                reward, discount, successor = model[imagined][action][slot]
                error = reward + discount * max(q[successor].tolist()) - row[action]
                q[imagined, action] += step_size * error
    shape = len(real), len(candidates)
    return Result(total, q, np.full(shape, 1.0 / len(candidates)))
