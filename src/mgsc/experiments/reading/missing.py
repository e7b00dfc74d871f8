"""Measures that a result lacks because of its problem, in plain words."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mgsc.experiments.design.quantities import Has

NO_TABLES = "No tables are known of this environment: no optimum, no model or value error, no d on states."
DRAWN_ANEW = "Candidates are drawn anew in every step: no d on states, no measures of where planning looks."
NO_EPISODES = "Episodes are not recorded: no return and no length of an episode."

NEEDS: Mapping[str, tuple[frozenset[Has], ...]] = {
    "uniform": (frozenset({"truth", "listed"}),),
    "no_improvement": (frozenset({"truth"}), frozenset({"episodes"})),
    "overshoot": (frozenset({"truth", "listed"}),),
}
"""Properties that a problem must have, one set or another, for a signature to be judged; others need none."""


def what_is_missing(has: Collection[Has]) -> str:
    """One line that names what a result lacks, and why; empty where its tables and its candidates are all listed.

    Args:
        has: properties of the problem, from ``store.contract.what_it_has``.
    """
    if "truth" not in has:
        return NO_TABLES if "episodes" in has else f"{NO_TABLES} {NO_EPISODES}"
    return "" if "listed" in has else DRAWN_ANEW


def not_judged(has: Collection[Has]) -> tuple[str, ...]:
    """The signatures that cannot be judged in a result of a problem with these properties."""
    return tuple(name for name, ways in NEEDS.items() if not any(way <= set(has) for way in ways))
