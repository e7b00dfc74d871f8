"""The options of the command line; what the commands do is in ``mgsc.cli``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from typing import Any, NoReturn

from mgsc.errors import UserError, shown
from mgsc.set_option import add_set, parse_changes

COMMANDS = (
    "list",
    "run",
    "tune",
    "sensitivity",
    "study",
    "reproduce",
    "status",
    "track",
    "compare",
    "diagnose",
    "figures",
    "report",
    "view",
    "render",
    "merge",
    "bench",
    "cache",
)

VIEW_PORT = 8337

Command = Callable[[argparse.Namespace], int]
"""Runs a command with its options; returns the exit status."""


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Raises ``UserError`` with the message; of an unknown command, with the nearest one."""
        found = re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)
        if found:
            from mgsc.settings import unknown

            raise unknown("command", found[1], COMMANDS)
        if found := re.match(r"argument (\S+): invalid int value: (.*)", message, re.DOTALL):
            message = f"{found[1]} is {shown(found[2])}: it must be a whole number"
        raise UserError(f"{message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses what a command does not take; argparse would refuse it later, and name the help of all commands."""
        options, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return options, others


def build_parser(command_of: Callable[[str], Command]) -> Parser:
    """The parser of the command line.

    Args:
        command_of: returns the function of a command by its name; of an action of ``study``, by ``study_ACTION``.
    """
    from mgsc.version import __version__

    parser = Parser(
        prog="mgsc", description="Meta-gradient search control: learned search control for Dyna-style planning."
    )
    parser.add_argument("--version", action="version", version=f"mgsc {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def add(name: str, help: str) -> Parser:
        command: Parser = commands.add_parser(name, help=help, description=help)
        command.set_defaults(command=command_of(name))
        return command

    subject = "a suite, a strategy or a part, whose settings are shown; or suites, strategies, everything"
    add("list", "show suites, environments, strategies and their settings").add_argument(
        "subject", nargs="?", metavar="SUBJECT", help=subject
    )
    _add_run_options(add("run", "run a suite with its tuned settings and keep the result"))
    _add_tune_options(add("tune", "tune every agent of a suite on tuning seeds"))
    _add_sensitivity_options(add("sensitivity", "print the settings tuning chose, and draw how much each matters"))
    help = "robustness, ablations and the map of conditions: list, run, show"
    _add_study_commands(commands.add_parser("study", help=help, description=help), command_of)
    _add_reproduce_options(add("reproduce", "run the paper's experiments on fresh seeds, and draw tables and figures"))
    _add_reading_commands(add)
    help = "let an agent learn, and draw an episode of its best actions, without a display"
    _add_render_options(add("render", help))
    merge = add("merge", "put results of other seeds or other agents together")
    merge.add_argument("dirs", nargs="+", help="result folders")
    merge.add_argument("--out", required=True, help="new result folder")
    merge.add_argument("--overwrite", action="store_true", help="replace a result that is there, finished or not")
    _add_bench_options(add("bench", "measure steps per second, beside NumPy and numba"))
    cache = add("cache", "show where compiled programs are kept, and how many")
    cache.add_argument("--clear", action="store_true", help="remove them")
    return parser


def _add_sensitivity_options(sensitivity: Parser) -> None:
    sensitivity.add_argument("sweep", metavar="SWEEP", help="a sweep of `mgsc tune`, or a suite for its committed one")
    sensitivity.add_argument(
        "--out",
        help="folder for the figures (default SWEEP-sensitivity, without .json; of a suite, results/SUITE-sensitivity)",
    )
    sensitivity.add_argument("--markdown", action="store_true", help="print a Markdown table")


def _add_reproduce_options(reproduce: Parser) -> None:
    help = "paper (default), or classics: the book's figures of Dyna-Q, Dyna-Q+ and prioritized sweeping"
    reproduce.add_argument("what", nargs="?", default="paper", metavar="WHAT", help=help)
    help = "seeds per agent (default 30; of the classics as many as the reference has)"
    reproduce.add_argument("--seeds", type=int, help=help)
    reproduce.add_argument("--root-seed", type=int, default=0, help="root seed (default 0)")
    reproduce.add_argument("--suites", nargs="+", help="only these suites (default the paper's)")
    reproduce.add_argument("--out", default="results", help="folder for all results (default results)")
    reproduce.add_argument("--overwrite", action="store_true", help="replace results of other settings")
    _add_executor(reproduce)


def _add_render_options(render: Parser) -> None:
    render.add_argument("suite", metavar="SUITE", help="a suite of `mgsc list` whose actions are numbers")
    render.add_argument("--agent", help="an agent of the suite (default its last one)")
    render.add_argument("--steps", type=int, help="real steps that it learns for (default the suite's)")
    render.add_argument("--seed", type=int, default=0, help="number of the seed (default 0)")
    add_set(render)
    render.add_argument("--out", help="a film, NAME.gif, or a folder for frames (default SUITE.gif)")
    render.add_argument("--frames", type=int, default=1000, help="frames at most (default 1000)")


def _add_bench_options(bench: Parser) -> None:
    bench.add_argument("--out", default="results/bench.json", help="JSON file (default results/bench.json)")
    help = "measure this device at very many lanes instead: gpu, tpu or cpu"
    bench.add_argument("--device", metavar="PLATFORM", choices=("gpu", "tpu", "cpu"), help=help)
    bench.add_argument("--quick", action="store_true", help="a tenth of the steps: noisier")


def _add_reading_commands(add: Callable[[str, str], Parser]) -> None:
    status = add("status", "say which runs of a result are done, running, failed or missing")
    status.add_argument("dir", help="result folder")
    status.add_argument("--check", action="store_true", help="read every finished part to its last byte")
    status.add_argument("--json", action="store_true", help="print JSON for scripts")
    track = add("track", "write the runs of a result for TensorBoard or Weights & Biases, offline")
    track.add_argument("dir", help="result folder")
    track.add_argument("--to", required=True, metavar="KIND", help="tensorboard or wandb")
    track.add_argument("--out", help="folder for the runs (default DIR/track/KIND)")
    track.add_argument("--project", help="project of W&B (default mgsc)")
    compare = add("compare", "compare the agents of a result, or of several side by side")
    compare.add_argument("dirs", nargs="+", metavar="DIR", help="result folder; of several, agents are DIR/AGENT")
    compare.add_argument(
        "--baseline", help="agent the others are compared to (default meta_gradient, of the first DIR)"
    )
    compare.add_argument(
        "--steps", nargs=2, type=int, metavar=("FIRST", "LAST"), help="only the real steps after FIRST up to LAST"
    )
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for scripts")
    form.add_argument("--markdown", action="store_true", help="print a Markdown table")
    diagnose = add("diagnose", "say in plain words what has gone wrong in a result")
    diagnose.add_argument("dir", help="result folder")
    diagnose.add_argument("--json", action="store_true", help="print JSON for scripts")
    figures = add("figures", "draw the figures of a result, as PDF and PNG")
    figures.add_argument("dir", help="result folder")
    figures.add_argument("--out", help="folder for the figures (default DIR/figures)")
    figures.add_argument("--agents", nargs="+", help="only these agents of the result; each looks as among all")
    figures.add_argument("--only", nargs="+", metavar="NAME", help="only these figures: total_reward, ...")
    report = add("report", "write one interactive HTML page of some results")
    report.add_argument("dirs", nargs="+", metavar="DIR", help="result folder, or a folder of result folders")
    report.add_argument("--out", metavar="FILE", help="HTML file (default report.html in the first DIR)")
    view = add("view", "show that page in the browser, on this machine only")
    view.add_argument("dirs", nargs="+", metavar="DIR", help="result folder, or a folder of result folders")
    view.add_argument("--port", type=int, default=VIEW_PORT, help=f"port, 0 for any (default {VIEW_PORT})")
    view.add_argument("--no-browser", action="store_true", help="only print the address")


def _add_suite_options(parser: Parser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="a suite of `mgsc list`")
    parser.add_argument("--agents", nargs="+", help="only these agents of the suite")
    parser.add_argument("--steps", type=int, help="environment steps of a run")
    add_set(parser)


def _add_run_options(parser: Parser) -> None:
    _add_suite_options(parser)
    parser.add_argument("--seeds", type=int, default=30, help="seeds per agent (default 30)")
    parser.add_argument("--root-seed", type=int, default=0, help="root of all random numbers (default 0)")
    parser.add_argument("--first-seed", type=int, default=0, help="number of the first seed (default 0)")
    parser.add_argument(
        "--tuned",
        metavar="FILE",
        help="take the settings of this sweep, not the committed one's; none: the suite's own",
    )
    parser.add_argument("--out", help="result folder (default results/SUITE)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--overwrite", action="store_true", help="replace a result that is there")
    mode.add_argument("--resume", action="store_true", help="go on with a stopped run")
    mode.add_argument("--append", action="store_true", help="add these seeds to the result that is there")
    help = "log what is recorded while it runs, into OUT/track/KIND: tensorboard or wandb, offline"
    parser.add_argument("--track", metavar="KIND", help=help)
    _add_share(parser)
    _add_executor(parser)


def _add_share(parser: Parser) -> None:
    help = "run one share only, numbered from 0, as a job of an array; whichever share ends last puts all together"
    parser.add_argument("--index", type=int, metavar="I", help=help)
    parser.add_argument("--of", type=int, metavar="N", help="number of shares")


def _add_executor(parser: Parser) -> None:
    help = "where runs are computed: threads (default), processes, slurm or ray; it decides no number"
    parser.add_argument("--executor", default="threads", metavar="NAME", help=help)
    help = "a setting of slurm or ray: partition, time, cpus, gpus, memory, account, address, ..."
    parser.add_argument("--executor-set", action="append", default=[], metavar="KEY=VALUE", help=help)
    parser.add_argument("--executor-file", metavar="FILE", help="TOML file of such settings")


def _add_tune_options(parser: Parser) -> None:
    _add_suite_options(parser)
    parser.add_argument(
        "--configurations", type=int, help="configurations per agent (default 128; 32 for the suites of the comparison)"
    )
    parser.add_argument("--seeds", type=int, default=16, help="tuning seeds of the first round (default 16)")
    parser.add_argument("--finalists", type=int, default=5, help="how many run again (default 5)")
    parser.add_argument(
        "--final-seeds", type=int, default=32, help="fresh tuning seeds of the second round (default 32)"
    )
    parser.add_argument("--root-seed", type=int, default=1, help="root of all tuning runs (default 1)")
    parser.add_argument(
        "--objective",
        choices=("reward", "return"),
        help="what is made large: the total reward of a run, or that divided by the episodes that ended"
        " (default return for control and live environments that record episodes, else reward)",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--out", help="JSON file of the sweep (default results/SUITE-sweep.json)")
    place.add_argument("--into", metavar="SWEEP", help="replace only these agents in a sweep of the same settings")
    parser.add_argument("--resume", action="store_true", help="go on with a stopped tuning")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a sweep that is there; without --resume, start over"
    )
    _add_share(parser)
    _add_executor(parser)


def _add_study_commands(parser: Parser, command_of: Callable[[str], Command]) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    help = "show all studies"
    listing = actions.add_parser("list", help=help, description=help)
    listing.set_defaults(command=command_of("study_list"))
    help = "run a study, draw its figure and write its table"
    run = actions.add_parser("run", help=help, description=help)
    run.add_argument("study", metavar="NAME", help="a study of `mgsc study list`")
    run.add_argument("--seeds", type=int, default=30, help="seeds of every agent of every cell (default 30)")
    run.add_argument("--root-seed", type=int, default=2, help="root of all random numbers (default 2)")
    run.add_argument("--first-seed", type=int, default=0, help="number of the first seed (default 0)")
    run.add_argument("--steps", type=int, help="environment steps of each run, for trials")
    run.add_argument("--out", default=os.path.join("results", "studies"), help="folder (default results/studies)")
    run.add_argument("--resume", action="store_true", help="go on with a stopped study")
    run.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a summary that is there; with --resume, what it has of the same settings is kept",
    )
    _add_share(run)
    _add_executor(run)
    run.set_defaults(command=command_of("study_run"))
    help = "print the table of a summary, and draw its figure"
    show = actions.add_parser("show", help=help, description=help)
    show.add_argument("summary", metavar="SUMMARY", help="a study, for its committed summary, or the file of one")
    show.add_argument("--out", help="folder for the files (default that of the file, or results/committed-studies)")
    show.set_defaults(command=command_of("study_show"))


def changes_of(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that ``--steps`` and ``--set`` change, by key, see ``parse_changes``."""
    return parse_changes(options.changes, steps=options.steps)
