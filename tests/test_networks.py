"""Networks: scaled inputs, and how often a compiled program computes their outputs."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.program import Program
from mgsc.networks import MOST_APART, scaled


@pytest.mark.parametrize("size", [1, 4, MOST_APART, MOST_APART + 1])
def test_inputs_are_divided_by_their_typical_sizes(size):
    random = np.random.default_rng(size)
    inputs, scale = random.normal(size=size).astype(np.float32), random.uniform(0.1, 9, size).astype(np.float32)
    np.testing.assert_allclose(scaled(jnp.asarray(inputs), scale), inputs / scale, rtol=1e-6)


@pytest.mark.slow
def test_planning_computes_each_network_once(monkeypatch):
    """Of a query's state its values, the model's answer, two values of the successor; and twice back for the update."""
    texts = []

    def compile_and_keep(self, *arguments, **options):
        made = compile_as_ever(self, *arguments, **options)
        texts.append(made.as_text())
        return made

    compile_as_ever = jax.stages.Lowered.compile
    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_and_keep)
    lengths = {"steps": 50, "record_every": 50, "measure_every": 50, "values.units": 48, "model.units": 48}
    suite = change_suite(choose_agents(get_suite("net-cartpole"), ["uniform"]), lengths)
    made = Program(suite, suite.agents["uniform"], build_problem(suite), root_seed=0)
    made.compile(jax.local_devices()[:1], suite.lanes_per_block)
    shape = f"{suite.lanes_per_block},{suite.batch_size},48"
    found = re.findall(rf"= f32\[{shape}\]\S* dot\(", "\n".join(texts))
    layers = 2
    assert len(found) == 4 * layers + layers
