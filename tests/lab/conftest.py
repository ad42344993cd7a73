"""One server and one browser for all tests of a worker; every page is watched for errors and outside requests."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from cycloid.lab import create_app
from lab.fakes import StoryTeller

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextlib.contextmanager
def running(app) -> Iterator[str]:
    """The app behind a real socket; yields its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="session")
def story() -> StoryTeller:
    return StoryTeller()


@pytest.fixture(scope="session")
def address(story: StoryTeller) -> Iterator[str]:
    """A lab whose training runs are told, not computed."""
    with running(create_app(trainer=story)) as address:
        yield address


@pytest.fixture(scope="session")
def real_address() -> Iterator[str]:
    """A lab that trains."""
    with running(create_app()) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium is installed: the lab's pages cannot be opened")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watch:
    """What must not happen on any page."""

    def __init__(self, page, address: str) -> None:
        self.troubles: list[str] = []
        self.expected: list[str] = []
        page.on("console", lambda message: message.type == "error" and self.note(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.note(f"error: {error}"))
        page.on("request", lambda request: self._ask(request.url, address))

    def note(self, text: str) -> None:
        self.troubles.append(text)

    def _ask(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.note(f"request to {url}")

    def verdict(self) -> list[str]:
        """The troubles that no test announced."""
        return [text for text in self.troubles if not any(part in text for part in self.expected)]


@pytest.fixture
def open_page(browser, address):
    """Open a path of the lab: returns the page. Fails afterwards when the console or the network had troubles."""
    contexts, watches = [], []

    def open_page(path: str, *, width=1024, height=720, dark=False, still=True, at=address, expect=()):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if still else "no-preference",
            has_touch=width < 600,
        )
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        watch = Watch(page, at)
        watch.expected += expect
        watches.append(watch)
        page.goto(at + path)
        page.wait_for_selector("main[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for watch in watches for text in watch.verdict()] == []
