"""What the page holds of a result is what the result holds."""

import json
import re

import numpy as np
import pytest
from tests.experiments.report import unpacking
from tests.experiments.report.results import shown
from tests.experiments.synthetic import AGENTS, synthetic, with_learned_model

from mgsc.experiments.design.quantities import EPISODES
from mgsc.experiments.figures.style import styles
from mgsc.experiments.reading import analysis
from mgsc.experiments.reading.sections import sections
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.report.arrays import Scale
from mgsc.experiments.report.data import core_layer, seeds_layer
from mgsc.experiments.report.describe import describe_suite
from mgsc.experiments.report.find import Found
from mgsc.experiments.report.measures import TABLE, measures_of

ENOUGH = 10**9


@pytest.fixture(scope="module")
def result():
    return shown()


def core_of(dataset):
    layer = core_layer(dataset)
    return unpacking.arrays(layer.data, layer.entries)


def seeds_of(dataset, limit=ENOUGH):
    layer = seeds_layer(dataset, limit)
    assert layer is not None
    return unpacking.arrays(layer.data, layer.entries), layer


def test_d_is_the_mean_and_absent_where_an_agent_does_not_plan(result) -> None:
    stored = core_of(result)["d"]  # [agent, state, chunk]
    mean = result["query_distribution"].mean("seed").transpose("agent", "state", "chunk").values
    assert np.isnan(stored[0]).all()
    assert not np.isnan(stored[1:]).any()
    assert np.abs(stored[1:] - mean[1:]).max() <= Scale(0, mean[1:].max(), 2).largest_error("u2") + 1e-7


def test_every_seed_is_there_at_every_chunk_if_there_is_room(result) -> None:
    stored, layer = seeds_of(result)
    assert layer.stride == 1
    for name, variable, power in (("d", "query_distribution", 2), ("value", "state_value", 1)):
        values = result[variable].transpose("agent", "seed", "state", "chunk").values
        scale = Scale(0 if power == 2 else float(np.nanmin(values)), float(np.nanmax(values)), power)
        assert np.array_equal(np.isnan(stored[name]), np.isnan(values))
        assert np.nanmax(np.abs(stored[name] - values)) <= scale.largest_error("u1") + 1e-6
    actions = result["greedy_action"].transpose("agent", "seed", "state", "chunk").values
    assert (stored["action"] == actions).all()


def test_without_room_seeds_are_thinned_in_time_and_then_left_out(result) -> None:
    full, layer = seeds_of(result)
    thinned, thin = seeds_of(result, len(layer.data) - 1)
    assert thin.stride > 1
    assert len(thin.data) < len(layer.data)
    error = np.abs(thinned["d"] - full["d"][..., :: thin.stride])  # the two have scales of their own
    assert np.nanmax(error) <= 2 * Scale(0, np.nanmax(full["d"]), 2).largest_error("u1")
    assert seeds_layer(result, 10) is None
    assert seeds_layer(result.isel(seed=[0]), ENOUGH) is None


def test_policy_shares_are_those_of_the_seeds(result) -> None:
    """Of four seeds, numbers 0 and 3 go left in the bar; all go up in the stem; none at the ends."""
    shares = core_of(result)["policy"]  # [agent, action, state, chunk]
    row = result["state_row"].values
    is_candidate = result["is_candidate"].values
    bar, stem = (row == 0) & is_candidate, row > 0
    within = Scale(0, 1).largest_error("u1") + 1e-9
    assert np.abs(shares[:, :, bar] - np.array([0, 0, 0.5, 0.5])[:, None, None]).max() <= within
    assert np.abs(shares[:, :, stem] - np.array([1, 0, 0, 0])[:, None, None]).max() <= within
    assert (shares[:, :, ~is_candidate] == 0).all()


def test_curves_are_means_with_the_intervals_of_the_analysis(result) -> None:
    found = core_of(result)
    per_step = result["reward"].sel(agent="replay").values / 250
    expected = np.array([mean_interval(column) for column in per_step.T]).T
    assert np.allclose(found["curve/reward"][AGENTS.index("replay")], expected, rtol=1e-6)
    assert np.allclose(found["reference/reward"], result["optimal_reward"].values / 250)
    assert np.isnan(found["curve/meta_loss"][0]).all()
    assert np.isfinite(found["curve/meta_loss"][-1]).all()
    entropy = result["entropy"].sel(agent="replay").mean("seed").values
    assert np.allclose(found["curve/entropy"][AGENTS.index("replay"), 0], entropy, rtol=1e-6)


def test_every_measure_of_the_result_is_shown_known_or_not(result) -> None:
    names = [measure.name for measure in measures_of(result)]
    assert names == [*(measure.name for measure in TABLE if measure.name in result), "surprise_of_model"]
    assert {measure.name for measure in TABLE} - set(names) == {*EPISODES, "effective_candidates"}
    unlisted = measures_of(result)[-1]
    assert (unlisted.title, unlisted.unit) == ("Surprise of model", "bits")
    without = result.assign(meta_loss=result["meta_loss"] * np.nan)
    assert "meta_loss" not in [measure.name for measure in measures_of(without)]


def test_what_a_result_lacks_is_left_out() -> None:
    dataset = synthetic(num_seeds=2, num_chunks=4)
    dataset = dataset.drop_vars(["state_value", "greedy_action", "goal_reward", "start"])
    assert not {"value", "policy"} & set(core_of(dataset))
    assert set(seeds_of(dataset)[0]) == {"d"}
    states = describe_suite(Found("any", dataset))["states"]
    assert states["goalReward"] is None
    assert states["start"] is None


def test_words_and_numbers_are_those_of_the_analysis(result) -> None:
    described = describe_suite(Found("any", result))
    json.dumps(described, allow_nan=False)
    comparison = analysis.compare(result)
    for row, agent, total in zip(comparison.rows, described["agents"], described["totals"]["agents"], strict=True):
        assert agent["name"] == row.name
        assert agent["colour"] == styles(AGENTS)[row.name].colour
        assert agent["plans"] == (row.name != "no_planning")
        assert total["interval"] == list(row.total)
        assert total["seeds"] == analysis.total_reward(result, row.name).tolist()
    for section, table in zip(sections(comparison), described["tables"], strict=True):
        assert table["title"] == section.title
        for row, shown_row in zip(section.rows, table["rows"], strict=True):
            assert shown_row["cells"] == [column.show(row) for column in section.columns]
    assert [row["agent"] for row in described["tables"][0]["rows"] if row["isBaseline"]] == ["meta_gradient"]


def test_totals_are_rounded_as_in_the_tables(result) -> None:
    """A browser would round 174.5 to 175; tables and figures have 174."""
    changed = result.isel(seed=[0, 1]).copy(deep=True)
    changed["reward"][:] = 0
    changed["reward"][1, :, 0] = [174, 175]
    described = describe_suite(Found("any", changed))
    total = described["totals"]["agents"][1]
    assert total["label"].split()[0] == total["texts"][0] == "174"
    assert described["tables"][0]["rows"][1]["cells"][1] == "174"
    assert re.fullmatch(r"\d+ \(\d+ %\)", total["label"])
    assert total["texts"][1].startswith("−") == (total["interval"][1] < 0)


def test_of_a_learned_model_it_is_not_said_when_it_is_wrong(result) -> None:
    described = describe_suite(Found("any", with_learned_model(result)))
    assert described["isModelWrong"] is None
    assert describe_suite(Found("any", result))["isModelWrong"] == result["is_model_wrong"].values.tolist()


def test_goals_have_the_rewards_of_their_phase(result) -> None:
    states = describe_suite(Found("any", result))["states"]
    ends = np.flatnonzero(~result["is_candidate"].values)
    for phase, rewards in enumerate(states["goalReward"]):
        assert [rewards[end] for end in ends] == ([-1, 1] if phase % 2 == 0 else [1, -1])
        assert sum(reward is not None for reward in rewards) == len(ends)
    assert states["start"] == [1, *[0] * (result.sizes["state"] - 1)]
