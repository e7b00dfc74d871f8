"""The error of a learned model on real transitions that it does not learn from."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.experiments.design.quantities import Has
from mgsc.experiments.running.measure_row import MeasureRow, View
from mgsc.types import Array

JUDGED: tuple[Has, ...] = ("held out",)


def held_out_error(view: View) -> Array:
    """[] the model's mean loss on the transitions held out; NaN while there are none."""
    error = view.agent.model.held_out_error
    return jnp.full((), jnp.nan) if error is None else error(view.state.model)


ROW = MeasureRow(
    name="held_out_error",
    meaning="Loss of the model on transitions held out from its learning",
    unit="1",
    measure=held_out_error,
    needs=JUDGED,
)
