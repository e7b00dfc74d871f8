"""The command line ``mgsc``: a thin layer over ``mgsc.experiments``.

Parsing is argparse's, which costs nothing to import: ``--help`` answers at once, and everything heavy is
imported inside the commands. Whatever a user can get wrong ends in one line and exit status 2.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from mgsc.errors import UserError

COMMANDS = (
    "list",
    "run",
    "tune",
    "sensitivity",
    "study",
    "reproduce",
    "compare",
    "diagnose",
    "figures",
    "report",
    "view",
    "merge",
    "bench",
)

VIEW_PORT = 8337

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        found = re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)
        if found:
            from mgsc.settings import unknown

            raise unknown("command", found[1], COMMANDS)
        raise UserError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    # What was compiled once is not compiled again; a cache the user has set wins.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.expanduser("~/.cache/mgsc/jax"))
    try:
        options = _parser().parse_args(arguments)
        status: int = options.command(options)
    except UserError as error:
        print(f"mgsc: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("mgsc: interrupted; what is finished is kept, go on with --resume", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> _Parser:
    from mgsc import __version__

    parser = _Parser(
        prog="mgsc", description="Meta-gradient search control: learned search control for Dyna-style planning."
    )
    parser.add_argument("--version", action="version", version=f"mgsc {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, help: str) -> _Parser:
        command: _Parser = commands.add_parser(name, help=help, description=help)
        command.set_defaults(command=globals()["_" + name])
        return command

    add("list", "show suites, environments, strategies and their settings")
    _add_run_options(add("run", "run a suite with its tuned settings and keep the result"))
    _add_tune_options(add("tune", "tune every agent of a suite on tuning seeds"))
    sensitivity = add("sensitivity", "print the settings tuning chose, and draw how much each matters")
    sensitivity.add_argument("sweep", metavar="SWEEP", help="a sweep of `mgsc tune`, or a suite for its committed one")
    sensitivity.add_argument("--out", help="folder for the figures (default SWEEP-sensitivity, without .json)")
    sensitivity.add_argument("--markdown", action="store_true", help="print a Markdown table")
    help = "robustness, ablations and the map of conditions: list, run, show"
    _add_study_commands(commands.add_parser("study", help=help, description=help))
    reproduce = add("reproduce", "run the paper's experiments on fresh seeds, and draw tables and figures")
    reproduce.add_argument("--seeds", type=int, default=30, help="seeds per agent (default 30)")
    reproduce.add_argument("--root-seed", type=int, default=0, help="root seed (default 0)")
    reproduce.add_argument("--suites", nargs="+", help="only these suites (default all)")
    reproduce.add_argument("--out", default="results", help="folder for all results (default results)")
    reproduce.add_argument("--overwrite", action="store_true", help="replace results of other settings")
    compare = add("compare", "compare the agents of a result")
    compare.add_argument("dir", help="result folder")
    compare.add_argument("--baseline", help="agent the others are compared to (default meta_gradient)")
    compare.add_argument("--json", action="store_true", help="print JSON for scripts")
    compare.add_argument("--markdown", action="store_true", help="print a Markdown table")
    diagnose = add("diagnose", "say in plain words what has gone wrong in a result")
    diagnose.add_argument("dir", help="result folder")
    diagnose.add_argument("--json", action="store_true", help="print JSON for scripts")
    figures = add("figures", "draw the figures of a result, as PDF and PNG")
    figures.add_argument("dir", help="result folder")
    figures.add_argument("--out", help="folder for the figures (default DIR/figures)")
    report = add("report", "write one interactive HTML page of some results")
    report.add_argument("dirs", nargs="+", metavar="DIR", help="result folder, or a folder of result folders")
    report.add_argument("--out", metavar="FILE", help="HTML file (default report.html in the first DIR)")
    view = add("view", "show that page in the browser, on this machine only")
    view.add_argument("dirs", nargs="+", metavar="DIR", help="result folder, or a folder of result folders")
    view.add_argument("--port", type=int, default=VIEW_PORT, help=f"port, 0 for any (default {VIEW_PORT})")
    view.add_argument("--no-browser", action="store_true", help="only print the address")
    merge = add("merge", "put results of other seeds or other agents together")
    merge.add_argument("dirs", nargs="+", help="result folders")
    merge.add_argument("--out", required=True, help="new result folder")
    bench = add("bench", "measure steps per second, beside NumPy and numba")
    bench.add_argument("--out", default="results/bench.json", help="JSON file (default results/bench.json)")
    bench.add_argument("--quick", action="store_true", help="a tenth of the steps: noisier")
    return parser


def _add_suite_options(parser: _Parser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="a suite of `mgsc list`")
    parser.add_argument("--agents", nargs="+", help="only these agents of the suite")
    parser.add_argument("--steps", type=int, help="environment steps of a run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a setting, as in environment.slip=0.2",
    )


def _add_run_options(parser: _Parser) -> None:
    _add_suite_options(parser)
    parser.add_argument("--seeds", type=int, default=30, help="seeds per agent (default 30)")
    parser.add_argument("--root-seed", type=int, default=0, help="root of all random numbers (default 0)")
    parser.add_argument("--first-seed", type=int, default=0, help="number of the first seed (default 0)")
    parser.add_argument("--tuned", metavar="FILE", help="take the settings of this sweep, not the committed one's")
    parser.add_argument("--out", help="result folder (default results/SUITE)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--overwrite", action="store_true", help="replace a result that is there")
    mode.add_argument("--resume", action="store_true", help="go on with a stopped run")
    mode.add_argument("--append", action="store_true", help="add these seeds to the result that is there")


def _add_tune_options(parser: _Parser) -> None:
    _add_suite_options(parser)
    parser.add_argument("--configurations", type=int, default=128, help="configurations per agent (default 128)")
    parser.add_argument("--seeds", type=int, default=16, help="tuning seeds of the first round (default 16)")
    parser.add_argument("--finalists", type=int, default=5, help="how many run again (default 5)")
    parser.add_argument(
        "--final-seeds", type=int, default=32, help="fresh tuning seeds of the second round (default 32)"
    )
    parser.add_argument("--root-seed", type=int, default=1, help="root of all tuning runs (default 1)")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--out", help="JSON file of the sweep (default results/SUITE-sweep.json)")
    place.add_argument("--into", metavar="SWEEP", help="replace only these agents in a sweep of the same settings")
    parser.add_argument("--resume", action="store_true", help="go on with a stopped tuning")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a sweep that is there; without --resume, start over"
    )


def _add_study_commands(parser: _Parser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=_Parser)
    listing = actions.add_parser("list", help="show all studies")
    listing.set_defaults(command=_study_list)
    run = actions.add_parser("run", help="run a study, draw its figure and write its table")
    run.add_argument("study", metavar="NAME", help="a study of `mgsc study list`")
    run.add_argument("--seeds", type=int, default=30, help="seeds of every agent of every cell (default 30)")
    run.add_argument("--root-seed", type=int, default=2, help="root of all random numbers (default 2)")
    run.add_argument("--first-seed", type=int, default=0, help="number of the first seed (default 0)")
    run.add_argument("--steps", type=int, help="environment steps of each run, for trials")
    run.add_argument("--out", default=os.path.join("results", "studies"), help="folder (default results/studies)")
    run.add_argument("--resume", action="store_true", help="go on with a stopped study")
    run.add_argument(
        "--overwrite", action="store_true", help="replace a summary that is there; without --resume, start over"
    )
    run.set_defaults(command=_study_run)
    show = actions.add_parser("show", help="print the table of a summary, and draw its figure")
    show.add_argument("summary", metavar="SUMMARY", help="a study, for its committed summary, or the file of one")
    show.add_argument("--out", help="folder for the files (default that of the file, or results/committed-studies)")
    show.set_defaults(command=_study_show)


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for text in options.changes:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UserError(f"--set {text!r}: write KEY=VALUE, as in environment.slip=0.2")
        changes[key] = value
    if options.steps is not None:
        changes["steps"] = options.steps
    return changes


def _list(options: argparse.Namespace) -> int:
    from mgsc.experiments.catalogue import print_catalogue

    print_catalogue()
    return 0


def _run(options: argparse.Namespace) -> int:
    from mgsc.experiments import run, suites, tuned

    seeds = run.Seeds(options.seeds, options.root_seed, options.first_seed)
    seeds.check()
    suite = suites.choose_agents(tuned.tuned_suite(options.suite, seeds, options.tuned), options.agents)
    suite = suites.change_suite(suite, _changes(options))
    out = options.out or os.path.join("results", options.suite)
    suites.check_suite(suite)
    from mgsc.experiments import analysis, diagnostics, report_table
    from mgsc.experiments.display import display

    with display(options.suite) as progress:
        result = run.run_suite(
            options.suite,
            suite,
            seeds,
            out=out,
            overwrite=options.overwrite,
            resume=options.resume,
            append=options.append,
            progress=progress,
        )
    _print_table(analysis.compare(result), report_table)
    findings = diagnostics.diagnose(result)
    if findings:
        _print_plain(diagnostics.to_text(findings))
    print(f"\nresult: {out}   more: mgsc compare {out}, mgsc figures {out}")
    return 0


def _print_table(comparison: Any, report_table: Any) -> None:
    _console().print(report_table.to_tables(comparison))


def _print_plain(text: str) -> None:
    _console().print(text, markup=False, highlight=False)


def _console(width: int = 120) -> Any:
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=width)


def _tune(options: argparse.Namespace) -> int:
    from mgsc.experiments import suites, sweep_table, tuning, tuning_file

    suite = suites.choose_agents(suites.get_suite(options.suite), options.agents)
    suite = suites.change_suite(suite, _changes(options))
    protocol = tuning.Protocol(
        options.configurations, options.seeds, options.finalists, options.final_seeds, options.root_seed
    )
    out = options.into or options.out or os.path.join("results", f"{options.suite}-sweep.json")
    suites.check_suite(suite)
    protocol.check()
    from mgsc.experiments.display import display

    with display(f"{options.suite} (tuning)") as progress:
        sweep = tuning_file.tune_to_file(
            options.suite,
            suite,
            protocol,
            out,
            resume=options.resume,
            overwrite=options.overwrite,
            into=options.into is not None,
            progress=progress,
        )
    _console().print(sweep_table.to_table(sweep, list(suite.agents)))
    print(f"\nsweep: {out}   use it: mgsc run {options.suite} --tuned {out}   more: mgsc sensitivity {out}")
    return 0


def _sensitivity(options: argparse.Namespace) -> int:
    from mgsc.experiments import sweep_table, tuned

    sweep = tuned.find_sweep(options.sweep)
    place = os.path.join("results", options.sweep) if tuned.is_suite(options.sweep) else options.sweep
    from mgsc.experiments.figures import sensitivity

    paths = sensitivity.write_sensitivity(sweep, options.out or f"{place.removesuffix('.json')}-sensitivity")
    if options.markdown:
        print(sweep_table.to_markdown(sweep))
    else:
        _console().print(sweep_table.to_table(sweep))
        print()
    for path in paths:  # Markdown is for a file, where the figures' names do not belong
        print(path, file=sys.stderr if options.markdown else sys.stdout)
    return 0


def _study_list(options: argparse.Namespace) -> int:
    from mgsc.experiments.studies import commands

    commands.list_studies(_console())
    return 0


def _study_run(options: argparse.Namespace) -> int:
    from mgsc.experiments.run import Seeds
    from mgsc.experiments.studies import commands, design, study_table

    seeds = Seeds(options.seeds, options.root_seed, options.first_seed)
    design.cells_of(commands.get_study(options.study), seeds, options.steps)
    from mgsc.experiments.display import display

    with display(options.study) as progress:
        summary = commands.run_to_folder(
            options.study,
            seeds,
            options.out,
            steps=options.steps,
            resume=options.resume,
            overwrite=options.overwrite,
            progress=progress,
        )
    _console(study_table.WIDTH).print(study_table.to_table(summary))
    place = os.path.join(options.out, options.study)
    print(f"\nsummary: {place}.json   figure: {place}.pdf, {place}.png   table: {place}.md")
    return 0


def _study_show(options: argparse.Namespace) -> int:
    from mgsc.experiments.studies import commands, study_table

    for path in commands.show(options.summary, options.out, _console(study_table.WIDTH)):
        print(path)
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from mgsc.experiments.reproduce import reproduce
    from mgsc.experiments.run import Seeds

    reproduce(Seeds(options.seeds, options.root_seed), options.out, suites=options.suites, overwrite=options.overwrite)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from mgsc.experiments import analysis, report_table, store

    comparison = analysis.compare(store.open_result(options.dir), options.baseline)
    if options.json:
        print(report_table.to_json(comparison))
    elif options.markdown:
        print(report_table.to_markdown(comparison))
    else:
        _print_table(comparison, report_table)
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    from mgsc.experiments import diagnostics, store

    result = store.open_result(options.dir)
    findings = diagnostics.diagnose(result)
    if options.json:
        print(diagnostics.to_json(findings))
    else:
        _print_plain(diagnostics.verdict(result, findings))
    return 0


def _figures(options: argparse.Namespace) -> int:
    from mgsc.experiments import figures, store

    result = store.open_result(options.dir)
    for path in figures.write_figures(result, options.out or os.path.join(options.dir, "figures")):
        print(path)
    return 0


def _report(options: argparse.Namespace) -> int:
    from mgsc.experiments.report import write_report

    file, length = write_report(options.dirs, options.out)
    print(f"{file}   {length / 1e6:.1f} MB, opens from disk in any browser")
    return 0


def _view(options: argparse.Namespace) -> int:
    from mgsc.experiments.report import view

    view(options.dirs, options.port, has_browser=not options.no_browser)
    return 0


def _merge(options: argparse.Namespace) -> int:
    from mgsc.experiments import store

    result = store.merge(options.dirs, options.out)
    print(f"{options.out}: {result.sizes['agent']} agents, {result.sizes['seed']} seeds")
    return 0


def _bench(options: argparse.Namespace) -> int:
    from mgsc.benchmarks.report import bench

    bench(options.out, quick=options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
