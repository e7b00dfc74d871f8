"""Compiling a whole loop into one kernel on a CPU.

XLA runs a program as a sequence of kernels, and on a CPU starting one costs more than what it does to a
few numbers. It compiles small loops into a single kernel, which starts once. ``as_one_kernel`` marks a whole
function so: the agents of this package then run two to six times as fast, and compile in half the time. Such a kernel
runs on one core, as does the loop of a lane.

Functions that are lowered to the same program are compiled once in a process: ``compile_for`` keeps the last programs.
"""

from __future__ import annotations

import functools
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import jaxpr_as_fun
from jax.interpreters.partial_eval import dce_jaxpr

UNSUPPORTED = re.compile(r"stablehlo\.(scatter|sort|fft|custom_call)\b|chlo\.top_k")
"""Operations that XLA cannot make part of such a kernel."""

Options = Mapping[str, str | int | bool]
"""Options of XLA, by name."""

CPU_OPTIONS: Options = {"xla_cpu_parallel_codegen_split_count": "1"}
"""Without splitting a program over threads, which takes a third more work: several programs compile at once."""

ONE_KERNEL_OPTIONS: Options = {**CPU_OPTIONS, "xla_cpu_experimental_ynn_fusion_type": ""}
"""Without the library for reductions, whose calls cannot be part of a kernel."""


NETWORK_OPTIONS: Options = {**CPU_OPTIONS, "xla_backend_optimization_level": 1}
"""Of programs with networks. They spend their time in products of matrices, which a library computes: a lower level of
optimisation saves a third of the compilation, and a step stays as fast."""

CALLBACK = "callback"
"""Part of the name of every operation that calls back to Python."""

MOST_KEPT = 64
"""Compiled programs that a process keeps: those of a suite or two, about ten megabytes."""


def compile_options() -> tuple[tuple[str, str | int | bool], ...]:
    """All options that ``compile_for`` compiles with now, as a key.

    They decide the last bits of what a program computes, so numbers that are kept are kept by this key, too.
    """
    every = CPU_OPTIONS, ONE_KERNEL_OPTIONS, NETWORK_OPTIONS
    return tuple(option for options in every for option in sorted(options.items()))


class Made(NamedTuple):
    """The result of ``compile_shared``.

    Attributes:
        program: the compiled function.
        is_shared: whether it had been compiled for another function that is lowered to the same program.
    """

    program: Any
    is_shared: bool


def compile_for(device: jax.Device, function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()) -> Any:
    """Compiles ``function`` for ``device``: on a CPU into one kernel where that is possible.

    Args:
        device: the default device while the function is traced, on which parts of it may depend (``mgsc.indexing``).
        function: of pytrees of arrays.
        arguments: examples of its arguments.
        donate: numbers of the arguments whose memory the result may take.

    Returns:
        The compiled function. One that scatters or sorts stays in several kernels
        (``mgsc.indexing`` writes without a scatter).
    """
    return compile_shared(device, function, *arguments, donate=donate).program


def compile_shared(
    device: jax.Device, function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()
) -> Made:
    """As ``compile_for``, and whether the program had been compiled before."""
    with jax.default_device(device):
        traced = _Traced(device, function, arguments, donate)
        lowered = traced.lowered()
        try:
            return lowered.compile()
        except jax.errors.JaxRuntimeError as error:
            # Another version of XLA may know neither the option nor all kinds of fusions here.
            if not lowered.is_one_kernel or not str(error).startswith(("INVALID_ARGUMENT", "UNIMPLEMENTED")):
                raise
        return traced.of_several_kernels(CPU_OPTIONS).compile()


def identity(
    device: jax.Device, function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()
) -> Hashable:
    """A key that is equal for functions which ``compile_for``, with the same arguments, compiles once."""
    with jax.default_device(device):
        return _Traced(device, function, arguments, donate).lowered().key


def forget() -> None:
    """Drops all compiled programs, so that the next compilation is measured in full."""
    with _lock:
        _kept.clear()


class _Entry:
    """A program of ``_kept``, and the right to compile it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.program: Any = None


_kept: OrderedDict[Hashable, _Entry] = OrderedDict()
_lock = threading.Lock()


class OneKernel:
    """A compiled function of ``as_one_kernel``, without the number which that adds to its result."""

    def __init__(self, compiled: Any) -> None:
        """Wraps what was compiled."""
        self._compiled = compiled
        self.out_info = compiled.out_info[0]

    def __call__(self, *arguments: Any) -> Any:
        """The function's result."""
        return self._compiled(*arguments)[0]

    def memory_analysis(self) -> Any:
        """The memory that the program takes on its device, in JAX's form."""
        return self._compiled.memory_analysis()

    def as_text(self) -> str:
        """The program after XLA's optimisation."""
        return str(self._compiled.as_text())


class _Traced:
    """A function that has been traced for a device."""

    def __init__(
        self, device: jax.Device, function: Callable[..., Any], arguments: tuple[Any, ...], donate: tuple[int, ...]
    ) -> None:
        self._device, self._arguments, self._donate = device, arguments, donate
        self._traced = jax.jit(function, donate_argnums=donate).trace(*arguments)

    def lowered(self) -> _Lowered:
        """Lowered as it is compiled on the device: into one kernel where that is possible and pays."""
        if self._device.platform != "cpu":
            return self.of_several_kernels({})
        if has_networks(self._traced.jaxpr.jaxpr):
            return self.of_several_kernels(NETWORK_OPTIONS)
        function = as_one_kernel(self._function)
        traced = jax.jit(function, donate_argnums=self._donate).trace(*self._arguments)
        lowered = _Lowered(self._device, traced, ONE_KERNEL_OPTIONS, is_one_kernel=True)
        return self.of_several_kernels(CPU_OPTIONS) if UNSUPPORTED.search(lowered.text) else lowered

    def of_several_kernels(self, options: Options) -> _Lowered:
        """Lowered as JAX does."""
        return _Lowered(self._device, self._traced, options)

    def _function(self, *arguments: Any) -> Any:
        """The function again, without running its Python."""
        leaves = jaxpr_as_fun(self._traced.jaxpr)(*jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(self._traced.out_info), leaves)


def has_networks(jaxpr: Any) -> bool:
    """Whether a traced function multiplies a matrix for each lane.

    Such products are networks: in one kernel they would take minutes to compile, and run slower.
    """
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            if any(len(variable.aval.shape) > 2 for variable in (*equation.invars, *equation.outvars)):
                return True
        elif any(map(has_networks, _inner(equation.params))):
            return True
    return False


def _inner(params: Mapping[str, Any]) -> Iterator[Any]:
    """The traced functions that an operation calls, such as the body of a loop."""
    for value in params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            each = getattr(each, "jaxpr", each)
            if hasattr(each, "eqns"):
                yield each


class _Lowered:
    """A function as the program that XLA is given, and the options that it is compiled with."""

    def __init__(self, device: jax.Device, traced: Any, options: Options, *, is_one_kernel: bool = False) -> None:
        self._device, self._traced, self._options, self._lowered = device, traced, options, traced.lower()
        self.is_one_kernel = is_one_kernel
        self.text: str = self._lowered.as_text()

    def compile(self) -> Made:
        """Compiled now or before; a second thread waits for the first."""
        if CALLBACK in self.text:  # the text does not hold the function that is called
            return Made(self._compiled(), is_shared=False)
        with _lock:
            entry = _kept.setdefault(self.key, _Entry())
            _kept.move_to_end(self.key)
            while len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
        with entry.lock:
            is_shared = entry.program is not None
            if not is_shared:
                entry.program = self._compiled()
            return Made(entry.program, is_shared)

    def _compiled(self) -> Any:
        program = self._lowered.compile(dict(self._options))
        return OneKernel(program) if self.is_one_kernel else program

    @functools.cached_property
    def key(self) -> Hashable:
        """All that decides what a compiled function does: the program, and which arguments it is given."""
        jaxpr = self._traced.jaxpr.jaxpr
        _, is_used = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))  # the program has no others
        digest = hashlib.sha256(self.text.encode()).digest()
        forms = self._lowered.in_tree, self._lowered.out_tree, tuple(str(given.aval) for given in jaxpr.invars)
        return digest, tuple(sorted(self._options.items())), self._device, tuple(is_used), forms


def as_one_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as one kernel when compiled for a CPU; it must hold nothing that ``UNSUPPORTED`` names.

    Source: XLA's pass that hoists small while loops marks its calls so.

    Returns:
        A function of the same arguments. Its result is that of ``function``, and a number that depends on every
        argument: XLA ends the whole process if an argument of such a kernel is needless or empty.
    """

    def called(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(jax.tree.map(_as_array, arguments))
        is_empty = [leaf.size == 0 for leaf in leaves]

        def inner(*given: Any) -> Any:
            rest = iter(given)
            # An empty array holds nothing: another one is as good.
            filled = [
                jnp.empty(leaf.shape, leaf.dtype) if empty else next(rest)
                for leaf, empty in zip(leaves, is_empty, strict=True)
            ]
            return function(*jax.tree.unflatten(structure, filled)), _read(given)

        whole = [leaf for leaf, empty in zip(leaves, is_empty, strict=True) if not empty]
        return jax.tree.map(_mark, jax.jit(inner, inline=False)(*whole))

    return called


def _as_array(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)


def _read(leaves: tuple[Any, ...]) -> jax.Array:
    """A number that depends on the first entry of each array."""
    number = jnp.zeros((), jnp.float32)
    for leaf in leaves:
        words = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        number = number + words[(0,) * words.ndim].astype(jnp.float32)
    return number


def _mark(leaf: jax.Array) -> Any:
    return set_xla_metadata(leaf, xla_cpu_small_call="true", inlineable="false")  # type: ignore[no-untyped-call]
