"""The devices that programs are compiled for, and how many lanes a block of theirs has."""

from __future__ import annotations

import os

import jax

CPU_WIDTH = 16
"""Lanes of a block on a CPU: 30 seeds are two blocks, one for each of two cores."""

ACCELERATOR_WIDTH = 512
"""Lanes of a block on an accelerator, where the cost of a step hardly depends on it."""


def devices() -> list[jax.Device]:
    """The devices in use: the default device where one is set (``jax.default_device``), or those of the backend."""
    chosen: jax.Device | str | None = jax.config.jax_default_device  # type: ignore[attr-defined]
    if chosen is None:
        return list(jax.local_devices())
    return list(jax.local_devices(backend=chosen)) if isinstance(chosen, str) else [chosen]


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
        device: which; None for the first of those in use.
        lanes_per_block: the suite's setting, 0 for the default of the device's platform.
    """
    if lanes_per_block:
        return lanes_per_block
    platform = (device or devices()[0]).platform
    return CPU_WIDTH if platform == "cpu" else ACCELERATOR_WIDTH
