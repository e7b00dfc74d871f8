"""The names of the variants: how θ̄ combines K planning updates, and at which parameters the target is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax
import numpy as np

Form = Literal["scaled", "single", "unrolled", "saturating"]
"""How K planning updates make θ̄.

``scaled``      θ + α K Σ_i w_i Δ_i; the factor K is *ours*, and the default.
``single``      θ + α Σ_i w_i Δ_i; the ablation without K.
``unrolled``    K expected updates one after the other (*ours*).
``saturating``  tables only: 1 − (1 − α w_i π(a|s_i))^K in place of α K w_i π(a|s_i) (*ours*).
"""

Origin = Literal["planned", "current"]
"""Where the real transition is applied to make θ̂: to θ̄ (the method) or to θ (an ablation)."""

FORMS: tuple[Form, ...] = ("scaled", "single", "unrolled", "saturating")
ORIGINS: tuple[Origin, ...] = ("planned", "current")


def check_at_least(name: str, value: object, least: float, *, above: bool = False) -> None:
    """Checks a number that must not be too small; a traced one has no value to check.

    Raises:
        ValueError: it is too small; the message names what is allowed.
    """
    if isinstance(value, jax.core.Tracer):
        return
    number = np.asarray(value)
    if not (number > least if above else number >= least).all():
        raise ValueError(f"{name} must be {'above' if above else 'at least'} {least}, not {value}")


def check_choice(name: str, value: str, allowed: Sequence[str], hint: str = "") -> None:
    """Checks a name.

    Args:
        name: of the argument, for the message.
        value: the name.
        allowed: the known names.
        hint: an alternative, added to the message.

    Raises:
        ValueError: ``value`` is not in ``allowed``; the message lists these.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}{hint}")
