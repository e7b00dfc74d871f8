"""A digest of a function's code, which identifies a part of one's own in stored results."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import types
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def code_digest(build: Any) -> str:
    """SHA-256 of a function's code and of the objects that it names; the same in every process of one Python.

    Objects of ``build``'s own module enter with their code and values: functions, also compiled ones, methods, objects,
    classes and constants. Of other modules, functions enter by name and enclosed values, dataclasses by their values,
    and all others by name.
    """
    found = hashlib.sha256()
    for part in _code(build, _module_of(build), set()):
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()


def _module_of(thing: Any) -> str | None:
    """The module that wrote a function, whatever has been wrapped around it."""
    for inner in ("__wrapped__", "__func__"):
        if hasattr(thing, inner):
            return _module_of(getattr(thing, inner))
    if isinstance(thing, functools.partial):
        return _module_of(thing.func)
    return getattr(thing, "__module__", None)


def _code(thing: Any, module: str | None, seen: set[int]) -> Iterator[bytes]:
    """The code and constants that a function, or what it names, is made of."""
    if isinstance(thing, bool | int | float | complex | str | bytes | None | types.EllipsisType):
        yield repr(thing).encode()
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
    elif isinstance(getattr(thing, "shape", None), tuple) and hasattr(thing, "dtype"):
        yield from _array(thing)
    elif id(thing) not in seen:
        seen.add(id(thing))
        yield str(getattr(thing, "__qualname__", None) or type(thing).__qualname__).encode()
        yield from _code(_parts(thing, module), module, seen)


def _parts(thing: Any, module: str | None) -> list[Any]:
    """What an object of code is made of, besides its name."""
    if isinstance(thing, functools.partial):
        return [thing.func, thing.args, thing.keywords]
    if inspect.ismethod(thing):
        return [thing.__func__, thing.__self__]
    if hasattr(thing, "__wrapped__"):
        return [thing.__wrapped__]
    is_own = _module_of(thing) == module
    if inspect.isfunction(thing):
        inner = [cell.cell_contents for cell in thing.__closure__ or () if cell != types.CellType()]
        if not is_own:
            return inner
        named = [thing.__globals__[name] for name in sorted(_names(thing.__code__)) if name in thing.__globals__]
        return [thing.__code__, thing.__defaults__, thing.__kwdefaults__, inner, named]
    if isinstance(thing, property):
        return [thing.fget]
    if inspect.isclass(thing):
        own = {name: value for name, value in vars(thing).items() if _is_said(name, value)}
        return [own] if is_own else []
    if dataclasses.is_dataclass(thing):
        return [type(thing), {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}]
    return [type(thing), getattr(thing, "__dict__", {})] if is_own and not inspect.ismodule(thing) else []


def _is_said(name: str, value: Any) -> bool:
    """Whether something in a class was written there, and not put there by Python."""
    return inspect.isroutine(value) or isinstance(value, property) or not name.startswith("_")


def _array(thing: Any) -> Iterator[bytes]:
    yield repr((tuple(thing.shape), str(thing.dtype))).encode()
    if not isinstance(thing, jax.ShapeDtypeStruct):
        is_key = isinstance(thing, jax.Array) and jnp.issubdtype(thing.dtype, jax.dtypes.prng_key)
        yield np.asarray(jax.random.key_data(thing) if is_key else thing).tobytes()


def _names(code: types.CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
