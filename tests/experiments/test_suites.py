"""Suites as data: changed by key and value, validated as a whole."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import pytest

import mgsc
from mgsc import cli
from mgsc.candidates import BufferSettings
from mgsc.environments import TMazeSettings, TwoRoomsSettings, from_map
from mgsc.errors import UserError
from mgsc.experiments import own_environment
from mgsc.experiments.design.advice import kept_updates
from mgsc.experiments.design.agents import COMPARED, FAMILY, PAPER, WHERE_AND_WHAT, default_agents
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import (
    COMPARISON_SUITES,
    CONTROL_SUITES,
    NETWORK_SUITES,
    PAPER_SUITES,
    PREFIX,
    SUITES,
    Suite,
    change_suite,
    check_suite,
    choose_agents,
    get_suite,
    settings_as_dict,
    updates_of,
)
from mgsc.experiments.tuning.chosen import tuned_suite
from mgsc.models import FixedModel, LearnedModel
from mgsc.search_control import MetaGradientSettings
from mgsc.search_control.table import STRATEGIES

SUITE = get_suite("tmaze-fixed")


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_is_sound_and_holds_the_agents_it_is_for(name):
    suite = get_suite(name)
    check_suite(suite)
    if name in PAPER_SUITES:
        assert tuple(suite.agents) == PAPER
    elif name in COMPARISON_SUITES:
        missing = {"compare-garnet": {"avoid_terminal"}, "compare-field": {"constant_priority"}}.get(name, set())
        assert set(COMPARED) - set(suite.agents) == missing
    for settings in suite.agents.values():
        assert isinstance(settings.options, STRATEGIES[settings.strategy].settings)


def test_every_strategy_is_an_agent_and_every_other_agent_a_variant_of_one():
    agents = default_agents(dict.fromkeys((*PAPER, *COMPARED, *WHERE_AND_WHAT)))
    used = {
        agent.strategy
        for suite in (*NETWORK_SUITES.values(), *CONTROL_SUITES.values())
        for agent in suite.agents.values()
    }
    assert set(STRATEGIES) <= set(agents) | used
    assert not set(PAPER) & set(FAMILY)
    of_features = {"learned_priority", "learned_errors", "constant_priority", *WHERE_AND_WHAT}
    assert set(agents) == {*PAPER, *FAMILY, *of_features, "uncertainty_ensemble"}
    for name, agent in agents.items():
        plain = dataclasses.replace(agent, options=STRATEGIES[agent.strategy].settings(), extra_updates=0)
        assert (name == agent.strategy) == (agent == plain)


def test_the_comparison_has_the_papers_conditions_and_others():
    for name, suite in COMPARISON_SUITES.items():
        assert name.startswith(PREFIX)
        paper = PAPER_SUITES.get(name.removeprefix(PREFIX))
        if paper is not None:
            assert dataclasses.replace(suite, title=paper.title, agents=paper.agents) == paper
    assert len([name for name in COMPARISON_SUITES if name.removeprefix(PREFIX) in PAPER_SUITES]) == 4
    assert len(COMPARISON_SUITES) >= 4 + 5


def test_the_suites_are_those_of_the_paper_as_we_read_it():
    models = {name: suite.model for name, suite in PAPER_SUITES.items()}
    assert models == {
        "tmaze-fixed": FixedModel(rewards="stale"),
        "tmaze-fixed-mean": FixedModel(rewards="mean"),
        "tmaze-learned": LearnedModel(),
        "tworooms-fixed": FixedModel(rewards="stale"),
        "tworooms-learned": LearnedModel(),
    }
    for name, suite in PAPER_SUITES.items():
        maze = TMazeSettings() if name.startswith("tmaze") else TwoRoomsSettings()
        # With a learned model planning must be scarce, or every strategy does well.
        maze = TMazeSettings(stem=12, arm=8) if name == "tmaze-learned" else maze
        assert suite.environment == maze
        assert (suite.steps, suite.discount, suite.epsilon) == (50_000, 0.95, 0.1)
        assert suite.planning_updates == {"tmaze-learned": 3, "tworooms-learned": 1}.get(name, 5)
        assert suite.title
    assert len({suite.title for suite in SUITES.values()}) == len(SUITES)
    no_noise = FixedModel(reward_noise=0.0, transition_noise=0.0, corrupted_share=0.0)
    assert SUITE.model == no_noise
    maze = SUITE.environment
    assert (maze.stem, maze.arm, maze.slip, maze.reward, maze.penalty) == (6, 4, 0.1, 1.0, -1.0)
    assert (maze.switch_every, maze.step_limit) == (2500, 0)
    rooms = get_suite("tworooms-fixed").environment
    assert (rooms.width, rooms.height, rooms.slip, rooms.reward, rooms.penalty) == (5, 5, 0.1, 1.0, -1.0)
    assert (rooms.switch_every, rooms.step_limit) == (2500, 0)


@pytest.mark.parametrize(
    ("suite", "key", "value", "known"),
    [
        ("tmaze-fixed", "model.rewards", "mean", FixedModel(rewards="mean")),
        ("tworooms-fixed", "model.reward_noise", "0.5", FixedModel(reward_noise=0.5)),
        ("tworooms-fixed", "model.transition_noise", "0.25", FixedModel(transition_noise=0.25)),
        ("tmaze-fixed", "model.corrupted_share", "1", FixedModel(corrupted_share=1.0)),
        ("tmaze-fixed", "model.noise_seed", "7", FixedModel(noise_seed=7)),
        ("tmaze-learned", "model.average", "sample", LearnedModel(average="sample")),
        ("tworooms-learned", "model.step_size", "0.5", LearnedModel(step_size=0.5)),
        ("tmaze-learned", "model.untried", "uniform", LearnedModel(untried="uniform")),
        ("tmaze-learned", "model.optimistic_reward", "-2", LearnedModel(optimistic_reward=-2.0)),
        ("tmaze-learned", "model.max_successors", "9", LearnedModel(max_successors=9)),
    ],
)
def test_every_setting_of_a_model(suite, key, value, known):
    changed = change_suite(get_suite(suite), {key: value})
    check_suite(changed)
    assert changed.model == known
    assert changed.model != get_suite(suite).model


LEARNED = get_suite("tmaze-learned")


@pytest.mark.parametrize(
    ("suite", "changes", "message"),
    [
        (SUITE, {"model.rewards": "true"}, "^model.rewards is 'true': allowed are stale, mean$"),
        (SUITE, {"model.reward_noise": -0.1}, "^model.reward_noise is -0.1: it must be a number"),
        (SUITE, {"model.reward_noise": math.inf}, "^model.reward_noise is inf"),
        (SUITE, {"model.transition_noise": 1.5}, r"^model.transition_noise is 1.5: .* in \[0.0, 1.0\]"),
        (SUITE, {"model.corrupted_share": math.nan}, "^model.corrupted_share is nan"),
        (SUITE, {"model.noise_seed": -1}, "^model.noise_seed is -1"),
        (LEARNED, {"model.average": "mean"}, "^model.average is 'mean': allowed are sample, recency$"),
        (LEARNED, {"model.step_size": 0.0}, r"^model.step_size is 0.0: .* in \(0.0, 1.0\]"),
        (LEARNED, {"model.step_size": 1.5}, "^model.step_size is 1.5"),
        (LEARNED, {"model.untried": "hope"}, "^model.untried is 'hope': allowed are stay, uniform, optimistic$"),
        (LEARNED, {"model.optimistic_reward": math.inf}, "^model.optimistic_reward is inf"),
        (LEARNED, {"model.max_successors": -1}, "^model.max_successors is -1"),
        (get_suite("tworooms-fixed"), {"environment.width": 0}, r"^environment.width is 0: .* in \[1, "),
        (get_suite("tworooms-fixed"), {"environment.height": 2}, r"^environment.height is 2: .* in \[3, "),
    ],
)
def test_impossible_models_and_rooms_are_refused(suite, changes, message):
    with pytest.raises(UserError, match=message):
        check_suite(change_suite(suite, changes))


@pytest.mark.parametrize(
    ("suite", "key", "message"),
    [
        (SUITE, "model", "settings of the present one are model.rewards, model.reward_noise"),
        (SUITE, "model.average", "unknown setting 'model.average'"),
        (LEARNED, "model", "settings of the present one are model.average, model.step_size"),
        (
            LEARNED,
            "model.rewards",
            r"unknown setting 'model.rewards' \(known: average, .* set model=fixed or model=simulated with it",
        ),
        (get_suite("tworooms-fixed"), "environment.stem", "unknown setting 'environment.stem'"),
    ],
)
def test_a_suite_has_the_settings_of_its_own_model_and_maze_only(suite, key, message):
    with pytest.raises(UserError, match=message):
        change_suite(suite, {key: "1"})


def test_the_number_of_updates_of_each_agent():
    updates = {name: updates_of(SUITE, agent) for name, agent in SUITE.agents.items()}
    # The compute-matched rivals have 1 + A = 5 updates more, and that for each of five transitions.
    assert updates.pop("uniform_compute_matched") == 10
    assert updates.pop("uniform_recent_matched") == 30
    assert updates.pop("no_planning") == 0
    assert set(updates.values()) == {5}
    fewer = dataclasses.replace(SUITE.agents["uniform"], planning_updates=2)
    assert updates_of(SUITE, fewer) == 2


def test_agents_that_keep_their_own_updates_are_named():
    agents = {
        "uniform": dataclasses.replace(SUITE.agents["uniform"], planning_updates=2),
        "recency": dataclasses.replace(SUITE.agents["recency"], planning_updates=3),
        "replay": SUITE.agents["replay"],
    }
    suite = dataclasses.replace(SUITE, agents=agents)

    def said(**changes):
        changes = {key.replace("__", "."): value for key, value in changes.items()}
        return kept_updates(change_suite(suite, changes), changes)

    assert said(planning_updates=10) == (
        "uniform (2), recency (3) keep their own planning_updates;"
        " --set agents.planning_updates=0 gives every agent its whole budget"
    )
    assert said(planning_updates=10, uniform__planning_updates=10).startswith("recency (3) keeps its own ")
    assert said(planning_updates=10, agents__planning_updates=0) == ""
    assert said(steps=500) == ""
    assert kept_updates(SUITE, {"planning_updates": 10}) == ""


def test_a_run_says_which_agents_keep_their_own_updates(monkeypatch, capsys):
    def stop(*arguments, **options):
        raise UserError("stopped here")

    for module in ("mgsc.experiments.api", "mgsc.experiments.running.run"):
        monkeypatch.setattr(f"{module}.run_suite", stop)
    changes = {"planning_updates": 10}
    kept = kept_updates(change_suite(tuned_suite("tmaze-fixed", Seeds(2)), changes), changes)
    assert "uniform (2)" in kept
    with pytest.raises(UserError, match="stopped"), pytest.warns(UserWarning, match=re.escape(kept)):
        mgsc.run("tmaze-fixed", seeds=2, settings=changes)
    assert cli.main(["run", "tmaze-fixed", "--seeds", "2", "--set", "planning_updates=10"]) == 2
    assert capsys.readouterr().err == f"mgsc: {kept}\nmgsc: stopped here\n"


def test_unknown_suites_are_refused_with_the_nearest():
    with pytest.raises(UserError, match="unknown suite 'tmaze-fxed'; did you mean 'tmaze-fixed'"):
        get_suite("tmaze-fxed")


def test_agents_are_chosen_in_the_order_named():
    assert list(choose_agents(SUITE, ["uniform", "no_planning"]).agents) == ["uniform", "no_planning"]
    assert choose_agents(SUITE, None) is SUITE


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "at least one of: no_planning, uniform"),
        (["uniform", "uniform"], "agents must be named once each"),
        (["unifrom"], "unknown agent 'unifrom'; did you mean 'uniform'"),
    ],
)
def test_impossible_choices_of_agents_are_refused(names, message):
    with pytest.raises(UserError, match=message):
        choose_agents(SUITE, names)


def test_an_agent_of_another_suite_is_refused_with_the_suites_that_have_it():
    with pytest.raises(UserError, match=r"gain_need is no agent of this suite \(no_planning, .*one of compare-tmaze-f"):
        choose_agents(SUITE, ["uniform", "gain_need"])


def test_every_path_to_a_setting():
    changed = change_suite(
        SUITE,
        {
            "steps": "1000",
            "environment.slip": "0.2",
            "agents.step_size": "0.25",
            "uniform.step_size": 0.125,
            "meta_gradient.meta_step_size": "0.01",
            "meta_gradient.options.form": "single",
            "replay.window": "50",
        },
    )
    assert (changed.steps, changed.environment.slip) == (1000, 0.2)
    sizes = {name: agent.step_size for name, agent in changed.agents.items()}
    assert sizes.pop("uniform") == 0.125
    assert set(sizes.values()) == {0.25}
    assert changed.agents["meta_gradient"].options == MetaGradientSettings(meta_step_size=0.01, form="single")
    assert changed.agents["replay"].options.window == 50
    assert get_suite("tmaze-fixed") == SUITE, "the table stays as it was"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("setps", "unknown setting 'setps'; did you mean 'steps'"),
        ("title", "unknown setting 'title'"),
        ("agents", "agents is all agents: name one of their settings"),
        ("environment", "environment is a group of settings: name one of stem, arm, slip"),
        ("environment.slipp", "unknown setting 'environment.slipp'; did you mean 'slip'"),
        ("meta_gradeint.form", "unknown setting 'meta_gradeint.form'; did you mean 'meta_gradient'"),
        ("uniform", "uniform is an agent: name one of its settings, as in uniform.step_size=0.5"),
        ("uniform.", "uniform. is an agent|unknown setting"),
        ("uniform.window", "unknown setting 'uniform.window'"),
        ("uniform.stepsize", "unknown setting 'uniform.stepsize'; did you mean 'step_size'"),
        ("slip", "unknown setting 'slip'; did you mean 'environment.slip'"),
        ("uniform.step_size.x", "step_size is a single setting and has no 'x'"),
        ("uniform.options", "options has no settings"),
        ("meta_gradient.strategy", "an agent's strategy is what it is"),
        ("meta_gradient.options.frm", "unknown setting 'meta_gradient.options.frm'; did you mean 'form'"),
        ("agents.strategy", "an agent's strategy is what it is"),
    ],
)
def test_unknown_settings_are_refused(key, message):
    with pytest.raises(UserError, match=message):
        change_suite(SUITE, {key: "1"})


def test_an_unknown_setting_of_a_suite_with_a_part_of_no_kind_is_refused():
    with pytest.raises(UserError, match="unknown setting 'slipp'"):
        change_suite(dataclasses.replace(SUITE, values=3), {"slipp": "1"})


def test_what_tells_an_environment_of_ones_own_from_others_is_no_setting_to_suggest():
    own = own_environment("corridor", from_map("S..A", {"A": (1.0, -1.0)}), switch_every=500)
    suite = dataclasses.replace(SUITE, environment=own)
    for key in ("digest", "source"):
        with pytest.raises(UserError, match=f"unknown setting '{key}'") as refused:
            change_suite(suite, {key: "1"})
        assert f"environment.{key}" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, r"^steps is 0: it must be a whole number in \[1, "),
        ({"steps": -250}, "^steps is -250"),
        ({"steps": True}, "^steps is True"),
        ({"steps": 100}, r"^record_every \(250\) must divide steps \(100\)$"),
        ({"record_every": 300}, r"measure_every \(50\) must divide|must divide steps"),
        ({"measure_every": 100}, r"^measure_every \(100\) must divide record_every \(250\)$"),
        ({"environment.switch_every": 100}, r"record_every \(250\) must divide environment.switch_every"),
        ({"environment.slip": math.nan}, "^environment.slip is nan"),
        ({"environment.slip": -0.1}, "^environment.slip is -0.1"),
        ({"environment.stem": 0}, "^environment.stem is 0"),
        ({"epsilon": 1.5}, "^epsilon is 1.5"),
        ({"discount": math.inf}, "^discount is inf"),
        ({"discount": 1.0}, "^discount is 1 and episodes may never end"),
        ({"planning_updates": 0}, "^planning_updates is 0"),
        ({"uniform.step_size": 0.0}, "^uniform.step_size is 0.0"),
        ({"uniform.step_size": math.nan}, "^uniform.step_size is nan"),
        ({"uniform.planning_updates": 6}, "^uniform.planning_updates is 6: the budget allows at most 5"),
        ({"replay.window": 0}, r"^replay.window is 0: .* \[1, 8388608\]"),
        ({"replay.window": 10**9}, r"^replay.window is 1000000000"),
        ({"meta_gradient.entropy_bonus": -1.0}, "^meta_gradient.entropy_bonus is -1.0"),
        ({"meta_gradient.temperature": 0.0}, "^meta_gradient.temperature is 0.0"),
        ({"meta_gradient.form": "curly"}, "form is 'curly': allowed are scaled, single, unrolled"),
    ],
)
def test_suites_that_cannot_be_run_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        check_suite(change_suite(SUITE, changes))


def test_what_looks_odd_but_is_possible_passes():
    check_suite(change_suite(SUITE, {"discount": 1.0, "environment.step_limit": 100}))
    check_suite(change_suite(SUITE, {"uniform_compute_matched.planning_updates": 10}))
    check_suite(change_suite(SUITE, {"epsilon": 0.0, "discount": 0.0, "environment.slip": 1.0}))


def test_unrolled_takes_the_whole_budget():
    unrolled = change_suite(SUITE, {"meta_gradient.form": "unrolled"})
    check_suite(unrolled)
    check_suite(change_suite(unrolled, {"meta_gradient.planning_updates": 5}))
    with pytest.raises(UserError, match="meta_gradient takes the whole budget as it is set"):
        check_suite(change_suite(unrolled, {"meta_gradient.planning_updates": 3}))


def test_a_suite_is_plain_data():
    data = json.loads(json.dumps(settings_as_dict(SUITE)))
    assert data["agents"]["meta_gradient"]["options"]["form"] == "scaled"
    assert data["environment"]["switch_every"] == 2500
    assert data["model"]["rewards"] == "stale"
    assert json.loads(json.dumps(settings_as_dict(LEARNED)))["model"]["untried"] == "stay"
    # Results that were stored before a suite could set these are results of their defaults.
    since_then = {"values", "candidates", "policy", "batch_size", "records_episodes", "lanes_per_block"}
    since_then |= {"rollout_length", "warm_up_steps", "rollouts"}
    assert set(data) == {field.name for field in dataclasses.fields(Suite)} - since_then
    changed = dataclasses.replace(SUITE, batch_size=2, candidates=BufferSettings(), lanes_per_block=4)
    assert settings_as_dict(changed)["candidates"] == {"num_candidates": 64, "capacity": 10_000}
    assert settings_as_dict(changed)["batch_size"] == 2
    assert settings_as_dict(changed)["lanes_per_block"] == 4


def test_settings_that_were_added_leave_plain_data_as_it_was():
    """Results from before are those of the default, and are known again."""
    suite = dataclasses.replace(SUITE, agents=default_agents(["uncertainty"]))
    assert settings_as_dict(suite)["agents"]["uncertainty"]["options"] == {"temperature": 0.3}
    changed = change_suite(suite, {"uncertainty.source": "ensemble", "uncertainty.members": "7"})
    kept = settings_as_dict(changed)["agents"]["uncertainty"]["options"]
    assert kept == {"temperature": 0.3, "source": "ensemble", "members": 7}
