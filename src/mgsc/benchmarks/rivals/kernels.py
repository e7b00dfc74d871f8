"""Hand-written numba kernels of Dyna-Q and MGSC; imported by ``numba_kernel`` when first needed.

Everything is in float32, which is a little faster here than float64 and what the JAX code uses;
totals and sums over time are in float64. Tables are flat: entry ``s·A + a`` is a state and an
action, slot ``entry·M + k`` one of its outcomes.

What was measured to help: forcing the helpers inline (LLVM leaves ``_choose`` out of line); arrays
as arguments of their own and ``meta_slope`` inlined early (numba otherwise counts references to
arrays inside the loop: a quarter of an MGSC step); sizes known to the compiler; a counter-based
generator, whose numbers do not wait for each other; the likeliest outcome first; arrays over the
candidates padded to whole vectors; and an exp that is vectorised. A planning update is written out in
both loops: as a function of its own it made a step of Dyna-Q almost three times as long.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

_FLOAT = np.float32
_ZERO, _ONE = _FLOAT(0), _FLOAT(1)

# SplitMix64 (Steele, Lea, Flood 2014): its state is a counter, so draws overlap in the processor.
_STRIDE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_HALF = np.uint64(32)
_HIGH_24, _LOW_24 = np.uint64(40), np.uint64(2**24 - 1)
_UNIT_24 = _FLOAT(2.0**-24)
_UNIT_32 = _FLOAT(2.0**-32)

_BETA_1, _BETA_2 = 0.9, 0.999
_DECAY_1, _GAIN_1 = _FLOAT(_BETA_1), _FLOAT(1 - _BETA_1)
_DECAY_2, _GAIN_2 = _FLOAT(_BETA_2), _FLOAT(1 - _BETA_2)
_TINY = _FLOAT(1e-8)

_PER_LOG_2 = _FLOAT(1 / math.log(2))
_LOG_2_HIGH, _LOG_2_LOW = _FLOAT(0.693359375), _FLOAT(math.log(2) - 0.693359375)
_INVERSE_FACTORIALS = tuple(_FLOAT(1 / math.factorial(i)) for i in range(8))
_EXPONENT_BIAS, _EXPONENT_SHIFT = np.int32(127), np.int32(23)
_EXP_LOWEST = _FLOAT(-87)

_FEW = 32
"""Up to so many candidates, comparing a number with all of them beats bisection."""

_VECTOR = 8
"""float32 numbers in a vector register of 256 bits."""

_jit = numba.njit(cache=True, error_model="numpy", nogil=True)
_inline = numba.njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
_inline_early = numba.njit(cache=True, error_model="numpy", nogil=True, inline="always")
"""Inlined before types are known: slower to compile, but arrays are no arguments any more."""


class Tables(NamedTuple):
    """``tables.Prepared``, flat: [S·A·M], [S·A], [S]; rewards of the phases are [P, S·A·M]."""

    cumulative: np.ndarray
    successor: np.ndarray
    discount: np.ndarray
    true_reward: np.ndarray
    model_reward: np.ndarray
    expected_reward: np.ndarray
    weight: np.ndarray
    position: np.ndarray
    candidates: np.ndarray
    start: int
    switch_every: int


class Numbers(NamedTuple):
    """Sizes and settings; what divides is inverted beforehand.

    Attributes:
        actions: A zeros: a tuple's length is known when numba compiles, so that loops over
            actions are unrolled.
        slots: M zeros.
        planned_step: α K.
        random_scale: A / ε, from a number below ε to an action.
        greedy_scale: 1 / (1 − ε), from a number above ε to one in [0, 1).
        centre_every: steps after which the logits are centred.
    """

    actions: tuple[int, ...]
    slots: tuple[int, ...]
    num_steps: int
    num_updates: int
    step_size: np.float32
    planned_step: np.float32
    epsilon: np.float32
    random_scale: np.float32
    greedy_scale: np.float32
    meta_step_size: float
    centre_every: int


@_inline
def _next(counter):
    """Returns the advanced counter and 64 random bits."""
    counter = counter + _STRIDE
    bits = (counter ^ (counter >> _SHIFT_1)) * _MIX_1
    bits = (bits ^ (bits >> _SHIFT_2)) * _MIX_2
    return counter, bits ^ (bits >> _SHIFT_3)


@_inline
def _high(bits):
    """A number in [0, 1) from the upper 24 bits."""
    return _FLOAT(np.int64(bits >> _HIGH_24)) * _UNIT_24


@_inline
def _low(bits):
    """A number in [0, 1) from the lower 24 bits."""
    return _FLOAT(np.int64(bits & _LOW_24)) * _UNIT_24


@_inline
def _choose(q, top, state, number, numbers):
    """The entry s·A + a of an ε-greedy action, ties broken at random, from one number."""
    num_actions = len(numbers.actions)
    first = state * num_actions
    if number < numbers.epsilon:
        return first + min(int(number * numbers.random_scale), num_actions - 1)
    best = top[state]
    count = 0
    action = 0
    for b in range(num_actions):
        if q[first + b] == best:
            count += 1
            action = b
    if count > 1:
        left = (number - numbers.epsilon) * numbers.greedy_scale
        left = min(int(left * _FLOAT(count)), count - 1)
        for b in range(num_actions):
            if q[first + b] == best:
                if left == 0:
                    return first + b
                left -= 1
    return first + action


@_inline
def _outcome(cumulative, entry, number, num_slots):
    slot = entry * num_slots
    while number >= cumulative[slot]:
        slot += 1
    return slot


@_inline
def _update(q, top, state, entry, reward, discount, successor, numbers):
    q[entry] += numbers.step_size * (reward + discount * top[successor] - q[entry])
    first = state * len(numbers.actions)
    best = q[first]
    for b in range(1, len(numbers.actions)):
        value = q[first + b]
        best = value if value > best else best
    top[state] = best


@_inline
def _backup(expected_reward, weight_of, successor_of, numbers, q, top, entry):
    """E_m[δ] of a state and an action."""
    error = expected_reward[entry] - q[entry]
    first = entry * len(numbers.slots)
    for k in range(len(numbers.slots)):
        error += weight_of[first + k] * top[successor_of[first + k]]
    return error


@_inline
def _shares(q, top, state, numbers):
    """Probability of an action that is not best, and of one that is."""
    first = state * len(numbers.actions)
    count = 0
    for b in range(len(numbers.actions)):
        count += q[first + b] == top[state]
    explore = numbers.epsilon / _FLOAT(len(numbers.actions))
    return explore, explore + (_ONE - numbers.epsilon) / _FLOAT(count)


@_inline_early
def meta_slope(expected_reward, weight_of, successor_of, numbers, q, top, weights, state, entry, transition):
    """The derivative of the meta-loss with respect to the visited state's weight.

    g_s = −2 α² K δ̄ π(a|s) E_m[δ(s, a)] with δ̄ the real error at q̄ = q + α K w π E_m[δ].
    ``weights`` are those of the state and its successor, ``transition`` is the real reward,
    discount and successor.
    """
    weight, successor_weight = weights
    reward, discount, successor = transition
    explore, exploit = _shares(q, top, state, numbers)
    error = _backup(expected_reward, weight_of, successor_of, numbers, q, top, entry)
    error *= exploit if q[entry] == top[state] else explore
    target = reward
    if discount > _ZERO:
        explore, exploit = _shares(q, top, successor, numbers)
        scale = numbers.planned_step * successor_weight
        first = successor * len(numbers.actions)
        bootstrap = _FLOAT(-np.inf)
        for b in range(len(numbers.actions)):
            value = q[first + b]
            share = exploit if value == top[successor] else explore
            new = _backup(expected_reward, weight_of, successor_of, numbers, q, top, first + b)
            planned = value + scale * share * new
            bootstrap = planned if planned > bootstrap else bootstrap
        target += discount * bootstrap
    real_error = target - q[entry] - numbers.planned_step * weight * error
    return _FLOAT(-2) * numbers.step_size * numbers.planned_step * real_error * error


@_inline
def _exp(x):
    """exp for x ≤ 88 to float32 rounding; unlike the C library's, a loop of it is vectorised."""
    x = x if x > _EXP_LOWEST else _EXP_LOWEST
    twos = np.floor(x * _PER_LOG_2 + _FLOAT(0.5))
    rest = x - twos * _LOG_2_HIGH - twos * _LOG_2_LOW
    series = _INVERSE_FACTORIALS[-1]
    for i in range(len(_INVERSE_FACTORIALS) - 2, -1, -1):
        series = _INVERSE_FACTORIALS[i] + rest * series
    bits = np.int32((np.int32(twos) + _EXPONENT_BIAS) << _EXPONENT_SHIFT)
    return series * bits.view(_FLOAT)


@_inline
def _centre(logits, weights, num_candidates):
    """Makes the largest logit zero, and those of the padding; returns the sum of the weights."""
    logits -= logits[:num_candidates].max()
    logits[num_candidates:] = _ZERO
    mass = _ZERO
    for i in range(logits.size):
        weights[i] = _exp(logits[i])
    for i in range(num_candidates):
        mass += weights[i]
    return mass


@_inline
def _adam(logits, first, second, weights, scale, rate, root):
    """One Adam step along scale × weights; the weights then are exp of the new logits."""
    for i in range(logits.size):
        gradient = scale * weights[i]
        first[i] = moment = _DECAY_1 * first[i] + _GAIN_1 * gradient
        second[i] = square = _DECAY_2 * second[i] + _GAIN_2 * gradient * gradient
        logits[i] -= rate * moment / (math.sqrt(square) * root + _TINY)
    for i in range(logits.size):
        weights[i] = _exp(logits[i])


@_inline
def _position(cumulative, number):
    """The first index whose cumulative weight exceeds the number."""
    low, high = 0, cumulative.size - 1
    if high < _FEW:
        for i in range(high):
            low += number >= cumulative[i]
        return low
    while low < high:
        middle = (low + high) >> 1
        if number >= cumulative[middle]:
            low = middle + 1
        else:
            high = middle
    return low


@_jit
def dyna_q(tables, numbers, seed):
    """Dyna-Q, planning from uniformly drawn candidates; returns the total reward and [S·A] q."""
    threshold_of, successor_of, discount_of, true_reward, model_reward = tables[:5]
    expected_reward, _, position_of, candidates, start, switch_every = tables[5:]
    num_candidates = np.uint64(candidates.size)
    q = np.zeros(expected_reward.size, _FLOAT)
    top = np.zeros(position_of.size, _FLOAT)
    counter = np.uint64(seed) * _MIX_1
    total = 0.0
    state = start
    phase, left = 0, switch_every
    for _ in range(numbers.num_steps):
        if left == 0:
            phase, left = (phase + 1) % true_reward.shape[0], switch_every
        left -= 1
        counter, bits = _next(counter)
        counter, more = _next(counter)
        entry = _choose(q, top, state, _high(bits), numbers)
        slot = _outcome(threshold_of, entry, _high(more), len(numbers.slots))
        reward, discount, successor = true_reward[phase, slot], discount_of[slot], successor_of[slot]
        total += reward
        _update(q, top, state, entry, reward, discount, successor, numbers)
        state = successor if discount > _ZERO else start
        for _ in range(numbers.num_updates):
            counter, bits = _next(counter)
            counter, more = _next(counter)
            imagined = candidates[np.int64(((bits >> _HALF) * num_candidates) >> _HALF)]
            entry = _choose(q, top, imagined, _high(more), numbers)
            slot = _outcome(threshold_of, entry, _low(bits), len(numbers.slots))
            reward, discount, successor = model_reward[slot], discount_of[slot], successor_of[slot]
            _update(q, top, imagined, entry, reward, discount, successor, numbers)
    return total, q


@_inline
def _accumulate(weights, cumulative):
    """Writes the running sums of the weights; returns the last one."""
    mass = _ZERO
    for i in range(cumulative.size):
        mass += weights[i]
        cumulative[i] = mass
    return mass


@_inline
def _record(sums, phase, weights, mass):
    """Adds d to the sums of a phase."""
    inverse = _ONE / mass
    for i in range(sums.shape[1]):
        sums[phase, i] += weights[i] * inverse


@_jit
def mgsc(tables, numbers, is_recorded, seed):
    """MGSC; returns the total reward, [S·A] q and [P, N] sums of d over the steps of a phase."""
    true_reward, expected_reward, position_of, candidates = tables[3], tables[5], tables[7], tables[8]
    padded = (candidates.size + _VECTOR - 1) // _VECTOR * _VECTOR
    q = np.zeros(expected_reward.size, _FLOAT)
    top = np.zeros(position_of.size, _FLOAT)
    logits, weights = np.zeros(padded, _FLOAT), np.ones(padded, _FLOAT)
    first, second = np.zeros(padded, _FLOAT), np.zeros(padded, _FLOAT)
    cumulative = np.zeros(candidates.size, _FLOAT)
    sums = np.zeros((true_reward.shape[0], candidates.size))
    arrays = q, top, logits, weights, first, second, cumulative, sums
    total = _mgsc_steps(tables, numbers, arrays, is_recorded, seed)
    return total, q, sums


@_jit
def _mgsc_steps(tables, numbers, arrays, is_recorded, seed):
    """All steps of MGSC, which change the arrays; returns the total reward."""
    threshold_of, successor_of, discount_of, true_reward, model_reward = tables[:5]
    expected_reward, weight_of, position_of, candidates, start, switch_every = tables[5:]
    q, top, logits, weights, first, second, cumulative, sums = arrays
    counter = np.uint64(seed) * _MIX_1
    mass = _FLOAT(candidates.size)
    power_1, power_2 = 1.0, 1.0
    total, state = 0.0, start
    phase, left, centred = 0, switch_every, numbers.centre_every
    for _ in range(numbers.num_steps):
        if left == 0:
            phase, left = (phase + 1) % true_reward.shape[0], switch_every
        if centred == 0:
            mass = _centre(logits, weights, candidates.size)
            centred = numbers.centre_every
        left, centred = left - 1, centred - 1
        counter, bits = _next(counter)
        counter, more = _next(counter)
        entry = _choose(q, top, state, _high(bits), numbers)
        slot = _outcome(threshold_of, entry, _high(more), len(numbers.slots))
        reward, discount, successor = true_reward[phase, slot], discount_of[slot], successor_of[slot]
        total += reward

        here, there = position_of[state], position_of[successor]
        scale = _ZERO
        if here >= 0:
            pair = weights[here] / mass, weights[there] / mass if there >= 0 else _ZERO
            outcome = reward, discount, successor
            weights[here] -= mass
            scale = -pair[0] / mass
            scale *= meta_slope(expected_reward, weight_of, successor_of, numbers, q, top, pair, state, entry, outcome)
        power_1, power_2 = power_1 * _BETA_1, power_2 * _BETA_2
        rate = _FLOAT(numbers.meta_step_size / (1.0 - power_1))
        root = _FLOAT(1.0 / math.sqrt(1.0 - power_2))
        _adam(logits, first, second, weights, scale, rate, root)
        mass = _accumulate(weights, cumulative)
        if is_recorded:
            _record(sums, phase, weights, mass)

        _update(q, top, state, entry, reward, discount, successor, numbers)
        state = successor if discount > _ZERO else start
        for _ in range(numbers.num_updates):
            counter, bits = _next(counter)
            counter, more = _next(counter)
            imagined = candidates[_position(cumulative, _FLOAT(np.int64(bits >> _HALF)) * _UNIT_32 * mass)]
            entry = _choose(q, top, imagined, _high(more), numbers)
            slot = _outcome(threshold_of, entry, _low(bits), len(numbers.slots))
            reward, discount, successor = model_reward[slot], discount_of[slot], successor_of[slot]
            _update(q, top, imagined, entry, reward, discount, successor, numbers)
    return total
