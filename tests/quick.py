"""Programs that compile in a third of the time and run slower: what short tests want.

Compiling is nearly all the time these tests take. Nothing that is tested may depend on how hard XLA
optimises; what must hold of the programs that users run is tested on those, too.
"""

from __future__ import annotations

import functools

import jax
import pytest

from mgsc import kernel

QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}

quick_jit = functools.partial(jax.jit, compiler_options=QUICK_COMPILE)
"""``jax.jit`` for a program of a few steps."""


def compile_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the programs of the experiments be compiled like that."""
    for options in ("CPU_OPTIONS", "ONE_KERNEL_OPTIONS"):
        monkeypatch.setattr(kernel, options, {**getattr(kernel, options), **QUICK_COMPILE})
