"""Optimisers of Optax that learn d: what they must be, and their step."""

from __future__ import annotations

import jax
import optax

from mgsc.errors import UserError
from mgsc.types import Array, PyTree

WANTED = "an Optax transformation, such as optax.adam(0.03)"


def check_optimizer(name: str, optimizer: object) -> None:
    """Refuses what is no optimiser.

    Args:
        name: of the argument.
        optimizer: what was given.

    Raises:
        UserError: it is none, or a function that makes one and has not been called.
    """
    if callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None)):
        return
    if callable(optimizer):
        called = getattr(optimizer, "__name__", type(optimizer).__name__)
        raise UserError(f"{name} is the function {called}, which was not called: it must be {WANTED}")
    raise UserError(f"{name} is a {type(optimizer).__name__}: it must be {WANTED}")


def optimizer_step(
    optimizer: optax.GradientTransformation, slope: Array, state: PyTree, numbers: Array
) -> tuple[Array, PyTree]:
    """Numbers after a step of their optimiser along a gradient, and its state.

    Raises:
        UserError: the optimiser needs more than a gradient, such as the value of a function.
    """
    try:
        change, state = optimizer.update(slope, state, numbers)
    except TypeError as error:
        if isinstance(error, jax.errors.JAXTypeError):
            raise
        raise UserError(
            f"the optimiser of d needs more than a gradient ({' '.join(str(error).split())}): it must be {WANTED}; "
            "optax.lbfgs and others that search along a line cannot be used"
        ) from error
    after: Array = optax.apply_updates(numbers, change)
    return after, state
