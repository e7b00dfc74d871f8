"""Signals of pairs of state and action by which rivals choose their queries, as features of a softmax.

They are kept for all pairs, and computed anew only where something has changed: those of values and model at the pairs
that lead to a state whose values changed (``refreshed``), those of real experience at the pair tried (``observed``).
Pairs are numbered s · A + a.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.indexing import add_at, lookup, put_at, put_each, settled
from mgsc.reductions import largest, total
from mgsc.search_control.ensemble import Ensemble, EnsembleState, learn_from, new_ensemble
from mgsc.search_control.expected import (
    all_expected_errors,
    all_value_changes,
    all_values,
    expected_target,
    real_target,
)
from mgsc.types import Array, Candidates, Params, Parts, Transition

Signal = TypeVar("Signal")

FEATURES = (
    "policy",
    "td_error",
    "pair_error",
    "state_error",
    "novelty",
    "recency",
    "count",
    "disagreement",
    "value_change",
)
"""Names of the features, in their order.

``policy``        log π(a|s) of the behaviour policy.
``td_error``      log(|E_m δ(s, a)| + floor), the floor a share of the largest reward's size.
``pair_error``    −|running signed error of the model at the pair|, over the largest reward's size; it fades.
``state_error``   the same of a state, whichever action.
``novelty``       −1 / √(1 + how often the pair was tried).
``recency``       a trace: 1 where the pair was tried just now; it fades.
``count``         log(1 + how often the pair was tried) / 5.
``disagreement``  minus that of an ensemble of learned models.
``value_change``  log(|E_m[max q(s') − max q(s)]| + floor).
"""

WORTH_KEEPING = {"learned": 1, "fixed": 6}
"""With more pairs than so many times those that a step may change, finding and writing these is faster than computing
all in one row, where the model is learned or fixed: what a learned model expects costs more."""

LEAST_POLICY = 1e-6
"""Least probability of the behaviour policy in its logarithm, which is then finite."""


class Signals(NamedTuple):
    """The signals of every pair [P] or state [S]; those that no feature needs are None.

    Attributes:
        error: [P] E_m δ, the expected error of each pair at the beginning of planning [reward].
        log_error: [P] its feature.
        log_policy: [P].
        pair_error: [P] running signed error of the model's targets [reward].
        state_error: [S] the same of states.
        tries: [P] how often each pair was tried.
        novelty, log_tries: [P] its features.
        recency: [P] traces.
        ensemble: the members of ``disagreement``.
        log_change: [P] the feature ``value_change``.
        best: [S] max q at the beginning of planning; None where all is computed anew each time.
        touched: [K + 1] int32 states whose values changed since; None as above.
    """

    error: Array
    log_error: Array | None
    log_policy: Array | None
    pair_error: Array | None
    state_error: Array | None
    tries: Array | None
    novelty: Array | None
    log_tries: Array | None
    recency: Array | None
    ensemble: EnsembleState | None
    log_change: Array | None
    best: Array | None
    touched: Array | None


class PairSignals(NamedTuple):
    """The functions that keep signals and make features of them.

    Attributes:
        parts: the agent's functions.
        num_states, num_actions: S, A.
        used: names of the features, in the order of ``FEATURES``.
        reward_scale: max |R| [reward].
        floor: of ``td_error`` and ``value_change``, over ``reward_scale``; may be traced.
        rate: weight of the newest error in the running ones, in (0, 1]; may be traced.
        fade: share of the running errors and traces that is lost in each real step; may be traced.
        predecessors: [S, I] pairs among which are all that may ever lead to each state; None: any may.
        max_updates: bound of K.
        learns: whether the model learns.
        ensemble: of ``disagreement``.
        candidates: all states, in order.
    """

    parts: Parts
    num_states: int
    num_actions: int
    used: Sequence[str]
    reward_scale: float
    floor: Array | float
    rate: Array | float
    fade: Array | float
    predecessors: Array | None
    max_updates: int
    learns: bool
    ensemble: Ensemble | None
    candidates: Candidates

    @property
    def num_pairs(self) -> int:
        """P, the number of pairs."""
        return self.num_states * self.num_actions

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names under which the weights of the features in use are reported."""
        return tuple(f"{name}_weight" for name in self.used)

    @property
    def _known_predecessors(self) -> Array:
        assert self.predecessors is not None, "without a list of predecessors all is worked out anew"
        return self.predecessors

    @property
    def is_kept(self) -> bool:
        """Whether only signals that changed are computed."""
        if self.predecessors is None or "value_change" in self.used:
            return False
        may_change = (self.max_updates + 1) * self.predecessors.shape[1]
        return self.num_pairs > WORTH_KEEPING["learned" if self.learns else "fixed"] * may_change

    def init(self, key: Array, params: Params) -> Signals:
        """The signals before the first step: no pair was tried, and all running errors are 0."""

        def zeros(size: int, *names: str) -> Array | None:
            return jnp.zeros(size, jnp.result_type(float)) if set(names) & set(self.used) else None

        pairs = self.num_pairs
        signals = Signals(
            error=jnp.zeros(pairs, jnp.result_type(float)),
            log_error=zeros(pairs, "td_error"),
            log_policy=zeros(pairs, "policy"),
            pair_error=zeros(pairs, "pair_error"),
            state_error=zeros(self.num_states, "state_error"),
            tries=zeros(pairs, "novelty", "count"),
            novelty=zeros(pairs, "novelty"),
            log_tries=zeros(pairs, "count"),
            recency=zeros(pairs, "recency"),
            ensemble=None if self.ensemble is None else new_ensemble(key, pairs, self.ensemble),
            log_change=zeros(pairs, "value_change"),
            best=None,
            touched=None,
        )
        if signals.novelty is not None:
            signals = signals._replace(novelty=signals.novelty - 1)
        signals = self.all_anew(signals, params)
        if not self.is_kept:
            return signals
        best = largest(all_values(self.parts, params, self.candidates))
        return signals._replace(best=best, touched=jnp.zeros(self.max_updates + 1, jnp.int32))

    def all_anew(self, signals: Signals, params: Params) -> Signals:
        """The signals of values and model, of all pairs."""
        error = settled(all_expected_errors(self.parts, params, self.candidates).reshape(-1))
        signals = signals._replace(error=error)
        if signals.log_error is not None:
            signals = signals._replace(log_error=settled(self.log_size(error)))
        if signals.log_policy is not None:
            policy: Array = jax.vmap(self.parts.policy)(all_values(self.parts, params, self.candidates))
            signals = signals._replace(log_policy=settled(_log(policy).reshape(-1)))
        if signals.log_change is not None:
            changes = all_value_changes(self.parts, params, self.candidates, self.num_actions)
            signals = signals._replace(log_change=settled(self.log_size(changes.reshape(-1))))
        return signals

    def refreshed(self, signals: Signals, params: Params, here: Array) -> Signals:
        """As ``all_anew``, computed only where changes since the last time may have an effect.

        Args:
            here: [] the state of the last real transition, whose values and model answers have changed.
        """
        if signals.best is None or signals.touched is None:
            return self.all_anew(signals, params)
        changed = put_at(signals.touched, jnp.asarray(self.max_updates), here)
        rows = jax.vmap(self.parts.action_values, (None, 0))(params.values, changed)
        best = put_each(signals.best, changed, largest(rows))
        own = changed[:, None] * self.num_actions + jnp.arange(self.num_actions)
        pairs = jnp.concatenate([lookup(self._known_predecessors, changed), own], 1).reshape(-1)
        # Padding of the lists of predecessors names a pair past the last.
        pairs = jnp.where(pairs < self.num_pairs, pairs, lookup(own.reshape(-1), jnp.asarray(0)))
        errors = jax.vmap(lambda pair: self.error_of(params, best, pair))(pairs)
        log_policy, log_error = signals.log_policy, signals.log_error
        if log_policy is not None:
            policies = _log(jax.vmap(self.parts.policy)(rows))
            log_policy = put_each(log_policy, own.reshape(-1), policies.reshape(-1))
        if log_error is not None:
            log_error = put_each(log_error, pairs, self.log_size(errors))
        error = put_each(signals.error, pairs, errors)
        return signals._replace(error=error, log_error=log_error, log_policy=log_policy, best=best)

    def error_of(self, params: Params, best: Array, pair: Array) -> Array:
        """[] E_m δ of one pair, given max q of all states."""
        state, action = pair // self.num_actions, pair % self.num_actions
        answers = self.parts.expect(params.model, state, action)
        after = lookup(best, answers.observation)
        target = total(answers.probability * (answers.reward + answers.discount * after))
        return target - self.parts.q(params.values, state, action)

    def touch(self, signals: Signals, number: Array, state: Array) -> Signals:
        """The signals after planning update ``number`` of this step has changed the values of a state."""
        if signals.touched is None:
            return signals
        return signals._replace(touched=put_at(signals.touched, number, state))

    def observed(self, signals: Signals, params: Params, transition: Transition) -> Signals:
        """The signals after a real transition, before values and model learn from it."""
        state, action = transition.observation, transition.action
        pair = state * self.num_actions + action
        signals = self._tried(signals, pair)
        pair_error, state_error = signals.pair_error, signals.state_error
        if pair_error is not None or state_error is not None:
            wrong = expected_target(self.parts, params, state, action) - real_target(self.parts, params, transition)
            pair_error, state_error = self._followed(pair_error, pair, wrong), self._followed(state_error, state, wrong)
        ensemble = signals.ensemble
        if ensemble is not None and self.ensemble is not None:
            ensemble = learn_from(self.ensemble, ensemble, pair, transition)
        return signals._replace(pair_error=pair_error, state_error=state_error, ensemble=ensemble)

    def _tried(self, signals: Signals, pair: Array) -> Signals:
        """The pair was tried once more."""
        recency, tries = signals.recency, signals.tries
        if recency is not None:
            signals = signals._replace(recency=put_at((1 - self.fade) * recency, pair, jnp.ones(())))
        if tries is None:
            return signals
        tries = add_at(tries, pair, jnp.ones(()))
        count, novelty, log_tries = lookup(tries, pair), signals.novelty, signals.log_tries
        if novelty is not None:
            novelty = put_at(novelty, pair, -lax.rsqrt(1 + count))
        if log_tries is not None:
            log_tries = put_at(log_tries, pair, jnp.log1p(count) / 5)
        return signals._replace(tries=tries, novelty=novelty, log_tries=log_tries)

    def _followed(self, running: Array | None, place: Array, wrong: Array) -> Array | None:
        if running is None:
            return None
        faded = (1 - self.fade) * running
        return add_at(faded, place, self.rate * (wrong - lookup(faded, place)))

    def features(self, signals: Signals) -> list[Array]:
        """The values [P] of each feature in use."""
        return [_FEATURES[name](self, signals) for name in self.used]

    def log_size(self, change: Array) -> Array:
        """log(|change| + floor)."""
        return jnp.log(jnp.abs(change) + self.floor * self.reward_scale)

    def distrust(self, error: Array) -> Array:
        """−|error|, over the largest reward's size."""
        return -jnp.abs(error) / self.reward_scale


def _log(policy: Array) -> Array:
    return jnp.log(jnp.maximum(policy, LEAST_POLICY))


def _kept(signal: Signal | None) -> Signal:
    assert signal is not None, "a feature in use has its signal"
    return signal


_FEATURES: Mapping[str, Callable[[PairSignals, Signals], Array]] = {
    "policy": lambda rule, signals: _kept(signals.log_policy),
    "td_error": lambda rule, signals: _kept(signals.log_error),
    "pair_error": lambda rule, signals: rule.distrust(_kept(signals.pair_error)),
    "state_error": lambda rule, signals: jnp.repeat(rule.distrust(_kept(signals.state_error)), rule.num_actions),
    "novelty": lambda rule, signals: _kept(signals.novelty),
    "recency": lambda rule, signals: _kept(signals.recency),
    "count": lambda rule, signals: _kept(signals.log_tries),
    "disagreement": lambda rule, signals: -_kept(signals.ensemble).disagreement,
    "value_change": lambda rule, signals: _kept(signals.log_change),
}
