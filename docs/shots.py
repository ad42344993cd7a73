"""Pictures of the lab's pages for the documents: one for each instrument, by its name, in docs/images.

Starts the lab on a free port, opens it in the Chromium that is installed, does what a visitor would do, and looks.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from cycloid.lab import create_app

IMAGES = Path(__file__).parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LARGEST = 300_000


@contextlib.contextmanager
def lab() -> Iterator[str]:
    """The lab on a free port; yields its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def terrain(page: Page) -> None:
    """A guess judged, and every optimizer on its way from the ball's place."""
    page.get_by_role("button", name="Step", exact=True).click()
    page.wait_for_timeout(800)


def jacobian(page: Page) -> None:
    """The image of the square, looked at."""
    page.get_by_role("button", name="Look", exact=True).click()
    page.wait_for_timeout(300)
    for name in ("Straight copy", "Stretches"):
        page.get_by_role("button", name=name, exact=True).click()
    page.evaluate("scrollTo(0, 0)")


def race(page: Page) -> None:
    """A bet, and the race it was on."""
    page.get_by_text("Adam", exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_timeout(500)
    page.evaluate("scrollTo(0, 0)")


def training(page: Page) -> None:
    """A network trained on a bundled set."""
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_selector(".verdict", timeout=120_000)
    page.wait_for_timeout(500)


SHOTS = {
    "terrain": ("/terrain#ground=mountain&show=race&at=-0.35,0.02", (1180, 720), terrain),
    "jacobian": ("/jacobian#map=lens&at=0.8,0.9&side=0.9", (1180, 800), jacobian),
    "race": ("/race#valley=long&show=symbols", (1000, 540), race),
    "training": ("/training#bundled=breast_cancer&learning_rate=0.003&max_steps=300", (1280, 1290), training),
}


def main() -> int:
    """Take the pictures; 1 when there is no browser."""
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        print("No Chromium is installed: no pictures were taken.", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with lab() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name, (path, (width, height), act) in SHOTS.items():
            page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
            page.goto(address + path)
            page.wait_for_selector("main[data-ready]")
            act(page)
            picture = page.screenshot(path=IMAGES / f"{name}.png")
            page.close()
            print(f"docs/images/{name}.png  {len(picture) / 1000:.0f} kB")
            if len(picture) > LARGEST:
                print(f"{name}.png is larger than {LARGEST / 1000:.0f} kB.", file=sys.stderr)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
