"""Meta-gradient search control: learned search control for Dyna-style planning, in JAX.

The names in ``__all__`` here and in ``mgsc.experiments`` are the public face. They, the command line and stored results
change only with a line in the changelog; all other names may change in any version.

Importing `mgsc` imports nothing heavy: each public name is fetched from its module when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mgsc.version import __version__

if TYPE_CHECKING:
    from mgsc import candidates as candidates
    from mgsc import dyna as dyna
    from mgsc import environments as environments
    from mgsc import experiments as experiments
    from mgsc import meta_gradient as meta_gradient
    from mgsc import models as models
    from mgsc import noise as noise
    from mgsc import policies as policies
    from mgsc import search_control as search_control
    from mgsc import settings as settings
    from mgsc import values as values
    from mgsc.errors import UserError as UserError
    from mgsc.experiments.api import run as run
    from mgsc.facts import Facts as Facts
    from mgsc.saving import load_state as load_state
    from mgsc.saving import save_state as save_state
    from mgsc.types import Candidates as Candidates
    from mgsc.types import Params as Params
    from mgsc.types import Parts as Parts
    from mgsc.types import Successors as Successors
    from mgsc.types import Transition as Transition

_MODULES = (
    "dyna",
    "environments",
    "values",
    "models",
    "policies",
    "candidates",
    "search_control",
    "meta_gradient",
    "noise",
    "settings",
    "experiments",
)
"""Public modules, each with its own names."""

_EXPORTS = {
    "run": "mgsc.experiments.api",
    "save_state": "mgsc.saving",
    "load_state": "mgsc.saving",
    "UserError": "mgsc.errors",
    "Facts": "mgsc.facts",
    "Parts": "mgsc.types",
    "Params": "mgsc.types",
    "Candidates": "mgsc.types",
    "Transition": "mgsc.types",
    "Successors": "mgsc.types",
}
"""Public name → the module that holds it."""

__all__ = ["__version__", *_EXPORTS, *_MODULES]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"mgsc.{name}")
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
