"""The form of a further measure: a file with a function and its row, and a line in ``measure_table``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from typing import NamedTuple

from mgsc.dyna import Dyna, DynaState
from mgsc.experiments.design.quantities import Has
from mgsc.problem import Problem
from mgsc.types import Array


class View(NamedTuple):
    """The argument of a measure, which is taken every ``measure_every`` steps.

    Attributes:
        agent: the agent's functions and numbers.
        problem: of all agents, with the truth where there is one.
        state: the agent's state after the step.
    """

    agent: Dyna
    problem: Problem
    state: DynaState


@dataclasses.dataclass(frozen=True)
class MeasureRow:
    """A measure that is recorded of every agent, averaged over the chunk and stored under its name.

    Attributes:
        name: of the stored variable.
        meaning: in words, for the report.
        unit: of its numbers.
        measure: ``(view) -> []``; compiled into the run.
        needs: properties that the problem must have.
        spares: properties of which it must lack one, because other measures take their place.
    """

    name: str
    meaning: str
    unit: str
    measure: Callable[[View], Array]
    needs: Collection[Has] = ()
    spares: Collection[Has] = ()

    def applies(self, has: Collection[Has]) -> bool:
        """Whether it is recorded of a problem with these properties."""
        is_spared = bool(self.spares) and set(self.spares) <= set(has)
        return set(self.needs) <= set(has) and not is_spared
