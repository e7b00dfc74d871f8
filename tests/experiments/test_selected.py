"""Selected steps of a result: their measures are those of their chunks."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import xarray as xr
from tests.experiments.synthetic import fill, manifest, synthetic, without_tables

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import compare, diagnose, select_steps, write_figures


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return synthetic(num_seeds=4, num_chunks=40)


def test_its_totals_are_sums_over_its_chunks(dataset: xr.Dataset) -> None:
    step = int(dataset["step"][0])
    found = compare(select_steps(dataset, 10 * step, 30 * step), "uniform")
    assert found.steps == 20 * step
    for row in found.rows:
        assert row.total.estimate == pytest.approx(dataset["reward"].sel(agent=row.name)[:, 10:30].sum("chunk").mean())
    assert found.optimal_reward == pytest.approx(float(dataset["optimal_reward"][10:30].sum()))


def test_parts_add_up_to_the_whole(dataset: xr.Dataset) -> None:
    steps = [0, *(int(dataset["step"][place]) for place in (12, 25, 39))]
    parts = [compare(select_steps(dataset, *pair)) for pair in itertools.pairwise(steps)]
    whole = compare(dataset)
    for number, row in enumerate(whole.rows):
        assert sum(part.rows[number].total.estimate for part in parts) == pytest.approx(row.total.estimate)
        assert parts[0].rows[number].budget.microseconds_per_step == pytest.approx(row.budget.microseconds_per_step)


def test_where_rewards_are_not_finite_is_counted_from_the_beginning_of_the_run(dataset: xr.Dataset) -> None:
    broken = dataset.assign(reward=dataset["reward"].where(dataset["step"] != 5000, float("nan")))
    assert "first in steps 4,750 to 5,000." in compare(select_steps(broken, 2500, 7500)).broken
    assert not compare(select_steps(broken, 5000, 7500)).broken


def test_its_switches_are_counted_from_its_beginning(dataset: xr.Dataset) -> None:
    switches, step = dataset.attrs["switch_steps"], int(dataset["step"][0])
    part = select_steps(dataset, 10 * step, 30 * step)
    assert part.attrs["switch_steps"] == [at - 10 * step for at in switches if 10 * step < at < 30 * step] != []
    assert list(part["step"].values) == [step * number for number in range(1, 21)]


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (251, 1000, "first must be .* 251 is not; 250 or 500 is"),
        (0, 999, "last must be .* 999 is not; 750 or 1,000 is"),
        (0, 10**30, "last must be .* 9,750 or 10,000 is"),
        (-250, 500, "first must be .* 0 or 250 is"),
        (False, 500, "first is a bool"),
        (1000, 1000, "steps 1,000 to 1,000 are none"),
        (1000, 250, "steps 1,000 to 250 are none"),
        (0.5, 1000, "first is a float: it must be a number of real steps"),
    ],
)
def test_other_steps_are_refused(dataset: xr.Dataset, first: int, last: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        select_steps(dataset, first, last)


def test_the_command_compares_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = without_tables(num_seeds=3, num_chunks=12)
    fill(tmp_path / "result", made, manifest(tuple(map(str, made["agent"].values)), 3))
    step = int(made["step"][0])
    given = ["compare", str(tmp_path / "result"), "--baseline", "uniform", "--steps", str(4 * step), str(12 * step)]
    assert cli.main(given) == 0
    words = f"steps {4 * step + 1:,} to {12 * step:,}"
    shown = " ".join(capsys.readouterr().out.split())
    assert f"total reward of {words}" in shown
    assert f"Episodes of {words}" in shown
    assert cli.main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["selected_steps"] == {"first": 4 * step, "last": 12 * step}
    assert cli.main([*given[:-1], str(12 * step + 1)]) == 2
    assert "last must be a step" in capsys.readouterr().err


def test_numbers_of_numpy_will_do(dataset: xr.Dataset) -> None:
    steps = dataset["step"].values
    assert select_steps(dataset, steps[3], steps[9]).attrs["selected_steps"] == (1000, 2500)


def test_a_dropped_run_time_is_no_matter(dataset: xr.Dataset) -> None:
    assert compare(select_steps(dataset.drop_vars("run_seconds"), 0, 1000)).steps == 1000


READERS = diagnose, lambda some: select_steps(some, 0, 250), lambda some: write_figures(some, "x")


@pytest.mark.parametrize("read", READERS)
def test_all_else_reads_whole_results(dataset: xr.Dataset, read: object) -> None:
    with pytest.raises(UserError, match="only some steps of this result are selected"):
        read(select_steps(dataset, 2500, 7500))
