"""A result to be damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.experiments.synthetic import PAIR, fill, manifest, small


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete result of two agents and two seeds, not to be touched."""
    folder = tmp_path_factory.mktemp("published") / "result"
    fill(folder, small(), manifest(PAIR, 2))
    return folder


@pytest.fixture
def result(published: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(published, tmp_path / "result", symlinks=True))
