"""``mgsc track``: a stored result for TensorBoard or Weights & Biases; runs that are there are not written again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mgsc.errors import UserError
from mgsc.experiments.design.quantities import PER_CHUNK
from mgsc.experiments.reading.statistics import mean_of_those_there
from mgsc.experiments.store.places import refuse_internals
from mgsc.experiments.tracking.runs import Tracking, known_runs, name_of, refuse_other_suites, remove, write_run
from mgsc.experiments.tracking.sink import RunName
from mgsc.files import usable_path

if TYPE_CHECKING:
    import xarray as xr

FOLDER = "track"
"""The folder of a result in which its runs are tracked, one folder for each kind of tracker."""


class Tracked(NamedTuple):
    """Numbers of runs that were written, and of runs that were there already."""

    written: int
    kept: int


def tracking_of(
    kind: str, result: str | os.PathLike[str], suite: str, out: str | None = None, project: str | None = None
) -> Tracking:
    """The place and kind of the tracked runs of a result.

    Args:
        kind: ``"tensorboard"`` or ``"wandb"``.
        result: the result folder.
        suite: the suite's name.
        out: another folder than ``RESULT/track/KIND``.
        project: the project in W&B; None for ``mgsc``, and for trackers without projects.

    Raises:
        UserError: there is no such tracker or project, its package is not installed, or the folder cannot be used.
    """
    folder = usable_path(out or Path(result) / FOLDER / kind)
    tracking = Tracking(kind, os.path.abspath(folder), suite, "mgsc" if project is None else project)
    check_project = tracking.sink.check_project
    if check_project is not None:
        check_project(tracking.project)
    elif project is not None:
        raise UserError(f"{kind} knows no projects: leave --project out")
    refuse_internals(folder)
    return tracking


def track(dataset: xr.Dataset, tracking: Tracking) -> Tracked:
    """Writes every run of a result, and for each agent the mean over its seeds with a 95 % interval.

    Runs that are there with the same numbers stay. Others of the same names are replaced, and those of agents and seeds
    that the result does not have are removed.

    Args:
        dataset: a result of ``store.open_result``.
        tracking: place and kind of the runs.

    Returns:
        Numbers of runs written, and of runs that were there.

    Raises:
        UserError: the folder holds runs of another suite, or the files cannot be written.
    """
    refuse_other_suites(tracking)
    names, written = set[RunName](), list[bool]()
    for name, config, steps in _runs(dataset, tracking):
        names.add(name)
        written.append(write_run(tracking, name, config, steps))
    for name in known_runs(tracking):
        if name not in names:
            remove(tracking, name)
    return Tracked(sum(written), len(written) - sum(written))


def _runs(
    dataset: xr.Dataset, tracking: Tracking
) -> Iterator[tuple[RunName, dict[str, Any], list[tuple[int, dict[str, float]]]]]:
    """Every run with its settings and the numbers of each step."""
    settings, root = json.loads(dataset.attrs["settings"]), int(dataset.attrs["root_seed"])
    chunks, steps = range(dataset.sizes["chunk"]), [int(step) for step in dataset["step"].values]
    arrays = {str(name): entry.values for name, entry in dataset.data_vars.items() if entry.dims == PER_CHUNK}
    seeds = [int(seed) for seed in dataset["seed"].values]
    for place, agent in enumerate(map(str, dataset["agent"].values)):
        for row, seed in enumerate(seeds):
            config = tracking.config(settings, agent, root, seed)
            numbers = [{name: array[place, row, chunk] for name, array in arrays.items()} for chunk in chunks]
            yield name_of(agent, f"seed-{seed}", config), config, list(zip(steps, numbers, strict=True))
        config = {**tracking.config(settings, agent, root), "seeds": seeds}
        means = [_aggregate({name: array[place, :, chunk] for name, array in arrays.items()}) for chunk in chunks]
        yield name_of(agent, "aggregate", config), config, list(zip(steps, means, strict=True))


def _aggregate(numbers: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, float]:
    """Of each quantity the mean over seeds, and the bounds of its interval as ``NAME/low`` and ``NAME/high``."""
    found = dict[str, float]()
    for name, values in numbers.items():
        mean, low, high = mean_of_those_there(values)[:3]
        found |= {name: mean, f"{name}/low": low, f"{name}/high": high}
    return found
