"""Tuning: the same protocol for every agent, on seeds that are never reported.

Each agent has the same number of configurations: Sobol points in its own space, on log scales, K included. All run on
the tuning seeds. The best few run again on fresh tuning seeds, and the best of those is chosen: on few seeds alone the
luckiest one would win.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mgsc.environments.row import OBJECTIVES, Objective
from mgsc.errors import UserError, check_type, shown_value
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, check_suite, settings_as_dict
from mgsc.experiments.running.executor import Executor, Session, listener_of
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.provenance import provenance
from mgsc.experiments.running.units import Unit, cut
from mgsc.experiments.running.versions import versions
from mgsc.experiments.tuning.objective import objective_of, scores
from mgsc.experiments.tuning.space import Numbers, draw_configurations, is_at_edge, space_of
from mgsc.search_control.row import Range
from mgsc.settings import is_line

if TYPE_CHECKING:
    from mgsc.experiments.running.program import BlockResult
    from mgsc.problem import Problem

DECIMALS: Mapping[Objective, int] = {"reward": 2, "return": 6}
"""Of the means in a sweep; the return of an episode may be small."""

NUM_ROUNDS = 2
"""Rounds: all configurations, then the finalists among them."""

Rows = list[dict[str, Any]]
"""Of each configuration: its settings, the number of seeds, the mean over them of the objective, its interval."""


LONGEST_NAME = 200
"""Characters of a suite's name."""

MOST_CONFIGURATIONS = 100_000
"""Most configurations of one agent."""


class Protocol(NamedTuple):
    """The numbers of configurations and seeds, and what is made large.

    Attributes:
        configurations: points per agent.
        seeds: tuning seeds of all configurations.
        finalists: number of the best ones, which run again.
        final_seeds: fresh tuning seeds of the finalists.
        root: root seed of all tuning runs.
        objective: what is made large, "reward" or "return"; None for what the suite's environment is judged by.
    """

    configurations: int = 128
    seeds: int = 16
    finalists: int = 5
    final_seeds: int = 32
    root: int = 1
    objective: Objective | None = None

    def check(self) -> None:
        """Checks the protocol.

        Raises:
            UserError: it is impossible; the error names what is allowed.
        """
        for name, value in self.numbers.items():
            if not isinstance(value, int) or isinstance(value, bool):
                raise UserError(f"{name} of the protocol is {shown_value(value)}: it must be a whole number")
        if self.configurations < 1 or self.seeds < 1 or self.final_seeds < 1:
            raise UserError("configurations, seeds and final-seeds must be at least 1")
        if self.configurations > MOST_CONFIGURATIONS:
            raise UserError(f"configurations is {self.configurations}: at most {MOST_CONFIGURATIONS} are possible")
        if not 1 <= self.finalists <= self.configurations:
            raise UserError(
                f"finalists is {self.finalists}: it must be in [1, {self.configurations}], the number of configurations"
            )
        if self.objective is not None and not (isinstance(self.objective, str) and self.objective in OBJECTIVES):
            raise UserError(
                f"objective of the protocol is {shown_value(self.objective)}: it must be {' or '.join(OBJECTIVES)}"
            )
        for seeds in self.tuning_seeds:
            seeds.check()

    @property
    def numbers(self) -> dict[str, int]:
        """All but the objective."""
        return {name: value for name, value in self._asdict().items() if name != "objective"}

    def as_dict(self, suite: Suite) -> dict[str, Any]:
        """As a sweep of a suite stores it, without the objective where that is the total reward."""
        objective = objective_of(suite, self.objective)
        return {**self.numbers, **({} if objective == "reward" else {"objective": objective})}

    @property
    def tuning_seeds(self) -> tuple[Seeds, Seeds]:
        """Seeds of the first and of the second round."""
        return Seeds(self.seeds, self.root), Seeds(self.final_seeds, self.root, first=self.seeds)


class Checkpoint(NamedTuple):
    """The rounds that a stopped tuning has finished, and the function that saves new ones.

    Attributes:
        rounds: agent -> its finished rounds: the configurations, and after them the finalists.
        save: ``(agent, rounds)``, called after every round.
    """

    rounds: Mapping[str, Sequence[Rows]] = {}
    save: Callable[[str, Sequence[Rows]], None] = lambda agent, rounds: None


def tune_suite(
    name: str,
    suite: Suite,
    protocol: Protocol,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    executor: Executor = THREADS,
) -> dict[str, Any]:
    """Tunes every agent of a suite.

    Args:
        name: of the suite; the sweep is kept under it.
        suite: all of whose agents are tuned.
        protocol: numbers of configurations and seeds, and the objective.
        progress: callbacks that receive the progress.
        checkpoint: finished rounds that passed ``check_rounds``, which do not run again.
        executor: of the units of each round.

    Returns:
        The sweep as plain data: every configuration with its mean and interval, the finalists, and
        the settings chosen; ``apply_sweep`` gives them to a suite. It does not depend on the checkpoint.

    Raises:
        UserError: impossible settings or protocol; raised before any work.
    """
    if not is_line(name, LONGEST_NAME):
        raise UserError(f"name is {shown_value(name)}: it must be a text of 1 to {LONGEST_NAME} printable characters")
    check_type("progress", progress, (Progress, type(None)), "be a Progress, or None")
    check_type("checkpoint", checkpoint, (Checkpoint, type(None)), "be a Checkpoint, or None")
    check_type("executor", executor, Executor, "be an Executor, as THREADS")
    problem = check_can_tune(suite, protocol)
    rounds = _run_rounds(suite, problem, protocol, progress or Progress(), checkpoint or Checkpoint(), executor)
    agents = {agent: _entry(space_of(suite, settings), rounds[agent]) for agent, settings in suite.agents.items()}
    chosen = {agent: entry["chosen"] for agent, entry in agents.items()}
    return {**header(name, suite, protocol), "chosen": chosen, "agents": agents}


def check_can_tune(suite: Suite, protocol: Protocol) -> Problem:
    """The suite's problem, after building every agent once.

    Raises:
        UserError: impossible settings or protocol.
    """
    check_type("suite", suite, Suite, "be a Suite")
    check_type("protocol", protocol, Protocol, "be a Protocol")
    check_suite(suite)
    protocol.check()
    objective_of(suite, protocol.objective)
    from mgsc.experiments.running.build import build_agent, build_problem
    from mgsc.experiments.running.trial import check_own_code

    problem = build_problem(suite)
    for agent in suite.agents.values():
        build_agent(suite, agent, problem)
    check_own_code(suite, problem)
    return problem


def header(name: str, suite: Suite, protocol: Protocol) -> dict[str, Any]:
    """The entries of a sweep that decide its results."""
    return {
        "suite": name,
        "protocol": protocol.as_dict(suite),
        "tuning_seeds": [seeds.__dict__ for seeds in protocol.tuning_seeds],
        "settings": settings_as_dict(suite),
        "versions": versions(),
        "provenance": provenance(suite.lanes_per_block),
    }


def first_points(suite: Suite, agent: AgentSettings, protocol: Protocol) -> list[Numbers]:
    """The configurations of an agent's first round."""
    from mgsc.experiments.running.program import traced_numbers

    whole = [key for key, value in traced_numbers(agent).items() if isinstance(value, int)]
    return draw_configurations(space_of(suite, agent), whole, protocol.configurations, seed=protocol.root)


def final_points(tried: Rows, protocol: Protocol) -> list[Numbers]:
    """The configurations of the second round: the best of the first."""
    return [row["settings"] for row in sorted(tried, key=lambda row: -row["mean"])[: protocol.finalists]]


def check_rounds(rounds: Sequence[Rows], suite: Suite, agent: AgentSettings, protocol: Protocol) -> bool:
    """Whether rounds are those of an agent under this protocol, complete or without the last one."""
    expected = first_points(suite, agent, protocol)
    try:
        for rows, seeds in zip(rounds, protocol.tuning_seeds, strict=False):
            if [row["settings"] for row in rows] != expected or {row["n"] for row in rows} != {seeds.count}:
                return False
            if not all(map(_has_interval, rows)):
                return False
            expected = final_points(rows, protocol)
        return 1 <= len(rounds) <= NUM_ROUNDS
    except (KeyError, TypeError, OverflowError):  # a file of anyone's holds anything
        return False


def _has_interval(row: Mapping[str, Any]) -> bool:
    ends = (row["low"], row["high"])
    return math.isfinite(row["mean"]) and (ends == (None, None) or all(map(math.isfinite, ends)))


class _Agent:
    """An agent that is being tuned: its finished rounds, and what has come in of the one under way."""

    def __init__(self, whole: Unit, protocol: Protocol, rounds: Sequence[Rows]) -> None:
        self.whole, self.protocol, self.rounds = whole, protocol, list(rounds)
        self._points: list[Numbers] = []
        self._units: list[Unit] = []
        self._scores: dict[str, np.ndarray[Any, Any]] = {}

    @property
    def is_tuned(self) -> bool:
        return len(self.rounds) == NUM_ROUNDS

    def begin_round(self, width: int) -> list[Unit]:
        """The units of the next round, named AGENT-ROUND-LANE."""
        from mgsc.experiments.running.program import Lane

        if self.rounds:
            self._points = final_points(self.rounds[0], self.protocol)
        else:
            self._points = first_points(self.whole.suite, self.whole.suite.agents[self.whole.agent], self.protocol)
        lanes = [Lane(seed, point) for point in self._points for seed in self._seeds.numbers]
        name = f"{self.whole.agent}-{len(self.rounds) + 1}"
        self._units, self._scores = cut(dataclasses.replace(self.whole, name=name, lanes=lanes), width), {}
        return self._units

    def take(self, unit: Unit, result: BlockResult) -> bool:
        """Takes the result of a unit; whether the round has ended with it."""
        objective = objective_of(self.whole.suite, self.protocol.objective)
        self._scores[unit.name] = scores(result.record, objective)
        if len(self._scores) < len(self._units):
            return False
        found = np.concatenate([self._scores[unit.name] for unit in self._units]).reshape(len(self._points), -1)
        self.rounds.append(_rows(self._points, found, DECIMALS[objective]))
        return True

    @property
    def _seeds(self) -> Seeds:
        return self.protocol.tuning_seeds[len(self.rounds)]


def _run_rounds(
    suite: Suite, problem: Problem, protocol: Protocol, progress: Progress, checkpoint: Checkpoint, executor: Executor
) -> dict[str, Sequence[Rows]]:
    """Runs the rounds that the checkpoint lacks; returns those of all agents."""
    from mgsc.experiments.running.devices import block_width

    width, agents = block_width(lanes_per_block=suite.lanes_per_block), dict[str, _Agent]()
    for name, settings in suite.agents.items():
        alone = dataclasses.replace(suite, agents={name: settings})
        whole = Unit(name, alone, name, (), protocol.root, tunes=True, problem=problem)
        agents[name] = _Agent(whole, protocol, checkpoint.rounds.get(name, ()))
        progress.start(name, _num_lanes(protocol, agents[name].rounds) * suite.steps)
    waiting = [name for name, agent in agents.items() if not agent.is_tuned]
    # Where workers share programs, agents go one by one, so that a stop loses one round; elsewhere all at once.
    most, under_way = 1 if executor.shares_programs else len(waiting), set[str]()
    with executor.open(listener_of(progress)) as session:
        for name in waiting:
            session.prepare(agents[name].whole)
        while waiting or under_way:
            while waiting and len(under_way) < most:
                under_way.add(waiting[0])
                _submit(session, agents[waiting.pop(0)].begin_round(width))
            unit, result = session.finished()
            agent = agents[unit.agent]
            if agent.take(unit, result):
                checkpoint.save(unit.agent, agent.rounds)
                if agent.is_tuned:
                    under_way.remove(unit.agent)
                else:
                    _submit(session, agent.begin_round(width))
    return {name: agent.rounds for name, agent in agents.items()}


def _submit(session: Session, units: Sequence[Unit]) -> None:
    for unit in units:
        session.submit(unit)


def _num_lanes(protocol: Protocol, rounds: Sequence[Rows]) -> int:
    lanes = (protocol.configurations * protocol.seeds, protocol.finalists * protocol.final_seeds)
    return sum(lanes[len(rounds) :])


def _rows(points: Sequence[Numbers], found: np.ndarray[Any, Any], decimals: int) -> Rows:
    """The row of each configuration, from the scores [configurations, seeds] of a round."""
    from mgsc.experiments.reading.statistics import mean_interval

    rows = []
    for point, of_seeds in zip(points, found, strict=True):
        interval = mean_interval(of_seeds)
        numbers = {
            key: None if math.isnan(value) else round(value, decimals)
            for key, value in zip(("mean", "low", "high"), interval[:3], strict=True)
        }
        rows.append({"settings": point, "n": len(of_seeds), **numbers})
    return rows


def _entry(space: Mapping[str, Range], rounds: Sequence[Rows]) -> dict[str, Any]:
    """What a sweep says of one agent."""
    tried, finalists = rounds
    chosen = max(finalists, key=lambda row: float(row["mean"]))["settings"]
    return {
        "chosen": chosen,
        "at_edge": [key for key, span in space.items() if is_at_edge(chosen[key], span)],
        "space": {key: span._asdict() for key, span in space.items()},
        "configurations": tried,
        "finalists": finalists,
    }
