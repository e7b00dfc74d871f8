"""The value of the agent's state, which shows whether values of a network diverge."""

from __future__ import annotations

from mgsc.experiments.design.quantities import Has
from mgsc.experiments.running.measure_row import MeasureRow, View
from mgsc.types import Array

WITHOUT_TABLES: tuple[Has, ...] = ("truth",)


def value_here(view: View) -> Array:
    """[] max q of the agent's observation, the bootstrap value of updates."""
    state = view.state
    return view.agent.values.bootstrap(state.values, state.learner, state.observation)


ROW = MeasureRow(
    name="value_here",
    meaning="Value of the state the agent is in, max q",
    unit="reward",
    measure=value_here,
    spares=WITHOUT_TABLES,
)
