"""The examples in the documents: read from the pages, run, and compared with what the pages say they print."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-−+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    language: str
    text: str
    line: int

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page that holds examples."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[Block]:
    """The fenced blocks of a page in one language, in order."""
    text = page.read_text()
    found = FENCE.finditer(text)
    return [Block(page, m[1], m[2], text[: m.start()].count("\n") + 1) for m in found if m[1] == language]


def claims(code: str) -> list[tuple[str, Any]]:
    """The expression statements of a block that end in a comment with a value: (expression, value)."""
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(StringIO(code).readline)
        if token.type == tokenize.COMMENT
    }
    found = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.Expr) and node.end_lineno in comments:
            try:
                value = ast.literal_eval(comments[node.end_lineno])
            except (ValueError, SyntaxError):
                continue
            found.append((ast.unparse(node.value), value))
    return found


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block with the output printed under each: (command, output)."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0].strip(), part.partition("\n")[2]) for part in parts]


def run(command: str, folder: Path) -> tuple[int, str]:
    """Run a `cycloid` command line in a folder: (exit code, what it printed on standard output)."""
    words = shlex.split(command.split("#")[0])
    if not words or Path(words[0]).name != "cycloid":
        raise ValueError(f"only cycloid's own commands are run from documents, not {command!r}.")
    program = [sys.executable, "-m", "cycloid.cli", *words[1:]]
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "COLUMNS": "110", "TERM": "dumb"}
    done = subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


def same_output(printed: str, shown: str, tolerance: float = 0.02) -> bool:
    """Whether two outputs have the same words, and the same numbers up to a relative tolerance."""
    words = lambda text: re.sub("[─━]+", "─", NUMBER.sub("#", text)).split()
    numbers = lambda text: [float(n.replace("−", "-")) for n in NUMBER.findall(text)]
    if words(printed) != words(shown):
        return False
    pairs = zip(numbers(printed), numbers(shown), strict=True)
    return all(abs(a - b) <= tolerance * max(abs(a), abs(b)) + 1e-7 for a, b in pairs)
