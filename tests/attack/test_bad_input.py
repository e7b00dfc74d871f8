"""Bad arguments of commands and of public functions: each is refused in one line, before any work."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from tests.experiments.synthetic import small

import mgsc
from mgsc import cli, environments, models
from mgsc.environments import from_dense, from_map, from_tables
from mgsc.errors import UserError
from mgsc.experiments import (
    SUITES,
    Protocol,
    Range,
    apply_sweep,
    change_suite,
    choose_agents,
    compare,
    diagnose,
    mean_interval,
    own_environment,
    own_strategy,
    tune_suite,
)
from mgsc.experiments.tuning.chosen import read_sweep
from mgsc.search_control import avoid_terminal, uniform
from mgsc.settings import number, with_settings

MAZE = from_map("S.A", {"A": (1.0, -1.0)})
LONG = "9" * 5000
STRANGE = (5, math.nan, "x", b"x", [], {}, object(), np.zeros(2), int)

LINES = {
    "half a step": (["run", "tmaze-fixed", "--steps=1.5"], "--steps is '1.5': it must be a whole number (see mgsc run"),
    "digits without end": (["run", "tmaze-fixed", f"--seeds={LONG}"], "…: it must be a whole number"),
    "a name without end": (["list", LONG], "unknown subject '999"),
    "a setting without end": (["run", "tmaze-fixed", "--set", f"model.rewards={LONG}"], "…: allowed are stale, mean"),
    "another command's option": (["render", "sac-pendulum", "--seeds", "3"], "--seeds 3 (see mgsc render --help)"),
    "an action's option": (["study", "run", "slip", "--set", "x=1"], "--set x=1 (see mgsc study run --help)"),
    "capital letters": (["run", "TMAZE-FIXED"], "did you mean 'tmaze-fixed'?"),
}


def refused(arguments, capsys, tmp_path, monkeypatch) -> str:
    """What the command says; it has refused in one line, and written nothing."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []
    return error


@pytest.mark.parametrize("case", LINES)
def test_issue_a_command_says_what_is_allowed_in_one_short_line(case, capsys, tmp_path, monkeypatch) -> None:
    arguments, words = LINES[case]
    error = refused(arguments, capsys, tmp_path, monkeypatch)
    assert words in error
    assert LONG[:61] not in error


@pytest.mark.parametrize(("executor", "package"), [("slurm", "submitit"), ("ray", "ray"), ("ray", "a folder")])
def test_issue_an_executor_without_its_package_leaves_no_plan(executor, package, capsys, tmp_path, monkeypatch) -> None:
    found = types.ModuleType("ray") if package == "a folder" else None
    monkeypatch.setitem(sys.modules, "ray" if found else package, found)
    arguments = ["run", "tmaze-fixed", "--steps", "250", "--seeds", "1", "--executor", executor]
    error = refused(arguments, capsys, tmp_path, monkeypatch)
    assert f"the executor {executor} needs a package" in error


def test_issue_reproduce_checks_all_suites_before_the_first_one_runs(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.setattr("mgsc.experiments.reproduce.run_suite", lambda *_, **__: pytest.fail("a suite has begun"))
    arguments = ["reproduce", "--suites", "tmaze-fixed", "mbpo-hopper", "--seeds", "1"]
    assert "gymnasium" in refused(arguments, capsys, tmp_path, monkeypatch)


ELSEWHERE = {
    "a platform that there is not": (["run", "tmaze-fixed", "--seeds", "1"], {"JAX_PLATFORMS": "nope"}, 2, "'nope'"),
    **{
        f"no device for {arguments[0]}": (
            arguments,
            {"JAX_PLATFORMS": "cuda", "CUDA_VISIBLE_DEVICES": ""},
            2,
            "JAX_PLATFORMS is 'cuda'; allowed are cpu",
        )
        for arguments in (
            ["run", "tmaze-fixed", "--seeds", "1"],
            ["render", "sac-pendulum", "--out", "."],
            ["bench", "--device", "cpu", "--out", "x.json"],
        )
    },
    "letters that there are not": (["list", "suites"], {"PYTHONIOENCODING": "ascii"}, 0, ""),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_issue_an_environment_that_lacks_something_gives_no_traceback(case, tmp_path) -> None:
    arguments, variables, status, words = ELSEWHERE[case]
    command = [sys.executable, "-m", "mgsc.cli", *arguments]
    ended = subprocess.run(command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.count("\n")) == (status, status // 2), ended.stderr
    assert words in ended.stderr
    assert list(tmp_path.iterdir()) == []


@dataclasses.dataclass(frozen=True)
class Settings:
    temperature: float = number(1.0, 0.0, 10.0, "temperature")


RANGES = [
    Range(1, math.inf),
    Range(math.nan, 1),
    Range(1e-320, 1),
    Range("a", "b"),
    Range(None, 2),
    Range(1j, 2),
    Range(1, 2, 1.0),
    Range(1, 2, -0.1),
    Range(1, 2, math.nan),
    Range(1, 2, "x"),
    Range(1, 2, is_bounded="no"),
]


@pytest.mark.parametrize("span", RANGES, ids=str)
def test_issue_a_range_is_of_finite_numbers(span) -> None:
    with pytest.raises(UserError, match="it must be a Range with 0 < low < high, both finite"):
        own_strategy("mine", lambda settings, facts: uniform(), Settings(), space={"temperature": span})


TRIAL = change_suite(choose_agents(SUITES["tmaze-fixed"], ["uniform"]), {"steps": 250})
SMALL = Protocol(2, 1, 1, 1)


@pytest.mark.parametrize("given", [5.5, *STRANGE[1:]], ids=lambda given: type(given).__name__)
def test_issue_tuning_refuses_what_is_of_another_type(given) -> None:
    refusing = {
        "suite": lambda: tune_suite("x", given, SMALL),
        "protocol": lambda: tune_suite("x", TRIAL, given),
        "progress": lambda: tune_suite("x", TRIAL, SMALL, given),
        "checkpoint": lambda: tune_suite("x", TRIAL, SMALL, checkpoint=given),
        "executor": lambda: tune_suite("x", TRIAL, SMALL, executor=given),
        **{f"{name} of": lambda name=name: SMALL._replace(**{name: given}).check() for name in Protocol._fields},
    }
    refusing["name"] = lambda: tune_suite(f"{given}\n" if isinstance(given, str) else given, TRIAL, SMALL)
    for words, call in refusing.items():
        with pytest.raises(UserError, match=rf"^{words} .*it must be"):
            call()


@pytest.mark.parametrize("seeds", [[], {}, ()], ids=str)
def test_issue_a_sweep_was_tuned_on_some_seeds(seeds) -> None:
    sweep = {**read_sweep("tmaze-fixed"), "tuning_seeds": seeds}
    with pytest.raises(UserError, match="without choices"):
        apply_sweep(SUITES["tmaze-fixed"], sweep)


MAPS = {
    "no goals": ({"goals": None}, "goals is a NoneType: it must map letters to rewards"),
    "a single reward": ({"goals": {"A": 1.0}}, r"goals\['A'\] is 1.0: it must be a list with a number per phase"),
    "a text for rewards": ({"goals": {"A": "x"}}, r"goals\['A'\] is 'x': it must be a list"),
    "a text among rewards": ({"goals": {"A": (1, "x")}}, r"goals\['A'\] is \(1, 'x'\): it must be a list"),
    "a number for a letter": ({"goals": {5: (1,)}}, "a key of goals is a int: it must be a letter"),
    "a number for gates": ({"gates": 5}, "gates is a int: it must map letters"),
    "a list for gates": ({"gates": []}, "gates is a list: it must map letters"),
    "numbers for gates": ({"gates": {"a": (0.5, 1)}}, r"gates\['a'\] is .*: it must be a list with true or false"),
    "a text for slip": ({"slip": "x"}, r"slip must be a probability in \[0, 1\], not 'x'"),
    "nothing for slip": ({"slip": None}, r"slip must be a probability in \[0, 1\], not None"),
    "an array for slip": ({"slip": np.zeros(2)}, r"slip must be a probability in \[0, 1\], not array"),
    "true for slip": ({"slip": True}, r"slip must be a probability in \[0, 1\], not True"),
}


@pytest.mark.parametrize("case", MAPS)
def test_issue_a_map_is_refused_in_words(case) -> None:
    given, words = MAPS[case]
    with pytest.raises(UserError, match=words):
        from_map("S.A", **{"goals": {"A": (1.0, -1.0)}, **given})


RAGGED = [[[1], [1, 2]]]
ROWS = {"probability": [[[1.0]]], "reward": [[[0.0]]], "successor": [[[0]]], "terminates": [[[False]]], "start": 0}


@pytest.mark.parametrize("name", ROWS)
def test_issue_rows_of_several_lengths_are_refused(name) -> None:
    with pytest.raises(UserError, match=rf"{name} must be an array.*all rows of one length"):
        from_tables(**{**ROWS, name: RAGGED})


def test_issue_a_start_of_another_shape_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"start must be a state in 0..1") as found:
        from_dense(np.eye(2)[:, None], np.zeros((2, 1)), [False, True], np.zeros((3, 1, 3)))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("given", [None, *STRANGE[:2], *STRANGE[3:]], ids=lambda given: type(given).__name__)
def test_issue_what_is_no_environment_of_gymnasium_is_refused(given) -> None:
    pytest.importorskip("gymnasium")
    with pytest.raises(UserError, match=r"id_or_env is a .*: it must be an id of Gymnasium, or an environment"):
        environments.from_gymnasium(given)


BUILDERS = {
    environments.tmaze: environments.TMazeSettings,
    environments.two_rooms: environments.TwoRoomsSettings,
    environments.field: environments.FieldSettings,
    environments.dyna_maze: environments.DynaMazeSettings,
    environments.blocking_maze: environments.BlockingMazeSettings,
    environments.shortcut_maze: environments.ShortcutMazeSettings,
    environments.garnet: environments.GarnetSettings,
    environments.pendulum: environments.PendulumSettings,
    environments.cartpole: environments.CartPoleSettings,
    environments.acrobot: environments.AcrobotSettings,
    environments.gridworld: environments.GridWorldSettings,
    environments.goright: environments.GoRightSettings,
    environments.tmaze_image: environments.TMazeImageSettings,
    environments.two_rooms_image: environments.TwoRoomsImageSettings,
    environments.gymnasium_control: environments.GymnasiumControlSettings,
}


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_issue_an_environment_is_built_of_its_own_settings_within_their_limits(build) -> None:
    kind = BUILDERS[build]
    for given in (None, 5, {}, kind, mgsc.values.TableSettings()):
        with pytest.raises(UserError, match=rf"settings is a .*: it must be {kind.__name__}"):
            build(given)
    for field in dataclasses.fields(kind):
        for value in (math.nan, -(10**40), None):
            with pytest.raises(UserError, match=rf"^{field.name} is .*(it must be|allowed are)"):
                build(kind(**{field.name: value}))


@pytest.mark.parametrize("given", [None, 5, math.nan, "x", object()], ids=lambda given: type(given).__name__)
def test_issue_what_a_simulator_is_made_of_is_a_tuple(given) -> None:
    source = environments.pendulum(environments.PendulumSettings())._replace(made_of=given)
    with pytest.raises(UserError, match=r"made_of of environment x is a .*: it must be a tuple"):
        own_environment("x", source)


@pytest.mark.parametrize("given", [None, 1.5, -1, "x", True, np.zeros(2)], ids=lambda given: type(given).__name__)
def test_issue_the_step_limit_of_a_simulator_is_a_whole_number(given) -> None:
    source = environments.pendulum(environments.PendulumSettings())._replace(step_limit=given)
    with pytest.raises(UserError, match=r"step_limit of environment x is .*: it must be an int of at least 0"):
        own_environment("x", source)


@pytest.mark.parametrize("x", ["x", b"x", {}, object(), int, [[1], [1, 2]], None], ids=lambda x: type(x).__name__)
def test_issue_an_interval_is_of_numbers(x) -> None:
    with pytest.raises(ValueError, match="expected one number per seed"):
        mean_interval(x)


DROPPED = ["model_queries", "expected_backups", "sampled_updates", "compile_seconds", "run_seconds"]


@pytest.mark.parametrize("name", [*DROPPED, "model_error", "state_value_error"])
def test_issue_what_a_result_lacks_is_not_a_number(name) -> None:
    changed = compare(small().drop_vars(name))
    assert [row.name for row in changed.rows] == [row.name for row in compare(small()).rows]
    if name == "model_queries":
        assert all(math.isnan(row.budget.model_queries) for row in changed.rows)


@pytest.mark.parametrize("steps", [None, 5, math.nan, "x", [0], ["x"]], ids=str)
def test_issue_a_result_whose_switches_are_no_steps_is_refused(steps) -> None:
    for call in (compare, diagnose):
        with pytest.raises(UserError, match="the result is not what it must be: switch_steps"):
            call(small().assign_attrs(switch_steps=steps))


@pytest.mark.parametrize("given", [None, *STRANGE], ids=lambda given: type(given).__name__)
def test_issue_what_are_no_settings_or_tables_is_refused(given) -> None:
    with pytest.raises(UserError, match=r"the settings to change are .*: they must be a dataclass"):
        with_settings(given, {"x": 1})
    for call in (lambda: avoid_terminal(given), lambda: models.fixed(given, 0.9)):
        with pytest.raises(UserError, match=r"tables is a .*: it must be Tables"):
            call()


def test_issue_a_fixed_model_is_of_one_phase() -> None:
    with pytest.raises(UserError, match=r"tables have shape \(2, 3, 4, .*: they must be those of one phase"):
        models.fixed(MAZE.tables, 0.9)


@pytest.mark.parametrize("given", [5, math.nan, "x", [1]], ids=str)
def test_issue_render_refuses_settings_that_are_no_mapping(given, tmp_path) -> None:
    from mgsc.experiments.render import render

    with pytest.raises(UserError, match=r"settings is a .*: it must map keys to values"):
        render("sac-pendulum", tmp_path / "x.gif", steps=250, settings=given)
