"""What is given in place of a suite, a result, a path, a list of names, or one of a few words, is refused in words."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.experiments.synthetic import small

import mgsc
from mgsc.environments import as_gymnax, check_tables, from_map, tabular, tmaze_map, two_rooms_map, with_episodes
from mgsc.environments.tmaze import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import (
    SUITES,
    AgentSettings,
    Suite,
    change_suite,
    choose_agents,
    compare,
    diagnose,
    mean_interval,
    merge,
    open_result,
    own_strategy,
    tuned_suite,
    write_figures,
    write_report,
)
from mgsc.models import learned
from mgsc.search_control import disagreement, dyna_q, hill_climbing, meta_gradient, stored_priority, td_error_priority
from mgsc.search_control.hill_climbing import Climb
from mgsc.search_control.learned_priority import learned_priority
from mgsc.search_control.targets import Targets
from mgsc.settings import with_settings

TMAZE = SUITES["tmaze-fixed"]
STRANGE = (None, 5, float("nan"), "x", b"x", [], {}, object(), np.zeros(2), int)


@pytest.mark.parametrize("given", STRANGE, ids=lambda given: type(given).__name__)
def test_issue_what_is_no_suite_or_result_is_refused(given) -> None:
    refusing = {
        "suite": [lambda: choose_agents(given, ["uniform"]), lambda: change_suite(given, {"steps": 500})],
        "dataset": [lambda: compare(given), lambda: diagnose(given), lambda: write_figures(given, "nowhere")],
        "environment": [lambda: with_episodes(given)],
        "source": [lambda: tabular(given), lambda: as_gymnax(given)],
        "tables": [lambda: check_tables(given)],
    }
    for name, calls in refusing.items():
        for call in calls:
            with pytest.raises(UserError, match=rf"{name} is a .*: it must be"):
                call()


@pytest.mark.parametrize("path", [5, None, float("nan"), b"x", ["x"], True], ids=str)
def test_issue_what_is_no_path_is_refused(path) -> None:
    refusing = [
        lambda: open_result(path),
        lambda: merge(["a", "b"], path),
        lambda: mgsc.save_state(np.zeros(2), path),
        lambda: mgsc.load_state(path, like=np.zeros(2)),
    ]
    for call in refusing:
        with pytest.raises(UserError, match=r"a path is a .*: it must be a text"):
            call()


@pytest.mark.parametrize("paths", ["results", b"results", 5, None, []], ids=str)
def test_issue_folders_are_a_list(paths) -> None:
    for call in (lambda: write_report(paths), lambda: merge(paths, "both")):
        with pytest.raises(UserError, match="directories is"):
            call()


RUNS = {
    "a text for agents": ({"agents": "uniform"}, "agents is a str: it must be a list of names"),
    "numbers for agents": ({"agents": [1]}, "one of agents is a int: it must be a text"),
    "numbers for keys": ({"settings": {1: 2}}, "a key of settings is a int: it must be a text"),
    "a text for progress": ({"progress": "x"}, "progress is a str: it must be True for a display, a Progress"),
    "nothing for progress": ({"progress": []}, "progress is a list: it must be True for a display, a Progress"),
    "a list for an executor": ({"executor": []}, "executor is a list: it must be a name, or an Executor"),
    "an array for a word": ({"settings": {"model.rewards": np.zeros(2)}}, "allowed are stale, mean"),
}


@pytest.mark.parametrize("case", RUNS)
def test_issue_run_refuses_what_is_of_another_type(case) -> None:
    given, words = RUNS[case]
    with pytest.raises(UserError, match=words):
        mgsc.run("tmaze-fixed", **given)


@pytest.mark.parametrize("title", [None, 5, "", " ", "a\nb", "\x1b[31m", "\ud800", "x" * 201], ids=ascii)
def test_issue_a_suite_has_a_title_that_can_be_stored(title) -> None:
    with pytest.raises(UserError, match=r"title is .*: it must be a text of 1 to 200 printable characters"):
        mgsc.run(Suite(title, TMazeSettings(), agents={"uniform": AgentSettings("uniform")}), seeds=1)


LACKS = {
    "a measure": lambda result: result.drop_vars("reward"),
    "names": lambda result: result.drop_vars("agent"),
    "attributes": lambda result: result.drop_attrs(),
    "settings": lambda result: result.assign_attrs(settings="x"),
    "agents": lambda result: result.isel(agent=[]),
    "seeds": lambda result: result.isel(seed=[]),
    "chunks": lambda result: result.isel(chunk=[]),
    "order": lambda result: result.transpose(),
}


@pytest.mark.parametrize("case", LACKS)
def test_issue_a_result_that_lacks_something_is_refused(case) -> None:
    changed = LACKS[case](small())
    for call in (compare, diagnose):
        with pytest.raises(UserError, match=r"result|dimensions"):
            call(changed)


def test_issue_other_arguments_of_another_type_are_refused() -> None:
    result = small()
    refusing = {
        "baseline is a int": lambda: compare(result, 5),
        "agent is a list": lambda: write_figures(result, "nowhere", []),
        "seeds is a int": lambda: tuned_suite("tmaze-fixed", 5),
        "settings is a NoneType": lambda: with_settings(TMazeSettings(), None),
        "text is a int": lambda: from_map(5, {}),
        "name is a list": lambda: own_strategy([], lambda settings, facts: None),
        "needs of x is a int": lambda: own_strategy("x", lambda settings, facts: None, needs=5),
        "expected_backups of x is": lambda: own_strategy("x", lambda settings, facts: None, expected_backups=10**40),
        "stem is": lambda: tmaze_map(10**40, 1),
        "arm is": lambda: tmaze_map(1, 0),
        "width is": lambda: two_rooms_map("x", 5),
        "height is": lambda: two_rooms_map(5, 10**40),
    }
    for words, call in refusing.items():
        with pytest.raises(UserError, match=words):
            call()
    with pytest.raises(ValueError, match="level is None"):
        mean_interval([1.0, 2.0], level=None)


@pytest.mark.parametrize("word", ["typo", None, 5, ["pairs"]], ids=str)
def test_issue_a_word_that_is_not_known_does_not_stand_for_another(word) -> None:
    adam, targets = optax.adam(0.1), Targets("transition", 0.8, 0.5)

    def priority(**given):
        return learned_priority(
            lambda parts: None,
            jnp.zeros(1),
            adam,
            **{"step_size": 0.5, "planning_updates": 5, "targets": targets} | given,
        )

    refusing = {
        "over": lambda: dyna_q(4, word),
        "kind is": lambda: disagreement(4, word),
        "kind": lambda: td_error_priority(word, exponent=0.6, floor=0.1),
        "kind is .*": lambda: hill_climbing(word, Climb(1, 0.1, 0.1), capacity=5, real_share=0.5, shape=(2,)),
        "by": lambda: stored_priority(word),
        "states": lambda: priority(states=word),
        "actions": lambda: priority(actions=word),
        "judged": lambda: priority(judged=word),
        "targets.kind": lambda: priority(targets=targets._replace(kind=word)),
        "experience": lambda: meta_gradient(adam, step_size=0.5, planning_updates=5, experience=word),
        "untried": lambda: learned(5, 4, 2, 0.9, untried=word),
    }
    for name, call in refusing.items():
        with pytest.raises(UserError, match=rf"{name}.*allowed are"):
            call()
