"""Environment steps per second on an accelerator at very many lanes, beside the cores and the limit of its memory."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

from mgsc.errors import UserError
from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import devices
from mgsc.experiments.running.display import short
from mgsc.experiments.running.memory import block_bytes
from mgsc.experiments.running.program import Lane, Program
from mgsc.experiments.running.provenance import backend_of
from mgsc.experiments.running.versions import versions
from mgsc.experiments.tuning.file import check_can_write
from mgsc.files import write_atomically

SUITE = "tmaze-fixed"
AGENTS = ("uniform", "meta_gradient")
LANES = (1_000, 10_000, 100_000)
ON_CPU = 1_000
"""Lanes at which the cores are measured: they run lanes in blocks, so the cost of more is proportional."""

STEPS = 5_000
REPEATS = 3
COPIED = 2**28
"""Numbers that are copied to measure the memory's bandwidth."""


class DeviceSpeed(NamedTuple):
    """One measurement.

    Attributes:
        device: its kind in words.
        agent: the agent.
        lanes: seeds side by side.
        steps_per_second: environment steps of all lanes together; median of the repeats.
        compile_seconds: tracing and compiling, not part of the above.
        limit: steps per second if each step only read and wrote its lane's state once, at the memory's bandwidth.
        bytes: of memory that the program takes on the device.
    """

    device: str
    agent: str
    lanes: int
    steps_per_second: float
    compile_seconds: float
    limit: float
    bytes: int


def find_device(platform: str) -> jax.Device:
    """The first device of a platform.

    Raises:
        UserError: JAX has none here.
    """
    devices()  # it says so where there is none at all
    try:
        return jax.local_devices(backend=platform)[0]
    except RuntimeError:
        kinds = ", ".join(sorted({device.platform for device in jax.local_devices()}))
        raise UserError(
            f"there is no {platform} that JAX can use on this machine (there is: {kinds}): nothing was measured"
        ) from None


def bench_device(platform: str, out: str, *, quick: bool = False) -> None:
    """Measures a device, prints it and writes ``out``.

    Args:
        platform: ``gpu``, ``tpu`` or ``cpu``.
        out: JSON file.
        quick: the fewest lanes only.

    Raises:
        UserError: there is no such device, or ``out`` cannot be written; before anything is measured.
    """
    device, cpu = find_device(platform), jax.local_devices(backend="cpu")[0]
    check_can_write(out)
    console = Console() if Console().is_terminal else Console(width=110)
    with console.status(f"measuring {backend_of(device)}"):
        found = [measure(device, agent, lanes) for agent in AGENTS for lanes in LANES[: 1 if quick else None]]
        if device != cpu:
            found += [measure(cpu, agent, ON_CPU) for agent in AGENTS]
    table = Table(
        *("device", "agent", "lanes", "steps/s", "limit by bandwidth", "compile (s)", "memory"),
        title=f"{SUITE}, one call of the program at a time",
        title_justify="left",
    )
    for row in found:
        numbers = short(row.steps_per_second), short(row.limit), f"{row.compile_seconds:.1f}"
        table.add_row(row.device, row.agent, f"{row.lanes:,}", *numbers, f"{row.bytes / 2**20:.0f} MiB")
    console.print(table)
    contents: dict[str, Any] = {"suite": SUITE, "versions": versions(), "speeds": [row._asdict() for row in found]}
    write_atomically(Path(out), (json.dumps(contents, indent=1) + "\n").encode())
    console.print(f"\nwritten: {out}")


def measure(device: jax.Device, agent: str, lanes: int, steps: int = STEPS) -> DeviceSpeed:
    """Measures one agent with so many lanes in one block."""
    suite = get_suite(SUITE)
    suite = dataclasses.replace(suite, agents={agent: suite.agents[agent]}, lanes_per_block=lanes, steps=steps)
    program = Program(suite, suite.agents[agent], build_problem(suite), 0, tunes=True)
    program.compile([device], lanes)
    _, init, call, _ = program.functions(device, lanes)
    block = [Lane(seed, {}) for seed in range(lanes)]
    seconds = [program.run_block(block, device, lambda steps: None).seconds for _ in range(REPEATS)]
    leaves: list[Any] = jax.tree.leaves(init.out_info)  # type: ignore[attr-defined]
    state = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) / lanes
    return DeviceSpeed(
        device=backend_of(device),
        agent=agent,
        lanes=lanes,
        steps_per_second=lanes * steps / statistics.median(seconds),
        compile_seconds=program.compile_seconds,
        limit=bandwidth(device) / (2 * state),
        bytes=block_bytes(call),
    )


def bandwidth(device: jax.Device, numbers: int = COPIED) -> float:
    """Bytes per second that a device reads and writes when it copies."""
    with jax.default_device(device):
        add = jax.jit(lambda x: x + 1.0)
        here = add(jnp.zeros(numbers, jnp.float32)).block_until_ready()
        times = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            add(here).block_until_ready()
            times.append(time.perf_counter() - began)
    return 2 * 4 * numbers / statistics.median(times)
