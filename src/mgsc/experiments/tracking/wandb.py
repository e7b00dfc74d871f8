"""Weights & Biases, offline: a group for each agent, a run for each seed; ``wandb sync`` sends them when wanted."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mgsc.errors import UserError
from mgsc.experiments.tracking.sink import RunName, Sink
from mgsc.settings import is_line

LONGEST_PROJECT = 128
NOT_IN_PROJECT = "/\\#?%:"
"""Characters that the name of a project must not have."""


def _check_project(project: str) -> None:
    if not is_line(project, LONGEST_PROJECT) or any(letter in NOT_IN_PROJECT for letter in project):
        raise UserError(
            f"project is {project!r}: it must be a text of 1 to {LONGEST_PROJECT} printable characters, without blanks"
            f" at its ends, and without any of {' '.join(NOT_IN_PROJECT)}"
        )


class _Run:
    def __init__(self, folder: Path, project: str, name: RunName, config: Mapping[str, Any]) -> None:
        wandb = importlib.import_module("wandb")
        # Nothing but what is logged: neither the program nor its output nor how busy the machine is.
        quiet = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )
        self._run = wandb.init(
            mode="offline",
            dir=str(folder),
            project=project,
            id=name.identity,
            group=name.agent,
            job_type="aggregate" if name.part == "aggregate" else "seed",
            name=f"{name.agent}/{name.part}",
            config=dict(config),
            settings=quiet,
            reinit="create_new",
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()


SINK = Sink(
    name="wandb",
    package="wandb",
    open=_Run,
    files_of=lambda folder, name: sorted((folder / "wandb").glob(f"offline-run-*-{name.identity}")),
    hint=lambda folder: f"send them: wandb sync {folder}/wandb/offline-run-*",
    check=lambda: importlib.import_module("wandb"),
    check_project=_check_project,
)
