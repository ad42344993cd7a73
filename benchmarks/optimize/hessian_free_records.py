"""What the benchmark of Hessian-free optimization measured: one JSON, written after every run, and its page."""

from __future__ import annotations

import fcntl
import json
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import ROOT, machine

FILE = ROOT / "benchmarks" / "results" / "hessian_free.json"
PAGE = ROOT / "docs" / "benchmarks" / "hessian_free.md"
INNERMOST = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")


class Records:
    """A nested dict in a file that several processes add to.

    Args:
        file: where it is.
    """

    def __init__(self, file: Path = FILE):
        self.file = file

    def read(self) -> dict[str, Any]:
        """All of it."""
        return json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}

    def get(self, *path: str) -> Any:
        """One piece, or None."""
        found: Any = self.read()
        for name in path:
            if not isinstance(found, dict) or name not in found:
                return None
            found = found[name]
        return found

    def keep(self, *path: str, found: Any) -> None:
        """Put a piece in its place."""
        self.change(lambda record: self._put(record, path, found))

    def require(self, name: str, protocol: dict[str, Any]) -> None:
        """Forget the runs of a case that were made by another protocol."""

        def renew(record: dict[str, Any]) -> None:
            cases = record.setdefault("cases", {})
            if cases.get(name, {}).get("protocol") != protocol:
                cases[name] = {"protocol": protocol}

        self.change(renew)

    def forget(self, names: Sequence[str]) -> None:
        """Forget the runs of these cases."""
        self.change(lambda record: [record.get("cases", {}).pop(name, None) for name in names])

    def change(self, how: Any) -> None:
        """Read, change and write while no other process does."""
        folder = os.open(self.file.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            record = self.read()
            how(record)
            record["machine"] = machine()
            text = INNERMOST.sub(lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", json.dumps(record, indent=1))
            fresh = self.file.with_suffix(".new")
            fresh.write_text(text + "\n", encoding="utf-8")
            fresh.replace(self.file)  # whole or not at all: a run may be cut at any moment
        finally:
            os.close(folder)

    @staticmethod
    def _put(record: dict[str, Any], path: Sequence[str], found: Any) -> None:
        for name in path[:-1]:
            record = record.setdefault(name, {})
        record[path[-1]] = found


def page(records: Records, cases: Sequence[str], words: Sequence[str]) -> str:
    """Write the page; its path, or for a trial its text.

    Args:
        records: what was measured.
        cases: their names, in the order of the page.
        words: paragraphs of introduction; the second and third are the protocol.
    """
    record = records.read()
    parts = ["# Benchmark: Hessian-free optimization", *(" ".join(text.split()) for text in words[1:3])]
    missing = [name for name in cases if not record.get("cases", {}).get(name, {}).get("runs")]
    parts += [f"Not measured yet: {', '.join(missing)}."] if missing else []
    for name in cases:
        told = record.get("cases", {}).get(name)
        if told and told.get("runs"):
            protocol = told["protocol"]
            parts += [f"## {protocol['title']}: CPU seconds to {protocol['target']:g}", _table(told), _ratios(told)]
            parts += [_tuning(told), protocol.get("note", "")]
    parts.append("Run on: " + ", ".join(f"{key} {value}" for key, value in record["machine"].items()) + ".")
    text = "\n\n".join(part for part in parts if part) + "\n"
    if records.file != FILE:
        return text
    PAGE.write_text(text, encoding="utf-8")
    return str(PAGE)


def _table(told: Mapping[str, Any]) -> str:
    """A row a contestant, a column a seed."""
    seeds = sorted({seed for runs in told["runs"].values() for seed in runs}, key=int)
    head = ["method", *(f"seed {seed}" for seed in seeds), "median", "steps"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for name in _ordered(told):
        runs = told["runs"][name]
        label = f"{name}, {told['tuned'][name]:.2g}" if name in told["tuned"] else name
        cells = [_cell(runs.get(seed)) for seed in seeds]
        steps = f"{statistics.median(run['steps'] for run in runs.values()):.0f}"
        lines.append("| " + " | ".join([label, *cells, _median(runs), steps]) + " |")
    return "\n".join(lines)


def _ordered(told: Mapping[str, Any]) -> list[str]:
    """The contestants in the order of the protocol, whichever was run first."""
    order = [*told["protocol"]["second"], *told["protocol"]["grids"]]
    return [name for name in order if name in told["runs"]]


def _cell(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return ""
    least = "not finite" if run["loss"] is None else f"{run['loss']:.4g}"
    return f"{run['seconds']:.3g}" if run["reached"] else f"> {run['seconds']:.3g} ({least})"


def _median(runs: Mapping[str, Any]) -> str:
    middle = statistics.median(run["seconds"] if run["reached"] else float("inf") for run in runs.values())
    return "not reached" if middle == float("inf") else f"{middle:.3g}"


def _ratios(told: Mapping[str, Any]) -> str:
    """How many times as long each method of first order took, seed by seed, beside the best Hessian-free one."""
    best = fastest(told)
    if best is None:
        return "No Hessian-free method reached it on every seed."
    ours, sentences = told["runs"][best], []
    for name in told["protocol"]["grids"]:
        runs = told["runs"].get(name, {})
        both = [seed for seed in runs if seed in ours]
        if not both:
            continue
        shares = sorted(runs[seed]["seconds"] / ours[seed]["seconds"] for seed in both)
        least = "at least " if any(not runs[seed]["reached"] for seed in both) else ""
        sentences.append(
            f"{name} took {least}{shares[0]:.2f} to {shares[-1]:.2f} times as long (median {least}"
            f"{statistics.median(shares):.2f}, {len(both)} seeds)"
        )
    mean = "`> t (loss)`: not reached within t seconds, with the least loss seen."
    return f"Beside “{best}”: {'; '.join(sentences)}. {mean}"


def fastest(told: Mapping[str, Any]) -> str | None:
    """The Hessian-free contestant of least median time, of those with most seeds that reached the target on all."""
    times = {}
    for name, runs in told["runs"].items():
        if name.startswith("hessian-free") and all(run["reached"] for run in runs.values()):
            times[name] = (-len(runs), statistics.median(run["seconds"] for run in runs.values()))
    return min(times, key=times.__getitem__) if times else None


def _tuning(told: Mapping[str, Any]) -> str:
    """The losses on the way to the learning rates, and a warning where the best lies at an end of its grid."""
    sentences = []
    for first, rates in told.get("tuning", {}).items():
        cells = [f"{rate} → {_mean(runs)}" for rate, runs in sorted(rates.items(), key=lambda pair: float(pair[0]))]
        best, grid = told["tuned"].get(first), [float(rate) for rate in told["protocol"]["grids"][first]]
        edge = ", an end of the grid" if best in (grid[0], grid[-1]) else ""
        sentences.append(f"{first}: {', '.join(cells)}; chosen {best:.3g}{edge}.")
    steps, kept = (", ".join(map(str, numbers)) for numbers in zip(*told["protocol"]["rungs"], strict=True))
    seeds = " and ".join(map(str, told["protocol"]["tuning seeds"]))
    return (
        f"Tuning, with halts after {steps} steps at which {kept} of the rates stay; "
        f"least loss of each rate as far as it ran, on tuning seeds {seeds}. " + " ".join(sentences)
    )


def _mean(runs: Mapping[str, Any]) -> str:
    losses = [run["loss"] for run in runs.values()]
    return "not finite" if None in losses else f"{statistics.mean(losses):.4g}"
