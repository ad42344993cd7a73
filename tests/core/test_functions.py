"""A user's function: a callable, a formula or text; NumPy inside it is answered with the line."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.functions import as_function, as_objective


def uses_numpy(x):
    return np.sin(np.asarray(x))


def test_numpy_is_answered_with_the_line():
    with pytest.raises(TypeError, match=r"uses_numpy calls NumPy.*use jax.numpy.*np\.sin\(np\.asarray\(x\)\)"):
        jax.jit(as_function(uses_numpy))(1.0)


def test_math_and_float_are_answered_with_the_line():
    with pytest.raises(TypeError, match=r"asks for the number behind.*use jax\.numpy instead of math.*math\.sin"):
        jax.jit(as_function(lambda x: math.sin(x)))(1.0)


def test_a_python_branch_keeps_its_own_error():
    with pytest.raises(jax.errors.TracerBoolConversionError):
        jax.jit(as_function(lambda x: x if x > 0 else -x))(1.0)


def test_a_module_with_arrays_equals_itself_alone():
    nets = [eqx.nn.Linear(2, 1, key=jax.random.key(0)) for _ in range(2)]
    assert as_function(nets[0]) == as_function(nets[0])
    assert as_function(nets[0]) != as_function(nets[1])
    assert jax.jit(as_function(nets[0]))(jnp.ones(2)).shape == (1,)


def test_equal_functions_are_equal_so_that_they_compile_once():
    assert as_function(jnp.sin) == as_function(jnp.sin)
    assert hash(as_function(jnp.sin)) == hash(as_function(jnp.sin))
    assert as_function("x^2 + 1") == as_function("x**2+1")
    assert as_objective("x*y", jnp.ones(2)) == as_objective("x*y", {"x": 1.0, "y": 2.0})


def test_what_is_no_function_is_named():
    with pytest.raises(TypeError, match=r"f is a function that JAX can trace.*it was a int"):
        as_function(3)


def test_a_formula_reads_a_point_by_name_or_in_order():
    f = as_objective("f(y, x) = x - 2y", jnp.ones(2))
    assert f(jnp.asarray([1.0, 5.0])) == 3.0
    assert f({"x": 5.0, "y": 1.0}) == 3.0
    assert as_objective("x^2", 3.0)(3.0) == 9.0
    with pytest.raises(ValueError, match=r"has the variables y, x: pass an array of shape \(2,\)"):
        f(jnp.ones(3))
    with pytest.raises(ValueError, match="has the variables x; the point has y"):
        as_objective("x^2", {"y": 1.0})
