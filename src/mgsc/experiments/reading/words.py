"""The words of the longer failure signatures, from their figures."""

from __future__ import annotations

from collections.abc import Mapping


def not_finite(figures: Mapping[str, float]) -> str:
    """The words for numbers that are not finite: values, rewards, d, or several of them."""
    names = [name for name, share in figures.items() if share]
    verb = "is" if names == ["d"] else "are"
    return f"{' and '.join(names)} {verb} not finite in {100 * max(figures.values()):.0f} % of the chunks"


def exploding(figures: Mapping[str, float]) -> str:
    """The words for a meta-gradient that explodes."""
    if figures["not_finite"]:
        return f"the meta-gradient explodes: it is not finite in {100 * figures['not_finite']:.0f} % of the chunks"
    return f"the meta-gradient grows without bound: its norm is {figures['norm']:.2g} in the last quarter"


def collapsed(figures: Mapping[str, float]) -> str:
    """The words for a d that has collapsed, and for the updates it wastes."""
    share = f"in {100 * figures['share']:.0f} % of the chunks"
    if "wasted" not in figures:
        return (
            f"d has collapsed on {figures['states']:.1f} candidates {share}; how much of that planning is wasted is not"
            " recorded"
        )
    return (
        f"d has collapsed on {figures['states']:.1f} states {share}, and"
        f" {100 * figures['wasted']:.0f} % of that planning changes nothing or trusts a wrong model"
    )


def no_improvement(figures: Mapping[str, float]) -> str:
    """The words for values or returns that have not improved."""
    if "first_return" in figures:
        return (
            f"the return of an episode doesn't improve: {figures['first_return']:.3g} at first and"
            f" {figures['later_return']:.3g} in the second half"
        )
    return (
        f"values don't improve: their error is {figures['first_error']:.2g} at first and never below"
        f" {figures['least_error']:.2g}, reward {100 * figures['first_reward']:z.0f} % of the optimum at first and"
        f" {100 * figures['later_reward']:z.0f} % in the second half"
    )
