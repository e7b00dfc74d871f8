"""Compiling a whole loop into one kernel on a CPU.

XLA runs a program as a sequence of kernels, and on a CPU starting one costs more than what it does to a
few numbers. Small loops it compiles into a single kernel instead, without any start in between.
``as_one_kernel`` asks for the same for a whole function: two to six times the speed for the agents
here, and half the time to compile. It is one core's work then, which is what a lane's loop is anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

UNSUPPORTED = re.compile(
    r"stablehlo\.(scatter|sort|fft|custom_call)\b|chlo\.top_k|dot_general [^\n]*tensor<\d+x\d+x\d+x"
)
"""What XLA cannot make part of such a kernel, and products of a matrix for each lane, which are networks: in one
kernel they would take minutes to compile, and run slower."""

CPU_OPTIONS: Mapping[str, str | bool] = {"xla_cpu_parallel_codegen_split_count": "1"}
"""XLA splits a program to compile it on several threads, which takes a third more work; we compile several at once."""

ONE_KERNEL_OPTIONS: Mapping[str, str | bool] = {**CPU_OPTIONS, "xla_cpu_experimental_ynn_fusion_type": ""}
"""Without the library that takes reductions over: its calls cannot be part of a kernel."""


def compile_options() -> tuple[tuple[str, str | bool], ...]:
    """All options that ``compile_for`` compiles with now, as a key.

    They decide the last bits of what a program computes, so whoever remembers such numbers remembers them by
    this key, too.
    """
    return (*sorted(CPU_OPTIONS.items()), *sorted(ONE_KERNEL_OPTIONS.items()))


def compile_for(device: jax.Device, function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()) -> Any:
    """Compiles ``function`` for ``device``: on a CPU into one kernel where that is possible.

    Args:
        device: becomes the default device while the function is traced, so that parts which depend on the
            platform (``mgsc.indexing``) are those of this device.
        function: of pytrees of arrays.
        arguments: examples of its arguments.
        donate: numbers of the arguments whose memory the result may take.

    Returns:
        The compiled function. One that scatters or sorts stays in several kernels
        (``mgsc.indexing`` writes without a scatter).
    """
    with jax.default_device(device):
        if device.platform != "cpu":
            return jax.jit(function, donate_argnums=donate).lower(*arguments).compile()
        lowered = jax.jit(as_one_kernel(function), donate_argnums=donate).lower(*arguments)
        if not UNSUPPORTED.search(lowered.as_text()):
            try:
                return lowered.compile(dict(ONE_KERNEL_OPTIONS))
            except jax.errors.JaxRuntimeError as error:
                # Another version of XLA may know neither the option nor all kinds of fusions here.
                if not str(error).startswith(("INVALID_ARGUMENT", "UNIMPLEMENTED")):
                    raise
        return jax.jit(function, donate_argnums=donate).lower(*arguments).compile(dict(CPU_OPTIONS))


def as_one_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as one kernel when compiled for a CPU; it must hold nothing that ``UNSUPPORTED`` names.

    Source: XLA's pass that hoists small while loops marks its calls so; the mark is all there is to it.
    """

    def called(*arguments: Any) -> Any:
        result = jax.jit(function, inline=False)(*arguments)
        return jax.tree.map(_mark, result)

    return called


def _mark(leaf: jax.Array) -> Any:
    return set_xla_metadata(leaf, xla_cpu_small_call="true", inlineable="false")  # type: ignore[no-untyped-call]
