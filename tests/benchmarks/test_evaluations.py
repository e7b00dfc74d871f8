"""The table of evaluation returns, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mgsc.benchmarks import evaluations
from mgsc.benchmarks.evaluations import BY_SEED, read_evaluations
from mgsc.benchmarks.in_words import in_words
from mgsc.errors import UserError

RESULT = xr.Dataset(
    {
        "evaluation_return": (BY_SEED, [[[0.0, 2.0, 4.0], [0.0, 0.0, 6.0]], [[4.0, 5.0, 6.0], [1.0, 1.0, 1.0]]]),
        "effective_candidates": (BY_SEED, np.full((2, 2, 3), 8.0)),
        "start_model_error": (BY_SEED, [[[1.0] * 3, [3.0] * 3], [[np.nan] * 3] * 2]),
        "candidate_model_error": (BY_SEED, [[[2.0] * 3] * 2, [[np.nan] * 3] * 2]),
    },
    coords={"agent": ["mbpo", "sac"], "seed": [0, 1], "step": ("chunk", [10, 20, 30])},
)


def test_evaluations_by_hand() -> None:
    """Means of the seeds are 2 and 2, and 5 and 1; ratios of the errors 1/2 and 3/2."""
    mbpo, sac = read_evaluations(RESULT, last=2, bar=4.0)
    assert (mbpo.whole.estimate, mbpo.late.estimate, mbpo.difference.estimate) == (2, 3, 0)
    assert (sac.whole.estimate, sac.late.estimate, sac.difference.estimate) == (3, (5.5 + 1) / 2, 1)
    # Of two seeds t is 12.706, and the standard error of 5 and 1 is 2.
    np.testing.assert_allclose(sac.whole.high - sac.whole.low, 2 * 12.7062 * 2, rtol=1e-4)
    assert (mbpo.reached, mbpo.step) == (2, 30)
    assert sac.reached == 1
    assert np.isnan(sac.step), "the other seed never comes there"
    assert (mbpo.spread, mbpo.error_ratio.estimate) == (8, 1)
    assert np.isnan(sac.error_ratio.estimate)
    assert read_evaluations(RESULT, baseline="sac")[0].difference.estimate == -1
    assert read_evaluations(RESULT, baseline="sac", last=1)[0].late_difference.estimate == 1.5


@pytest.mark.parametrize(("given", "words"), [((), "| sac | 3 ± 25 |"), (("--digits", "2"), "| sac | 3.00 ± 25.41 |")])
def test_small_returns_have_digits(monkeypatch, capsys, given, words) -> None:
    monkeypatch.setattr(evaluations, "open_result", lambda folder: RESULT)
    monkeypatch.setattr("sys.argv", ["evaluations", "folder", *given])
    evaluations.main()
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("result", "settings", "words"),
    [
        (RESULT.drop_vars("evaluation_return"), {}, "no evaluations"),
        (RESULT, {"baseline": "nobody"}, "it has mbpo, sac"),
        (RESULT, {"last": 4}, "--last is 4: this result has 3"),
    ],
)
def test_what_cannot_be_read_is_refused(result: xr.Dataset, settings: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_evaluations(result, **settings)


def test_an_error_of_the_user_is_a_line(tmp_path, capsys) -> None:
    def reads() -> None:
        evaluations.open_result(tmp_path / "nothing")

    with pytest.raises(SystemExit) as ended:
        in_words(reads)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"mgsc: there is no folder {tmp_path / 'nothing'}\n"
