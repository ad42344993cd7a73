"""Every code block of the README and the docs runs, and prints what the page says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("examples", Path(__file__).parents[2] / "docs" / "examples.py")
assert spec is not None
assert spec.loader is not None
examples = importlib.util.module_from_spec(spec)
sys.modules["examples"] = examples
spec.loader.exec_module(examples)

# Pages that train or search for long: run by the slow tests.
LONG = (
    "critical_points.md", "curve_fitting.md", "figures.md", "hessian_free.md", "inspector.md", "models.md",
    "optimize.md", "races.md", "tutorials.md", "worked_problems.md",
)  # fmt: skip
PAGES = [
    pytest.param(page, marks=pytest.mark.slow) if page.name in LONG else page
    for page in examples.pages()
    if examples.blocks(page, "python")
]
CONSOLE = [block for page in examples.pages() for block in examples.blocks(page, "console")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run_in_order_and_their_values_are_true(page, tmp_path, monkeypatch):
    if any("import torch" in block.text for block in examples.blocks(page, "python")):
        pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "example"}
    for block in examples.blocks(page, "python"):
        exec(compile(block.text, block.name, "exec"), namespace)
        for expression, value in examples.claims(block.text):
            got = eval(expression, namespace)
            wanted = value if isinstance(value, (str, bool, tuple)) else pytest.approx(value, rel=1e-3, abs=1e-9)
            assert got == wanted, f"{block.name}: {expression} gave {got}"


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.name)
def test_console_blocks_print_what_the_page_shows(block, tmp_path):
    for command, shown in examples.commands(block):
        code, printed = examples.run(command, tmp_path)
        assert code == 0, printed
        assert examples.same_output(printed, shown), f"{command} printed:\n{printed}\nthe page shows:\n{shown}"


def test_the_comparison_sees_a_wrong_number_and_a_wrong_word():
    assert examples.same_output("value 14.0\n", "value  14\n")
    assert not examples.same_output("value 14.0", "value 15.0")
    assert not examples.same_output("value 14.0", "slope 14.0")
    assert examples.claims("f(1)  # 2.0\ng = 3  # 4\nh(2)  # a word") == [("f(1)", 2.0)]
