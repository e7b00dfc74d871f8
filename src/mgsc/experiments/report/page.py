"""The page: markup, style and scripts of ``assets`` put together with the packed results."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from mgsc.errors import UserError
from mgsc.experiments.report.data import Layer, core_layer, seeds_layer
from mgsc.experiments.report.describe import describe_suite
from mgsc.experiments.report.find import Found, open_results
from mgsc.experiments.store.files import write_atomically
from mgsc.experiments.store.places import refuse_internals
from mgsc.files import check_paths, regular_place, usable_path

REPORT_NAME = "report.html"
SCRIPTS = (
    "decode.js",
    "document.js",
    "colours.js",
    "suite.js",
    "axes.js",
    "totals.js",
    "curves.js",
    "maze.js",
    "panels.js",
    "time.js",
    "tables.js",
    "main.js",
)
"""Scripts in their order in the page; together they are one function."""

SIZE_LIMIT = 14_000_000
"""Most bytes of a page with single seeds' maps, which are thinned to fit; other contents never are."""

BASE64_LENGTH = 4 / 3

MARKS = (b'<meta name="generator" content="mgsc report">', b"<title>mgsc: results</title>")
"""Marks in the head of a page of ``mgsc report``; pages of earlier versions have only the second."""

HEAD_LENGTH = 2000
"""Bytes at the beginning of a page, within which its marks stand."""


def write_report(
    directories: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str] | None = None
) -> tuple[Path, int]:
    """Writes the page of some results, whole or not at all.

    Args:
        directories: result folders, or folders that hold result folders.
        out: HTML file; by default ``report.html`` in the first folder. An existing report is replaced.

    Returns:
        The file, and its length in bytes.

    Raises:
        UserError: there is no such result, another file is there, or the file cannot be written.
    """
    check_paths("directories", directories)
    file = usable_path(out) if out is not None else usable_path(directories[0]) / REPORT_NAME
    check_can_write(file, is_asked_for=out is not None)
    page = build_page(open_results(directories))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, page)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
    return file, len(page)


def build_page(results: Sequence[Found], size_limit: int = SIZE_LIMIT) -> bytes:
    """The page of some results.

    Args:
        results: at least one.
        size_limit: single seeds' maps are thinned in time until the page fits [bytes].

    Returns:
        The HTML file.
    """
    suites = [describe_suite(found) for found in results]
    cores = [core_layer(found.dataset) for found in results]
    used = sum(len(json.dumps(suite)) for suite in suites) + sum(BASE64_LENGTH * len(core.data) for core in cores)
    share = int((size_limit - used) / BASE64_LENGTH / len(results))
    seeds = [seeds_layer(found.dataset, share) for found in results]
    for suite, core, seed in zip(suites, cores, seeds, strict=True):
        suite["core"] = _about(core)
        suite["single"] = None if seed is None else _about(seed)
    streams = {f"core-{number}": core for number, core in enumerate(cores)}
    streams |= {f"single-{number}": seed for number, seed in enumerate(seeds) if seed is not None}
    return _assemble({"suites": suites}, streams).encode()


def safe_json(value: Any) -> str:
    """JSON for a script element: no text in it can end the element or begin a comment."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _about(layer: Layer) -> dict[str, Any]:
    return {"entries": layer.entries, "stride": layer.stride}


def _assemble(contents: dict[str, Any], streams: dict[str, Layer]) -> str:
    assets = resources.files("mgsc.experiments.report") / "assets"
    script = "\n".join((assets / name).read_text("utf-8") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{script}\n}})();'
    data = "\n".join(
        f'<script type="text/plain" id="{name}">{base64.b64encode(layer.data).decode()}</script>'
        for name, layer in streams.items()
    )
    parts = {
        # The browser runs this script and no other, whatever a title or a name may hold.
        "SCRIPT_HASH": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "STYLE": (assets / "style.css").read_text("utf-8"),
        "CONTENTS": safe_json(contents),
        "STREAMS": data,
        "SCRIPT": script,
    }
    page = (assets / "page.html").read_text("utf-8")
    pieces = page.split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:  # one pass: what was put in is not searched again
        name, _, rest = piece.partition("}}")
        filled += [parts[name], rest]
    return "".join(filled)


def check_can_write(file: Path, *, is_asked_for: bool = True) -> None:
    """Checks before any work that a page can be written; creates nothing.

    Args:
        file: of the page.
        is_asked_for: whether a user named the file.

    Raises:
        UserError: the file cannot be written, or is no report; the error names the reason.
    """
    if usable_path(file).is_dir():
        raise UserError(f"{file} is a folder: name a file for --out")
    place = regular_place(file)
    refuse_internals(file)
    if place.exists() and not is_report(place):
        raise UserError(f"{file} is there and is no report of mgsc: name another file with --out")
    if not is_asked_for and not file.parent.is_dir():
        return  # reported as the missing result it is
    existing = next((folder for folder in (file.parent, *file.parent.absolute().parents) if folder.exists()), file)
    if not existing.is_dir() or not os.access(file if file.exists() else existing, os.W_OK):
        raise UserError(f"cannot write {file}: name a file in a folder that can be written")


def is_report(file: Path) -> bool:
    """Whether a file is a page of ``mgsc report``, of this version or one before.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with file.open("rb") as page:
            head = page.read(HEAD_LENGTH)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    return head.startswith(b"<!doctype html>") and any(mark in head for mark in MARKS)
