"""``mgsc reproduce``: the paper's experiments with the committed settings, tables and figures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from mgsc.errors import UserError
from mgsc.experiments import analysis, diagnostics, figures, report_table, store
from mgsc.experiments.display import display
from mgsc.experiments.run import Seeds, run_suite
from mgsc.experiments.suites import SUITES, Suite
from mgsc.experiments.tuned import tuned_suite

if TYPE_CHECKING:
    import xarray as xr


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
    # The figures of one suite are drawn while the next one compiles.
    with ThreadPoolExecutor(1) as background:
        drawing = []
        for name, suite in suites.items():
            folder = Path(out) / name
            result = _run(name, suite, seeds, folder, overwrite=overwrite)
            comparison = analysis.compare(result)
            console.print(report_table.to_tables(comparison))
            findings = diagnostics.diagnose(result)
            if findings:
                console.print(diagnostics.to_text(findings), markup=False, highlight=False)
            (folder / "table.md").write_text(report_table.to_markdown(comparison) + "\n")
            drawing.append(background.submit(figures.write_figures, result, folder / "figures"))
        for name, drawn in zip(suites, drawing, strict=True):
            console.print(f"{Path(out) / name}: table.md, data.zarr, and {len(drawn.result())} figures in figures/")


def _run(name: str, suite: Suite, seeds: Seeds, folder: Path, *, overwrite: bool) -> xr.Dataset:
    resume = not overwrite and (folder / store.MANIFEST_NAME).exists()
    try:
        with display(name) as progress:
            return run_suite(name, suite, seeds, out=folder, resume=resume, overwrite=overwrite, progress=progress)
    except store.StoreError as error:
        raise UserError(f"{error} (or give --overwrite, or another --out)") from None
