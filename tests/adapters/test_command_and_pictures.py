"""`cycloid compare` and `cycloid find-nan`, and the pictures and cards of what they print."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

import cycloid as cy
from cycloid.cli import cycloid


def run(*words):
    return CliRunner().invoke(cycloid, list(words))


def test_compare_prints_values_times_and_the_card():
    done = run("compare", "x^2*y + sin(y)", "--at", "x=1,y=2", "--frameworks", "jax", "--check")
    assert done.exit_code == 0, done.output
    assert "0.58385316" in done.output
    assert "warm call" in done.output
    assert "agrees" in done.output


def test_compare_as_json(tmp_path):
    picture = tmp_path / "agreement.html"
    done = run("compare", "x*y", "x + y", "--at", "x=1,y=2", "--frameworks", "jax", "--json", "--figure", str(picture))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["value"]["jax"]["jacobian"] == [[2.0, 1.0], [1.0, 1.0]]
    assert found["agrees"] is True
    assert picture.stat().st_size > 1000


def test_find_nan_names_the_operation():
    done = run("find-nan", "sqrt(x)", "--at", "x=0")
    assert done.exit_code == 1
    assert "sqrt" in done.output
    assert "backward" in done.output
    assert json.loads(run("find-nan", "log(x)", "--at", "x=0", "--json").stdout)["forward"]["operation"] == "log"
    assert run("find-nan", "x^2", "--at", "x=1").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "x", "--at", "y=1"),
        ("compare", "x", "--at", "x=1", "--frameworks", "mx"),
        ("find-nan", "x", "--at", "y=1"),
    ],
)
def test_wrong_calls(words):
    done = run(*words)
    assert done.exit_code == 2
    assert done.output.strip()


@pytest.mark.parametrize("dark", [False, True])
def test_the_pictures_hold_what_was_found(dark):
    bent = jax.custom_jvp(lambda x: x**2)
    bent.defjvp(lambda p, t: (bent(*p), p[0] * t[0]))
    found = cy.differentiate.check_gradient(lambda x: jnp.sum(bent(x)), jnp.array([1.0, 3.0]))
    drawn = cy.figure(found, dark=dark)
    rings = next(trace for trace in drawn.data if trace.name == "claimed by the gradient")
    assert sorted(rings.x) == sorted(np.asarray(found.claimed).tolist())
    assert len(rings.y) == len(set(rings.y)) == len(found.directions)
    assert "disagrees" in drawn.layout.title.text
    agreement = cy.compare("x^2", 3.0, frameworks="jax")
    drawn = cy.figure(agreement, dark=dark)
    assert {trace.name for trace in drawn.data} >= {"value", "gradient", "hessian", "allowed"}
    assert "One answer" in drawn.layout.title.text


def test_the_card_of_a_check_stands_by_it():
    right = cy.differentiate.check_gradient("x^2*y", {"x": 1.0, "y": 2.0})
    assert cy.check(right).verdict == "agrees"
    assert "is right" in cy.check(right).claim
    lost = cy.differentiate.check_gradient(jnp.log, 0.0)
    assert cy.check(lost).verdict == "cannot be checked"
