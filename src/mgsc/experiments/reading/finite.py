"""Rewards that are not finite, in plain words: sums of xarray leave them out without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mgsc.experiments.reading.selected import selected_steps

if TYPE_CHECKING:
    import xarray as xr

ADVICE = "See what the environment's rewards are there; xarray's sums and means leave such numbers out."


def broken_rewards(dataset: xr.Dataset) -> str:
    """The agents whose rewards are not finite, the seeds, and where that begins; empty where all rewards are finite.

    Args:
        dataset: a result, in the form of ``store.contract``.
    """
    selected = selected_steps(dataset)
    before = 0 if selected is None else selected[0]
    begins = np.concatenate([[0], np.asarray(dataset["step"].values, int)]) + before
    sentences = []
    for agent in (str(name) for name in dataset["agent"].values):
        broken = ~np.isfinite(np.asarray(dataset["reward"].sel(agent=agent).values, np.float64))
        if broken.any():
            first = int(np.argmax(broken.any(0)))
            seeds = dataset["seed"].values[broken.any(1)]
            which = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} of {broken.shape[0]} seeds"
            steps = f"steps {begins[first]:,} to {begins[first + 1]:,}"
            where = f"in chunk {first} ({steps})" if selected is None else f"in {steps}"
            sentences.append(f"Rewards of {agent} are not finite on {which}, first {where}.")
    return " ".join([*sentences, ADVICE]) if sentences else ""
