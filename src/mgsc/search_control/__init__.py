"""Search control: from which states to query the model."""

from mgsc.search_control.base import Distribution, SearchControl, Strategy, from_logits
from mgsc.search_control.fixed import avoid_terminal, uniform
from mgsc.search_control.meta_gradient import meta_gradient
from mgsc.search_control.replay import replay
from mgsc.search_control.visited import trajectory, visited

__all__ = [
    "Distribution",
    "SearchControl",
    "Strategy",
    "avoid_terminal",
    "from_logits",
    "meta_gradient",
    "replay",
    "trajectory",
    "uniform",
    "visited",
]
