"""The provenance of a number, which decides its bits beside settings: device, block width, code and options."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    import jax

VECTOR_SETS = ("AVX512F", "AVX2", "AVX", "SSE42", "SVE", "ASIMD", "VSX")
"""Vector instructions of CPUs, the widest of each family first: they decide the order of XLA's sums."""

JAX_SETTINGS = (
    "jax_enable_x64",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_default_matmul_precision",
)
"""Settings of JAX that decide numbers."""

HARMLESS_FLAGS = ("--xla_dump", "--xla_force_host_platform_device_count")
"""The beginning of the names of XLA's flags that decide no number."""

NOT_CODE = ("benchmarks", "cli.py", "cli_parser.py", "experiments", "version.py")
"""Parts of the package whose source decides no number, and ``experiments``, of which these do:"""

EXPERIMENTS_CODE = ("experiments/design", "experiments/running")


def provenance(lanes_per_block: int = 0, *, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """The provenance of numbers that are computed now, as plain data; ``versions`` holds those of packages.

    Args:
        lanes_per_block: the suite's setting.
        also: further source files that decide the numbers, such as ``"experiments/classics/program.py"``.

    Returns:
        ``backend``: platform and kind of the device, and for a CPU its vector instructions. ``block_width``: lanes
        of a block. ``code``: a digest of the source. ``options``: of the compiler and of JAX.
    """
    from mgsc.experiments.running.devices import block_width, devices

    device = devices()[0]
    return {
        "backend": backend_of(device),
        "block_width": block_width(device, lanes_per_block),
        "code": code_digest(also),
        "options": _options(device),
    }


def backend_of(device: jax.Device) -> str:
    """A device in words: ``"cpu x86_64 AVX2"``, ``"gpu NVIDIA H100 80GB HBM3"``."""
    if device.platform != "cpu":
        return f"{device.platform} {device.device_kind}"
    return " ".join(["cpu", platform.machine(), *_vector_set()])


def _vector_set() -> list[str]:
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]
    except ImportError:  # no public part of NumPy
        return []
    return [name for name in VECTOR_SETS if features.get(name)][:1]


def _options(device: jax.Device) -> dict[str, Any]:
    import jax

    from mgsc.kernel import compile_options

    flags = sorted(os.environ.get("XLA_FLAGS", "").split())
    return {
        **(dict(compile_options()) if device.platform == "cpu" else {}),
        **{name: getattr(jax.config, name) for name in JAX_SETTINGS},
        "xla_flags": " ".join(flag for flag in flags if not flag.startswith(HARMLESS_FLAGS)),
    }


@functools.cache
def code_digest(also: tuple[str, ...] = ()) -> str:
    """A short SHA-256 over the package's source files that decide numbers."""
    package, found = resources.files("mgsc"), hashlib.sha256()
    parts = [entry.name for entry in package.iterdir() if entry.name not in NOT_CODE]
    for part in sorted([*parts, *EXPERIMENTS_CODE, *also]):
        for name, file in _sources(package.joinpath(*part.split("/")), part):
            source = file.read_bytes().replace(b"\r\n", b"\n")
            found.update(f"{name} {len(source)}\n".encode() + source)
    return found.hexdigest()[:16]


def _sources(place: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    """The Python files of a file or folder of the package, in order, by their names in the package."""
    if place.is_dir():
        for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
            yield from _sources(entry, f"{name}/{entry.name}")
    elif name.endswith(".py"):
        yield name, place
