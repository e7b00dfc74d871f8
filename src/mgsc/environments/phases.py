"""The phase of a real step: phases of equal length follow one another in a circle."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mgsc.types import Array

Steps = TypeVar("Steps", int, Array, NDArray[np.signedinteger[Any]])


def phase_at(clock: Steps, switch_every: Steps | int, num_phases: int) -> Steps:
    """The phase of a real step, 0 … P − 1.

    Args:
        clock: environment steps made before it since the run began; a number, or an array of any shape.
        switch_every: environment steps each phase lasts.
        num_phases: P.

    Returns:
        Like ``clock``.
    """
    return clock // switch_every % num_phases
