"""What a result says, against hand arithmetic; and its tables and JSON."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from tests.experiments.synthetic import AGENTS, synthetic

from mgsc.errors import UserError
from mgsc.experiments.reading.analysis import compare
from mgsc.experiments.reading.sections import sections
from mgsc.experiments.reading.tables import to_json, to_markdown, to_tables

PER_CHUNK = ("agent", "seed", "chunk")


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return synthetic(num_seeds=8, num_chunks=40)


@pytest.fixture
def by_hand() -> xr.Dataset:
    """Two agents, three seeds, chunks of 100, 100, 300 and 100 steps; the model errs in two."""
    dataset = synthetic(("uniform", "meta_gradient"), 3, num_chunks=4, period=500)
    dataset = dataset.assign_coords(
        step=("chunk", [100, 200, 500, 600]),
        is_model_wrong=("chunk", [False, True, True, False]),
    )
    uniform = [[1, 2, 3, 4], [0, 0, 5, 3], [2, 2, 2, 6]]  # totals 10 8 12
    learned = [[5, 1, 4, 5], [3, 3, 3, 2], [4, 4, 4, 5]]  # totals 15 11 17
    shape = (2, 3, 4)
    return dataset.assign(
        reward=(PER_CHUNK, np.array([uniform, learned], float)),
        optimal_reward=("chunk", np.array([5.0, 4.0, 6.0, 5.0])),  # total 20, wrong 10
        wrong_mass=(PER_CHUNK, np.broadcast_to([[[0, 0.2, 0.6, 0]], [[0, 0.1, 0.02, 0]]], shape)),
        uniform_wrong_mass=(PER_CHUNK, np.broadcast_to([0, 0.1, 0.3, 0], shape)),
        weighted_error=(PER_CHUNK, np.broadcast_to([[[0, 1, 3, 0]], [[0, 1, 1, 0]]], shape)),
        uniform_error=(PER_CHUNK, np.broadcast_to([[[0, 1, 3, 0]], [[0, 5, 1, 0]]], shape)),
        entropy=(PER_CHUNK, np.broadcast_to([[[2.0] * 4], [[0, 1, 2, 3]]], shape)),
    )


def test_totals_and_comparison_by_hand(by_hand: xr.Dataset) -> None:
    result = compare(by_hand, baseline="uniform")
    learned, uniform = result["meta_gradient"], result["uniform"]
    # 15 11 17: mean 43/3 = 14.3333, deviations .6667 −3.3333 2.6667, variance 18.6667/2 = 9.3333,
    # half-width 4.302653 · 3.055050 / √3 = 7.589166
    assert learned.n == 3
    assert learned.total == pytest.approx((43 / 3, 43 / 3 - 7.589166, 43 / 3 + 7.589166), abs=1e-5)
    # differences 5 3 5: mean 13/3, variance (.4444 + 1.7778 + .4444)/2 = 1.3333, half-width
    # 4.302653 · 1.154701 / √3 = 2.868435
    bounds = (13 / 3 - 2.868435, 13 / 3 + 2.868435)
    assert learned.difference == pytest.approx((13 / 3, *bounds), abs=1e-5)
    # pairs: 15 > all three, 11 > 10 and 8, 17 > all three: 8/9
    assert learned.improvement.estimate == pytest.approx(8 / 9)
    assert learned.win_rate == 1.0
    assert np.isnan([*uniform.difference, *uniform.improvement, uniform.win_rate]).all()
    assert result.optimal_reward == 20.0
    assert result.steps == 600
    assert learned.phases["all"].fraction_of_optimal.estimate == pytest.approx(43 / 3 / 20)
    assert learned.phases["all"].fraction_of_optimal.low == pytest.approx(learned.total.low / 20)
    assert learned.phases["all"].reward_per_step.estimate == pytest.approx(43 / 3 / 600)


def test_phases_by_hand(by_hand: xr.Dataset) -> None:
    learned = compare(by_hand)["meta_gradient"]
    right, wrong = learned.phases["right"], learned.phases["wrong"]
    assert (right.steps, wrong.steps) == (200, 400)
    # right: chunks 0 and 3: 10 5 9; wrong: chunks 1 and 2: 5 6 8
    assert right.reward_per_step.estimate == pytest.approx(8 / 200)
    assert wrong.reward_per_step.estimate == pytest.approx(19 / 3 / 400)
    assert right.fraction_of_optimal.estimate == pytest.approx(8 / 10)
    assert wrong.fraction_of_optimal.estimate == pytest.approx(19 / 3 / 10)
    # a chunk counts by its steps: (100 · .1 + 300 · .02) / 400
    assert wrong.wrong_mass == pytest.approx(0.04)
    assert wrong.uniform_wrong_mass == pytest.approx(0.25)  # (100 · .1 + 300 · .3) / 400
    # Σ d·e: (100 + 300) / 400 = 1; uniform's (500 + 300) / 400 = 2. A mean of the chunks' ratios,
    # (1/5 · 100 + 1 · 300) / 400 = .8, would be another thing.
    assert wrong.weighted_error_ratio == pytest.approx(0.5)
    assert math.isnan(right.weighted_error_ratio), "nothing over nothing"
    assert right.entropy == pytest.approx(1.5)  # (100 · 0 + 100 · 3) / 200
    assert wrong.entropy == pytest.approx(1.75)  # (100 · 1 + 300 · 2) / 400
    assert learned.phases["all"].wrong_mass == pytest.approx(0.04 * 400 / 600)


def test_json_by_hand(by_hand: xr.Dataset) -> None:
    agents = json.loads(to_json(compare(by_hand)))["agents"]
    learned = agents["meta_gradient"]
    assert learned["mean"] == pytest.approx(43 / 3)
    assert learned["fraction_of_optimal"] == pytest.approx(43 / 60)
    # the one number of the headline is over the phases in which the model is wrong
    assert learned["wrong_mass"] == pytest.approx(0.04)
    assert learned["uniform_wrong_mass"] == pytest.approx(0.25)
    assert learned["weighted_error_ratio"] == pytest.approx(0.5)
    assert learned["phases"]["right"]["weighted_error_ratio"] is None
    assert learned["difference"] is None
    assert agents["uniform"]["difference"] == pytest.approx(-13 / 3)
    assert agents["uniform"]["difference_low"] < agents["uniform"]["difference_high"] < 0
    assert agents["uniform"]["baseline"] == "meta_gradient"


def test_json_is_strict_and_of_the_promised_form(dataset: xr.Dataset) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    contents = json.loads(to_json(compare(dataset)), parse_constant=refuse)
    assert list(contents) == ["suite", "agents"]
    assert contents["suite"] == "tmaze-fixed"
    assert list(contents["agents"]) == list(AGENTS)
    first = ["n", "mean", "low", "high"]
    for agent, entry in contents["agents"].items():
        assert list(entry)[:4] == first
        assert entry["low"] < entry["mean"] < entry["high"]
        assert 0 < entry["fraction_of_optimal"] < 1
        assert set(entry["phases"]) == {"right", "wrong"}
        assert (entry["entropy"] is None) == (agent == "no_planning")
        assert (entry["uniform_wrong_mass"] is None) == (agent == "no_planning")
        assert entry["budget"]["microseconds_per_step"] == pytest.approx(1.0)  # .08 s / 80,000
    assert contents["agents"]["uniform"]["wrong_mass"] == pytest.approx(2 / 13)
    assert contents["agents"]["avoid_terminal"]["wrong_mass"] == 0.0


def test_the_baseline(dataset: xr.Dataset) -> None:
    assert compare(dataset).baseline == "meta_gradient"
    assert compare(dataset, "replay").baseline == "replay"
    assert compare(dataset.isel(agent=[1, 3])).baseline == "uniform"
    with pytest.raises(UserError, match="did you mean 'avoid_terminal'"):
        compare(dataset, "avoid_terminals")
    with pytest.raises(KeyError):
        compare(dataset)["mgsc"]


def test_one_seed_has_no_interval_and_compares_all_the_same(dataset: xr.Dataset) -> None:
    result = compare(dataset.isel(seed=[0]))
    row = result["uniform"]
    assert math.isfinite(row.total.estimate)
    assert np.isnan([row.total.low, row.difference.low, row.improvement.low]).all()
    assert row.improvement.estimate == row.win_rate == 0.0
    entry = json.loads(to_json(result))["agents"]["uniform"]
    assert entry["low"] is None
    assert entry["n"] == 1


def test_a_world_that_never_errs_has_no_wrong_phases() -> None:
    result = compare(synthetic(("uniform", "meta_gradient"), 3, num_chunks=10, period=None))
    assert set(result["uniform"].phases) == {"all", "right"}
    entry = json.loads(to_json(result))["agents"]["uniform"]
    assert entry["phases"]["wrong"] is None
    assert entry["wrong_mass"] is None
    assert "–" in to_markdown(result)


def test_shares_of_an_optimum_that_is_not_positive_mean_nothing(dataset: xr.Dataset) -> None:
    result = compare(dataset.assign(optimal_reward=-dataset.optimal_reward))
    assert json.loads(to_json(result))["agents"]["uniform"]["fraction_of_optimal"] is None


def test_a_diverged_seed_is_not_left_out(dataset: xr.Dataset) -> None:
    reward = dataset.reward.copy(deep=True)
    reward[1, 0, 3] = math.nan
    entropy = dataset.entropy.copy(deep=True)
    entropy[5, 0, 3] = math.nan
    result = compare(dataset.assign(reward=reward, entropy=entropy))
    assert np.isnan(result["uniform"].total).all()
    assert np.isnan(result["uniform"].difference).all()
    assert math.isnan(result["meta_gradient"].phases["all"].entropy)
    assert json.loads(to_json(result))["agents"]["uniform"]["mean"] is None


def test_comparing_changes_nothing_and_gives_the_same_again(dataset: xr.Dataset) -> None:
    before = dataset.copy(deep=True)
    first = to_json(compare(dataset))
    xr.testing.assert_identical(dataset, before)
    assert to_json(compare(dataset)) == first


def plain_text(dataset: xr.Dataset, width: int) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(to_tables(compare(dataset)))
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_and_lose_nothing(dataset: xr.Dataset, width: int) -> None:
    text = plain_text(dataset, width)
    assert max(map(len, text.splitlines())) <= width
    found = [line.split() for line in text.splitlines()]
    for section in sections(compare(dataset)):
        assert section.title in text
        for row in section.rows:
            shown = " ".join([row.name, *(column.show(row) for column in section.columns)])
            assert shown.split() in found


def test_long_names_fold_before_numbers_are_cut(dataset: xr.Dataset) -> None:
    name = "a_name_that_nobody_should_give_to_an_agent_" * 2
    renamed = dataset.isel(agent=[0, 5]).assign_coords(agent=[name, "meta_gradient"])
    text = plain_text(renamed, 80)
    assert max(map(len, text.splitlines())) <= 80
    row = compare(renamed)[name]
    for section in sections(compare(renamed)):
        if row.name in [other.name for other in section.rows]:
            assert " ".join(column.show(row) for column in section.columns).split() in [
                line.split()[1:] for line in text.splitlines()
            ]


def test_markdown_has_one_row_for_each_agent(dataset: xr.Dataset) -> None:
    result = compare(dataset)
    text = to_markdown(result)
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == len(sections(result)) == 6
    for table in tables:
        widths = {line.count("|") for line in table.splitlines()}
        assert len(widths) == 1
    assert [line.split("`")[1] for line in tables[0].splitlines()[2:]] == list(AGENTS)
    assert "redundant, right" in tables[3]


def test_a_single_agent_has_no_table_of_differences(dataset: xr.Dataset) -> None:
    titles = [section.title for section in sections(compare(dataset.isel(agent=[0])))]
    assert titles == ["TMaze, fixed model: total reward after 10,000 steps", "Budget per real step"]


@pytest.mark.parametrize(("num_seeds", "has_note"), [(1, False), (2, True), (5, False)])
def test_issue_intervals_of_few_seeds_are_said_to_be_too_narrow(num_seeds, has_note):
    shown = to_markdown(compare(synthetic(("uniform", "replay"), num_seeds=num_seeds, num_chunks=40)))
    assert (f"With {num_seeds} seeds the bootstrap's interval of P is too narrow" in shown) == has_note
