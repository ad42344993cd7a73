"""What the browser tests do with a page: wait for it, press, drag, look at what is drawn."""

from __future__ import annotations

import re
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


def ball(page):
    """Where the address says the ball is."""
    until(page, "location.hash.includes('at=')")
    page.wait_for_timeout(260)
    found = re.search(r"at=([^&]*)", page.evaluate("location.hash"))
    return [float(part) for part in found[1].replace("%2C", ",").split(",")]


def chip(page, name):
    return page.locator(f"[data-reveal={name}]")


def painted(page, view):
    """How many dots of the drawing over the ground are not transparent, by colour name of the theme."""
    return page.evaluate(
        """([view]) => {
            const canvas = document.querySelector(`.view.${view} .sketch`);
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const names = ["GradientDescent", "SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AdamW"];
            const style = getComputedStyle(document.documentElement);
            const wanted = names.map((name) => style.getPropertyValue(`--method-${name}`).trim());
            const counts = Object.fromEntries(names.map((name) => [name, 0]));
            for (let k = 0; k < data.length; k += 4) {
                if (data[k + 3] < 250) continue;
                const hex = "#" + [0, 1, 2].map((i) => data[k + i].toString(16).padStart(2, "0")).join("");
                const at = wanted.indexOf(hex);
                if (at >= 0) counts[names[at]] += 1;
            }
            return counts;
        }""",
        [view],
    )


def drag(page, handle, dx, dy):
    box = page.locator(handle).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    page.mouse.up()
    settle(page)
