"""Explanations as text, HTML, LaTeX, JSON and files: complete, well formed, and with every name escaped."""

from __future__ import annotations

import html.parser
import json
import re

import jax
import jax.numpy as jnp
import pytest

from cycloid.explain import Derivation, antiderivative, backprop, chain, derivative, taylor
from cycloid.explain.rendering.papers import plain
from cycloid.learn import perceptron

VOID = {"meta", "br", "rect", "path", "polyline", "mspace", "link", "img", "input", "hr"}


def scan(x, w):
    y = jax.lax.fori_loop(0, 5, lambda i, c: jnp.sin(c), x)
    return jnp.sum(jax.nn.softmax(w) * y)


def network(p, x):
    return jnp.mean((jnp.tanh(x @ p["w"]) @ p["v"]) ** 2)


def made():
    net = perceptron(2, None, (3,), key=jax.random.key(0), activation="tanh")
    batch = jnp.array([[0.0, 1.0], [1.0, 0.5]]), jnp.array([1.0, 0.0])
    return {
        "derivative": derivative("x^3 + 2x + 1", at=2.0),
        "kink": derivative("abs(x)", at=0.0),
        "pole": derivative("sqrt(x)", at=0.0),
        "antiderivative": antiderivative("x*exp(-x)"),
        "integral": antiderivative("x^2", bounds=(0, 1)),
        "no formula": antiderivative("x^x"),
        "taylor": taylor("sin(x)", order=3),
        "chain": chain(scan, 0.7, jnp.array([0.1, 0.4])),
        "network": chain(network, {"w": jnp.ones((2, 3)), "v": jnp.ones(3)}, batch[0]),
        "backpropagation": backprop(net, batch, "mse"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def explanations():
    return made()


KINDS = [
    "derivative",
    "kink",
    "pole",
    "antiderivative",
    "integral",
    "no formula",
    "taylor",
    "chain",
    "network",
    "backpropagation",
]


class Reader(html.parser.HTMLParser):
    """Reads a fragment: its tags must close in order, and nothing may come from outside."""

    def __init__(self):
        super().__init__()
        self.open, self.words, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name not in ("href", "src", "action"), (tag, name, value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("kind", KINDS)
def test_html_is_well_formed_and_needs_nothing_from_outside(explanations, kind):
    reader = Reader()
    reader.feed(explanations[kind].html)
    assert reader.open == []
    assert "script" not in reader.tags
    assert not re.search(r"@import|url\(", explanations[kind].html)
    assert explanations[kind].heading in " ".join(reader.words)


@pytest.mark.parametrize("kind", KINDS)
def test_latex_has_its_brackets_closed(explanations, kind):
    text = re.sub(r"\\[{}]", "", explanations[kind].latex)
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    begun, ended = re.findall(r"\\begin\{(\w+\*?)\}", text), re.findall(r"\\end\{(\w+\*?)\}", text)
    assert sorted(begun) == sorted(ended)
    assert text.count(r"\left") - text.count(r"\leftarrow") == text.count(r"\right") - text.count(r"\rightarrow")


@pytest.mark.parametrize("kind", KINDS)
def test_json_is_strict_and_a_file_gives_the_same_explanation_back(explanations, kind, tmp_path):
    found = explanations[kind]
    data = json.loads(found.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert data["kind"] == found.kind
    assert data["heading"] == found.heading
    assert sum(data["checks"].values()) == len(found.checks)
    found.save(tmp_path / "explanation.cy")
    again = Derivation.load(tmp_path / "explanation.cy", like=found.value)
    assert again.text == found.text
    assert again.to_json() == found.to_json()


@pytest.mark.parametrize("kind", KINDS)
def test_text_fits_a_terminal(explanations, kind):
    lines = explanations[kind].text.splitlines()
    assert lines[0].startswith(explanations[kind].heading[:40])
    assert max(map(len, lines)) <= 120
    assert "numerical check" in explanations[kind].text or "Nothing was checked" in explanations[kind].text


def test_the_text_of_the_derivative_that_every_student_meets(explanations):
    assert explanations["derivative"].text.splitlines()[2:8] == [
        "d/dx [x³ + 2x + 1] = 3x² + 2 + 0 = 3x² + 2                  ✓ sum rule: (u + v)′ = u′ + v′",
        "├─ d/dx [x³] = 3x^(3 − 1) = 3x²                             ✓ power rule: (xⁿ)′ = n·xⁿ⁻¹, n = 3",
        "├─ d/dx [2x] = 2·1 = 2                                      ✓ constant multiple: (c·u)′ = c·u′, c = 2, u = x",
        "│  └─ d/dx [x] = 1                                          ✓ the variable itself: x′ = 1",
        "└─ d/dx [1] = 0                                             ✓ constant rule: c′ = 0",
        "at x = 2: 3·2² + 2 = 14                                     ✓ complex step here: the same to rounding",
    ]


def test_names_from_outside_are_escaped():
    name = "<script>alert(1)</script>"

    def f(params):
        return jnp.sum(params[name] ** 2)

    f.__name__ = "<b>f</b>"
    found = chain(f, {name: jnp.ones((2, 2))})
    assert "<script>" not in found.html
    assert "<b>f" not in found.html
    assert "&lt;script&gt;" in found.html


def test_every_special_character_of_latex_is_written_as_itself():
    assert plain("50% of a_b & {c} #1 $ ~ ^ \\") == (
        r"50\% of a\_b \& \{c\} \#1 \$ \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert plain("10⁻¹⁴ and v₁₂") == r"10\textsuperscript{-14} and v\textsubscript{12}"


def test_a_notebook_shows_the_page_and_a_console_the_words(explanations):
    found = explanations["derivative"]
    assert found._repr_html_() == found.html
    assert str(found) == found.text
    assert repr(found).startswith("<Derivation: df/dx of f(x)")


def test_places_of_a_graph_run_from_left_to_right(explanations):
    graph = explanations["chain"].evidence
    places, routes = graph.layout()
    assert [(route[0], route[-1]) for route in routes] == [(places[e.source], places[e.target]) for e in graph.edges]
    assert len(set(places)) == len(graph.quantities)
    assert all(places[e.source][0] < places[e.target][0] for e in graph.edges)
    with pytest.raises(ValueError, match="no quantity is called"):
        graph.called("nothing")
