"""The description of a simulator of one's own, checked before anything is built of it."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.environments import Environment
from mgsc.environments.row import Simulator
from mgsc.errors import UserError


def check_simulator(name: str, source: Simulator) -> None:
    """Checks the fields of a simulator.

    Raises:
        UserError: a field has another type, shape or range; the error names it.
    """
    environment, observation = source.environment, source.observation
    where = f"of environment {name}"
    if not isinstance(environment, Environment):
        raise UserError(f"environment {where} is a {type(environment).__name__}: it must be an Environment")
    _check_actions(where, environment.num_actions, source.action)
    if not (hasattr(observation, "shape") and hasattr(observation, "dtype")):
        raise UserError(f"observation {where} is {observation!r}: it must be a jax.ShapeDtypeStruct")
    _check_params(where, source.params)
    scale: Any = source.reward_scale
    if not _is_number(scale) or not 0 < scale < math.inf:
        raise UserError(f"reward_scale {where} is {scale!r}: it must be a finite number above 0")
    _check_observation_scale(where, source.observation_scale, tuple(observation.shape))
    if source.outcomes is not None and not callable(source.outcomes):
        raise UserError(f"outcomes {where} is a {type(source.outcomes).__name__}: it must be a function or None")
    if not _is_whole(source.num_phases) or source.num_phases < 1:
        raise UserError(f"num_phases {where} is {source.num_phases!r}: it must be an int of at least 1")
    if not _is_whole(source.step_limit) or source.step_limit < 0:
        raise UserError(f"step_limit {where} is {source.step_limit!r}: it must be an int of at least 0")
    if not isinstance(source.made_of, tuple | list):
        raise UserError(
            f"made_of {where} is a {type(source.made_of).__name__}: it must be a tuple of functions and values"
        )


def _check_actions(where: str, num_actions: Any, action: Any) -> None:
    """A actions, or none where they are numbers, whose shape and dtype are then known."""
    if not _is_whole(num_actions) or num_actions < (1 if action is None else 0):
        raise UserError(
            f"num_actions {where} is {num_actions!r}: it must be an int of at least 1; or 0 where actions are "
            "numbers in [-1, 1], whose form is then the simulator's action (of a Gymnasium environment "
            "gymnasium.wrappers.RescaleAction(env, -1.0, 1.0) makes them so)"
        )
    if action is not None and num_actions:
        raise UserError(f"num_actions {where} is {num_actions}, and its actions are numbers: it must be 0")
    if action is not None and not (hasattr(action, "shape") and hasattr(action, "dtype")):
        raise UserError(f"action {where} is {action!r}: it must be a jax.ShapeDtypeStruct, or None")


def _check_params(where: str, params: Any) -> None:
    for place, leaf in jax.tree_util.tree_leaves_with_path(params):
        is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        if not is_key and np.asarray(leaf).dtype.kind not in "biufc":
            raise UserError(
                f"params{jax.tree_util.keystr(place)} {where} is a {type(leaf).__name__}: params are a pytree of "
                "numbers and arrays"
            )


def _check_observation_scale(where: str, scale: Any, shape: tuple[int, ...]) -> None:
    if scale is None:
        return
    wanted = f"it must be None or finite numbers above 0 of shape {shape}, as an observation is"
    try:
        array = np.asarray(scale, float)
    except (TypeError, ValueError):
        raise UserError(f"observation_scale {where} is {scale!r}: {wanted}") from None
    if array.shape != shape or not (np.isfinite(array) & (array > 0)).all():
        raise UserError(f"observation_scale {where} is {scale!r}: {wanted}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
