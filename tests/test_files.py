"""Files that are whole or not there: what is replaced, what is followed, what is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mgsc.errors import UserError
from mgsc.files import is_temporary, temporary_name, write_atomically


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    for contents in (b"old", b"new"):
        write_atomically(tmp_path / "file", contents)
        assert (tmp_path / "file").read_bytes() == contents
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("is_there", [True, False])
def test_issue_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    if is_there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path / "elsewhere") == ["target"]


def test_issue_pipes_folders_and_circles_are_refused_in_words(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    for name, kind in [("pipe", "a device or pipe"), ("folder", "a folder"), ("circle", "a link in a circle")]:
        with pytest.raises(UserError, match=f"^cannot write .*/{name}: it is {kind}; name a file$"):
            write_atomically(tmp_path / name, b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["circle", "folder", "pipe"]


def test_issue_a_device_stays_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("replaced"))
    (tmp_path / "null").symlink_to(os.devnull)
    with pytest.raises(UserError, match="it is a device or pipe"):
        write_atomically(tmp_path / "null", b"new")


def test_temporary_names_are_told_from_others() -> None:
    assert is_temporary(temporary_name(Path(), "data-0001.zarr").name)
    for name in (".tmp-y", ".tmp-notes-2024", ".tmp-0123456789ab", "x.tmp-a-0123456789ab", ".tmp-a-0123456789ab.txt"):
        assert not is_temporary(name), name
