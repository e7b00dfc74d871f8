"""``mgsc reproduce``: the paper's experiments with the committed settings, tables, figures and the report."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from mgsc.errors import UserError
from mgsc.experiments import figures, store
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import PAPER_SUITES, SUITES, Suite, get_suite
from mgsc.experiments.reading import analysis, diagnostics, tables
from mgsc.experiments.report import REPORT_NAME, write_report
from mgsc.experiments.report.page import check_can_write
from mgsc.experiments.running.display import display
from mgsc.experiments.running.executor import Executor
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.run import check_run, run_suite
from mgsc.experiments.store.places import refuse_inside
from mgsc.experiments.tuning.chosen import tuned_suite
from mgsc.settings import check_named_once


def reproduce(
    seeds: Seeds,
    out: str,
    *,
    suites: Sequence[str] | None = None,
    overwrite: bool = False,
    executor: Executor = THREADS,
) -> None:
    """Runs suites; writes ``table.md`` and ``figures/`` beside each result ``out/SUITE``, and ``out/report.html``.

    An existing result of exactly these settings and seeds is completed, or used as it is.

    Args:
        seeds: reporting seeds, the same for all suites.
        out: folder for all of it.
        suites: names; None for the paper's, ``PAPER_SUITES``.
        overwrite: replace results of other settings or seeds.
        executor: of the units of each suite.

    Raises:
        UserError: impossible seeds, no such suite, one named twice, or ``out`` cannot be used, or holds results
            of other settings.
    """
    seeds.check()
    for name in suites or ():
        get_suite(name)
    if suites is not None:
        check_named_once("suites", suites, SUITES)
    names = [name for name in SUITES if name in (PAPER_SUITES if suites is None else suites)]
    chosen = {name: tuned_suite(name, seeds) for name in names}
    folders = {name: Path(out) / name for name in names}
    for name, folder in folders.items():
        refuse_inside(folder)
        check_run(name, chosen[name], seeds)
    check_can_write(Path(out) / REPORT_NAME)
    # What one suite shows is worked out by another process while the next one compiles and runs.
    # Interrupted, it ends what it is at, and says nothing.
    quiet = signal.SIGINT, signal.SIG_IGN
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=signal.signal, initargs=quiet) as background:
        shown = {}
        with display("reproduce") as progress:
            for name, suite in chosen.items():
                _run(name, suite, seeds, folders[name], progress, executor, overwrite=overwrite)
                shown[name] = background.submit(_show, folders[name])
        # It needs the results only, and is written while the last figures are drawn.
        page, _ = write_report([folders[name] for name in names], Path(out) / REPORT_NAME)
        console = Console() if Console().is_terminal else Console(width=120)
        for name, future in shown.items():
            comparison, findings, num_figures = future.result()
            console.print(tables.to_tables(comparison))
            if findings:
                console.print(diagnostics.to_text(findings), markup=False, highlight=False)
            console.print(f"{folders[name]}: table.md, data.zarr, and {num_figures} figures in figures/")
    console.print(f"{page}: open it in a browser, or: mgsc view {out}")


def _show(folder: Path) -> tuple[analysis.Comparison, list[diagnostics.Finding], int]:
    """Writes the table and the figures of a result; gives what is printed of it."""
    result = store.open_result(folder)
    comparison = analysis.compare(result)
    (folder / "table.md").write_text(tables.to_markdown(comparison) + "\n")
    drawn = figures.write_figures(result, folder / "figures")
    return comparison, diagnostics.diagnose(result), len(drawn)


def _run(
    name: str,
    suite: Suite,
    seeds: Seeds,
    folder: Path,
    progress: Progress,
    executor: Executor,
    *,
    overwrite: bool,
) -> None:
    resume = not overwrite and (folder / store.MANIFEST_NAME).exists()
    # One line of the display for all agents of a suite.
    as_one = Progress(
        start=lambda agent, steps: progress.start(name, steps),
        compiling=lambda agent: progress.compiling(name),
        shared=lambda agent: progress.shared(name),
        running=lambda agent: progress.running(name),
        advance=lambda agent, steps: progress.advance(name, steps),
    )
    try:
        run_suite(
            name,
            suite,
            seeds,
            out=folder,
            resume=resume,
            overwrite=overwrite,
            progress=as_one,
            executor=executor,
        )
    except store.StoreError as error:
        raise UserError(f"{error} (or give --overwrite, or another --out)") from None
