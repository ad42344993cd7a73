"""Figures on disk: one page that works offline, or a picture taken by a browser that is installed here."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
# No network, no plug-ins, no evaluation of text: a saved page may draw and nothing else.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; worker-src blob:; base-uri 'none'; form-action 'none'"
)
SECONDS = 120


def save(fig: Any, path: str | os.PathLike[str], *, width: int = 900, height: int = 520, scale: float = 2.0) -> None:
    """Write a figure: .html (one page with everything in it), .png, .webp or .svg (by a browser), or .json.

    Args:
        fig: a plotly figure.
        path: the file; its ending says which kind.
        width, height: of a picture, in pixels of the page.
        scale: pixels of the picture for one pixel of the page.

    Raises:
        ValueError: when the name ends otherwise.
        RuntimeError: when a picture is asked for and there is no browser; the message says what to install.
    """
    from cycloid.core.storage import write_atomically

    suffix = Path(path).suffix.lower()
    if suffix == ".html":
        write_atomically(path, to_html(fig))
    elif suffix in (".png", ".webp", ".svg"):
        write_atomically(path, export(fig, suffix[1:], width=width, height=height, scale=scale))
    elif suffix == ".json":
        write_atomically(path, fig.to_json())
    else:
        raise ValueError(f"a figure is saved as .html, .png, .webp, .svg or .json; the path was {os.fspath(path)}.")


def to_html(fig: Any, title: str = "Cycloid") -> str:
    """A page that draws the figure with plotly.js inside it: it asks nothing of any network."""
    from plotly.offline import get_plotlyjs

    paper = fig.layout.paper_bgcolor or fig.layout.template.layout.paper_bgcolor or "#fbfaf7"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>html, body, #figure {{ height: 100%; margin: 0; background: {paper} }}</style></head>"
        f'<body><div id="figure"></div><script>{get_plotlyjs()}</script>'
        f"<script>const figure = {script_json(fig)};\n"
        f'Plotly.newPlot("figure", figure.data, figure.layout, {{ responsive: true, displaylogo: false }});'
        f"</script></body></html>"
    )


def script_json(fig: Any) -> str:
    """JSON that may stand inside a script element: no text in it can end the element."""
    text = fig if isinstance(fig, str) else fig.to_json()
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def export(fig: Any, kind: str = "png", *, width: int = 900, height: int = 520, scale: float = 2.0) -> bytes:
    """The figure as a picture, drawn by a headless browser.

    Args:
        fig: a plotly figure.
        kind: "png", "webp" or "svg".
        width, height: in pixels of the page.
        scale: pixels of the picture for one pixel of the page.

    Raises:
        RuntimeError: when no browser is installed, or it draws nothing.
    """
    from plotly.offline import get_plotlyjs

    options = json.dumps({"format": kind, "width": width, "height": height, "scale": scale})
    page = (
        f'<!doctype html><meta charset="utf-8"><body><div id="figure"></div><script>{get_plotlyjs()}</script>'
        f"<script>const figure = {script_json(fig)};\n"
        f"Plotly.toImage(figure, {options}).then((url) => document.body.replaceChildren(url), "
        f"(error) => document.body.replaceChildren(`trouble: ${{error}}`));</script>"
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "figure.html"
        source.write_text(page, encoding="utf-8")
        seen = _dump(source, folder)
    found = re.search(r"<body[^>]*>(data:image/[a-z+]+(;base64)?,)?(.*?)</body>", seen, re.DOTALL)
    if found is None or not found[1]:
        raise RuntimeError(f"the browser drew no picture: {(found[3] if found else seen)[:300]}")
    if found[2]:
        return base64.b64decode(found[3])
    from html import unescape
    from urllib.parse import unquote

    return unquote(unescape(found[3])).encode()


def browser() -> str:
    """The path of a browser that can run without a window: $CHROME where set, else the first one found.

    Raises:
        RuntimeError: when there is none.
    """
    chosen = os.environ.get("CHROME")
    for name in (chosen,) if chosen else BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    raise RuntimeError(
        "a picture needs Chromium or Chrome: install one, or set CHROME to its path. Without one, save as .html."
    )


def _dump(page: Path, folder: str) -> str:
    """The page after its scripts have run, as text."""
    command = [
        browser(), "--headless=new", "--disable-gpu-sandbox", "--no-first-run", "--disable-extensions",
        "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars",
        f"--user-data-dir={folder}/profile", "--virtual-time-budget=60000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # Chromium's sandbox refuses to run as root, as in a container
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the browser did not draw the figure within {SECONDS} seconds.") from error
    return done.stdout.decode("utf-8", "replace")
