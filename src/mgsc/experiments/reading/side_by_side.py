"""Several results side by side, to be compared: the same agents with other settings, paired by seed.

``compare`` alone reads what comes of it: figures, reports and diagnoses are of single results, and ``merge`` makes a
single one of parts that have the same settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mgsc.errors import UserError, check_type
from mgsc.experiments.design.quantities import REPORTED_BY, SEARCH_CONTROL
from mgsc.experiments.reading.chunks import with_share_of_time
from mgsc.experiments.reading.selected import select_steps, selected_steps
from mgsc.experiments.store import open_result
from mgsc.experiments.store.concatenate import stack_agents
from mgsc.experiments.store.contract import SIDE_BY_SIDE, check_result, manifest_of, what_it_has
from mgsc.experiments.store.manifest import PROVENANCE, SHARED, Manifest, describe, differences
from mgsc.files import printable, usable_path

if TYPE_CHECKING:
    import xarray as xr

SHOWN_DIFFERENCES = 5
"""Settings of a result that are named; of more, their number is."""

CANNOT_PAIR = "these results cannot be paired: {} differs between their environments or models"


def side_by_side(results: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Puts the agents of several results beside each other, for ``compare``.

    Args:
        results: name → whole result, or some steps of one; at least two, of one environment, recorded in as many steps,
            whose models are known to be wrong in the same states, if any is.

    Returns:
        A dataset of the same form. Its agents are called ``NAME/AGENT``, its seeds and quantities are those that all
        results have.

    Raises:
        UserError: one is no result, or they cannot be paired: environments, steps or roots of seeds differ, or no seed
            is in all of them.
    """
    _check_results(results)
    name, *others = results
    plans = {name: manifest_of(dataset) for name, dataset in results.items()}
    for other in others:
        _check_pair(name, results[name], other, results[other])
    seeds = [seed for seed in plans[name].seeds if all(seed in plan.seeds for plan in plans.values())]
    if not seeds:
        found = "; ".join(f"{name} has {describe(plan.seeds)}" for name, plan in plans.items())
        raise UserError(f"no seed is in all of these results: {found}")
    missing = _not_in_all([*results.values()])
    pieces = [_piece(dataset.drop_vars(missing, errors="ignore"), name, seeds) for name, dataset in results.items()]
    together = stack_agents(pieces, CANNOT_PAIR)
    words = [*_seeds_left_out(plans, seeds), *_quantities_left_out(missing)]
    return together.assign_attrs(
        suite=_all_of([plan.suite for plan in plans.values()]),
        title=_all_of([plan.title for plan in plans.values()]),
        **{SIDE_BY_SIDE: [*words, *(_difference(plans, name, other) for other in others)]},
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
    """The shortest ends of the folders' paths, as they were given, that tell them apart → folder."""
    paths = [Path(os.path.abspath(usable_path(directory))) for directory in directories]
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UserError("a result folder is given twice")
    length = 1
    while len({path.parts[-length:] for path in paths}) < len(paths):
        length += 1
    names = ("/".join(path.parts[-length:]) for path in paths)
    return {printable(name): directory for name, directory in zip(names, directories, strict=True)}


def _check_results(results: object) -> None:
    check_type("results", results, Mapping, "map names to results")
    assert isinstance(results, Mapping)
    if len(results) < 2:
        raise UserError("side by side takes at least two results")
    for name, dataset in results.items():
        check_type("a name of a result", name, str, "be a text")
        if not name or not name.isprintable():
            raise UserError(f"a result cannot be called {ascii(name)[:60]}: its name must be a text that can be shown")
        check_result(dataset, is_compared=True)
        if SIDE_BY_SIDE in dataset.attrs:
            raise UserError(f"{name} is of several results side by side already: give them all at once")


def _check_pair(name: str, first: xr.Dataset, other: str, second: xr.Dataset) -> None:
    """Refuses results whose seeds do not meet the same problem, or that were recorded otherwise.

    Raises:
        UserError: saying what differs.
    """
    one, two = manifest_of(first), manifest_of(second)
    environment = f"{SHARED}.environment"
    places = [phrase for phrase in differences(one, two, (SHARED,)) if phrase.startswith(environment)]
    if places:
        raise _unlike(name, other, f"environments differ in {_in_words(places)}")
    compared = {
        "roots of seeds (--root-seed)": (one.root_seed, two.root_seed),
        "recorded quantities": (sorted(what_it_has(first)), sorted(what_it_has(second))),
        "selected steps": (selected_steps(first), selected_steps(second)),
        "steps of a record (record_every)": (first.attrs.get("record_every"), second.attrs.get("record_every")),
        "steps (--steps compares a part)": (_last_step(first), _last_step(second)),
    }
    for words, (of_first, of_second) in compared.items():
        if of_first != of_second:
            raise _unlike(name, other, f"{words} differ: {of_first} and {of_second}")


def _last_step(dataset: xr.Dataset) -> int | None:
    return int(dataset["step"].values[-1]) if "step" in dataset.variables else None


def _unlike(name: str, other: str, words: str) -> UserError:
    return UserError(f"{name} and {other} cannot be paired: their {words}")


def _piece(dataset: xr.Dataset, name: str, seeds: Sequence[int]) -> xr.Dataset:
    """The seeds of a result, its agents under their new names; run time, which is stored for all, is divided."""
    chosen = dataset.assign_coords(agent=[f"{name}/{agent}" for agent in dataset["agent"].values]).sel(seed=seeds)
    return with_share_of_time(chosen, len(seeds) / dataset.sizes["seed"])


def _not_in_all(datasets: Sequence[xr.Dataset]) -> list[str]:
    """Quantities that a result lacks, but for those that only some strategies report."""
    reported = {
        name
        for dataset in datasets
        for name, variable in dataset.variables.items()
        if variable.attrs.get(REPORTED_BY) == SEARCH_CONTROL
    }
    names = [set(dataset.variables) for dataset in datasets]
    return sorted(map(str, set().union(*names) - set.intersection(*names) - reported))


def _all_of(words: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _seeds_left_out(plans: Mapping[str, Manifest], seeds: Sequence[int]) -> list[str]:
    more = {name: [seed for seed in plan.seeds if seed not in seeds] for name, plan in plans.items()}
    found = [f"{describe(tuple(left))} of {name}" for name, left in more.items() if left]
    return [f"Seeds that are not in all results are left out: {'; '.join(found)}."] if found else []


def _quantities_left_out(missing: Sequence[str]) -> list[str]:
    return [f"Quantities that are not in all results are left out: {', '.join(missing)}."] if missing else []


def _difference(plans: Mapping[str, Manifest], name: str, other: str) -> str:
    """In which settings two results differ, as a sentence."""
    agents = tuple(agent for agent in plans[name].agents if agent in plans[other].agents)
    found = differences(plans[name], plans[other], agents or (SHARED,))
    found = [phrase for phrase in found if not phrase.startswith(f"{SHARED}.title:")]
    whose = "" if agents else "have no agent in common, and "
    if not found:
        return f"{name} and {other} {whose}have the same settings{'' if agents else ' for all agents'}."
    return f"{name} and {other} {whose}differ in {_in_words(found)}."


def _in_words(found: Sequence[str]) -> str:
    """Some phrases of ``differences``, with the keys of ``--set``."""
    phrases = [
        phrase.removeprefix(f"{SHARED}.").removeprefix(f"{PROVENANCE}.").replace(".options.", ".", 1)
        for phrase in found[:SHOWN_DIFFERENCES]
    ]
    left = len(found) - len(phrases)
    return "; ".join([*phrases, f"and {left} more"] if left else phrases)
