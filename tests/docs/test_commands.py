"""The command reference holds every command and every option."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs._ext import command_reference

from mgsc.cli_parser import COMMANDS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
NAMES = list(command_reference.commands())


def test_every_command_has_its_section() -> None:
    assert re.findall(r"^## `mgsc (.*)`$", PAGE, re.MULTILINE) == re.findall(r"^```{command} (.*)$", PAGE, re.MULTILINE)
    assert set(re.findall(r"^```{command} (.*)$", PAGE, re.MULTILINE)) == set(NAMES)
    assert {name.split()[0] for name in NAMES} == set(COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_section_says_all_that_the_parser_says(name) -> None:
    text = command_reference.command(name)
    parser = command_reference.commands()[name]
    for action in parser._actions:
        for option in action.option_strings:
            assert option in ("-h", "--help") or f"`{option}" in text
        if action.help and action.dest != "help":
            assert action.help in text
    assert f"mgsc {name}" in text
    assert text[0].isupper()
    assert "('" not in text  # no tuple of Python
    assert max(map(len, text.split("```")[1].splitlines())) <= 100
