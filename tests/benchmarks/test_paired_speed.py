"""The comparison in turn, and the parts of a step: what is run, and how it is put together."""

from __future__ import annotations

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from mgsc import noise
from mgsc.benchmarks import paired_speed, step_parts
from mgsc.benchmarks.paired_speed import Paired, RewardOnly, _in_turn
from mgsc.benchmarks.report import print_pairs, print_parts
from mgsc.benchmarks.step_parts import StepPart, _free_noise


def test_each_round_gives_a_ratio_and_medians_count(monkeypatch):
    times = iter([1.0, 2.0, 4.0, 2.0, 2.0, 2.0])  # ours, theirs: ratios 2, ½, 1
    monkeypatch.setattr(paired_speed, "ROUNDS", 3)
    monkeypatch.setattr(paired_speed, "_seconds", lambda run, cores: next(times))
    assert _in_turn("uniform", 2, 100, None, None) == Paired("uniform", 2, ours=50, numba=50, ratio=1)


def test_without_numba_nothing_is_compared(monkeypatch):
    monkeypatch.setattr(paired_speed, "find_spec", lambda name: None)
    assert paired_speed.measure_pairs() == []
    console = Console(record=True, file=io.StringIO())
    print_pairs(console, [])
    assert "numba is not installed" in console.export_text()


def test_tables_show_ratios():
    console = Console(record=True, width=110, file=io.StringIO())
    print_pairs(console, [Paired(agent, 2, 3e6, 6e6, 0.5) for agent in ("uniform", "meta_gradient")])
    print_parts(console, [StepPart("noise", 12.4)])
    text = console.export_text()
    for expected in ("0.50", "uniform", "meta_gradient", "noise", "12"):
        assert expected in text


def test_free_noise_has_the_form_of_the_real_one_and_goes_again():
    real = noise._words
    arguments = (jax.random.key(0), jnp.arange(50), 5)
    with _free_noise():
        free = noise._words(*arguments)
    assert noise._words is real
    assert (free.shape, free.dtype) == (real(*arguments).shape, jnp.uint32)
    assert len(np.unique(free)) > 0.99 * free.size


@pytest.mark.slow
def test_the_parts_of_a_step_add_up():
    parts = {part.part: part.nanoseconds for part in step_parts.measure_parts(0.1)}
    learning, update, uniform, *_ = parts.values()
    assert 0 < learning < uniform
    assert 0 < update < uniform
    assert not RewardOnly.measures
