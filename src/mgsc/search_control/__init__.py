"""Search control: from which states to query the model.

A strategy whose file bears its name is exported by being there; listed are what else files offer, and what our own
code calls by name.
"""

from importlib import import_module
from pkgutil import iter_modules

from mgsc.search_control.base import Distribution, SearchControl, Strategy, from_logits
from mgsc.search_control.fixed import avoid_terminal, uniform
from mgsc.search_control.meta_gradient import meta_gradient
from mgsc.search_control.oracle import Truth
from mgsc.search_control.prioritized_sweeping import incoming_pairs
from mgsc.search_control.replay import replay
from mgsc.search_control.visited import trajectory, visited

__all__ = [
    "Distribution",
    "SearchControl",
    "Strategy",
    "Truth",
    "avoid_terminal",
    "from_logits",
    "incoming_pairs",
    "meta_gradient",
    "replay",
    "trajectory",
    "uniform",
    "visited",
]

for _file in iter_modules(__path__):
    _module = import_module(f"{__name__}.{_file.name}")
    if hasattr(_module, _file.name):
        globals()[_file.name] = getattr(_module, _file.name)
        if _file.name not in __all__:
            __all__.append(_file.name)
