"""Strategies that can be sent to another process, and do there what a test wants."""

from __future__ import annotations

import multiprocessing
import os
import signal

import jax.numpy as jnp

from mgsc.errors import UserError
from mgsc.search_control import from_logits
from mgsc.search_control.row import NoSettings


def evenly(settings: NoSettings, facts):
    return from_logits(lambda state, params, candidates: jnp.zeros(len(candidates.index)))


def is_worker() -> bool:
    return multiprocessing.parent_process() is not None


def refusing(settings, facts):
    if is_worker():
        raise UserError("this strategy has had enough")
    return evenly(settings, facts)


def failing(settings, facts):
    strategy = evenly(settings, facts)

    def fail(parts):
        return divide_by_nought() if is_worker() else strategy(parts)

    return fail


def failing_to_build(settings, facts):
    return divide_by_nought() if is_worker() else evenly(settings, facts)


def divide_by_nought():
    raise ZeroDivisionError("one over nought")


def dying(settings, facts):
    if is_worker():
        os.kill(os.getpid(), signal.SIGKILL)
    return evenly(settings, facts)
