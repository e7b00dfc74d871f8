"""A whole run as a function of its key, computed for some seeds side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.experiments.reading.statistics import Interval
from mgsc.experiments.running.devices import devices
from mgsc.experiments.running.program import run_key
from mgsc.kernel import compile_for
from mgsc.types import Array


def over_seeds(run: Callable[[Array], Array], seeds: Sequence[int]) -> NDArray[Any]:
    """[seeds, ...] what ``run`` makes of the key of each seed, which is that of ``mgsc run``."""
    lanes = jnp.asarray(np.array(seeds, np.uint32))
    program = compile_for(devices()[0], jax.vmap(lambda seed: run(run_key(0, seed))), lanes)
    return np.asarray(program(lanes))


def with_interval(interval: Interval, digits: int) -> str:
    """A mean and its interval, as text; of one seed the mean alone."""
    if not np.isfinite(interval.low):
        return f"{interval.estimate:.{digits}f}"
    return f"{interval.estimate:.{digits}f} ({interval.low:.{digits}f} … {interval.high:.{digits}f})"
