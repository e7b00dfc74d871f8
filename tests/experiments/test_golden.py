"""Short runs of every agent against the numbers committed in ``golden.json`` (see ``golden.py``)."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import pytest
from scipy import stats
from tests.experiments import golden, programs

from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.running.run import run_suite

IN_SHORT = (*programs.AGENTS, *programs.COMPARED_IN_SHORT)
OTHERS = [name for name in programs.COMPARED if name not in IN_SHORT]
EACH = pytest.mark.parametrize("name", [*IN_SHORT, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
KNOWN = json.loads(golden.PATH.read_text())


@functools.cache
def summary(name):
    return golden.summary(name)


@EACH
def test_numbers_are_those_of_before(name):
    if golden.environment() != KNOWN["environment"]:
        pytest.skip(f"golden numbers are of {KNOWN['environment']}")
    found, known = summary(name)["exact"], KNOWN["agents"][name]["exact"]
    assert set(found) == set(known)
    for key in known:
        np.testing.assert_allclose(found[key], known[key], rtol=1e-5, atol=1e-6, err_msg=key)


@EACH
def test_mean_rewards_are_those_of_before_up_to_chance(name):
    """On any machine and version; the difference of two means of 16 seeds."""
    found, known = summary(name), KNOWN["agents"][name]
    error = math.hypot(found["standard_error"], known["standard_error"])
    assert abs(found["mean"] - known["mean"]) < 4 * error


def test_every_agent_has_its_numbers():
    assert set(KNOWN["agents"]) == {*programs.AGENTS, *programs.COMPARED}
    assert all(agent["standard_error"] > 0 for agent in KNOWN["agents"].values())


@pytest.fixture(scope="module")
def prototype_settings():
    """MGSC on the whole stale TMaze with the settings of ``method.md``, 30 seeds."""
    suite = change_suite(
        get_suite("tmaze-fixed"),
        {
            "meta_gradient.step_size": 0.7,
            "meta_gradient.meta_step_size": 0.03,
            "meta_gradient.entropy_bonus": 0.0,
        },
    )
    suite = choose_agents(suite, ["meta_gradient"])
    return run_suite("tmaze-fixed", suite, Seeds(30)).sel(agent="meta_gradient")


@pytest.mark.slow
def test_total_reward_is_that_of_the_independent_prototype(prototype_settings):
    """``method.md``: 2837 ± 60, a 95 % half-width over 30 other seeds."""
    totals = prototype_settings.reward.sum("chunk").values
    their_error = 60 / stats.t.ppf(0.975, df=29)
    error = math.hypot(their_error, totals.std(ddof=1) / np.sqrt(len(totals)))
    assert abs(totals.mean() - 2837) < 3 * error


@pytest.mark.slow
def test_mass_on_wrong_states_is_that_of_the_independent_figure(prototype_settings):
    """``definitions.md``: 3.2 % while the model is wrong; uniform has 2/13 = 15.4 %."""
    wrong = prototype_settings.is_model_wrong
    mass = prototype_settings.wrong_mass.where(wrong, drop=True).mean("chunk").values
    # Their settings and error are not known: the error is taken to be ours.
    error = math.sqrt(2) * mass.std(ddof=1) / np.sqrt(len(mass))
    assert abs(mass.mean() - 0.032) < 3 * error
    assert mass.mean() < 0.04
    uniform = prototype_settings.uniform_wrong_mass.where(wrong, drop=True)
    np.testing.assert_allclose(uniform, 2 / 13, rtol=1e-6)
