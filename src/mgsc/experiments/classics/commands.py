"""``mgsc reproduce classics``: runs all classics, and writes the table and the figures beside the results."""

from __future__ import annotations

import itertools
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mgsc.errors import UserError
from mgsc.experiments.classics.figures import write_classics
from mgsc.experiments.classics.result_table import HEAD, cells, findings, to_markdown
from mgsc.experiments.classics.runner import Results, Runs, run_classics
from mgsc.experiments.classics.table import CLASSICS
from mgsc.experiments.running.display import display
from mgsc.experiments.running.executor import Executor
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.store.places import refuse_internals
from mgsc.files import write_atomically


def reproduce_classics(runs: Runs, out: str, *, overwrite: bool = False, executor: Executor = THREADS) -> None:
    """Runs every classic experiment into ``out/classics``: ``results.json``, ``table.md`` and ``figures/``.

    Existing results of exactly these settings and seeds are completed, or used as they are.

    Raises:
        UserError: as ``run_classics``, or the folder cannot be written.
    """
    for classic in CLASSICS.values():
        runs.of(classic).check()
    folder = Path(out) / "classics"
    refuse_internals(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}") from error
    with display("classics") as progress:
        results = run_classics(
            CLASSICS, runs, folder / "results.json", overwrite=overwrite, progress=progress, executor=executor
        )
    try:
        write_atomically(folder / "table.md", (to_markdown(results) + "\n").encode())
    except OSError as error:
        raise UserError(f"cannot write {folder / 'table.md'}: {error.strerror}") from error
    figures = write_classics(results, folder / "figures")
    console = Console() if Console().is_terminal else Console(width=140)
    console.print(to_table(results))
    console.print(f"{folder}: results.json, table.md, and {len(figures)} files in figures/")


def to_table(results: Results) -> Table:
    """The results beside the references, for a terminal."""
    # A terminal has no room for all that the file says.
    shown = [heading != "±" for heading in HEAD]
    head = ["SE" if heading == "standard errors" else heading for heading in itertools.compress(HEAD, shown)]
    table = Table(*head, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for finding in findings(results):
        table.add_row(*itertools.compress(cells(finding), shown))
    return table
