"""Draw the pictures of some pages: run their code, and save what `fig` is where an image follows a block."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from cycloid import figures

DOCS = Path(__file__).resolve().parent
PAGES = ("models.md", "figures.md", "jacobians.md", "taylor.md", "worked_problems.md", "races.md")
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$(?:\n\n!\[[^\]]*\]\((?P<image>[^)]+)\))?", re.MULTILINE | re.DOTALL)
WIDTH, LARGEST = 900, 200_000


def main() -> None:
    """Run each page from top to bottom; each picture is of the code above it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for page in PAGES:
            draw(DOCS / page)


def draw(page: Path) -> None:
    """Draw the pictures of one page."""
    namespace: dict = {"__name__": "figures"}
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        exec(compile(block["code"], str(page), "exec"), namespace)
        if block["image"]:
            save(namespace["fig"], DOCS / block["image"])


def save(fig: object, path: Path) -> None:
    """The picture at the largest scale whose file is small enough for a page."""
    height = getattr(fig, "layout").height  # noqa: B009
    for scale in (2.0, 1.6, 1.3, 1.0):
        figures.save(fig, path, width=WIDTH, height=height, scale=scale)
        if path.stat().st_size < LARGEST:
            print(f"{path.relative_to(DOCS)}: {path.stat().st_size / 1000:.0f} kB at {scale:g} pixels a point")
            return
    raise ValueError(f"{path.name} is larger than {LARGEST / 1000:.0f} kB at every scale.")


if __name__ == "__main__":
    main()
