"""A part of a result: the chunks of some real steps, as a result of its own.

It is for reading only: what is stored of a result is the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mgsc.errors import UserError, check_type
from mgsc.experiments.store.contract import check_result

if TYPE_CHECKING:
    import xarray as xr

PART = "part"
"""Attribute of such a result: its first and its last step."""


def part_of(dataset: xr.Dataset, first: int, last: int) -> xr.Dataset:
    """The result of the real steps after ``first`` up to ``last``, counted from there.

    Args:
        dataset: a result, in the form of ``store.contract``.
        first: step that the part begins after, 0 or the end of a chunk.
        last: step that it ends with, the end of a later chunk.

    Returns:
        A dataset of the same form. Run time, which is stored for the whole, is divided by steps.

    Raises:
        UserError: that is no result, or it records nothing at one of these steps.
    """
    check_result(dataset)
    ends = np.concatenate([[0], np.asarray(dataset["step"].values, np.int64)])
    places = [_place(ends, step, name) for step, name in ((first, "first"), (last, "last"))]
    if places[0] >= places[1]:
        raise UserError(f"a part of a result ends after it begins: steps {first:,} to {last:,} are none")
    part = dataset.isel(chunk=slice(*places))
    part = part.assign_coords(step=("chunk", ends[places[0] + 1 : places[1] + 1] - first))
    share = (last - first) / int(ends[-1])
    switches = [step - first for step in dataset.attrs["switch_steps"] if first < step < last]
    part = part.assign(run_seconds=dataset["run_seconds"] * share)
    return part.assign_attrs(switch_steps=switches, **{PART: (first, last)})


def first_step(dataset: xr.Dataset) -> int:
    """The real step after which a result begins: 0 of a whole one."""
    return int(dataset.attrs[PART][0]) if PART in dataset.attrs else 0


def words_of_part(dataset: xr.Dataset) -> str:
    """Which steps a result of ``part_of`` is of; empty for a whole result."""
    if PART not in dataset.attrs:
        return ""
    first, last = dataset.attrs[PART]
    return f"steps {first + 1:,} to {last:,}"


def _place(ends: np.ndarray, step: object, name: str) -> int:
    check_type(name, step, int, "be a number of real steps")
    found = np.flatnonzero(ends == step)
    if not len(found):
        near = ends[np.argsort(abs(ends - int(step)), kind="stable")[:2]]  # type: ignore[call-overload]
        words = " or ".join(f"{number:,}" for number in np.sort(near))
        raise UserError(
            f"the {name} step of a part is one of those that a chunk ends with: {step:,} is not; {words} is"
        )
    return int(found[0])
