"""The memory of a result and of a block of lanes, estimated before anything is computed or written."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mgsc.errors import UserError
from mgsc.experiments.design.quantities import recorded_of

if TYPE_CHECKING:
    import jax

    from mgsc.experiments.design.suites import Suite
    from mgsc.problem import Problem

COPIES = 3
"""Copies of every number: in a part, in the joined array, and in the result."""

LOWER = "lower lanes_per_block, which decides numbers, raise record_every, or take a smaller network or problem"

OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
"""Words in the errors of devices whose memory is full."""

LEAST_ADDRESSES = 2 * 2**30
"""Bytes of addresses that JAX and its compiler need; with less XLA ends the process."""


def check_addresses() -> None:
    """Checks that the process may use enough addresses for JAX.

    Raises:
        UserError: it may not; the error names how many are needed.
    """
    addresses = address_limit()
    if addresses is not None and addresses < LEAST_ADDRESSES:
        raise UserError(
            f"this process may use {_gigabytes(addresses)} of addresses (ulimit -v), and JAX needs"
            f" {_gigabytes(LEAST_ADDRESSES)}: raise the limit, or limit resident memory instead"
        )


def check_memory(suite: Suite, problem: Problem, num_seeds: int) -> None:
    """Checks that a run's result fits into memory.

    Raises:
        UserError: it does not; the error names both sizes, and what to change.
    """
    needed, there = COPIES * result_bytes(suite, problem, num_seeds), memory_limit()
    if there is not None and needed > there:
        raise UserError(
            f"a result of {len(suite.agents)} agents, {num_seeds} seeds and {suite.steps // suite.record_every} chunks"
            f" needs about {_gigabytes(needed)} of memory, and there are {_gigabytes(there)}: raise record_every, or"
            " run fewer seeds, agents or steps"
        )


def result_bytes(suite: Suite, problem: Problem, num_seeds: int) -> int:
    """Bytes of all that is recorded, in float32."""
    from mgsc.experiments.running.recorder import what_it_has

    has = what_it_has(problem, records_episodes=suite.records_episodes)
    num_states = 0 if problem.truth is None else len(problem.truth.is_candidate)
    lengths = {"agent": len(suite.agents), "seed": num_seeds, "chunk": suite.steps // suite.record_every}
    lengths["state"] = num_states
    return 4 * sum(math.prod(lengths[dim] for dim in dims) for dims in recorded_of(has).values())


def check_block(device: jax.Device, program: Any, num_lanes: int) -> None:
    """Checks that a block fits into a device's memory.

    Args:
        device: that runs it.
        program: the compiled call of its loop; one without a known size passes.
        num_lanes: of the block.

    Raises:
        UserError: it does not fit; the error names both sizes, and what to lower.
    """
    needed, there = block_bytes(program), device_limit(device)
    if needed and there is not None and needed > there:
        words = f"needs about {_gigabytes(needed)} of memory, and there are {_gigabytes(there)}"
        raise UserError(f"a block of {num_lanes} lanes on {device} {words}: {LOWER}")


def block_bytes(program: Any) -> int:
    """Bytes that a compiled program takes on its device while it runs; 0 where that is not known."""
    with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError):
        found = program.memory_analysis()
        kept = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
        return int(kept + found.temp_size_in_bytes + found.generated_code_size_in_bytes)
    return 0


def device_limit(device: jax.Device) -> int | None:
    """Bytes that a program may use on a device; None where that is not known."""
    if device.platform == "cpu":
        return memory_limit()
    with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError):
        limit = (device.memory_stats() or {}).get("bytes_limit")
        return None if limit is None else int(limit)
    return None


@contextlib.contextmanager
def saying_what_to_lower(device: jax.Device, num_lanes: int) -> Iterator[None]:
    """Replaces a device's error that its memory is full.

    Raises:
        UserError: in its place; the error names what to lower.
    """
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not any(sign in str(error) for sign in OUT_OF_MEMORY):
            raise
        raise UserError(f"{device} has no memory left for a block of {num_lanes} lanes: {LOWER}") from None


def memory_limit() -> int | None:
    """Bytes of memory that this process may use; None where that is not known."""
    limits = [address_limit()]
    with contextlib.suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((limit for limit in limits if limit is not None), default=None)


def address_limit() -> int | None:
    """Bytes of addresses that this process may use; None for no limit."""
    import resource

    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def _gigabytes(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
