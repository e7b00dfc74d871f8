"""Arrays in few bits: quantised where their use allows it, put end to end, and compressed.

A code ``q`` of ``1 + top`` codes stands for ``low + (high - low) · (q / top) ** power``; one more code stands for
NaN. ``power`` is 1 or, for probabilities, 2: then small ones keep more figures than large ones. The last axis
is time and codes are stored as differences along it, because what changes slowly then compresses well.
``assets/decode.js`` is the other half of this file.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Width = Literal["u1", "u2"]
ALIGNMENT = 4
LEVEL = 6
"""Level of compression: 9 takes five times as long for one per cent less."""


@dataclass(frozen=True)
class Scale:
    """The numbers of codes; see the module.

    Attributes:
        low: number of code 0.
        high: number of the largest code that stands for one.
        power: 1 or 2.
    """

    low: float
    high: float
    power: Literal[1, 2] = 1

    def largest_error(self, width: Width) -> float:
        """The largest error of a stored number between the bounds, without float rounding."""
        return self.power * (self.high - self.low) / (2 * top_code(width))


def top_code(width: Width) -> int:
    """The largest code that stands for a number; the one above it stands for NaN."""
    return int(np.iinfo(width).max) - 1


def spanning(values: npt.NDArray[Any], power: Literal[1, 2] = 1) -> Scale:
    """The scale from the smallest to the largest number; from 0 where ``power`` is 2."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Scale(0.0, 0.0, power)
    return Scale(0.0 if power == 2 else float(finite.min()), float(finite.max()), power)


def quantise(values: npt.NDArray[Any], scale: Scale, width: Width) -> npt.NDArray[Any]:
    """Codes of numbers.

    Args:
        values: numbers, NaN for none; those beyond the scale are moved to its nearer end.
        scale: of the codes.
        width: of a code.

    Returns:
        An array of the same shape.
    """
    span = scale.high - scale.low
    top = top_code(width)
    share = (np.asarray(values, np.float64) - scale.low) / span if span > 0 else np.where(np.isnan(values), np.nan, 0.0)
    codes = np.rint(np.clip(share, 0, 1) ** (1 / scale.power) * top)
    return np.where(np.isnan(codes), top + 1, codes).astype(f"<{width}")


def restore(codes: npt.NDArray[Any], scale: Scale) -> npt.NDArray[np.float64]:
    """Numbers of codes, as the page restores them.

    Args:
        codes: from ``quantise``.
        scale: of the codes.

    Returns:
        An array of the same shape, NaN for none.
    """
    top = top_code("u1" if codes.dtype.itemsize == 1 else "u2")
    numbers = scale.low + (scale.high - scale.low) * (codes / top) ** scale.power
    restored: npt.NDArray[np.float64] = np.where(codes > top, np.nan, numbers)
    return restored


@dataclass
class Archive:
    """Named arrays, put end to end.

    Attributes:
        entries: for each array its name, type, shape, offset in bytes and, of codes, their scale.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)
    _length: int = 0

    def add_floats(self, name: str, values: npt.NDArray[Any]) -> None:
        """Adds numbers in single precision."""
        self._add(name, np.asarray(values, "<f4"), "f4", {})

    def add_codes(self, name: str, values: npt.NDArray[Any], scale: Scale, width: Width) -> None:
        """Adds numbers as codes of a scale, [..., chunk]."""
        codes = quantise(values, scale, width)
        differences = np.diff(codes, axis=-1, prepend=codes.dtype.type(0))
        self._add(name, differences, width, {"low": scale.low, "high": scale.high, "power": scale.power})

    def compressed(self) -> bytes:
        """All arrays as one zlib stream."""
        return zlib.compress(b"".join(self._pieces), LEVEL)

    def _add(self, name: str, array: npt.NDArray[Any], kind: str, scale: dict[str, float]) -> None:
        data = np.ascontiguousarray(array).tobytes()
        self.entries.append({"name": name, "type": kind, "shape": list(array.shape), "offset": self._length, **scale})
        padded = data + bytes(-len(data) % ALIGNMENT)
        self._pieces.append(padded)
        self._length += len(padded)
