"""Time several calls side by side, in one process and interleaved, and write what was measured.

Every round times each call once, in a rotated order, so that a slow second of the machine falls on all alike. A ratio
is the median over the rounds of (time of the call) / (time of the baseline in the same round): 2 means twice as slow as
the baseline. The first call of each, which holds tracing and compilation, is reported beside, never mixed in.

    from benchmarks.timing import interleaved, write

    timings = interleaved({"jax.grad": lambda: peer(x), "cycloid": lambda: ours(x)}, repeats=15)
    print(timings.table())
    write("differentiate", {"Gradient of a scalar": timings}, note="float64, one CPU core")
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LEAST_SECONDS = (
    2e-3  # one sample lasts at least this long: a clock tick and a context switch are then below one percent
)


@dataclass(frozen=True)
class Timings:
    """What `interleaved` measured: seconds per call and ratios to the baseline, by name."""

    baseline: str
    medians: dict[str, float]
    quartiles: dict[str, tuple[float, float]]
    ratios: dict[str, float]
    first_calls: dict[str, float]
    rounds: int

    def rows(self) -> list[list[str]]:
        """Cells of the table: call, median, middle half, ratio, first call."""
        return [
            [name, readable(median), " to ".join(readable(q) for q in self.quartiles[name]), f"{self.ratios[name]:.2f}",
             readable(self.first_calls[name])]
            for name, median in self.medians.items()
        ]  # fmt: skip

    def table(self) -> str:
        """The same as a Markdown table."""
        head = ["call", "median", "middle half", f"/ {self.baseline}", "first call (compiles)"]
        cells = [[cell.replace("|", "\\|") for cell in row] for row in [head, *self.rows()]]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
        lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
                 for row in cells]  # fmt: skip
        lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, in seconds."""
        return {
            "baseline": self.baseline,
            "rounds": self.rounds,
            "calls": {
                name: {
                    "median_seconds": self.medians[name],
                    "quartiles_seconds": list(self.quartiles[name]),
                    "ratio": self.ratios[name],
                    "first_call_seconds": self.first_calls[name],
                }
                for name in self.medians
            },
        }


def interleaved(
    calls: Mapping[str, Callable[[], Any]],
    repeats: int = 15,
    *,
    baseline: str | None = None,
    seconds: float = 20.0,
) -> Timings:
    """Time `calls` against one another in `repeats` rounds.

    Args:
        calls: functions of no argument by name; what they return is waited for (JAX arrays in any pytree).
        repeats: how many rounds; fewer (but never under three) when `seconds` run out first.
        baseline: the name the ratios refer to; the first one by default.
        seconds: budget of wall time for the rounds.

    Returns:
        Timings: medians, quartiles, ratios to the baseline, first calls.
    """
    if not calls:
        raise ValueError("interleaved wants at least one call to time; got none")
    names = list(calls)
    baseline = names[0] if baseline is None else baseline
    if baseline not in calls:
        raise ValueError(f"baseline {baseline!r} is not among the calls {names}")
    first_calls = {name: _seconds(calls[name], 1) for name in names}
    inner = {name: _inner_loops(calls[name]) for name in names}
    samples: dict[str, list[float]] = {name: [] for name in names}
    began = time.perf_counter()
    for round_ in range(repeats):
        shift = round_ % len(names)
        for name in names[shift:] + names[:shift]:
            samples[name].append(_seconds(calls[name], inner[name]))
        if round_ >= 2 and time.perf_counter() - began > seconds:
            break
    against = {name: [a / b for a, b in zip(samples[name], samples[baseline], strict=True)] for name in names}
    return Timings(
        baseline=baseline,
        medians={name: statistics.median(samples[name]) for name in names},
        quartiles={name: _quartiles(samples[name]) for name in names},
        ratios={name: statistics.median(against[name]) for name in names},
        first_calls=first_calls,
        rounds=len(samples[baseline]),
    )


def write(name: str, tables: Mapping[str, Timings], *, note: str = "") -> tuple[Path, Path]:
    """Write `benchmarks/results/<name>.json` and `docs/benchmarks/<name>.md`; return the two paths.

    Args:
        name: what the files are called.
        tables: one `Timings` under each heading.
        note: a sentence on the set-up (dtype, sizes, threads), printed above the tables.
    """
    setting = machine()
    record = {"machine": setting, "note": note, "tables": {title: timing.to_json() for title, timing in tables.items()}}
    results = ROOT / "benchmarks" / "results" / f"{name}.json"
    page = ROOT / "docs" / "benchmarks" / f"{name}.md"
    for path in (results, page):
        path.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    parts = [f"# Benchmark: {name}", *([note] if note else []), _legend(setting)]
    for title, timing in tables.items():
        parts += [f"## {title}", timing.table()]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return results, page


def kept(name: str) -> dict[str, Timings]:
    """The tables that `write` left before, so that a benchmark may be run in parts."""
    file = ROOT / "benchmarks" / "results" / f"{name}.json"
    if not file.exists():
        return {}
    tables = json.loads(file.read_text(encoding="utf-8"))["tables"]
    return {title: _read(told) for title, told in tables.items()}


def _read(told: Mapping[str, Any]) -> Timings:
    calls = told["calls"]
    return Timings(
        baseline=told["baseline"],
        medians={name: call["median_seconds"] for name, call in calls.items()},
        quartiles={name: (call["quartiles_seconds"][0], call["quartiles_seconds"][1]) for name, call in calls.items()},
        ratios={name: call["ratio"] for name, call in calls.items()},
        first_calls={name: call["first_call_seconds"] for name, call in calls.items()},
        rounds=told["rounds"],
    )


def machine() -> dict[str, str]:
    """Python, processor, packages and devices of this run, as far as they are there."""
    found = {"python": platform.python_version(), "processor": _processor()}
    for package in ("jax", "numpy", "torch", "scikit-learn", "cycloid"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if "jax" in found:
        import jax

        found["jax devices"] = f"{jax.device_count()} {jax.devices()[0].device_kind}"
        found["jax float64"] = str(jax.config.jax_enable_x64)
    return found


def readable(seconds: float) -> str:
    """Three digits with a unit: 1.23 ms."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _seconds(call: Callable[[], Any], loops: int) -> float:
    began = time.perf_counter()
    for _ in range(loops):
        _wait(call())
    return (time.perf_counter() - began) / loops


def _inner_loops(call: Callable[[], Any]) -> int:
    """How often to repeat a call inside one sample so that the sample lasts `LEAST_SECONDS`."""
    once = min(_seconds(call, 1) for _ in range(3))
    return max(1, round(LEAST_SECONDS / max(once, 1e-9)))


def _wait(value: Any) -> None:
    if hasattr(value, "block_until_ready"):
        value.block_until_ready()
    elif isinstance(value, dict | list | tuple) or hasattr(value, "__dataclass_fields__"):
        import jax

        jax.block_until_ready(value)


def _quartiles(samples: list[float]) -> tuple[float, float]:
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0]}, {len(models)} logical cores" if models else platform.machine()


def _legend(setting: Mapping[str, str]) -> str:
    told = ", ".join(f"{key} {value}" for key, value in setting.items())
    return (
        "Interleaved rounds in one process; a ratio is the median over rounds of the time over the baseline's in the "
        f"same round (below 1 is faster). Warm; the first call, with tracing and compilation, beside (a later row may "
        f"reuse what an earlier one compiled). Run on: {told}."
    )
