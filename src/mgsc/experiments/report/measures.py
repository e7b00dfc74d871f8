"""The measures of a result on the page: titles, units, and reference lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mgsc.experiments.design.quantities import PER_CHUNK

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Measure:
    """One measure that has a value for every agent, seed and chunk.

    Attributes:
        name: of the variable.
        title: in words.
        unit: of its numbers, may be empty.
        is_sum: a sum over the chunk, shown per environment step.
        reference: variable [chunk] drawn as a line for comparison, if the result has it.
        reference_title: of that line.
    """

    name: str
    title: str
    unit: str = ""
    is_sum: bool = False
    reference: str | None = None
    reference_title: str = ""


UNDEFINED_WITHOUT_EPISODES = ("episode_return", "episode_length")
"""NaN in chunks in which no episode of a seed ended: then the mean is over the other seeds."""

TABLE = (
    Measure("episode_return", "Return of an episode", "reward"),
    Measure("episode_length", "Length of an episode", "environment steps"),
    Measure("reward", "Average reward", "reward per step", True, "optimal_reward", "best ε-soft policy, expected"),
    Measure("entropy", "Entropy of d", "nats"),
    Measure("effective_candidates", "Candidates that d is spread over, exp(entropy)", "candidates"),
    Measure("wrong_mass", "Planning on wrong states", "probability"),
    Measure("uniform_wrong_mass", "Wrong states under a uniform d", "probability"),
    Measure("weighted_error", "Model error weighted by d, Σ d·e", "reward"),
    Measure("uniform_error", "Model error under a uniform d", "reward"),
    Measure("redundant_mass", "Planning on redundant updates", "probability"),
    Measure("uniform_redundant_mass", "Redundant updates under a uniform d", "probability"),
    Measure("weighted_update", "Size of the planned update, Σ d·|E δ|", "reward"),
    Measure("uniform_update", "Size of the update under a uniform d", "reward"),
    Measure("useful_share", "Planning that comes closer to the optimum", "share of updates"),
    Measure("alignment", "Planned direction against the real one", "cosine"),
    Measure("overshoot", "Largest planned step, α K d π", "share of the error"),
    Measure("value_error", "Distance from the optimal values", "reward"),
    Measure("meta_loss", "Meta-loss", "reward²"),
    Measure("meta_gradient_norm", "Norm of the meta-gradient", "reward²"),
    Measure("episodes_terminated", "Episodes that the task ended", "episodes per chunk"),
    Measure("episodes_truncated", "Episodes that were cut short", "episodes per chunk"),
)
"""In the order of the page's selector; measures a result has beyond these follow by name."""


def measures_of(dataset: xr.Dataset) -> list[Measure]:
    """The measures of a result.

    Args:
        dataset: a result, per ``store.contract``; further variables [agent, seed, chunk] are welcome.

    Returns:
        Those of ``TABLE`` first, then the others under their own names and units.
    """
    present = [str(name) for name, variable in dataset.data_vars.items() if variable.dims == PER_CHUNK]
    present = [name for name in present if _has_numbers(dataset[name].values)]
    known = [measure for measure in TABLE if measure.name in present]
    others = sorted(set(present) - {measure.name for measure in known})
    return [*known, *(_unlisted(dataset, name) for name in others)]


def _unlisted(dataset: xr.Dataset, name: str) -> Measure:
    attributes = dataset[name].attrs
    words = name.replace("_", " ")
    title = str(attributes.get("long_name", words[:1].upper() + words[1:]))
    return Measure(name, title, str(attributes.get("units", "")))


def _has_numbers(values: np.ndarray) -> bool:
    return values.dtype.kind in "biuf" and bool(np.isfinite(values).any())
