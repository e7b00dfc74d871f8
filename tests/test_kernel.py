"""Whole loops become one kernel where XLA can do it, and stay right where it cannot."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.experiments.programs import ALL_STRATEGIES, compiled, learning, program
from tests.quick import slow_but_for

from mgsc import kernel
from mgsc.kernel import compile_for

CPU = jax.local_devices(backend="cpu")[0]
ON_CPU = pytest.mark.skipif(jax.default_backend() != "cpu", reason="one kernel is for CPUs")


def wave(x):
    return lax.scan(lambda carry, _: (jnp.sin(carry) + 0.1 * carry.sum(), carry[0]), x, None, length=100)


def sorts(x):
    return lax.scan(lambda carry, _: (jnp.sort(carry)[::-1] + carry, carry[0]), x, None, length=5)


def scatters(x):
    return x.at[jnp.argmax(x, axis=-1)[..., None] % x.shape[0]].add(1.0), x[0]


@pytest.mark.parametrize("function", [wave, sorts, scatters])
def test_the_result_is_that_of_plain_compilation(function):
    x = jnp.linspace(-1, 1, 300)
    found = compile_for(CPU, function, x)(x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), found, jax.jit(function)(x))


@ON_CPU
@pytest.mark.parametrize(("function", "is_one"), [(wave, True), (sorts, False), (scatters, False)])
def test_what_is_one_kernel(function, is_one):
    assert is_one_kernel(compile_for(CPU, function, jnp.ones(300))) == is_one


@ON_CPU
def test_an_option_that_this_version_does_not_know_costs_speed_only(monkeypatch):
    monkeypatch.setattr(kernel, "ONE_KERNEL_OPTIONS", {"xla_no_such_option": True})
    x = jnp.ones(3)
    np.testing.assert_allclose(compile_for(CPU, wave, x)(x)[0], jax.jit(wave)(x)[0], rtol=1e-6)


@ON_CPU
@pytest.mark.parametrize("agent", slow_but_for(["uniform", "meta_gradient"], ALL_STRATEGIES))
@pytest.mark.parametrize("tunes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_agent_runs_in_one_kernel(agent, tunes):
    """All that users wait for: a scatter or a sort anywhere in an agent would make it several times slower."""
    made = compiled(program(agent, tunes=tunes))
    assert is_one_kernel(made.functions(jax.local_devices()[0]).call)


@ON_CPU
def test_an_agent_whose_model_learns_runs_in_one_kernel():
    assert is_one_kernel(learning("meta_gradient").functions(jax.local_devices()[0]).call)


def is_one_kernel(compiled_function) -> bool:
    entry = compiled_function.as_text().split("ENTRY")[1]
    return "while" not in entry.replace("while_", "") and 'xla_cpu_small_call="true"' in entry
