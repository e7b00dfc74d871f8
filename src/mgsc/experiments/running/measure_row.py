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
    """What a measure is taken of, every ``measure_every`` steps.

    Attributes:
        agent: the agent's functions and numbers.
        problem: what all agents share, the truth included where there is one.
        state: the agent's state at that moment.
    """

    agent: Dyna
    problem: Problem
    state: DynaState


@dataclasses.dataclass(frozen=True)
class MeasureRow:
    """A measure that is recorded of every agent, averaged over the chunk and stored under its name.

    Attributes:
        name: of the stored variable.
        meaning: for people, as in the report.
        unit: of its numbers.
        measure: ``(view) -> []``; compiled into the run.
        needs: what the problem must have.
        spares: what it must not have all of, because other measures take its place.
    """

    name: str
    meaning: str
    unit: str
    measure: Callable[[View], Array]
    needs: Collection[Has] = ()
    spares: Collection[Has] = ()

    def applies(self, has: Collection[Has]) -> bool:
        """Whether it is recorded of a problem that has these."""
        is_spared = bool(self.spares) and set(self.spares) <= set(has)
        return set(self.needs) <= set(has) and not is_spared
