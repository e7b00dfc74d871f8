"""Rollouts that begin by a fixed rule: in which half, and what is refused."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.benchmarks import start_rules
from mgsc.benchmarks.start_rules import half_by, newest, smallest_entries
from mgsc.types import Candidates, Params

OBSERVATIONS = jnp.array([[9.0, 1.0, -1.0], [0.0, -5.0, 0.0], [0.0, 0.0, 3.0], [7.0, 0.0, 0.0]])


def candidates() -> Candidates:
    return Candidates(OBSERVATIONS, jnp.arange(4), jnp.ones(4, bool), age=jnp.array([3, 0, 8, 1]))


@pytest.mark.parametrize(
    ("rule", "half"),
    # Sizes of the last two entries: 2, 5, 3, 0. Ages: 3, 0, 8, 1.
    [(smallest_entries([1, 2]), [0, 3]), (smallest_entries([0]), [1, 2]), (newest, [1, 3])],
)
def test_rollouts_begin_in_the_half_with_the_smallest_numbers(rule, half) -> None:
    control = half_by(rule)(None)
    found = control.weights((), Params((), ()), candidates())
    np.testing.assert_allclose(found, np.where(np.isin(np.arange(4), half), 0.5, 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mbpo-pendulum"], "give a rule: either --entries"),
        (["mbpo-pendulum", "--newest", "--entries", "1"], "give a rule: either --entries"),
        (["mbpo-pendulum", "--entries", "1", "3"], r"--entries 1 3: an observation of this suite is [3]"),
        (["net-cartpole", "--newest"], "mbpo is no agent of this suite"),
        (["no-suite", "--newest"], "no-suite"),
    ],
)
def test_mistakes_are_refused_before_any_work(arguments, message, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr("sys.argv", ["start_rules", *arguments, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stopped:
        start_rules.in_words(start_rules.main)
    assert message in capsys.readouterr().err + str(stopped.value)
    assert not (tmp_path / "out").exists()
