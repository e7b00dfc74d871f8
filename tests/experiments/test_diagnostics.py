"""Failure signatures: each on a run that was made to fail that way, and none on healthy ones."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.experiments.measured import NUM_STATES, UNIFORM, measured, with_numbers
from tests.quick import compile_quickly

from mgsc import cli
from mgsc.environments import TMazeSettings
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite
from mgsc.experiments.reading.diagnostics import SIGNATURES, Finding, diagnose, to_json, to_text, verdict
from mgsc.experiments.running.run import run_suite
from mgsc.models import FixedModel
from mgsc.search_control import MetaGradientSettings
from mgsc.search_control.row import NoSettings
from mgsc.search_control.table import STRATEGIES


def learner(step_size: float = 0.5, extra_updates: int = 0, **options: object) -> AgentSettings:
    return AgentSettings(
        "meta_gradient",
        step_size=step_size,
        extra_updates=extra_updates,
        options=MetaGradientSettings(**options),  # type: ignore[arg-type]
    )


FAILING = {
    "slow": learner(meta_step_size=1e-7),
    "rash": learner(meta_step_size=100.0),
    "cold": learner(temperature=1e-30),  # the gradient's square overflows
    "far": learner(step_size=1.0, extra_updates=35, meta_step_size=0.1),
    "tiny": AgentSettings("uniform", step_size=1e-6, options=NoSettings()),
}
SUITE = Suite(
    "a small maze",
    TMazeSettings(stem=2, arm=2, switch_every=500),
    steps=2000,
    record_every=100,
    measure_every=50,
    planning_updates=5,
    agents={"healthy": learner(), **FAILING},
)
NOTHING_TO_WIN = dataclasses.replace(
    SUITE, environment=dataclasses.replace(SUITE.environment, reward=0.0, penalty=0.0), agents={"idle": learner()}
)
HOPELESS = dataclasses.replace(
    SUITE,
    model=FixedModel(corrupted_share=1.0, reward_noise=1.0),
    agents={"misled": AgentSettings("uniform", options=NoSettings())},
)
BOUNDLESS = dataclasses.replace(
    SUITE,
    environment=dataclasses.replace(SUITE.environment, reward=3e38, penalty=-3e38),
    agents={"boundless": AgentSettings("uniform", options=NoSettings())},
)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Finding]]:
    """By agent and signature, what is told of real runs, most of them made to fail."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        compile_quickly(monkeypatch)
        for width in ("CPU_WIDTH", "ACCELERATOR_WIDTH"):
            monkeypatch.setattr(f"mgsc.experiments.running.devices.{width}", 2)
        results = [run_suite("small", suite, Seeds(2)) for suite in (SUITE, NOTHING_TO_WIN, HOPELESS, BOUNDLESS)]
    told: dict[str, dict[str, Finding]] = {str(name): {} for result in results for name in result.agent.values}
    for finding in (finding for result in results for finding in diagnose(result)):
        told[finding.agent][finding.signature] = finding
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "signatures", "words", "advice"),
    [
        ("slow", {"uniform"}, "d has stayed uniform", "raise slow.meta_step_size (1e-07)"),
        ("rash", {"collapsed", "overshoot"}, "d has collapsed on 1.0 states", "raise rash.entropy_bonus (0)"),
        ("cold", {"exploding_gradient"}, "the meta-gradient explodes", "raise cold.temperature (1e-30)"),
        ("far", {"overshoot"}, "planned updates overshoot in", "far.form=saturating"),
        ("tiny", {"no_improvement"}, "values don't improve", "raise tiny.step_size (1e-06)"),
        ("idle", {"nil_gradient"}, "the meta-gradient is nil", "environment.reward"),
        ("misled", {"no_improvement"}, "values don't improve", "a better model"),
        ("boundless", {"not_finite"}, "values", "lower step_size"),
    ],
)
def test_a_failing_run_says_so(
    found: dict[str, dict[str, Finding]], agent: str, signatures: set[str], words: str, advice: str
) -> None:
    assert signatures <= set(found[agent]), f"told: {sorted(found[agent])}"
    finding = next(one for one in found[agent].values() if one.words.startswith(words))
    assert finding.seeds == (0, 1)
    assert advice in finding.advice
    assert str(finding).startswith(f"{agent}: {words}")
    assert "(all seeds, " in str(finding)
    assert all(math.isfinite(figure) for name, figure in finding.figures.items() if name != "norm")


@pytest.mark.slow
def test_one_failure_is_not_told_as_another(found: dict[str, dict[str, Finding]]) -> None:
    assert found["healthy"] == {}
    for agent in ("slow", "cold", "tiny", "idle", "misled", "boundless"):
        assert len(found[agent]) == 1, "one cause, one finding"
    told = {name for findings in found.values() for name in findings}
    assert told == set(SIGNATURES)


# --- made-up measures: thresholds, beginnings, and what no run of tables shows -----------------


def only(dataset: xr.Dataset) -> Finding:
    (finding,) = diagnose(dataset)
    return finding


@pytest.fixture
def healthy() -> xr.Dataset:
    return measured(("no_planning", "uniform", "meta_gradient"))


def test_a_healthy_result_has_no_findings(healthy: xr.Dataset) -> None:
    assert diagnose(healthy) == []
    assert verdict(healthy, []) == "no failure signature"
    assert to_text([]) == ""
    assert json.loads(to_json([])) == {"findings": []}


def test_growth_without_bound_is_told() -> None:
    """The table's values are bounded, and its meta-gradient with them; so this is made up."""
    norm = np.geomspace(1e-3, 1e5, 12)
    finding = only(with_numbers(measured(), "meta_gradient", meta_gradient_norm=norm))
    assert finding.signature == "exploding_gradient"
    assert finding.since == 300
    assert finding.figures["norm"] == pytest.approx(np.median(norm[9:]))
    # as fast, but ending where rewards of 1 may well lead; as large, but not growing
    assert diagnose(with_numbers(measured(), "meta_gradient", meta_gradient_norm=1e-6 * norm)) == []
    assert diagnose(with_numbers(measured(), "meta_gradient", meta_gradient_norm=1e5)) == []


def test_one_chunk_that_is_not_finite_is_told_with_its_step() -> None:
    loss = np.full((3, 12), 0.1)
    loss[1, 5:] = math.nan
    finding = only(with_numbers(measured(), "meta_gradient", meta_loss=loss))
    assert (finding.signature, finding.seeds, finding.since) == ("exploding_gradient", (1,), 500)
    assert "(1 of 3 seeds, since step 500)" in str(finding)
    entry = json.loads(to_json([finding]))["findings"][0]
    assert entry["figures"] == {"norm": None, "not_finite": pytest.approx(7 / 12)}
    assert entry["seeds"] == [1]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_told_of_any_agent_with_their_step(healthy: xr.Dataset, wrong: float) -> None:
    values = np.zeros((3, 12, NUM_STATES))
    values[1, 5:, 2] = wrong
    for agent in ("no_planning", "uniform", "meta_gradient"):
        finding = only(with_numbers(healthy, agent, state_value=values))
        assert (finding.signature, finding.agent, finding.seeds) == ("not_finite", agent, (1,))
        assert str(finding) == (
            f"{agent}: values are not finite in 58 % of the chunks (1 of 3 seeds, since step 500)."
            " Try: take smaller steps (lower step_size), or lower discount."
        )


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "rewards are not finite in 50 %"), (math.nan, "values and rewards are not finite in 100 %")],
)
def test_rewards_that_are_not_finite_are_told(healthy: xr.Dataset, value: float, words: str) -> None:
    reward = np.repeat([1.0, math.inf], 6)
    finding = only(with_numbers(healthy, "uniform", reward=reward, state_value=value))
    assert (finding.signature, finding.since) == ("not_finite", 0 if math.isnan(value) else 600)
    assert finding.words == f"{words} of the chunks"


@pytest.mark.parametrize(
    "numbers",
    [
        {"value_error": 1.0, "reward": 0.0},  # values don't improve
        {"value_error": math.nan, "reward": 0.0},
        {"meta_gradient_norm": 0.0},
        {"query_distribution": UNIFORM},
    ],
)
def test_larger_steps_are_not_advised_where_values_are_not_finite(numbers: dict[str, object]) -> None:
    state_value = np.zeros((3, 12, NUM_STATES))
    flat = with_numbers(measured(), "meta_gradient", **numbers)
    assert only(flat).signature != "not_finite"
    state_value[0, 6:] = math.nan
    assert only(with_numbers(flat, "meta_gradient", state_value=state_value)).signature == "not_finite"


def test_other_failures_are_told_after_values_that_are_not_finite() -> None:
    state_value = np.zeros((3, 12, NUM_STATES))
    state_value[0, 6:] = math.nan
    narrow = {"entropy": 0.1, "redundant_mass": 0.6, "wrong_mass": 0.0, "overshoot": 3.0, "meta_loss": math.nan}
    findings = diagnose(with_numbers(measured(), "meta_gradient", state_value=state_value, **narrow))
    assert [(finding.signature, finding.seeds) for finding in findings] == [
        ("not_finite", (0,)),
        ("exploding_gradient", (0, 1, 2)),
        ("collapsed", (1, 2)),
        ("overshoot", (0, 1, 2)),
    ]


def test_an_agent_that_diverged_at_once_is_still_one_that_learns() -> None:
    gone = with_numbers(
        measured(), "meta_gradient", meta_loss=math.nan, meta_gradient_norm=math.nan, query_distribution=math.nan
    )
    assert only(gone).signature == "exploding_gradient"


def test_a_strategy_that_reports_a_loss_only_is_not_judged_by_its_gradient() -> None:
    assert diagnose(with_numbers(measured(), "uniform", meta_loss=1.0)) == []
    told = diagnose(with_numbers(measured(), "uniform", meta_loss=1.0, meta_gradient_norm=[[1.0] * 11 + [math.nan]]))
    assert [finding.signature for finding in told] == ["exploding_gradient"]


@pytest.mark.parametrize(("redundant", "is_told"), [(0.6, True), (0.3, False)])
def test_concentration_is_a_failure_only_where_planning_is_wasted(redundant: float, is_told: bool) -> None:
    entropy = np.full(12, 0.1)
    entropy[:3] = 1.0
    narrow = with_numbers(measured(), "meta_gradient", entropy=entropy, redundant_mass=redundant, wrong_mass=0.0)
    findings = diagnose(narrow)
    assert [finding.signature for finding in findings] == ["collapsed"] * is_told
    if is_told:
        assert findings[0].since == 300
        assert findings[0].figures["states"] == pytest.approx(math.exp(0.1))
        assert findings[0].figures["share"] == pytest.approx(9 / 12)
    brief = with_numbers(narrow, "meta_gradient", entropy=np.repeat([0.1, 1.0], 6))
    assert diagnose(brief) == [], "half of the run is not most of it"


@pytest.mark.parametrize(
    ("numbers", "is_told"),
    [
        ({"value_error": 1.0, "reward": 0.0}, True),
        ({"value_error": math.nan, "reward": 0.0}, True),
        ({"value_error": np.repeat([1.0, 0.8, 1.0], [5, 1, 6]), "reward": 0.0}, False),  # it once was better
        ({"value_error": 1.0}, False),  # its reward grows
        ({"value_error": 0.0, "reward": 0.0}, False),  # nothing to learn
    ],
)
def test_values_that_do_not_improve(numbers: dict[str, object], is_told: bool) -> None:
    findings = diagnose(with_numbers(measured(), "uniform", **numbers))
    assert [finding.signature for finding in findings] == ["no_improvement"] * is_told


@pytest.mark.parametrize(("share", "is_told"), [(0.25, True), (0.2, False)])
def test_overshoot_in_a_substantial_share_of_the_chunks(share: float, is_told: bool) -> None:
    overshoot = np.where(np.arange(20) < share * 20, 3.0, 0.9)
    made = with_numbers(measured(num_chunks=20), "meta_gradient", overshoot=overshoot)
    assert [finding.signature for finding in diagnose(made)] == ["overshoot"] * is_told
    other = with_numbers(measured(num_chunks=20), "uniform", overshoot=overshoot)
    assert diagnose(other) == [], "sampled updates, one after the other, don't overshoot"


def test_forms_that_cannot_overshoot_are_not_told() -> None:
    settings = {"meta_gradient": {"strategy": "meta_gradient", "options": {"form": "saturating"}}}
    assert diagnose(with_numbers(measured(strategies=settings), "meta_gradient", overshoot=3.0)) == []


def test_nil_depends_on_the_size_of_rewards() -> None:
    small = with_numbers(measured(), "meta_gradient", meta_gradient_norm=1e-10)
    assert only(small).signature == "nil_gradient"
    rewards = small.goal_reward * 1e-3
    assert diagnose(small.assign(goal_reward=rewards)) == []


def test_advice_names_what_keeps_d_uniform() -> None:
    options = {"meta_step_size": 0.03, "entropy_bonus": 0.2, "mixture": 0.0, "temperature": 5.0}
    settings = {"meta_gradient": {"strategy": "meta_gradient", "step_size": 0.5, "options": options}}
    flat = with_numbers(measured(strategies=settings), "meta_gradient", query_distribution=UNIFORM)
    assert only(flat).advice == (
        "raise meta_gradient.meta_step_size (0.03), lower meta_gradient.entropy_bonus (0.2),"
        " lower meta_gradient.temperature (5)"
    )


def test_a_strategy_of_no_table_gets_advice_without_names_of_settings() -> None:
    settings = {"meta_gradient": {"strategy": "own", "step_size": 0.5, "options": {}}}
    flat = with_numbers(measured(strategies=settings), "meta_gradient", query_distribution=UNIFORM)
    assert only(flat).advice == "take larger steps where d is learned, or give its entropy less weight"
    over = with_numbers(measured(strategies=settings), "meta_gradient", overshoot=3.0)
    assert only(over).signature == "overshoot", "what it can do is not known of it"


def test_mgsc_has_advice_against_every_failure_of_learning() -> None:
    assert {*STRATEGIES["meta_gradient"].advice} == {*SIGNATURES} - {"not_finite", "no_improvement"}


def test_a_short_run_is_not_judged() -> None:
    short = with_numbers(measured(num_chunks=7), "meta_gradient", query_distribution=UNIFORM)
    assert diagnose(short) == []
    assert verdict(short, []) == "too short to judge: 7 recorded chunks, at least 8 are needed"


def test_of_a_short_run_values_that_are_not_finite_are_told() -> None:
    short = with_numbers(measured(num_chunks=2), "uniform", state_value=math.nan)
    assert verdict(short, diagnose(short)).startswith(
        "uniform: values are not finite in 100 % of the chunks (all seeds"
    )


# --- the command line --------------------------------------------------------------------------


@pytest.mark.parametrize("is_flat", [True, False])
def test_diagnose_prints_findings_or_that_there_are_none(
    is_flat: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_numbers(measured(), "meta_gradient", query_distribution=UNIFORM) if is_flat else measured()
    monkeypatch.setattr("mgsc.experiments.store.open_result", lambda directory: made)
    assert cli.main(["diagnose", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("meta_gradient: d has stayed uniform" if is_flat else "no failure signature\n")
    assert cli.main(["diagnose", str(tmp_path), "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["findings"]
    assert [entry["signature"] for entry in entries] == ["uniform"] * is_flat


@pytest.mark.parametrize("is_flat", [True, False])
def test_a_run_ends_with_its_findings_and_without_any_says_nothing(
    is_flat: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_numbers(measured(), "meta_gradient", query_distribution=UNIFORM) if is_flat else measured()
    monkeypatch.setattr("mgsc.experiments.running.run.run_suite", lambda *args, **options: made)
    assert cli.main(["run", "tmaze-fixed", "--out", str(tmp_path / "result")]) == 0
    text = capsys.readouterr().out
    assert ("d has stayed uniform" in text) == is_flat
    assert "no failure signature" not in text
