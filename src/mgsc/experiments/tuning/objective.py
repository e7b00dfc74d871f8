"""What tuning makes large: the total reward of a run, or the return of an episode.

Where every step has the same reward, as on CartPole, runs of as many steps have the same total, whatever they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from mgsc.environments.row import Objective
from mgsc.errors import UserError
from mgsc.experiments.design.parts import ENVIRONMENTS, row_for
from mgsc.experiments.running.recorder import ENDED
from mgsc.settings import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mgsc.experiments.design.suite import Suite

OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


def objective_of(suite: Suite, given: str | None) -> Objective:
    """The objective of a suite's tuning.

    Args:
        suite: to be tuned.
        given: one of ``OBJECTIVES``; None for what its environment is judged by.

    Raises:
        UserError: no such objective, or returns of a suite that does not record episodes.
    """
    if given is None:
        row, _ = row_for(suite.environment, ENVIRONMENTS)
        return row.judged_by if suite.records_episodes else "reward"
    for objective in OBJECTIVES:
        if objective == given:
            break
    else:
        raise UserError(unknown("objective", given, OBJECTIVES))
    if objective == "return" and not suite.records_episodes:
        raise UserError("objective return needs a suite that records episodes: add --set records_episodes=true")
    return objective


def scores(record: Mapping[str, npt.NDArray[Any]], objective: Objective) -> npt.NDArray[np.float64]:
    """[B] what the runs of a block are worth.

    Args:
        record: arrays [B, chunks]: ``reward``, and for returns the numbers of ``ENDED``.
        objective: "reward" for the total; "return" for the total divided by the number of episodes that ended, by 1
            where none did, so that rewards of the last, unfinished episode count.
    """
    total = np.asarray(record["reward"].sum(1), np.float64)
    if objective == "reward":
        return total
    ended = sum(np.asarray(record[name].sum(1), np.float64) for name in ENDED)
    worth: npt.NDArray[np.float64] = total / np.maximum(ended, 1.0)
    return worth


def refuse_alike(agent: str, worth: npt.NDArray[Any], objective: Objective) -> None:
    """Checks that total rewards tell configurations apart.

    Zeros pass: an agent that finds no reward with any configuration is a result.

    Args:
        agent: its name, for the message.
        worth: [configurations, seeds] of a round.
        objective: what it is.

    Raises:
        UserError: all have one total reward, which is not 0.
    """
    first = float(worth.flat[0])
    if objective == "reward" and len(worth) > 1 and first and np.all(worth == first):
        raise UserError(
            f"every configuration of {agent} has the total reward {round(first, 3):,g}: it cannot choose among them;"
            " tune for returns: --objective return"
        )
