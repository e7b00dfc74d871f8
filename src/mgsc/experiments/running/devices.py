"""The devices that programs are compiled for, and the lanes of their blocks."""

from __future__ import annotations

import os

import jax

from mgsc.errors import UserError

CPU_WIDTH = 16
"""Lanes of a block on a CPU: 30 seeds are two blocks, one for each of two cores."""

ACCELERATOR_WIDTH = 512
"""Most lanes of a block on an accelerator, where the cost of a step hardly depends on them."""

LEAST_ON_ACCELERATOR = 8
"""Least number of lanes that a block is padded to on an accelerator."""


def devices() -> list[jax.Device]:
    """The devices in use: the default device where one is set (``jax.default_device``), or those of the backend.

    Raises:
        UserError: ``JAX_PLATFORMS`` names a platform that has no device here.
    """
    chosen: jax.Device | str | None = jax.config.jax_default_device  # type: ignore[attr-defined]
    if chosen is None:
        return _of_backend()
    return list(jax.local_devices(backend=chosen)) if isinstance(chosen, str) else [chosen]


def _of_backend() -> list[jax.Device]:
    try:
        return list(jax.local_devices())
    except (RuntimeError, AssertionError):  # JAX asserts where it knows the platform, which has no device here
        given = jax.config.jax_platforms  # type: ignore[attr-defined]
        raise UserError(
            f"JAX finds no device: JAX_PLATFORMS is {given!r}; allowed are cpu, a platform of this machine, and"
            " nothing, which chooses one"
        ) from None


def workers() -> list[jax.Device]:
    """The device of each worker: the CPU once per core this process may use, or every accelerator."""
    found = devices()
    if found[0].platform != "cpu":
        return found
    return [found[number % len(found)] for number in range(num_cores())]


def num_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def block_width(device: jax.Device | None = None, lanes_per_block: int = 0) -> int:
    """Lanes of a block on a device.

    Args:
        device: None for the first of those in use.
        lanes_per_block: the suite's setting, 0 for the default of the device's platform.
    """
    if lanes_per_block:
        return lanes_per_block
    platform = (device or devices()[0]).platform
    return CPU_WIDTH if platform == "cpu" else ACCELERATOR_WIDTH


def padded_width(device: jax.Device, num_lanes: int, lanes_per_block: int = 0) -> int:
    """Lanes that a block of ``num_lanes`` is padded to.

    On a CPU, or where the suite sets it, always the block width, so that a lane's bits do not depend on how many run
    beside it. An accelerator takes the next power of two, so that few widths are compiled.
    """
    width = block_width(device, lanes_per_block)
    if lanes_per_block or device.platform == "cpu":
        return width
    return min(width, max(LEAST_ON_ACCELERATOR, 1 << (num_lanes - 1).bit_length()))
