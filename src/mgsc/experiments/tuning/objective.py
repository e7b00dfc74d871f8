"""What tuning makes large: the total reward of a run, or that of each episode which ended.

On CartPole every step has the same reward, so that runs of as many steps have the same total, whatever they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mgsc.environments.row import Objective
from mgsc.errors import UserError
from mgsc.experiments.design.own import OwnSettings
from mgsc.experiments.design.parts import ENVIRONMENTS, row_for
from mgsc.experiments.design.quantities import ENDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mgsc.experiments.design.suite import Suite


def objective_of(suite: Suite, given: Objective | None) -> Objective:
    """The objective of a suite's tuning.

    Args:
        suite: to be tuned.
        given: of the protocol; None for what the suite's environment is judged by. One without a row is judged by
            total reward.

    Raises:
        UserError: returns of a suite that does not record episodes.
    """
    if given == "return" and not suite.records_episodes:
        raise UserError("objective return needs records_episodes=true, with which a suite records its episodes")
    if given is not None:
        return given
    if isinstance(suite.environment, OwnSettings) or not suite.records_episodes:
        return "reward"
    return row_for(suite.environment, ENVIRONMENTS)[0].judged_by


def scores(record: Mapping[str, npt.NDArray[Any]], objective: Objective) -> npt.NDArray[np.float64]:
    """[B] the scores of the runs of a block.

    Args:
        record: arrays [B, chunks]: ``reward``, and for returns the numbers of ``ENDED``.
        objective: "reward" for the total; "return" for the total divided by the number of episodes that ended, by 1
            where none did. Rewards of the last, unfinished episode count.
    """
    total = np.asarray(record["reward"].sum(1), np.float64)
    if objective == "reward":
        return total
    ended = sum(np.asarray(record[name].sum(1), np.float64) for name in ENDED)
    per_episode: npt.NDArray[np.float64] = total / np.maximum(ended, 1.0)
    return per_episode
