"""The contents of a result: names, dimensions and units of its labelled arrays, and their checksum."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from mgsc.errors import check_type
from mgsc.experiments.design.quantities import USUAL, Dims, Has, recorded_of
from mgsc.experiments.store.checked import agent_names, line, mapping, whole, wholes
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.files import parse_json
from mgsc.experiments.store.manifest import FORMAT_VERSION, PER_AGENT, PROVENANCE, Manifest, canonical_json, describe

if TYPE_CHECKING:
    import xarray as xr

ALWAYS_COORDINATES: dict[str, Dims] = {
    "agent": ("agent",),  # name
    "seed": ("seed",),
    "step": ("chunk",),  # environment steps done at the chunk's end
}

TRUTH_COORDINATES: dict[str, Dims] = {
    "state_row": ("state",),  # cell of the maze, -1 where there is none
    "state_column": ("state",),
    "phase_of_chunk": ("chunk",),
    "is_model_wrong": ("chunk",),
    "is_candidate": ("state",),  # states search control may choose: the non-terminal ones
    "start": ("state",),  # where episodes begin [probability]
}

TRUTH_VARIABLES: dict[str, Dims] = {
    "goal_reward": ("phase", "state"),  # of entering a terminal state, NaN elsewhere [reward]
    "wrong_state": ("phase", "state"),  # is the model wrong there?
    "optimal_reward": ("chunk",),  # expected, of the best ε-soft policy [reward per chunk]
    "unconstrained_reward": ("chunk",),  # expected, of the best policy [reward per chunk]
}

BUDGET: dict[str, Dims] = {
    "model_queries": ("agent",),  # per real step
    "expected_backups": ("agent",),
    "sampled_updates": ("agent",),
    "compile_seconds": ("agent",),  # of the whole result
    "run_seconds": ("agent",),
}


def coordinates_of(has: Collection[Has]) -> dict[str, Dims]:
    """Name -> dimensions of the coordinates of a result of a problem with these properties."""
    return {**ALWAYS_COORDINATES, **(TRUTH_COORDINATES if "truth" in has else {})}


def variables_of(has: Collection[Has]) -> dict[str, Dims]:
    """Name -> dimensions of its variables: those of ``design.quantities``, and those of the whole result."""
    return {**recorded_of(has), **(TRUTH_VARIABLES if "truth" in has else {}), **BUDGET}


COORDINATES = coordinates_of(USUAL)
VARIABLES = variables_of(USUAL)
"""Variables of the results of suites with tables."""

SUMMED = ("compile_seconds", "run_seconds")
"""Totals over seeds, which are added up where results are merged."""

ATTRIBUTES = ("switch_steps", "record_every")
"""Attributes of a dataset before ``label``; the others come from the manifest."""

SELECTED = "selected_steps"
"""Attribute of what is no whole result any more: the steps that ``reading.selected`` has left."""

SIDE_BY_SIDE = "side_by_side"
"""Attribute of what is no single result: what ``reading.side_by_side`` says of those that it has put together."""

ONLY_COMPARED = {
    SELECTED: "only some steps of this result are selected: compare reads such, all else a whole result",
    SIDE_BY_SIDE: "these are several results side by side: compare reads such, all else a single result",
}
"""Attribute → the words that refuse what has it, wherever ``compare`` is not what reads."""

SEAL = "checksum"
GENERATION = "generation"


def what_it_has(dataset: xr.Dataset) -> tuple[Has, ...]:
    """The properties of a result's problem, which decide the variables of the result."""
    has = dataset.attrs.get("has", USUAL)
    if isinstance(has, str) or not isinstance(has, Sequence) or not all(word in get_args(Has) for word in has):
        raise StoreError(f"the result is not what it must be: it has {ascii(has)[:60]}")
    return tuple(has)


def manifest_attributes(plan: Manifest) -> dict[str, Any]:
    """The attributes of a dataset that describe its run."""
    return {
        "suite": plan.suite,
        "title": plan.title or plan.suite,
        "root_seed": plan.root_seed,
        "settings": json.dumps(plan.settings, sort_keys=True, allow_nan=False),
        "versions": json.dumps(dict(plan.versions), sort_keys=True, allow_nan=False),
        **({PROVENANCE: canonical_json(plan.provenance)} if plan.provenance else {}),
        "format_version": FORMAT_VERSION,
    }


def label(dataset: xr.Dataset, plan: Manifest) -> xr.Dataset:
    """Adds the attributes of its plan to a dataset, and the time unless it has one.

    Args:
        dataset: a result in memory.
        plan: the plan it fulfils.

    Returns:
        The dataset with the attributes that analysis, figures and merging need.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return dataset.assign_attrs({"created": created, **dataset.attrs, **manifest_attributes(plan)})


def manifest_of(dataset: xr.Dataset) -> Manifest:
    """The plan of a complete result, from its own attributes.

    Raises:
        StoreError: an attribute is missing, or has another type or range.
    """
    attributes = dataset.attrs
    try:
        settings = mapping(parse_json(attributes["settings"]), "settings")
        for agent, own in mapping(settings.get(PER_AGENT, {}), PER_AGENT).items():
            mapping(own, f"{PER_AGENT}.{agent}")
        return Manifest(
            suite=line(attributes["suite"], "suite"),
            title=line(attributes["title"], "title"),
            settings=settings,
            root_seed=whole(attributes["root_seed"], "root_seed"),
            agents=agent_names(dataset["agent"].values),
            seeds=wholes(dataset["seed"].values, "seed"),
            versions=mapping(parse_json(attributes["versions"]), "versions"),
            provenance=mapping(parse_json(attributes.get(PROVENANCE, "{}")), PROVENANCE),
        )
    except KeyError as error:
        raise StoreError(f"the result lacks {error}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"the result is not what it must be: {error}") from error


INDISPENSABLE = ("agent", "seed", "reward")
"""What a result must have for anything to be said of it."""


def check_dataset(dataset: xr.Dataset, agents: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Checks that a dataset is the one of a plan.

    Args:
        dataset: the result.
        agents: names it must hold, in this order.
        seeds: seeds it must hold, in this order.

    Raises:
        StoreError: something is missing or has other dimensions; the error names it.
    """
    _check_arrays(dataset)
    for name in ATTRIBUTES:
        if name not in dataset.attrs:
            raise StoreError(f"the result lacks the attribute {name}")
    try:
        whole(dataset.attrs["record_every"], "record_every", low=1)
        wholes(dataset.attrs["switch_steps"], "switch_steps", low=1)
        _check_steps(dataset)
    except ValueError as error:
        raise StoreError(f"the result is not what it must be: {error}") from error
    found_agents = tuple(str(agent) for agent in dataset["agent"].values)
    found_seeds = tuple(int(seed) for seed in dataset["seed"].values)
    if found_agents != agents:
        raise StoreError(f"the result holds agents {describe(found_agents)}: {describe(agents)} planned")
    if found_seeds != seeds:
        raise StoreError(f"the result holds seeds {describe(found_seeds)}: {describe(seeds)} planned")


def _check_arrays(dataset: xr.Dataset, *, may_lack: bool = False) -> None:
    """Checks the dimensions and kinds of coordinates and variables, of which some may be missing.

    Raises:
        StoreError: one is not what it must be; the error names it.
    """
    has = what_it_has(dataset)
    for kind, table in (("coordinate", coordinates_of(has)), ("variable", variables_of(has))):
        for name, dims in table.items():
            if name not in dataset.variables:
                if may_lack and name not in INDISPENSABLE:
                    continue
                raise StoreError(f"the result lacks the {kind} {name}{list(dims)}")
            found = tuple(str(dim) for dim in dataset[name].dims)
            if found != dims:
                raise StoreError(f"{kind} {name} has dimensions {list(found)}, not {list(dims)}")
            if name != "agent" and dataset[name].dtype.kind not in "biuf":
                raise StoreError(f"{kind} {name} holds {dataset[name].dtype}, not numbers or flags")


def _check_steps(dataset: xr.Dataset) -> None:
    """Checks the steps at which chunks end, where a result has them.

    Raises:
        ValueError: they are no growing steps.
    """
    steps = wholes(dataset["step"].values, "step", low=1) if "step" in dataset.variables else (1,)
    if not steps or any(later <= step for step, later in itertools.pairwise(steps)):
        raise ValueError("step does not grow from chunk to chunk")


def check_result(dataset: object, *, is_compared: bool = False) -> None:
    """Refuses what is no result, or lacks what nothing can be said without; other variables may have been dropped.

    Args:
        dataset: what was given as a result.
        is_compared: whether it is only compared, so that it may be of some steps of a run, or several side by side.

    Raises:
        UserError: saying what it is, or lacks.
    """
    import xarray as xr

    check_type("dataset", dataset, xr.Dataset, "be a result, as open_result gives it")
    assert isinstance(dataset, xr.Dataset)
    for attribute, refusal in ONLY_COMPARED.items():
        if attribute in dataset.attrs and not is_compared:
            raise StoreError(refusal)
    if lacking := [name for name in INDISPENSABLE if name not in dataset.variables]:
        raise StoreError(f"the result lacks {' and '.join(lacking)}")
    if empty := [str(name) for name, length in dataset.sizes.items() if not length]:
        raise StoreError(f"the result is empty along {', '.join(empty)}")
    try:
        mapping(parse_json(dataset.attrs["settings"]), "settings")
        wholes(dataset["seed"].values, "seed")
        wholes(dataset.attrs["switch_steps"], "switch_steps", low=1)
        _check_steps(dataset)
    except KeyError as error:
        raise StoreError(f"the result lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise StoreError(f"the result is not what it must be: {error}") from error
    _check_arrays(dataset, may_lack=True)


def normalise(dataset: xr.Dataset) -> xr.Dataset:
    """The same result in memory, in the one form that storing and reading leave unchanged.

    Texts become fixed-width, attributes plain JSON values, and encodings are dropped.

    Raises:
        StoreError: a variable or attribute is of a kind that cannot be stored.
    """
    dataset = dataset.load().drop_encoding()
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "biufU":
            continue
        if name not in dataset.coords:
            raise StoreError(f"variable {name} holds {variable.dtype}, not numbers or flags")
        dataset = dataset.assign_coords({name: variable.astype(str)})
    return dataset.assign_attrs(_plain(dataset.attrs))


def checksum(dataset: xr.Dataset) -> str:
    """SHA-256 over every name, dimension, type, number and attribute, but the checksum itself."""
    digest = hashlib.sha256()
    for name in sorted(str(name) for name in dataset.variables):
        variable = dataset.variables[name]
        values = np.ascontiguousarray(variable.values)
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
        head = [name, list(variable.dims), values.dtype.str, list(values.shape)]
        digest.update(canonical_json([*head, _plain(variable.attrs)]).encode())
        digest.update(values.tobytes())
    attributes = {key: value for key, value in dataset.attrs.items() if key != SEAL}
    digest.update(canonical_json(_plain(attributes)).encode())
    return digest.hexdigest()


def _plain(attributes: Any) -> dict[str, Any]:
    def convert(value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        raise TypeError(f"an attribute of a result is {type(value).__name__}, not plain JSON")

    try:
        return dict(json.loads(json.dumps(dict(attributes), default=convert, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise StoreError(str(error)) from error
