"""The table of trackers."""

from __future__ import annotations

from mgsc.errors import UserError, pip_install
from mgsc.experiments.tracking import tensorboard, wandb
from mgsc.experiments.tracking.sink import Sink
from mgsc.settings import unknown

SINKS = {sink.name: sink for sink in (tensorboard.SINK, wandb.SINK)}
"""All kinds of trackers by name."""


def get_sink(name: str) -> Sink:
    """The kind of that name.

    Raises:
        UserError: there is none, or its package is not installed.
    """
    if name not in SINKS:
        raise unknown("tracker", name, SINKS)
    try:
        SINKS[name].check()
    except ImportError as error:
        extra = SINKS[name].package
        raise UserError(f"tracking to {name} needs a package ({error}): {pip_install(extra)}") from None
    return SINKS[name]
