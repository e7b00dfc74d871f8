"""The chunks of some real steps of a result, to be compared by themselves.

``compare`` alone reads them: figures, reports and diagnoses are of whole results.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from mgsc.errors import UserError
from mgsc.experiments.reading.chunks import with_share_of_time
from mgsc.experiments.store.contract import SELECTED, check_result

if TYPE_CHECKING:
    import xarray as xr


def select_steps(dataset: xr.Dataset, first: int, last: int) -> xr.Dataset:
    """The result of the real steps after ``first`` up to ``last``, counted from there, for ``compare``.

    Of a switch at ``first`` itself nothing is said of d's change, since d before it is left out.

    Args:
        dataset: a whole result, in the form of ``store.contract``.
        first: step after which it begins, 0 or the end of a chunk.
        last: step with which it ends, the end of a later chunk.

    Returns:
        A dataset of the same form. Run time, which is stored for the whole, is divided by steps.

    Raises:
        UserError: that is no whole result, or no chunk ends with one of these steps.
    """
    check_result(dataset)
    ends = [0, *(int(step) for step in dataset["step"].values)]
    first, last = (_end(ends, step, name) for step, name in ((first, "first"), (last, "last")))
    if first >= last:
        raise UserError(f"what is selected ends after it begins: steps {first:,} to {last:,} are none")
    chunks = slice(ends.index(first), ends.index(last))
    chosen = dataset.isel(chunk=chunks)
    chosen = chosen.assign_coords(step=("chunk", [step - first for step in ends[1:][chunks]]))
    chosen = with_share_of_time(chosen, (last - first) / ends[-1])
    switches = [int(step) - first for step in dataset.attrs["switch_steps"] if first < step < last]
    return chosen.assign_attrs(switch_steps=switches, **{SELECTED: (first, last)})


def selected_steps(dataset: xr.Dataset) -> tuple[int, int] | None:
    """The first and the last step that ``select_steps`` was given; None of a whole result."""
    return dataset.attrs.get(SELECTED)


def _end(ends: list[int], step: object, name: str) -> int:
    """The step as an integer, if a chunk ends with it."""
    if isinstance(step, bool) or not hasattr(step, "__index__"):
        raise UserError(f"{name} is a {type(step).__name__}: it must be a number of real steps")
    number = operator.index(step)
    if number not in ends:
        near = sorted(sorted(ends, key=lambda end: abs(end - number))[:2])
        words = " or ".join(f"{end:,}" for end in near)
        raise UserError(f"{name} must be a step that a chunk ends with: {number:,} is not; {words} is")
    return number
