"""What a d prefers: its differences from all candidates, that watching changes nothing, and what is refused."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from mgsc.benchmarks import start_preferences
from mgsc.benchmarks.start_preferences import by_quarter, preference, suite_with
from mgsc.experiments import run
from mgsc.experiments.design.suites import choose_agents, get_suite

AGENT = "mbpo_meta_gradient_features"


def test_a_preference_is_a_difference_of_means_in_standard_deviations() -> None:
    numbers = jnp.array([1.0, 2.0, 3.0, 6.0])  # mean 3, variance 3.5
    np.testing.assert_allclose(preference(jnp.array([0.0, 0.0, 0.0, 1.0]), numbers), 3 / np.sqrt(3.5), rtol=1e-6)
    np.testing.assert_allclose(preference(jnp.full(4, 0.25), numbers), 0, atol=1e-6)
    assert preference(jnp.array([1.0, 0.0, 0.0, 0.0]), jnp.full(4, 7.0)) == 0


def test_quarters_are_means_over_a_quarter_of_the_chunks_and_over_seeds() -> None:
    chunks = np.array([[0.0, 2.0, 1.0, 4.0, 4.0, 4.0, 5.0, 5.0, 6.0, 8.0]] * 2)  # 3, 3, 2 and 2 of them
    result = xr.Dataset({"prefers_age": (("agent", "seed", "chunk"), chunks[None])}, {"agent": ["watched"]})
    expected = ["1.00 (1.00 … 1.00)", "4.00 (4.00 … 4.00)", "5.00 (5.00 … 5.00)", "7.00 (7.00 … 7.00)"]
    assert by_quarter(result) == {"age": expected}


@pytest.mark.slow
def test_an_agent_that_is_watched_does_what_it_does() -> None:
    suite = dataclasses.replace(get_suite("mbpo-pendulum"), steps=500)
    watched = dataclasses.replace(suite_with("mbpo-pendulum", AGENT), steps=500)
    theirs = run(choose_agents(suite, [AGENT]), seeds=1)
    mine = run(watched, seeds=1)
    for name in ("reward", "start_age", "evaluation_return", "effective_candidates"):
        np.testing.assert_array_equal(mine[name].values, theirs[name].values)
    names = {name for name in mine.data_vars if str(name).startswith("prefers_")}
    assert names == {
        *(f"prefers_entry_{place}" for place in range(3)),
        *(f"prefers_{name}" for name in ("value", "td_error", "reward", "age")),
    }
    assert all(np.isfinite(mine[name].values).all() for name in names)


@pytest.mark.parametrize(
    ("suite", "agent", "message"),
    [
        ("mbpo-pendulum", "sac", "sac of mbpo-pendulum begins no rollouts"),
        ("net-cartpole", "meta_gradient", "meta_gradient of net-cartpole begins no rollouts"),
        ("mbpo-pendulum", "mbop", "unknown agent 'mbop'; did you mean 'mbpo'?"),
        ("no-suite", "mbpo", "no-suite"),
    ],
)
def test_mistakes_are_refused_before_any_work(suite, agent, message, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr("sys.argv", ["start_preferences", suite, agent, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stopped:
        start_preferences.in_words(start_preferences.main)
    assert message in capsys.readouterr().err + str(stopped.value)
    assert not (tmp_path / "out").exists()
