"""Settings: frozen dataclasses whose fields hold their own limits.

A field made by ``number`` may be traced: it can be swept without recompiling. ``size`` and ``choice``
are static. ``check`` validates any such dataclass, nested ones too, before anything is computed;
``with_settings`` applies ``key=value`` texts. Both name what is allowed.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from mgsc.errors import LONGEST_SHOWN, UserError, check_type, shown, shown_value

LARGEST, SMALLEST = (2 - 2**-23) * 2.0**127, 2.0**-126
"""The largest number of single precision, in which all is computed, and its smallest normal number."""

ALSO_CALLED = {"k": "planning_updates", "mgsc": "meta_gradient"}
"""Names that papers use for a setting or an agent, in lower case, and its own."""

Settings = TypeVar("Settings")
S = TypeVar("S")
Built = TypeVar("Built")


@dataclasses.dataclass(frozen=True)
class Row(Generic[S]):
    """A row of the table of a kind of part; rows of each kind add how the part is built, and what it needs.

    Attributes:
        name: in the table.
        summary: one line for ``mgsc list``.
        settings: the frozen dataclass of its settings.
    """

    name: str
    summary: str
    settings: type[S]


def number(default: float, low: float, high: float, help: str, *, above: bool = False) -> Any:
    """A float setting in [low, high] (in (low, high] if ``above``); it may be traced and swept."""
    return dataclasses.field(
        default=default, metadata={"kind": "number", "low": low, "high": high, "above": above, "help": help}
    )


def size(default: int, low: int, high: int, help: str, *, traced: bool = False) -> Any:
    """An int setting in [low, high]; ``traced`` ones can be swept without recompiling."""
    return dataclasses.field(
        default=default, metadata={"kind": "size", "low": low, "high": high, "traced": traced, "help": help}
    )


def choice(default: str, options: Sequence[str], help: str, *, otherwise: str = "") -> Any:
    """A setting that is one of a few words; ``otherwise`` says in a refusal how to have something else."""
    metadata = {"kind": "choice", "options": tuple(options), "help": help, "otherwise": otherwise}
    return dataclasses.field(default=default, metadata=metadata)


def text(default: str, help: str, *, longest: int = 200) -> Any:
    """A setting that is a word or a line: printable, not empty, without blanks at its ends."""
    return dataclasses.field(default=default, metadata={"kind": "text", "longest": longest, "help": help})


def switch(default: bool, help: str) -> Any:
    """A setting that is true or false."""
    return dataclasses.field(default=default, metadata={"kind": "switch", "help": help})


def added(setting: Any) -> Any:
    """A setting that is younger than stored results, which are results of its default.

    The default must never change. Plain data leaves the setting out where it has its default, so that it equals the
    settings of older results.
    """
    return dataclasses.field(default=setting.default, metadata={**setting.metadata, "added": True})


ADDED: Mapping[str, Any] = {"added": True}
"""Metadata of a group of settings that is younger than stored results; see ``added``."""


def left_out(settings: Any) -> list[str]:
    """Names of the settings of this dataclass that plain data leaves out: those ``added`` that have their default."""
    return [
        field.name
        for field in dataclasses.fields(settings)
        if field.metadata.get("added") and getattr(settings, field.name) == _default(field)
    ]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is dataclasses.MISSING:
        return field.default
    return field.default_factory()


def traced_fields(settings: Any) -> dict[str, float]:
    """The values of the settings that may be traced, by name; this dataclass only, not nested ones.

    The value of a ``number`` is a float, also where it was written as 1; its type decides what a sweep tries.
    """
    traced = {}
    for field in dataclasses.fields(settings):
        if field.metadata.get("kind") == "number":
            traced[field.name] = float(getattr(settings, field.name))
        elif field.metadata.get("traced"):
            traced[field.name] = getattr(settings, field.name)
    return traced


def setting_names(settings: Any) -> list[str]:
    """Names of the fields of a dataclass, or of one of its instances, that are settings with limits."""
    return [field.name for field in dataclasses.fields(settings) if "kind" in field.metadata]


def check(settings: Any, where: str = "") -> None:
    """Validates every field of a settings dataclass, nested ones included.

    Raises:
        UserError: naming the setting, its value and what is allowed.
    """
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), where + field.name
        if dataclasses.is_dataclass(value):
            # Keys need not say "options", so errors do not.
            check(value, where if field.name == "options" else name + ".")
        elif "kind" in field.metadata:
            _check_value(name, value, field.metadata)


def takes(kind: type[S]) -> Callable[[Callable[[S], Built]], Callable[[S], Built]]:
    """A decorator: the function, which builds a part, refuses settings of another kind, and impossible ones.

    The checks of a suite come before; these are for who calls the function directly.
    """

    def decorate(build: Callable[[S], Built]) -> Callable[[S], Built]:
        @functools.wraps(build)
        def checked(settings: S) -> Built:
            check_type("settings", settings, kind, f"be {kind.__name__}")
            check(settings)
            return build(settings)

        return checked

    return decorate


def check_names(name: str, values: object) -> None:
    """Refuses an argument that is no list of names; a text is none, for it would be taken for its letters.

    Raises:
        UserError: naming the argument.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise UserError(f"{name} is a {type(values).__name__}: it must be a list of names")
    for value in values:
        check_type(f"one of {name}", value, str, "be a text")


def check_named_once(name: str, values: object, known: Iterable[str]) -> None:
    """Refuses an argument that is no list of names, is empty, or names something twice.

    Raises:
        UserError: naming the argument, and what is known.
    """
    check_names(name, values)
    assert isinstance(values, Sequence)
    if not values or len(set(values)) < len(values):
        raise UserError(f"{name} must be named once each, and at least one of: {', '.join(known)}")


def check_choice(name: str, value: object, options: Sequence[str]) -> None:
    """Validates a word that is given to a function, as a setting made by ``choice`` would be.

    Raises:
        UserError: naming it and what is allowed.
    """
    _check_value(name, value, {"kind": "choice", "options": tuple(options)})


def check_setting(settings: type[Any], name: str, value: Any) -> None:
    """Validates one value that is given to a function as a setting of this dataclass would be.

    Raises:
        UserError: naming the setting, its value and what is allowed.
    """
    (rule,) = (field.metadata for field in dataclasses.fields(settings) if field.name == name)
    _check_value(name, value, rule)


def _check_value(name: str, value: Any, rule: Mapping[str, Any]) -> None:
    kind = rule["kind"]
    if kind == "choice":
        if not isinstance(value, str) or value not in rule["options"]:
            found = shown_value(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
            otherwise = f"; {rule['otherwise']}" if rule.get("otherwise") else ""
            raise UserError(f"{name} is {found}: allowed are {', '.join(rule['options'])}{otherwise}")
        return
    if kind == "text":
        if not is_line(value, rule["longest"]):
            raise UserError(f"{name} is {shown_value(value)}: it must be {describe(rule)}")
        return
    if kind == "switch":
        if not isinstance(value, bool):
            raise UserError(f"{name} is {shown_value(value)}: allowed are true and false")
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = kind == "number" or isinstance(value, int)
    is_within = is_number and rule["low"] <= value <= rule["high"] and abs(value) <= LARGEST
    is_above = is_within and not (rule.get("above") and value - rule["low"] < SMALLEST)
    if not (is_number and is_whole and is_within and is_above):
        is_single = not is_number or value != value or value in (0, rule["low"]) or SMALLEST <= abs(value) <= LARGEST
        precision = "" if is_single or math.isinf(value) else f", of a size in [{SMALLEST:.3g}, {LARGEST:.3g}]"
        found = shown(repr(value) if isinstance(value, str) else str(value))
        raise UserError(f"{name} is {found}: it must be {describe(rule)}{precision}")


def is_line(value: object, longest: int) -> bool:
    """Whether a value is a text of 1 to ``longest`` printable characters, without blanks at its ends."""
    return isinstance(value, str) and value.isprintable() and value == value.strip() != "" and len(value) <= longest


def describe(rule: Mapping[str, Any]) -> str:
    """The values that a field's metadata allows, in words."""
    if rule["kind"] == "choice":
        return "one of " + ", ".join(rule["options"])
    if rule["kind"] == "switch":
        return "true or false"
    if rule["kind"] == "text":
        return f"a text of 1 to {rule['longest']} printable characters, without blanks at its ends"
    noun = "a number" if rule["kind"] == "number" else "a whole number"
    if rule["low"] == -math.inf and rule["high"] == math.inf:
        return f"{noun}, and finite"
    if rule["high"] == math.inf:
        return f"{noun} {'above' if rule.get('above') else 'of at least'} {rule['low']}"
    return f"{noun} in {'(' if rule.get('above') else '['}{rule['low']}, {rule['high']}]"


def check_changes(changes: Mapping[str, Any]) -> None:
    """Refuses changes that do not map keys, which are texts, to values.

    Raises:
        UserError: saying what they are.
    """
    check_type("settings", changes, Mapping, "map keys to values, as in {'steps': 10_000}")
    for key in changes:
        check_type("a key of settings", key, str, "be a text, as 'environment.slip'")


def with_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """A copy with some settings changed; keys may be dotted, values may be texts.

    Raises:
        UserError: an unknown key (the nearest is suggested), or a text that is not of the field's kind.
    """
    check_changes(changes)
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        raise UserError(f"the settings to change are {shown_value(settings)}: they must be a dataclass of settings")
    for key, value in changes.items():
        settings = with_setting(settings, key.split("."), value, key)
    return settings


def with_setting(settings: Any, path: Sequence[str], value: Any, key: str) -> Any:
    """A copy of settings with one of them changed.

    Args:
        settings: a dataclass.
        path: names of the groups it lies in, and its own.
        value: may be a text.
        key: its name in errors.

    Raises:
        UserError: as ``with_settings``.
    """
    fields = {field.name: field for field in dataclasses.fields(settings)}
    name = path[0]
    if name not in fields or not (fields[name].metadata or dataclasses.is_dataclass(getattr(settings, name))):
        known = [n for n, f in fields.items() if f.metadata or dataclasses.is_dataclass(getattr(settings, n))]
        raise unknown("setting", key, known, name)
    current = getattr(settings, name)
    if dataclasses.is_dataclass(current):
        if not dataclasses.fields(current):
            raise UserError(f"{key} cannot be set: {name} has no settings")
        if len(path) == 1:
            raise UserError(
                f"{key} is a group of settings: name one of {', '.join(f.name for f in dataclasses.fields(current))}"
            )
        changed = with_setting(current, path[1:], value, key)
    elif len(path) > 1:
        raise UserError(f"{key}: {name} is a single setting and has no {path[1]!r}")
    else:
        changed = parse(value, fields[name].metadata, key) if isinstance(value, str) else value
    return dataclasses.replace(settings, **{name: changed})


def parse(text: str, rule: Mapping[str, Any], name: str) -> Any:
    """The value of a text, by the field's metadata.

    Raises:
        UserError: the text is not of the field's kind.
    """
    try:
        if rule["kind"] == "number":
            return float(text)
        if rule["kind"] == "size":
            return int(text)
        if rule["kind"] == "switch":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        raise UserError(f"{name} is {shown_value(text)}: it must be {describe(rule)}") from None
    return text


def unknown(
    kind: str, name: str, known: Iterable[str], looked_up: str | None = None, meant: str | None = None
) -> UserError:
    """The error for an unknown name; it names what was meant, or else the nearest one, and all known ones."""
    names = sorted(known)
    wanted = (looked_up or name)[:LONGEST_SHOWN]
    alias = ALSO_CALLED.get(wanted.lower())
    named = meant or (alias if alias in names else None)
    near = [named] if named else difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    near = near or difflib.get_close_matches(wanted.lower(), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {shown_value(name)}{hint} (known: {', '.join(names)})")
