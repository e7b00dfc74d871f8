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


def steps_per_chunk(dataset: xr.Dataset) -> Floats:
    """[chunk] environment steps of each chunk of a result."""
    return lengths_of(dataset["step"].values)
