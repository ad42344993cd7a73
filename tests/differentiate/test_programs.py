"""Derivatives called plainly: compiled once for each function, let go with it, and uncompiled with a word about it."""

from __future__ import annotations

import gc
import threading
import time
import warnings
import weakref

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.differentiate import keepers
from cycloid.differentiate.programs import SETTINGS

ops = cy.differentiate


def counting(rule=jnp.sin):
    """A function and the list that grows whenever it runs or is traced."""
    ticks = []

    def f(x, *rest):
        ticks.append(1)
        return jnp.sum(rule(x)) * (rest[0] if rest else 1.0)

    return f, ticks


MADE = {
    "grad": ops.grad,
    "hessian": ops.hessian,
    "jacobian": ops.jacobian,
    "laplacian": ops.laplacian,
    "hvp": lambda f: lambda x: ops.hvp(f)(x, x),
    "value_and_grad": ops.value_and_grad,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_second_call_does_not_trace_again(make):
    f, ticks = counting()
    operator = make(f)
    first = operator(jnp.array([0.5, 1.0]))
    operator(jnp.array([0.5, 1.0]))
    once = len(ticks)
    again = operator(jnp.array([0.5, 1.0]))
    operator(jnp.array([2.5, 3.0]))
    assert len(ticks) == once
    jax.tree.map(np.testing.assert_array_equal, first, again)


def test_operators_made_again_share_the_program_of_the_function_object():
    f, ticks = counting()
    x = jnp.array([0.5, 1.0])
    ops.grad(f)(x), ops.grad(f)(x)
    once = len(ticks)
    for _ in range(3):
        ops.grad(f)(x)
    assert len(ticks) == once
    other, more = counting()  # the same line made it: another function all the same
    np.testing.assert_allclose(ops.grad(other)(x), jnp.cos(x))
    assert more


def test_formulas_are_known_by_their_text():
    texts = ("sin(x)*y + 0.125", "sin(x)*y + 0.125", "sin(x)*y + 0.25")
    gradients = [ops.grad(text) for text in texts]
    for gradient in gradients:
        gradient(1.25, 0.5)
    one, same, other = (gradient.program for gradient in gradients)
    assert one is not None
    assert one is same
    assert one is not other
    assert one.plain._cache_size() == 1


def test_what_is_handed_on_is_traced_and_settings_are_built_in():
    f, ticks = counting()
    gradient = ops.grad(f)
    x = jnp.ones(2)
    gradient(x, 2.0), gradient(x, 2.0)
    once = len(ticks)
    np.testing.assert_allclose(gradient(x, 3.0), 3 * jnp.cos(x))  # a float is an argument of the program
    assert len(ticks) == once
    gradient(x, 3)  # an integer may be a setting: a program of its own, once
    assert len(ticks) == once + 1
    np.testing.assert_allclose(gradient(x, 3), 3 * jnp.cos(x))
    assert len(ticks) == once + 1


def test_more_settings_than_are_kept_run_uncompiled_and_say_so_once():
    gradient = ops.grad(lambda x, n: jnp.sum(x**n))
    slopes = lambda powers: np.stack([gradient(jnp.ones(2), n)[0] for n in powers]).tolist()
    with pytest.warns(UserWarning, match="pass numbers that change as floats or arrays") as told:
        assert slopes(range(2, SETTINGS + 6)) == list(range(2, SETTINGS + 6))
    assert len(told) == 1


def test_a_function_that_branches_runs_uncompiled_and_says_so_once():
    def hinge(x):
        return x**2 if x > 1.0 else -x

    gradient = ops.grad(hinge)
    with pytest.warns(UserWarning, match=r"hinge runs uncompiled.*branches on a value; jnp.where") as told:
        assert float(gradient(2.0)) == 4.0
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(gradient(0.5)) == -1.0
        assert float(ops.grad(hinge)(3.0)) == 6.0  # another operator of the same function knows it already


def test_an_error_of_the_function_is_told_as_it_is_and_without_a_warning():
    def broken(x):
        raise KeyError("missing")

    with pytest.raises(KeyError, match="missing"):  # a warning would be an error of its own here
        ops.grad(broken)(1.0)


def test_a_function_let_go_takes_its_programs_and_data_along():
    data = jnp.arange(3.0) + 1.0
    homes = keepers._BY_FUNCTION

    class Held:
        pass

    witness = Held()

    def f(x):
        assert witness is not None
        return jnp.sum(x * data)

    ops.grad(f)(data), ops.grad(f)(data)
    program = weakref.ref(homes[f].programs[next(iter(homes[f].programs))])
    last = weakref.ref(witness)
    assert program() is not None
    del f, witness
    gc.collect()
    assert last() is None
    assert program() is None


def test_operators_of_a_method_belong_to_its_object():
    class Bowl:
        def __init__(self, steepness):
            self.steepness = steepness

        def height(self, x):
            return self.steepness * x**2

    flat, steep = Bowl(1.0), Bowl(10.0)
    assert [float(ops.grad(bowl.height)(1.0)) for bowl in (flat, steep, flat)] == [2.0, 20.0, 2.0]


def test_new_weights_of_a_module_are_no_new_program():
    ticks = []

    class Line(eqx.Module):
        slope: jax.Array

        def __call__(self, x):
            ticks.append(1)
            return jnp.sin(self.slope * x)

    slopes = [float(ops.grad(Line(jnp.asarray(s)))(0.0)) for s in (1.0, 1.0, 2.0, 3.0)]
    assert slopes == [1.0, 1.0, 2.0, 3.0]
    assert len(ticks) == 1


def test_threads_share_one_function():
    f, _ = counting(lambda x: x**3)
    found, failed = {}, []

    def work(k):
        try:
            for round in range(20):
                x = jnp.array([float(k), float(round)])
                found[k, round] = np.asarray(ops.grad(f)(x)), np.asarray(ops.hessian(f)(x))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for (k, round), (slope, curvature) in found.items():
        np.testing.assert_allclose(slope, 3 * np.array([k, round], float) ** 2)
        np.testing.assert_allclose(curvature, np.diag(6 * np.array([k, round], float)))


def test_threads_that_ask_together_get_one_program():
    f, _ = counting()
    together, made, found = threading.Barrier(4), [], []

    def slowly(hesitant):
        made.append(hesitant)
        time.sleep(0.05)
        return object()

    def work():
        together.wait()
        found.append(keepers.kept(keepers.keeper(f), "an operator", slowly))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == [found[0]] * 4
