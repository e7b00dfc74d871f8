"""What a strategy reports of itself: recorded, merged, and shown as a figure."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from tests.quick import compile_quickly

import mgsc
from mgsc.errors import UserError
from mgsc.experiments import own_strategy
from mgsc.experiments.design.suites import choose_agents, get_suite
from mgsc.experiments.figures import draw_figures
from mgsc.experiments.report.measures import measures_of
from mgsc.experiments.store.combine import merge_datasets
from mgsc.search_control import from_logits

WEIGHTS = {"policy_weight": 0.8, "td_error_weight": 1.0, "pair_error_weight": 20.0, "novelty_weight": 0.5}
"""Those of ``constant_priority``: they stay as they begin."""


def result(agent: str) -> xr.Dataset:
    suite = choose_agents(get_suite("compare-tmaze-fixed"), [agent])
    suite = dataclasses.replace(suite, steps=500, record_every=250)
    return mgsc.run(suite, seeds=2)


@pytest.fixture(scope="module")
def both() -> list[xr.Dataset]:
    with pytest.MonkeyPatch.context() as patch:
        compile_quickly(patch)
        return [result("uniform"), result("constant_priority")]


def test_weights_are_recorded_through_time(both: list[xr.Dataset]) -> None:
    uniform, constant = both
    for name, weight in WEIGHTS.items():
        assert name not in uniform
        assert constant[name].dims == ("agent", "seed", "chunk")
        np.testing.assert_allclose(constant[name].values, weight, rtol=1e-4)
    assert set(WEIGHTS) <= {measure.name for measure in measures_of(constant)}


def test_results_with_and_without_reports_merge(both: list[xr.Dataset]) -> None:
    for order in (both, both[::-1]):
        merged = merge_datasets(order)
        for name, weight in WEIGHTS.items():
            np.testing.assert_allclose(merged[name].sel(agent="constant_priority").values, weight, rtol=1e-4)
            assert np.isnan(merged[name].sel(agent="uniform").values).all()
            assert merged[name].attrs == both[1][name].attrs


def test_the_figure_has_a_panel_for_each(both: list[xr.Dataset]) -> None:
    uniform, constant = both
    assert "learned" not in draw_figures(uniform)
    figure = draw_figures(merge_datasets([uniform, constant]))["learned"]()
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert sorted(titles) == ["Novelty weight", "Pair error weight", "Policy weight", "TD error weight"]
    lines = {axes.get_title(loc="left"): axes.lines for axes in figure.axes}["Pair error weight"]
    assert any(np.allclose(line.get_ydata(), 20.0) for line in lines if len(line.get_ydata()) == 2)


@pytest.mark.parametrize(("reports", "words"), [(("temperature",), "observe does not give"), (("reward",), "reward")])
def test_reports_of_ones_own_are_checked_first(
    reports: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_quickly(monkeypatch)

    def build(settings, facts):
        return from_logits(lambda state, params, candidates: jnp.zeros(len(candidates.index)), reports=reports)

    suite = choose_agents(get_suite("tmaze-fixed"), ["uniform"])
    agents = {"mine": own_strategy("mine", build)}
    with pytest.raises(UserError, match=words):
        mgsc.run(dataclasses.replace(suite, steps=500, agents=agents), seeds=1)
