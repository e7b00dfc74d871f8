"""Tuned settings are applied, and never reported on the seeds they were tuned on."""

from __future__ import annotations

import json

import pytest

import mgsc
from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import SUITES, check_suite, get_suite
from mgsc.experiments.running.program import Program
from mgsc.experiments.tuning import chosen as chosen_module
from mgsc.experiments.tuning.chosen import UNTUNED, read_sweep, refuse_overlap, tuned_suite
from mgsc.experiments.tuning.space import space_of

SWEEP = {
    "suite": "tmaze-fixed",
    "tuning_seeds": [{"count": 16, "root": 1, "first": 0}, {"count": 32, "root": 1, "first": 16}],
    "chosen": {
        "uniform": {"step_size": 0.25, "planning_updates": 2},
        "meta_gradient": {"step_size": 0.75, "meta_step_size": 0.01, "entropy_bonus": 0.0},
    },
}


@pytest.fixture
def sweep_file(tmp_path):
    """A function that writes a sweep and gives its path."""

    def write(sweep=SWEEP, **changes):
        path = tmp_path / "sweep.json"
        path.write_text(json.dumps(sweep | changes if isinstance(sweep, dict) else sweep))
        return str(path)

    return write


def test_chosen_settings_are_applied_and_others_stay(sweep_file):
    suite, plain = tuned_suite("tmaze-fixed", file=sweep_file()), get_suite("tmaze-fixed")
    uniform, ours = suite.agents["uniform"], suite.agents["meta_gradient"]
    assert (uniform.step_size, uniform.planning_updates) == (0.25, 2)
    assert (ours.step_size, ours.options.meta_step_size) == (0.75, 0.01)
    assert suite.agents["replay"] == plain.agents["replay"]
    assert suite.environment == plain.environment
    check_suite(suite)


def test_without_a_sweep_a_suite_has_its_own_settings():
    assert tuned_suite("tmaze-fixed", Seeds(3), UNTUNED) == get_suite("tmaze-fixed") != tuned_suite("tmaze-fixed")


def test_a_suite_that_was_never_tuned_keeps_its_defaults(monkeypatch):
    monkeypatch.setattr(chosen_module, "read_sweep", lambda name: None)
    assert tuned_suite("tmaze-fixed", Seeds(3, root=1)) == get_suite("tmaze-fixed")


@pytest.mark.parametrize(
    ("reporting", "message"),
    [
        (Seeds(1, root=1), r"seeds 0\.\.0 of root seed 1 were used for tuning"),
        (Seeds(30, root=1), r"seeds 0\.\.15 of root seed 1"),
        (Seeds(1, root=1, first=47), r"seeds 47\.\.47 of root seed 1"),
        (Seeds(100, root=1, first=40), r"seeds 40\.\.47 of root seed 1"),
        (Seeds(2**31 - 2, root=1), r"seeds 0\.\.15"),
    ],
)
def test_reporting_on_tuning_seeds_is_refused(sweep_file, reporting, message):
    with pytest.raises(UserError, match=message):
        tuned_suite("tmaze-fixed", reporting, file=sweep_file())


@pytest.mark.parametrize("reporting", [Seeds(30), Seeds(48, root=0), Seeds(30, root=1, first=48), None])
def test_on_other_seeds_the_chosen_settings_are_applied(sweep_file, reporting):
    assert tuned_suite("tmaze-fixed", reporting, file=sweep_file()).agents["uniform"].step_size == 0.25


def test_overlap_is_looked_for_in_every_round():
    rounds = [Seeds(2, root=1), Seeds(2, root=1, first=10)]
    refuse_overlap(Seeds(8, root=1, first=2), rounds)
    with pytest.raises(UserError, match=r"seeds 10\.\.10"):
        refuse_overlap(Seeds(9, root=1, first=2), rounds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not JSON", "is no sweep: it is not JSON"),
        ("[1, 2]", "is no sweep of `mgsc tune`"),
        ('{"suite": "tmaze-fixed"}', "is no sweep of `mgsc tune`"),
        (json.dumps(SWEEP | {"suite": "other"}), "is a sweep of other, not of tmaze-fixed"),
    ],
)
def test_files_that_are_no_sweep_are_refused(tmp_path, text, message):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(UserError, match=message):
        tuned_suite("tmaze-fixed", file=str(tmp_path / "sweep.json"))


def test_a_sweep_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*sweep.json: No such file"):
        tuned_suite("tmaze-fixed", file=str(tmp_path / "sweep.json"))


def test_a_sweep_of_unknown_agents_or_settings_is_refused(sweep_file):
    with pytest.raises(UserError, match="the sweep chose for nobody: the suite has no_planning, uniform, "):
        tuned_suite("tmaze-fixed", file=sweep_file(chosen={"nobody": {"step_size": 0.5}}))
    with pytest.raises(UserError, match="unknown setting"):
        tuned_suite("tmaze-fixed", file=sweep_file(chosen={"uniform": {"no_such": 0.5}}))


@pytest.mark.parametrize("name", SUITES)
def test_committed_sweeps_follow_the_protocol(name):
    sweep = read_sweep(name)
    if sweep is None:
        pytest.skip("not tuned yet")
    suite = get_suite(name)
    assert sweep["suite"] == name
    assert set(sweep["chosen"]) == set(suite.agents)
    protocol = sweep["protocol"]
    assert protocol["seeds"] >= 16
    assert (protocol["finalists"], protocol["final_seeds"]) == (5, 32)
    for agent, result in sweep["agents"].items():
        assert len(result["configurations"]) == protocol["configurations"]
        assert result["chosen"] == sweep["chosen"][agent]
        assert set(result["chosen"]) == set(space_of(suite, suite.agents[agent]))
    check_suite(tuned_suite(name, Seeds(30)))
    with pytest.raises(UserError, match="were used for tuning"):
        tuned_suite(name, Seeds(1, root=sweep["tuning_seeds"][0]["root"]))


def test_running_a_suite_refuses_its_tuning_seeds_before_any_work(monkeypatch):
    monkeypatch.setattr(chosen_module, "read_sweep", lambda name: SWEEP)
    monkeypatch.setattr(Program, "compile", lambda *arguments: pytest.fail("compiled"))
    with pytest.raises(UserError, match="were used for tuning"):
        mgsc.run("tmaze-fixed", seeds=2, root_seed=1)
    with pytest.raises(UserError, match="unknown suite"):
        mgsc.run("no-such-suite", seeds=2)
    with pytest.raises(UserError, match="unknown agent"):
        mgsc.run("tmaze-fixed", agents=["nobody"], seeds=2)
