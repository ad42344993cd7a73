"""The chain rule on real code: adjoints, paths, folding, loops, decisions in Python, and what is refused."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.explain import chain
from cycloid.explain.handwriting import written


def grad_of(f, *args):
    gradient = jax.grad(f, argnums=tuple(range(len(args))))(*args)
    return gradient[0] if len(args) == 1 else gradient


def assert_right(found, f, *args):
    """The gradient is that of JAX; every check agrees; where paths are listed they add up."""
    assert found.status.name == "converged", found.text
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), found.value, grad_of(f, *args))
    assert all(check.verdict == "agrees" for check in found.checks), found.text
    graph = found.evidence
    checked = [q for q in graph.quantities if q.check is not None]
    moving = [q for i, q in enumerate(graph.quantities) if q.adjoint_size is not None and i != graph.result]
    assert len(checked) == len(moving)
    if graph.paths:
        assert len(graph.paths) == sum(graph.path_counts)
        for i in graph.inputs:
            if graph.quantities[i].shape == ():
                total = sum(path.share for path in graph.paths if path.quantities[0] == i)
                np.testing.assert_allclose(total, graph.quantities[i].adjoint, rtol=1e-9, atol=1e-12)


def wave(x):
    y = x**2
    return jnp.sin(y) + x * y


def test_values_local_derivatives_adjoints_and_paths():
    found = chain(wave, 1.5)
    assert_right(found, wave, 1.5)
    graph = found.evidence
    assert [q.name for q in graph.quantities] == ["x", "y", "v_2", "v_3", "wave"]
    assert [o.name for o in graph.operations] == ["power", "sine", "product", "sum"]
    assert [written(o.formula) for o in graph.operations] == ["x²", "sin(y)", "x·y", "v₂ + v₃"]
    y = graph.called("y")
    assert (float(y.value), float(y.adjoint)) == pytest.approx((2.25, np.cos(2.25) + 1.5))
    slopes = {
        (graph.quantities[e.source].name, graph.quantities[e.target].name): (e.slope, written(e.formula))
        for e in graph.edges
    }
    assert slopes["x", "y"] == (3.0, "2x")
    assert slopes["y", "v_2"] == (pytest.approx(np.cos(2.25)), "cos(y)")
    paths = {tuple(graph.quantities[i].name for i in p.quantities): p for p in graph.paths}
    assert paths["x", "y", "v_2", "wave"].factors == pytest.approx((3.0, np.cos(2.25), 1.0))
    assert paths["x", "v_3", "wave"].share == pytest.approx(2.25)
    assert sum(p.share for p in graph.paths) == pytest.approx(float(found.value))


def test_lines_of_the_source_are_shown():
    operations = chain(wave, 1.5).evidence.operations
    assert [o.source.expression for o in operations] == ["x**2", "jnp.sin(y)", "x * y", "jnp.sin(y) + x * y"]
    first = wave.__code__.co_firstlineno
    assert [o.source.line - first for o in operations] == [1, 2, 2, 2]
    assert {o.source.function for o in operations} == {"wave"}
    assert operations[0].source.text == "y = x**2"


def same_twice(x):
    return x * x * x + x / x


def test_a_quantity_that_is_used_twice_has_an_edge_for_each_use():
    found = chain(same_twice, 3.0)
    assert_right(found, same_twice, 3.0)
    first = [e for e in found.evidence.edges if e.operation == 0]
    assert [e.slope for e in first] == [3.0, 3.0]
    assert found.evidence.path_counts == (5,)


def library(x, w):
    p = jax.nn.softmax(w * x)
    q = jax.nn.logsumexp(w) + jax.nn.gelu(x) + jax.nn.silu(x) + jax.nn.relu(x) + jax.nn.softplus(x)
    return p[0] + q + jnp.mean(w) + jnp.var(w) + jnp.linalg.norm(w) + jnp.max(w) + jax.nn.log_softmax(w)[1] + jnp.std(w)


W = jnp.array([0.3, -1.2, 0.8])


def test_library_calls_are_one_named_step_each():
    found = chain(library, 0.7, W)
    assert_right(found, library, 0.7, W)
    names = [o.name for o in found.evidence.operations]
    for name in (
        "softmax",
        "log-sum-exp",
        "GELU",
        "SiLU",
        "ReLU",
        "softplus",
        "mean",
        "variance",
        "norm",
        "largest entry",
        "log-softmax",
        "standard deviation",
    ):
        assert names.count(name) == 1, (name, names)
    softmax = found.evidence.operations[names.index("softmax")]
    assert {"exp", "div"} <= set(softmax.inside)
    assert "vᵢ·(δᵢⱼ − vⱼ)" in softmax.rule
    gelu = found.evidence.operations[names.index("GELU")]
    assert gelu.formula is not None
    assert "tanh" in written(gelu.formula)


def test_library_calls_are_opened_on_request():
    def f(w):
        return jnp.sum(jax.nn.softmax(w) ** 2) + jnp.mean(w)

    folded, opened, all_open = (chain(f, W), chain(f, W, unfold="softmax"), chain(f, W, unfold=True))
    for found in (folded, opened, all_open):
        assert_right(found, f, W)
    assert "softmax" in [o.name for o in folded.evidence.operations]
    names = [o.name for o in opened.evidence.operations]
    assert "softmax" not in names
    assert {"exponential function", "quotient", "mean"} <= set(names)
    assert len(all_open.evidence.operations) > len(opened.evidence.operations) > len(folded.evidence.operations)


def inner(a):
    b = jnp.tanh(a)
    return b * a


def test_compiled_functions_of_the_users_are_written_out_or_folded_by_name():
    compiled = jax.jit(inner)
    f = lambda x: compiled(x) + compiled(2 * x)
    found = chain(f, 0.4)
    assert_right(found, f, 0.4)
    assert [o.name for o in found.evidence.operations].count("hyperbolic tangent") == 2
    assert "b" in [q.name for q in found.evidence.quantities]
    folded = chain(lambda x: inner(x) + inner(2 * x), 0.4, fold="inner")
    assert [o.name for o in folded.evidence.operations].count("inner") == 2
    np.testing.assert_allclose(folded.value, found.value, rtol=1e-12)


def loops(x):
    y = jax.lax.fori_loop(0, 20, lambda i, c: 0.9 * jnp.sin(c), x)
    last, _ = jax.lax.scan(lambda c, t: (c * 1.1 + t, c), y, jnp.arange(5.0))
    return last


def test_loops_are_one_step_with_the_slope_turn_by_turn():
    found = chain(loops, 1.0)
    assert_right(found, loops, 1.0)
    turns = [o.loop for o in found.evidence.operations if o.loop is not None]
    assert [(t.kind, t.count) for t in turns] == [("fori", 20), ("scan", 5)]
    np.testing.assert_allclose(turns[1].adjoints, 1.1 ** np.arange(5, 0, -1), rtol=1e-12)
    carried = [1.0]
    for _ in range(19):
        carried.append(0.9 * np.sin(carried[-1]))
    np.testing.assert_allclose(turns[0].carried, np.abs(carried), rtol=1e-12)
    assert "fades" in found.text
    assert "grows" in found.text


def test_a_while_loop_is_differentiated_backwards_as_often_as_it_ran():
    f = lambda x: jax.lax.while_loop(lambda c: c < 50.0, lambda c: c * c + 1.0, x)
    found = chain(f, 1.5)
    assert found.status.name == "converged"
    c, slope = 1.5, 1.0
    while c < 50.0:
        c, slope = c * c + 1.0, slope * 2 * c
    assert float(found.value) == pytest.approx(slope, rel=1e-12)
    assert any("while loop" in note for note in found.notes)


def decides(x):
    y = x
    while y < 10:
        y = y * 2
    return jnp.log(y) if x > 0 else -y


def test_decisions_in_python_are_followed():
    found = chain(decides, 1.5)
    assert_right(found, decides, 1.5)
    assert any("decides in Python" in note for note in found.notes)
    assert [o.name for o in found.evidence.operations] == ["product"] * 3 + ["natural logarithm"]
    assert float(chain(decides, -20.0 + 40.0).value) == pytest.approx(1 / 20)


def test_the_branch_that_is_taken_is_shown():
    f = lambda x: jax.lax.cond(x > 0, lambda t: t * t, lambda t: jnp.exp(t), x)
    for x, name in ((2.0, "product"), (-2.0, "exponential function")):
        found = chain(f, x)
        assert_right(found, f, x)
        assert [o.name for o in found.evidence.operations] == [name]
        assert any("A choice (cond) took" in note for note in found.notes)


@jax.custom_vjp
def wrong(x):
    return x**2


wrong.defvjp(lambda x: (x**2, x), lambda x, g: (3.0 * x * g,))


@jax.custom_jvp
def cube(x):
    return x**3


cube.defjvp(lambda primals, tangents: (cube(primals[0]), 3 * primals[0] ** 2 * tangents[0]))


def test_a_wrong_derivative_rule_is_found_where_it_stands():
    found = chain(lambda x: jnp.sin(wrong(x)) + cube(x), 1.2)
    assert found.status.name == "disputed"
    bad = [q.name for q in found.evidence.quantities if q.check is not None and q.check.verdict == "disagrees"]
    assert bad == ["x"]
    names = [o.name for o in found.evidence.operations]
    assert any(name.startswith("wrong") and "rule of its own" in name for name in names)
    good = chain(lambda x: jnp.sin(cube(x)), 1.2)
    assert good.status.name == "converged"


def test_kinks_are_said():
    found = chain(lambda x: jnp.abs(x) * 2.0, 0.0)
    assert found.status.name == "kink"
    assert "From one side the slope is" in found.text


def test_stop_gradient_holds_its_input_fixed():
    f = lambda x: x * jax.lax.stop_gradient(jnp.sin(x))
    found = chain(f, 0.8)
    assert_right(found, f, 0.8)
    assert "stopped gradient" in [o.name for o in found.evidence.operations]


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: jax.grad(jnp.cos)(x) * x, (0.3,)),
        (lambda x: jnp.sum(jax.vmap(jnp.sin)(x)), (jnp.array([0.1, 0.2]),)),
        (lambda x: jnp.sum(jnp.where(x > 0, x**2, jnp.exp(x))), (jnp.array([0.5, -0.5]),)),
        (lambda x: jnp.sum(x[1:] * x[:-1]) + x.T @ x, (jnp.array([1.0, 2.0, 3.0]),)),
        (lambda a, b: jnp.trace(jnp.linalg.inv(a) @ b), (jnp.array([[2.0, 0.3], [0.1, 1.0]]), jnp.eye(2))),
        (lambda x: jnp.linalg.norm(jnp.cumsum(jnp.sort(x))) + jnp.prod(x), (jnp.array([3.0, 1.0, 2.0]),)),
        (lambda x: jnp.einsum("i,j->", x, x) + jnp.max(x) - jnp.min(x), (jnp.array([3.0, 1.0]),)),
        (lambda x: x["a"] * jnp.sum(x["b"][0]), ({"a": 2.0, "b": [jnp.ones(3), 1]},)),
        (lambda x, y: jnp.hypot(x, y) + jnp.arctan2(x, y) + jnp.logaddexp(x, y), (0.4, 1.3)),
        (lambda x: x, (2.0,)),
        (lambda x: jax.checkpoint(jnp.sin)(x) ** 3, (0.4,)),
    ],
)  # fmt: skip
def test_code_of_many_kinds(f, args):
    assert_right(chain(f, *args), f, *args) if not isinstance(args[0], dict) else None
    found = chain(f, *args)
    assert found.status.name == "converged", found.text


def test_a_dict_of_parameters_keeps_its_shape_and_its_names():
    f = lambda params, x: jnp.sum((params["w"] @ x + params["b"]) ** 2)
    params = {"w": jnp.arange(6.0).reshape(2, 3), "b": jnp.ones(2), "steps": 3}
    found = chain(f, params, jnp.array([1.0, 0.5, -1.0]))
    slopes, slope = found.value
    assert slopes["steps"] is None
    assert slopes["w"].shape == (2, 3)
    assert slope.shape == (3,)
    labels = [q.label for q in found.evidence.quantities[:3]]
    assert labels == ["params['b']", "params['w']", "x"]
    dense = found.evidence.operations[0]
    assert dense.name == "dense layer"


def test_an_equinox_network_by_layer():
    model = eqx.nn.MLP(2, "scalar", 4, 2, key=jax.random.key(0))
    x, y = jnp.ones((3, 2)), jnp.arange(3.0)

    def loss(model):
        return jnp.mean((jax.vmap(model)(x) - y) ** 2)

    found = chain(loss, model)
    names = [o.name for o in found.evidence.operations]
    assert names == ["dense layer", "ReLU"] * 2 + ["dense layer", "difference", "power", "mean"]
    by_jax = eqx.filter_grad(loss)(model)
    for a, b in zip(jax.tree.leaves(found.value), jax.tree.leaves(eqx.filter(by_jax, eqx.is_array)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)
    assert found.status.name == "converged"
    assert "norm of slope" in found.text
    assert "model.layers[0].weight" in found.text
    assert found.evidence.called("W_1").shape == (4, 2)
    assert "y" in [c for o in found.evidence.operations for c in o.constants]


def test_formulas_and_their_texts():
    found = chain("sin(x^2)*y + exp(-x)", 1.0, y=2.0)
    assert [float(g) for g in found.value] == pytest.approx([4 * np.cos(1.0) - np.exp(-1.0), np.sin(1.0)])
    assert [o.name for o in found.evidence.operations] == [
        "power",
        "sine",
        "product",
        "sign",
        "exponential function",
        "sum",
    ]
    assert float(chain("x^2", 3).value) == 6.0


def test_float32_and_an_entry_of_an_array():
    found = chain(lambda x: jnp.sum(jnp.exp(x) * x), jnp.array([0.5, 1.0], jnp.float32))
    assert found.value.dtype == jnp.float32
    assert found.status.name == "converged"
    entry = chain(lambda x: x**3, jnp.array([1.0, 2.0]), output=1)
    np.testing.assert_allclose(entry.value, [0.0, 12.0])


def test_a_function_that_ignores_its_argument():
    found = chain(lambda x, y: 2.0 * y, 1.0, 3.0)
    assert [float(g) for g in found.value] == [0.0, 2.0]
    assert "0, it is not used" in found.text
    constant = chain(lambda x: jnp.asarray(2.0), 1.0)
    assert float(constant.value) == 0.0
    assert "does not depend" in constant.text


def test_too_many_paths_are_counted():
    def f(x):
        for _ in range(12):
            x = x * jnp.sin(x)
        return x

    found = chain(f, 1.1)
    assert found.evidence.path_counts == (2**12,)
    assert found.evidence.paths == ()
    assert "4,096 from x" in found.text
    np.testing.assert_allclose(found.value, jax.grad(f)(1.1), rtol=1e-10)


def many(x):
    for _ in range(400):
        x = jnp.sin(x)
    return x


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: chain(lambda x: x, 2), "write 2.0"),
        (lambda: chain(lambda x: x), "needs a point"),
        (lambda: chain(lambda x: x, "a"), "of type str"),
        (lambda: chain(lambda x: x * jnp.ones(3), 1.0), "output=0"),
        (lambda: chain(lambda x: (x, x), 1.0), "returned a tuple"),
        (lambda: chain(lambda x: x > 0, 1.0), "dtype bool"),
        (lambda: chain(lambda x: None, 1.0), "returned a NoneType"),
        (lambda: chain(lambda x: np.sin(x), 1.0), "use jax.numpy"),
        (lambda: chain(lambda x: x, 1.0 + 2.0j), "real numbers"),
        (lambda: chain(lambda x: x, jnp.ones(2) * 1j), "complex array"),
        (lambda: chain("x*y", 1.0), "call chain(f, x=1.0, y=1.0)"),
        (lambda: chain(lambda x: x, 1.0, rate=0.1), "Bind settings before"),
        (lambda: chain(3, 1.0), "a function that JAX can trace"),
        (lambda: chain(lambda x: x, 1.0, output=0), "chooses no entry"),
    ],
)
def test_a_wrong_call_gets_a_sentence_with_a_cure(call, words):
    with pytest.raises(TypeError) as caught:
        call()
    assert words in str(caught.value)


def test_too_many_steps_get_a_sentence_with_a_cure():
    with pytest.raises(ValueError, match="fori_loop"):
        chain(many, 1.0)
