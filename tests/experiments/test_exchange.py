"""Parts of a suite that are exchanged by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mgsc.errors import UserError
from mgsc.experiments.design.exchange import EXCHANGED
from mgsc.experiments.design.parts import NAMED_PARTS
from mgsc.experiments.design.suites import change_suite, get_suite, settings_as_dict
from mgsc.models import FixedModel, LearnedModel
from mgsc.policies import LinearEpsilonSettings

SUITE, LEARNED = get_suite("tmaze-fixed"), get_suite("tmaze-learned")


def test_a_part_is_exchanged_by_its_name_and_then_set() -> None:
    changed = change_suite(SUITE, {"policy": "linear_epsilon", "policy.final": "0.02", "model": "learned"})
    assert changed.policy == LinearEpsilonSettings(final=0.02)
    assert changed.model == LearnedModel()
    assert dataclasses.replace(changed, policy=SUITE.policy, model=SUITE.model) == SUITE
    assert change_suite(changed, {"policy": "epsilon_greedy", "model": "fixed"}).policy == SUITE.policy


def test_a_part_is_exchanged_first_whatever_the_order() -> None:
    changed = change_suite(
        LEARNED, {"model.rewards": "mean", "policy.final": "0.02", "policy": "linear_epsilon", "model": "fixed"}
    )
    assert changed.policy == LinearEpsilonSettings(final=0.02)
    assert changed.model == FixedModel("mean")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"policy.final": "0.5"},
            r"'policy.final' \(this policy has none\); set policy=linear_epsilon with it",
        ),
        ({"model.average": "sample"}, "set model=learned with it"),
        ({"model.nothing": "1"}, "unknown setting 'model.nothing'"),
        ({"policy.": "linear_epsilon"}, "policy"),
        ({"policy": np.array(["linear_epsilon", "actor"])}, "policy is set to array"),
    ],
)
def test_settings_of_other_parts_are_refused_in_words(changes, message) -> None:
    with pytest.raises(UserError, match=message):
        change_suite(SUITE, changes)


def test_every_exchange_tells_its_results_apart() -> None:
    """Stored settings hold no names of parts."""
    for part in EXCHANGED:
        stored = [settings_as_dict(change_suite(SUITE, {part: name})).get(part) for name in NAMED_PARTS[part]]
        assert all(one not in stored[:place] for place, one in enumerate(stored)), part


def test_an_environment_is_not_exchanged() -> None:
    with pytest.raises(UserError, match="environment is a group of settings"):
        change_suite(SUITE, {"environment": "field"})


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("policy", "policy is set to 'best': allowed are epsilon_greedy, linear_epsilon, actor$"),
        ("candidates", r"candidates is set to 'best': allowed are listed, buffer, replay_buffer$"),
    ],
)
def test_a_part_of_no_name_is_refused(part, message) -> None:
    with pytest.raises(UserError, match=message):
        change_suite(SUITE, {part: "best"})
