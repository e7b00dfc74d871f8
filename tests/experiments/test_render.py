"""Films and frames of an agent at work."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image
from tests.experiments.test_control import SMALL
from tests.quick import compile_quickly

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.render import PIXELS, draw_rod, render


@pytest.mark.parametrize(
    ("angle", "place"), [(0.0, "top"), (np.pi / 2, "left"), (np.pi, "bottom"), (-np.pi / 2, "right")]
)
def test_a_rod_points_where_its_angle_says(angle: float, place: str) -> None:
    is_blue = (draw_rod([np.cos(angle), np.sin(angle), 0.0]) == (31, 119, 180)).all(-1)
    rows, columns = np.nonzero(is_blue)
    middle = PIXELS / 2
    found = {"top": rows.mean() < middle - 20, "bottom": rows.mean() > middle + 20}
    found |= {"left": columns.mean() < middle - 20, "right": columns.mean() > middle + 20}
    assert [name for name, is_there in found.items() if is_there] == [place]


@pytest.mark.slow
def test_an_episode_becomes_a_film_or_frames(tmp_path, monkeypatch) -> None:
    compile_quickly(monkeypatch)
    suite = dataclasses.replace(SMALL, steps=12)
    # The first frame, and one for each of nine steps.
    assert render(suite, tmp_path / "film.gif", agent="sac") == 10
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.size) == (10, (PIXELS, PIXELS))
    assert render(suite, tmp_path / "frames", agent="sac", most_frames=3) == 3
    frames = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "frames").iterdir())]
    assert len(frames) == 3
    assert not np.array_equal(frames[0], frames[2])
    with pytest.raises(UserError, match="not an empty folder"):
        render(suite, tmp_path / "frames")


def test_what_cannot_be_drawn_is_refused_before_any_work(tmp_path, capsys) -> None:
    with pytest.raises(UserError, match="render draws suites of the environments pendulum"):
        render("tmaze-fixed", tmp_path / "film.gif")
    with pytest.raises(UserError, match="allowed are a film"):
        render(SMALL, tmp_path / "film.mp4")
    with pytest.raises(UserError, match="--frames is 0"):
        render(get_suite("sac-pendulum"), tmp_path / "film.gif", most_frames=0)
    assert cli.main(["render", "cartpole", "--out", str(tmp_path / "film.gif")]) == 2
    assert "render draws suites" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
