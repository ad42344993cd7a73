"""Random trees of formulas for hypothesis, in the form that reading gives them, and JavaScript run by Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from cycloid.core.chain_rule import total
from cycloid.core.formulas import Formula, javascript_module
from cycloid.core.grammar import negated
from cycloid.core.syntax import COMPARISONS, Apply, Constant, Node, Number, Variable, number

SMOOTH = ("exp", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "sigmoid", "softplus", "erf", "erfc")
KINKED = ("abs", "sign", "floor", "ceil", "relu", "heaviside", "cbrt")
PARTIAL = ("log", "log2", "log10", "sqrt", "asin", "acos", "acosh", "atanh", "gamma", "lgamma", "digamma", "factorial")
TURNED = ("cot", "sec", "csc")
NAMES = ("x", "y", "theta", "x_1")


def leaves() -> st.SearchStrategy[Node]:
    numbers = st.one_of(st.integers(0, 20), st.floats(0.001, 100.0).map(lambda value: float(f"{value:.3g}")))
    return st.one_of(
        st.sampled_from(NAMES).map(Variable),
        st.sampled_from(("pi", "e", "tau")).map(Constant),
        numbers.map(number),
    )


def trees(max_leaves: int = 8) -> st.SearchStrategy[Node]:
    """Trees of every head there is, in canonical form: sums flat, numbers positive, signs in front of products."""
    return st.recursive(leaves(), _grown, max_leaves=max_leaves)


def _grown(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    two = st.tuples(children, children)
    three = st.tuples(children, children, children)
    exponent = st.one_of(st.integers(0, 4).map(number), st.integers(1, 3).map(lambda n: negated(number(n))), children)
    condition = st.builds(Apply, st.sampled_from(sorted(COMPARISONS)), two)
    joined = st.builds(Apply, st.sampled_from(("and", "or")), st.tuples(condition, condition))
    truth = st.one_of(condition, joined, condition.map(lambda c: Apply("not", (c,))))
    return st.one_of(
        two.map(lambda args: total(*args)).filter(lambda tree: tree != Number(0)),
        three.map(lambda args: total(args[0], negated(args[1]), args[2])).filter(lambda tree: tree != Number(0)),
        st.lists(children, min_size=2, max_size=3).map(_product),
        two.map(lambda args: _quotient(*args)),
        st.tuples(children, exponent).map(lambda args: Apply("pow", args)),
        children.map(negated),
        st.builds(Apply, st.sampled_from(SMOOTH + KINKED + PARTIAL + TURNED), children.map(lambda c: (c,))),
        st.builds(Apply, st.sampled_from(("atan2", "mod", "max", "min")), two),
        st.builds(Apply, st.just("where"), st.tuples(truth, children, children)),
        children.map(lambda c: Apply("polygamma", (Number(1), c))),
    )


def _product(factors: list[Node]) -> Node:
    first, *others = factors
    minus = isinstance(first, Apply) and first.head == "neg"
    if minus and isinstance(first, Apply):
        first = first.args[0]
    flat = first.args if isinstance(first, Apply) and first.head == "mul" else (first,)
    node = Apply("mul", (*flat, *others))
    return negated(node) if minus else node


def _quotient(over: Node, under: Node) -> Node:
    if isinstance(over, Apply) and over.head == "neg":
        return negated(Apply("div", (over.args[0], under)))
    return Apply("div", (over, under))


def run_in_node(formulas: Sequence[Formula], points: Sequence[Sequence[float]], folder: Path) -> list[dict[str, Any]]:
    """Each formula's exported names, and its value and gradient at its point, computed by Node from its module."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed, so the JavaScript cannot be run")
    for i, f in enumerate(formulas):
        (folder / f"f{i}.mjs").write_text(javascript_module(f), encoding="utf-8")
    (folder / "points.json").write_text(json.dumps(points))
    (folder / "main.mjs").write_text(
        """
        import { readFileSync } from "node:fs";
        const points = JSON.parse(readFileSync(new URL("points.json", import.meta.url)));
        const results = [];
        for (let i = 0; i < points.length; i++) {
          const m = await import(`./f${i}.mjs`);
          results.push({ name: m.name, text: m.text, variables: m.variables,
                         value: String(m.f(...points[i])), gradient: m.gradient(...points[i]).map(String) });
        }
        console.log(JSON.stringify(results));
        """
    )
    done = subprocess.run(
        [node, "--disallow-code-generation-from-strings", str(folder / "main.mjs")],
        capture_output=True,
        timeout=60,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
