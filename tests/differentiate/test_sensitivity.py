"""Sensitivities against closed forms: Ishigami's function, Sobol's g-function, linear ones; and honest errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.core.results import ConvergenceError
from cycloid.differentiate import sensitivity

KEY = jax.random.key(0)
PI = np.pi


def ishigami_indices(a=7.0, b=0.1):
    """First-order and total indices. Reference: T. Ishigami and T. Homma, 1990."""
    alone = np.array([0.5 * (1 + b * PI**4 / 5) ** 2, a**2 / 8, 0.0])
    together = b**2 * PI**8 * (1 / 18 - 1 / 50)
    variance = alone.sum() + together
    return alone / variance, (alone + np.array([together, 0, together])) / variance, variance


def g_function(a):
    """∏ (|4x − 2| + aᵢ)/(1 + aᵢ) and its indices. Reference: A. Saltelli and I. Sobol, 1995."""
    a = np.asarray(a, float)
    alone = 1 / (3 * (1 + a) ** 2)
    variance = np.prod(1 + alone) - 1
    total = np.array([v * np.prod(1 + np.delete(alone, i)) for i, v in enumerate(alone)])
    return lambda x: jnp.prod((jnp.abs(4 * x - 2) + a) / (1 + a)), alone / variance, total / variance


def test_the_derivatives_and_elasticities_of_a_product():
    found = sensitivity("sleep*nutrition^2", {"sleep": 7.0, "nutrition": 0.8})
    assert float(found.partial["sleep"]) == pytest.approx(0.64)
    assert float(found.partial["nutrition"]) == pytest.approx(2 * 7 * 0.8)
    assert float(found.elasticity["sleep"]) == pytest.approx(1.0)
    assert float(found.elasticity["nutrition"]) == pytest.approx(2.0)
    assert found.value == found.partial
    assert found.error_kind.name == "none"
    assert found.total is None
    assert "nutrition" in found.sentence
    assert cy.check(found).verdict == "agrees"


def test_an_elasticity_where_the_result_is_zero_is_not_a_number_and_no_failure():
    found = sensitivity("x - y", {"x": 2.0, "y": 2.0})
    assert np.isnan(found.elasticity["x"])
    assert found.status.ok
    assert found.sentence == ""


@pytest.mark.parametrize("estimator", ["saltelli", "jansen"])
def test_ishigami(estimator):
    first, total, variance = ishigami_indices()
    low, high = np.full(3, -PI), np.full(3, PI)
    f = cy.formula("sin(a) + 7sin(b)^2 + 0.1c^4*sin(a)")
    found = sensitivity(f, [1.0, 1.0, 1.0], lower=low, upper=high, key=KEY, estimator=estimator)
    assert np.all(np.abs(found.first - first) < 5 * np.asarray(found.first_error) + 1e-4)
    assert np.all(np.abs(found.total - total) < 5 * np.asarray(found.total_error) + 1e-4)
    assert np.max(found.total_error) < 0.005
    assert float(found.variance) == pytest.approx(variance, rel=0.01)
    assert float(found.mean) == pytest.approx(3.5, abs=0.02)
    assert int(found.evaluations) == 1 + 2**14 * 5
    assert found.names == ("a", "b", "c")
    card = cy.check(found)
    assert card.verdict == "agrees"


def test_the_g_function_of_six_inputs():
    f, first, total = g_function([0, 0.5, 3, 9, 99, 99])
    found = sensitivity(f, jnp.full(6, 0.5), lower=jnp.zeros(6), upper=jnp.ones(6), key=KEY, samples=2**13)
    assert np.all(np.abs(found.first - first) < 5 * np.asarray(found.first_error) + 1e-4)
    assert np.all(np.abs(found.total - total) < 5 * np.asarray(found.total_error) + 1e-4)


def test_a_linear_function_shares_its_variance_by_squares():
    weights = np.array([1.0, 2.0, 3.0])
    f = lambda x: jnp.asarray(weights) @ x + 1e6  # the offset must not cost digits
    found = sensitivity(f, jnp.zeros(3), lower=-jnp.ones(3), upper=jnp.ones(3), key=KEY, samples=2**12)
    np.testing.assert_allclose(found.first, weights**2 / 14, atol=2e-3)
    np.testing.assert_allclose(found.total, weights**2 / 14, atol=2e-3)


def test_normal_inputs_and_quantiles():
    """Sums of inputs share by variance, whatever their distribution."""
    x, low, high = {"a": 0.0, "b": 0.0}, {"a": -1.0, "b": -2.0}, {"a": 1.0, "b": 2.0}
    normal = sensitivity("a + b", x, lower=low, upper=high, distribution="normal", key=KEY, samples=2**12)
    assert float(normal.total["b"]) == pytest.approx(0.8, abs=5e-3)
    assert float(normal.variance) == pytest.approx(5 / 1.959964**2, rel=0.02)
    exponential = lambda u: {"a": -jnp.log(u["a"]), "b": -3 * jnp.log(u["b"])}
    skew = sensitivity("a + b", x, quantile=exponential, key=KEY, samples=2**12)
    assert float(skew.total["b"]) == pytest.approx(0.9, abs=0.02)
    assert skew.lower is None


@pytest.mark.slow  # a hundred runs
def test_the_standard_errors_cover_the_truth():
    """Over many keys the 95 % intervals hold the true indices as often as they say, within a binomial band."""
    first, total, _ = ishigami_indices()
    low, high = np.full(3, -PI), np.full(3, PI)
    f = cy.formula("sin(a) + 7sin(b)^2 + 0.1c^4*sin(a)")
    hits, trials = np.zeros(6), 100
    for k in range(trials):
        table = sensitivity(
            f, np.ones(3), lower=low, upper=high, key=jax.random.key(100 + k), samples=2**9, replicates=8
        ).to_pandas(0.95)
        for i, (name, truth) in enumerate((("first", first), ("total", total))):
            inside = (table[f"{name} low"] <= truth) & (truth <= table[f"{name} high"])
            hits[3 * i : 3 * i + 3] += inside
    # 4 standard deviations of a binomial share of 0.95 over 100 trials are 0.087
    assert np.all(hits / trials > 0.95 - 0.087)
    assert hits.sum() / (6 * trials) < 0.995


def test_same_key_same_bits_and_pytrees():
    x = {"w": jnp.array([1.0, 2.0]), "b": 3.0}
    f = lambda x: jnp.sum(x["w"] ** 2) * x["b"]
    one, two = (sensitivity(f, x, within=0.1, key=KEY, samples=256) for _ in range(2))
    np.testing.assert_array_equal(one.total["w"], two.total["w"])
    assert one.total["w"].shape == (2,)
    assert one.names == ("b", "w[0]", "w[1]")
    assert np.shape(one.replicates) == (3, 16)
    low, high = one.interval(0.95)
    assert float(low["b"]) < float(one.total["b"]) < float(high["b"])


def test_float32_stays_float32():
    found = sensitivity("x*y", jnp.array([1.0, 2.0], jnp.float32), within=0.5, key=KEY, samples=256)
    assert found.total.dtype == found.partial.dtype == jnp.float32


def test_table_and_file(tmp_path):
    found = sensitivity("x*y", {"x": 1.0, "y": 2.0}, within=0.5, key=KEY, samples=256)
    assert list(found.to_pandas().index) == ["x", "y"]
    found.save(tmp_path / "s.cycloid")
    assert type(found).load(tmp_path / "s.cycloid").sentence == found.sentence


@pytest.mark.parametrize("dark", [False, True])
def test_the_figure_shows_elasticities_and_shares(dark):
    found = sensitivity("a*b^2/c", {"a": 1.0, "b": 2.0, "c": 3.0}, within=0.3, key=KEY, samples=256)
    shown = {trace.name: trace for trace in cy.figure(found, dark=dark).data}
    order = list(shown["elasticity"].y)
    np.testing.assert_allclose(shown["elasticity"].x, [float(found.elasticity[n]) for n in order])
    np.testing.assert_allclose(shown["alone"].x, [float(found.first[n]) for n in order])
    np.testing.assert_allclose(shown["with its interactions"].x, [float(found.total[n]) for n in order])
    assert cy.figure(sensitivity("a*b", {"a": 1.0, "b": 2.0}), dark=dark).data


def test_wrong_calls_are_answered_in_words():
    x = {"x": 1.0, "y": 2.0}
    with pytest.raises(TypeError, match="key="):
        sensitivity("x*y", x, within=0.1)
    with pytest.raises(ValueError, match="go together"):
        sensitivity("x*y", x, lower=x, key=KEY)
    with pytest.raises(ValueError, match="once"):
        sensitivity("x*y", x, within=0.1, lower=x, upper=x, key=KEY)
    with pytest.raises(ValueError, match="range of y"):
        sensitivity("x*y", {"x": 1.0, "y": 0.0}, within=0.1, key=KEY)
    with pytest.raises(ValueError, match="no variance"):
        sensitivity("0*x*y + 3", x, within=0.1, key=KEY, samples=64)
    with pytest.raises(ValueError, match="estimator"):
        sensitivity("x*y", x, within=0.1, key=KEY, estimator="sobol")
    with pytest.raises(ConvergenceError):
        sensitivity("log(x)", {"x": -1.0})
    with pytest.raises(TypeError, match="traced"):
        jax.jit(lambda a: sensitivity("x^2", {"x": a}).output)(1.0)
