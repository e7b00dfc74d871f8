"""``mgsc study``: list, run and show studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.running.executor import Executor
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.share import Share
from mgsc.experiments.studies.design import Study
from mgsc.experiments.studies.summary import find_summary, summaries
from mgsc.experiments.studies.table import STUDIES
from mgsc.files import write_atomically
from mgsc.settings import unknown

ROOT_SEED = 2
"""Root seed of the studies: 0 is that of reported results, 1 that of tuning."""


def get_study(name: str) -> Study:
    """The study of that name.

    Raises:
        UserError: no such study; the nearest is suggested.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]


def list_studies(console: Console) -> None:
    """Prints every study with its size, and whether its summary is committed."""
    from rich.table import Table

    table = Table("study", "what", "cells", "agents", "committed", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, study in STUDIES.items():
        cells = len(study.grounds)
        for axis in study.axes:
            cells *= len(axis.values)
        agents = dict.fromkeys(agent for ground in study.grounds for agent in ground.agents)
        is_committed = (summaries() / f"{name}.json").is_file()
        table.add_row(name, study.title, str(cells), ", ".join(agents), "yes" if is_committed else "no")
    console.print(table)


def run_to_folder(
    name: str,
    seeds: Seeds,
    folder: str,
    *,
    steps: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    executor: Executor = THREADS,
    share: Share | None = None,
) -> dict[str, Any] | None:
    """Runs a study into ``folder/NAME.json``, see ``runner.run_study``, and writes its figure and table beside it.

    With a ``share`` it runs that only, see ``run_study_share``, and returns None unless that was the last one.

    Raises:
        UserError: no such study, or as ``run_study``.
    """
    study = get_study(name)
    from mgsc.experiments.studies.runner import run_study, run_study_share

    if share is not None:
        file = Path(folder) / f"{name}.json"
        part = run_study_share(name, study, seeds, file, share=share, steps=steps, progress=progress, executor=executor)
        if part is not None:
            write_shown(part, folder)
        return part
    summary = run_study(
        name,
        study,
        seeds,
        Path(folder) / f"{name}.json",
        steps=steps,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
        executor=executor,
    )
    write_shown(summary, folder)
    return summary


def show(name_or_file: str, out: str | None, console: Console) -> list[Path]:
    """Prints the table of a summary and draws its figure.

    Args:
        name_or_file: a study, for its committed summary, or the file of one.
        out: folder for the files; None for the file's own folder, or ``results/committed-studies``.

    Returns:
        The files written.

    Raises:
        UserError: there is no such summary, or the folder cannot be written.
    """
    from mgsc.experiments.studies.across import is_comparison
    from mgsc.experiments.studies.across_table import to_tables
    from mgsc.experiments.studies.study_table import to_table

    summary = find_summary(name_or_file)
    default = Path("results", "committed-studies") if name_or_file in STUDIES else Path(name_or_file).parent
    paths = write_shown(summary, out or default)
    if is_comparison(summary):
        for table in to_tables(summary):
            console.print(table)
    else:
        console.print(to_table(summary))
    return paths


def write_shown(summary: dict[str, Any], folder: str | Path) -> list[Path]:
    """Writes the figures (PDF and PNG) and the tables (Markdown) of a summary into a folder.

    Raises:
        UserError: the folder cannot be written.
    """
    from mgsc.experiments.studies import across, across_table, study_table
    from mgsc.experiments.studies.figure import write_study

    paths = write_study(summary, folder)
    table = Path(folder) / f"{summary['study']}.md"
    parts = [across_table.to_markdown(summary)] if across.is_comparison(summary) else []
    try:
        write_atomically(table, ("\n\n".join([*parts, study_table.to_markdown(summary)]) + "\n").encode())
    except OSError as error:
        raise UserError(f"cannot write {table}: {error.strerror}") from error
    return [*paths, table]
