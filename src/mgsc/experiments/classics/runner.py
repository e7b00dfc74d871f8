"""Runs the classic experiments into one file; a stopped run goes on, and loses at most the agents under way."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.errors import UserError
from mgsc.experiments.classics.design import Classic
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import check_suite, settings_as_dict
from mgsc.experiments.running.executor import Executor, execute
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.provenance import provenance
from mgsc.experiments.running.units import cut
from mgsc.experiments.running.versions import versions
from mgsc.experiments.store.resumable import Rounds, Work, differences, open_parts, plain
from mgsc.experiments.store.sealed import sealed, unsealed
from mgsc.experiments.tuning.file import check_can_write, check_place
from mgsc.files import parse_json, read_bytes

if TYPE_CHECKING:
    from mgsc.experiments.classics.program import ClassicUnit

KIND = "mgsc classics"
WORK = Work("run of the classics", "`mgsc reproduce classics`", "runs", "run", "results")

CODE = tuple(f"experiments/classics/{name}.py" for name in ("design", "program", "recorders", "sweeping"))
"""Source files that decide the numbers of the classics, beside those that decide all numbers."""

Record = dict[str, np.ndarray[Any, Any]]
Results = dict[str, dict[str, Record]]
"""By experiment and agent: the records by name, [runs] or [runs, ...]."""


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs: seeds 0 … count − 1 of the root seed; ``count`` None for the number in the table."""

    count: int | None = None
    root: int = 0

    def of(self, classic: Classic) -> Seeds:
        """The seeds of an experiment's agents."""
        return Seeds(classic.runs if self.count is None else self.count, self.root)


def run_classics(
    classics: Mapping[str, Classic],
    runs: Runs,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    executor: Executor = THREADS,
) -> Results:
    """Runs experiments and keeps their records; existing results of the same settings are completed.

    Args:
        classics: by name.
        runs: seeds of the runs.
        out: JSON file of the results; finished agents are kept beside it until all are.
        overwrite: replace results of other settings.
        progress: callbacks that receive the progress.
        executor: of the runs; it changes no number.

    Raises:
        UserError: impossible seeds, results of other settings, or a file that cannot be written; raised before any
            work.
    """
    for classic in classics.values():
        check_suite(classic.suite)
        runs.of(classic).check()
    target, identities = Path(out), _identities(classics, runs)
    check_place(target)
    if target.exists():
        there = _contents(target)  # what is no result is never replaced
        if not overwrite:
            return _results(classics, _taken_up(target, there, identities))
    check_can_write(target)

    def is_right(entry: str, rounds: Rounds) -> bool:
        count = identities[entry]["seeds"]["count"]
        try:
            return all(len(values) == count for values in rounds[0][0].values())
        except (IndexError, AttributeError, TypeError):
            return False

    with open_parts(target, identities, is_right, resume=not overwrite, overwrite=overwrite, work=WORK) as opened:
        parts, kept = opened
        records = {entry: rounds[0][0] for entry, rounds in kept.items()}
        for entry, record in _run(classics, runs, set(records), progress or Progress(), executor):
            records[entry] = plain({name: values.tolist() for name, values in record.items()})
            parts.keep(entry, [[records[entry]]])
        _write(target, identities, records)
        parts.remove()
    return _results(classics, records)


def entry_name(name: str, agent: str) -> str:
    """The name of an agent of an experiment in the results."""
    return f"{name}/{agent}"


def _identities(classics: Mapping[str, Classic], runs: Runs) -> dict[str, dict[str, Any]]:
    """Of every entry, all that decides its numbers."""
    found = {}
    for name, classic in classics.items():
        shared = {
            "seeds": dataclasses.asdict(runs.of(classic)),
            "versions": versions(),
            "provenance": provenance(classic.suite.lanes_per_block, also=CODE),
            "records": classic.records,
            "length": classic.length,
            "looks_at_ends": classic.looks_at_ends,
        }
        settings = plain(settings_as_dict(classic.suite))
        own = settings.pop("agents")
        for agent in classic.suite.agents:
            entry = entry_name(name, agent)
            planning_only = agent in classic.planning_only
            found[entry] = {
                "agent": entry,
                **shared,
                "settings": settings,
                "own": own[agent],
                "planning_only": planning_only,
            }
    return found


def _contents(target: Path) -> dict[str, Any]:
    """What a finished file holds.

    Raises:
        UserError: it cannot be read, or is none.
    """
    try:
        there = parse_json(read_bytes(target))
        is_ours = there["kind"] == KIND and set(there["identities"]) == set(there["records"])
    except OSError as error:
        raise UserError(f"cannot read {target}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise UserError(f"{target} is no file of `mgsc reproduce classics`: name another folder")
    return unsealed(there, target)


def _taken_up(target: Path, there: Mapping[str, Any], identities: Mapping[str, Any]) -> dict[str, Any]:
    """The records of a finished file.

    Raises:
        UserError: they are of other settings.
    """
    other = differences(there["identities"], plain(identities))
    if other:
        raise UserError(
            f"{target} holds results of other settings: {'; '.join(other)}; give --overwrite, or another --out"
        )
    return dict(there["records"])


def _write(target: Path, identities: Mapping[str, Any], records: Mapping[str, Any]) -> None:
    from mgsc.experiments.store.files import as_store_errors, write_atomically

    contents = {"kind": KIND, "identities": identities, "records": {entry: records[entry] for entry in identities}}
    with as_store_errors("write", target):
        write_atomically(target, (json.dumps(sealed(contents)) + "\n").encode())


def _results(classics: Mapping[str, Classic], records: Mapping[str, Any]) -> Results:
    return {
        name: {
            agent: {key: np.array(values) for key, values in records[entry_name(name, agent)].items()}
            for agent in classic.suite.agents
        }
        for name, classic in classics.items()
    }


def _run(
    classics: Mapping[str, Classic], runs: Runs, finished: set[str], progress: Progress, executor: Executor
) -> Iterator[tuple[str, Record]]:
    """All entries that are not finished, as they end; those that differ in numbers only share a program."""
    units = [unit for name in classics for unit in _units_of(name, classics[name], runs) if unit.name not in finished]
    batches: dict[str, list[ClassicUnit]] = {unit.name: batches_of(unit) for unit in units}
    entry_of = {batch.name: entry for entry, found in batches.items() for batch in found}
    for unit in units:
        progress.start(unit.name, unit.num_steps)
    everything = [batch for found in batches.values() for batch in found]
    records: dict[str, Record] = {}
    run = execute(everything, executor, progress, label=lambda batch: entry_of[batch.name])
    with contextlib.closing(run) as ended:
        for batch, result in ended:
            records[batch.name], entry = result.record, entry_of[batch.name]
            if all(other.name in records for other in batches[entry]):
                yield entry, _join([records.pop(other.name) for other in batches[entry]])


def _units_of(name: str, classic: Classic, runs: Runs) -> list[ClassicUnit]:
    """All runs of each agent of an experiment."""
    from mgsc.experiments.classics.program import ClassicUnit
    from mgsc.experiments.running.build import build_problem
    from mgsc.experiments.running.program import Lane, lane_numbers

    problem, units = build_problem(classic.suite), []
    for agent, settings in classic.suite.agents.items():
        numbers = lane_numbers(settings, tunes=False)
        lanes = [Lane(seed, numbers) for seed in runs.of(classic).numbers]
        entry = entry_name(name, agent)
        units.append(ClassicUnit(entry, classic.suite, agent, lanes, runs.root, problem=problem, classic=classic))
    return units


def batches_of(unit: ClassicUnit) -> list[ClassicUnit]:
    """Divides a unit into batches of one size, as many for each worker as ``BLOCKS_AHEAD`` requires."""
    from mgsc.experiments.classics.program import batch_size
    from mgsc.experiments.running.devices import block_width, workers

    width = block_width(lanes_per_block=unit.suite.lanes_per_block)
    return cut(unit, batch_size(len(unit.lanes), len(workers()), width))


def _join(records: Sequence[Record]) -> Record:
    return {name: _whole(np.concatenate([record[name] for record in records])) for name in records[0]}


def _whole(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Numbers as integers where they are: the file is half as long."""
    whole = values.astype(np.int64)
    return whole if (whole == values).all() else values
