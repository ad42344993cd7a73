"""Draw the pictures of docs/critical_points.md and docs/sensitivity.md: run their code, and save what `fig` is."""

from __future__ import annotations

from pathlib import Path

from make_figures import BLOCK, save

DOCS = Path(__file__).resolve().parent


def main() -> None:
    """Each page from top to bottom; each picture is of the code above it."""
    for page in (DOCS / "critical_points.md", DOCS / "sensitivity.md"):
        namespace: dict = {"__name__": "page"}
        for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
            exec(compile(block["code"], str(page), "exec"), namespace)
            if block["image"]:
                save(namespace["fig"], DOCS / block["image"])


if __name__ == "__main__":
    main()
