"""``mgsc reproduce``: the paper's experiments with the committed settings, tables and figures."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from mgsc.errors import UserError
from mgsc.experiments import analysis, figures, report_table, store
from mgsc.experiments.display import display
from mgsc.experiments.run import Seeds, run_suite
from mgsc.experiments.suites import SUITES
from mgsc.experiments.tuned import tuned_suite


def reproduce(seeds: Seeds, out: str, *, overwrite: bool = False) -> None:
    """Runs every suite, and writes under ``out/SUITE`` the result, ``table.md`` and ``figures/``.

    A result of exactly these settings and seeds that is there already, finished or not, is taken up.

    Args:
        seeds: reporting seeds, the same for all suites.
        out: folder for all of it.
        overwrite: replace results of other settings or seeds.

    Raises:
        UserError: impossible seeds, ``out`` cannot be used, or holds results of other settings.
    """
    seeds.check()
    console = Console() if Console().is_terminal else Console(width=120)
    suites = {name: tuned_suite(name, seeds) for name in SUITES}
    for name, suite in suites.items():
        folder = Path(out) / name
        resume = not overwrite and (folder / store.MANIFEST_NAME).exists()
        try:
            with display(name) as progress:
                result = run_suite(
                    name, suite, seeds, out=folder, resume=resume, overwrite=overwrite, progress=progress
                )
        except store.StoreError as error:
            raise UserError(f"{error} (or give --overwrite, or another --out)") from None
        comparison = analysis.compare(result)
        console.print(report_table.to_tables(comparison))
        (folder / "table.md").write_text(report_table.to_markdown(comparison) + "\n")
        drawn = figures.write_figures(result, folder / "figures")
        console.print(f"{folder}: table.md and {len(drawn)} figures in {folder / 'figures'}\n")
