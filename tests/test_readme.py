"""The README's Python examples run as they stand, and its commands exist."""

import re
from pathlib import Path

import pytest
from tests.quick import compile_quickly

from mgsc import cli_parser

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number, capsys, monkeypatch):
    compile_quickly(monkeypatch)
    exec(compile(EXAMPLES[number], f"README example {number}", "exec"), {})
    assert capsys.readouterr().out


def test_the_first_example_is_short():
    assert len(EXAMPLES[0].strip().splitlines()) <= 10


def test_every_command_is_known():
    commands = set(re.findall(r"^    mgsc (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert commands
    assert commands <= set(cli_parser.COMMANDS)


def test_every_picture_is_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README.read_text(encoding="utf-8"))
    assert pictures
    for picture in pictures:
        assert (README.parent / picture).is_file(), picture
