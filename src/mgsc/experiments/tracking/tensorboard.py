"""TensorBoard: a folder of event files for each run, such as AGENT/seed-3, which TensorBoard compares by tag."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mgsc.experiments.tracking.sink import RunName, Sink, folder_name

EVENTS = "events.out.tfevents.*"
"""Form of the names of event files."""


class _Events:
    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._writer = importlib.import_module("tensorboardX").SummaryWriter(str(folder))
        self._writer.add_text("settings", f"```json\n{json.dumps(config, indent=1)}\n```", 0)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _folder(folder: Path, name: RunName) -> Path:
    return folder / folder_name(name.agent) / name.part


def _open(folder: Path, project: str, name: RunName, config: Mapping[str, Any]) -> _Events:
    del project  # runs of a folder are shown together
    return _Events(_folder(folder, name), config)


SINK = Sink(
    name="tensorboard",
    package="tensorboard",
    open=_open,
    files_of=lambda folder, name: sorted(_folder(folder, name).glob(EVENTS)),
    hint=lambda folder: f"look at them: tensorboard --logdir {folder}",
    check=lambda: importlib.import_module("tensorboardX"),
)
