"""The page on optimization carries the table of the methods there are, and the benchmark's own words."""

from __future__ import annotations

import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("make_optimize", Path(__file__).parents[2] / "docs" / "make_optimize.py")
assert spec is not None
assert spec.loader is not None
make_optimize = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_optimize)


def test_the_generated_parts_are_up_to_date():
    page = make_optimize.PAGE.read_text(encoding="utf-8")
    assert make_optimize.filled(page) == page, "run make docs"
