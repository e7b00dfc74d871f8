"""Tracked runs: each is written once, or anew from its beginning, so that nothing is logged twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mgsc.experiments.store import files
from mgsc.experiments.store.checked import line, mapping
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.tracking.sink import RunName, Sink, Writer, folder_name
from mgsc.experiments.tracking.table import get_sink
from mgsc.files import printable

ABOUT = ".runs"
"""The folder, beside the runs, with the identity of each and whether it is complete."""

LENGTH_OF_IDENTITY = 16
IDENTITY = re.compile(rf"[0-9a-f]{{{LENGTH_OF_IDENTITY}}}")
PART = re.compile(r"seed-\d+|aggregate", re.ASCII)

Step = tuple[int, dict[str, float]]


@dataclass(frozen=True)
class Tracking:
    """The place and kind of tracked runs; plain data, which can be sent anywhere.

    Attributes:
        kind: ``"tensorboard"`` or ``"wandb"``.
        folder: an absolute path.
        suite: the suite's name.
        project: of the runs in W&B.
    """

    kind: str
    folder: str
    suite: str
    project: str = "mgsc"

    @property
    def sink(self) -> Sink:
        """The tracker.

        Raises:
            UserError: it is not installed.
        """
        return get_sink(self.kind)

    def config(
        self, settings: Mapping[str, Any], agent: str, root_seed: int, seed: int | None = None
    ) -> dict[str, Any]:
        """The settings that a run stores: those of its suite and of its agent, and its seeds."""
        shared = {key: value for key, value in settings.items() if key != "agents"}
        own = settings.get("agents", {}).get(agent)
        which = {} if seed is None else {"seed": seed}
        return json.loads(  # type: ignore[no-any-return]
            json.dumps({"suite": self.suite, "agent": agent, "root_seed": root_seed, **which, **shared, "own": own})
        )


def name_of(agent: str, part: str, config: Mapping[str, Any]) -> RunName:
    """The name of a run of these settings."""
    text = json.dumps({"part": part, **config}, sort_keys=True)
    return RunName(agent, part, hashlib.sha256(text.encode()).hexdigest()[:LENGTH_OF_IDENTITY])


class Digest:
    """A digest of all numbers of a run, in order."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Of a run of these settings, of which nothing is logged yet."""
        self._hash = hashlib.sha256(json.dumps(config, sort_keys=True).encode())

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Adds the numbers of one step."""
        self._hash.update(json.dumps([step, sorted(numbers.items())]).encode())

    def __str__(self) -> str:
        """The digest up to here."""
        return self._hash.hexdigest()


class TrackedRun:
    """A run that is being written; ``finish`` marks it as complete."""

    def __init__(self, tracking: Tracking, name: RunName, config: Mapping[str, Any]) -> None:
        """Begins a run anew: what is there of it goes.

        Raises:
            StoreError: the operating system refuses.
        """
        self._folder, self._name, self._suite, self._is_open = Path(tracking.folder), name, tracking.suite, True
        remove(tracking, name)
        with files.as_store_errors("write to", self._folder):
            self._keep("")
            self._writer: Writer = tracking.sink.open(self._folder, tracking.project, name, config)
        self._digest = Digest(config)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Logs the finite numbers of a step."""
        finite = those_there(numbers)
        self._writer.log(step, finite)
        self._digest.add(step, finite)

    def close(self) -> None:
        """Ends the run, complete or not; further calls do nothing."""
        if self._is_open:
            self._is_open = False
            self._writer.close()

    def finish(self) -> None:
        """Ends the run, and marks it as complete."""
        self.close()
        with files.as_store_errors("write to", self._folder):
            self._keep(str(self._digest))

    def _keep(self, digest: str) -> None:
        path = _about(self._folder, self._name)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {**self._name._asdict(), "digest": digest, "suite": self._suite}
        files.write_atomically(path, (json.dumps(about) + "\n").encode())


def those_there(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers that are finite: NaN marks a quantity without meaning in a chunk."""
    return {name: float(number) for name, number in numbers.items() if math.isfinite(number)}


def write_run(tracking: Tracking, name: RunName, config: Mapping[str, Any], steps: list[Step]) -> bool:
    """Writes a whole run, unless it is there already; returns whether it was written."""
    digest = Digest(config)
    for step, numbers in steps:
        digest.add(step, those_there(numbers))
    if tracking.sink.files_of(Path(tracking.folder), name) and digest_of(tracking, name) == str(digest):
        return False
    run = TrackedRun(tracking, name, config)
    with contextlib.closing(run):
        for step, numbers in steps:
            run.log(step, numbers)
    run.finish()
    return True


def digest_of(tracking: Tracking, name: RunName) -> str:
    """The digest of a run that is complete; empty for any other."""
    known = _read(_about(Path(tracking.folder), name))
    return known[1] if known is not None and known[0] == name else ""


def remove(tracking: Tracking, name: RunName) -> None:
    """Removes all files of a run, of these settings and of earlier ones.

    Raises:
        StoreError: they are of a run that was not begun here, or the operating system refuses.
    """
    folder = Path(tracking.folder)
    about = _about(folder, name)
    known = _read(about)
    with files.as_store_errors("remove from", folder):
        found = {place for run in (name, *(known or ())[:1]) for place in tracking.sink.files_of(folder, run)}
        if found and known is None:
            raise StoreError(f"{min(found)} is of no run that mgsc has begun: name another folder, or move it away")
        for place in found:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink()
                with contextlib.suppress(OSError):  # other files are there
                    place.parent.rmdir()
        about.unlink(missing_ok=True)


def known_runs(tracking: Tracking) -> list[RunName]:
    """The runs that were begun in a folder."""
    found = (_read(path) for path in _about_all(tracking))
    return [known[0] for known in found if known is not None]


def refuse_other_suites(tracking: Tracking) -> None:
    """Checks that a folder holds no runs of another suite, whose runs have the same names.

    Raises:
        StoreError: it does; the error names the other suite.
    """
    for path in _about_all(tracking):
        suite = _contents(path).get("suite", tracking.suite) if _read(path) is not None else tracking.suite
        if suite != tracking.suite:
            raise StoreError(
                f"{tracking.folder} holds runs of {printable(str(suite))}: name another folder for those of"
                f" {tracking.suite}"
            )


def _about_all(tracking: Tracking) -> list[Path]:
    return sorted((Path(tracking.folder) / ABOUT).glob("*.json"))


def _about(folder: Path, name: RunName) -> Path:
    return folder / ABOUT / f"{folder_name(name.agent)}-{name.part}.json"


def _read(path: Path) -> tuple[RunName, str] | None:
    """What is kept of a run, and its digest."""
    try:
        contents = _contents(path)
        name = RunName(*(line(contents[key], key) for key in RunName._fields))
        digest = line(contents["digest"], "digest")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Names lead to folders that are removed: they are what we would write, or none.
    is_named_so = bool(PART.fullmatch(name.part) and IDENTITY.fullmatch(name.identity))
    return (name, digest) if is_named_so and path == _about(path.parent.parent, name) else None


def _contents(path: Path) -> dict[str, Any]:
    return mapping(files.parse_json(files.read_bytes(path)), "a run")
