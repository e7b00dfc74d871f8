"""The chunks of a result: its quantities are sums and means over each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]


def lengths_of(ends: npt.ArrayLike) -> Floats:
    """[chunk] environment steps of each chunk, from the steps that chunks end with."""
    steps: Floats = np.diff(np.asarray(ends, np.float64), prepend=0.0)
    return steps


def with_share_of_time(dataset: xr.Dataset, share: float) -> xr.Dataset:
    """A part of a result with that share of its run time, which is stored for the whole."""
    if "run_seconds" not in dataset:
        return dataset
    return dataset.assign(run_seconds=dataset["run_seconds"] * share)


def steps_per_chunk(dataset: xr.Dataset) -> Floats:
    """[chunk] environment steps of each chunk of a result."""
    return lengths_of(dataset["step"].values)
