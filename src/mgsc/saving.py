"""A state saved to one file and restored: any pytree of arrays, numbers and random keys, bit for bit.

The file is NumPy's ``.npz``: one array for each leaf, named by its place in the state, and a header
``header.json`` that describes the leaves. It holds no code, so a file of any origin is safe to open::

    key = jax.random.key(0)
    state = dyna.init(agent, key)
    ...
    mgsc.save_state((state, key), "run.npz")
    state, key = mgsc.load_state("run.npz", like=(state, key))

A run's key is an argument of ``dyna.run_chunk`` and no part of a ``DynaState``: save both.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.errors import UserError
from mgsc.files import parse_json, read_bytes, usable_path, write_atomically
from mgsc.types import PyTree
from mgsc.version import __version__

KIND = "mgsc state"
FORMAT_VERSION = 1
"""Version of the layout of the file."""

HEADER = "header.json"
MOST_DIFFERENCES = 5
"""Most differences that an error names; it counts the others."""

MADE_AT = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: equal states make equal files."""

KEY_WORDS = {"fry": (2,), "rbg": (4,), "urbg": (4,)}
"""Shape of a key's words, by the tag of the implementation of random keys."""

LARGEST_HEADER = 2**26
LARGEST_ARRAY_HEADER = 2**12
"""Most bytes of ``header.json``, and of the header of an array."""

PYTHON_NUMBERS: dict[str, type] = {"bool": bool, "int": int, "float": float}


class Leaf(NamedTuple):
    """The header's entry of a leaf.

    Attributes:
        place: path in the state, such as ``.search.logits``; empty for a state that is one array.
        dtype: NumPy's or JAX's name; ``key<fry>`` for random keys, ``python int`` for Python's numbers.
        shape: its lengths.
    """

    place: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def entry(self) -> str:
        """Name of the leaf's array in the file."""
        return f"state{self.place}.npy"

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


def save_state(state: PyTree, path: str | os.PathLike[str]) -> None:
    """Saves a state, whole or not at all; an existing file is replaced at once.

    Args:
        state: a ``DynaState``, a strategy's or an optimiser's state, parameters, or any other pytree whose
            leaves are arrays (JAX's or NumPy's, of any dtype but objects), random keys, or Python's numbers.
        path: the file.

    Raises:
        UserError: a leaf of another kind, named by its place; a file that cannot be written.
    """
    leaves, arrays = [], []
    for place, value in _with_places(state):
        leaf = _describe(place, value)
        leaves.append(leaf)
        arrays.append(_to_plain(value, leaf))
    versions = {"mgsc": __version__, "jax": jax.__version__, "numpy": np.__version__}
    header = {"kind": KIND, "format_version": FORMAT_VERSION, "versions": versions, "leaves": leaves}
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w") as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, MADE_AT), json.dumps(header, indent=1))
        for leaf, array in zip(leaves, arrays, strict=True):
            file = io.BytesIO()
            np.lib.format.write_array(file, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(leaf.entry, MADE_AT), file.getvalue())
    try:
        write_atomically(usable_path(path), contents.getvalue())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def load_state(path: str | os.PathLike[str], like: PyTree) -> PyTree:
    """Loads a state from a file, in the form of an example.

    Args:
        path: a file of ``save_state``.
        like: a state of the same structure, shapes and dtypes; its numbers have no effect, so that
            ``jax.eval_shape(lambda: dyna.init(agent, key))`` is enough.

    Returns:
        Like ``like``, with the saved numbers: NumPy arrays where ``like`` has them, JAX arrays on the default
        device elsewhere.

    Raises:
        UserError: no such file; a file that is no saved state, is damaged, or is of another format; a state that
            differs from ``like``, with the leaves in which it does.
    """
    _, structure = jax.tree.flatten(like)
    examples = _with_places(like)
    expected = [_describe(place, example) for place, example in examples]
    saved, arrays = _read(path)
    found = _differences(saved, expected)
    if found:
        more = f"; and {len(found) - MOST_DIFFERENCES} more" if len(found) > MOST_DIFFERENCES else ""
        raise UserError(f"{path} holds another state: {'; '.join(found[:MOST_DIFFERENCES])}{more}")
    values = [
        _from_plain(array, leaf, example) for array, leaf, (_, example) in zip(arrays, saved, examples, strict=True)
    ]
    return jax.tree.unflatten(structure, values)


def _with_places(state: PyTree) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(keys), leaf) for keys, leaf in jax.tree_util.tree_leaves_with_path(state)]


def _describe(place: str, value: Any) -> Leaf:
    if type(value) in PYTHON_NUMBERS.values():
        if np.asarray(value).dtype.kind not in "bif":
            raise UserError(f"state{place} is {value}, which is more than 64 bits hold")
        return Leaf(place, f"python {type(value).__name__}", ())
    dtype = getattr(value, "dtype", None)
    if isinstance(value, jax.core.Tracer) or not hasattr(value, "shape") or dtype is None:
        raise UserError(f"state{place} is a {type(value).__name__}: a state is made of arrays, keys and numbers")
    if not (jnp.issubdtype(dtype, jax.dtypes.prng_key) or _is_of_numpy(np.dtype(dtype)) or _is_small(dtype)):
        raise UserError(f"state{place} has dtype {dtype}: allowed are numbers, booleans and random keys")
    return Leaf(place, str(dtype), tuple(value.shape))


def _to_plain(value: Any, leaf: Leaf) -> np.ndarray[Any, Any]:
    """An array that NumPy can write without pickling: keys as their words, small floats as their bits."""
    if leaf.dtype.startswith("key<"):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    return array if _is_of_numpy(array.dtype) else array.view(f"u{array.dtype.itemsize}")


def _from_plain(array: np.ndarray[Any, Any], leaf: Leaf, example: Any) -> Any:
    if leaf.dtype.startswith("python "):
        return PYTHON_NUMBERS[leaf.dtype.removeprefix("python ")](array[()])
    if leaf.dtype.startswith("key<"):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(jnp.empty((), example.dtype)))
    dtype = np.dtype(example.dtype)
    array = array if _is_of_numpy(dtype) else array.view(dtype)
    if isinstance(example, np.ndarray | np.generic):
        return array if isinstance(example, np.ndarray) else array[()]
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise UserError(f"state{leaf.place} is {leaf}, for which JAX must be run with jax_enable_x64")
    return jnp.asarray(array)


def _is_of_numpy(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biufc"


def _is_small(dtype: Any) -> bool:
    """Whether this is one of the numbers that JAX adds to NumPy's: bfloat16, float8, int4, ..."""
    return any(jnp.issubdtype(dtype, kind) for kind in (np.floating, np.integer))


def _read(path: str | os.PathLike[str]) -> tuple[list[Leaf], list[np.ndarray[Any, Any]]]:
    try:
        contents = read_bytes(usable_path(path), most=None)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        archive = zipfile.ZipFile(io.BytesIO(contents))
    except Exception as error:
        raise UserError(f"{path} is no saved state, or it is damaged: {error}") from error
    with archive:
        header = _read_header(path, archive)
        try:
            leaves = [_leaf(*entry) for entry in header["leaves"]]
            arrays = [_read_array(archive, leaf) for leaf in leaves]
        except Exception as error:
            raise UserError(f"{path} is damaged: {error}") from error
    return leaves, arrays


def _leaf(place: object, dtype: object, shape: object) -> Leaf:
    """What the header says of a leaf, if it may be said.

    Raises:
        ValueError: it may not.
    """
    is_shape = isinstance(shape, list) and all(type(length) is int and length >= 0 for length in shape)
    if not (isinstance(place, str) and isinstance(dtype, str) and is_shape):
        raise ValueError(f"{HEADER} has a leaf of another form")
    return Leaf(place, dtype, tuple(shape))  # type: ignore[arg-type]


def _stored_form(leaf: Leaf) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The dtype and the shape of the array that stands for a leaf: of keys their words, of small floats their bits.

    Raises:
        ValueError: a dtype that no saved state has.
    """
    if leaf.dtype.startswith("python "):
        return np.asarray(PYTHON_NUMBERS[leaf.dtype.removeprefix("python ")](0)).dtype, ()
    if leaf.dtype.startswith("key<"):
        words = next((words for name, words in KEY_WORDS.items() if leaf.dtype == f"key<{name}>"), None)
        if words is None:
            raise ValueError(f"{leaf.entry} is of {leaf.dtype}, keys of which this JAX has not")
        return np.dtype(np.uint32), (*leaf.shape, *words)
    dtype = np.dtype(getattr(jnp, leaf.dtype, leaf.dtype))
    if not (_is_of_numpy(dtype) or _is_small(dtype)):
        raise ValueError(f"{leaf.entry} is of {leaf.dtype}: allowed are numbers, booleans and random keys")
    return (dtype if _is_of_numpy(dtype) else np.dtype(f"u{dtype.itemsize}")), leaf.shape


def _read_array(archive: zipfile.ZipFile, leaf: Leaf) -> np.ndarray[Any, Any]:
    """The array of a leaf: of the dtype and shape that the header says, and unpacked only if it has that length.

    Raises:
        ValueError: it is of another form.
    """
    dtype, shape = _stored_form(leaf)
    # Read to the last byte first, which checks it, and only then taken for an array.
    contents = io.BytesIO(_unpack(archive, leaf.entry, math.prod(shape) * dtype.itemsize + LARGEST_ARRAY_HEADER))
    array = np.lib.format.read_array(contents, allow_pickle=False)
    if (array.dtype, array.shape) != (dtype, shape):
        raise ValueError(f"{leaf.entry} is {array.dtype}{list(array.shape)}, not {dtype}{list(shape)}")
    return array


def _unpack(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """An entry of the archive.

    Raises:
        ValueError: it says that it is longer than ``most`` bytes, or is.
    """
    length = archive.getinfo(name).file_size
    if length > most:
        raise ValueError(f"{name} holds {length} bytes, not at most {most}")
    with archive.open(name) as entry:
        contents = entry.read(most + 1)
        if len(contents) > most or entry.read(1):
            raise ValueError(f"{name} holds more than {most} bytes")
    return contents


def _read_header(path: str | os.PathLike[str], archive: zipfile.ZipFile) -> dict[str, Any]:
    if HEADER not in archive.namelist():
        raise UserError(f"{path} is no saved state: it has no {HEADER}")
    try:
        header = parse_json(_unpack(archive, HEADER, LARGEST_HEADER))
    except Exception as error:
        raise UserError(f"{path} is damaged: {HEADER}: {error}") from error
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise UserError(f"{path} is no saved state: its {HEADER} is of something else")
    version = header.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise UserError(
            f"{path} is of state format {version}, and this program reads format {FORMAT_VERSION}: "
            f"use the mgsc that wrote it ({header.get('versions')})"
        )
    return header


def _differences(saved: Sequence[Leaf], expected: Sequence[Leaf]) -> list[str]:
    """Names what keeps two structures apart."""
    here, there = {leaf.place: leaf for leaf in saved}, {leaf.place: leaf for leaf in expected}
    found = [
        f"the file has state{place} ({here[place]}), which is not asked for" for place in here if place not in there
    ]
    found += [f"the file lacks state{place} ({there[place]})" for place in there if place not in here]
    found += [
        f"state{place} is {here[place]} in the file, and {there[place]} is asked for"
        for place in here
        if place in there and str(here[place]) != str(there[place])
    ]
    if not found and [leaf.place for leaf in saved] != [leaf.place for leaf in expected]:
        found = ["its leaves are in another order"]
    return found
