"""Meta-gradient search control: learned search control for Dyna-style planning, in JAX.

Importing `mgsc` imports nothing heavy: each public name is fetched from its module when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mgsc.version import __version__

if TYPE_CHECKING:
    from mgsc.experiments.api import run as run
    from mgsc.saving import load_state as load_state
    from mgsc.saving import save_state as save_state

_EXPORTS = {
    "load_state": "mgsc.saving",
    "run": "mgsc.experiments.api",
    "save_state": "mgsc.saving",
}
"""Public name → the module that holds it."""

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _EXPORTS)
