"""Watching an agent's d: the same agent, which reports other numbers besides, and these through the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mgsc.benchmarks.over_seeds import with_interval
from mgsc.errors import UserError
from mgsc.experiments import open_result, own_strategy, run
from mgsc.experiments.design.agents import OWN
from mgsc.experiments.design.suites import Suite, change_suite, check_suite, choose_agents, get_suite
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.reading.table_text import markdown_lines
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.problem import StrategyFacts
from mgsc.search_control import SearchControl, Strategy
from mgsc.search_control.row import StrategyRow
from mgsc.search_control.table import STRATEGIES
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Transition

AGENT = "watched"
"""The name of the agent that is watched."""

Measure = Callable[[Parts, Array, Params, Candidates, Transition], Mapping[str, Array]]
"""``(parts, d, params, candidates, transition) -> numbers``: d as the meta-update of that transition leaves it."""


def watched(strategy: Strategy, names: Sequence[str], measure: Measure) -> Strategy:
    """The same strategy, which also reports the numbers ``names`` of a measure."""

    def build(parts: Parts) -> SearchControl:
        control = strategy(parts)

        def observe(
            state: PyTree, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[PyTree, dict[str, Array]]:
            after, info = (
                (state, {}) if control.observe is None else control.observe(state, params, candidates, transition)
            )
            # Only now has it looked at these candidates.
            found = measure(parts, control.weights(after, params, candidates), params, candidates, transition)
            return after, {**info, **found}

        return control._replace(observe=observe, reports=(*control.reports, *names))

    return build


def watched_suite(
    name: str,
    agent: str,
    changes: Mapping[str, str],
    watch: Callable[[Suite, StrategyRow[Any]], Callable[[object, StrategyFacts], Strategy]],
) -> Suite:
    """The suite ``name`` with one agent, ``watched``: ``agent`` with all its settings and needs.

    Args:
        changes: settings, as for ``change_suite``.
        watch: ``(suite, row) -> build``, of the agent's row; it may refuse the suite.

    Raises:
        UserError: there is no such suite, agent or setting; the agent cannot run in it; or as ``watch``.
    """
    suite = change_suite(choose_agents(get_suite(name), [agent]), changes)
    check_suite(suite)
    given = suite.agents[agent]
    build_agent(suite, given, build_problem(suite))
    row = STRATEGIES[given.strategy]
    own = own_strategy(AGENT, watch(suite, row), given.options).own
    assert own is not None, "own_strategy fills it in"
    assert own.row is not None, "and its row"
    own = dataclasses.replace(own, row=dataclasses.replace(row, name=AGENT, build=own.row.build))
    return dataclasses.replace(suite, agents={AGENT: dataclasses.replace(given, strategy=OWN, own=own)})


def run_and_print(
    suite: Suite,
    seeds: int,
    out: str,
    rows: Callable[[xr.Dataset], Mapping[str, Sequence[str]]],
    head: str,
    columns: Sequence[str],
) -> None:
    """Runs a suite into a folder, and prints a table of it in Markdown: a row for each number.

    Args:
        rows: ``(result) -> {number: its cells}``.
        columns: headings of the cells, one for each part of the run.

    Raises:
        UserError: the run has fewer records than parts, or as ``run``.
    """
    check_records(suite, len(columns))
    run(suite, seeds=seeds, out=out)
    cells = [(name, *row) for name, row in rows(open_result(out)).items()]
    print("\n".join(markdown_lines((head, *columns), [False, *[True] * len(columns)], cells)))


def check_records(suite: Suite, parts: int) -> None:
    """Refuses a run that has fewer records than ``through_time`` makes parts of it.

    Raises:
        UserError: it has.
    """
    records = suite.steps // suite.record_every
    if records < parts:
        raise UserError(f"the run has {records} records, and {parts} are needed: lower record_every, or raise steps")


def through_time(result: xr.Dataset, names: Mapping[str, str], parts: int, digits: int) -> dict[str, list[str]]:
    """Numbers in equal parts of the run, as text: mean over seeds and its 95 % interval.

    Args:
        names: variable -> what it is called.
        parts: how many.
        digits: after the point.
    """
    found = {}
    for name, label in names.items():
        each = result[name].sel(agent=AGENT).transpose("seed", "chunk").values
        means = [part.mean(1) for part in np.array_split(each, parts, axis=1)]
        found[label] = [with_interval(mean_interval(one), digits) for one in means]
    return found
