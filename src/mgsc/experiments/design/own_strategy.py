"""A search-control strategy of one's own in a suite, beside those of the table.

Example::

    @dataclasses.dataclass(frozen=True)
    class Settings:
        temperature: float = number(1.0, 0.0, 10.0, "temperature of the softmax of the values", above=True)

    def build(settings, facts):
        return from_logits(lambda state, params, candidates: params.values.max(-1) / settings.temperature)

    agents = {"uniform": AgentSettings("uniform"), "valuable": own_strategy("valuable", build, Settings())}
    result = mgsc.run(Suite("own strategy", TMazeSettings(), agents=agents), settings={"valuable.temperature": 0.5})
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_args

from mgsc.errors import UserError, check_type
from mgsc.experiments.design.agents import OWN, AgentSettings
from mgsc.experiments.design.code_digest import code_digest
from mgsc.experiments.design.own import OwnStrategy, check_build, check_own_settings, named_errors
from mgsc.problem import StrategyFacts
from mgsc.search_control import SearchControl, Strategy
from mgsc.search_control.row import Need, NoSettings, Range, StrategyRow, always
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import LARGEST, SMALLEST, check, traced_fields
from mgsc.types import Parts

Build = Callable[[Any, StrategyFacts], Strategy]

MOST_BACKUPS = 2**31 - 1
"""Expected backups of a real step, at most."""


def own_strategy(
    name: str,
    build: Build,
    settings: Any = NoSettings(),  # noqa: B008
    *,
    needs: Collection[Need] = (),
    step_size: float = AgentSettings.step_size,
    queries_model: bool = True,
    expected_backups: int = 0,
    space: Mapping[str, Range] | None = None,
) -> AgentSettings:
    """An agent with a strategy of your own, which is a value of ``Suite(agents={...})``.

    Results are kept under the strategy's name and a digest of its code: of ``build``, and of the functions and
    constants of its module that it names. Code that it imports from other modules is not part of the digest; change
    the strategy's name when that changes.

    Args:
        name: of the strategy; not a name of the table.
        build: ``(settings, facts) -> Strategy``, as in a row of the table. The step size and K of the facts and the
            settings made by ``mgsc.settings.number`` may be traced.
        settings: a frozen dataclass whose fields are made by ``mgsc.settings``.
        needs: its needs, see ``mgsc.search_control.row.Need``; a suite that lacks one raises ``UserError``.
        step_size: of the agent's direct and planning updates.
        queries_model: False where planning updates use real transitions.
        expected_backups: its expected backups per real step; reported beside its results.
        space: ranges of the traced settings that tuning searches.

    Raises:
        UserError: a name that is taken, a ``build`` of other arguments, unknown needs, or settings that are no such
            dataclass, have names that are taken, or are out of their limits.
    """
    check_type("name", name, str, "be a text")
    check_type(f"needs of {name}", needs, (list, tuple, set, frozenset), "be a list of words")
    if name in STRATEGIES or name == OWN:
        raise UserError(f"{name!r} is the name of a strategy of the table: call yours otherwise")
    check_build(f"build of {name}", build, "(settings, facts) -> Strategy")
    _check_settings(name, settings)
    if unknown := sorted(set(needs) - set(get_args(Need))):
        raise UserError(f"{name} needs {unknown}: it may need {list(get_args(Need))}")
    _check_claims(name, queries_model, expected_backups, space)
    space = dict(space or {})
    if strange := sorted(set(space) - set(traced_fields(settings))):
        raise UserError(f"the space of {name} has {strange}: it may have {sorted(traced_fields(settings))}")
    row = StrategyRow(
        name=name,
        summary="a strategy of one's own",
        settings=type(settings),
        build=functools.partial(_build_checked, name, build),
        needs=always(*needs),
        queries_model=queries_model,
        expected_backups=functools.partial(_always, expected_backups),
        space=space,
    )
    own = OwnStrategy(digest=code_digest(build), row=row, name=name)
    check(own, "own.")
    agent = AgentSettings(OWN, step_size=step_size, options=settings, own=own)
    check(agent, f"{name}.")
    return agent


def _check_settings(name: str, settings: Any) -> None:
    check_own_settings(name, settings)
    taken = {field.name for field in dataclasses.fields(AgentSettings)}
    for field in dataclasses.fields(settings):
        if field.name in taken:
            raise UserError(f"{name}.{field.name} is a setting of every agent: call yours otherwise")
    check(settings, f"{name}.")


def _check_claims(name: str, queries_model: object, expected_backups: object, space: object) -> None:
    """Refuses what a row of the table could not say."""
    if not isinstance(queries_model, bool):
        raise UserError(f"queries_model of {name} is {queries_model!r}: it must be True or False")
    is_whole = isinstance(expected_backups, int) and not isinstance(expected_backups, bool)
    if not is_whole or not 0 <= expected_backups <= MOST_BACKUPS:  # type: ignore[operator]
        raise UserError(
            f"expected_backups of {name} is {expected_backups!r}: it must be a whole number, 0 or more, at most"
            f" {MOST_BACKUPS}"
        )
    if space is not None and not isinstance(space, Mapping):
        raise UserError(f"the space of {name} is a {type(space).__name__}: it must map settings to a Range")
    for key, span in (space or {}).items():
        if not _is_range(span):
            raise UserError(
                f"the space of {name} has {key}: {span!r}: it must be a Range with 0 < low < high, both finite,"
                " 0 <= share_of_zero < 1, and is_bounded True or False"
            )


def _is_range(span: object) -> bool:
    """Whether tuning can search this on a log scale."""
    if not isinstance(span, Range) or not isinstance(span.is_bounded, bool):
        return False
    if not all(isinstance(number, int | float) for number in span[:3]):
        return False
    return SMALLEST <= span.low < span.high <= LARGEST and 0 <= span.share_of_zero < 1


def _always(number: int, settings: Any, facts: StrategyFacts) -> int:
    del settings, facts
    return number


def _build_checked(name: str, build: Build, settings: Any, facts: StrategyFacts) -> Strategy:
    with named_errors(f"build of {name} fails"):
        strategy = build(settings, facts)
    if not callable(strategy):
        raise UserError(
            f"build of {name} gave a {type(strategy).__name__}: it must give a Strategy, which is a function "
            "(parts) -> SearchControl, as uniform() or from_logits(formula) is"
        )

    def checked(parts: Parts) -> SearchControl:
        control = strategy(parts)
        if not isinstance(control, SearchControl):
            raise UserError(f"the strategy {name} gave a {type(control).__name__}: it must give a SearchControl")
        return control

    return checked
