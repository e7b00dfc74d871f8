"""The command line ``mgsc``: a thin layer over ``mgsc.experiments``.

argparse parses the options, which costs nothing to import: ``--help`` answers at once. Commands import heavy modules
themselves. Every mistake of a user ends in one line and exit status 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mgsc import cli_process, compilation_cache
from mgsc.cli_parser import build_parser, changes_of
from mgsc.cli_render import render as _render  # noqa: F401  found by its name
from mgsc.errors import UserError
from mgsc.files import printable, reason_of, usable_path
from mgsc.interrupts import Stopped, stopping

if TYPE_CHECKING:
    from mgsc.experiments.running.share import Share

PATHS = ("dir", "dirs", "executor_file", "into", "out", "summary", "sweep", "tuned")
"""Options that name files or folders."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    cli_process.begin()
    options = argparse.Namespace()
    try:
        with stopping():
            build_parser(lambda name: globals()["_" + name]).parse_args(arguments, options)
            _check_paths(options)
            status: int = options.command(options)
    except UserError as error:
        return _refuse(str(error))
    except Stopped as error:
        _print_stopped(error.word, options)
        return error.status
    except KeyboardInterrupt:
        _print_stopped("interrupted", options)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # what no command expects; a full disk or a lost folder is no fault of the program
        place = f"{error.filename}: " if error.filename is not None else ""
        return _refuse(f"{place}{reason_of(error)}")
    except MemoryError as error:
        return _refuse(f"not enough memory: {reason_of(error)}; use fewer --seeds or --steps, or raise record_every")
    finally:
        cli_process.end()
    return status


def _print_stopped(word: str, options: argparse.Namespace) -> None:
    keeps = hasattr(options, "resume")
    again = "what is finished is kept, go on with --resume" if keeps else "to go on, give the same command again"
    if getattr(options, "index", None) is not None:  # --resume alone would run all shares
        again = "what is finished is kept, give the same command again"
    print(f"mgsc: {word}; {again}", file=sys.stderr)


def _refuse(words: str) -> int:
    print(f"mgsc: {printable(words)}", file=sys.stderr)
    return EXIT_USER_ERROR


def _check_paths(options: argparse.Namespace) -> None:
    """Refuses, before a command begins, paths that the operating system cannot look for."""
    for name in PATHS:
        given = getattr(options, name, None)
        for path in given if isinstance(given, list) else [given]:
            if path is not None:
                usable_path(path)


def _list(options: argparse.Namespace) -> int:
    from mgsc.experiments.catalogue import print_catalogue

    print_catalogue(options.subject)
    return 0


def _run(options: argparse.Namespace) -> int:
    from mgsc.experiments.design import advice, suites
    from mgsc.experiments.design.seeds import Seeds
    from mgsc.experiments.running.executors import executor_of
    from mgsc.experiments.running.run import run_share, run_suite
    from mgsc.experiments.track import tracking_of
    from mgsc.experiments.tuning.chosen import tuned_suite

    seeds = Seeds(options.seeds, options.root_seed, options.first_seed)
    seeds.check()
    suite = suites.choose_agents(tuned_suite(options.suite, seeds, options.tuned), options.agents)
    changes = changes_of(options)
    suite = suites.change_suite(suite, changes)
    out = options.out or os.path.join("results", options.suite)
    suites.check_suite(suite)
    if kept := advice.kept_updates(suite, changes):
        print(f"mgsc: {kept}", file=sys.stderr)
    from mgsc.experiments.reading import analysis, diagnostics, tables
    from mgsc.experiments.running.display import display

    executor, share = executor_of(*_executor(options)), _share(options)
    tracking = None if options.track is None else tracking_of(options.track, out, options.suite)
    whole = partial(run_suite, overwrite=options.overwrite, resume=options.resume, append=options.append)
    run = whole if share is None else partial(run_share, share=share)
    with display(options.suite) as progress:
        result = run(options.suite, suite, seeds, out=out, progress=progress, executor=executor, track=tracking)
    if result is None:
        return _say_others(share, out)
    _print_table(analysis.compare(result), tables)
    findings = diagnostics.diagnose(result)
    if findings:
        _print_plain(diagnostics.to_text(findings))
    print(f"\nresult: {out}   more: mgsc compare {out}, mgsc figures {out}")
    return 0


def _executor(options: argparse.Namespace) -> tuple[str, str | None, list[str]]:
    return options.executor, options.executor_file, options.executor_set


def _share(options: argparse.Namespace) -> Share | None:
    """The share of the options; None for all work.

    Raises:
        UserError: there is no such share, or it is to replace or extend what is there.
    """
    from mgsc.experiments.running.share import Share

    share = Share.of_options(options.index, options.of)
    for name in ("overwrite", "append", "into") if share is not None else ():
        if getattr(options, name, None):
            raise UserError(f"--{name} is for all shares at once: leave it out where there is --index")
    return share


def _say_others(share: Share | None, out: str) -> int:
    """Says that a share has ended, and what is to come of all is not there yet."""
    assert share is not None
    print(f"share {share.index} of {share.of} is done; {out} is complete once all others are")
    return 0


def _print_table(comparison: Any, tables: Any) -> None:
    _console().print(tables.to_tables(comparison))


def _print_plain(text: str) -> None:
    _console().print(text, markup=False, highlight=False)


def _console(width: int = 120) -> Any:
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=width)


def _tune(options: argparse.Namespace) -> int:
    from mgsc.experiments.design import suites
    from mgsc.experiments.running.executors import executor_of
    from mgsc.experiments.tuning import table
    from mgsc.experiments.tuning.file import tune_share, tune_to_file
    from mgsc.experiments.tuning.search import Protocol
    from mgsc.experiments.tuning.space import refuse_searched

    suite = suites.choose_agents(suites.get_suite(options.suite), options.agents)
    changes = changes_of(options)
    suite = suites.change_suite(suite, changes)
    refuse_searched(suite, changes)
    usual = suites.TUNING_CONFIGURATIONS.get(options.suite, Protocol().configurations)
    configurations = usual if options.configurations is None else options.configurations
    protocol = Protocol(
        configurations, options.seeds, options.finalists, options.final_seeds, options.root_seed, options.objective
    )
    out = options.into or options.out or os.path.join("results", f"{options.suite}-sweep.json")
    suites.check_suite(suite)
    protocol.check()
    from mgsc.experiments.running.display import display

    executor, share = executor_of(*_executor(options)), _share(options)
    into = options.into is not None
    whole = partial(tune_to_file, resume=options.resume, overwrite=options.overwrite, into=into)
    tune = whole if share is None else partial(tune_share, share=share)
    with display(f"{options.suite} (tuning)") as progress:
        sweep = tune(options.suite, suite, protocol, out, progress=progress, executor=executor)
    if sweep is None:
        return _say_others(share, out)
    _console().print(table.to_table(sweep, list(suite.agents)))
    print(f"\nsweep: {out}   use it: mgsc run {options.suite} --tuned {out}   more: mgsc sensitivity {out}")
    return 0


def _sensitivity(options: argparse.Namespace) -> int:
    from mgsc.experiments.tuning import chosen, table

    sweep = chosen.find_sweep(options.sweep)
    place = os.path.join("results", options.sweep) if chosen.is_suite(options.sweep) else options.sweep
    from mgsc.experiments.figures import sensitivity

    paths = sensitivity.write_sensitivity(sweep, options.out or f"{place.removesuffix('.json')}-sensitivity")
    if options.markdown:
        print(table.to_markdown(sweep))
    else:
        _console().print(table.to_table(sweep))
        print()
    for path in paths:  # Markdown is for a file, where the figures' names do not belong
        print(path, file=sys.stderr if options.markdown else sys.stdout)
    return 0


def _study_list(options: argparse.Namespace) -> int:
    from mgsc.experiments.studies import commands

    commands.list_studies(_console())
    return 0


def _study_run(options: argparse.Namespace) -> int:
    from mgsc.experiments.design.seeds import Seeds
    from mgsc.experiments.running.executors import executor_of
    from mgsc.experiments.studies import commands, design, study_table

    executor, share = executor_of(*_executor(options)), _share(options)
    seeds = Seeds(options.seeds, options.root_seed, options.first_seed)
    design.cells_of(commands.get_study(options.study), seeds, options.steps)
    from mgsc.experiments.running.display import display

    with display(options.study) as progress:
        summary = commands.run_to_folder(
            options.study,
            seeds,
            options.out,
            steps=options.steps,
            resume=options.resume,
            overwrite=options.overwrite,
            progress=progress,
            executor=executor,
            share=share,
        )
    place = os.path.join(options.out, options.study)
    if summary is None:
        return _say_others(share, f"{place}.json")
    _console(study_table.WIDTH).print(study_table.to_table(summary))
    print(f"\nsummary: {place}.json   figure: {place}.pdf, {place}.png   table: {place}.md")
    return 0


def _study_show(options: argparse.Namespace) -> int:
    from mgsc.experiments.studies import commands, study_table

    for path in commands.show(options.summary, options.out, _console(study_table.WIDTH)):
        print(path)
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from mgsc.experiments.design.seeds import Seeds

    if options.what == "classics":
        return _reproduce_classics(options)
    if options.what != "paper":
        from mgsc.settings import unknown

        raise unknown("experiments", options.what, ("paper", "classics"))
    from mgsc.experiments.reproduce import reproduce
    from mgsc.experiments.running.executors import executor_of

    executor = executor_of(*_executor(options))
    seeds = Seeds(30 if options.seeds is None else options.seeds, options.root_seed)
    reproduce(seeds, options.out, suites=options.suites, overwrite=options.overwrite, executor=executor)
    return 0


def _reproduce_classics(options: argparse.Namespace) -> int:
    from mgsc.experiments.classics.commands import reproduce_classics
    from mgsc.experiments.classics.runner import Runs
    from mgsc.experiments.running.executors import executor_of

    if options.suites is not None:
        raise UserError("--suites chooses suites: the classics are run all together")
    runs, executor = Runs(options.seeds, options.root_seed), executor_of(*_executor(options))
    reproduce_classics(runs, options.out, overwrite=options.overwrite, executor=executor)
    return 0


def _status(options: argparse.Namespace) -> int:
    from mgsc.experiments import store
    from mgsc.experiments.reading import census_text

    census = store.census(options.dir, is_thorough=options.check)
    text = census_text.to_json(census) if options.json else census_text.to_text(census)
    print(text)
    return 0


def _track(options: argparse.Namespace) -> int:
    from mgsc.experiments import store
    from mgsc.experiments.track import track, tracking_of

    result = store.open_result(options.dir)
    tracking = tracking_of(options.to, options.dir, result.attrs["suite"], options.out, options.project)
    done, hint = track(result, tracking), tracking.sink.hint(tracking.folder)
    print(f"{tracking.folder}: {done.written} runs written, {done.kept} were there   {hint}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from mgsc.experiments.reading import analysis, tables
    from mgsc.experiments.reading.side_by_side import open_side_by_side

    comparison = analysis.compare(open_side_by_side(options.dirs, options.steps), options.baseline)
    if options.json:
        print(tables.to_json(comparison))
    elif options.markdown:
        print(tables.to_markdown(comparison))
    else:
        _print_table(comparison, tables)
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    from mgsc.experiments import store
    from mgsc.experiments.reading import diagnostics

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
    out = options.out or os.path.join(options.dir, "figures")
    for path in figures.write_figures(result, out, agents=options.agents, only=options.only):
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

    result = store.merge(options.dirs, options.out, overwrite=options.overwrite)
    print(f"{options.out}: {result.sizes['agent']} agents, {result.sizes['seed']} seeds")
    return 0


def _cache(options: argparse.Namespace) -> int:
    for line in compilation_cache.in_words(clears=options.clear):
        print(line)
    return 0


def _bench(options: argparse.Namespace) -> int:
    if options.device is not None:
        from mgsc.benchmarks.device_speed import bench_device

        bench_device(options.device, options.out, quick=options.quick)
    else:
        from mgsc.benchmarks.report import bench

        bench(options.out, quick=options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
