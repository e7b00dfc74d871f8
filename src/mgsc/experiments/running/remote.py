"""Messages between processes: units, the setup of a worker, errors."""

from __future__ import annotations

import os
import pickle
import traceback
from typing import Any, NamedTuple

from mgsc.errors import UserError
from mgsc.experiments.running.units import Unit


class Setup(NamedTuple):
    """The setup of a worker.

    Attributes:
        core: that it is pinned to; None where processes cannot be pinned.
        provenance: that it must have.
    """

    core: int | None
    provenance: dict[str, Any]


def pickled(unit: Unit) -> bytes:
    """A unit as bytes.

    Raises:
        UserError: a part of one's own cannot be pickled.
    """
    try:
        return pickle.dumps(unit)
    except Exception as error:  # whatever a part of anyone's raises
        reason = " ".join(str(error).split())
        raise UserError(
            f"{unit.agent} cannot be sent to another process ({reason}): define the functions and settings of your own"
            " parts at the top of a module, or use the executor threads"
        ) from None


def unpickled(sent: bytes) -> Unit:
    """The unit of ``pickled``.

    Raises:
        UserError: a part of one's own cannot be imported here.
    """
    try:
        unit: Unit = pickle.loads(sent)
    except (AttributeError, ImportError) as error:
        raise UserError(
            f"a worker process cannot import a part of your own ({error}): define it at the top of a module that can be"
            " imported, or use the executor threads"
        ) from None
    return unit


def settle(setup: Setup) -> None:
    """Applies a setup to this process.

    Raises:
        UserError: the process has another provenance, and would compute other bits.
    """
    if setup.core is not None:
        os.sched_setaffinity(0, {setup.core})
    import jax

    from mgsc.experiments.running.provenance import JAX_SETTINGS, provenance
    from mgsc.experiments.store.resumable import differences, plain

    options = setup.provenance["options"]
    platform = {"jax_platforms": "cpu"} if setup.provenance["backend"].startswith("cpu ") else {}
    for name, value in {**platform, **{name: options[name] for name in JAX_SETTINGS}}.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]
    other = differences(plain(setup.provenance), plain(provenance()))
    if other:
        raise UserError(f"a worker process computes otherwise than the one that started it: {'; '.join(other)}")


def portable(error: BaseException) -> BaseException:
    """The error in a form that can be pickled: itself, with a traceback as a note where code failed, or its text."""
    if not isinstance(error, UserError) or error.__cause__ is not None:  # which is not pickled
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(
            f"{type(error).__name__} in a worker process:\n{''.join(traceback.format_exception(error))}"
        )
    return error
