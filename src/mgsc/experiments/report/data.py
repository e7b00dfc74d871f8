"""A result's arrays packed for the page, in two layers.

The *core* holds means over seeds at full time resolution and is decoded when a suite is first shown. The
*seeds* hold every single seed's maps, which are decoded when one is first shown; where they would not fit, they hold
every n-th chunk only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mgsc.experiments.reading.chunks import steps_per_chunk
from mgsc.experiments.reading.statistics import mean_interval, mean_of_those_there
from mgsc.experiments.report.arrays import Archive, Scale, spanning
from mgsc.experiments.report.measures import UNDEFINED_WITHOUT_EPISODES, Measure, measures_of

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]
NUM_ACTIONS = 4
"""Actions of a maze in the order of ``environments.maze.MOVES``: up, down, left, right."""

OF_STATES = ("query_distribution", "state_value", "greedy_action")
"""Variables of single states."""

SHARE = Scale(0.0, 1.0)


@dataclass(frozen=True)
class Layer:
    """One compressed stream and its entries.

    Attributes:
        entries: as of ``Archive``.
        data: zlib stream.
        stride: distance in chunks of two that are kept.
    """

    entries: list[dict[str, Any]]
    data: bytes
    stride: int = 1


def core_layer(dataset: xr.Dataset) -> Layer:
    """Curves with their intervals, and d, values and policies as means over the seeds, as far as they are recorded.

    Args:
        dataset: a result, per ``store.contract``.

    Returns:
        The layer, at full time resolution.
    """
    archive = Archive()
    for measure in measures_of(dataset):
        archive.add_floats(f"curve/{measure.name}", _curves(dataset, measure))
        if measure.reference is not None and measure.reference in dataset:
            archive.add_floats(f"reference/{measure.name}", _scaled(dataset, measure, measure.reference))
    if "query_distribution" in dataset:
        _add_codes(archive, "d", _maps(dataset, "query_distribution").mean(axis=1), power=2, width="u2")
    if "state_value" in dataset:
        _add_codes(archive, "value", _maps(dataset, "state_value").mean(axis=1), power=1, width="u2")
    if "greedy_action" in dataset:
        archive.add_codes("policy", _time_last(_action_shares(dataset)), SHARE, "u1")
    return Layer(archive.entries, archive.compressed())


def seeds_layer(dataset: xr.Dataset, limit: int) -> Layer | None:
    """Every seed's d, values and greedy actions, at as many chunks as there is room for.

    Args:
        dataset: a result, per ``store.contract``.
        limit: largest length of the stream [bytes].

    Returns:
        The layer with the smallest stride of 1, 2, 4, … that fits; None where there is one seed, which the
        core shows already, where not even the first chunk fits, or where nothing is recorded of states.
    """
    if dataset.sizes["seed"] == 1 or not any(name in dataset for name in OF_STATES):
        return None
    stride = 1
    while True:
        layer = _seeds_at(dataset, stride)
        if len(layer.data) <= limit:
            return layer
        if stride >= dataset.sizes["chunk"]:
            return None
        # What is far too long is not approached by halves.
        stride *= 2 ** max(1, int(np.log2(len(layer.data) / max(1, limit))))


def _seeds_at(dataset: xr.Dataset, stride: int) -> Layer:
    kept = dataset.isel(chunk=slice(None, None, stride))
    archive = Archive()
    if "query_distribution" in kept:
        _add_codes(archive, "d", _maps(kept, "query_distribution"), power=2, width="u1")
    if "state_value" in kept:
        _add_codes(archive, "value", _maps(kept, "state_value"), power=1, width="u1")
    if "greedy_action" in kept:
        actions = _maps(kept, "greedy_action")
        archive.add_codes("action", _time_last(actions), Scale(-1.0, 253.0), "u1")
    return Layer(archive.entries, archive.compressed(), stride)


def _add_codes(archive: Archive, name: str, maps: Floats, *, power: Any, width: Any) -> None:
    archive.add_codes(name, _time_last(maps), spanning(maps, power), width)


def _maps(dataset: xr.Dataset, name: str) -> Floats:
    """[agent, seed, chunk, state] numbers."""
    return np.asarray(dataset[name].transpose("agent", "seed", "chunk", "state").values, np.float64)


def _time_last(maps: Floats) -> Floats:
    """[..., chunk, X] → [..., X, chunk]."""
    return np.moveaxis(maps, -2, -1)


def _action_shares(dataset: xr.Dataset) -> Floats:
    """[agent, action, chunk, S] share of the seeds whose greedy action it is."""
    actions = _maps(dataset, "greedy_action")
    shares: Floats = np.stack([(actions == action).mean(axis=1) for action in range(NUM_ACTIONS)], axis=1)
    return shares


def _curves(dataset: xr.Dataset, measure: Measure) -> Floats:
    """[agent, 3, chunk] mean over the seeds, and its interval's two ends; of episodes, over the seeds that have one."""
    interval = mean_of_those_there if measure.name in UNDEFINED_WITHOUT_EPISODES else mean_interval
    values = _scaled(dataset, measure, measure.name)
    agents, _, chunks = values.shape
    curves = np.full((agents, 3, chunks), np.nan)
    for agent, of_agent in enumerate(values):
        if not np.isnan(of_agent).all():
            curves[agent] = np.array([interval(column) for column in of_agent.T]).T
    return curves


def _scaled(dataset: xr.Dataset, measure: Measure, name: str) -> Floats:
    values = np.asarray(dataset[name].values, np.float64)
    return values / steps_per_chunk(dataset) if measure.is_sum else values
