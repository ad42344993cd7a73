"""Waiting for a page that forbids evaluation of text, as the lab's pages do."""

from __future__ import annotations

import time


def until(page, condition: str, seconds: float = 20.0) -> None:
    """Return when a JavaScript expression is true on the page; fail when it does not become so."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({condition})"):
        if time.monotonic() > end:
            raise AssertionError(f"never true: {condition}")
        page.wait_for_timeout(30)


def settle(page) -> None:
    """Let the page draw what has changed."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go))))")


def press(page, name: str) -> None:
    """Press the button of this name and see what it does."""
    page.get_by_role("button", name=name, exact=True).click()
    settle(page)
