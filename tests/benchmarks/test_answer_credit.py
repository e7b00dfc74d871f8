"""What the meta-gradient says of answers and stored transitions: that watching changes nothing, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mgsc.benchmarks import answer_credit
from mgsc.benchmarks.answer_credit import EIGHTHS, REPORTS, suite_with
from mgsc.benchmarks.watching import through_time
from mgsc.experiments import run
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite

SHORT = {"steps": "400", "record_every": "50", "measure_every": "25", "environment.switch_every": "100"}


@pytest.mark.slow
def test_an_agent_that_is_watched_does_what_it_does() -> None:
    changes = {**SHORT, "meta_gradient.replays": "true"}
    theirs = run(change_suite(choose_agents(get_suite("net-tmaze"), ["meta_gradient"]), changes), seeds=1)
    mine = run(suite_with("net-tmaze", "meta_gradient", SHORT), seeds=1)
    for name in ("reward", "stored_share", "meta_loss"):
        np.testing.assert_array_equal(mine[name].values, theirs[name].values)
    table = through_time(mine, REPORTS, EIGHTHS, 2)
    assert list(table) == list(REPORTS.values())
    assert {len(row) for row in table.values()} == {EIGHTHS}
    for name in ("stored_helps", "answer_helps", "stored_is_better"):
        assert ((mine[name] >= 0) & (mine[name] <= 1)).all()
    assert (mine["stored_error"] > 0).all()


@pytest.mark.parametrize(
    ("suite", "agent", "message"),
    [
        ("net-tmaze", "uniform", "uniform of net-tmaze must be an agent of meta_gradient"),
        ("cartpole", "meta_gradient", "meta_gradient of cartpole must have a planned_step_size above 0"),
        ("net-tmaze", "meta_gardient", "unknown agent 'meta_gardient'; did you mean 'meta_gradient'?"),
    ],
)
def test_mistakes_are_refused_before_any_work(suite, agent, message, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr("sys.argv", ["answer_credit", suite, agent, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stopped:
        answer_credit.in_words(answer_credit.main)
    assert message in capsys.readouterr().err + str(stopped.value)
    assert not (tmp_path / "out").exists()
