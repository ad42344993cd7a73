"""Critical points of functions whose points are known: how many, of which kind, and what is proven."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.core.results import ConvergenceError
from cycloid.differentiate import critical_points
from cycloid.problems.landscapes import LANDSCAPES

KEY = jax.random.key(0)
PEAKS = "3(1-x)^2*exp(-x^2-(y+1)^2) - 10(x/5-x^3-y^5)*exp(-x^2-y^2) - exp(-(x+1)^2-y^2)/3"
# formula, box, (minima, maxima, saddles)
KNOWN = {
    "himmelblau": ("(x^2+y-11)^2 + (x+y^2-7)^2", (-6, -6), (6, 6), (4, 1, 4)),
    "six-hump camel": ("(4-2.1x^2+x^4/3)x^2 + x*y + (-4+4y^2)y^2", (-3, -2), (3, 2), (6, 2, 7)),
    "peaks": (PEAKS, (-3, -3), (3, 3), (3, 3, 3)),
    # in one variable x² − 10 cos 2πx has 3 minima and 4 maxima here
    "rastrigin": ("20 + x^2 + y^2 - 10*cos(2*pi*x) - 10*cos(2*pi*y)", (-1.6, -1.6), (1.6, 1.6), (9, 16, 24)),
    "waves, points on the edge": ("sin(x)*sin(y)", (0, 0), (6.5, 6.5), (2, 2, 9)),
    "none": ("x^3 + 2x + y", (-3, -3), (3, 3), (0, 0, 0)),
}


SLOW = {"peaks", "rastrigin"}  # many boxes


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in KNOWN]
)
def test_all_are_found_and_proven(name):
    text, lower, upper, counts = KNOWN[name]
    found = critical_points(text, lower, upper, key=KEY)
    assert tuple(found.counts.get(kind, 0) for kind in ("minimum", "maximum", "saddle")) == counts
    assert found.proof.complete
    assert np.all(found.proven)
    assert len(found.points) == sum(counts)
    assert "Proven" in found.sentence
    assert found.status.name == "converged"
    if sum(counts):
        assert found.error_kind.name == "bound"
        assert float(found.error) < 1e-12
        f = cy.formula(text)
        slopes = jax.vmap(jax.grad(f.of_vector))(found.points)
        bends = np.linalg.eigvalsh(jax.vmap(jax.hessian(f.of_vector))(found.points))
        assert float(jnp.abs(slopes).max()) < 1e-10
        np.testing.assert_allclose(found.eigenvalues, bends, atol=1e-9)
        np.testing.assert_array_equal(found.index, (bends < 0).sum(axis=1))
        if name == "himmelblau":
            best = np.array(sorted(LANDSCAPES["himmelblau"].best))
            np.testing.assert_allclose(sorted(found.points[:4].tolist()), best, atol=1e-12)
    card = cy.check(found)
    assert card.verdict == "agrees"
    assert card.value == counts[0] + counts[1] - counts[2] - _on_the_edge(found)


def _on_the_edge(found):
    """What points on the edge add to the count: the contour of the check leaves them out."""
    signs = np.where(np.asarray(found.index) % 2 == 0, 1, -1)
    return int(signs[np.asarray(found.on_edge)].sum()) if len(signs) else 0


def test_a_callable_gives_the_same_points_without_a_proof():
    found = critical_points(LANDSCAPES["himmelblau"].function, [-6.0, -6.0], [6.0, 6.0], key=KEY)
    assert found.counts == {"minimum": 4, "maximum": 1, "saddle": 4}
    assert found.proof is None
    assert "Not proven" in found.sentence
    assert found.error_kind.name == "estimate"
    assert float(found.error) < 1e-10


def test_what_the_walks_miss_the_boxes_find():
    found = critical_points("sin(3x)*sin(3y)", [-3, -3], [3, 3], key=KEY, starts=2, max_steps=8)
    assert found.proof.complete
    whole = critical_points("sin(3x)*sin(3y)", [-3, -3], [3, 3], key=KEY)
    assert len(found.points) == len(whole.points)
    apart = np.abs(np.asarray(found.points)[:, None] - np.asarray(whole.points)[None]).max(axis=2)
    assert apart.min(axis=1).max() < 1e-10
    assert apart.min(axis=0).max() < 1e-10


@pytest.mark.parametrize("text", ["x^3 - 3x*y^2", "x^4 + y^4"])
def test_a_degenerate_point_is_said_to_be_one(text):
    found = critical_points(text, [-2, -2], [2, 3], key=KEY)
    assert found.kind.name == ["degenerate"]
    np.testing.assert_allclose(found.points[0], 0.0, atol=1e-6)
    assert not found.proof.complete
    assert float(np.max(found.proof.undecided[:, 1] - found.proof.undecided[:, 0])) < 1e-3
    assert np.all(found.proof.undecided[:, 0] <= 1e-6)
    assert np.all(found.proof.undecided[:, 1] >= -1e-6)
    assert not found.continua
    card = cy.check(found)
    assert card.verdict == "agrees"
    assert card.value == (-2 if "3x" in text else 1)


def test_a_curve_of_points_is_said_and_not_listed():
    found = critical_points("(x^2 + y^2 - 1)^2", [-2, -2], [2, 2], key=KEY)
    assert found.kind.name == ["maximum"]
    (curve,) = found.continua
    assert curve.dimension == 1
    assert curve.kind.name == "minimum"
    np.testing.assert_allclose(jnp.linalg.norm(curve.points, axis=1), 1.0, atol=1e-6)
    assert float(curve.objective) == pytest.approx(0.0, abs=1e-12)
    assert "1 curve" in found.sentence
    assert cy.check(found).verdict == "cannot be checked"


def test_the_extremes_include_the_edges():
    hill = LANDSCAPES["reach-and-depth"]
    found = critical_points(hill.text, hill.lower, hill.upper, key=KEY)
    np.testing.assert_allclose(found.points, [hill.best[0]], atol=1e-12)
    assert found.highest.place == "inside"
    assert float(found.highest.objective) == pytest.approx(28.0)
    grid = np.stack(np.meshgrid(*[np.linspace(a, b, 301) for a, b in zip(hill.lower, hill.upper)]), -1).reshape(-1, 2)
    values = jax.vmap(hill.function)(grid)
    assert found.lowest.place == "corner"
    assert float(found.lowest.objective) == pytest.approx(float(values.min()))
    edge = critical_points("(x-3)^2 + (y-1/2)^2", [0, 0], [1, 1], key=KEY)
    assert edge.lowest.place == "edge"
    np.testing.assert_allclose(edge.lowest.point, [1.0, 0.5], atol=1e-9)


def test_a_box_of_names_and_one_number():
    found = critical_points("a^2 + 2b^2 - 2a", {"a": -2, "b": -1}, {"a": 3, "b": 2}, key=KEY)
    assert float(found.value["a"][0]) == pytest.approx(1.0)
    assert found.at(0)["b"] == pytest.approx(0.0, abs=1e-12)
    assert found.names == ("a", "b")
    line = critical_points("x^3 - 3x", -3, 3, key=KEY)
    np.testing.assert_allclose(line.value, [1.0, -1.0])
    assert line.kind.name == ["minimum", "maximum"]
    assert cy.check(line).verdict == "agrees"


@pytest.mark.slow
@pytest.mark.slow
def test_three_variables():
    found = critical_points("x^2*y + y^3 - 3y + z^2", [-2.0] * 3, [2.5] * 3, key=KEY)
    assert found.proof.complete
    assert found.counts == {"minimum": 1, "saddle": 3}
    assert cy.check(found).verdict == "agrees"


# --- constraints ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_lagrange_multipliers_on_a_circle():
    found = critical_points("x*y", [-4, -4], [4, 4], constraint="x^2 + y^2 = 8", key=KEY)
    assert found.counts == {"minimum": 2, "maximum": 2}
    assert found.proof.complete
    assert np.all(found.proven)
    np.testing.assert_allclose(np.abs(found.points), 2.0, atol=1e-12)
    np.testing.assert_allclose(found.multiplier, np.asarray(found.objective) / 8, atol=1e-12)  # f scales with the 8
    assert cy.check(found).verdict == "agrees"


def test_the_shadow_price_of_a_budget():
    text = LANDSCAPES["reach-and-depth"].text
    best = {
        budget: critical_points(text, [0, 0], [7, 6], constraint=f"reach + depth = {budget}", key=KEY)
        for budget in (5, 5.001)
    }
    np.testing.assert_allclose(best[5].points, [[3.5, 1.5]], atol=1e-12)
    assert best[5].kind.name == ["maximum"]
    rise = (float(best[5.001].objective[0]) - float(best[5].objective[0])) / 0.001
    assert float(best[5].multiplier[0]) == pytest.approx(rise, rel=1e-3)
    assert best[5].highest.place == "inside"
    assert best[5].lowest.place == "edge"
    assert float(best[5].lowest.objective) == pytest.approx(15.0)


@pytest.mark.slow
def test_a_constraint_in_three_variables():
    plane = lambda p: p[0] + p[1] + p[2] - 3
    found = critical_points(lambda p: p[0] * p[1] * p[2], [0.1] * 3, [2.9] * 3, constraint=plane, key=KEY)
    np.testing.assert_allclose(found.points, [[1.0, 1.0, 1.0]], atol=1e-9)
    assert found.kind.name == ["maximum"]
    assert float(found.multiplier[0]) == pytest.approx(1.0)
    assert np.shape(found.eigenvalues) == (1, 2)


# --- the rest of the promises ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_key_gives_the_same_bits_and_another_the_same_points():
    first, again = (critical_points("x^4 + y^4 - 4x*y", [-2, -2], [2, 2], key=KEY, certify=False) for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)
    other = critical_points("x^4 + y^4 - 4x*y", [-2, -2], [2, 2], key=jax.random.key(7), certify=False)
    np.testing.assert_allclose(np.sort(first.points, axis=0), np.sort(other.points, axis=0), atol=1e-9)
    assert first.why == "certify=False"


@pytest.mark.slow
def test_float32_stays_float32():
    low, high = jnp.array([-2, -2], jnp.float32), jnp.array([2, 2], jnp.float32)
    found = critical_points("x^4 + y^4 - 4x*y", low, high, key=KEY)
    assert found.points.dtype == found.objective.dtype == jnp.float32
    assert found.counts == {"minimum": 2, "saddle": 1}


def test_units_do_not_matter():
    small = critical_points("x^4 + y^4 - 4x*y", [-2, -2], [2, 2], key=KEY)
    large = critical_points("1e-9*((x/1e6)^4 + (y/1e-3)^4 - 4x*y/1e3)", [-2e6, -2e-3], [2e6, 2e-3], key=KEY)
    assert small.counts == large.counts
    assert large.proof.complete
    np.testing.assert_allclose(np.asarray(large.points) / [1e6, 1e-3], small.points, atol=1e-9)


def test_table_json_and_file(tmp_path):
    found = critical_points("x^4 + y^4 - 4x*y", [-2, -2], [2, 2], key=KEY)
    table = found.to_pandas()
    assert list(table["kind"]) == ["minimum", "minimum", "saddle"]
    assert list(table.columns[:4]) == ["x", "y", "objective", "kind"]
    assert found.to_dict()["names"] == ["x", "y"]
    found.save(tmp_path / "points.cycloid")
    back = type(found).load(tmp_path / "points.cycloid")
    np.testing.assert_array_equal(back.points, found.points)
    assert back.sentence == found.sentence


@pytest.mark.parametrize("dark", [False, True])
def test_the_figure_marks_every_kind(dark):
    found = critical_points("x^4 + y^4 - 4x*y", [-2, -2], [2, 2], key=KEY)
    fig = cy.figure(found, dark=dark)
    shown = {trace.name: trace for trace in fig.data}
    np.testing.assert_array_equal(shown["minimum (2)"].x, np.asarray(found.points)[:2, 0])
    assert "saddle (1)" in shown
    along = critical_points("x*y", [-4, -4], [4, 4], constraint="x^2 + y^2 = 8", key=KEY)
    fig = cy.figure(along, dark=dark)
    assert sum("λ = " in (note.text or "") for note in fig.layout.annotations) == 4
    assert {"constraint", "x^2 + y^2 = 8"} <= {trace.name for trace in fig.data}


def test_wrong_calls_are_answered_in_words():
    box = ([-1, -1], [1, 1])
    with pytest.raises(TypeError, match="key="):
        critical_points("x*y", *box)
    with pytest.raises(ValueError, match="lower < upper"):
        critical_points("x*y", [1, 1], [-1, -1], key=KEY)
    with pytest.raises(ValueError, match="variables"):
        critical_points("x*y*z", *box, key=KEY)
    with pytest.raises(ValueError, match="at least two variables"):
        critical_points("x^2", -1, 1, constraint="x", key=KEY)
    with pytest.raises(TypeError, match=r"jnp\.where"):
        critical_points(lambda x: x[0] if x[0] > 0 else x[1], *box, key=KEY)
    with pytest.raises(TypeError, match="cannot be traced"):
        jax.jit(lambda a: critical_points("x^2", a, 2.0, key=KEY).points)(-1.0)
    with pytest.raises(ConvergenceError):
        critical_points(lambda x: x[0] + 2 * x[1], *box, key=KEY)
    with pytest.raises(ConvergenceError, match="NaN"):
        critical_points(lambda x: jnp.sqrt(x[0] - 5) + x[1], *box, key=KEY)
