"""The seeds of a suite's runs: a root seed, and the numbers of the seeds."""

from __future__ import annotations

import dataclasses

from mgsc.errors import UserError

LARGEST_SEED = 2**31 - 1
MOST_SEEDS = 1_000_000
"""Most seeds of one result; another result may begin where it ends."""


@dataclasses.dataclass(frozen=True)
class Seeds:
    """The seeds of every agent: ``first`` … ``first + count − 1`` of the root seed."""

    count: int
    root: int = 0
    first: int = 0

    def check(self) -> None:
        """Checks the seeds.

        Raises:
            UserError: they are impossible; the error names what is allowed.
        """
        for name, value in (("seeds", self.count), ("root-seed", self.root), ("first-seed", self.first)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise UserError(f"{name} is {value!r}: it must be a whole number")
        if self.count < 1:
            raise UserError(f"seeds is {self.count}: at least 1 is needed")
        if self.count > MOST_SEEDS:
            raise UserError(f"seeds is {self.count}: at most {MOST_SEEDS} are possible")
        for name, value in (("root-seed", self.root), ("first-seed", self.first)):
            if not 0 <= value <= LARGEST_SEED - self.count:
                raise UserError(f"{name} is {value}: it must be in [0, {LARGEST_SEED - self.count}]")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(range(self.first, self.first + self.count))
