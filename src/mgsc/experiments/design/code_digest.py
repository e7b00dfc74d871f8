"""A digest of a function's code, which stands for a part of one's own where results are kept."""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from collections.abc import Iterator
from typing import Any


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
