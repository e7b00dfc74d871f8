"""Results side by side: the same agents with other settings, paired by seed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr
from tests.experiments.synthetic import PAIR, fill, manifest, small, synthetic, without_tables

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import compare, diagnose, merge, select_steps, side_by_side, write_figures
from mgsc.experiments.store import label
from mgsc.experiments.store.manifest import Manifest


def result(change: float = 0.0, seeds: int = 4, plan: Manifest | None = None, first_seed: int = 0) -> xr.Dataset:
    """A made-up result whose rewards are that much higher, in each chunk, than another's."""
    made = synthetic(PAIR, num_seeds=seeds, num_chunks=8).assign_coords(seed=range(first_seed, first_seed + seeds))
    made = made.assign(reward=made["reward"] + change)
    return label(made, plan or manifest(PAIR, seeds, first_seed))


def with_step_size(step_size: float) -> Manifest:
    plan = manifest(PAIR, 4)
    agents = {**plan.settings["agents"], "meta_gradient": {"step_size": step_size}}
    return replace(plan, settings={**plan.settings, "agents": agents})


def test_each_agent_is_compared_with_itself_of_another_result() -> None:
    found = compare(side_by_side({"old": result(), "new": result(2.0)}), "old/meta_gradient")
    assert [row.name for row in found.rows] == [f"{name}/{agent}" for name in ("old", "new") for agent in PAIR]
    assert found["new/meta_gradient"].difference.estimate == pytest.approx(16)  # of eight chunks
    assert found["new/meta_gradient"].difference.low == pytest.approx(16, abs=1e-3)  # paired: seeds don't matter
    alone = compare(result(), "meta_gradient")
    assert found["old/uniform"].total == alone["uniform"].total
    assert found["old/uniform"].difference == alone["uniform"].difference
    assert found.suite == alone.suite
    assert found.title == alone.title


def test_it_says_in_which_settings_they_differ() -> None:
    changed = side_by_side({"old": result(), "new": result(plan=with_step_size(0.25)), "same": result()})
    assert compare(changed).side_by_side == (
        "old and new differ in meta_gradient.step_size: 0.5 and 0.25.",
        "old and same have the same settings.",
    )
    assert compare(result()).side_by_side == ()


def test_of_many_differences_it_shows_some() -> None:
    shared = manifest(PAIR, 4, **{f"option_{number}": number for number in range(9)})
    (words,) = compare(side_by_side({"old": result(), "new": result(plan=shared)})).side_by_side
    assert words.count("option_") == 5
    assert words.endswith("; and 4 more.")


def test_only_the_seeds_of_all_are_paired() -> None:
    both = side_by_side({"long": result(), "short": result(1.0, seeds=2, first_seed=2)})
    assert list(both["seed"].values) == [2, 3]
    found = compare(both, "long/uniform")
    assert "left out: 0–1 of long." in found.side_by_side[0]
    assert found["long/uniform"].n == 2


def test_steps_are_selected_first() -> None:
    step = int(result()["step"][0])
    parts = {name: select_steps(result(more), 2 * step, 6 * step) for name, more in (("old", 0.0), ("new", 1.0))}
    found = compare(side_by_side(parts), "old/uniform")
    assert found.selected == (2 * step, 6 * step)
    assert found["new/uniform"].difference.estimate == pytest.approx(4)


def test_results_that_differ_in_what_strategies_report_go_together() -> None:
    one, two = without_tables(num_seeds=2, num_chunks=4), without_tables(num_seeds=2, num_chunks=4)
    agents = tuple(map(str, one["agent"].values))
    plan = manifest(agents, 2)
    both = side_by_side({"one": label(one, plan), "two": label(two, plan)})
    assert len(compare(both).rows) == 2 * len(agents)


Change = Callable[[xr.Dataset], xr.Dataset]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda made: label(made, replace(manifest(PAIR, 4), root_seed=8)),
            r"their roots of seeds \(--root-seed\) differ: 7 and 8",
        ),
        (lambda made: label(made, manifest(PAIR, 4, environment={"slip": 0.1})), "environments differ in env.*slip"),
        (lambda made: made.isel(chunk=slice(4)), r"their steps \(--steps compares a part\) differ: 2000 and 1000"),
        (lambda made: made.assign_attrs(record_every=500), r"steps of a record \(record_every\) differ: 250 and 500"),
        (lambda made: select_steps(made, 0, 2000), "their selected steps differ"),
        (lambda made: made.assign_coords(seed=range(10, 14)), "no seed is in all of these results: one has 0–3; two"),
        (
            lambda made: made.assign(optimal_reward=made["optimal_reward"] + 1),
            "optimal_reward differs between their env",
        ),
        (lambda made: side_by_side({"a": made, "b": made}), "side by side already"),
    ],
)
def test_what_cannot_be_paired_is_refused(change: Change, message: str) -> None:
    with pytest.raises(UserError, match=message):
        side_by_side({"one": result(), "two": change(result())})


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"one": result()}, "at least two"),
        ({}, "at least two"),
        ([result(), result()], "results is a list: it must map names to results"),
        (result(), "dataset is a DataArray: it must be a result"),
        ({1: result(), "1": result()}, "a name of a result is a int: it must be a text"),
        ({"": result(), "two": result()}, "cannot be called ''"),
        ({"a\nb": result(), "two": result()}, "cannot be called"),
        ({"one": result(), "two": 3}, "it must be a result"),
    ],
)
def test_what_is_no_table_of_results_is_refused(results: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        side_by_side(results)


def test_a_step_takes_as_long_as_in_its_own_result() -> None:
    long, short = result(), result(seeds=1)
    both = compare(side_by_side({"long": long, "short": short}))
    for name, dataset in (("long", long), ("short", short)):
        for row in compare(dataset).rows:
            found = both[f"{name}/{row.name}"].budget.microseconds_per_step
            assert found == pytest.approx(row.budget.microseconds_per_step)


def test_quantities_that_one_result_lacks_are_left_out_of_all() -> None:
    short = result().drop_vars(["entropy", "value_error"])
    for results in ({"one": result(), "two": short}, {"one": short, "two": result()}):
        both = side_by_side(results)
        assert not {"entropy", "value_error"} & set(both.variables)
        assert "left out: entropy, value_error." in both.attrs["side_by_side"][0]
    strange = result()
    assert "mine" not in side_by_side({"one": strange.assign(mine=strange["reward"]), "two": result()})


def test_it_says_where_no_agent_is_in_two_results() -> None:
    one, two = (result().sel(agent=[agent]) for agent in PAIR)
    (words,) = side_by_side({"one": one, "two": two}).attrs["side_by_side"]
    assert words == "one and two have no agent in common, and have the same settings for all agents."


def test_the_first_results_meta_gradient_is_the_default_baseline() -> None:
    assert compare(side_by_side({"old": result(), "new": result()})).baseline == "old/meta_gradient"


READERS = diagnose, lambda some: select_steps(some, 0, 250), lambda some: write_figures(some, "x")


@pytest.mark.parametrize("read", READERS)
def test_all_else_reads_single_results(read: Callable[[xr.Dataset], object]) -> None:
    with pytest.raises(UserError, match="several results side by side"):
        read(side_by_side({"old": result(), "new": result()}))


def stored(folder: Path, change: float = 0.0) -> str:
    made = small()
    fill(folder, made.assign(reward=made["reward"] + change), manifest(PAIR, 2))
    return str(folder)


def test_the_command_names_them_by_their_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = stored(tmp_path / "a" / "old"), stored(tmp_path / "a" / "new", 1.0), stored(tmp_path / "b" / "new", 2.0)
    assert cli.main(["compare", *folders[:2], "--baseline", "old/uniform"]) == 0
    shown = capsys.readouterr().out
    assert "new/meta_gradient" in shown
    assert "old and new have the same settings." in shown
    assert cli.main(["compare", *folders, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["agents"]) == [f"{name}/{agent}" for name in ("a/old", "a/new", "b/new") for agent in PAIR]
    assert len(found["side_by_side"]) == 2


def test_a_link_keeps_the_name_that_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path / "old")
    (tmp_path / "latest").symlink_to(tmp_path / "old")
    other = stored(tmp_path / "a|b")
    assert cli.main(["compare", str(tmp_path / "latest"), other, "--markdown"]) == 0
    shown = capsys.readouterr().out
    assert "| `latest/uniform` |" in shown
    assert "| `a\\|b/uniform` |" in shown


def test_the_command_refuses_one_folder_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored(tmp_path / "old")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", folder, os.path.join(".", "old")]) == 2
    assert "given twice" in capsys.readouterr().err


def test_parts_with_the_same_settings_are_merged_instead(tmp_path: Path) -> None:
    folder = stored(tmp_path / "old")
    made = small(first_seed=2)
    fill(tmp_path / "more", made, manifest(PAIR, 2, 2))
    assert merge([folder, tmp_path / "more"], tmp_path / "both").sizes["seed"] == 4
