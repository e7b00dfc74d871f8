"""Runs a study into a summary; a stopped one goes on, and loses at most the agents and cells under way.

Agents of cells that differ only in numbers which may be traced share one program: their lanes run side by
side, and it compiles once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import settings_as_dict
from mgsc.experiments.running.executor import Executor, execute
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.provenance import provenance
from mgsc.experiments.running.share import Share, run_joined
from mgsc.experiments.running.units import Unit, cut
from mgsc.experiments.running.versions import versions
from mgsc.experiments.store.resumable import (
    JoinedParts,
    Parts,
    Rounds,
    Work,
    differences,
    folder_of,
    joined_parts,
    open_parts,
    plain,
)
from mgsc.experiments.studies.design import Cell, Study, cells_of, entry_name
from mgsc.experiments.studies.summary import OWN_ORIGIN, load_summary, summarise, write_summary
from mgsc.experiments.tuning.file import check_can_write, check_place

if TYPE_CHECKING:
    from mgsc.problem import Problem

STUDY = Work("study", "a study", "runs", "run", "summary")

ORIGIN = ("versions", "backend", "provenance")
"""Entries of a summary with the provenance of its numbers. Summaries of mgsc 0.1.0 lack the last."""

Totals = list[float]
"""Total reward of every seed, in the order of the seeds."""


class Lot(NamedTuple):
    """Agents of cells that one program serves.

    Attributes:
        ground: label of the ground all of them belong to.
        unit: of the first of them, without lanes.
        numbers: by the name of the entry (``Cell.entry``), the numbers its lanes run with.
    """

    ground: str
    unit: Unit
    numbers: dict[str, dict[str, float]]

    def whole(self, seeds: Seeds) -> Unit:
        """The unit of all lanes, entry by entry."""
        from mgsc.experiments.running.program import Lane

        lanes = [Lane(seed, numbers) for numbers in self.numbers.values() for seed in seeds.numbers]
        return dataclasses.replace(self.unit, lanes=lanes)


def run_study(
    name: str,
    study: Study,
    seeds: Seeds,
    out: str | os.PathLike[str],
    *,
    steps: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    executor: Executor = THREADS,
) -> dict[str, Any]:
    """Runs a study and writes its summary; finished entries are kept beside it meanwhile.

    Args:
        name: the study's name.
        study: to run.
        seeds: reporting seeds, the same for all agents of all cells.
        out: file of the summary.
        steps: environment steps of each run; None for the suites' own.
        resume: go on with a stopped study of the same settings; a complete one stays as it is.
        overwrite: replace an existing summary, and without ``resume`` a stopped study, too. With ``resume``, its
            entries of the same settings, seeds, packages and backend are kept, so that a study may grow. The version
            and the code of mgsc may differ; such an entry then holds its own.
        progress: callbacks that receive the progress.
        executor: of the units of all agents of all cells; it changes no number.

    Returns:
        The summary in the file.

    Raises:
        UserError: impossible seeds or cells, an existing file that must not be replaced, or a file that cannot be
            written; raised before any work.
    """
    cells, target = cells_of(study, seeds, steps), Path(out)
    identities, taken = _identities(name, cells, seeds), dict[str, Entry]()
    check_place(target)
    if target.exists():
        there = _refuse_or_take(target, identities, resume=resume, overwrite=overwrite)
        if there is not None:
            old = _entries_in(there)
            taken = {entry: old[entry] for entry in old if _may_stay(old[entry].identity, identities.get(entry))}
            if taken.keys() == old.keys() == identities.keys() and not folder_of(target).exists():
                return there
    problems = _problems(cells)
    check_can_write(target)

    is_right = functools.partial(_are_totals, seeds)
    with open_parts(target, identities, is_right, resume=resume, overwrite=overwrite, work=STUDY) as (parts, kept):
        totals = {entry: found.totals for entry, found in taken.items()}
        totals |= {entry: rounds[0][0]["totals"] for entry, rounds in kept.items()}
        _run_missing(_lots(cells, problems, seeds, totals), seeds, progress, executor, parts, totals)
        own = {entry: _own_origin(found.identity, identities[entry]) for entry, found in taken.items()}
        own = {entry: origin for entry, origin in own.items() if entry not in kept}
        summary = summarise(name, study, cells, seeds, totals, _origin_of_numbers(cells), own)
        write_summary(summary, target)
        parts.remove()
    return summary


def run_study_share(
    name: str,
    study: Study,
    seeds: Seeds,
    out: str | os.PathLike[str],
    *,
    share: Share,
    steps: int | None = None,
    progress: Progress | None = None,
    executor: Executor = THREADS,
) -> dict[str, Any] | None:
    """Runs one share of a study; other processes may run the other shares meanwhile.

    Args:
        share: the calls for other shares have the same arguments otherwise. Agents of cells that one program serves
            stay together.

    Returns:
        The summary, if this share was the last to end, which then writes it. None while entries of others are missing.

    Raises:
        UserError: as ``run_study``.
    """
    cells, target = cells_of(study, seeds, steps), Path(out)
    identities = _identities(name, cells, seeds)
    check_place(target)
    problems = _problems(cells)
    check_can_write(target)

    def finished(_: JoinedParts) -> dict[str, Any] | None:
        return _refuse_or_take(target, identities, resume=True, overwrite=False) if target.exists() else None

    def missing(there: JoinedParts) -> Callable[[], None]:
        own = set(share.take([*_lots(cells, problems, seeds, {})]))
        lots = {key: lot for key, lot in _lots(cells, problems, seeds, there.rounds).items() if key in own}
        return lambda: _run_missing(lots, seeds, progress, executor, there.parts, {})

    def publish(there: JoinedParts) -> dict[str, Any] | None:
        if there.rounds.keys() != identities.keys():
            return None
        totals = {entry: rounds[0][0]["totals"] for entry, rounds in there.rounds.items()}
        summary = summarise(name, study, cells, seeds, totals, _origin_of_numbers(cells), {})
        write_summary(summary, target)
        there.parts.remove()
        return summary

    is_right = functools.partial(_are_totals, seeds)
    join = functools.partial(joined_parts, target, identities, is_right, STUDY)
    return run_joined(join, finished=finished, missing=missing, publish=publish)


def _run_missing(
    lots: Mapping[str, Lot],
    seeds: Seeds,
    progress: Progress | None,
    executor: Executor,
    parts: Parts,
    totals: dict[str, Totals],
) -> None:
    """Runs lots; the totals of each entry are kept as soon as they are there."""
    for entry, found in _run_lots(lots, seeds, progress or Progress(), executor):
        totals[entry] = found
        parts.keep(entry, [[{"totals": found}]])


def _origin_of_numbers(cells: Sequence[Cell]) -> dict[str, Any]:
    from mgsc.experiments.running.devices import devices

    widths = {cell.suite.lanes_per_block for cell in cells}
    if len(widths) > 1:
        raise UserError(f"lanes_per_block must be the same in all cells of a study, not {sorted(widths)}")
    return {"versions": versions(), "backend": devices()[0].platform, "provenance": provenance(*widths)}


def _identities(name: str, cells: Sequence[Cell], seeds: Seeds) -> dict[str, dict[str, Any]]:
    """Of every entry, all that decides its numbers."""
    shared = {"study": name, "seeds": dataclasses.asdict(seeds), **_origin_of_numbers(cells)}
    found = {}
    for cell in cells:
        settings = plain(settings_as_dict(cell.suite))
        own = settings.pop("agents")
        for agent in cell.suite.agents:
            entry = cell.entry(agent)
            found[entry] = plain({"agent": entry, **shared, "settings": settings, "own": own[agent]})
    return found


class Entry(NamedTuple):
    """An entry of a summary: all that decides its totals, and the totals."""

    identity: dict[str, Any]
    totals: Totals


def _entries_in(summary: Mapping[str, Any]) -> dict[str, Entry]:
    """All entries of a summary, by name."""
    shared = {key: summary[key] for key in ("study", "seeds", *ORIGIN) if key in summary}
    found = {}
    for cell in summary["cells"]:
        for agent, entry in cell["agents"].items():
            name = entry_name(cell["ground"], cell["at"], agent)
            own = {"settings": cell["settings"], "own": entry["settings"]}
            identity = {"agent": name, **shared, **entry.get(OWN_ORIGIN, {}), **own}
            found[name] = Entry(identity, entry["totals"])
    return found


def _may_stay(there: Mapping[str, Any], asked: Mapping[str, Any] | None) -> bool:
    """Whether an entry of a summary may be taken over: it differs at most in the version and the code of mgsc."""
    if asked is None:
        return False
    names = there.get("provenance", {}).keys() & asked["provenance"].keys()

    def compared(identity: Mapping[str, Any]) -> dict[str, Any]:
        known = {name: identity["provenance"][name] for name in names - {"code"}}
        return {**identity, "versions": {**identity["versions"], "mgsc": ""}, "provenance": known}

    return compared({"provenance": {}, **there}) == compared(asked)


def _own_origin(there: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Where the numbers of an entry come from, as far as that differs from the rest of its summary."""
    return {key: there.get(key, {}) for key in ORIGIN if there.get(key) != asked[key]}


def _refuse_or_take(
    target: Path, identities: Mapping[str, Any], *, resume: bool, overwrite: bool
) -> dict[str, Any] | None:
    """What is at the place of the new summary, if the new one may take entries over from it, or is it.

    Raises:
        UserError: it may not be replaced.
    """
    if not resume and not overwrite:
        raise UserError(f"{target} is there already: replace it with --overwrite, or name another folder")
    there = load_summary(str(target))  # what is no summary is never replaced
    if not resume:
        return None
    other = _first_difference({name: entry.identity for name, entry in _entries_in(there).items()}, identities)
    if other and not overwrite:
        raise UserError(
            f"{target} is a summary of other settings: {other}; add --overwrite to replace it, or name another folder"
        )
    return there


def _first_difference(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """What the identities of the first entry that is not the same differ in; empty where all are the same."""
    for entry in dict.fromkeys([*asked, *there]):
        if entry not in there or entry not in asked:
            return f"only {'this' if entry in asked else 'that'} study has {entry}"
        other = differences(there[entry], asked[entry])
        if other:
            return f"{entry}: {'; '.join(other)}"
    return ""


def _are_totals(seeds: Seeds, entry: str, rounds: Rounds) -> bool:
    """Whether what is kept of an entry is a total of each seed."""
    del entry
    try:
        [[row]] = rounds
        totals = row["totals"]
        return len(totals) == seeds.count and all(math.isfinite(total) for total in totals)
    except (ValueError, KeyError, TypeError, OverflowError):
        return False


def _problems(cells: Sequence[Cell]) -> dict[str, Problem]:
    """The problem of each cell, by ``problem_key``; cells that differ only in their agents share one.

    Raises:
        UserError: a cell's maze is impossible, or code of one's own fails its trial.
    """
    from mgsc.experiments.running.build import build_problem
    from mgsc.experiments.running.program import problem_key
    from mgsc.experiments.running.trial import check_own_code

    problems: dict[str, Problem] = {}
    for cell in cells:
        key = problem_key(cell.suite)
        if key not in problems:
            problems[key] = build_problem(cell.suite)
            check_own_code(cell.suite, problems[key])
    return problems


def _lots(
    cells: Sequence[Cell], problems: Mapping[str, Problem], seeds: Seeds, finished: Mapping[str, Any]
) -> dict[str, Lot]:
    """All entries that are not finished, in lots."""
    from mgsc.experiments.running.program import lane_numbers, problem_key, program_key

    lots: dict[str, Lot] = {}
    for cell in cells:
        for name, agent in cell.suite.agents.items():
            entry = cell.entry(name)
            if entry in finished:
                continue
            key = repr((cell.ground, program_key(cell.suite, agent, tunes=True)))
            if key not in lots:
                alone, problem = (
                    dataclasses.replace(cell.suite, agents={name: agent}),
                    problems[problem_key(cell.suite)],
                )
                unit = Unit(f"{name}-{len(lots)}", alone, name, (), seeds.root, tunes=True, problem=problem)
                lots[key] = Lot(cell.ground, unit, {})
            lots[key].numbers[entry] = lane_numbers(agent, tunes=True)
    return lots


def _run_lots(
    lots: Mapping[str, Lot], seeds: Seeds, progress: Progress, executor: Executor
) -> Iterator[tuple[str, Totals]]:
    """The totals of each entry, as soon as its last lane has run."""
    from mgsc.experiments.running.devices import block_width

    steps, units, lot_of = dict[str, int](), list[Unit](), dict[str, _LotTotals]()
    for lot in lots.values():
        whole = lot.whole(seeds)
        steps[lot.ground] = steps.get(lot.ground, 0) + whole.num_steps
        blocks = cut(whole, block_width(lanes_per_block=whole.suite.lanes_per_block))
        units += blocks
        lot_of |= dict.fromkeys((unit.name for unit in blocks), _LotTotals(lot, blocks, seeds.count))
    for ground, number in steps.items():
        progress.start(ground, number)
    run = execute(units, executor, progress, label=lambda unit: lot_of[unit.name].lot.ground)
    with contextlib.closing(run) as finished:
        for unit, result in finished:
            totals = [round(float(total), 2) for total in result.record["reward"].astype(float).sum(1)]
            yield from lot_of[unit.name].take(unit, totals)


class _LotTotals:
    """The totals of a lot's lanes as they come in."""

    def __init__(self, lot: Lot, blocks: Sequence[Unit], count: int) -> None:
        self.lot, self._count = lot, count
        self._first = dict(zip([unit.name for unit in blocks], _places(blocks), strict=True))
        self._totals: list[float | None] = [None] * sum(len(unit.lanes) for unit in blocks)

    def take(self, unit: Unit, totals: Totals) -> Iterator[tuple[str, Totals]]:
        """Takes the totals of a unit; gives the entries that are complete with it."""
        first, entries = self._first[unit.name], list(self.lot.numbers)
        self._totals[first : first + len(totals)] = totals
        for place in range(first // self._count, (first + len(totals) - 1) // self._count + 1):
            found = [total for total in self._totals[place * self._count :][: self._count] if total is not None]
            if len(found) == self._count:
                yield entries[place], found


def _places(blocks: Sequence[Unit]) -> list[int]:
    """The place of each block's first lane among the lanes of all."""
    return [0, *itertools.accumulate(len(unit.lanes) for unit in blocks[:-1])]
