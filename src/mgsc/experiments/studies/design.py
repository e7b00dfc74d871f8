"""The design of a study: suites, agents, and settings that change along one axis or two.

Every combination of a ground and a value of each axis is a *cell*; all agents of a cell run on the same
seeds, and so do all cells. A cell is an ordinary suite: it passes ``check_suite``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mgsc.errors import UserError, check_type
from mgsc.experiments.design.names import OWN_SUITE
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, change_suite, check_suite, choose_agents
from mgsc.experiments.tuning.chosen import tuned_suite

AS_TUNED = "as tuned"
"""Label of the value without changes, and the reference of studies that compare with it."""

BEST_FIXED = "best fixed"
"""Reference of maps: the best agent of the same problem that learns no search control, with at most as many updates."""


class Value(NamedTuple):
    """One value on an axis.

    Attributes:
        label: in figures and tables.
        changes: settings in the form of ``change_suite``.
        model: replaces ``{model}`` in the name of the ground's suite.
    """

    label: str
    changes: Mapping[str, Any] = {}
    model: str = ""


class Axis(NamedTuple):
    """The changes along one axis.

    Attributes:
        is_ordered: whether its values, except for ``AS_TUNED``, are numbers, joined by a line.
    """

    label: str
    values: tuple[Value, ...]
    is_ordered: bool = True


class Ground(NamedTuple):
    """A suite with some of its agents, and changes for all its cells.

    Attributes:
        suite: name of a suite, in which ``{model}`` is filled in by the value of an axis; or a suite of your own, which
            runs with its own settings.
    """

    label: str
    suite: str | Suite
    agents: tuple[str, ...]
    changes: Mapping[str, Any] = {}


class Study(NamedTuple):
    """One question: a row of the table of studies.

    Attributes:
        axes: one, or two for a map.
        reference: the agent others of its cell are compared with; or ``AS_TUNED``, the same agent with nothing
            changed; or ``BEST_FIXED``.
        note: on the numbers, for readers.
        compares: whether it compares across its grounds, on one scale; every cell then holds its optimum.
    """

    title: str
    grounds: tuple[Ground, ...]
    axes: tuple[Axis, ...]
    reference: str
    note: str = ""
    compares: bool = False


class Cell(NamedTuple):
    """One suite of a study.

    Attributes:
        ground: label of its ground.
        at: label of its value on each axis.
        suite_name: the suite whose tuned settings it has; ``OWN_SUITE`` of a suite of your own.
        suite: with all changes, and the study's agents only.
        unchanged: the suite before any change, with all its agents.
    """

    ground: str
    at: tuple[str, ...]
    suite_name: str
    suite: Suite
    unchanged: Suite

    def entry(self, agent: str) -> str:
        """The name of an agent of this cell within the study."""
        return entry_name(self.ground, self.at, agent)


def entry_name(ground: str, at: Sequence[str], agent: str) -> str:
    """The name of one agent of one cell within its study."""
    return " | ".join((ground, *at, agent))


def cells_of(study: Study, seeds: Seeds, steps: int | None = None) -> list[Cell]:
    """All cells of a study, checked.

    Args:
        seeds: reporting seeds; they must not be among those any of the settings were tuned on.
        steps: environment steps of each run; None for the suites' own.

    Raises:
        UserError: a cell is impossible, or an overlap of reporting with tuning seeds.
    """
    seeds.check()
    cells = [_cell(ground, values, seeds, steps) for ground, values in _places(study)]
    for cell in cells:
        check_suite(cell.suite)
    return cells


def _places(study: Study) -> Iterator[tuple[Ground, tuple[Value, ...]]]:
    for ground in study.grounds:
        for values in itertools.product(*(axis.values for axis in study.axes)):
            yield ground, values


def _cell(ground: Ground, values: tuple[Value, ...], seeds: Seeds, steps: int | None) -> Cell:
    name, unchanged = _suite_of(ground, "".join(value.model for value in values), seeds)
    suite = choose_agents(unchanged, list(ground.agents))
    for changes in (ground.changes, *(value.changes for value in values), {} if steps is None else {"steps": steps}):
        suite = change_suite(suite, changes)
    return Cell(ground.label, tuple(value.label for value in values), name, suite, unchanged)


def _suite_of(ground: Ground, model: str, seeds: Seeds) -> tuple[str, Suite]:
    """The name of a ground's suite, and the suite with its tuned settings."""
    if not isinstance(ground.suite, Suite):
        check_type(f"the suite of ground {ground.label}", ground.suite, str, "be a name of `mgsc list`, or a Suite")
        name = ground.suite.format(model=model)
        return name, tuned_suite(name, seeds)
    if model:
        raise UserError(
            f"ground {ground.label} is a suite of your own, whose name has no {{model}}: give values of an axis "
            "changes in place of a model"
        )
    return OWN_SUITE, ground.suite


def axis(label: str, key: str, *numbers: float, first: tuple[Value, ...] = ()) -> Axis:
    """An axis of numbers of one setting."""
    return Axis(label, (*first, *(Value(brief_number(number), {key: number}) for number in numbers)))


def brief_number(number: float) -> str:
    """A number for labels: thousands apart, and no zeros in exponents."""
    return f"{number:,}" if isinstance(number, int) else f"{number:g}".replace("e-0", "e-")
