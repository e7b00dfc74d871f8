"""Anyone's search-control strategy in a suite, beside those of the table and with their promises checked.

Example::

    @dataclasses.dataclass(frozen=True)
    class Settings:
        temperature: float = number(1.0, 0.0, 10.0, "temperature of the softmax of the values", above=True)

    def build(settings, step_size, planning_updates, problem):
        return from_logits(lambda state, params, candidates: params.values.max(-1) / settings.temperature)

    agents = {"uniform": AgentSettings("uniform"), "valuable": own_strategy("valuable", build, Settings())}
    result = mgsc.run(Suite("own strategy", TMazeSettings(), agents=agents), settings={"valuable.temperature": 0.5})
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mgsc.errors import UserError
from mgsc.experiments.design.agents import OWN, AgentSettings
from mgsc.experiments.design.own import OwnStrategy
from mgsc.experiments.design.strategies import STRATEGIES
from mgsc.experiments.design.strategy_row import NoSettings, Range, StrategyRow
from mgsc.settings import check, traced_fields

if TYPE_CHECKING:
    from mgsc.experiments.design.problem import Problem
    from mgsc.search_control import Strategy
    from mgsc.types import Array

Build = Callable[[Any, Any, Any, Any], Any]


def own_strategy(
    name: str,
    build: Callable[[Any, Array, Array | int, Problem], Strategy],
    settings: Any = NoSettings(),  # noqa: B008
    *,
    step_size: float = AgentSettings.step_size,
    queries_model: bool = True,
    expected_backups: int = 0,
    space: Mapping[str, Range] | None = None,
) -> AgentSettings:
    """An agent with a strategy of your own, which is a value of ``Suite(agents={...})``.

    Results are kept under the strategy's name and a digest of its code: of ``build``, and of the functions
    and constants of its module that it names. What it imports from elsewhere is not seen; call the strategy
    otherwise when that changes.

    Args:
        name: what the strategy is called; not a name of the table.
        build: ``(settings, step_size, planning_updates, problem) -> Strategy``, as in a row of the table.
            ``step_size`` and the settings made by ``mgsc.settings.number`` may be traced.
        settings: a frozen dataclass whose fields are made by ``mgsc.settings``.
        step_size: of the agent's direct and planning updates.
        queries_model: False where planning updates use real transitions.
        expected_backups: expected backups it makes per real step; reported beside its results.
        space: ranges of the traced settings that tuning searches.

    Raises:
        UserError: a name that is taken, a ``build`` of other arguments, settings that are no such dataclass, or
            whose names are taken, or out of their limits.
    """
    if name in STRATEGIES or name == OWN:
        raise UserError(f"{name!r} is the name of a strategy of the table: call yours otherwise")
    _check_build(name, build)
    _check_settings(name, settings)
    space = dict(space or {})
    if strange := sorted(set(space) - set(traced_fields(settings))):
        raise UserError(f"the space of {name} has {strange}: it may have {sorted(traced_fields(settings))}")
    row = StrategyRow(
        "a strategy of one's own",
        type(settings),
        functools.partial(_build_checked, name, build),
        queries_model=queries_model,
        expected_backups=functools.partial(_always, expected_backups),
        space=space,
    )
    agent = AgentSettings(OWN, step_size=step_size, options=settings, own=OwnStrategy(code_digest(build), row, name))
    check(agent, f"{name}.")
    return agent


def _check_build(name: str, build: Any) -> None:
    wanted = "(settings, step_size, planning_updates, problem)"
    if not callable(build):
        raise UserError(f"build of {name} is a {type(build).__name__}: it must be a function {wanted} -> Strategy")
    try:
        inspect.signature(build).bind(*range(4))
    except TypeError:
        raise UserError(f"build of {name} takes {inspect.signature(build)}: it must take {wanted}") from None


def _check_settings(name: str, settings: Any) -> None:
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        raise UserError(f"the settings of {name} are {settings!r}: they must be an instance of a frozen dataclass")
    if not type(settings).__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise UserError(f"{type(settings).__name__}, the settings of {name}, must be a frozen dataclass")
    taken = {field.name for field in dataclasses.fields(AgentSettings)}
    for field in dataclasses.fields(settings):
        if "kind" not in field.metadata:
            raise UserError(f"{name}.{field.name} has no limits: make it by number, size, choice, switch or text")
        if field.name in taken:
            raise UserError(f"{name}.{field.name} is a setting of every agent: call yours otherwise")


def _always(number: int, settings: Any, problem: Problem, planning_updates: int) -> int:
    return number


def _build_checked(
    name: str, build: Build, settings: Any, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    from mgsc.search_control import SearchControl

    strategy = build(settings, step_size, planning_updates, problem)
    if not callable(strategy):
        raise UserError(
            f"build of {name} gave a {type(strategy).__name__}: it must give a Strategy, which is a function "
            "(parts) -> SearchControl, as uniform() or from_logits(formula) is"
        )

    def checked(parts: Any) -> SearchControl:
        control = strategy(parts)
        if not isinstance(control, SearchControl):
            raise UserError(f"the strategy {name} gave a {type(control).__name__}: it must give a SearchControl")
        return control

    return checked


def code_digest(build: Any) -> str:
    """SHA-256 of what a function does, as far as it can be seen; the same in every process of one Python."""
    found = hashlib.sha256()
    for part in _code(build, getattr(build, "__module__", None), set()):
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()


def _code(thing: Any, module: str | None, seen: set[int]) -> Iterator[bytes]:
    """The code and constants that a function, or what it names, is made of."""
    if isinstance(thing, functools.partial):
        yield from _code((thing.func, thing.args, sorted(thing.keywords.items())), module, seen)
    elif inspect.isfunction(thing) and thing.__module__ == module:
        if id(thing) not in seen:
            seen.add(id(thing))
            inner = [cell.cell_contents for cell in thing.__closure__ or ()]
            named = [thing.__globals__[name] for name in sorted(_names(thing.__code__)) if name in thing.__globals__]
            yield from _code([thing.__code__, thing.__defaults__, thing.__kwdefaults__, inner, named], module, seen)
    elif isinstance(thing, types.CodeType):
        yield thing.co_code
        yield from _code([*thing.co_names, *thing.co_consts], module, seen)
    elif isinstance(thing, tuple | list):
        for part in thing:
            yield from _code(part, module, seen)
    elif isinstance(thing, dict):
        yield from _code(sorted(thing.items(), key=repr), module, seen)
    elif isinstance(thing, frozenset | set):
        yield from sorted(repr(part).encode() for part in thing)
    elif hasattr(thing, "tobytes") and hasattr(thing, "dtype"):
        yield from (repr((thing.shape, str(thing.dtype))).encode(), thing.tobytes())
    elif isinstance(thing, bool | int | float | complex | str | bytes | None | types.EllipsisType):
        yield repr(thing).encode()
    else:
        # Modules, classes and what is of other modules go by their names.
        name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or type(thing).__qualname__
        yield str(name).encode()


def _names(code: types.CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
