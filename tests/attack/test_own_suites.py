"""Suites of one's own in studies and in tuning."""

from __future__ import annotations

import dataclasses

import pytest
from tests.experiments.synthetic import synthetic
from tests.quick import compile_quickly

import mgsc
from mgsc.environments import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import (
    AgentSettings,
    Protocol,
    Seeds,
    Suite,
    apply_sweep,
    own_strategy,
    tune_suite,
)
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.studies.design import Axis, Ground, Study, Value, axis, cells_of
from mgsc.experiments.studies.origin import origins_of
from mgsc.experiments.studies.runner import run_study
from mgsc.search_control import from_logits

MINE = Suite(
    "Mine",
    TMazeSettings(stem=1, arm=1, switch_every=40),
    steps=80,
    record_every=40,
    measure_every=40,
    agents={"uniform": AgentSettings("uniform"), "no_planning": AgentSettings("no_planning")},
)
DISCOUNTS = axis("discount", "discount", 0.9, 0.95)


def study_of(suite, values=DISCOUNTS):
    return Study("Mine", (Ground("Mine", suite, ("uniform", "no_planning")),), (values,), "no_planning")


def test_issue_a_study_takes_a_suite_of_ones_own(tmp_path, monkeypatch) -> None:
    compile_quickly(monkeypatch)
    summary = run_study("mine", study_of(MINE), Seeds(2), tmp_path / "mine.json")
    assert [cell["settings"]["discount"] for cell in summary["cells"]] == [0.9, 0.95]
    assert {cell["suite"] for cell in summary["cells"]} == {"own"}
    assert all(len(entry["totals"]) == 2 for cell in summary["cells"] for entry in cell["agents"].values())
    (origin,) = {entry["origin"]["kind"] for cell in summary["cells"] for entry in cell["agents"].values()}
    assert origin == "default"


def test_issue_what_an_own_suites_cell_has_changed_is_told() -> None:
    first, second = cells_of(study_of(MINE), Seeds(2))
    assert origins_of(first)["uniform"]["changed"] == ["discount"]
    assert origins_of(second)["uniform"]["changed"] == []


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (study_of(3), "the suite of ground Mine is a int: it must be a name of `mgsc list`, or a Suite"),
        (study_of(MINE, Axis("model", (Value("a", model="fixed"),))), r"Mine is a suite of your own, .* no \{model\}"),
    ],
)
def test_grounds_that_cannot_be_are_refused(study, message) -> None:
    with pytest.raises(UserError, match=message):
        cells_of(study, Seeds(2))


SWEEP = {
    "suite": "mine",
    "tuning_seeds": [dataclasses.asdict(Seeds(2, 1))],
    "chosen": {"uniform": {"step_size": 0.25, "planning_updates": 3}},
}


def test_issue_a_sweeps_choice_is_given_to_a_suite_of_ones_own() -> None:
    tuned = apply_sweep(MINE, SWEEP, Seeds(5))
    assert (tuned.agents["uniform"].step_size, tuned.agents["uniform"].planning_updates) == (0.25, 3)
    assert tuned.agents["no_planning"] == MINE.agents["no_planning"]


@pytest.mark.parametrize(
    ("sweep", "seeds", "message"),
    [
        (SWEEP, Seeds(5, 1), r"seeds 0\.\.1 of root seed 1 were used for tuning"),
        ({}, None, "the sweep is a dict without choices: give it as tune_suite returns it"),
        ({**SWEEP, "chosen": {"replay": {}}}, None, "the sweep chose for replay: the suite has uniform, no_planning"),
    ],
)
def test_what_is_no_choice_for_a_suite_is_refused(sweep, seeds, message) -> None:
    with pytest.raises(UserError, match=message):
        apply_sweep(MINE, sweep, seeds)


def test_issue_own_code_is_tried_before_it_is_tuned_or_studied() -> None:
    """Weights that are no distribution."""
    broken = own_strategy("broken", lambda settings, facts: from_logits(lambda *_: 1 / 0))
    suite = dataclasses.replace(MINE, agents={"uniform": broken, "no_planning": MINE.agents["no_planning"]})
    for work in (
        lambda: tune_suite("mine", suite, Protocol(1, 1, 1, 1)),
        lambda: run_study("mine", study_of(suite), Seeds(2), "unused.json"),
    ):
        with pytest.raises(UserError, match="the strategy uniform fails with its first real transition"):
            work()


@pytest.mark.parametrize("progress", [True, False, None, Progress()])
def test_issue_python_can_show_progress_as_the_command_line_does(progress, monkeypatch, capsys) -> None:
    """The run itself is replaced by two calls of what it is given."""

    def run(name, suite, seeds, *, progress, **rest):
        if progress is not None:
            progress.start("uniform", 80)
            progress.advance("uniform", 80)
        return synthetic(("uniform",), num_seeds=1, num_chunks=2)

    monkeypatch.setattr("mgsc.experiments.api.run_suite", run)
    mgsc.run(MINE, seeds=1, progress=progress)
    assert ("80" in capsys.readouterr().err) == (progress is True)
