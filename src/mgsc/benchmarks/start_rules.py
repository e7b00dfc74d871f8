"""Rollouts that begin by a fixed rule, to find out why others gain: ``python -m mgsc.benchmarks.start_rules SUITE``.

Of the candidates of each step they begin in one half: where some entries of the observation are smallest, such as the
speeds of joints (``--entries 6 7``), or in the newest (``--newest``). The result is like that of ``mgsc run``.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence

import jax.numpy as jnp

from mgsc.benchmarks.in_words import in_words
from mgsc.errors import UserError
from mgsc.experiments import own_strategy, run
from mgsc.experiments.design.suites import Suite, choose_agents, get_suite
from mgsc.problem import StrategyFacts
from mgsc.search_control import Strategy, from_logits
from mgsc.search_control.candidate_signals import age_of, logits_of_smallest
from mgsc.types import Array, Candidates, Params, PyTree

Rule = Callable[[Candidates], Array]
"""``(candidates) -> [N]`` numbers; rollouts begin where they are below their median."""


def smallest_entries(entries: Sequence[int]) -> Rule:
    """The sum of the sizes of some entries of a flat observation."""
    return lambda candidates: jnp.abs(candidates.observation[:, jnp.asarray(entries)]).sum(1)


def newest(candidates: Candidates) -> Array:
    """The age of the candidates' transitions [real steps]."""
    return age_of(candidates).astype(jnp.result_type(float))


def half_by(rule: Rule) -> Strategy:
    """A d that is uniform over the half of the candidates with the smallest numbers; equals share a rank."""

    def logits(state: PyTree, params: Params, candidates: Candidates) -> Array:
        del state, params
        return logits_of_smallest(rule(candidates), 0.5)

    return from_logits(logits)


def suite_with(name: str, rule: Rule, baseline: str = "mbpo") -> Suite:
    """The suite ``name`` with one agent, ``half``, of the baseline's step size.

    Raises:
        UserError: there is no such suite, or it has no such agent.
    """
    suite = choose_agents(get_suite(name), [baseline])

    def build(settings: object, facts: StrategyFacts) -> Strategy:
        del settings, facts
        return half_by(rule)

    agent = dataclasses.replace(own_strategy("half", build), step_size=suite.agents[baseline].step_size)
    return dataclasses.replace(suite, agents={"half": agent})


def main() -> None:
    """Reads the command line, and runs."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.start_rules", description=__doc__)
    parser.add_argument("suite", help="whose rollouts they are, such as mbpo-reacher-changing")
    parser.add_argument("--entries", type=int, nargs="+", help="entries of the observation")
    parser.add_argument("--newest", action="store_true", help="by age")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", required=True, help="folder of the result")
    given = parser.parse_args()
    if given.newest == (given.entries is not None):
        raise UserError("give a rule: either --entries NUMBER ... or --newest")
    suite = suite_with(given.suite, newest if given.newest else smallest_entries(given.entries))
    _check_entries(suite, given.entries or ())
    run(suite, seeds=given.seeds, first_seed=given.first_seed, out=given.out)


def _check_entries(suite: Suite, entries: Sequence[int]) -> None:
    from mgsc.experiments.running.build import build_problem

    shape = build_problem(suite).facts.observation.shape
    if len(shape) != 1 or not all(0 <= entry < shape[0] for entry in entries):
        raise UserError(f"--entries {' '.join(map(str, entries))}: an observation of this suite is {list(shape)}")


if __name__ == "__main__":
    in_words(main)
