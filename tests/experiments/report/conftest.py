"""The browser in which tests look at pages."""

from __future__ import annotations

import re

import pytest
from tests.browser import open_browser


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser):
    """Opens an address, and in the end holds the page to silence: no error, no request but for itself."""
    contexts, complaints, requests = [], [], []

    def visit(address, **look):
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | look))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    allowed = re.compile(r"file://|http://127\.0\.0\.1:\d+/$|data:,$")
    assert [url for url in requests if not allowed.match(url)] == []
    assert len(requests) <= 2 * len(contexts)  # the page, and its empty icon
