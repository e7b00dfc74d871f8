"""Programs that compile in a third of the time and run slower, and few of them: what short tests want.

Compiling is nearly all the time these tests take. Nothing that is tested may depend on how hard XLA
optimises; what must hold of the programs that users run is tested on those, too.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from typing import Any

import jax
import pytest

from mgsc import kernel

QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}

quick_jit = functools.partial(jax.jit, compiler_options=QUICK_COMPILE)
"""``jax.jit`` for a program of a few steps."""


def slow_but_for(quick: Collection[str], names: Iterable[str]) -> list[Any]:
    """Names to parametrise over, each of which compiles a program of its own: all but a few wait for the slow tests.

    Raises:
        ValueError: one of the few is not among the names.
    """
    found = list(names)
    if not set(quick) <= set(found):
        raise ValueError(f"{sorted(set(quick) - set(found))} are not among {found}")
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in found]


def compile_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the programs of the experiments be compiled like that."""
    for options in ("CPU_OPTIONS", "ONE_KERNEL_OPTIONS", "NETWORK_OPTIONS"):
        monkeypatch.setattr(kernel, options, {**getattr(kernel, options), **QUICK_COMPILE})
