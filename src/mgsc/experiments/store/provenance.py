"""Results without a stored provenance, which can be read and not extended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgsc.experiments.store.manifest import Manifest


def lacks(plan: Manifest) -> str:
    """What a result, called "it", lacks of its numbers' provenance, in words; empty where nothing is missing."""
    if plan.provenance:
        return ""
    version = plan.versions.get("mgsc")
    stored = f"was stored by mgsc {version}" if version else "was stored without its provenance"
    return f"{stored}: it does not say on which backend, with which block width or by which code it was computed"
