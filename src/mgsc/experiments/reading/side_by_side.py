"""Several results side by side, to be compared: the same agents with other settings, paired by seed.

``compare`` alone reads what comes of it: figures, reports and diagnoses are of single results, and ``merge`` makes a
single one of parts that have the same settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mgsc.errors import UserError
from mgsc.experiments.reading.selected import select_steps, selected_steps
from mgsc.experiments.store import open_result
from mgsc.experiments.store.concatenate import stack_agents
from mgsc.experiments.store.contract import SIDE_BY_SIDE, check_result, manifest_of, what_it_has
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import Manifest, describe, differences
from mgsc.files import usable_path

if TYPE_CHECKING:
    import xarray as xr

SHOWN_DIFFERENCES = 5
"""Settings of a result that are named; of more, their number is."""


def side_by_side(results: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Puts the agents of several results beside each other, for ``compare``.

    Args:
        results: name → whole result, or some steps of one; at least two, of one environment and as many steps.

    Returns:
        A dataset of the same form. Its agents are called ``NAME/AGENT``, its seeds are those that all results have.

    Raises:
        UserError: one is no result, or they cannot be paired: environments, steps or roots of seeds differ, or no seed
            is in all of them.
    """
    if len(results) < 2:
        raise UserError("side by side takes at least two results")
    for dataset in results.values():
        check_result(dataset, is_compared=True)
        if SIDE_BY_SIDE in dataset.attrs:
            raise UserError("one of these results is of several side by side already: give them all at once")
    name, *others = results
    plans = {name: manifest_of(dataset) for name, dataset in results.items()}
    for other in others:
        _check_pair(name, results[name], other, results[other])
    seeds = [seed for seed in plans[name].seeds if all(seed in plan.seeds for plan in plans.values())]
    if not seeds:
        found = "; ".join(f"{name} has {describe(plan.seeds)}" for name, plan in plans.items())
        raise UserError(f"no seed is in all of these results: {found}")
    try:
        together = stack_agents([_renamed(dataset, name).sel(seed=seeds) for name, dataset in results.items()])
    except StoreError as error:
        raise UserError(f"these results cannot be paired: {error}") from error
    return together.assign_attrs(
        suite=_all_of([plan.suite for plan in plans.values()]),
        title=_all_of([plan.title for plan in plans.values()]),
        **{SIDE_BY_SIDE: [*_seeds_left_out(plans, seeds), *(_difference(plans, name, other) for other in others)]},
    )


def open_side_by_side(directories: Sequence[str], steps: Sequence[int] | None = None) -> xr.Dataset:
    """Opens result folders to compare their agents: one as it is, several side by side.

    Args:
        directories: at least one result folder; each gives its last path component, or as many as tell them apart, as
            a name to its result.
        steps: first and last real step of those that are compared; None for all.

    Returns:
        A dataset that ``compare`` reads.

    Raises:
        UserError: a folder is given twice or holds no complete result, or results cannot be paired.
    """
    opened = {name: open_result(directory) for name, directory in _names_of(directories).items()}
    if steps is not None:
        opened = {name: select_steps(dataset, *steps) for name, dataset in opened.items()}
    return side_by_side(opened) if len(opened) > 1 else next(iter(opened.values()))


def _names_of(directories: Sequence[str]) -> dict[str, str]:
    """The shortest ends of the folders' paths that tell them apart → folder."""
    paths = [Path(os.path.realpath(usable_path(directory))) for directory in directories]
    if len(set(paths)) < len(paths):
        raise UserError("a result folder is given twice")
    length = 1
    while len({path.parts[-length:] for path in paths}) < len(paths):
        length += 1
    return {"/".join(path.parts[-length:]): directory for path, directory in zip(paths, directories, strict=True)}


def _check_pair(name: str, first: xr.Dataset, other: str, second: xr.Dataset) -> None:
    """Refuses results whose seeds do not meet the same problem.

    Raises:
        UserError: saying what differs.
    """
    one, two = manifest_of(first), manifest_of(second)
    ends = [np.asarray(dataset["step"].values, int) for dataset in (first, second)]
    parts = [selected_steps(dataset) for dataset in (first, second)]
    compared = {
        "environments": (one.settings.get("environment"), two.settings.get("environment")),
        "roots of seeds": (one.root_seed, two.root_seed),
        "recorded quantities": (set(what_it_has(first)), set(what_it_has(second))),
        "steps at which something is recorded": (list(ends[0]), list(ends[1])),
        "selected steps": (parts[0], parts[1]),
    }
    for words, (of_first, of_second) in compared.items():
        if of_first != of_second:
            raise UserError(f"{name} and {other} cannot be paired: their {words} differ")


def _renamed(dataset: xr.Dataset, name: str) -> xr.Dataset:
    return dataset.assign_coords(agent=[f"{name}/{agent}" for agent in dataset["agent"].values])


def _all_of(words: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _seeds_left_out(plans: Mapping[str, Manifest], seeds: Sequence[int]) -> list[str]:
    more = {name: [seed for seed in plan.seeds if seed not in seeds] for name, plan in plans.items()}
    found = [f"{describe(tuple(left))} of {name}" for name, left in more.items() if left]
    return [f"Seeds that are not in all results are left out: {'; '.join(found)}."] if found else []


def _difference(plans: Mapping[str, Manifest], name: str, other: str) -> str:
    """In which settings two results differ, as a sentence."""
    agents = tuple(agent for agent in plans[name].agents if agent in plans[other].agents)
    found = differences(plans[name], plans[other], agents or ("shared",))
    if not found:
        return f"{other} has the settings of {name}."
    shown = "; ".join(found[:SHOWN_DIFFERENCES])
    more = f"; and {len(found) - SHOWN_DIFFERENCES} more" if len(found) > SHOWN_DIFFERENCES else ""
    return f"{name} and {other} differ in {shown}{more}."
