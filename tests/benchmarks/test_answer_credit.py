"""What the meta-gradient says of answers and stored transitions: that watching changes nothing, and what is refused."""

from __future__ import annotations

import types

import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.benchmarks import answer_credit
from mgsc.benchmarks.answer_credit import EIGHTHS, SHOWN, suite_with
from mgsc.benchmarks.watching import check_records, through_time
from mgsc.errors import UserError
from mgsc.experiments import run
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.search_control.meta_gradient_row import MetaGradientSettings

SHORT = {"steps": "400", "record_every": "50", "measure_every": "25", "environment.switch_every": "100"}


@pytest.mark.slow
def test_an_agent_that_is_watched_does_what_it_does() -> None:
    changes = {**SHORT, "meta_gradient.replays": "true"}
    theirs = run(change_suite(choose_agents(get_suite("net-tmaze"), ["meta_gradient"]), changes), seeds=1)
    mine = run(suite_with("net-tmaze", "meta_gradient", SHORT), seeds=1)
    for name in ("reward", "stored_share", "meta_loss"):
        np.testing.assert_array_equal(mine[name].values, theirs[name].values)
    table = through_time(mine, SHOWN, EIGHTHS, 2)
    assert list(table) == list(SHOWN.values())
    assert {len(row) for row in table.values()} == {EIGHTHS}
    assert mine["stored_error"].values[..., -1] > 0
    assert mine["answer_error"].values[..., -1] > 0


@pytest.mark.parametrize(
    ("answers", "stored", "found"), [(-1.0, -2.0, (1, 1, 1)), (-1.0, 0.5, (1, 0, 0)), (0.5, 0.2, (0, 0, 1))]
)
def test_signs_are_of_the_derivatives_by_the_weights(answers, stored, found, monkeypatch) -> None:
    """The derivatives themselves are tested with ``exact_network``; here they are given."""
    own = jnp.array([[0.0, 3.0], [-1.0, 0.0]])
    given = {
        "action_choices": lambda *asked: None,
        "each_value": lambda *asked: jnp.zeros((2, 2)),
        "stored_errors": lambda *asked: own,
        "expected_errors": lambda *asked: jnp.array([[5.0, -1.0], [1.0, 7.0]]),
        "loss_and_weights_gradient": lambda *asked, **more: (0.0, jnp.array([[answers, stored], [answers, stored]])),
    }
    for name, function in given.items():
        monkeypatch.setattr(answer_credit.exact_network, name, function)
    facts = types.SimpleNamespace(step_size=0.1, planning_updates=5)
    params = types.SimpleNamespace(values=None)
    candidates = types.SimpleNamespace(experience=types.SimpleNamespace(action=jnp.array([1, 0])))
    numbers = answer_credit.credit_of(MetaGradientSettings(), facts)(None, None, params, candidates, None)
    assert (numbers["answer_helps"], numbers["stored_helps"], numbers["stored_is_better"]) == found
    assert numbers["stored_error"] == 2.0
    assert numbers["answer_error"] == 1.0  # at the same two pairs


def test_the_agent_that_is_watched_keeps_its_settings() -> None:
    changes = {"meta_gradient.planning_updates": "2", "meta_gradient.initial_value": "1.5"}
    agent = suite_with("net-tmaze", "meta_gradient", changes).agents["watched"]
    assert (agent.planning_updates, agent.initial_value) == (2, 1.5)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("replays", "false", "replays is true of every agent that is watched"),
        ("experience", "recent", "meta_gradient.experience is recent"),
    ],
)
def test_what_is_watched_is_not_changed(key, value, message) -> None:
    with pytest.raises(UserError, match=message):
        suite_with("net-tmaze", "meta_gradient", {f"meta_gradient.{key}": value})


def test_a_run_with_too_few_records_is_refused() -> None:
    suite = suite_with("net-tmaze", "meta_gradient", SHORT)
    with pytest.raises(UserError, match="the run has 8 records, and 9 are needed"):
        check_records(suite, 9)


@pytest.mark.parametrize(
    ("suite", "agent", "message"),
    [
        ("net-tmaze", "uniform", "uniform of net-tmaze must be an agent of meta_gradient"),
        ("cartpole", "meta_gradient", "meta_gradient needs stored transitions, which this suite has not"),
        ("mbpo-pendulum", "mbpo_meta_gradient", "meta_gradient needs discrete actions, which this suite has not"),
        ("net-tmaze", "meta_gardient", "unknown agent 'meta_gardient'; did you mean 'meta_gradient'?"),
    ],
)
def test_mistakes_are_refused_before_any_work(suite, agent, message, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr("sys.argv", ["answer_credit", suite, agent, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stopped:
        answer_credit.in_words(answer_credit.main)
    assert message in capsys.readouterr().err + str(stopped.value)
    assert not (tmp_path / "out").exists()
