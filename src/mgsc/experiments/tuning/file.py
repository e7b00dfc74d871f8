"""``mgsc tune``: tunes a suite into a file; goes on where it was stopped; tunes single agents again."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mgsc.errors import UserError
from mgsc.experiments.design.suites import SUITES, Suite, check_suite
from mgsc.experiments.running.executor import Executor
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.share import Share, run_joined
from mgsc.experiments.store.resumable import (
    JoinedParts,
    Rounds,
    differences,
    folder_of,
    joined_parts,
    open_parts,
    plain,
)
from mgsc.experiments.store.sealed import sealed
from mgsc.experiments.tuning.chosen import load_sweep
from mgsc.experiments.tuning.search import (
    NUM_ROUNDS,
    Checkpoint,
    Protocol,
    check_can_tune,
    check_rounds,
    header,
    tune_suite,
)
from mgsc.experiments.tuning.space import space_of
from mgsc.files import regular_place

SHARED = ("suite", "protocol")
"""Entries of a sweep that decide all its agents' numbers, next to settings and origin."""

ORIGIN = ("versions", "provenance")
"""Entries of a sweep with the provenance of its numbers. Sweeps of mgsc 0.1.0 have the first only."""


def tune_to_file(
    name: str,
    suite: Suite,
    protocol: Protocol,
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    into: bool = False,
    progress: Progress | None = None,
    executor: Executor = THREADS,
) -> dict[str, Any]:
    """Tunes a suite and writes the sweep; finished rounds are kept beside it meanwhile.

    Args:
        name: the suite's name.
        suite: with the agents to tune.
        out: file of the sweep.
        resume: go on with a stopped tuning of the same settings; a complete one stays as it is.
        overwrite: replace an existing sweep, and without ``resume`` a stopped tuning, too.
        into: ``out`` is a sweep of this suite and protocol, in which only these agents are replaced.
        progress: callbacks that receive the progress.
        executor: of the units of each round; it changes no number.

    Returns:
        The sweep in the file.

    Raises:
        UserError: impossible settings or protocol, an existing file that must not be replaced, or a file that cannot
            be written; raised before any work.
    """
    target, plan = _planned(name, suite, protocol, out)
    if into:
        _refuse_other_sweep(target, plan)
    elif target.exists():
        there = _refuse_or_take(target, plan, suite, resume=resume, overwrite=overwrite)
        if there is not None and not folder_of(target).exists():
            return there
    check_can_tune(suite, protocol)
    check_can_write(target)

    identities, is_right = _identities(plan, suite), _check_of(suite, protocol)
    with open_parts(target, identities, is_right, resume=resume, overwrite=overwrite) as (parts, rounds):
        sweep = tune_suite(name, suite, protocol, progress, Checkpoint(rounds, parts.keep), executor)
        if into:
            sweep = replace_agents(_refuse_other_sweep(target, plan), sweep)
        write_sweep(sweep, target)
        parts.remove()
    return sweep


def _planned(name: str, suite: Suite, protocol: Protocol, out: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]]:
    """The file, and what decides the numbers in it, once all that is impossible is refused."""
    check_suite(suite)
    protocol.check()
    target, plan = Path(out), plain(header(name, suite, protocol))
    check_place(target)
    return target, plan


def _identities(plan: Mapping[str, Any], suite: Suite) -> dict[str, dict[str, Any]]:
    """Of every agent, all that decides its numbers."""
    return {agent: _identity(plan, suite, agent) for agent in suite.agents}


def _check_of(suite: Suite, protocol: Protocol) -> Callable[[str, Rounds], bool]:
    """Whether the rounds that are kept of an agent are its own."""
    return lambda agent, rounds: check_rounds(rounds, suite, suite.agents[agent], protocol)


def tune_share(
    name: str,
    suite: Suite,
    protocol: Protocol,
    out: str | os.PathLike[str],
    *,
    share: Share,
    progress: Progress | None = None,
    executor: Executor = THREADS,
) -> dict[str, Any] | None:
    """Tunes the agents of one share of a suite; other processes may tune the others meanwhile.

    Args:
        out: file of the sweep, the same for all shares.
        share: the calls for other shares have the same arguments otherwise. An agent is never divided.
        progress: callbacks that receive the progress.
        executor: of the units of each round.

    Returns:
        The sweep, if this share was the last to end, which then writes it. None while agents of others are missing.

    Raises:
        UserError: as ``tune_to_file``.
    """
    target, plan = _planned(name, suite, protocol, out)
    check_can_tune(suite, protocol)
    check_can_write(target)

    def tune(agents: Sequence[str], there: JoinedParts) -> dict[str, Any]:
        chosen = dataclasses.replace(suite, agents={agent: suite.agents[agent] for agent in agents})
        checkpoint = Checkpoint(there.rounds, there.parts.keep)
        return tune_suite(name, chosen, protocol, progress, checkpoint, executor)

    def finished(_: JoinedParts) -> dict[str, Any] | None:
        return _refuse_or_take(target, plan, suite, resume=True, overwrite=False) if target.exists() else None

    def missing(there: JoinedParts) -> Callable[[], object]:
        own = share.take([*suite.agents])
        return lambda: tune(own, there) if own else None

    def publish(there: JoinedParts) -> dict[str, Any] | None:
        if any(len(there.rounds.get(agent, ())) < NUM_ROUNDS for agent in suite.agents):
            return None
        sweep = tune([*suite.agents], there)
        write_sweep(sweep, target)
        there.parts.remove()
        return sweep

    join = functools.partial(joined_parts, target, _identities(plan, suite), _check_of(suite, protocol))
    return run_joined(join, finished=finished, missing=missing, publish=publish)


def replace_agents(sweep: Mapping[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """A sweep with the entries of some agents from another sweep of the same suite and protocol.

    Args:
        sweep: the whole one.
        fresh: its agents replace those of the same names, or are added. An entry of other versions or another
            provenance than the rest holds its own.
    """
    other = {key: fresh[key] for key in ORIGIN if fresh.get(key) != sweep.get(key)}
    entries = {agent: {**entry, **other} for agent, entry in fresh["agents"].items()}
    agents = _in_order(sweep["suite"], {**sweep["agents"], **entries})
    own = {**sweep["settings"]["agents"], **fresh["settings"]["agents"]}
    return {
        **sweep,
        "settings": {**sweep["settings"], "agents": _in_order(sweep["suite"], own)},
        "chosen": {agent: entry["chosen"] for agent, entry in agents.items()},
        "agents": agents,
    }


def _in_order(suite: str, by_agent: dict[str, Any]) -> dict[str, Any]:
    """The agents in the order of their suite; those that are not in it come last."""
    known = [agent for agent in SUITES[suite].agents if agent in by_agent] if suite in SUITES else []
    return {agent: by_agent[agent] for agent in dict.fromkeys([*known, *by_agent])}


def _shared(sweep: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the numbers of every agent, except the versions."""
    settings = {key: value for key, value in sweep.get("settings", {}).items() if key != "agents"}
    return {**{key: sweep.get(key) for key in SHARED}, "protocol": _protocol(sweep), "settings": settings}


def _protocol(sweep: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol with its objective, which a sweep of total reward leaves out."""
    return {"objective": "reward", **sweep.get("protocol", {})}


def _identity(plan: Mapping[str, Any], suite: Suite, agent: str) -> dict[str, Any]:
    """All that decides the numbers of one agent."""
    space = space_of(suite, suite.agents[agent])
    return {
        "agent": agent,
        "own": plan["settings"]["agents"][agent],
        "space": {key: span._asdict() for key, span in space.items()},
        **_shared(plan),
        **{key: plan[key] for key in ORIGIN},
    }


def _refuse_other_sweep(target: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The sweep that agents are to be replaced in.

    Raises:
        UserError: it cannot be read, or is of another suite, protocol or other settings.
    """
    sweep = load_sweep(str(target))
    other = differences(_shared(sweep), _shared(plan))
    if other:
        raise UserError(f"cannot tune into {target}: it is a sweep of other settings: {'; '.join(other)}")
    return sweep


def _refuse_or_take(
    target: Path, plan: Mapping[str, Any], suite: Suite, *, resume: bool, overwrite: bool
) -> dict[str, Any] | None:
    """What is at the place of the new sweep: that sweep itself, complete, or one that may be replaced.

    Raises:
        UserError: it may not be replaced.
    """
    if not resume and not overwrite:
        raise UserError(f"{target} is there already: replace it with --overwrite, or name another file")
    there = load_sweep(str(target))  # what is no sweep is never replaced
    if not resume:
        return None
    spaces = {
        agent: {"space": {key: span._asdict() for key, span in space_of(suite, settings).items()}}
        for agent, settings in suite.agents.items()
    }
    found = {
        agent: {key: entry[key] for key in ("space", *ORIGIN) if key in entry}
        for agent, entry in there["agents"].items()
    }
    decides = (*SHARED, "settings", *ORIGIN)
    other = differences(
        {**{key: there[key] for key in decides if key in there}, "protocol": _protocol(there), "agents": found},
        {**{key: plan[key] for key in decides}, "protocol": _protocol(plan), "agents": plain(spaces)},
    )
    if other and not overwrite:
        raise UserError(
            f"{target} is a sweep of other settings: {'; '.join(other)}; add --overwrite to replace it,"
            " or name another file"
        )
    return None if other else there


def check_place(path: str | os.PathLike[str]) -> None:
    """Checks that a file may be written at a place; creates nothing.

    Raises:
        UserError: it holds no file, or is a name that a result folder uses.
    """
    from mgsc.experiments.store.places import refuse_internals

    regular_place(Path(path))
    refuse_internals(path)


def check_can_write(path: str | os.PathLike[str]) -> None:
    """Checks that a file can be written, before its contents are computed.

    Raises:
        UserError: it cannot; the error names the reason.
    """
    check_place(path)
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {file.parent}: {error.strerror}") from None
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UserError(f"cannot write {file}: name a file in a folder that can be written")


def write_sweep(sweep: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a sweep as JSON with its checksum, all at once."""
    from mgsc.experiments.store.files import as_store_errors, write_atomically

    with as_store_errors("write", Path(path)):
        write_atomically(Path(path), (json.dumps(sealed(sweep), indent=1) + "\n").encode())
