"""A Chromium without a screen, for the tests that look at pages.

They run wherever one is found; MGSC_CHROMIUM names one that is not on the PATH.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("MGSC_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason=f"no browser: none of {', '.join(NAMES)} on the PATH, and MGSC_CHROMIUM is not set"
)


def wait_until(page: Any, condition: str, given: str | None = None) -> None:
    """Waits until a condition of JavaScript holds, which may read ``given``, and looks every 50 ms.

    Playwright's own way looks at each frame that is drawn, and a browser without a screen on a busy machine may stop
    drawing.
    """
    page.wait_for_function(f"given => {condition}", arg=given, polling=50)


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    """The browser of Playwright, closed in the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()
