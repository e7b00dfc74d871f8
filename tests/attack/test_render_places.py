"""`mgsc render` refuses what it cannot draw or write before it learns, and writes a film whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mgsc import cli
from mgsc.experiments import render as render_module

CASES = {
    "a negative seed": (["--seed", "-1"], "first-seed is -1"),
    "too large a seed": (["--seed", "9" * 40], "first-seed is 9"),
    "an empty name": (["--agent", ""], "unknown agent ''"),
    "a folder called like a film": (["--out", "folder.gif"], "it is a folder; name a file"),
    "a pipe": (["--out", "pipe.gif"], "it is a device or pipe; name a file"),
    "a circle of links": (["--out", "circle.gif"], "it is a link in a circle; name a file"),
    "below a file": (["--out", "file/film.gif"], "cannot make the folder file"),
    "frames below a file": (["--out", "file/frames"], "cannot make the folder file/frames"),
    "inside a result": (["--out", "link/parts/film.gif"], "lies inside the result"),
    "frames inside a result": (["--out", "link/data.zarr/frames"], "lies inside the result"),
}


@pytest.mark.parametrize("case", CASES)
def test_issue_what_cannot_be_drawn_or_written_is_refused(case, published, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(render_module, "_learned", None)  # whoever calls it fails otherwise
    Path("folder.gif").mkdir()
    os.mkfifo("pipe.gif")
    Path("circle.gif").symlink_to("circle.gif")
    Path("file").write_text("mine")
    Path("link").symlink_to(published)
    arguments, words = CASES[case]
    assert cli.main(["render", "sac-pendulum", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_issue_a_film_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch) -> None:
    def full(image, file, *arguments, **more):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "film.gif").write_bytes(b"old")
    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(OSError, match="No space left"):
        render_module._write([render_module.draw_rod([1.0, 0.0, 0.0])], tmp_path / "film.gif")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
