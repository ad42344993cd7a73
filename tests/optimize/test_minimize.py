"""The driver: when it stops and what it says, what it accepts and what it answers to a wrong call."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycloid as cy
from cycloid.optimize import Adam, GradientDescent, Minimum, minimize
from cycloid.problems import LANDSCAPES


def bowl(x):
    return jnp.sum((x - 1.0) ** 2)


@pytest.mark.parametrize("name", [n for n, landscape in LANDSCAPES.items() if landscape.best])
def test_finds_a_stationary_point_of_each_landscape(name):
    landscape = LANDSCAPES[name]
    found = minimize(landscape.downhill, jnp.array(landscape.start))
    assert found.status.name == "converged"
    assert found.gradient_norm <= 1.5e-8 * (1 + abs(float(found.objective)))
    assert found.objective <= landscape.downhill(jnp.array(landscape.start))
    if "many local minima" not in landscape.tags:
        distance = min(np.abs(np.asarray(found.value) - np.array(best)).max() for best in landscape.best)
        assert distance < 1e-5


@pytest.mark.parametrize("name", ["cubic", "saddle", "monkey-saddle"])
def test_says_when_there_is_no_minimum(name):
    landscape = LANDSCAPES[name]
    found = minimize(landscape.downhill, jnp.array(landscape.start), throw=False)
    assert found.status.name == "unbounded"
    assert "no minimum" in found.status.message


def test_the_inequality_of_the_tolerance():
    # Far from zero, with an offset: the relative part allows rtol · |f| / max(1, ‖x‖).
    f = lambda x: 1e6 + (x - 100.0) ** 2
    found = minimize(f, 0.0, tol=cy.Tolerance(rtol=1e-6, atol=0.0), method=GradientDescent(0.1), max_steps=1000)
    gradients = found.trace.gradient_norm
    allowed = 1e-6 * found.trace.objective / np.maximum(1.0, np.abs(found.trace.path))
    assert gradients[-1] <= allowed[-1]
    assert np.all(gradients[:-1] > allowed[:-1])


def test_evaluations_are_what_was_evaluated():
    calls = []

    def f(x):
        jax.debug.callback(lambda _: calls.append(1), x)
        return bowl(x)

    for chosen, steps in (("adam", 7), ("barzilai-borwein", 3)):
        calls.clear()
        found = minimize(f, jnp.zeros(2), method=chosen, max_steps=steps, tol=0)
        jax.effects_barrier()
        assert len(calls) == int(found.evaluations)
        assert int(found.steps) == steps


def test_the_trace_is_the_walk():
    found = minimize(bowl, jnp.zeros(2), method=GradientDescent(0.25), max_steps=4, tol=0)
    path = np.array([[0.0, 0.0], [0.5, 0.5], [0.75, 0.75], [0.875, 0.875], [0.9375, 0.9375]])
    np.testing.assert_allclose(found.trace.path, path)
    np.testing.assert_allclose(found.trace.objective, 2 * (1 - path[:, 0]) ** 2)
    np.testing.assert_allclose(found.trace.gradient_norm, 2 * (1 - path[:, 0]))
    np.testing.assert_allclose(found.trace.step_norm, [0.0, *np.sqrt(2) * np.diff(path[:, 0])])
    np.testing.assert_allclose(found.value, path[-1])
    assert found.objective == found.trace.objective[-1]
    assert found.error == found.gradient_norm == found.trace.gradient_norm[-1]


def test_rows_never_reached_are_nan_under_jit_and_cut_off_plainly():
    solve = lambda x: minimize(bowl, x, max_steps=50)
    plain, traced = solve(jnp.zeros(2)), jax.jit(solve)(jnp.zeros(2))
    rows = int(plain.steps) + 1
    assert plain.trace.objective.shape == (rows,)
    assert traced.trace.objective.shape == (51,)
    np.testing.assert_array_equal(traced.trace.objective[:rows], plain.trace.objective)
    assert np.isnan(traced.trace.objective[rows:]).all()


@pytest.mark.slow
def test_keeps_the_path_of_few_parameters_or_when_asked():
    assert minimize(bowl, jnp.zeros(3)).trace.path.shape[1:] == (3,)
    assert minimize(bowl, jnp.zeros(4)).trace.path is None
    assert minimize(bowl, jnp.zeros(4), keep_path=True).trace.path.shape[1:] == (4,)
    assert minimize(bowl, jnp.zeros(2), keep_path=False).trace.path is None
    assert minimize(bowl, jnp.zeros(2), trace=False).trace is None


STATUSES = {
    "converged": (bowl, 0.0, {}),
    "max_steps": (bowl, 0.0, {"method": GradientDescent(1e-4), "max_steps": 5}),
    "nonfinite": (lambda x: jnp.log(x), -1.0, {}),
    "diverged": (bowl, 0.0, {"method": GradientDescent(1.2)}),
    "stalled": (bowl, 0.5, {"method": GradientDescent(1e-30)}),
    "unbounded": (lambda x: -(x**3), 1.0, {"method": GradientDescent(0.1)}),
    "all_steps": (bowl, 0.0, {"tol": 0, "max_steps": 3}),
}


@pytest.mark.parametrize("name", STATUSES)
def test_every_ending_has_its_status(name):
    f, start, options = STATUSES[name]
    found = minimize(f, start, throw=False, **options)
    assert found.status.name == name
    if found.status.ok:
        minimize(f, start, **options)
    else:
        with pytest.raises(cy.ConvergenceError) as caught:
            minimize(f, start, **options)
        assert caught.value.result.status == found.status


def test_nan_never_counts_as_converged():
    for f in (lambda x: x * jnp.nan, lambda x: jnp.sqrt(x - 5.0), lambda x: jnp.where(x > 0.5, jnp.nan, bowl(x))):
        found = minimize(f, 0.0, method=GradientDescent(0.4), throw=False)
        assert found.status.name == "nonfinite"
    at_start = minimize(bowl, jnp.nan, throw=False)
    assert at_start.status.name == "nonfinite"
    assert int(at_start.steps) == 0


def test_a_gradient_that_is_nan_at_the_minimum_is_no_convergence():
    found = minimize(lambda x: jnp.abs(x) * jnp.where(x == 0, jnp.nan, 1.0), 0.0, throw=False)
    assert found.status.name == "nonfinite"


def test_zero_tolerance_runs_every_step_and_raises_nothing():
    found = minimize(lambda x: jnp.log(x), 1.0, method=GradientDescent(1.0), tol=0, max_steps=40)
    assert found.status.name == "nonfinite"  # told, not raised
    assert int(found.steps) == 40
    exact = minimize(bowl, jnp.ones(2), tol=0, max_steps=40)
    assert exact.status.name == "all_steps"
    assert int(exact.steps) == 40
    assert exact.trace.objective.shape == (41,)


def test_no_steps_at_all_still_looks():
    assert minimize(bowl, 1.0, max_steps=0).status.name == "converged"
    found = minimize(bowl, 0.0, max_steps=0, throw=False)
    assert found.status.name == "max_steps"
    assert float(found.objective) == 1.0
    assert int(found.evaluations) == 1
    ahead = minimize(bowl, 0.0, method="barzilai-borwein", max_steps=0, throw=False)
    assert int(ahead.evaluations) == 2  # the spectral gradient tries one step ahead


def test_a_constant_function_is_minimal_everywhere():
    for f in (lambda x: 3.0, lambda x: jnp.zeros(())):
        found = minimize(f, 2.0)
        assert found.status.name == "converged"
        assert float(found.value) == 2.0


def test_batch_members_end_each_in_its_own_way():
    starts = jnp.array([0.5, -1.0, 4.0])
    f = lambda x: jnp.log(x) ** 2
    found = jax.vmap(lambda x: minimize(f, x, max_steps=100))(starts)
    assert found.status.name == ["converged", "nonfinite", "converged"]
    np.testing.assert_allclose(np.asarray(found.value)[[0, 2]], 1.0, atol=1e-7)
    alone = minimize(f, 4.0, max_steps=100)
    assert int(found.steps[2]) == int(alone.steps)
    np.testing.assert_allclose(found.value[2], alone.value, rtol=1e-14)


def test_sweeps_learning_rates_by_vmap():
    methods = Adam(learning_rate=jnp.array([1e-6, 0.1, 0.3]))
    found = jax.vmap(lambda m: minimize(bowl, jnp.zeros(2), method=m))(methods)
    assert found.status.name == ["max_steps", "converged", "converged"]


def test_compiled_once_for_each_function_and_shape():
    traces = []

    def f(x):
        traces.append(1)
        return bowl(x)

    minimize(f, jnp.zeros(2), method=Adam(0.1))
    first = len(traces)
    minimize(f, jnp.ones(2) * 3, method=Adam(0.2))
    assert len(traces) == first
    minimize(f, jnp.zeros(3), method=Adam(0.1))
    assert len(traces) > first


def test_formulas_are_compiled_once_for_each_text(monkeypatch):
    from cycloid.optimize import drivers

    walks = []
    walk_from = drivers.walk_from
    monkeypatch.setattr(drivers, "walk_from", lambda *args: walks.append(1) or walk_from(*args))
    minimize("x^2 + 3.5y^2", {"x": 1.0, "y": 1.0})
    assert len(walks) == 1  # traced here
    minimize("x^2+3.5*y^2", {"x": 2.0, "y": 1.0})
    assert len(walks) == 1


@pytest.mark.parametrize("start", [{"x": 2, "y": 1.0}, jnp.array([2.0, 1.0]), [2, 1], (2.0, 1)])
def test_formulas_take_names_or_their_order(start):
    found = minimize("f(x, y) = (x - 1)^2 + (y + 2)^4", start, tol=1e-9)
    values = list(found.value.values()) if isinstance(found.value, dict) else found.value
    np.testing.assert_allclose(values, [1.0, -2.0], atol=1e-3)


def test_numbers_of_every_kind_start_a_walk():
    for start in (3, 3.0, np.float64(3), np.int32(3), jnp.float64(3), np.array(3.0)):
        found = minimize("x^2", start)
        assert jnp.shape(found.value) == ()
        assert found.value.dtype == jnp.float64


def test_a_module_is_a_point():
    layer = eqx.nn.Linear(2, 1, key=jax.random.key(0))
    xs, ys = jnp.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), jnp.array([1.0, 2.0, 3.0])
    found = minimize(lambda model: jnp.mean((jax.vmap(model)(xs)[:, 0] - ys) ** 2), layer)
    assert isinstance(found.value, eqx.nn.Linear)
    np.testing.assert_allclose(found.value(jnp.array([2.0, 2.0])), [6.0], atol=1e-5)


def test_a_module_is_a_function():
    class Distance(eqx.Module):
        centre: jax.Array

        def __call__(self, x):
            return jnp.sum((x - self.centre) ** 2)

    for centre in ([1.0, 2.0], [3.0, -1.0]):
        np.testing.assert_allclose(minimize(Distance(jnp.array(centre)), jnp.zeros(2)).value, centre, atol=1e-7)


def test_integer_arrays_inside_a_pytree_stay():
    found = minimize(lambda t: jnp.sum((t["x"] - t["n"]) ** 2), {"x": jnp.zeros(2), "n": jnp.array([3, 4])})
    np.testing.assert_allclose(found.value["x"], [3.0, 4.0], atol=1e-7)
    assert found.value["n"].tolist() == [3, 4]


def branching(x):
    if x > 1.0:
        return (x - 1.0) ** 2
    return 3 * (x - 1.0) ** 2


def test_python_branches_run_uncompiled_with_a_warning():
    with pytest.warns(UserWarning, match=r"branching branches on a value.*jnp\.where") as told:
        found = minimize(branching, 3.0, method=GradientDescent(0.1), tol=1e-4)
    assert len(told) == 1
    smooth = lambda x: jnp.where(x > 1.0, 1.0, 3.0) * (x - 1.0) ** 2
    same = minimize(smooth, 3.0, method=GradientDescent(0.1), tol=1e-4)
    np.testing.assert_allclose(found.trace.path, same.trace.path, rtol=1e-12)
    assert found.status == same.status


@pytest.mark.parametrize(("transform", "start"), [(jax.jit, 2.0), (jax.vmap, jnp.ones(2))])
def test_python_branches_under_a_transformation_are_refused(transform, start):
    with (
        pytest.warns(UserWarning, match="branches on a value"),
        pytest.raises(TypeError, match=r"under jit or vmap: write jnp\.where"),
    ):
        transform(lambda x: minimize(branching, x).value)(start)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: minimize(lambda x: x, jnp.ones(2)), ValueError, r"shape \(2,\)"),
        (lambda: minimize(lambda x: x[None], jnp.ones(())), ValueError, r"shape \(1,\)"),
        (lambda: minimize(lambda x: (x, 1), 1.0), TypeError, "returned a tuple"),
        (lambda: minimize(lambda x: None, 1.0), TypeError, "returned a NoneType"),
        (lambda: minimize(lambda x: 3, 1.0), TypeError, "returned int"),
        (lambda: minimize(lambda x: x * 1j, 1.0), TypeError, "complex"),
        (lambda: minimize(lambda x: np.sin(x), 1.0), TypeError, "use jax.numpy"),
        (lambda: minimize(3, 1.0), TypeError, "it was a int"),
        (lambda: minimize("x +* 2", 1.0), ValueError, "column"),
        (lambda: minimize("x + y", {"x": 1.0}), ValueError, "variables x, y"),
        (lambda: minimize("x + y", jnp.zeros(3)), ValueError, r"shape \(2,\)"),
        (lambda: minimize(bowl, jnp.arange(3)), TypeError, "write 3.0"),
        (lambda: minimize(bowl, "start"), TypeError, "no floating-point number"),
        (lambda: minimize(bowl, None), TypeError, "no floating-point number"),
        (lambda: minimize(bowl, jnp.ones(2) * 1j), TypeError, "real and imaginary"),
        (lambda: minimize(bowl, 1.0, method="adm"), ValueError, "Did you mean 'adam'"),
        (lambda: minimize(bowl, 1.0, method=Adam(jnp.ones(2))), ValueError, "sweep"),
        (lambda: minimize(bowl, 1.0, max_steps=1.5), ValueError, "max_steps="),
        (lambda: minimize(bowl, 1.0, max_steps=-1), ValueError, "max_steps="),
        (lambda: minimize(bowl, 1.0, tol=-1.0), ValueError, "non-negative"),
        (lambda: minimize(bowl, 1.0, tol="tight"), TypeError, "tol="),
        (lambda: minimize(bowl, jnp.float32(1.0), tol=1e-12), ValueError, "float32"),
    ],
)
def test_wrong_calls_are_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_question_is_attached_and_dropped_by_transformations():
    found = minimize(bowl, jnp.zeros(2), method="adam", throw=False)
    assert found.question is not None
    assert found.question.function is bowl
    assert found.question.method.name == "adam"
    assert jax.jit(lambda x: minimize(bowl, x))(jnp.zeros(2)).question is None


def test_saved_and_loaded_with_the_same_bits(tmp_path):
    found = minimize("(1-x)^2 + (y-x^2)^2", {"x": 0.0, "y": 1.0})
    found.save(tmp_path / "minimum.cy")
    again = Minimum.load(tmp_path / "minimum.cy")
    assert jax.tree.all(jax.tree.map(np.array_equal, jax.tree.leaves(found), jax.tree.leaves(again)))
    assert again.status.name == "converged"
    assert '"converged"' in found.to_json()


def test_works_in_float32_without_any_float64():
    found = minimize(bowl, jnp.zeros(2, jnp.float32))
    assert found.status.name == "converged"
    floats = [leaf for leaf in jax.tree.leaves(found) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]
    assert {leaf.dtype for leaf in floats} == {jnp.dtype("float32")}


def test_a_warm_up_from_zero_is_no_stall():
    schedule = optax.linear_schedule(0.0, 0.2, 10)
    assert minimize(bowl, 0.0, method=GradientDescent(schedule)).status.name == "converged"


@given(centre=st.tuples(*[st.floats(-50, 50)] * 2), curvature=st.floats(0.01, 100.0))
def test_solves_every_quadratic(centre, curvature):
    result = _solve(jnp.array(centre), jnp.float64(curvature))
    assert bool(result.status.ok)
    np.testing.assert_allclose(result.value, centre, atol=1e-4)


@jax.jit
def _solve(centre, curvature):
    f = lambda x: jnp.sum(jnp.array([1.0, 1.0]) * (x - centre) ** 2 * jnp.stack([curvature, 1.0]))
    return minimize(f, jnp.zeros(2), tol=1e-7)
