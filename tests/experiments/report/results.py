"""Made-up results with all that a page can show, and one of the largest size it has to bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.experiments.synthetic import synthetic

if TYPE_CHECKING:
    import xarray as xr

MAPS = ("agent", "seed", "chunk", "state")
LEFT, RIGHT, UP, NONE = 2, 3, 0, -1


def with_maps(dataset: xr.Dataset) -> xr.Dataset:
    """The result with values, greedy actions, goals, start and one measure of no table.

    Values rise through the run and with the seed; the policy leads up the stem and, of the seeds, every
    third one to the left.
    """
    agents, seeds, chunks, states = (dataset.sizes[dim] for dim in MAPS)
    is_candidate = dataset["is_candidate"].values
    value = np.linspace(0, 1, chunks)[:, None] * np.linspace(0.1, 1, states)
    value = value + 0.01 * np.arange(seeds)[:, None, None]
    value = np.broadcast_to(np.where(is_candidate, value, 0), (agents, seeds, chunks, states)).astype(np.float32)
    aside = np.where(np.arange(seeds) % 3 == 0, LEFT, RIGHT)[:, None, None]
    action = np.where(dataset["state_row"].values > 0, UP, aside)
    action = np.where(is_candidate, action, NONE)
    phases = dataset.sizes["phase"]
    reward = np.full((phases, states), np.nan, np.float32)
    ends = np.flatnonzero(~is_candidate)
    reward[:, ends] = np.where(np.arange(phases)[:, None] % 2 == np.arange(len(ends)), -1, 1)
    start = np.zeros(states, np.float32)
    start[0] = 1
    novel = np.abs(dataset["reward"].values).astype(np.float32)
    return dataset.assign(
        state_value=(MAPS, value),
        greedy_action=(MAPS, np.broadcast_to(action, value.shape).astype(np.int8)),
        goal_reward=(("phase", "state"), reward),
        start=("state", start),
        surprise_of_model=(("agent", "seed", "chunk"), novel, {"units": "bits"}),
    )


def shown(**shape: Any) -> xr.Dataset:
    """A small result with all that a page can show."""
    return with_maps(synthetic(**({"num_seeds": 4, "num_chunks": 40, "period": 2500} | shape)))


def named(dataset: xr.Dataset, title: str) -> xr.Dataset:
    """The result under another title."""
    return dataset.assign_attrs(title=title)


def largest(seed: int, num_states: int = 51) -> xr.Dataset:
    """30 seeds of 9 agents at 200 chunks and 51 states; d is noise, which nothing compresses well."""
    agents = (*(f"agent_{number}" for number in range(8)), "meta_gradient")
    base = synthetic(agents, num_seeds=30, num_chunks=200)
    random = np.random.default_rng(seed)
    shape = (len(agents), 30, 200, num_states)
    d = random.exponential(size=shape).astype(np.float32)
    d /= d.sum(-1, keepdims=True)
    places = [(row, column) for row in range(7) for column in range(9)][:num_states]
    per_state = {name for name, variable in base.variables.items() if "state" in variable.dims}
    phases = base.sizes["phase"]
    return (
        base.drop_vars(per_state)
        .assign(
            query_distribution=(MAPS, d),
            state_value=(MAPS, random.normal(size=shape).astype(np.float32)),
            greedy_action=(MAPS, random.integers(-1, 4, size=shape).astype(np.int8)),
            model_error=(MAPS, d),
            state_value_error=(MAPS, d),
            wrong_state=(("phase", "state"), np.zeros((phases, num_states), bool)),
        )
        .assign_coords(
            state_row=("state", [row for row, _ in places]),
            state_column=("state", [column for _, column in places]),
            is_candidate=("state", np.ones(num_states, bool)),
        )
    )
