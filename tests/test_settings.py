"""Settings know their limits, and say in one line what is wrong and what is allowed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgsc.errors import UserError
from mgsc.settings import (
    added,
    check,
    choice,
    describe,
    left_out,
    number,
    parse,
    size,
    switch,
    text,
    traced_fields,
    unknown,
    with_settings,
)


@dataclasses.dataclass(frozen=True)
class Inner:
    share: float = number(0.5, 0.0, 1.0, "a share")
    rate: float = number(0.1, 0.0, math.inf, "a rate", above=True)


@dataclasses.dataclass(frozen=True)
class Outer:
    title: str
    inner: Inner = dataclasses.field(default_factory=Inner)
    count: int = size(3, 1, 10, "a count", traced=True)
    length: int = size(3, 0, 2**30, "a length")
    step: float = number(0.5, 0.0, 1.0, "a step", above=True)
    offset: float = number(0.0, -math.inf, math.inf, "any number")
    mode: str = choice("fast", ("fast", "slow"), "a mode")
    is_loud: bool = switch(False, "a switch")
    label: str = text("plain", "a text", longest=8)


SOUND = Outer("sound")


def test_defaults_are_allowed():
    check(SOUND)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, r"^count is 0: it must be a whole number in \[1, 10\]$"),
        ({"count": 11}, "^count is 11: it must be a whole number in"),
        ({"count": 2.0}, "^count is 2.0: it must be a whole number"),
        ({"count": True}, "^count is True: it must be a whole number"),
        ({"count": "3"}, "^count is '3': it must be a whole number"),
        ({"count": None}, "^count is None: it must be a whole number"),
        ({"length": -1}, "^length is -1: it must be a whole number in"),
        ({"step": 0.0}, r"^step is 0.0: it must be a number in \(0.0, 1.0\]$"),
        ({"step": 1.0001}, "^step is 1.0001: it must be"),
        ({"step": -0.5}, "^step is -0.5: it must be"),
        ({"step": math.nan}, "^step is nan: it must be"),
        ({"step": False}, "^step is False: it must be"),
        ({"step": "fast"}, "^step is 'fast': it must be"),
        ({"step": [0.5]}, "^step is "),
        ({"offset": math.inf}, "^offset is inf: it must be a number, and finite$"),
        ({"offset": -math.inf}, "^offset is -inf: it must be"),
        ({"offset": math.nan}, "^offset is nan: it must be"),
        ({"mode": "quick"}, "^mode is 'quick': allowed are fast, slow$"),
        ({"mode": None}, "^mode is None: allowed are fast, slow$"),
        ({"is_loud": 1}, "^is_loud is 1: allowed are true and false$"),
        ({"is_loud": "true"}, "^is_loud is 'true': allowed are true and false$"),
        ({"label": ""}, "^label is '': it must be a text of 1 to 8 printable characters, without blanks at its ends$"),
        ({"label": " x"}, "^label is ' x': it must be a text"),
        ({"label": "two\nlines"}, "^label is .*: it must be a text"),
        ({"label": "ninechars"}, "^label is 'ninechars': it must be a text"),
        ({"label": 3}, "^label is 3: it must be a text"),
        ({"inner": Inner(share=2.0)}, r"^inner.share is 2.0: it must be a number in \[0.0, 1.0\]$"),
        ({"inner": Inner(rate=0.0)}, "^inner.rate is 0.0: it must be a number above 0.0$"),
        ({"inner": Inner(rate=math.inf)}, "^inner.rate is inf: it must be"),
    ],
)
def test_what_is_not_allowed_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        check(dataclasses.replace(SOUND, **changes))


def test_the_ends_of_a_range_are_allowed():
    for changes in ({"count": 1}, {"count": 10}, {"step": 1.0}, {"step": 1}, {"length": 0}):
        check(dataclasses.replace(SOUND, **changes))


def test_names_carry_a_prefix():
    with pytest.raises(UserError, match=r"^agent.inner.share is 2"):
        check(dataclasses.replace(SOUND, inner=Inner(share=2.0)), "agent.")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_passes_exactly_if_it_is_in_range(value):
    settings = dataclasses.replace(SOUND, step=value)
    if float(np.finfo(np.float32).tiny) <= value <= 1:
        check(settings)
    else:
        with pytest.raises(UserError, match="step is"):
            check(settings)


def test_a_rule_in_words():
    rules = {field.name: field.metadata for field in dataclasses.fields(Outer)}
    assert describe(rules["count"]) == "a whole number in [1, 10]"
    assert describe(rules["step"]) == "a number in (0.0, 1.0]"
    assert describe(rules["mode"]) == "one of fast, slow"
    assert describe(rules["is_loud"]) == "true or false"
    assert describe(rules["offset"]) == "a number, and finite"
    inner = {field.name: field.metadata for field in dataclasses.fields(Inner)}
    assert describe(inner["rate"]) == "a number above 0.0"
    assert describe(dict(inner["rate"], above=False)) == "a number of at least 0.0"


def test_changes_by_text_and_by_value():
    changes = {
        "count": "7",
        "step": "0.25",
        "mode": "slow",
        "is_loud": "True",
        "label": "true",
        "inner.share": "1e-3",
        "inner.rate": 2,
    }
    changed = with_settings(SOUND, changes)
    assert changed == Outer("sound", Inner(0.001, 2), count=7, step=0.25, mode="slow", is_loud=True, label="true")
    assert Outer("sound") == SOUND, "the original stays as it was"
    check(changed)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("cuont", 1, r"unknown setting 'cuont'; did you mean 'count'\? \(known: count, inner, "),
        ("zzz", 1, r"unknown setting 'zzz' \(known: "),
        ("title", "x", "unknown setting 'title'"),
        ("inner", 1, "inner is a group of settings: name one of share, rate"),
        ("inner.shaer", 1, "unknown setting 'inner.shaer'; did you mean 'share'"),
        ("count.share", 1, "count.share: count is a single setting and has no 'share'"),
        ("count", "three", r"count is 'three': it must be a whole number in \[1, 10\]"),
        ("count", "2.5", "count is '2.5': it must be a whole number"),
        ("step", "a lot", "step is 'a lot': it must be a number in"),
        ("is_loud", "maybe", "is_loud is 'maybe': it must be true or false"),
        ("", 1, "unknown setting ''"),
        (".", 1, "unknown setting '.'"),
    ],
)
def test_unknown_keys_and_wrong_texts_are_refused(key, value, message):
    with pytest.raises(UserError, match=message):
        with_settings(SOUND, {key: value})


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_texts_of_numbers_that_are_none_do_not_pass_the_check(text):
    with pytest.raises(UserError, match=r"^inner\.rate is"):
        check(with_settings(SOUND, {"inner.rate": text}))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_being_written_as_a_text(value):
    rule = next(field.metadata for field in dataclasses.fields(Outer) if field.name == "offset")
    assert parse(repr(value), rule, "offset") == value


def test_only_what_is_declared_so_may_be_traced():
    assert traced_fields(SOUND) == {"count": 3, "step": 0.5, "offset": 0.0}
    assert traced_fields(SOUND.inner) == {"share": 0.5, "rate": 0.1}


@dataclasses.dataclass(frozen=True)
class Grown:
    share: float = number(0.5, 0.0, 1.0, "a share")
    kind: str = added(choice("old", ("old", "new"), "a kind"))
    depth: int = added(size(2, 1, 9, "a depth"))


def test_added_settings_are_left_out_at_their_defaults_only():
    assert left_out(Grown()) == ["kind", "depth"]
    assert left_out(Grown(0.1, kind="new")) == ["depth"]
    assert left_out(Grown(kind="new", depth=3)) == []
    assert left_out(SOUND) == []


def test_added_settings_are_settings():
    check(Grown())
    with pytest.raises(UserError, match="allowed are old, new"):
        check(Grown(kind="other"))
    assert with_settings(Grown(), {"kind": "new", "depth": "4"}) == Grown(kind="new", depth=4)
    assert traced_fields(Grown()) == {"share": 0.5}


def test_issue_a_number_written_as_a_whole_number_is_still_a_number():
    """It was swept as an int32 then: every other value was cut to a whole number."""
    traced = traced_fields(dataclasses.replace(SOUND, step=1, offset=0))
    assert {name: type(value) for name, value in traced.items()} == {
        "count": int,
        "step": float,
        "offset": float,
    }


def test_the_nearest_name_is_suggested_only_when_it_is_near():
    assert str(unknown("suite", "tmaze", ["tmaze-fixed", "other"])) == (
        "unknown suite 'tmaze'; did you mean 'tmaze-fixed'? (known: other, tmaze-fixed)"
    )
    assert "did you mean" not in str(unknown("suite", "xyz", ["tmaze-fixed"]))


def test_numpy_floats_are_numbers():
    check(dataclasses.replace(SOUND, step=np.float64(0.5)))
