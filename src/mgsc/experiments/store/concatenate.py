"""Concatenation of results along seeds or along agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.experiments.design.quantities import REPORTED_BY, SEARCH_CONTROL
from mgsc.experiments.store.contract import SUMMED, manifest_attributes, manifest_of
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import PER_AGENT, SHARED, Manifest, describe, describe_differences, differences

if TYPE_CHECKING:
    import xarray as xr


CANNOT_MERGE = "results of different runs don't merge: {} differs"


def concatenate_seeds(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Puts results of the same agents and settings together along their seeds.

    Args:
        datasets: at least one result; all of the same agents.

    Returns:
        One result with the seeds in the given order; seconds are added up.

    Raises:
        StoreError: settings differ, seeds overlap, or shared variables differ.
    """
    first, *others = datasets
    agents = manifest_of(first).agents
    for other in others:
        _refuse_other_settings(first, other, agents)
    seeds = [seed for dataset in datasets for seed in manifest_of(dataset).seeds]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise StoreError(f"seeds {describe(tuple(twice))} of {describe(agents)} are there twice")
    return _concatenate([first, *(other.sel(agent=list(agents)) for other in others)], "seed")


def concatenate_agents(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Puts results of different agents, with the same seeds and shared settings, together.

    Args:
        datasets: at least one result; no agent in two of them.

    Returns:
        One result with the agents in the given order.

    Raises:
        StoreError: shared settings, seeds or variables differ, or agents repeat.
    """
    first, *others = datasets
    plans = [manifest_of(dataset) for dataset in datasets]
    for other in others:
        _refuse_other_settings(first, other, ())
    agents = [agent for plan in plans for agent in plan.agents]
    twice = sorted({agent for agent in agents if agents.count(agent) > 1})
    if twice:
        raise StoreError(f"{describe(tuple(twice))}: there twice, with other agents beside")
    for plan in plans[1:]:
        if set(plan.seeds) != set(plans[0].seeds):
            raise StoreError(
                f"{describe(plans[0].agents)} has seeds {describe(plans[0].seeds)}, but"
                f" {describe(plan.agents)} has {describe(plan.seeds)}"
            )
    seeds = list(plans[0].seeds)
    merged = stack_agents([first, *(other.sel(seed=seeds) for other in others)])
    settings = dict(plans[0].settings)
    own = [plan.settings.get(PER_AGENT, {}) for plan in plans]
    if any(own):
        settings[PER_AGENT] = {agent: value for table in own for agent, value in table.items()}
    return merged.assign_attrs(manifest_attributes(replace(plans[0], settings=settings)))


def stack_agents(datasets: Sequence[xr.Dataset], refusal: str = CANNOT_MERGE) -> xr.Dataset:
    """The agents of all results in one dataset, with the first one's attributes.

    Args:
        datasets: at least one result; all have the same seeds in the same order.
        refusal: what is said where a variable that agents share differs, with ``{}`` for its name.

    Raises:
        StoreError: a variable that agents share differs.
    """
    return _concatenate(_with_all_reports(datasets), "agent", refusal)


def _with_all_reports(datasets: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """The results, each with all that a strategy in one of them reports of itself: NaN where it does not."""
    reports = {
        name: variable
        for dataset in datasets
        for name, variable in dataset.data_vars.items()
        if variable.attrs.get(REPORTED_BY) == SEARCH_CONTROL
    }
    filled = []
    for dataset in datasets:
        missing = {name: variable for name, variable in reports.items() if name not in dataset}
        nothing = np.full_like(dataset["reward"].values, np.nan, dtype=np.float32)
        new = {name: (variable.dims, nothing, variable.attrs) for name, variable in missing.items()}
        filled.append(dataset.assign(new))
    return filled


def _refuse_other_settings(first: xr.Dataset, other: xr.Dataset, agents: tuple[str, ...]) -> None:
    """Compares the agents that both hold or, without any, what all agents share."""
    one, two = manifest_of(first), manifest_of(other)
    if not agents:
        one, two = _without_own(one), _without_own(two)
    found = differences(one, two, agents or (SHARED,))
    if found:
        raise StoreError(f"results of different runs don't merge: {describe_differences(found)}")


def _without_own(plan: Manifest) -> Manifest:
    return replace(plan, settings={k: v for k, v in plan.settings.items() if k != PER_AGENT})


def _concatenate(datasets: Sequence[xr.Dataset], dim: str, refusal: str = CANNOT_MERGE) -> xr.Dataset:
    """Concatenates variables along ``dim``, adds up seconds, and checks that all others are equal."""
    import xarray as xr

    first = datasets[0]
    merged: dict[str, Any] = {}
    for name in (str(name) for name in first.variables):
        pieces = [dataset.variables[name] for dataset in datasets]
        if dim in pieces[0].dims:
            values = [piece.values for piece in pieces]
            merged[name] = (pieces[0].dims, np.concatenate(values, pieces[0].get_axis_num(dim)), pieces[0].attrs)
        elif name in SUMMED:
            merged[name] = (pieces[0].dims, sum(piece.values for piece in pieces), pieces[0].attrs)
        elif all(_is_equal(pieces[0].values, piece.values) for piece in pieces[1:]):
            merged[name] = pieces[0]
        else:
            raise StoreError(refusal.format(name))
    coords = {name: merged.pop(name) for name in map(str, first.coords)}
    return xr.Dataset(merged, coords=coords, attrs=first.attrs)


def _is_equal(first: Any, second: Any) -> bool:
    is_float = first.dtype.kind == "f"
    return bool(np.array_equal(first, second, equal_nan=is_float))
