"""Tutorials as notebooks, from their pages."""

from __future__ import annotations

import re
from typing import Any

CODE = re.compile(r"```python\n(.*?)```\n?", re.DOTALL)
DIRECTIVE = re.compile(r"```\{[^`]*```\n?", re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)\n?")
ROLE = re.compile(r"\{py:\w+\}(`[^`]*`)")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\.md[^)]*\)")


def to_notebook(page: str) -> dict[str, Any]:
    """A tutorial's page as a notebook: its text and its examples, without what only pages have."""
    cells: list[dict[str, Any]] = []
    for number, piece in enumerate(CODE.split(page)):
        is_code = number % 2 == 1
        text = piece if is_code else _plain(piece)
        if not text.strip():
            continue
        cell: dict[str, Any] = {"cell_type": "code" if is_code else "markdown", "metadata": {}, "id": f"cell-{number}"}
        cell["source"] = text.strip().splitlines(keepends=True)
        cells.append(cell | ({"execution_count": None, "outputs": []} if is_code else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _plain(text: str) -> str:
    text = PICTURE.sub("", DIRECTIVE.sub("", text))
    return LINK.sub(lambda found: found[1] or "the documentation", ROLE.sub(r"\1", text))
