"""The form of a row of the table of models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from mgsc.environments.tables import Tables
from mgsc.facts import Facts
from mgsc.models.base import Model
from mgsc.settings import Row

S = TypeVar("S")


class BuiltModel(NamedTuple):
    """A model, and tables of its answers where they are known.

    Attributes:
        tables: [S, A, M] of a model that never changes; None where it learns, or has none.
        links: tables of all successors that it may ever predict; None where it may predict any, or has no tables.
    """

    model: Model
    tables: Tables | None = None
    links: Tables | None = None


@dataclasses.dataclass(frozen=True)
class ModelRow(Row[S]):
    """A model that suites may name.

    Attributes:
        build: ``(settings, facts) -> BuiltModel``.
        needs_tables: whether states must be listed.
    """

    build: Callable[[S, Facts], BuiltModel]
    needs_tables: bool = False
