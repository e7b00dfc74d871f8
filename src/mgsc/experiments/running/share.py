"""One of several shares of a run, for job arrays: ``--index I --of N``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from mgsc.errors import UserError

MOST_SHARES = 100_000

Item = TypeVar("Item")
Place = TypeVar("Place")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Share:
    """One share of the work.

    Attributes:
        index: its number, from 0.
        of: number of shares.
    """

    index: int
    of: int

    @classmethod
    def of_options(cls, index: int | None, of: int | None) -> Share | None:
        """The share of two options of a command; None where neither is given.

        Raises:
            UserError: one of them is missing, or there is no such share.
        """
        if index is None and of is None:
            return None
        if index is None or of is None:
            raise UserError("--index I and --of N go together: the I-th (from 0) of N shares")
        if not 1 <= of <= MOST_SHARES:
            raise UserError(f"--of is {of}: it must be in [1, {MOST_SHARES}]")
        if not 0 <= index < of:
            raise UserError(f"--index is {index}: with --of {of} it must be in [0, {of - 1}]")
        return cls(index, of)

    def take(self, items: Sequence[Item]) -> list[Item]:
        """Its items: each is in one share, neighbours are together, and no share has two more than another."""
        first, end = (number * len(items) // self.of for number in (self.index, self.index + 1))
        return list(items[first:end])


def run_joined(
    join: Callable[[], AbstractContextManager[Place]],
    *,
    finished: Callable[[Place], Result | None],
    missing: Callable[[Place], Callable[[], object]],
    publish: Callable[[Place], Result | None],
) -> Result | None:
    """Computes what is missing of one share; the share that ends last publishes the result of all.

    The place that all shares write to is locked before and after the computation, not meanwhile.

    Args:
        join: locks that place while its block runs.
        finished: returns the published result; None while there is none.
        missing: returns a function that computes what is missing of this share and writes it to the place.
        publish: publishes and returns the result; returns None while runs of other shares are missing.

    Returns:
        The result, or None while runs of other shares are missing.
    """
    with join() as place:
        result = finished(place)
        if result is not None:
            return result
        compute = missing(place)
    compute()
    with join() as place:
        result = finished(place)
        return publish(place) if result is None else result
