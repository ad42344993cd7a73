"""minimize inside bounds and constraints: closed forms, multipliers, derivatives, statuses, wrong calls."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.optimize import AtMost, Equal, minimize

ROSENBROCK = "(1-x)^2 + 100*(y-x^2)^2"


def values(found):
    return [float(found.value[name]) for name in sorted(found.value)]


def test_a_bound_that_presses_and_one_that_does_not():
    found = minimize(ROSENBROCK, {"x": -1.2, "y": 1.0}, bounds=(None, {"x": 0.5, "y": 9.0}))
    np.testing.assert_allclose(values(found), [0.5, 0.25], rtol=1e-9)
    # On y = x² the slope is d(1−x)²/dx = −1 at x = 0.5.
    assert float(found.multipliers["upper"]["x"]) == pytest.approx(1.0, rel=1e-6)
    assert float(found.multipliers["upper"]["y"]) == 0.0


@pytest.mark.parametrize(
    ("f", "start", "rules", "expected", "multiplier"),
    [
        ("x + y", {"x": 1.0, "y": 0.5}, {"constraints": "x^2 + y^2 <= 2"}, [-1.0, -1.0], ("at_most", 0.5)),
        ("x^2 + y^2", {"x": 3.0, "y": 0.5}, {"constraints": "x + y = 1"}, [0.5, 0.5], ("equal", -1.0)),
        (
            "-x*y",
            {"x": 1.0, "y": 1.0},
            {"constraints": "8 >= x + 2*y", "bounds": (0, None)},
            [4.0, 2.0],
            ("at_most", 2.0),
        ),
        ("x", {"x": 3.0}, {"constraints": "x >= 2"}, [2.0], ("at_most", 1.0)),
    ],
    ids=["circle", "line", "area", "half-line"],
)
def test_closed_forms_with_their_multipliers(f, start, rules, expected, multiplier):
    found = minimize(f, start, tol=1e-9, **rules)
    np.testing.assert_allclose(values(found), expected, rtol=1e-7)
    assert float(found.multipliers[multiplier[0]][0]) == pytest.approx(multiplier[1], rel=1e-6)
    assert cy.check(found).agrees, str(cy.check(found))


def test_functions_of_arrays():
    # The point of a simplex nearest to c, by hand: (0.75, 0.25, 0).
    c = jnp.array([0.9, 0.4, -0.3])
    found = minimize(
        lambda x: jnp.sum((x - c) ** 2),
        jnp.ones(3) / 3,
        bounds=(0.0, None),
        constraints=Equal(lambda x: jnp.sum(x) - 1),
    )
    np.testing.assert_allclose(found.value, [0.75, 0.25, 0.0], atol=1e-8)


def test_the_derivative_follows_the_active_constraints():
    # min (x−3)² + a y² with x ≤ 2, x y ≥ a: x = 2, y = a/2.
    def solve(a):
        f = lambda v: (v[0] - 3) ** 2 + a * v[1] ** 2
        rule = AtMost(lambda v: a - v[0] * v[1])
        return minimize(f, jnp.array([1.0, 0.5]), bounds=(0.0, 2.0), constraints=rule, tol=1e-9).value

    np.testing.assert_allclose(jax.jit(jax.jacfwd(solve))(1.0), [0.0, 0.5], atol=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacrev(solve))(1.0), [0.0, 0.5], atol=1e-7)


def test_each_member_of_a_batch_ends_by_itself():
    solve = lambda c: minimize(lambda x: (x - c) ** 2, 0.5, bounds=(0.0, 1.0), throw=False)
    found = jax.vmap(solve)(jnp.array([-1.0, 0.3, 7.0, jnp.nan]))
    np.testing.assert_allclose(np.asarray(found.value)[:3], [0.0, 0.3, 1.0], atol=1e-9)
    assert found.status.name == ["converged"] * 3 + ["nonfinite"]


def test_what_cannot_be_satisfied():
    rules = ["x + y = 1", "x + y = 2"]
    assert minimize("x^2 + y^2", {"x": 1.0, "y": 0.5}, constraints=rules, throw=False).status.name == "infeasible"
    with pytest.raises(cy.ConvergenceError, match="satisfies the constraints"):
        minimize("x", {"x": 1.0}, constraints=["x <= 0", "x >= 1"])


@pytest.mark.slow
def test_the_card_catches_a_wrong_multiplier():
    found = minimize("x + y", {"x": 1.0, "y": 0.5}, constraints="x^2 + y^2 <= 2")
    wrong = dataclasses.replace(found, multipliers={**found.multipliers, "at_most": jnp.array([0.6])})
    assert cy.check(wrong, found.question).verdict == "disagrees"
    high = dataclasses.replace(found, objective=found.objective + 0.01)
    assert cy.check(high, found.question).verdict == "disagrees"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"bounds": (1.0, 0.0)}, "cross"),
        ({"bounds": 3.0}, "a pair"),
        ({"bounds": ({"z": 0.0}, None)}, "name z"),
        ({"constraints": "x + y"}, "one of =, <=, >="),
        ({"constraints": "0 < x < 1"}, "one of =, <=, >="),
        ({"constraints": [3]}, "a constraint is a text"),
        ({"constraints": "x + z = 1"}, "z"),
        ({"bounds": (0, 1), "method": "adam"}, "leave method= out"),
        ({"bounds": (0, 1), "tol": 0}, "positive tol="),
    ],
)
def test_wrong_calls(rules, message):
    with pytest.raises((TypeError, ValueError), match=message):
        minimize("x^2 + y^2", {"x": 1.0, "y": 0.5}, **rules)
