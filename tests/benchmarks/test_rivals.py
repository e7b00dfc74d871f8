"""The hand-written rivals do what the paper's reading says, and what each other does."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
import pytest

from mgsc.benchmarks.rivals import numba_kernel, numpy_arrays, numpy_loop
from mgsc.benchmarks.rivals.tables import Problem, Result, Settings, prepare, steps_between_centring

Run = Callable[[Problem, Settings, int], Result]

RUNS = {
    "dyna_q": (numpy_loop.run_dyna_q, numba_kernel.run_dyna_q),
    "mgsc": (numpy_loop.run_mgsc, numba_kernel.run_mgsc),
}
needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is installed by the bench extra only"
)


def tmaze(switch_every: int = 2500, slip: float = 0.1) -> Problem:
    """Stem of 6, junction, arms of 4; a goal at each end; the model has phase 0's rewards."""
    cells = [(0, y) for y in range(7)] + [(x, 6) for x in (-4, -3, -2, -1, 1, 2, 3, 4)]
    index = {cell: state for state, cell in enumerate(cells)}
    right, left = index[4, 6], index[-4, 6]
    moves = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    shape = len(cells), 4, 4
    probability, successor = np.zeros(shape), np.zeros(shape, int)
    for (x, y), state in index.items():
        for action in range(4):
            # One slot per move made, not per successor: two bumps share a successor.
            for made, (right_by, up_by) in enumerate(moves):
                goes_to = index.get((x + right_by, y + up_by), state)
                probability[state, action, made] = slip / 4 + (1 - slip) * (made == action)
                successor[state, action, made] = goes_to
    reward = 1.0 * (successor == right) - 1.0 * (successor == left)
    return Problem(
        probability=probability,
        successor=successor,
        terminates=(successor == right) | (successor == left),
        true_reward=np.stack([reward, -reward]),
        model_reward=reward,
        start=0,
        candidates=np.array([state for state in range(15) if state not in (left, right)]),
        switch_every=switch_every,
    )


def wrong_candidates(problem: Problem) -> np.ndarray:
    """Positions of the candidates from which some action may reach a goal: the model errs there."""
    reaches = (problem.terminates & (problem.probability > 0)).any((1, 2))
    return np.flatnonzero(reaches[problem.candidates])


def random_problem(rng: np.random.Generator) -> Problem:
    """7 states, 3 actions, 4 slots of which some are empty; the last state is no candidate."""
    shape = 7, 3, 4
    probability = rng.random(shape) * (rng.random(shape) < 0.7)
    probability[..., 0] += 0.1
    return Problem(
        probability=probability / probability.sum(-1, keepdims=True),
        successor=rng.integers(7, size=shape),
        terminates=rng.random(shape) < 0.3,
        true_reward=rng.normal(size=(2, *shape)),
        model_reward=rng.normal(size=shape),
        start=0,
        candidates=np.arange(6),
        switch_every=10,
    )


def brute_planned_q(problem: Problem, settings: Settings, q: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """θ̄(η) over the whole table: q + α K Σ_i d_i Σ_a π(a|s_i) E_m[δ(s_i, a)] 1_{s_i, a}."""
    best = q == q.max(-1, keepdims=True)
    policy = settings.epsilon / q.shape[1] + (1 - settings.epsilon) * best / best.sum(-1)[:, None]
    bootstrap = np.where(problem.terminates, 0, settings.discount * q.max(-1)[problem.successor])
    error = (problem.probability * (problem.model_reward + bootstrap)).sum(-1) - q
    d = np.zeros(len(q))
    d[problem.candidates] = np.exp(logits) / np.exp(logits).sum()
    return q + settings.step_size * settings.planning_updates * d[:, None] * policy * error


def brute_meta_gradient(
    problem: Problem,
    settings: Settings,
    q: np.ndarray,
    logits: np.ndarray,
    transition: numpy_loop.Transition,
) -> np.ndarray:
    """Central differences of ‖θ̂ − θ̄(η)‖² with θ̂ held where it is at the given logits."""
    state, action, reward, discount, successor = transition
    target = brute_planned_q(problem, settings, q, logits)
    bootstrap = target[successor].max()
    target[state, action] += settings.step_size * (reward + discount * bootstrap - target[state, action])

    def loss(logits: np.ndarray) -> float:
        return float(((target - brute_planned_q(problem, settings, q, logits)) ** 2).sum())

    small = 1e-5 * np.eye(len(logits))
    return np.array([(loss(logits + row) - loss(logits - row)) / 2e-5 for row in small])


CASES = {
    "ordinary": (2, 1, 0.7, 0.9, 4),
    "terminating": (2, 1, 0.7, 0.0, 4),
    "staying": (3, 0, -0.2, 0.9, 3),
    "tied actions": (1, 2, 0.5, 0.9, 2),
    "tied actions of the successor": (2, 1, 0.5, 0.9, 1),
    "successor is no candidate": (2, 1, 0.7, 0.9, 6),
}


def gradient_case(name: str) -> tuple[Problem, Settings, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(list(CASES).index(name))
    q = rng.normal(size=(7, 3))
    q[1] = [0.3, -1.0, 0.3]
    settings = Settings(1, 5, 0.3, discount=0.9, epsilon=0.2)
    return random_problem(rng), settings, q, rng.normal(size=6)


@pytest.mark.parametrize("name", CASES)
def test_numpy_meta_gradient_is_that_of_the_meta_loss(name: str) -> None:
    problem, settings, q, logits = gradient_case(name)
    gradient = numpy_loop.meta_gradient(problem, settings, q, logits, CASES[name])
    expected = brute_meta_gradient(problem, settings, q, logits, CASES[name])
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9)


@needs_numba
@pytest.mark.parametrize("name", CASES)
def test_numba_meta_gradient_is_that_of_the_meta_loss(name: str) -> None:
    problem, settings, q, logits = gradient_case(name)
    gradient = numba_kernel.meta_gradient(problem, settings, q, logits, CASES[name])
    expected = brute_meta_gradient(problem, settings, q, logits, CASES[name])
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_state_that_is_no_candidate_has_no_meta_gradient() -> None:
    problem, settings, q, logits = gradient_case("ordinary")
    transition = (6, 1, 0.7, 0.9, 2)
    assert not numpy_loop.meta_gradient(problem, settings, q, logits, transition).any()
    expected = brute_meta_gradient(problem, settings, q, logits, transition)
    np.testing.assert_allclose(expected, 0, atol=1e-9)


def plain_mgsc(problem: Problem, settings: Settings, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """MGSC by the book, with the numbers ``numpy_loop`` draws; returns q and d at every step.

    With K = 0 this is Q-learning.
    """
    rng_real, rng_plan = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    tables = prepare(problem, settings.discount)
    num_states, num_actions = problem.probability.shape[:2]
    q, num_updates = np.zeros((num_states, num_actions)), settings.planning_updates
    logits, first, second = np.zeros((3, len(problem.candidates)))

    def sample(state: int, number: float, other: float) -> tuple[int, int]:
        if number < settings.epsilon:
            action = int(number / settings.epsilon * num_actions)
        else:
            best = np.flatnonzero(q[state] == q[state].max())
            spread = (number - settings.epsilon) / (1 - settings.epsilon)
            action = best[int(spread * len(best))]
        return action, int(np.searchsorted(tables.cumulative[state, action], other, "right"))

    def update(state: int, action: int, reward: float, discount: float, successor: int) -> None:
        error = reward + discount * q[successor].max() - q[state, action]
        q[state, action] += settings.step_size * error

    state, history = problem.start, []
    for step in range(settings.num_steps):
        phase = step // problem.switch_every % len(problem.true_reward)
        _, *numbers = rng_real.random(3)
        action, slot = sample(state, *numbers)
        where = state, action, slot
        reward, discount = tables.true_reward[phase][where], tables.discount[where]
        successor = tables.successor[where]
        transition = (state, action, reward, discount, successor)
        gradient = np.zeros_like(logits)
        if num_updates:
            gradient = brute_meta_gradient(problem, settings, q, logits, transition)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        corrected = np.sqrt(second / (1 - 0.999 ** (step + 1)))
        logits = logits - settings.meta_step_size * first / (1 - 0.9 ** (step + 1)) / (corrected + 1e-8)
        d = np.exp(logits) / np.exp(logits).sum()
        history.append(d)
        update(*transition)
        state = successor if discount else problem.start
        for uniform, *numbers in rng_plan.random((num_updates, 3)):
            imagined = problem.candidates[np.searchsorted(d.cumsum(), uniform)]
            action, slot = sample(imagined, *numbers)
            where = imagined, action, slot
            update(imagined, action, tables.model_reward[where], tables.discount[where], tables.successor[where])
    return q, np.array(history)


@pytest.mark.parametrize("run", [numpy_loop.run_dyna_q, numpy_loop.run_mgsc])
def test_without_planning_it_is_q_learning(run: Run) -> None:
    problem = tmaze(switch_every=200)
    settings = Settings(500, 0, 0.5)
    expected, _ = plain_mgsc(problem, settings, seed=3)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(run(problem, settings, 3).q, expected, rtol=0, atol=1e-14)


def test_numpy_mgsc_follows_the_method_step_by_step() -> None:
    # A large meta step size, so that the logits are centred within the run (every 93 steps).
    problem = tmaze(switch_every=100)
    settings = Settings(300, 3, 0.5, meta_step_size=1.0)
    assert steps_between_centring(1.0, 300.0, 2500) == 93
    q, history = plain_mgsc(problem, settings, seed=1)
    result = numpy_loop.run_mgsc(problem, settings, 1)
    np.testing.assert_allclose(result.q, q, rtol=0, atol=1e-5)
    even = np.arange(300) // 100 % 2 == 0
    mean_d = np.stack([history[even].mean(0), history[~even].mean(0)])
    assert mean_d.max() > 2 / 13
    np.testing.assert_allclose(result.mean_d, mean_d, rtol=0, atol=1e-5)


def test_numpy_mgsc_with_fixed_logits_is_uniform_dyna_q() -> None:
    settings = Settings(3000, 5, 0.5, meta_step_size=0.0)
    uniform = numpy_loop.run_dyna_q(tmaze(), settings, 0)
    fixed = numpy_loop.run_mgsc(tmaze(), settings, 0)
    assert uniform.total_reward == fixed.total_reward
    np.testing.assert_array_equal(uniform.q, fixed.q)
    np.testing.assert_allclose(uniform.mean_d, fixed.mean_d)


def test_values_in_lists_and_in_an_array_are_the_same() -> None:
    settings = Settings(2000, 5, 0.5)
    lists = numpy_loop.run_dyna_q(tmaze(), settings, 0)
    array = numpy_arrays.run_dyna_q(tmaze(), settings, 0)
    assert lists.total_reward == array.total_reward
    np.testing.assert_array_equal(lists.q, array.q)


@needs_numba
def test_numba_without_planning_is_one_algorithm() -> None:
    settings = Settings(3000, 0, 0.5)
    q_learning = numba_kernel.run_dyna_q(tmaze(), settings, 7)
    mgsc = numba_kernel.run_mgsc(tmaze(), settings, 7)
    assert q_learning.total_reward == mgsc.total_reward != 0
    np.testing.assert_array_equal(q_learning.q, mgsc.q)
    np.testing.assert_allclose(mgsc.mean_d[0], 1 / 13, rtol=1e-6)


@needs_numba
@pytest.mark.parametrize(("name", "num_updates"), [("dyna_q", 0), ("dyna_q", 5), ("mgsc", 5)])
def test_numpy_and_numba_agree_over_seeds(name: str, num_updates: int) -> None:
    problem = tmaze(switch_every=1000)
    settings = Settings(3000, num_updates, 0.5)
    numpy_run, numba_run = RUNS[name]
    slow = [numpy_run(problem, settings, seed) for seed in range(20)]
    quick = [numba_run(problem, settings, seed) for seed in range(400)]

    def assert_same_mean(one: list[float], other: list[float]) -> None:
        error = np.hypot(np.std(one, ddof=1) / len(one) ** 0.5, np.std(other) / len(other) ** 0.5)
        assert abs(np.mean(one) - np.mean(other)) < 3 * error

    assert_same_mean([run.total_reward for run in slow], [run.total_reward for run in quick])
    # The value of the way up at the foot of the stem.
    assert_same_mean([run.q[0, 0] for run in slow], [run.q[0, 0] for run in quick])
    if name == "mgsc":
        wrong = wrong_candidates(problem)
        assert_same_mean(
            [run.mean_d[1, wrong].sum() for run in slow],
            [run.mean_d[1, wrong].sum() for run in quick],
        )


def test_the_model_errs_beside_the_goals_only() -> None:
    # States 8 and 13; state 7, a goal, is no candidate.
    assert wrong_candidates(tmaze()).tolist() == [7, 12]


@needs_numba
def test_numba_reaches_the_prototypes_results() -> None:
    """The prototypes' means over 30 seeds, ± 95 %: MGSC 2837 ± 60, uniform 1539 ± 9."""
    settings = Settings(50_000, 5, 0.7, meta_step_size=0.03)
    totals = {
        name: np.array([run(tmaze(), settings, seed).total_reward for seed in range(30)])
        for name, (_, run) in RUNS.items()
    }
    assert abs(totals["mgsc"].mean() - 2837) < 3 * (30 + totals["mgsc"].std() / 30**0.5)
    assert 1450 < totals["dyna_q"].mean() < 1600
