"""Units of work run anywhere and give the same bits; executors differ in where."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from tests.experiments import worker_parts
from tests.experiments.classics.small import SMALL as SMALL_CLASSICS
from tests.experiments.small_tuning import PROTOCOL
from tests.experiments.small_tuning import SUITE as TUNED
from tests.experiments.studies.small_studies import NAME, SEEDS, SMALL

import mgsc
from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.classics.runner import Runs, run_classics
from mgsc.experiments.design.own_strategy import own_strategy
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import SUITES, change_suite, choose_agents
from mgsc.experiments.running import units as units_module
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import devices
from mgsc.experiments.running.executor import Executor, Listener, execute
from mgsc.experiments.running.executors import PROCESSES, THREADS, get_executor
from mgsc.experiments.running.program import Lane, Program
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.running.units import Programs, Unit, cut, run_unit, units_of
from mgsc.experiments.studies.runner import run_study
from mgsc.experiments.tuning.search import tune_suite
from mgsc.search_control.row import NoSettings

AGENTS = ["no_planning", "uniform"]
SUITE = change_suite(TUNED, {"lanes_per_block": 2, "planning_updates": 1})
ONE = choose_agents(SUITE, ["no_planning"])
TIMES = ["compile_seconds", "run_seconds"]


def assert_same_result(one: xr.Dataset, other: xr.Dataset) -> None:
    xr.testing.assert_equal(one.drop_vars(TIMES), other.drop_vars(TIMES))
    for attribute in set(one.attrs) - {"created"}:
        assert one.attrs[attribute] == other.attrs[attribute], attribute


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    return run_suite("small", SUITE, Seeds(5))


# --- units ------------------------------------------------------------------------------------


def test_a_suite_is_a_list_of_units_in_a_stable_order():
    units = units_of(SUITE, range(3, 8), 7)
    assert [unit.name for unit in units] == [f"{agent}-{seed}" for agent in AGENTS for seed in (3, 5, 7)]
    assert [unit.seeds for unit in units] == [(3, 4), (5, 6), (7,)] * 2
    assert {unit.root_seed for unit in units} == {7}
    assert [unit.num_steps for unit in units] == [400, 400, 200] * 2
    assert len({unit.key for unit in units}) == len(AGENTS), "a program for each agent"
    assert all([*unit.suite.agents] == [unit.agent] for unit in units)
    assert units == units_of(SUITE, range(3, 8), 7)


def test_units_are_those_that_are_missing(tmp_path):
    plan = store.Manifest("small", {"agents": {}}, 0, tuple(AGENTS), (0, 1, 2, 3, 4))
    with store.create(tmp_path, plan) as folder:
        before = units_of(SUITE, plan.seeds, 0, folder)
        folder.write_part("uniform", (2, 3), {"x": np.zeros(2)})
        names = [unit.name for unit in units_of(SUITE, plan.seeds, 0, folder)]
        assert names == ["no_planning-0", "no_planning-2", "no_planning-4", "uniform-0", "uniform-4"]
        for unit in before:
            assert unit.place == folder.place(unit.agent)
            unit.place.write(unit.seeds, {"x": np.zeros(len(unit.seeds))})
    with store.create(tmp_path, plan, resume=True) as folder:
        assert units_of(SUITE, plan.seeds, 0, folder) == []


@pytest.mark.parametrize("name", SUITES)
def test_every_unit_of_every_suite_can_be_sent(name):
    for unit in units_of(SUITES[name], (0, 1), 0):
        sent = pickle.loads(pickle.dumps(unit))
        assert (sent, sent.key) == (unit, unit.key)
        assert sent.suite.agents == unit.suite.agents


def test_a_problem_stays_where_it_was_built():
    (unit,) = units_of(ONE, (0,), 0, problem=build_problem(ONE))
    assert unit.problem is not None
    assert pickle.loads(pickle.dumps(unit)).problem is None


def test_a_unit_runs_what_its_program_runs(tmp_path):
    (unit,) = units_of(ONE, (4, 9), 3)
    sent = pickle.loads(pickle.dumps(unit))
    result = run_unit(sent)
    made = Program(ONE, ONE.agents["no_planning"], build_problem(ONE), 3)
    made.compile(devices()[:1])
    known = made.run_block([Lane(4, {}), Lane(9, {})], devices()[0], lambda steps: None)
    assert [lane.seed for lane in result.lanes] == [4, 9]
    assert result.compile_seconds > 0
    for name, array in known.record.items():
        np.testing.assert_array_equal(result.record[name], array)
    # Given a place, it writes its part there; nobody holds a lock, and what is in the part is not returned.
    place = store.PartPlace(str(tmp_path), "no_planning", 3, "0123")
    again = run_unit(dataclasses.replace(sent, place=place, side_by_side=2))
    assert (again.record, again.compile_seconds) == ({}, 0)
    assert os.listdir(tmp_path) == ["no_planning-g3-4.npz"]
    with np.load(tmp_path / "no_planning-g3-4.npz") as file:
        header = json.loads(str(file["header"]))
        np.testing.assert_array_equal(file["array:reward"], known.record["reward"])
        assert file["array:run_seconds"] == pytest.approx(again.seconds / 2)
    assert header.pop("arrays") == sorted(f"array:{name}" for name in (*known.record, *TIMES))
    assert header == {"agent": "no_planning", "fingerprint": "0123", "generation": 3, "seeds": [4, 9]}


def test_units_of_agents_that_share_a_program_run_with_their_own_numbers():
    suite = change_suite(ONE, {"no_planning.step_size": 0.25})
    one, other = (units_of(each, (0, 1), 0)[0] for each in (ONE, suite))
    assert one.key == other.key
    programs = Programs()
    shared = [run_unit(unit, programs).record["reward"] for unit in (one, other)]
    assert (shared[0] != shared[1]).any()
    np.testing.assert_array_equal(shared[1], run_unit(other, Programs()).record["reward"])


def test_a_program_is_compiled_once_for_two_threads(monkeypatch):
    compiled, is_compiling = [], threading.Event()

    def compile_slowly(self, wanted, lanes):
        compiled.append(self)
        is_compiling.wait(0.2)
        self._compiled = {(device, self.width(device, lanes)): None for device in wanted}

    monkeypatch.setattr(Program, "compile", compile_slowly)
    (unit,) = units_of(ONE, (0,), 0)
    programs = Programs()
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(programs.compiled, unit, devices()[:1]) for _ in range(2)]
    assert found[0].result() is found[1].result()
    assert len(compiled) == 1
    programs.drop(unit.key)
    programs.compiled(unit, devices()[:1])
    assert len(compiled) == 2


def test_of_many_programs_those_used_last_are_kept(monkeypatch):
    compiled = []
    monkeypatch.setattr(Program, "compile", lambda self, wanted, lanes: compiled.append(self.suite.steps))
    monkeypatch.setattr(Program, "is_compiled_for", lambda self, device, lanes: self.suite.steps in compiled)
    programs = Programs(most=2)
    units = {steps: units_of(change_suite(ONE, {"steps": steps}), (0,), 0)[0] for steps in (50, 100, 150)}
    made = {steps: programs.compiled(units[steps], devices()[:1]) for steps in units}
    assert programs.compiled(units[150], devices()[:1]) is made[150]
    assert programs.compiled(units[100], devices()[:1]) is made[100]
    assert programs.compiled(units[50], devices()[:1]) is not made[50]


def test_cutting_keeps_every_lane_in_order():
    lanes = [Lane(seed, {}) for seed in range(5)]
    pieces = cut(Unit("uniform-1", SUITE, "uniform", lanes, 0, tunes=True), 2)
    assert [piece.name for piece in pieces] == ["uniform-1-0", "uniform-1-2", "uniform-1-4"]
    assert [lane for piece in pieces for lane in piece.lanes] == lanes


# --- executors --------------------------------------------------------------------------------


class Sequential:
    """An executor of someone else's: one unit after the other, each of them pickled, as for a cluster."""

    def __init__(self, listener: Listener) -> None:
        self.waiting, self.listener = [], listener

    def prepare(self, unit: Unit) -> None:
        pass

    def submit(self, unit: Unit) -> None:
        self.waiting.append(unit)

    def finished(self):
        unit = self.waiting.pop(0)
        self.listener.running(unit)
        return unit, run_unit(pickle.loads(pickle.dumps(unit)), advance=lambda n: self.listener.advance(unit, n))


SEQUENTIAL = Executor("sequential", lambda told: contextlib.nullcontext(Sequential(told)), shares_programs=False)


def test_an_executor_is_three_functions(whole, tmp_path):
    given = run_suite("small", SUITE, Seeds(5), executor=SEQUENTIAL, out=tmp_path / "result")
    assert_same_result(given, whole)
    assert not (tmp_path / "result" / "parts").exists()
    tuned = tune_suite("small", TUNED, PROTOCOL, executor=SEQUENTIAL)
    assert tuned == tune_suite("small", TUNED, PROTOCOL)


def test_processes_give_the_same_bits(whole, tmp_path):
    """In memory and in a folder, which the workers write their parts into."""
    steps, running = [], []
    progress = Progress(running=running.append, advance=lambda agent, done: steps.append((agent, done)))
    in_folder = run_suite("small", SUITE, Seeds(5), executor=PROCESSES, out=tmp_path, progress=progress)
    assert_same_result(in_folder, whole)
    assert sorted(running) == AGENTS
    assert {agent: sum(done for name, done in steps if name == agent) for agent in AGENTS} == dict.fromkeys(
        AGENTS, 1000
    )
    assert (in_folder.run_seconds > 0).all()
    assert (in_folder.compile_seconds > 0).all()


@pytest.mark.slow
def test_processes_give_the_same_bits_in_memory(whole):
    assert_same_result(run_suite("small", SUITE, Seeds(5), executor=PROCESSES), whole)
    given = mgsc.run(ONE, seeds=2, executor="processes")
    np.testing.assert_array_equal(given.reward[0], whole.reward[0, :2])


@pytest.mark.slow
def test_a_run_goes_on_with_another_executor(whole, tmp_path, monkeypatch):
    write, calls = store.PartPlace.write, []

    def crashing(*arguments):
        calls.append(arguments)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store.PartPlace, "write", crashing)
        with pytest.raises(KeyboardInterrupt):
            run_suite("small", SUITE, Seeds(5), out=tmp_path)
    todo: dict[str, int] = {}
    progress = Progress(start=todo.__setitem__)
    given = run_suite("small", SUITE, Seeds(5), out=tmp_path, resume=True, executor=PROCESSES, progress=progress)
    assert_same_result(given, whole)
    assert 0 < sum(todo.values()) < 2 * 5 * SUITE.steps


@pytest.mark.slow
def test_sweeps_studies_and_classics_do_not_depend_on_the_executor(tmp_path):
    assert tune_suite("small", TUNED, PROTOCOL, executor=PROCESSES) == tune_suite("small", TUNED, PROTOCOL)
    for executor in (THREADS, PROCESSES):
        folder = tmp_path / executor.name
        folder.mkdir()
        run_study(NAME, SMALL, SEEDS, folder / "study.json", executor=executor)
        run_classics(SMALL_CLASSICS, Runs(), folder / "classics.json", executor=executor)
    for name in ("study.json", "classics.json"):
        assert (tmp_path / "processes" / name).read_bytes() == (tmp_path / "threads" / name).read_bytes(), name


def test_an_error_on_a_thread_is_raised_once(monkeypatch):
    calls = []

    def fails(*arguments):
        calls.append(arguments)
        raise UserError("no more")

    monkeypatch.setattr(units_module.Programs, "compiled", fails)
    with pytest.raises(UserError, match="no more"):
        run_suite("small", ONE, Seeds(1))
    assert len(calls) == 1


def with_strategy(build) -> mgsc.experiments.Suite:
    agent = own_strategy("mine", build, NoSettings())
    return dataclasses.replace(SUITE, agents={"mine": agent})


def test_a_strategy_that_cannot_be_sent_is_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(Program, "compile", lambda *arguments: pytest.fail("compiled"))

    def hidden(settings, facts):
        return worker_parts.evenly(settings, facts)

    with pytest.raises(
        UserError, match=r"^mine cannot be sent to another process \(.*hidden.*\): define the functions"
    ):
        run_suite("small", with_strategy(hidden), Seeds(2), executor=PROCESSES)


@pytest.mark.slow
def test_a_strategy_of_a_module_can_be_sent():
    suite = with_strategy(worker_parts.evenly)
    known, given = (run_suite("small", suite, Seeds(2), executor=executor) for executor in (THREADS, PROCESSES))
    assert_same_result(given, known)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (worker_parts.refusing, UserError, "^this strategy has had enough"),
        (worker_parts.failing, ZeroDivisionError, "one over nought"),
        (worker_parts.failing_to_build, UserError, "^build of mine fails: ZeroDivisionError: one over nought"),
        (
            worker_parts.dying,
            UserError,
            r"^worker process \d+ was ended by signal 9 \(is there memory enough\?\) while it ran mine-0; ",
        ),
    ],
)
def test_what_goes_wrong_in_a_worker_is_said_here(build, error, words):
    with pytest.raises(error, match=words) as raised:
        run_suite("small", with_strategy(build), Seeds(1), executor=PROCESSES)
    if "one over nought" in words:
        assert any("worker_parts.py" in note for note in raised.value.__notes__)


@pytest.mark.slow
def test_a_worker_that_would_compute_other_bits_is_refused(monkeypatch):
    monkeypatch.setattr("mgsc.experiments.running.devices.CPU_WIDTH", 2)
    with pytest.raises(UserError, match=r"a worker process computes otherwise .*: block_width: 2 and 16"):
        run_suite("small", ONE, Seeds(1), executor=PROCESSES)


def test_processes_are_for_cpus(monkeypatch):
    class Accelerator:
        platform = "gpu"
        device_kind = "an accelerator"

    monkeypatch.setattr("mgsc.experiments.running.devices.devices", lambda: [Accelerator()])
    with pytest.raises(UserError, match="the executor processes is for CPUs: on a gpu, use threads"):
        next(execute([], PROCESSES, Progress()))


def test_executors_go_by_their_names(capsys, tmp_path):
    assert get_executor("threads") is THREADS
    assert get_executor(SEQUENTIAL) is SEQUENTIAL
    with pytest.raises(UserError, match="unknown executor 'process'; did you mean 'processes'"):
        mgsc.run(ONE, seeds=1, executor="process")
    for command in (["run", "tmaze-fixed"], ["tune", "tmaze-fixed"], ["study", "run", "comparison"], ["reproduce"]):
        for given, words in [
            (["--executor", "slrum"], "did you mean 'slurm'"),
            (["--executor", "threads", "--executor-set", "time=5"], "the executor threads has no settings"),
            (["--executor", "slurm", "--executor-set", "time=0"], "time is 0: it must be a whole number in [1, "),
            (["--executor", "slurm", "--executor-set", "tiem=5"], "did you mean 'time'"),
            (["--executor", "ray", "--executor-set", "time"], "write KEY=VALUE"),
            (["--executor", "ray", "--executor-file", str(tmp_path / "none.toml")], "cannot read"),
        ]:
            assert cli.main([*command, *given, "--out", str(tmp_path / "out")]) == 2
            assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- late workers -----------------------------------------------------------------------------


def test_a_worker_that_outlives_its_plan_changes_nothing(tmp_path):
    plan = store.Manifest("small", {"agents": {}}, 0, ("uniform",), (0, 1))
    with store.create(tmp_path, plan) as folder:
        late = folder.place("uniform")
    with store.create(tmp_path, plan, overwrite=True) as folder:
        folder.write_part("uniform", (0, 1), {"x": np.array([1.0, 2.0])})
        late.write((0, 1), {"x": np.array([8.0, 9.0])})
        assert folder.gather("uniform")["x"].tolist() == [1.0, 2.0]
    assert len(list((tmp_path / "parts").glob("*.npz"))) == 2
    with store.create(tmp_path, plan, resume=True) as folder:
        assert [part.path.name for part in folder.finished_parts()] == ["uniform-g2-0.npz"]
    assert len(list((tmp_path / "parts").glob("*.npz"))) == 1


def test_a_late_worker_of_the_same_plan_is_seen(tmp_path):
    """Its blocks were cut otherwise: the driver that went on had the first of them done already."""
    plan = store.Manifest("small", {"agents": {}}, 0, ("uniform",), (0, 1))
    with store.create(tmp_path, plan) as folder:
        folder.write_part("uniform", (0, 1), {"x": np.array([1.0, 2.0])})
        folder.place("uniform").write((0,), {"x": np.array([1.0])})
        with pytest.raises(store.StoreError, match="was written by two runs: use --resume to run its seeds again"):
            folder.gather("uniform")
    with store.create(tmp_path, plan, resume=True) as folder:
        assert folder.missing_seeds("uniform") == (1,)
