"""Whole loops become one kernel where XLA can do it, and stay right where it cannot."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.experiments.programs import compiled, learning, program
from tests.quick import QUICK_COMPILE, slow_but_for
from tests.search_control.strategies_table import OF_STORED

from mgsc import kernel
from mgsc.kernel import compile_for
from mgsc.search_control.table import STRATEGIES

CPU = jax.local_devices(backend="cpu")[0]
ON_CPU = pytest.mark.skipif(jax.default_backend() != "cpu", reason="one kernel is for CPUs")


def wave(x):
    return lax.scan(lambda carry, _: (jnp.sin(carry) + 0.1 * carry.sum(), carry[0]), x, None, length=100)


def sorts(x):
    return lax.scan(lambda carry, _: (jnp.sort(carry)[::-1] + carry, carry[0]), x, None, length=5)


def scatters(x):
    return x.at[jnp.argmax(x, axis=-1)[..., None] % x.shape[0]].add(1.0), x[0]


def multiplies(x):
    """A matrix for each lane, as networks do."""
    matrices = jnp.stack([x[:9].reshape(3, 3), x[9:18].reshape(3, 3)])
    body = jax.vmap(lambda matrix, vector: jnp.tanh(matrix @ vector))
    return lax.fori_loop(0, 3, lambda _, vectors: body(matrices, vectors), x[:6].reshape(2, 3)), x[0]


@pytest.mark.parametrize("function", [wave, sorts, scatters, multiplies])
def test_the_result_is_that_of_plain_compilation(function):
    x = jnp.linspace(-1, 1, 300)
    found = compile_for(CPU, function, x)(x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), found, jax.jit(function)(x))


@ON_CPU
@pytest.mark.parametrize(("function", "is_one"), [(wave, True), (sorts, False), (scatters, False), (multiplies, False)])
def test_what_is_one_kernel(function, is_one):
    assert is_one_kernel(compile_for(CPU, function, jnp.ones(300))) == is_one


@pytest.mark.parametrize("function", [wave, sorts, scatters, multiplies])
def test_what_is_compiled_is_traced_once(function):
    traced = []

    def counted(x):
        traced.append(x)
        return function(x)

    compile_for(CPU, counted, jnp.ones(300))
    assert len(traced) == 1


@ON_CPU
def test_an_option_that_this_version_does_not_know_costs_speed_only(monkeypatch):
    monkeypatch.setattr(kernel, "ONE_KERNEL_OPTIONS", {"xla_no_such_option": True})
    x = jnp.ones(3)
    np.testing.assert_allclose(compile_for(CPU, wave, x)(x)[0], jax.jit(wave)(x)[0], rtol=1e-6)


@pytest.fixture
def nothing_compiled():
    kernel.forget()
    yield
    kernel.forget()


@pytest.mark.usefixtures("nothing_compiled")
def test_what_is_lowered_to_the_same_program_is_compiled_once():
    x = jnp.arange(3.0)

    def add(number):
        return lambda x: x + number

    once, again, other = (kernel.compile_shared(CPU, add(number), x) for number in (1, 1, 2))
    assert [made.is_shared for made in (once, again, other)] == [False, True, False]
    assert again.program is once.program
    assert other.program(x).tolist() == [2, 3, 4]
    kernel.forget()
    assert not kernel.compile_shared(CPU, add(1), x).is_shared


@pytest.mark.usefixtures("nothing_compiled")
def test_which_argument_a_program_takes_is_part_of_it():
    """Of several kernels, both are lowered to the same text, because what is not used is left out."""

    def taking(place):
        return lambda *both: jnp.sort(both[place] + 1)

    both = jnp.zeros(3), jnp.ones(3)
    assert len({jax.jit(taking(place)).lower(*both).as_text() for place in (0, 1)}) == 1
    assert [compile_for(CPU, taking(place), *both)(*both)[0] for place in (0, 1)] == [1, 2]


def with_needless(number, rounds, table, nothing, key):
    """XLA finds out that ``table`` does not matter, JAX does not."""

    def body(turn, carry):
        number, _ = carry
        return number + turn, table[turn] + number

    after, _ = lax.fori_loop(0, rounds, body, (number, number))
    return after + nothing.sum() + jax.random.uniform(key)


def test_needless_and_empty_arguments_do_no_harm():
    """XLA ends the process over those of one kernel."""
    key = jax.random.key(3)
    given = jnp.ones(()), jnp.int32(4), jnp.arange(9.0), jnp.zeros((2, 0)), key
    program = compile_for(CPU, with_needless, *given)
    assert float(program(*given)) == pytest.approx(7 + float(jax.random.uniform(key)))
    assert program.out_info.shape == ()


@pytest.mark.usefixtures("nothing_compiled")
def test_forms_and_options_are_part_of_a_program(monkeypatch):
    x = jnp.ones(3)
    assert compile_for(CPU, lambda given: given["a"] + 1, {"a": x})({"a": x}).tolist() == [2, 2, 2]
    assert compile_for(CPU, lambda given: given["b"] + 1, {"b": x})({"b": x}).tolist() == [2, 2, 2]
    monkeypatch.setattr(kernel, "ONE_KERNEL_OPTIONS", {**kernel.ONE_KERNEL_OPTIONS, **QUICK_COMPILE})
    assert not kernel.compile_shared(CPU, lambda given: given["a"] + 1, {"a": x}).is_shared


@pytest.mark.usefixtures("nothing_compiled")
def test_calls_back_to_python_are_not_shared():
    def calling(number):
        return lambda x: jax.pure_callback(lambda x: x + np.float32(number), x, x)

    x = jnp.ones(3)
    assert [compile_for(CPU, calling(number), x)(x)[0] for number in (1, 2)] == [2, 3]


@pytest.mark.usefixtures("nothing_compiled")
def test_few_programs_are_kept(monkeypatch):
    monkeypatch.setattr(kernel, "MOST_KEPT", 2)
    x = jnp.ones(3)
    made = [kernel.compile_shared(CPU, lambda x, number=number: x * number, x).is_shared for number in (2, 3, 2, 4, 3)]
    assert made == [False, False, True, False, False]


@ON_CPU
@pytest.mark.parametrize(
    "agent", slow_but_for(["uniform", "meta_gradient"], [name for name in STRATEGIES if name not in OF_STORED])
)
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
