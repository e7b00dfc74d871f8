"""What the meta-gradient says of the model's answers and of stored transitions, as time goes by.

``python -m mgsc.benchmarks.answer_credit SUITE AGENT --out DIR`` runs one agent of ``meta_gradient`` with the choice
whether to ask the model (``replays=true``). Of all candidates of a step, alike, it reports the size of the model's
expected TD error at the pair of state and action that is stored, and that of the stored transition itself; and the
sign of the meta-loss's derivative by the weight of all answers, and of all stored transitions, before the softmax: in
how many steps more weight there, added and not moved, would lower the loss. ``stored_is_better`` compares the two, so
it is of weight that is moved. Over pairs of state and action the answers of all actions count alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.watching import run_and_print, through_time, watched, watched_suite
from mgsc.errors import UserError
from mgsc.experiments.design.suites import Suite, choose_agents, get_suite
from mgsc.meta_gradient import exact_network
from mgsc.problem import StrategyFacts
from mgsc.search_control import Strategy
from mgsc.search_control.candidate_signals import experience_of
from mgsc.search_control.meta_gradient_row import MetaGradientSettings, planned_step_size
from mgsc.search_control.row import StrategyRow
from mgsc.set_option import add_set, parse_changes
from mgsc.types import Array, Candidates, Params, Parts, Transition

EIGHTHS = 8
MEASURED = {
    "answer_error": "size of the expected TD error, the model's answers",
    "stored_error": "size of the TD error, stored transitions",
    "answer_helps": "share of steps in which the model's answers lower the meta-loss",
    "stored_helps": "share of steps in which stored transitions lower it",
    "stored_is_better": "share of steps in which stored transitions lower it more",
}
"""What is measured, and in words."""

SHOWN = {**MEASURED, "stored_share": "share of d on stored transitions"}


def credit_of(settings: MetaGradientSettings, facts: StrategyFacts) -> Callable[..., dict[str, Array]]:
    """A measure of ``watching``, of the agent's own meta-loss."""

    def measure(
        parts: Parts, weights: Array, params: Params, candidates: Candidates, transition: Transition
    ) -> dict[str, Array]:
        choice = exact_network.action_choices(parts, params.values, candidates)
        q = exact_network.each_value(parts, params.values, candidates, choice)
        stored = exact_network.stored_errors(parts, params, candidates, q)
        is_stored = experience_of(candidates).action[:, None] == jnp.arange(q.shape[1])
        answers = jnp.where(is_stored, exact_network.expected_errors(parts, params, candidates, choice, q), 0)
        _, slopes = exact_network.loss_and_weights_gradient(
            parts,
            params,
            candidates,
            weights,
            transition,
            planned_step_size(settings, facts),
            facts.planning_updates,
            form=settings.form,
            origin=settings.target,
            has_stored=True,
        )
        by_answers, by_stored = jnp.mean(slopes[:, :-1]), jnp.mean(slopes[:, -1])
        number = jnp.result_type(float)
        return {
            "answer_error": jnp.mean(jnp.sum(jnp.abs(answers), 1)),
            "stored_error": jnp.mean(jnp.sum(jnp.abs(stored), 1)),
            "answer_helps": (by_answers < 0).astype(number),
            "stored_helps": (by_stored < 0).astype(number),
            "stored_is_better": (by_stored < by_answers).astype(number),
        }

    return measure


def suite_with(name: str, agent: str, changes: dict[str, str]) -> Suite:
    """The suite ``name`` with one agent, ``watched``, that is ``agent`` with the choice whether to ask the model.

    Raises:
        UserError: there is no such suite, agent or setting; the agent cannot have that choice; or it is taken away.
    """
    if choose_agents(get_suite(name), [agent]).agents[agent].strategy != "meta_gradient":
        raise UserError(f"{agent} of {name} must be an agent of meta_gradient, which is given the choice")
    if any(key.endswith("replays") for key in changes):
        raise UserError("replays is true of every agent that is watched: leave it out of --set")

    def watch(suite: Suite, row: StrategyRow[Any]) -> Callable[[Any, StrategyFacts], Strategy]:
        experience = suite.agents[agent].options.experience
        if experience != "one":
            raise UserError(f"{agent}.experience is {experience}: the meta-loss that is watched is of one transition")

        def build(settings: MetaGradientSettings, facts: StrategyFacts) -> Strategy:
            return watched(row.build(settings, facts), tuple(MEASURED), credit_of(settings, facts))

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
    suite = suite_with(given.suite, given.agent, parse_changes(given.changes))
    eighths = [f"{place} of {EIGHTHS}" for place in range(1, EIGHTHS + 1)]
    run_and_print(suite, given.seeds, given.out, lambda result: through_time(result, SHOWN, EIGHTHS, 2), "", eighths)


if __name__ == "__main__":
    in_words(main)
