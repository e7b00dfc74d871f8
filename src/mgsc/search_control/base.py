"""The interface of search control, and the functions that all strategies share: masking, softmax, sampling.

Per real step the loop calls a strategy's functions in this order: ``observe`` with the real transition,
``after_learning`` with its update, ``weights`` of the candidates, ``propose`` for each of K queries, and
``after_backup`` with each backup. A function that a strategy does not need is None, and the loop does nothing in
its place. Most strategies are a formula for logits: ``from_logits`` makes a strategy of such a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from mgsc.indexing import lookup
from mgsc.noise import Draw, uniforms
from mgsc.reductions import softmax
from mgsc.sampling import Tree, index_from_tree, sum_tree
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class Distribution(NamedTuple):
    """The distribution of the shared sampler, computed once per real step.

    Attributes:
        weights: [N] or [N, A] probabilities of querying; exactly 0 where not allowed.
        tree: sums of all of them, see ``sampling``.
    """

    weights: Array
    tree: Tree


class SearchControl(NamedTuple):
    """A strategy as pure functions; ``params`` is ``Params(values, model, learner)`` throughout.

    Attributes:
        init: ``(key, params, candidates) -> state`` before the first step.
        weights: ``(state, params, candidates) -> [N] or [N, A]`` d: probabilities of querying a
            candidate, or a candidate and an action; exactly 0 where not allowed, as ``masked_softmax`` makes them.
            With ``propose`` and candidates that are not listed, [N, C] of whatever that chooses among.
        propose: ``(noise, state, params, distribution, candidates, last) -> Query``; ``last`` is
            the Backup before this one, at first the real transition's. None: the shared sampler.
        after_backup: ``(state, params, backup) -> state``, or None.
        observe: ``(state, params, candidates, transition) -> (state, info)`` receives the real transition
            before values and model learn from it, or None; ``info`` is a dict of numbers that are reported.
        after_learning: ``(state, params, backup) -> state`` receives the real transition's own update, with the
            values and the model at the beginning of planning, or None.
        draw: noise of one proposal.
        reports: names of numbers in ``info``, beside meta_loss and meta_gradient_norm, whose means are recorded.
    """

    init: Callable[[Array, Params, Candidates], PyTree]
    weights: Callable[[PyTree, Params, Candidates], Array]
    propose: Callable[[PyTree, PyTree, Params, Distribution, Candidates, Backup], Query] | None = None
    after_backup: Callable[[PyTree, Params, Backup], PyTree] | None = None
    observe: Callable[[PyTree, Params, Candidates, Transition], tuple[PyTree, dict[str, Array]]] | None = None
    after_learning: Callable[[PyTree, Params, Backup], PyTree] | None = None
    draw: Draw = uniforms
    reports: tuple[str, ...] = ()


Strategy = Callable[[Parts], SearchControl]
"""The result of a strategy's factory: a function of the agent's parts that returns its search control."""


def masked_softmax(logits: Array, is_allowed: Array) -> Array:
    """Softmax over all entries of ``logits``, exactly 0 where ``is_allowed`` (same leading axes) is False."""
    allowed = is_allowed if is_allowed.ndim == logits.ndim else is_allowed[..., None]
    return softmax(jnp.where(allowed, logits, -jnp.inf))


def uniform_weights(state: PyTree, params: Params, candidates: Candidates) -> Array:
    """[N] ``weights`` of a strategy under which every allowed candidate is equally likely."""
    del state, params
    return masked_softmax(jnp.zeros(candidates.index.shape, jnp.result_type(float)), candidates.is_allowed)


def allowed_pairs(candidates: Candidates, num_actions: int) -> Array:
    """[N, A] bool: whether a candidate and action may be queried."""
    allowed = jnp.asarray(candidates.is_allowed)
    return jnp.broadcast_to(allowed if allowed.ndim == 2 else allowed[:, None], (len(allowed), num_actions))


def make_distribution(weights: Array) -> Distribution:
    """The distribution of weights [N] or [N, A]."""
    return Distribution(weights, sum_tree(weights.reshape(-1)))


def sample_query(noise: Array, distribution: Distribution, candidates: Candidates) -> Query:
    """The shared sampler: one candidate (and action, where the distribution is joint)."""
    drawn = index_from_tree(noise, distribution.tree)
    action = None
    if distribution.weights.ndim == 2:
        num_actions = distribution.weights.shape[1]
        drawn, action = drawn // num_actions, drawn % num_actions
    elif candidates.action is not None:
        action = lookup(candidates.action, drawn)
    return Query(lookup(candidates.observation, drawn), lookup(candidates.index, drawn), action)


def importance(distribution: Distribution, chance: Array, correction: Array | float) -> Array:
    """[] factor of an update's step size where weights are not uniform: (N P)^−β over its largest value.

    Args:
        distribution: of the queries.
        chance: [] P of the query.
        correction: β; 0 is none, 1 the whole correction.

    Source: Schaul et al. 2016, 3.4.
    """
    chances = distribution.weights
    least = jnp.min(jnp.where(chances > 0, chances, jnp.inf))
    return (least / chance) ** correction


def no_state(key: Array, params: Params, candidates: Candidates) -> tuple[()]:
    """``init`` of a strategy without state."""
    del key, params, candidates
    return ()


def from_logits(
    logits: Callable[[PyTree, Params, Candidates], Array],
    *,
    init: Callable[[Array, Params, Candidates], PyTree] = no_state,
    observe: Callable[[PyTree, Params, Candidates, Transition], tuple[PyTree, dict[str, Array]]] | None = None,
    reports: tuple[str, ...] = (),
) -> Strategy:
    """A strategy that is a formula for logits, perhaps with a state; ``reports`` as in ``SearchControl``.

    Example:
        Prefer states whose best value is large; the third is terminal:

        >>> strategy = from_logits(lambda state, params, candidates: params.values[candidates.index].max(-1))
        >>> states, q = jnp.arange(3), jnp.array([[0.0, 1.0], [0.0, 0.0], [9.0, 9.0]])
        >>> search_control = strategy(None)  # uses none of the agent's parts
        >>> d = search_control.weights((), Params(q, None), Candidates(states, states, states < 2))
        >>> [round(float(probability), 2) for probability in d]
        [0.73, 0.27, 0.0]
    """

    def weights(state: PyTree, params: Params, candidates: Candidates) -> Array:
        return masked_softmax(logits(state, params, candidates), candidates.is_allowed)

    return lambda parts: SearchControl(init, weights, observe=observe, reports=reports)
