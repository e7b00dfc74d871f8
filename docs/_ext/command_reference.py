"""The command reference, read from the parser: no page types an option a second time."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from mgsc.cli_parser import build_parser

SUPPRESSED = "==SUPPRESS=="


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command by its name; the actions of a command that has some, as ``study run``."""
    return dict(_below(build_parser(lambda name: lambda options: 0), ""))


def _below(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in actions:
        for word, child in action.choices.items():
            yield from _below(child, f"{name} {word}".strip())
    if not actions:
        yield name, parser


def command(name: str) -> str:
    """What a command does, how it is called, and its options, as Markdown.

    Raises:
        KeyError: there is no such command.
    """
    parser = commands()[name]
    usage = re.sub(r"\s+", " ", parser.format_usage().removeprefix("usage: ")).strip()
    rows = [f"| {_name(action)} | {_help(action)} |" for action in parser._actions if action.dest != "help"]
    about = f"{(parser.description or '').strip()[:1].upper()}{(parser.description or '').strip()[1:]}."
    options = ["", "| argument | meaning |", "| --- | --- |", *rows] if rows else []
    return "\n".join([about, "", "```text", *_wrapped(usage), "```", *options])


def _name(action: argparse.Action) -> str:
    metavar = action.metavar or action.dest.upper()
    shown = metavar if isinstance(metavar, str) else " ".join(metavar)
    several = " …" if action.nargs == "+" else ""
    if not action.option_strings:
        return f"`{shown}{several}`"
    values = "" if action.nargs == 0 else f" {shown}"
    return ", ".join(f"`{option}{values}{several}`" for option in action.option_strings)


def _help(action: argparse.Action) -> str:
    text = "" if action.help in (None, SUPPRESSED) else str(action.help)
    return text.replace("|", r"\|").replace("%%", "%")


def _wrapped(usage: str, width: int = 88) -> list[str]:
    """The usage in lines, broken between arguments."""
    lines, words = [""], re.findall(r"\[[^\[\]]*(?:\[[^\]]*\][^\[\]]*)*\]|\([^)]*\)|\S+", usage)
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 1 > width:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1].strip() else lines[-1] + word
    return lines
