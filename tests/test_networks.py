"""Networks: scaled inputs, fuzzy tiles, and how often a compiled program computes their outputs."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.program import Program
from mgsc.networks import MOST_APART, apply_mlp, fuzzy_tiles, init_mlp, scaled


@pytest.mark.parametrize("size", [1, 4, MOST_APART, MOST_APART + 1])
def test_inputs_are_divided_by_their_typical_sizes(size):
    random = np.random.default_rng(size)
    inputs, scale = random.normal(size=size).astype(np.float32), random.uniform(0.1, 9, size).astype(np.float32)
    np.testing.assert_allclose(scaled(jnp.asarray(inputs), scale), inputs / scale, rtol=1e-6)


def published_tiles(number, tiles):
    """Pan et al. 2021, equations 3 to 6, of one number, with lower bound −1, upper bound 1 and η = δ."""
    delta = eta = 2 / tiles
    edges = -1 + delta * np.arange(tiles)
    beyond = np.maximum(edges - number, 0) + np.maximum(number - delta - edges, 0)
    return 1 - np.where(eta - beyond > 0, beyond, 0) - (beyond - eta > 0)


@pytest.mark.parametrize("tiles", [1, 2, 5, 16])
def test_fuzzy_tiles_are_those_published(tiles):
    numbers = np.random.default_rng(tiles).uniform(-0.999, 0.999, 50)
    found = np.asarray(jax.vmap(lambda one: fuzzy_tiles(one, tiles))(numbers[:, None]))
    np.testing.assert_allclose(found, [published_tiles(number, tiles) for number in numbers], atol=1e-6)
    assert (found == 1).any(1).all()
    assert np.count_nonzero(found, axis=1).max() <= 3


def test_each_unit_has_tiles_of_its_own_and_the_ends_of_tanh_have_one():
    np.testing.assert_allclose(fuzzy_tiles(jnp.array([-1.0, 1.0, 0.2]), 2), [1, 0, 0.8, 0, 1, 1], atol=1e-7)


def test_a_tiled_network_begins_at_its_bias_and_learns_of_few_tiles():
    layers = init_mlp(jax.random.key(0), (2, 8, 3), tiles=10)
    assert [weights.shape for weights, _ in layers] == [(2, 8), (3, 80)]
    inputs = jnp.array([0.3, -2.0])
    np.testing.assert_array_equal(apply_mlp(layers, inputs, tiles=10), 0)
    slope, _ = jax.grad(lambda layers: apply_mlp(layers, inputs, tiles=10)[1])(layers)[-1]
    touched = np.asarray(slope)
    assert not touched[[0, 2]].any()
    assert 8 <= np.count_nonzero(touched[1]) <= 24


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
