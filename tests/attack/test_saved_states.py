"""Saved states of anyone's: what a file holds is what its header says and what was asked for, or it is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import mgsc
from mgsc.errors import UserError
from mgsc.saving import HEADER, LARGEST_ARRAY_HEADER, load_state, save_state


def forge(path: Path, leaf: list[object], array: np.ndarray, *, place: str = "", version: object = 1) -> None:
    """A file whose header says one thing of its only leaf, and that holds an array."""
    contents = io.BytesIO()
    np.lib.format.write_array(contents, array, allow_pickle=False)
    header = {"kind": "mgsc state", "format_version": version, "versions": {}, "leaves": [leaf]}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(HEADER, json.dumps(header))
        archive.writestr(f"state{place}.npy", contents.getvalue())


OTHERS = {
    "int64": np.zeros(3, np.int64),
    "float32": np.zeros(3, np.float32),
    "complex": np.zeros(3, complex),
    "text": np.array(["a", "b", "c"]),
    "big-endian": np.zeros(3, ">f8"),
    "another shape": np.zeros((3, 7)),
    "fewer": np.zeros(2),
}


@pytest.mark.parametrize("case", OTHERS)
def test_issue_contents_other_than_promised_are_refused(case, tmp_path) -> None:
    forge(tmp_path / "state.npz", ["", "float64", [3]], OTHERS[case])
    with pytest.raises(UserError, match=r"is damaged: state.npy is .*, not float64\[3\]"):
        load_state(tmp_path / "state.npz", like=np.zeros(3))


def test_issue_a_number_is_not_cut_to_a_whole_one(tmp_path) -> None:
    forge(tmp_path / "state.npz", ["", "python int", []], np.array(5.5))
    with pytest.raises(UserError, match="is damaged"):
        load_state(tmp_path / "state.npz", like=3)


@pytest.mark.parametrize("words", [1, 3, 5])
def test_issue_keys_of_other_lengths_are_refused(words, tmp_path) -> None:
    key = jax.random.key(0)
    forge(tmp_path / "state.npz", ["", str(key.dtype), []], np.zeros(words, np.uint32))
    with pytest.raises(UserError, match="is damaged"):
        load_state(tmp_path / "state.npz", like=key)


@pytest.mark.parametrize("version", [True, 1.0, "1"])
def test_issue_a_format_that_is_no_whole_number_is_refused(version, tmp_path) -> None:
    forge(tmp_path / "state.npz", ["", "float64", [3]], np.zeros(3), version=version)
    with pytest.raises(UserError, match="of state format"):
        load_state(tmp_path / "state.npz", like=np.zeros(3))


def test_issue_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch) -> None:
    forge(tmp_path / "state.npz", ["", "float64", [3]], np.zeros(10 * LARGEST_ARRAY_HEADER))
    monkeypatch.setattr(zipfile.ZipFile, "open", None)  # whoever unpacks an entry fails otherwise
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    monkeypatch.setattr("mgsc.saving._read_header", lambda path, archive: {"leaves": [["", "float64", [3]]]})
    with pytest.raises(UserError, match=r"holds .* bytes, not at most"):
        load_state(tmp_path / "state.npz", like=np.zeros(3))


@pytest.mark.parametrize(
    "leaf", [["", "float64", "3"], ["", "float64", [-1]], ["", "float64", [True]], [1, "float64", [3]], ["", None, [3]]]
)
def test_issue_a_header_of_another_form_is_refused(leaf, tmp_path) -> None:
    forge(tmp_path / "state.npz", leaf, np.zeros(3))
    with pytest.raises(UserError, match="is damaged"):
        load_state(tmp_path / "state.npz", like=np.zeros(3))


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_of_every_kind_come_back(implementation, tmp_path) -> None:
    keys = jax.random.split(jax.random.key(3, impl=implementation), 2)
    save_state(keys, tmp_path / "keys.npz")
    found = mgsc.load_state(tmp_path / "keys.npz", like=keys)
    np.testing.assert_array_equal(jax.random.key_data(found), jax.random.key_data(keys))
