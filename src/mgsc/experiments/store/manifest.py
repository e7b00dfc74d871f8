"""The plan of a run, and the fingerprints that identify its numbers."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mgsc.experiments.store.checked import agent_names, line, mapping, whole, wholes
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.files import parse_json, read_bytes, write_atomically
from mgsc.files import reason_of

FORMAT_VERSION = 2
"""Version of the layout of a result folder and of the meaning of its variables."""

MANIFEST_NAME = "manifest.json"
KIND = "mgsc result"
CHECKSUM = "checksum"
DECIDING_VERSIONS = ("mgsc", "jax", "jaxlib", "numpy", "optax")
"""Packages whose version may change a number; others are recorded but may differ."""

PROVENANCE = "provenance"
"""The entry of a manifest, and the attribute of a result, that holds the provenance of its numbers."""

PER_AGENT = "agents"
"""The entry of ``settings`` that holds each agent's own settings under the agent's name."""

SHARED = "shared"
"""The entry of an agent's identity that holds what all agents share, with which phrases of ``differences`` about it
begin; in place of agents it stands for none."""


@dataclass(frozen=True)
class Command:
    """A command that writes result folders.

    Attributes:
        name: as in ``mgsc NAME``.
        options: its options for a folder that holds a result, or an unfinished one; advice names no others.
        again: the way to finish an unfinished result of it, in words.
    """

    name: str
    options: tuple[str, ...]
    again: str

    def way_out(self, directory: Path, *options: str) -> str:
        """Advice that names those of ``options`` that the command has and a free folder, what destroys last.

        In brackets it names the arguments of the function that does the same.
        """
        known = [option for option in options if option in self.options]
        folder = f"--out {free_folder(directory)}"
        if not known:
            return f"use {folder}"
        ways = [folder, *known]
        if known[0] == "--resume":  # loses nothing, so it comes before another folder
            ways[:2] = known[0], folder
        in_python = ", ".join(f"{option.removeprefix('--')}=True" for option in known)
        return f"use {', '.join(ways[:-1])} or {ways[-1]} (in Python {in_python})"


def free_folder(directory: Path) -> Path:
    """The first of ``NAME-2``, ``NAME-3``, … beside a folder that is not there."""
    whole = directory.resolve() if directory.name in ("", "..") else directory
    places = (whole.parent / f"{whole.name}-{number}" for number in itertools.count(2))
    return next(place for place in places if not os.path.lexists(place))


RUN = Command(
    "run",
    ("--resume", "--overwrite", "--append"),
    "give the same `mgsc run` again with --resume (in Python resume=True)",
)
MERGE = Command("merge", ("--overwrite",), "give the same `mgsc merge` again")


@dataclass(frozen=True)
class Manifest:
    """The plan of one run.

    Attributes:
        suite: name of the suite.
        settings: all that decides the numbers, as plain data. The entry ``"agents"``, if present, maps an agent's name
            to its own settings; all others are shared by the agents.
        root_seed: root of all seeds.
        agents: names of the agents to run, in the order of the tables.
        seeds: seeds to run for every agent.
        versions: of every package that may change a number, by name.
        title: of the suite, in words.
        provenance: further causes of the bits of the numbers, by name: backend, block width, code, options. Empty in
            results of mgsc 0.1.0, which did not store it.
    """

    suite: str
    settings: Mapping[str, Any]
    root_seed: int
    agents: tuple[str, ...]
    seeds: tuple[int, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the plan.

        Raises:
            StoreError: no agents or seeds, repeated ones, or settings that JSON cannot hold.
        """
        for word, names in (("agents", self.agents), ("seeds", self.seeds)):
            if not names:
                raise StoreError(f"a result needs at least one of its {word}")
            if len(set(names)) != len(names):
                raise StoreError(f"the {word} of a result may not repeat: {describe(names)}")
        canonical_json(self.settings)
        canonical_json(self.versions)
        canonical_json(self.provenance)

    @property
    def num_runs(self) -> int:
        """Number of pairs of agent and seed."""
        return len(self.agents) * len(self.seeds)

    def identity(self, agent: str) -> dict[str, Any]:
        """All that decides the numbers of ``agent``."""
        own = self.settings.get(PER_AGENT, {})
        identity = {
            "format_version": FORMAT_VERSION,
            "suite": self.suite,
            "root_seed": self.root_seed,
            SHARED: {key: value for key, value in self.settings.items() if key != PER_AGENT},
            "agent": agent,
            "own": own.get(agent) if isinstance(own, Mapping) else own,
            "versions": {name: self.versions[name] for name in DECIDING_VERSIONS if name in self.versions},
            **({PROVENANCE: self.provenance} if self.provenance else {}),
        }
        return dict(json.loads(canonical_json(identity)))

    def fingerprint(self, agent: str) -> str:
        """SHA-256 of ``identity(agent)``: equal fingerprints mean interchangeable numbers."""
        return hashlib.sha256(canonical_json(self.identity(agent)).encode()).hexdigest()


@dataclass(frozen=True)
class StoredManifest:
    """``manifest.json``: the newest plan of a folder.

    Attributes:
        plan: of the folder's result.
        generation: number of the plan in its folder, counted from 1.
        base_seeds: seeds of the result that an append extends; empty otherwise.
        begun_by: name of the command that wrote the plan.
    """

    plan: Manifest
    generation: int
    base_seeds: tuple[int, ...] = ()
    begun_by: str = RUN.name

    @property
    def seeds_to_run(self) -> tuple[int, ...]:
        """The seeds this plan computes itself, in order."""
        base = set(self.base_seeds)
        return tuple(seed for seed in self.plan.seeds if seed not in base)

    def write(self, directory: Path) -> None:
        """Writes ``manifest.json`` atomically."""
        plan = self.plan
        contents: dict[str, Any] = {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "generation": self.generation,
            "begun_by": self.begun_by,
            "suite": plan.suite,
            "title": plan.title,
            "root_seed": plan.root_seed,
            "agents": list(plan.agents),
            "seeds": list(plan.seeds),
            "base_seeds": list(self.base_seeds),
            "fingerprints": {agent: plan.fingerprint(agent) for agent in plan.agents},
            "versions": dict(plan.versions),
            **({PROVENANCE: dict(plan.provenance)} if plan.provenance else {}),
            "settings": dict(plan.settings),
        }
        contents[CHECKSUM] = checksum_of(contents)
        text = json.dumps(contents, indent=2, allow_nan=False) + "\n"
        write_atomically(directory / MANIFEST_NAME, text.encode())


def read_manifest(directory: str | os.PathLike[str]) -> StoredManifest:
    """Reads ``manifest.json``, the newest plan of a result folder.

    Raises:
        StoreError: the file is missing, damaged, not of this program, or of another format.
    """
    path = Path(directory) / MANIFEST_NAME
    try:
        contents = parse_json(read_bytes(path))
    except FileNotFoundError as error:
        message = f"{directory} is not a result folder of mgsc: it has no {MANIFEST_NAME}"
        raise StoreError(message) from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {reason_of(error)}") from error
    if not isinstance(contents, dict) or contents.get("kind") != KIND:
        raise StoreError(f"{directory} is not a result folder of mgsc: foreign {MANIFEST_NAME}")
    check_format(contents.get("format_version"), directory)
    try:
        return _parse(contents)
    except KeyError as error:
        raise StoreError(f"{path} is damaged: it lacks {error}") from error
    except (TypeError, ValueError, OverflowError, RecursionError, StoreError) as error:
        raise StoreError(f"{path} is damaged: {_one_line(error)}") from error


def check_format(version: object, directory: str | os.PathLike[str]) -> None:
    """Checks the format of a result.

    Raises:
        StoreError: ``version`` is not ``FORMAT_VERSION``.
    """
    if type(version) is not int or version != FORMAT_VERSION:
        raise StoreError(
            f"{directory} is of result format {ascii(version)[:20]}; this program reads format"
            f" {FORMAT_VERSION}: use the mgsc that wrote it, or run again into another folder"
        )


def differences(first: Manifest, second: Manifest, agents: tuple[str, ...]) -> list[str]:
    """The differences of two plans that change numbers.

    Args:
        first: one plan.
        second: the other plan.
        agents: the agents that both have.

    Returns:
        One phrase for each difference, such as ``"shared.steps: 1000 and 500"``, those of settings first; empty when
        the numbers are interchangeable.
    """
    found: list[str] = []
    for agent in agents:
        one, two = first.identity(agent), second.identity(agent)
        for phrase in _compare("", _with_provenance(one, two), _with_provenance(two, one)):
            shown = f"{agent}.{phrase[4:]}" if phrase.startswith("own.") else phrase
            if shown not in found:
                found.append(shown)
    return sorted(found, key=_is_of_origin)


def describe_differences(found: list[str]) -> str:
    """At most three phrases of ``differences``, as one text."""
    intro = "its numbers are of another origin" if all(map(_is_of_origin, found)) else "it has other settings"
    return f"{intro}: {'; '.join(phrase.removeprefix(f'{PROVENANCE}.') for phrase in found[:3])}"


def _is_of_origin(phrase: str) -> bool:
    """Whether a difference is not one of settings."""
    return phrase.startswith(("versions.", f"{PROVENANCE}."))


def _with_provenance(identity: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """An identity that has an entry for all that another one says of its provenance."""
    names = other.get(PROVENANCE, {})
    return {**identity, PROVENANCE: {**dict.fromkeys(names, "(not stored)"), **identity.get(PROVENANCE, {})}}


def canonical_json(value: object) -> str:
    """JSON with sorted keys, so that equal values have equal texts.

    Raises:
        StoreError: ``value`` holds NaN, an infinity or an object that JSON has not.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"settings must be plain JSON values: {_one_line(error)}") from error


def describe(names: tuple[str, ...] | tuple[int, ...]) -> str:
    """A short text for names or seeds; runs of seeds are written ``0–29``."""
    if not all(isinstance(name, int) for name in names):
        return ", ".join(str(name) for name in names)
    runs: list[list[int]] = []
    for seed in sorted(int(name) for name in names):
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in runs)


def _parse(contents: dict[str, Any]) -> StoredManifest:
    plan = Manifest(
        suite=line(contents["suite"], "suite"),
        title=line(contents["title"], "title"),
        settings=mapping(contents["settings"], "settings"),
        root_seed=whole(contents["root_seed"], "root_seed"),
        agents=agent_names(contents["agents"]),
        seeds=wholes(contents["seeds"], "seeds"),
        versions=mapping(contents["versions"], "versions"),
        provenance=mapping(contents.get(PROVENANCE, {}), PROVENANCE),
    )
    base_seeds = wholes(contents["base_seeds"], "base_seeds")
    if base_seeds != plan.seeds[: len(base_seeds)] or len(base_seeds) == len(plan.seeds):
        raise ValueError("base_seeds are not the first of its seeds")
    if contents.get(CHECKSUM, checksum := checksum_of(contents)) != checksum:
        raise ValueError("it does not match its checksum")
    if contents["fingerprints"] != {agent: plan.fingerprint(agent) for agent in plan.agents}:
        raise ValueError("its fingerprints do not fit its settings")
    return StoredManifest(
        plan=plan,
        generation=whole(contents["generation"], "generation", low=1),
        base_seeds=base_seeds,
        begun_by=line(contents.get("begun_by", RUN.name), "begun_by"),
    )


def checksum_of(contents: Mapping[str, Any]) -> str:
    """SHA-256 of all that a manifest, or another file, says beside its checksum. Manifests of mgsc 0.1.0 have none."""
    rest = {key: value for key, value in contents.items() if key != CHECKSUM}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


def _compare(where: str, first: Any, second: Any) -> list[str]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = [*first, *(key for key in second if key not in first)]
        absent = "(none)"
        return [
            phrase
            for key in keys
            for phrase in _compare(
                f"{where}.{key}" if where else str(key),
                first.get(key, absent),
                second.get(key, absent),
            )
        ]
    return [] if first == second else [f"{where}: {first} and {second}"]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
