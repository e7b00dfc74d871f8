"""Single entries read and written: as NumPy does it, alone, in lanes, and in lanes of lanes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.indexing import add_at, add_each, after, lookup, pick, put_at, put_each, settled
from mgsc.kernel import compile_for

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("write", "is_added"), [(add_at, True), (put_at, False)])
@pytest.mark.parametrize("index", [(2,), (2, 3), (2, 3, 1)])
def test_one_entry_is_written_and_no_other(write, is_added, index):
    table = RANDOM.normal(size=(4, 5, 3)).astype(np.float32)
    entry = RANDOM.normal(size=table[index].shape).astype(np.float32)
    expected = table.copy()
    expected[index] = entry + is_added * table[index]
    found = quick_jit(write)(table, tuple(map(jnp.int32, index)), entry)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("write", "is_added"), [(add_each, True), (put_each, False)])
@pytest.mark.parametrize("tail", [(), (3,)])
def test_entries_are_written_one_after_the_other(write, is_added, tail):
    tables, places = RANDOM.normal(size=(2, 5, *tail)), np.array([[1, 4, 1], [0, 0, 2]])
    entries = RANDOM.normal(size=(2, 3, *tail))
    found = quick_jit(jax.vmap(write))(np.float32(tables), places, np.float32(entries))
    for lane in range(2):
        for place, entry in zip(places[lane], entries[lane], strict=True):
            tables[lane, place] = entry + is_added * tables[lane, place]
    np.testing.assert_allclose(found, tables, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("write", "is_added"), [(add_at, True), (put_at, False)])
@pytest.mark.parametrize("shared", [(), (0,), (2,), (0, 2)])
def test_lanes_write_each_into_its_own_table(write, is_added, shared):
    tables = RANDOM.normal(size=(6, 4, 5)).astype(np.float32)
    indices = RANDOM.integers(0, 4, 6).astype(np.int32)
    entries = RANDOM.normal(size=(6, 5)).astype(np.float32)
    arrays = [tables, indices, entries]
    arguments = [array[0] if number in shared else array for number, array in enumerate(arrays)]
    found = quick_jit(jax.vmap(write, [None if number in shared else 0 for number in range(3)]))(*arguments)
    for lane in range(6):
        table, index, entry = (array[0 if number in shared else lane] for number, array in enumerate(arrays))
        expected = table.copy()
        expected[index] = entry + is_added * table[index]
        np.testing.assert_array_equal(found[lane], expected)


def test_lanes_of_lanes():
    tables = np.zeros((2, 3, 4), np.float32)
    indices = np.array([[0, 1, 2], [3, 2, 1]], np.int32)
    found = jax.vmap(jax.vmap(add_at, (0, 0, None)), (0, 0, None))(tables, indices, jnp.float32(1))
    np.testing.assert_array_equal(found, np.eye(4)[indices])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("write", [add_at, put_at])
def test_issue_rows_are_written_where_whole_numbers_are_int64(write):
    """The other axes' zeros, and the lanes' numbers, were int64 beside an int32 index."""
    tables, indices = np.zeros((2, 4, 3)), np.array([1, 3], np.int32)
    expected = np.eye(4)[indices][..., None] * np.ones(3)
    np.testing.assert_array_equal(quick_jit(write)(tables[0], indices[0], np.ones(3)), expected[0])
    np.testing.assert_array_equal(quick_jit(jax.vmap(write))(tables, indices, np.ones((2, 3))), expected)


def test_in_lanes_nothing_is_scattered():
    """A scatter could not be compiled into the loop around it."""
    text = jax.jit(jax.vmap(add_at)).lower(jnp.zeros((3, 4)), jnp.zeros(3, jnp.int32), jnp.zeros(3)).as_text()
    assert "scatter" not in text
    assert "while" in text


@pytest.mark.parametrize("size", [1, 8, 9])
def test_reading_one_entry(size):
    values = jnp.float32(RANDOM.normal(size=size))
    for index in range(size):
        assert lookup(values, jnp.int32(index)) == values[index]
        assert pick(values, jnp.int32(index)) == values[index]


@pytest.mark.parametrize("shape", [(5,), (5, 3)])
def test_what_is_written_down_stays_as_it_is(shape):
    tables = jnp.asarray(np.random.default_rng(0).normal(size=(2, *shape)), jnp.float32)
    np.testing.assert_array_equal(quick_jit(settled)(tables[0]), tables[0])
    np.testing.assert_array_equal(quick_jit(jax.vmap(settled))(tables), tables)


@pytest.mark.parametrize("read", [0.0, -1.0, np.inf, np.nan])
@pytest.mark.parametrize("index", [0, 5])
def test_an_index_that_waits_for_a_number_is_the_same(index, read):
    assert quick_jit(after)(jnp.int32(index), jnp.float32(read)) == index


def test_what_is_for_a_cpu_stays_so_on_a_machine_with_an_accelerator(monkeypatch):
    cpu, tables = jax.local_devices(backend="cpu")[0], np.zeros((6, 4), np.float32)

    def traced() -> str:
        write = jax.vmap(lambda table, index: add_at(table, index, 1.0))
        return str(jax.make_jaxpr(write)(tables, np.zeros(6, np.int32)))

    with jax.default_device(cpu):
        known = traced()
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
        assert traced() == known
    assert "scatter" not in known
    assert "scatter" in traced()
    with jax.default_device("cpu"):
        assert traced() == known
    compiled = compile_for(cpu, jax.vmap(lambda table, index: add_at(table, index, 1.0)), tables, jnp.zeros(6, int))
    assert "scatter(" not in compiled.as_text()
