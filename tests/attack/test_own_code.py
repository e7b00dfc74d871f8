"""Code of one's own that ends, raises, or gives numbers that are not finite is named."""

from __future__ import annotations

import sys

import jax.numpy as jnp
import numpy as np
import pytest
from tests.experiments.synthetic import synthetic
from tests.quick import compile_quickly

import mgsc
from mgsc.environments.tmaze import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import Suite, diagnose, own_strategy
from mgsc.search_control import from_logits

SMALL = {"steps": 500, "record_every": 50, "measure_every": 50, "environment.switch_every": 500}


def ends(settings, facts):
    sys.exit(7)


def raises(settings, facts):
    raise RuntimeError("no idea")


def of_another_shape(settings, facts):
    return from_logits(lambda state, params, candidates: jnp.zeros(len(candidates.index) + 1))


def breaks(settings, facts):
    def logits(state, params, candidates):
        has_grown = jnp.sum(jnp.abs(params.values)) > 0.8
        return jnp.where(has_grown, jnp.nan, 0.0) * jnp.ones(len(candidates.index))

    return from_logits(logits)


def suite_of(build) -> Suite:
    return Suite("own code", TMazeSettings(stem=1, arm=1), agents={"mine": own_strategy("mine", build)})


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (ends, "build of mine fails: SystemExit: 7"),
        (raises, "build of mine fails: RuntimeError: no idea"),
        (of_another_shape, "the strategy mine fails with its first real transition: "),
    ],
)
def test_issue_own_code_that_fails_is_named(build, words) -> None:
    with pytest.raises(UserError, match=words):
        mgsc.run(suite_of(build), seeds=1, settings=SMALL)


def test_issue_an_own_d_that_is_not_finite_stops_the_run(monkeypatch) -> None:
    compile_quickly(monkeypatch)
    with pytest.raises(UserError, match=r"d of mine is not finite: on seed \d, between steps \d+ and \d+; see"):
        mgsc.run(suite_of(breaks), seeds=2, settings=SMALL)


@pytest.mark.parametrize("chunk", [0, 3])
def test_issue_a_d_that_is_not_finite_is_found(chunk) -> None:
    result = synthetic(("uniform", "no_planning"), num_seeds=2, num_chunks=40)
    d = result["query_distribution"].copy()
    d[0, 1, chunk:] = np.nan
    (finding,) = diagnose(result.assign(query_distribution=d))
    assert (finding.signature, finding.agent, finding.seeds, finding.since) == (
        "not_finite",
        "uniform",
        (1,),
        250 * chunk,
    )
    assert finding.words.startswith("d is not finite in")


def test_an_agent_that_does_not_plan_has_no_d_and_no_finding() -> None:
    assert diagnose(synthetic(("no_planning",), num_seeds=2, num_chunks=40)) == []
