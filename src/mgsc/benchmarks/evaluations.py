"""Evaluation returns of a result in which actions are numbers: ``python -m mgsc.benchmarks.evaluations DIR``.

Means over seeds with their 95 % interval (Student's t): of all evaluations, of the last ones, of the paired
differences of both to another agent, and of the model's error where rollouts began over its error on all candidates.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
import xarray as xr

from mgsc.benchmarks.in_words import in_words
from mgsc.errors import UserError
from mgsc.experiments import open_result
from mgsc.experiments.reading.statistics import NOTHING, Interval, mean_interval
from mgsc.experiments.reading.table_text import markdown_lines

BY_SEED = ("agent", "seed", "chunk")

COLUMNS = (
    "agent",
    "all evaluations",
    "difference",
    "last",
    "difference",
    "seeds at the bar",
    "median step",
    "spread of d",
    "error ratio",
)


class Evaluation(NamedTuple):
    """Evaluation returns of one agent: means over seeds with their intervals.

    Attributes:
        whole: of all evaluations of a run.
        late: of the last ones.
        difference: of all of them, less the baseline's on the same seed.
        late_difference: of the last ones, likewise.
        reached: seeds with an evaluation of at least the bar; ``step`` the median of the first such steps, NaN where
            fewer than half of the seeds have one.
        spread: candidates that d was spread over.
        error_ratio: the model's error under d over that on all candidates.
    """

    agent: str
    whole: Interval
    late: Interval
    difference: Interval
    late_difference: Interval
    reached: int
    step: float
    spread: float
    error_ratio: Interval


def read_evaluations(
    result: xr.Dataset, *, last: int = 1, bar: float | None = None, baseline: str | None = None
) -> list[Evaluation]:
    """The evaluations of each agent of a result.

    Args:
        result: of a suite in which actions are numbers.
        last: how many evaluations are the last ones.
        bar: a return; None for none.
        baseline: agent that the others are compared with; None for the first one.

    Raises:
        UserError: a result without evaluations, an unknown baseline, or more last evaluations than there are.
    """
    if "evaluation_return" not in result:
        raise UserError("this result has no evaluations: its suite has actions that are numbered")
    returns = result["evaluation_return"].transpose(*BY_SEED)
    names = [str(name) for name in returns["agent"].values]
    other = names[0] if baseline is None else baseline
    if other not in names:
        raise UserError(f"no agent {other} in this result: it has {', '.join(names)}")
    if not 1 <= last <= returns.sizes["chunk"]:
        raise UserError(f"--last is {last}: this result has {returns.sizes['chunk']} evaluations")
    return [_read(result, returns, name, other, last, np.inf if bar is None else bar) for name in names]


def _read(result: xr.Dataset, returns: xr.DataArray, agent: str, other: str, last: int, bar: float) -> Evaluation:
    own, theirs = returns.sel(agent=agent).values, returns.sel(agent=other).values
    is_there = own >= bar
    first = np.where(is_there.any(1), result["step"].values[is_there.argmax(1)], np.inf)
    median = float(np.median(first))
    spread, ratio = np.nan, NOTHING
    if "effective_candidates" in result:
        spread = float(result["effective_candidates"].sel(agent=agent).mean())
    if "start_model_error" in result:
        errors = [
            result[name].sel(agent=agent).mean("chunk").values
            for name in ("start_model_error", "candidate_model_error")
        ]
        ratio = mean_interval(errors[0] / errors[1])
    return Evaluation(
        agent=agent,
        whole=mean_interval(own.mean(1)),
        late=mean_interval(own[:, -last:].mean(1)),
        difference=mean_interval(own.mean(1) - theirs.mean(1)),
        late_difference=mean_interval((own - theirs)[:, -last:].mean(1)),
        reached=int(is_there.any(1).sum()),
        step=median if np.isfinite(median) else np.nan,
        spread=spread,
        error_ratio=ratio,
    )


def _words(interval: Interval, digits: int = 0) -> str:
    half = (interval.high - interval.low) / 2
    return f"{interval.estimate:,.{digits}f} ± {half:,.{digits}f}"


def main() -> None:
    """Reads the command line and prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.evaluations", description=__doc__)
    parser.add_argument("dir", help="result folder")
    parser.add_argument("--last", type=int, default=1, help="how many evaluations are the last ones")
    parser.add_argument("--bar", type=float, help="a return: which seeds reach it, and when")
    parser.add_argument("--baseline", help="agent the others are compared with (default the first)")
    parser.add_argument("--digits", type=int, default=0, help="digits of a return behind the point")
    given = parser.parse_args()
    found = read_evaluations(open_result(given.dir), last=given.last, bar=given.bar, baseline=given.baseline)
    rows = []
    for one in found:
        returns = (one.whole, one.difference, one.late, one.late_difference)
        columns = [one.agent, *(_words(each, given.digits) for each in returns)]
        columns += [str(one.reached), f"{one.step:,.0f}", f"{one.spread:.0f}", _words(one.error_ratio, 2)]
        rows.append(columns)
    print("\n".join(markdown_lines(COLUMNS, [place > 0 for place in range(len(COLUMNS))], rows)))


if __name__ == "__main__":
    in_words(main)
