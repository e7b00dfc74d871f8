"""Results without tables, or whose candidates are drawn anew: numbers against hand arithmetic, and what is not said."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from tests.experiments.synthetic import (
    NUM_CANDIDATES,
    OF_NETWORKS,
    fill,
    manifest,
    small,
    with_episodes,
    without_listed,
    without_tables,
)

from mgsc.experiments import store
from mgsc.experiments.design.quantities import ALWAYS, EPISODES, MEASURES, PER_CHUNK, REPORTED, SPREAD, Has
from mgsc.experiments.reading.analysis import chunks_of_kind, compare
from mgsc.experiments.reading.missing import DRAWN_ANEW, NO_EPISODES, NO_TABLES, what_is_missing
from mgsc.experiments.reading.sections import sections
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.reading.tables import to_json, to_markdown, to_tables
from mgsc.experiments.store.contract import check_dataset, what_it_has
from mgsc.experiments.store.errors import StoreError

NAN = math.nan


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return without_tables()


@pytest.fixture
def by_hand() -> xr.Dataset:
    """Two agents, two seeds, chunks that end at steps 100, 300, 400 and 600."""
    made = without_tables(("uniform", "meta_gradient"), 2, num_chunks=4)
    ended = {"episodes_terminated": [[4, 0, 2, 0], [1, 0, 0, 1]], "episodes_truncated": [[0, 0, 0, 2], [1, 0, 1, 0]]}
    returns = [[1, NAN, 3, 5], [2, NAN, 6, 8]]
    learned = [[3, NAN, 3, 7], [2, NAN, 6, 12]]
    numbers = {name: np.array([values, values], float) for name, values in ended.items()}
    numbers |= {"episode_return": np.array([returns, learned], float)}
    numbers |= {"episode_length": 10 * numbers["episode_return"]}
    made = made.assign({name: (PER_CHUNK, values) for name, values in numbers.items()})
    return made.assign_coords(step=("chunk", [100, 300, 400, 600]))


def text_of(dataset: xr.Dataset, width: int = 80) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(to_tables(compare(dataset)))
    return file.getvalue()


# --- the contract ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "lacked"),
    [
        (without_tables(num_chunks=4), "episode_return"),
        (without_tables(num_chunks=4, has=()), "effective_candidates"),
        (without_listed(num_seeds=2, num_chunks=4), "optimal_reward"),
        (with_episodes(small()), "query_distribution"),
    ],
)
def test_the_contract_follows_from_what_the_problem_has(made: xr.Dataset, lacked: str) -> None:
    names = tuple(str(agent) for agent in made["agent"].values), tuple(int(seed) for seed in made["seed"].values)
    check_dataset(made, *names)
    with pytest.raises(StoreError, match=f"lacks the variable {lacked}"):
        check_dataset(made.drop_vars(lacked), *names)


@pytest.mark.parametrize("has", [("episodes",), ()])
def test_stored_and_put_together_it_is_the_same(has: tuple[Has, ...], tmp_path: Path) -> None:
    halves = []
    for number in (0, 1):
        made = without_tables(num_chunks=4, has=has).isel(seed=[2 * number, 2 * number + 1])
        halves.append(fill(tmp_path / str(number), made, manifest(OF_NETWORKS, 2, first_seed=2 * number)))
    together = store.merge([tmp_path / "0", tmp_path / "1"], tmp_path / "both")
    opened = store.open_result(tmp_path / "both")
    assert what_it_has(opened) == has
    xr.testing.assert_equal(opened, together)
    for row, other in zip(compare(opened).rows, compare(without_tables(num_chunks=4, has=has)).rows, strict=True):
        assert (row.name, row.total, row.n) == (other.name, other.total, 4)
        assert repr((row.episodes, row.mechanism)) == repr((other.episodes, other.mechanism)), "NaN is NaN"


# --- episodes --------------------------------------------------------------------------------


def test_episodes_by_hand(by_hand: xr.Dataset) -> None:
    result = compare(by_hand)
    whole = result["uniform"].episodes["whole"]
    # Seed 0: (4·1 + 2·3 + 2·5) / 8 = 2.5; seed 1: (2·2 + 1·6 + 1·8) / 4 = 4.5.
    # The chunks' own means would be 3 and 5.33.
    assert whole.mean_return == pytest.approx(mean_interval([2.5, 4.5]))
    assert whole.mean_return.estimate == 3.5
    assert whole.mean_length == pytest.approx(mean_interval([25, 45]))
    assert (whole.steps, whole.terminated, whole.truncated) == (600, 4.0, 2.0)  # 6 and 2; 2 and 2
    # Learned: (4·3 + 2·3 + 2·7) / 8 = 4, (4 + 6 + 12) / 4 = 5.5: differences 1.5 and 1.
    assert result["uniform"].episodes["whole"].difference == pytest.approx(mean_interval([-1.5, -1.0]))
    assert np.isnan(result["meta_gradient"].episodes["whole"].difference).all()


def test_the_last_third_is_of_the_steps_and_not_of_the_chunks(by_hand: xr.Dataset) -> None:
    last = compare(by_hand)["uniform"].episodes["last_third"]
    assert last.steps == 200  # of 600, the last chunk begins at 400
    assert last.mean_return == pytest.approx(mean_interval([5, 8]))
    assert (last.terminated, last.truncated) == (0.5, 1.0)
    later = by_hand.assign_coords(step=("chunk", [100, 300, 401, 603]))
    assert (
        compare(later)["uniform"].episodes["last_third"].steps == 202
    )  # 401 is within it, 402 its beginning: fallback
    earlier = by_hand.assign_coords(step=("chunk", [100, 400, 500, 600]))
    assert compare(earlier)["uniform"].episodes["last_third"].steps == 200  # two chunks begin in it
    assert compare(earlier)["uniform"].episodes["last_third"].mean_return.estimate == pytest.approx(
        ((2 * 3 + 2 * 5) / 4 + (6 + 8) / 2) / 2
    )
    alone = compare(by_hand.isel(chunk=[0]))["uniform"].episodes
    assert alone["last_third"] == alone["whole"], "a single chunk is all there is"


def test_a_seed_without_an_episode_has_no_mean_and_is_counted(by_hand: xr.Dataset) -> None:
    for name in ("episodes_terminated", "episodes_truncated"):
        by_hand[name].values[0, 1, 2:] = 0
    by_hand["episode_return"].values[0, 1, 2:] = NAN
    comparison = compare(by_hand.assign_coords(step=("chunk", [100, 400, 500, 600])))
    last = comparison["uniform"].episodes["last_third"]
    assert np.isnan(last.mean_return).all()
    assert last.seeds_without == 1
    assert comparison["uniform"].episodes["whole"].seeds_without == 0
    section = next(section for section in sections(comparison) if "last third" in section.title)
    assert "No mean where no episode ended in some seeds: uniform (1)." in section.note
    assert [column.show(comparison["uniform"]) for column in section.columns][:4] == ["–"] * 4


def test_a_return_that_diverged_is_not_left_out(by_hand: xr.Dataset) -> None:
    by_hand["episode_return"].values[0, 0, 2] = NAN  # two episodes ended there
    assert math.isnan(compare(by_hand)["uniform"].episodes["whole"].mean_return.estimate)


# --- what cannot be known ----------------------------------------------------------------------


def test_without_tables_the_optimum_and_all_that_needs_it_are_unknown(dataset: xr.Dataset) -> None:
    result = compare(dataset)
    row = result["meta_gradient"]
    assert math.isnan(result.optimal_reward)
    assert math.isnan(result.unconstrained_reward)
    assert set(row.phases) == {"all"}
    assert np.isnan(row.phases["all"].fraction_of_optimal).all()
    assert math.isnan(row.phases["all"].wrong_mass)
    assert not row.mechanism.correlations
    assert set(row.mechanism.means) == {*SPREAD, *REPORTED}
    assert math.isfinite(row.total.low)
    assert math.isfinite(row.difference.estimate) == (result.baseline != row.name)
    assert not chunks_of_kind(dataset, "right").any()
    assert not chunks_of_kind(dataset, "wrong").any()
    assert chunks_of_kind(dataset, "all").all()


def test_the_spread_of_d_is_the_mean_over_all_steps(dataset: xr.Dataset) -> None:
    means = compare(dataset)["meta_gradient"].mechanism.means
    for name in SPREAD:
        seeds = dataset[name].sel(agent="meta_gradient").mean("chunk").values.astype(float)
        assert means[name].interval == pytest.approx(mean_interval(seeds), rel=1e-6)
    uniform = compare(dataset)["uniform"].mechanism.means["effective_candidates"]
    assert uniform.interval.estimate == pytest.approx(NUM_CANDIDATES)


def test_without_listed_candidates_the_optimum_is_known_but_no_measure_of_d() -> None:
    result = compare(without_listed(num_seeds=3, num_chunks=40))
    row = result["meta_gradient"]
    assert 0 < row.phases["all"].fraction_of_optimal.estimate < 1
    assert set(row.phases) == {"all", "right", "wrong"}
    assert set(row.mechanism.means) == {*SPREAD, *REPORTED, *ALWAYS}
    assert math.isnan(row.phases["wrong"].wrong_mass)
    assert row.phases["wrong"].entropy < math.log(NUM_CANDIDATES)


# --- tables ------------------------------------------------------------------------------------

POLE = "Pole, networks for values and model: total reward after 6,000 steps"
LAST = ["Episodes of the whole run", "Episodes of the last third, 2,000 steps"]
AGAINST = "Against meta_gradient"


@pytest.mark.parametrize(
    ("made", "titles"),
    [
        (
            without_tables(),
            [POLE, AGAINST, *LAST, f"{AGAINST}: return of an episode", "Spread of d", "Budget per real step"],
        ),
        (without_tables(has=()), [POLE, AGAINST, "Spread of d", "Budget per real step"]),
        (without_tables(("no_planning",)), [POLE, *LAST, "Budget per real step"]),
        (
            without_listed(has=("truth",), num_seeds=2, num_chunks=8),
            [
                "TMaze, fixed model: total reward after 2,000 steps",
                AGAINST,
                "Spread of d",
                "Values",
                "Budget per real step",
            ],
        ),
    ],
)
def test_only_tables_with_something_to_show(made: xr.Dataset, titles: list[str]) -> None:
    comparison = compare(made)
    assert [section.title for section in sections(comparison)] == titles
    text = to_markdown(comparison)
    assert text.count("|\n| ---") == len(titles)
    assert text.endswith(what_is_missing(comparison.has))
    assert comparison.has == tuple(made.attrs["has"])


def test_tables_show_the_numbers_of_the_analysis(dataset: xr.Dataset) -> None:
    comparison = compare(dataset)
    text = text_of(dataset)
    assert max(map(len, text.splitlines())) <= 80
    found = [line.split() for line in text.splitlines()]
    for section in sections(comparison):
        for row in section.rows:
            assert " ".join([row.name, *(column.show(row) for column in section.columns)]).split() in found
    row = comparison["meta_gradient"]
    mean = row.episodes["last_third"].mean_return
    assert ["meta_gradient", f"{mean.estimate:.2f}", f"{mean.low:.2f}", "…", f"{mean.high:.2f}"] in [
        line[:5] for line in found
    ]
    assert text.rstrip().endswith("d on states.")
    assert "optimum," not in text.partition("No tables are known")[0]


def test_every_section_of_a_result_with_all_and_its_episodes() -> None:
    titles = [section.title for section in sections(compare(with_episodes(small())))]
    assert sum(title.startswith("Episodes") for title in titles) == 2
    assert "Why: what planning brings, and where it moves after a switch" in titles
    assert "Spread of d" not in titles
    assert what_is_missing(("truth", "listed", "episodes")) == what_is_missing(("truth", "listed")) == ""


def test_rewards_that_do_not_depend_on_what_is_done_are_not_compared() -> None:
    same, other = compare(without_tables(penalty=0.0)), compare(without_tables())
    assert "it does not depend on what is done" in sections(same)[0].note
    assert "does not depend" not in sections(other)[0].note
    assert AGAINST not in [section.title for section in sections(same)]
    single = compare(without_tables(("uniform",), num_seeds=1, penalty=0.0))
    assert "does not depend" not in sections(single)[0].note, "of one run nothing says so"


@pytest.mark.parametrize(
    ("has", "words"),
    [
        (("episodes",), NO_TABLES),
        ((), f"{NO_TABLES} {NO_EPISODES}"),
        (("listed",), f"{NO_TABLES} {NO_EPISODES}"),
        (("truth",), DRAWN_ANEW),
    ],
)
def test_one_line_says_what_is_missing(has: tuple[str, ...], words: str) -> None:
    assert what_is_missing(has) == words  # type: ignore[arg-type]
    assert "\n" not in words


def test_json_is_strict_and_says_what_is_missing(dataset: xr.Dataset) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    contents = json.loads(to_json(compare(dataset)), parse_constant=refuse)
    assert list(contents) == ["suite", "agents", "missing"]
    assert contents["missing"] == NO_TABLES
    assert list(contents["agents"]) == list(OF_NETWORKS)
    for name, entry in contents["agents"].items():
        assert entry["fraction_of_optimal"] is None
        assert entry["optimal_reward"] is None
        assert entry["phases"] == {"right": None, "wrong": None}
        assert not set(entry["mechanism"]["means"]) & ({*MEASURES, *ALWAYS} - {"entropy"})
        assert (entry["mechanism"]["means"]["entropy"]["mean"] is None) == (name == "no_planning")
        last = entry["episodes"]["last_third"]
        assert last["mean_return_low"] < last["mean_return"] < last["mean_return_high"]
        assert (last["difference"] is None) == (name == "meta_gradient")
    whole = json.loads(to_json(compare(small())))
    assert "missing" not in whole
    assert "episodes" not in whole["agents"]["uniform"]


def test_the_made_up_episodes_have_gaps(dataset: xr.Dataset) -> None:
    """What the tests of curves rest on: some chunks in which no episode ended, in some seeds and in all."""
    nothing = np.isnan(dataset["episode_return"].sel(agent="meta_gradient").values)
    assert (nothing.any(0) & ~nothing.all(0)).any()
    ended = dataset["episodes_terminated"] + dataset["episodes_truncated"]
    assert (nothing == (ended.sel(agent="meta_gradient").values == 0)).all()
    assert set(EPISODES) <= set(dataset.data_vars)
