"""Write docs/claims.md: what tutorials say, measured anew (about half a minute)."""

from __future__ import annotations

from pathlib import Path

import cycloid as cy
from cycloid.checks import claims

PAGE = Path(__file__).resolve().parent / "claims.md"

OPENING = """# What tutorials say, measured

Each of these sentences is often read. Each is tested here by an experiment that runs when it is asked for, by
`cycloid claims` (all of them), `cycloid claims adam` (those with the word in their name or branch) or
`cy.checks.claims.run(["adam"])`. This page is what `python docs/make_claims.py` wrote last. An interval is 95 % where
chance is involved and rounding where it is not.

"""


def table(found: list[claims.Finding]) -> str:
    """One line a claim."""
    lines = ["| tutorials say | measured here | interval | verdict |", "| --- | ---: | --- | --- |"]
    lines += [f"| {f.text} | {f.measured} | {f.range} | **{f.verdict}** |" for f in found]
    return "\n".join(lines)


def reasons(found: list[claims.Finding]) -> str:
    """What was done, claim by claim."""
    return "\n\n".join(f"**{f.name}** ({f.branch}; said in {f.source}). {f.sentence}" for f in found)


def main() -> None:
    """Measure and write."""
    cy.enable_x64()
    found = claims.run(progress=lambda claim: print(f"{claim.name} …"))
    PAGE.write_text(f"{OPENING}{table(found)}\n\n## How each was measured\n\n{reasons(found)}\n", encoding="utf-8")
    print(f"{PAGE.name}: {len(found)} claims")


if __name__ == "__main__":
    main()
