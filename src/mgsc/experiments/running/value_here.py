"""The value of the state the agent is in: where values are a network, it shows that they diverge."""

from __future__ import annotations

from mgsc.experiments.design.quantities import Has
from mgsc.experiments.running.measure_row import MeasureRow, View
from mgsc.types import Array

WITHOUT_TABLES: tuple[Has, ...] = ("truth",)


def value_here(view: View) -> Array:
    """[] max q of the agent's present observation, as updates bootstrap from it."""
    state = view.state
    return view.agent.values.bootstrap(state.values, state.learner, state.observation)


ROW = MeasureRow(
    name="value_here",
    meaning="Value of the state the agent is in, max q",
    unit="reward",
    measure=value_here,
    spares=WITHOUT_TABLES,
)
