"""What the meta-gradient says of the model's answers and of stored transitions, as time goes by.

``python -m mgsc.benchmarks.answer_credit SUITE AGENT --out DIR`` runs one agent of ``meta_gradient`` with the choice
whether to ask the model (``replays=true``). Of all candidates of a step, alike, it reports the size of the expected TD
error of the model's answer and of the candidate's own transition, and the share of steps in which a little more of d
on the transitions would lower the meta-loss further than on the answers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.watching import print_table, through_time, watched, watched_suite
from mgsc.errors import UserError
from mgsc.experiments import open_result, run
from mgsc.experiments.design.suites import Suite, choose_agents, get_suite
from mgsc.meta_gradient import exact_network
from mgsc.problem import StrategyFacts
from mgsc.search_control import Strategy
from mgsc.search_control.row import StrategyRow
from mgsc.set_option import add_set, parse_changes
from mgsc.types import Array, Candidates, Params, Parts, Transition

EIGHTHS = 8
REPORTS = {
    "answer_error": "size of the expected TD error, the model's answers",
    "stored_error": "the same, stored transitions",
    "stored_helps": "share of steps in which stored transitions lower the meta-loss",
    "answer_helps": "the same, the model's answers",
    "stored_is_better": "share of steps in which stored transitions lower it more",
    "stored_share": "share of d on stored transitions",
}
"""What is reported, and in words."""


def credit_of(step_size: Array | float, planning_updates: Array | int) -> Callable[..., dict[str, Array]]:
    """A measure of ``watching``.

    Args:
        step_size: of the planned updates.
        planning_updates: K.
    """

    def measure(
        parts: Parts, weights: Array, params: Params, candidates: Candidates, transition: Transition
    ) -> dict[str, Array]:
        choice = exact_network.action_choices(parts, params.values, candidates)
        q = exact_network.each_value(parts, params.values, candidates, choice)
        answers = jnp.abs(exact_network.expected_errors(parts, params, candidates, choice, q))
        stored = jnp.abs(exact_network.stored_errors(parts, params, candidates, q))
        _, slopes = exact_network.loss_and_weights_gradient(
            parts, params, candidates, weights, transition, step_size, planning_updates, has_stored=True
        )
        by_answers = jnp.mean(slopes[:, :-1])
        by_stored = jnp.mean(slopes[:, -1])
        number = jnp.result_type(float)
        return {
            "answer_error": jnp.mean(jnp.sum(choice.probability * answers, 1)),
            "stored_error": jnp.mean(jnp.sum(stored, 1)),
            "stored_helps": (by_stored < 0).astype(number),
            "answer_helps": (by_answers < 0).astype(number),
            "stored_is_better": (by_stored < by_answers).astype(number),
        }

    return measure


def suite_with(name: str, agent: str, changes: dict[str, str]) -> Suite:
    """The suite ``name`` with one agent, ``watched``, that is ``agent`` with the choice whether to ask the model.

    Raises:
        UserError: there is no such suite, agent or setting, or its planned updates have no step size of their own.
    """
    if choose_agents(get_suite(name), [agent]).agents[agent].strategy != "meta_gradient":
        raise UserError(f"{agent} of {name} must be an agent of meta_gradient, which is given the choice")

    def watch(suite: Suite, row: StrategyRow[Any]) -> Callable[[object, StrategyFacts], Strategy]:
        options = suite.agents[agent].options
        if options.planned_step_size == 0:
            raise UserError(f"{agent} of {name} must have a planned_step_size above 0")

        def build(settings: object, facts: StrategyFacts) -> Strategy:
            measure = credit_of(options.planned_step_size, facts.planning_updates)
            names = [report for report in REPORTS if report != "stored_share"]
            return watched(row.build(settings, facts), names, measure)

        return build

    return watched_suite(name, agent, {**changes, f"{agent}.replays": "true"}, watch)


def main() -> None:
    """Reads the command line, runs, and prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.answer_credit", description=__doc__)
    parser.add_argument("suite", help="such as net-cartpole-small")
    parser.add_argument("agent", help="whose d it is, such as meta_gradient")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", required=True, help="folder of the result")
    add_set(parser)
    given = parser.parse_args()
    run(suite_with(given.suite, given.agent, parse_changes(given.changes)), seeds=given.seeds, out=given.out)
    eighths = [f"{place} of 8" for place in range(1, EIGHTHS + 1)]
    print_table(through_time(open_result(given.out), REPORTS, EIGHTHS, 2), "", eighths)


if __name__ == "__main__":
    in_words(main)
