"""Write the generated parts of docs/optimize.md: the table of methods, and what the benchmark of Adam found."""

from __future__ import annotations

import re
from pathlib import Path

import cycloid as cy

DOCS = Path(__file__).parent
PAGE = DOCS / "optimize.md"
ADAM = DOCS / "benchmarks" / "adam_against_sgd.md"


def methods() -> str:
    """One line a method, from METHODS."""
    lines = ["| name | update | best for | source |", "| --- | --- | --- | --- |"]
    for name, cls in cy.optimize.METHODS.items():
        lines.append(f"| `{name}` (`{cls.__name__}`) | {cls.formula} | {cls.best_for} | {cls.reference} |")
    return "\n".join(lines)


def adam() -> str:
    """The benchmark's page without its title."""
    body = ADAM.read_text(encoding="utf-8").partition("\n")[2].strip()
    return f"{body}\n\nMeasured by `python benchmarks/optimize/adam_against_sgd.py`."


def filled(page: str) -> str:
    """The page with its generated parts up to date."""
    for name, text in {"methods": methods(), "adam": adam()}.items():
        part = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page, count = part.subn(lambda m, text=text: f"{m[1]}{text}\n{m[2]}", page)
        if count != 1:
            raise ValueError(f"{PAGE.name} has {count} parts called {name}; it should have one.")
    return page


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE.name}: {len(cy.optimize.METHODS)} methods")


if __name__ == "__main__":
    main()
