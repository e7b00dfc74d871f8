"""Saved states: what comes back is what was saved, a restored run goes on as if nothing had happened, and
whatever is no saved state of that kind is refused with what is wrong with it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.quick import quick_jit
from tests.search_control import strategies_table as table
from tests.search_control.strategies_table import VARIANTS

import mgsc
from mgsc import dyna
from mgsc.errors import UserError
from mgsc.experiments.running.program import run_key

SRC = Path(__file__).parent.parent / "src"
CHUNK = 30
QUICK = ("uniform", "replay", "meta_gradient")
"""Whose saved runs go on in every test run; the others', each a program to compile, in `make test-all`."""

EACH_PROGRAM = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in {variant.program: name for name, variant in reversed(VARIANTS.items())}.values()
    ],
)


def everything():
    """One leaf of every kind, and containers that hold none."""
    key = jax.random.key(3)
    return {
        "optimizer": optax.adam(1e-3).init(jnp.ones(3)),
        "keys": (key, jax.random.split(key, 2), jax.random.PRNGKey(1), jax.random.key(4, impl="rbg")),
        "flags": jnp.array([True, False]),
        "words": jnp.array([2**32 - 1], jnp.uint32),
        "half": jnp.array([1.5, -0.0, jnp.nan], jnp.bfloat16),
        "quarter": jnp.array([-7, 3], jnp.int4),
        "infinite": jnp.array([jnp.inf, -jnp.inf, jnp.nan, 1e-45]),
        "table": np.arange(6.0).reshape(2, 3).T,
        "scalar": np.float64(0.1),
        "nothing": np.zeros((0, 4), np.int8),
        "numbers": [True, 7, 0.1],
        "empty": (None, (), {}),
    }


def bits(leaf):
    """The dtype, the kind and the bytes of a leaf."""
    kind = type(leaf)
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return kind, str(leaf.dtype), np.asarray(jax.random.key_data(leaf)).tobytes()
    array = np.asarray(leaf)
    return kind, str(array.dtype), array.shape, array.tobytes()


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert list(map(bits, jax.tree.leaves(one))) == list(map(bits, jax.tree.leaves(other)))


def test_every_kind_of_leaf_comes_back_as_it_was(tmp_path):
    state, path = everything(), tmp_path / "state.npz"
    mgsc.save_state(state, path)
    assert_same(mgsc.load_state(path, like=state), state)
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"], "nothing half-written is left"


def test_equal_states_make_equal_files_that_numpy_reads(tmp_path):
    mgsc.save_state(everything(), tmp_path / "one")
    mgsc.save_state(everything(), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with np.load(tmp_path / "one", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["state['table']"], everything()["table"])
        assert json.loads(file["header.json"])["versions"]["mgsc"] == mgsc.__version__


def test_a_shape_is_enough_to_load(tmp_path):
    state = {"key": jax.random.key(1), "array": jnp.arange(3), "one": jnp.ones(())}
    mgsc.save_state(state, tmp_path / "state")
    assert_same(mgsc.load_state(tmp_path / "state", like=jax.eval_shape(lambda: state)), state)


def test_a_state_that_is_one_array(tmp_path):
    mgsc.save_state(jnp.arange(3), str(tmp_path / "state"))
    assert_same(mgsc.load_state(str(tmp_path / "state"), like=jnp.zeros(3, jnp.int32)), jnp.arange(3))


@EACH_PROGRAM
def test_a_restored_run_goes_on_bit_for_bit(name, tmp_path):
    """Of every strategy: the run that was saved and restored is the one that was never stopped."""
    variant = VARIANTS[name]
    agent, key = table.build(variant, table.numbers_of(variant)), run_key(0, table.SEED)

    @quick_jit
    def chunk(state, key):
        return dyna.run_chunk(agent, state, key, num_steps=CHUNK, measure_every=CHUNK, recorder=dyna.total_reward())

    state, _ = chunk(dyna.init(agent, key), key)
    mgsc.save_state((state, key), tmp_path / "state")
    expected = chunk(state, key)
    like = jax.eval_shape(lambda: (dyna.init(agent, key), key))
    restored, restored_key = mgsc.load_state(tmp_path / "state", like=like)
    assert_same((restored, restored_key), (state, key))
    after = chunk(restored, restored_key)
    assert_same(after, expected)
    assert int(after[0].step) == 2 * CHUNK
    assert not np.array_equal(after[0].values, state.values), "it went on"


PROCESS = """
import sys, jax, mgsc
from mgsc import dyna
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.design.suites import change_suite, get_suite

suite = change_suite(get_suite("tmaze-fixed"), {"environment.stem": 2, "environment.arm": 2})
agent, key = build_agent(suite, suite.agents["meta_gradient"], build_problem(suite)), jax.random.key(5)
begins, path, ends = sys.argv[1:]
chunk = jax.jit(lambda state: dyna.run_chunk(
    agent, state, key, num_steps=50, measure_every=50, recorder=dyna.total_reward())[0])
state = dyna.init(agent, key)
if begins != "-":
    state = mgsc.load_state(begins, like=state)
    mgsc.save_state(chunk(state), ends)
else:
    state = chunk(state)
    mgsc.save_state(state, path)
    mgsc.save_state(chunk(state), ends)
"""


@pytest.mark.slow
def test_another_process_goes_on_with_it(tmp_path):
    def process(*arguments: str | Path) -> None:
        env = {**os.environ, "PYTHONPATH": str(SRC)}
        subprocess.run([sys.executable, "-c", PROCESS, *map(str, arguments)], check=True, env=env)

    process("-", tmp_path / "half", tmp_path / "whole")
    process(tmp_path / "half", "-", tmp_path / "continued")
    assert (tmp_path / "continued").read_bytes() == (tmp_path / "whole").read_bytes()
    assert (tmp_path / "continued").read_bytes() != (tmp_path / "half").read_bytes()


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"a": jnp.ones(3), "b": 1}, r"state\['a'\] is float32\[2\] in the file, and float32\[3\] is asked for"),
        ({"a": jnp.ones(2, jnp.int32), "b": 1}, r"state\['a'\] is float32\[2\] in the file, and int32\[2\]"),
        ({"a": jnp.ones(2)}, r"the file has state\['b'\] \(python int\[\]\), which is not asked for$"),
        ({"a": jnp.ones(2), "b": 1, "c": jnp.ones(())}, r"the file lacks state\['c'\] \(float32\[\]\)$"),
        ({"a": jnp.ones(2), "b": jax.random.key(0)}, r"state\['b'\] is python int\[\] in the file, and key<fry>\[\]"),
        ({str(number): 1.0 for number in range(20)}, "; and 17 more$"),
        ([jnp.ones(2), 1], r"holds another state: the file has state\['a'\]"),
    ],
)
def test_another_structure_is_refused_with_what_differs(like, message, tmp_path):
    mgsc.save_state({"a": jnp.ones(2), "b": 1}, tmp_path / "state")
    with pytest.raises(UserError, match=message):
        mgsc.load_state(tmp_path / "state", like=like)


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ("text", r"state\['x'\] is a str: a state is made of"),
        (lambda: 0, r"state\['x'\] is a function: a state is made of"),
        (np.array([None]), r"state\['x'\] has dtype object: allowed are"),
        (np.array(["a"]), r"state\['x'\] has dtype <U1: allowed are"),
        (2**70, r"state\['x'\] is 1180591620717411303424, which is more than 64 bits hold"),
    ],
)
def test_what_is_no_number_is_refused_and_nothing_written(leaf, message, tmp_path):
    with pytest.raises(UserError, match=message):
        mgsc.save_state({"x": leaf}, tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state"
    mgsc.save_state(1.0, path)

    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mgsc.files.os.replace", fail)
    with pytest.raises(UserError, match=r"cannot write .*: No space left on device"):
        mgsc.save_state(2.0, path)
    monkeypatch.undo()
    assert mgsc.load_state(path, like=0.0) == 1.0
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match=r"cannot write .*No such file or directory"):
        mgsc.save_state(1.0, tmp_path / "nowhere" / "state")


def _zip(**entries: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name.replace("_", "."), text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "is no saved state, or it is damaged"),
        (b"something else", "is no saved state, or it is damaged"),
        (_zip(other_txt="a"), "is no saved state: it has no header.json"),
        (_zip(header_json="[1]"), "is no saved state: its header.json is of something else"),
        (_zip(header_json="{"), "is damaged: header.json"),
        (_zip(header_json='{"kind": "mgsc state", "format_version": 9}'), "is of state format 9.* reads format 1"),
        (_zip(header_json='{"kind": "mgsc state", "format_version": 1}'), "is damaged"),
        (
            _zip(header_json='{"kind": "mgsc state", "format_version": 1, "leaves": [["", "float32", []]]}'),
            "is damaged: .*state.npy",
        ),
    ],
)
def test_another_file_is_refused(contents, message, tmp_path):
    (tmp_path / "file").write_bytes(contents)
    with pytest.raises(UserError, match=message):
        mgsc.load_state(tmp_path / "file", like=1.0)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*: No such file or directory"):
        mgsc.load_state(tmp_path / "nothing", like=1.0)


SMALL = {"a": np.arange(4, dtype=np.float32), "b": 3}


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_damage_is_seen_or_does_nothing(place, flip, cut, tmp_path_factory):
    """A byte changed, or the end cut off, anywhere: refused, unless the state is untouched."""
    path = tmp_path_factory.mktemp("damaged") / "state"
    mgsc.save_state(SMALL, path)
    contents = bytearray(path.read_bytes())
    position = int(place * len(contents))
    if cut:
        del contents[position:]
    else:
        contents[position] ^= flip
    path.write_bytes(contents)
    refusal, restored = None, None
    try:
        restored = mgsc.load_state(path, like=SMALL)
    except UserError as error:
        refusal = str(error)
    if refusal is None:
        assert not cut
        assert_same(restored, SMALL)
    else:
        assert str(path) in refusal
