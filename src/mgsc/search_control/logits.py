"""The logits of a learned distribution: a table, features, or a network over the candidates.

The meta-gradient tunes their parameters η. A distribution is over candidates, [N], or over candidates and
actions jointly, [N, A].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.networks import apply_mlp, flat, init_mlp
from mgsc.types import Array, Candidates, Params, Parts, PyTree


class Logits(NamedTuple):
    """A function of the candidates with parameters η.

    Attributes:
        init: ``(key, params, candidates) -> η``.
        apply: ``(η, params, candidates) -> [N] or [N, A]`` logits, differentiable in η.
        is_table: whether η are the logits themselves, one for each listed candidate.
        look: ``(params, candidates) -> features``, the inputs of the logits besides η and the observations; None where
            there are none. A strategy calls it once in each real step.
        judge: ``(η, candidates, features) -> logits``; with ``look`` it is ``apply``.
    """

    init: Callable[[Array, Params, Candidates], PyTree]
    apply: Callable[[PyTree, Params, Candidates], Array]
    is_table: bool = False
    look: Callable[[Params, Candidates], PyTree] | None = None
    judge: Callable[[PyTree, Candidates, PyTree], Array] | None = None


LogitFunction = Callable[[Parts], Logits]
"""The result of a factory: a function of the agent's parts that returns its logits."""


def table_logits(num_actions: int | None = None) -> LogitFunction:
    """One number for each listed candidate; with ``num_actions``, one for each of its actions. All begin at 0."""
    tail = () if num_actions is None else (num_actions,)

    def init(key: Array, params: Params, candidates: Candidates) -> Array:
        del key, params
        return jnp.zeros((*candidates.index.shape, *tail), jnp.result_type(float))

    def apply(eta: Array, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        return eta

    return lambda parts: Logits(init=init, apply=apply, is_table=True)


def linear_logits(features: Callable[[Parts, Params, Candidates], Array]) -> LogitFunction:
    """η · φ, with one weight for each feature; all begin at 0, so that d begins uniform.

    Args:
        features: ``(parts, params, candidates) -> [N, F] or [N, A, F]``; held fixed in the meta-gradient.
    """

    def build(parts: Parts) -> Logits:
        def init(key: Array, params: Params, candidates: Candidates) -> Array:
            del key
            shape = jax.eval_shape(lambda: features(parts, params, candidates)).shape
            return jnp.zeros(shape[-1:], jnp.result_type(float))

        def apply(eta: Array, params: Params, candidates: Candidates) -> Array:
            # Not a matrix product: accelerators multiply matrices at less than float32's precision.
            return jnp.sum(jax.lax.stop_gradient(features(parts, params, candidates)) * eta, -1)

        return Logits(init=init, apply=apply)

    return build


def network_logits(
    widths: Sequence[int],
    num_actions: int | None = None,
    *,
    encode: Callable[[Array], Array] = flat,
    steepness: float = 0.0,
) -> LogitFunction:
    """A multilayer perceptron on a candidate's observation, with one output, or one for each action.

    Args:
        widths: units of the hidden layers (tanh).
        num_actions: A, for a distribution over candidates and actions.
        encode: ``(observation) -> [F]`` inputs of the network.
        steepness: of the first hidden layer's units, see ``mgsc.networks.init_mlp``.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> PyTree:
        del params
        size = encode(candidates.observation[0]).shape[0]
        return init_mlp(key, (size, *widths, num_actions or 1), steepness=steepness)

    def apply(eta: PyTree, params: Params, candidates: Candidates) -> Array:
        del params
        outputs = jax.vmap(lambda observation: apply_mlp(eta, encode(observation)))(candidates.observation)
        return outputs[:, 0] if num_actions is None else outputs

    return lambda parts: Logits(init=init, apply=apply)


def feature_logits(
    widths: Sequence[int],
    features: Callable[[Parts, Params, Candidates], Array],
    num_actions: int | None = None,
    *,
    encode: Callable[[Array], Array] | None = None,
) -> LogitFunction:
    """A multilayer perceptron on a candidate's features, perhaps also on its observation.

    One network serves all candidates and, where d is over pairs, all actions, which are one-hot inputs. So what it
    learns from one candidate holds for all with the same features.

    Args:
        widths: units of the hidden layers (tanh).
        features: ``(parts, params, candidates) -> [N, F]`` or [N, A, F]; held fixed in the meta-gradient.
        num_actions: A, for a distribution over candidates and actions.
        encode: ``(observation) -> [inputs]``; None leaves the observation out.
    """

    def inputs(candidates: Candidates, looked: Array) -> Array:
        columns = [looked]
        if encode is not None:
            seen = jax.vmap(encode)(candidates.observation)
            if num_actions is not None:
                seen = jnp.broadcast_to(seen[:, None], (*looked.shape[:2], seen.shape[1]))
            columns.append(seen)
        if num_actions is not None:
            each = jnp.eye(num_actions, dtype=looked.dtype)
            columns.append(jnp.broadcast_to(each, (*looked.shape[:2], num_actions)))
        return jnp.concatenate(columns, -1)

    def judge(eta: PyTree, candidates: Candidates, looked: Array) -> Array:
        # A matrix of all rows: one product for each layer.
        rows = inputs(candidates, jax.lax.stop_gradient(looked))
        return apply_mlp(eta, rows.reshape(-1, rows.shape[-1])).reshape(rows.shape[:-1])

    def build(parts: Parts) -> Logits:
        def look(params: Params, candidates: Candidates) -> Array:
            return features(parts, params, candidates)

        def init(key: Array, params: Params, candidates: Candidates) -> PyTree:
            size = jax.eval_shape(lambda: inputs(candidates, look(params, candidates))).shape[-1]
            return init_mlp(key, (size, *widths, 1))

        def apply(eta: PyTree, params: Params, candidates: Candidates) -> Array:
            return judge(eta, candidates, look(params, candidates))

        return Logits(init=init, apply=apply, look=look, judge=judge)

    return build


def observation_features(parts: Parts, params: Params, candidates: Candidates) -> Array:
    """[N, F] the candidates' observations themselves."""
    del parts, params
    return jax.vmap(flat)(candidates.observation)


def encoded_features(
    encode: Callable[[Array], Array], num_actions: int | None = None
) -> Callable[[Parts, Params, Candidates], Array]:
    """Features for ``linear_logits`` from the inputs of a network.

    Args:
        encode: ``(observation) -> [F]``.
        num_actions: A, for a distribution over candidates and actions.

    Returns:
        ``(parts, params, candidates) -> [N, F]``; or [N, A, A·(F + 1)], with the inputs and a 1 in the places of the
        action, and 0 elsewhere.
    """

    def features(parts: Parts, params: Params, candidates: Candidates) -> Array:
        del parts, params
        inputs = jax.vmap(encode)(candidates.observation)
        if num_actions is None:
            return inputs
        each = jnp.concatenate([inputs, jnp.ones_like(inputs[:, :1])], 1)
        of_action = jnp.eye(num_actions, dtype=each.dtype)[None, :, :, None] * each[:, None, None, :]
        return of_action.reshape(len(each), num_actions, -1)

    return features
