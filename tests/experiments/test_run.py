"""Suites are run: into memory, into a folder, after a crash, and with further seeds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.experiments.programs import compile_each_once

from mgsc.environments import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.design.quantities import ALWAYS, MEASURES, REPORTED, SNAPSHOTS, STATE_MEASURES
from mgsc.experiments.design.seeds import LARGEST_SEED, Seeds
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.dataset import _budget
from mgsc.experiments.running.devices import workers
from mgsc.experiments.running.optimal import optimal_rewards
from mgsc.experiments.running.program import Lane, Program, run_key
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.running.versions import versions
from mgsc.experiments.store import PartPlace
from mgsc.models import LearnedModel

SUITE = Suite(
    "a small maze",
    TMazeSettings(stem=2, arm=2, switch_every=100),
    steps=400,
    record_every=50,
    measure_every=25,
    planning_updates=1,
    agents=choose_agents(get_suite("tmaze-fixed"), ["no_planning", "uniform"]).agents,
)
NUM_SEEDS = 5
TIMES = ["compile_seconds", "run_seconds"]


class CrashError(Exception):
    """Stands for whatever may stop a run."""


@pytest.fixture(autouse=True)
def _quick_programs_in_small_blocks(monkeypatch):
    """Five seeds are three blocks; a program that was compiled before is taken again."""
    patch(monkeypatch)


def patch(monkeypatch) -> None:
    compile_each_once(monkeypatch)
    monkeypatch.setattr("mgsc.experiments.running.devices.CPU_WIDTH", 2)
    monkeypatch.setattr("mgsc.experiments.running.devices.ACCELERATOR_WIDTH", 2)


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    """All seeds at once, in memory."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        patch(monkeypatch)
        return run_suite("small", SUITE, Seeds(NUM_SEEDS))


def assert_same_result(one: xr.Dataset, other: xr.Dataset) -> None:
    """Equal to the last bit but for the time it took and the time of day."""
    xr.testing.assert_equal(one.drop_vars(TIMES), other.drop_vars(TIMES))
    for attribute in set(one.attrs) - {"created", "checksum", "generation"}:
        assert one.attrs[attribute] == other.attrs[attribute], attribute


def test_a_result_holds_what_the_contract_says(whole):
    for name, dims in store.VARIABLES.items():
        assert whole[name].dims == dims, name
    for name, dims in store.COORDINATES.items():
        assert whole[name].dims == dims, name
    assert dict(whole.sizes) == {"agent": 2, "seed": 5, "chunk": 8, "state": 7, "phase": 2}
    assert whole.agent.values.tolist() == ["no_planning", "uniform"]
    assert whole.seed.values.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(whole.step, np.arange(50, 401, 50))
    np.testing.assert_array_equal(whole.phase_of_chunk, [0, 0, 1, 1, 0, 0, 1, 1])
    np.testing.assert_array_equal(whole.is_model_wrong, whole.phase_of_chunk == 1)
    assert whole.attrs["switch_steps"] == [100, 200, 300]
    assert whole.attrs["record_every"] == 50
    assert (whole[TIMES[0]] > 0).all()


def test_a_result_explains_itself(whole):
    settings = json.loads(whole.attrs["settings"])
    assert settings["environment"]["stem"] == 2
    assert settings["agents"]["uniform"]["step_size"] == 0.5
    assert json.loads(whole.attrs["versions"]) == versions()
    assert (whole.attrs["suite"], whole.attrs["title"]) == ("small", "a small maze")
    assert whole.attrs["root_seed"] == 0


def test_rewards_are_those_of_the_agents_own_programs(whole):
    made = Program(SUITE, SUITE.agents["uniform"], build_problem(SUITE), 0)
    made.compile(workers()[:1])
    record = made.run_block([Lane(3, {})], workers()[0], lambda steps: None).record
    found = whole.sel(agent="uniform", seed=3)
    np.testing.assert_array_equal(found.reward, record["reward"][0])
    for name in ("query_distribution", "entropy", "weighted_error", "redundant_mass"):
        np.testing.assert_array_equal(found[name], record[name][0])
    assert len(np.unique(whole.reward.sum("chunk"))) > 3
    assert run_key(0, 3) != run_key(0, 4)


def test_agents_that_do_not_plan_have_no_distribution(whole):
    learner, planner = (whole.sel(agent=name) for name in ("no_planning", "uniform"))
    for name in ("query_distribution", *MEASURES):
        assert learner[name].isnull().all(), name
        assert planner[name].notnull().all(), name
    for name in REPORTED:
        assert whole[name].isnull().all(), name
    for name in ("reward", *ALWAYS, *STATE_MEASURES, *SNAPSHOTS):
        assert whole[name].notnull().all(), name


def test_uniform_has_its_share_of_mass_on_wrong_states(whole):
    # 2 of 5 states are beside a goal; in the second phase the stale model is wrong there.
    expected = np.where(whole.is_model_wrong, 2 / 5, 0)
    for seed in range(NUM_SEEDS):
        uniform = whole.sel(agent="uniform", seed=seed)
        np.testing.assert_allclose(uniform.wrong_mass, expected, atol=1e-6)
        np.testing.assert_allclose(uniform.uniform_wrong_mass, expected, rtol=1e-6)
    assert whole.wrong_state.sum("state").values.tolist() == [0, 2]


def test_a_result_knows_the_maze(whole):
    # L 1 2 3 R along the bar, then two cells of stem, the start at its foot.
    np.testing.assert_array_equal(whole.start, np.arange(7) == 6)
    np.testing.assert_array_equal(whole.is_candidate, ~np.isin(np.arange(7), [0, 4]))
    goals = np.full((2, 7), np.nan)
    goals[:, 0], goals[:, 4] = (-1, 1), (1, -1)
    np.testing.assert_array_equal(whole.goal_reward, goals)


def test_a_learned_model_may_be_wrong_anywhere_at_any_time():
    suite = choose_agents(dataclasses.replace(SUITE, model=LearnedModel()), ["uniform"])
    result = run_suite("small", suite, Seeds(1)).sel(agent="uniform", seed=0)
    assert result.is_model_wrong.all()
    assert not result.wrong_state.any(), "no state is known to be wrong beforehand"
    # Hardly anything has been tried when the run begins.
    mass = result.wrong_mass.values
    assert mass[0] > 0.1
    np.testing.assert_allclose(mass, result.uniform_wrong_mass, atol=1e-6)
    assert json.loads(result.attrs["settings"])["model"]["average"] == "recency"


def test_the_yardstick_is_that_of_the_suite(whole):
    for name, epsilon in (("optimal_reward", SUITE.epsilon), ("unconstrained_reward", 0.0)):
        known = optimal_rewards(
            build_problem(SUITE).known.tables,
            epsilon=epsilon,
            num_steps=400,
            record_every=50,
            switch_every=100,
        )
        np.testing.assert_array_equal(whole[name], known)
    assert (whole.unconstrained_reward.sum() > whole.optimal_reward.sum()).item()
    assert whole.reward.sum("chunk").mean() < whole.optimal_reward.sum()


def test_the_budget_is_counted_per_real_step():
    agents = ["no_planning", "uniform", "uniform_compute_matched", "replay", "meta_gradient"]
    suite = choose_agents(get_suite("tmaze-fixed"), agents)
    budget = _budget(
        suite,
        build_problem(suite),
        {name: {"compile_seconds": np.ones(2), "run_seconds": np.full(2, 3.0)} for name in agents},
    )
    assert budget["sampled_updates"] == [0, 5, 10, 5, 5]
    assert budget["model_queries"] == [0, 5, 10, 0, 5], "replay asks no model"
    # MGSC's closed form makes 1 + A = 5 expected backups.
    assert budget["expected_backups"] == [0, 0, 0, 0, 5]
    assert (budget["compile_seconds"], budget["run_seconds"]) == ([2.0] * 5, [6.0] * 5)


def test_into_a_folder_is_the_same_as_into_memory(whole, tmp_path):
    given = run_suite("small", SUITE, Seeds(NUM_SEEDS), out=tmp_path / "new" / "result")
    assert_same_result(given, whole)
    xr.testing.assert_identical(store.open_result(tmp_path / "new" / "result"), given)


def crash_at_part(monkeypatch, number: int) -> None:
    """The run stops when it has the block of this number, before it is kept."""
    write, calls = PartPlace.write, []

    def crashing(*arguments):
        calls.append(arguments)
        if len(calls) > number:
            raise CrashError
        return write(*arguments)

    monkeypatch.setattr(PartPlace, "write", crashing)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(whole, tmp_path, monkeypatch, number):
    """Stopped before anything is kept, within the first agent, and within the second."""
    with monkeypatch.context() as patched:
        crash_at_part(patched, number)
        with pytest.raises(CrashError):
            run_suite("small", SUITE, Seeds(NUM_SEEDS), out=tmp_path)
    with pytest.raises(store.IncompleteResultError):
        store.open_result(tmp_path)
    kept = [part.stem.rsplit("-", 2) for part in sorted((tmp_path / "parts").glob("*.npz"))]
    assert len(kept) == number
    todo: dict[str, int] = {}
    progress = Progress(start=todo.__setitem__)
    given = run_suite("small", SUITE, Seeds(NUM_SEEDS), out=tmp_path, resume=True, progress=progress)
    assert_same_result(given, whole)
    # Blocks of seeds 0, 1; 2, 3; and 4; what was kept is not run again.
    left = dict.fromkeys(SUITE.agents, NUM_SEEDS)
    for agent, generation, seed in kept:
        assert generation == "g1"
        left[agent] -= 1 if seed == "4" else 2
    assert todo == {name: count * SUITE.steps for name, count in left.items()}


def test_further_seeds_make_the_result_of_all_seeds_at_once(whole, tmp_path):
    first = run_suite("small", SUITE, Seeds(2), out=tmp_path)
    assert first.sizes["seed"] == 2
    given = run_suite("small", SUITE, Seeds(3, first=2), out=tmp_path, append=True)
    assert_same_result(given, whole)
    assert_same_result(store.open_result(tmp_path), whole)


def test_a_complete_result_is_opened_and_not_run_again(tmp_path, monkeypatch):
    suite = choose_agents(SUITE, ["no_planning"])
    given = run_suite("small", suite, Seeds(2), out=tmp_path)
    monkeypatch.setattr(Program, "compile", lambda *arguments: pytest.fail("compiled again"))
    xr.testing.assert_identical(run_suite("small", suite, Seeds(2), out=tmp_path, resume=True), given)
    for changed in (suite, change_suite(suite, {"steps": 200})):
        with pytest.raises(UserError, match=r"holds a result: use --out \S+-2, --append or --overwrite "):
            run_suite("small", changed, Seeds(2), out=tmp_path)
    with pytest.raises(UserError, match="resume"):
        run_suite("small", change_suite(suite, {"steps": 200}), Seeds(2), out=tmp_path, resume=True)


def test_progress_hears_of_every_step():
    heard: dict[str, list[int]] = {}
    events = []

    def start(agent, steps):
        events.append(("start", agent, steps))

    progress = Progress(
        start=start,
        running=lambda agent: events.append(("running", agent)),
        advance=lambda agent, steps: heard.setdefault(agent, []).append(steps),
    )
    suite = choose_agents(SUITE, ["no_planning"])
    run_suite("small", suite, Seeds(3), progress=progress)
    assert events == [("start", "no_planning", 3 * 400), ("running", "no_planning")]
    assert sum(heard["no_planning"]) == 3 * 400


@pytest.mark.parametrize(
    ("changes", "seeds", "message"),
    [
        ({"steps": -1}, Seeds(2), "^steps is -1"),
        ({"uniform.step_size": float("nan")}, Seeds(2), "^uniform.step_size is nan"),
        ({"environment.step_limit": 1}, Seeds(2), "step_limit is 1, but the nearest goal is 4"),
        ({}, Seeds(0), "^seeds is 0: at least 1 is needed"),
        ({}, Seeds(-3), "^seeds is -3"),
        ({}, Seeds(10**12), "^seeds is 1000000000000: at most"),
        ({}, Seeds(2, root=-1), "^root-seed is -1: it must be in"),
        ({}, Seeds(2, root=2**31), "^root-seed is 2147483648"),
        ({}, Seeds(2, first=-1), "^first-seed is -1"),
        ({}, Seeds(2, first=LARGEST_SEED - 1), "^first-seed is"),
    ],
)
def test_nonsense_is_refused_before_any_work(tmp_path, monkeypatch, changes, seeds, message):
    monkeypatch.setattr(Program, "compile", lambda *arguments: pytest.fail("compiled"))
    folder = tmp_path / "result"
    with pytest.raises(UserError, match=message):
        run_suite("small", change_suite(SUITE, changes), seeds, out=folder)
    assert not folder.exists()


def test_the_numbers_of_seeds():
    assert Seeds(3, first=5).numbers == (5, 6, 7)
    Seeds(2, root=LARGEST_SEED - 2, first=LARGEST_SEED - 2).check()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run_suite("small", SUITE, Seeds(1), out=tmp_path / "file")
