"""The finished parts of a tuning or a study, by which a stopped one goes on.

While ``SWEEP`` is being made, the folder ``SWEEP.partial`` holds the finished rounds of every agent, one file for each
agent, written all at once. A file holds all that decides its numbers: the suite's settings, the protocol, the versions,
the agent's settings and its space. It is used again only where all of these are the same, and refused otherwise. The
folder is removed when the sweep is written. A study keeps its finished entries in the same way, with one file for each
agent of each cell; ``Work`` holds the words that differ.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from mgsc.errors import UserError
from mgsc.experiments.store import files

SUFFIX = ".partial"
MOST_DIFFERENCES = 3
MOST_NAMES = 12

PATIENCE = 600.0
"""Seconds that a share waits for another one that reads the parts or publishes."""

Rounds = Sequence[list[dict[str, Any]]]


class Work(NamedTuple):
    """The kind of work that the parts belong to, in the words of its messages.

    Attributes:
        noun: as in "an unfinished tuning".
        subject: as in "which tuning never writes".
        does: verb of the work on each agent, as in "tunes".
        done: its participle, as in "only these are to be tuned".
        makes: the result, as in "sweep".
    """

    noun: str = "tuning"
    subject: str = "tuning"
    does: str = "tunes"
    done: str = "tuned"
    makes: str = "sweep"

    @property
    def kind(self) -> str:
        """The kind of file in a part's header."""
        return f"mgsc {self.noun} part"


TUNING = Work()


class Parts:
    """The finished rounds beside one sweep; ``open_parts`` makes it."""

    def __init__(self, path: Path, identities: Mapping[str, Mapping[str, Any]], work: Work = TUNING) -> None:
        """Takes the folder ``path``, and the identities of the agents whose parts it may hold."""
        self.path = path
        self.work = work
        self._identities = {agent: plain(identity) for agent, identity in identities.items()}

    def is_begun(self) -> bool:
        """Whether there is a part, of any sweep.

        Raises:
            UserError: the folder holds what tuning never writes.
        """
        return bool(self._names())

    def read(self) -> dict[str, Rounds]:
        """The finished rounds of every agent that has any.

        Raises:
            UserError: a part is damaged, of other settings, or of an agent that is not tuned now.
        """
        found = {}
        for name in self._names():
            contents = self._contents(name)
            agent = contents["identity"]["agent"]
            if agent not in self._identities:
                names = [*self._identities]
                few = [*names[:MOST_NAMES], *(["…"] if len(names) > MOST_NAMES else [])]
                raise UserError(
                    f"cannot resume {self.path}: it holds {agent}, and only {', '.join(few)} are to be"
                    f" {self.work.done}; name the same agents, or start over with --overwrite"
                )
            other = differences(contents["identity"], self._identities[agent])
            if other:
                raise UserError(
                    f"cannot resume {self.path}: {agent} was begun with other settings: {'; '.join(other)};"
                    " start over with --overwrite, or name another file"
                )
            found[agent] = contents["rounds"]
        return found

    def keep(self, agent: str, rounds: Rounds) -> None:
        """Writes the finished rounds of an agent, durably and all at once."""
        contents = {
            "kind": self.work.kind,
            "identity": self._identities[agent],
            "checksum": _checksum(rounds),
            "rounds": list(rounds),
        }
        path = self.path / _file_name(agent)
        with files.as_store_errors("write", path):
            files.write_atomically(path, (json.dumps(contents, indent=1) + "\n").encode())

    def refuse_damaged(self, agent: str) -> None:
        """Raises the error for a damaged part of an agent.

        Raises:
            UserError: always.
        """
        raise self._damaged(self.path / _file_name(agent))

    def remove(self) -> None:
        """Removes the folder with all parts; call with its lock held.

        Where the folder holds what is not ours meanwhile, the parts go and the folder stays.
        """
        with files.as_store_errors("remove", self.path):
            if not self._foreign_names():
                files.discard_tree(self.path)
                return
            files.clean_debris(self.path)
            for name in self._part_names():
                (self.path / name).unlink()

    def _names(self) -> list[str]:
        for name in self._foreign_names():
            raise UserError(
                f"{self.path} holds {name}, which {self.work.subject} never writes:"
                f" name another file for the {self.work.makes}"
            )
        return self._part_names()

    def _part_names(self) -> list[str]:
        return [name for name in self._listed() if self._is_part(name)]

    def _foreign_names(self) -> list[str]:
        ours = (files.LOCK_NAME, *self._part_names())
        return [name for name in self._listed() if name not in ours and not files.is_temporary(name)]

    def _listed(self) -> list[str]:
        with files.as_store_errors("read", self.path):
            return sorted(os.listdir(self.path)) if self.path.exists() else []

    def _is_part(self, name: str) -> bool:
        return name.endswith(".json") and not files.is_temporary(name) and (self.path / name).is_file()

    def _contents(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            contents = files.parse_json(files.read_bytes(path))
            is_sound = contents["kind"] == self.work.kind and contents["checksum"] == _checksum(contents["rounds"])
            is_sound = is_sound and name == _file_name(contents["identity"]["agent"])
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, TypeError, KeyError):
            is_sound = False
        if not is_sound:
            raise self._damaged(path)
        return dict(contents)

    def _damaged(self, path: Path) -> UserError:
        return UserError(f"{path} is damaged: remove it, and --resume {self.work.does} its agent again")


def refuse_unfinished(target: Path, noun: str, command: str) -> None:
    """Checks that a missing file is not an unfinished one.

    Raises:
        UserError: parts of it are there.
    """
    if folder_of(target).is_dir():
        raise UserError(f"{target} is incomplete: its {noun} was stopped; {command} goes on with it")


def folder_of(target: Path) -> Path:
    """The folder of the parts of a sweep."""
    return target.with_name(target.name + SUFFIX)


@contextmanager
def open_parts(
    target: Path,
    identities: Mapping[str, Mapping[str, Any]],
    is_right: Callable[[str, Rounds], bool],
    *,
    resume: bool,
    overwrite: bool,
    work: Work = TUNING,
) -> Iterator[tuple[Parts, dict[str, Rounds]]]:
    """The parts beside a sweep, locked while the block runs, and what they hold.

    Args:
        target: the sweep's file.
        identities: agent -> all that decides its numbers, and its name under ``"agent"``.
        is_right: whether an agent's rounds are those its identity leads to.
        resume: go on with existing parts.
        overwrite: without ``resume``, remove existing parts.
        work: the kind of work.

    Raises:
        UserError: there are parts and neither is given, they are damaged or of other settings, or another process
            has locked them.
    """
    parts = Parts(folder_of(target), identities, work)
    _rounds_there(parts, is_right, resume=resume, overwrite=overwrite)  # refused before anything is written
    with files.as_store_errors("make the folder", parts.path):
        parts.path.mkdir(exist_ok=True)
    with files.FolderLock(parts.path):
        _refuse_removed(parts.path, work)
        files.clean_debris(parts.path)
        rounds = _rounds_there(parts, is_right, resume=resume, overwrite=overwrite)
        if not resume:
            for old in parts.path.glob("*.json"):
                old.unlink()
        try:
            yield parts, rounds
        finally:
            # Stopped before the first round's end: nothing is lost with the folder.
            if parts.path.exists() and not parts._part_names():
                parts.remove()


class JoinedParts(NamedTuple):
    """The parts that several processes make together, and their rounds when they were locked."""

    parts: Parts
    rounds: dict[str, Rounds]


@contextmanager
def joined_parts(
    target: Path,
    identities: Mapping[str, Mapping[str, Any]],
    is_right: Callable[[str, Rounds], bool],
    work: Work = TUNING,
) -> Iterator[JoinedParts]:
    """The parts beside a sweep that several processes make together, and what they hold.

    They are locked while the block runs, which reads them or publishes; parts are written without the lock. It waits
    for the lock. Where the sweep is there at the end, an empty folder is removed.

    Raises:
        UserError: parts are damaged or of other settings, or the lock stays taken.
    """
    parts = Parts(folder_of(target), identities, work)
    while True:
        with files.as_store_errors("make the folder", parts.path):
            parts.path.mkdir(exist_ok=True)
        with files.FolderLock(parts.path, PATIENCE):
            if not _is_held(parts.path):  # whoever published meanwhile has removed the folder
                continue
            yield JoinedParts(parts, _rounds_there(parts, is_right, resume=True, overwrite=False))
            if target.exists() and parts.path.exists() and not parts._part_names():
                parts.remove()
            return


def _rounds_there(
    parts: Parts, is_right: Callable[[str, Rounds], bool], *, resume: bool, overwrite: bool
) -> dict[str, Rounds]:
    if not parts.is_begun():
        return {}
    if not resume and not overwrite:
        raise UserError(
            f"{parts.path} holds an unfinished {parts.work.noun}: go on with --resume, start over with --overwrite,"
            " or name another file"
        )
    rounds = parts.read() if resume else {}
    for agent, finished in rounds.items():
        if not is_right(agent, finished):
            parts.refuse_damaged(agent)
    return rounds


def _refuse_removed(path: Path, work: Work) -> None:
    """Refuses a lock on a folder that its last holder has removed meanwhile."""
    if not _is_held(path):
        raise UserError(f"{path} was finished by another {work.noun} just now: look at its {work.makes}, and try again")


def _is_held(path: Path) -> bool:
    """Whether the folder's lock is that of this process."""
    try:
        return (path / files.LOCK_NAME).read_text().strip() == str(os.getpid())
    except OSError:
        return False


def plain(value: Any) -> Any:
    """The value after a way through JSON."""
    return json.loads(json.dumps(value))


def different_keys(there: Any, asked: Any) -> list[str]:
    """The dotted names of the settings that differ."""
    first, second = _flat(there), _flat(asked)
    keys = [*first, *(key for key in second if key not in first)]
    return [key for key in keys if key not in first or key not in second or first[key] != second[key]]


def differences(there: Any, asked: Any) -> list[str]:
    """The first few differences of two settings, such as ``"settings.steps: 1000 and 500"``."""
    first, second, different = _flat(there), _flat(asked), different_keys(there, asked)
    phrases = [f"{key}: {first.get(key, '(none)')} and {second.get(key, '(none)')}" for key in different]
    return [*phrases[:MOST_DIFFERENCES], *(["…"] if len(phrases) > MOST_DIFFERENCES else [])]


def _flat(value: Any, where: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping) or (where and not value):
        return {where: value}
    found = {}
    for key, entry in value.items():
        found.update(_flat(entry, f"{where}.{key}" if where else str(key)))
    return found


def _checksum(rounds: Any) -> str:
    return hashlib.sha256(json.dumps(rounds, sort_keys=True).encode()).hexdigest()


def _file_name(agent: str) -> str:
    return quote(agent, safe="") + ".json"
