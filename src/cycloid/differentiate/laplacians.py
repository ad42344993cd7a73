"""The Laplacian of a field: exact by the forward Laplacian in cache blocks, or estimated along random directions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.extend.core import Jaxpr, jaxpr_as_fun

from cycloid.core.functions import as_function
from cycloid.core.parallel import check_key
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.estimates import Estimator, mean_of, normals, signs
from cycloid.differentiate.forward_laplacian import forward_laplacian
from cycloid.differentiate.second_order import traced_once
from cycloid.differentiate.vector_calculus import flat_field

Function = Callable[..., Any]

METHODS = ("forward", "hutchinson")

# Rows of a block of points, in bytes: half of a core's second cache, so that input and output of a product fit. On
# other devices than a CPU nothing is gained by blocks.
CACHE = 2**19


def laplacian(u: Function | str, *, method: str = "forward", samples: int = 64, key: Any = None) -> Function:
    """The Laplacian Δu = Σ_i ∂²u/∂x_i² of a field.

    By the forward Laplacian: value, gradient rows and Laplacian are carried together through the program of u. A batch
    by `jax.vmap` runs in blocks of points whose rows stay in the processor's cache. A field that branches on a value
    takes second derivatives along the axes, one with reverse rules alone (`jax.custom_vjp`) the trace of its Hessian.

    With method="hutchinson", Δu = E vᵀ H v over random signs v (E v vᵀ = 1), for very many coordinates.

    Args:
        u: the field: callable, formula or text. Its value may be an array (the Laplacian of every component).
        method: "forward", exact; "hutchinson", an estimate.
        samples: how many directions v, at least 2; "hutchinson" alone.
        key: a typed key, `jax.random.key(0)`; "hutchinson" alone.

    Returns:
        A function called like u. The point is a number, an array of shape (d,), or a pytree of such; further arguments
        (a time) are handed on and not differentiated. A formula takes its variables as `grad` does. For a batch of
        points use `jax.vmap`. With "hutchinson" its value is an `Estimate`: `value`, `error` (one standard error),
        `interval(0.95)`; `cycloid.check` finds it again, `cycloid.figure` draws how it settles.

    Raises:
        ValueError: for a point of more than one axis, an unknown method, fewer than 2 samples.
        TypeError: when the point holds nothing to differentiate; when "hutchinson" comes without a key.

    Transformations: jit, vmap, grad. Cost: about d + 2 evaluations of u, 3 d for a function with loops inside;
    3 `samples` for "hutchinson".

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import laplacian
        >>> float(laplacian(lambda x: jnp.sum(x**3))(jnp.array([1.0, 2.0])))
        18.0
        >>> float(laplacian("log(x^2 + y^2)")(1.0, 2.0))
        0.0
        >>> u = lambda x: jnp.sum(x) ** 2 + jnp.sum(x**3)
        >>> guess = laplacian(u, method="hutchinson", samples=500, key=jax.random.key(0))(jnp.ones(50))
        >>> low, high = guess.interval(0.99)
        >>> bool(low < 400.0 < high)
        True

    Reference: R. Li et al., A computational framework for neural network-based variational Monte Carlo with forward
    Laplacian, Nature Machine Intelligence 6, 2024; M. F. Hutchinson, A stochastic estimator of the trace of the
    influence matrix, 1989.
    """
    if method not in METHODS:
        raise ValueError(f"laplacian: method is one of {', '.join(METHODS)}; it was {method!r}.")
    function = as_function(u, "u")
    if method == "forward":
        return Derived("laplacian", _laplacian, function)
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 2:
        raise ValueError(f"laplacian: samples is a whole number, at least 2 for an error; it was {samples!r}.")
    key = check_key(key, 'laplacian by "hutchinson"')
    estimate = Derived("laplacian", _hutchinson, function, (signs, samples, key))
    return Estimator(estimate, u, (("samples", samples), ("key", key)), "hutchinson")


def laplacian_along_normals(u: Function | str, samples: int) -> Function:
    """The estimate along directions of normal numbers: a second opinion, always along the same ones."""
    return Derived("laplacian", _hutchinson, as_function(u, "u"), (normals, samples, jax.random.key(0x5EC0)))


def coordinates(u: Function | str, *args: Any, **kwargs: Any) -> int:
    """How many a point of the field has."""
    return flat_field(as_function(u, "u"), args, kwargs, "laplacian")[1].size


def _laplacian(function: Function, args: tuple, kwargs: dict) -> Any:
    field, point = flat_field(function, args, kwargs, "laplacian")
    try:
        program, shape = jax.make_jaxpr(field, return_shape=True)(point)
    except jax.errors.ConcretizationTypeError:  # it branches on a value
        return _along_the_axes(field, point)
    _, reverse_only = traced_once(jaxpr_as_fun(program), point)
    if reverse_only:
        return _by_reverse(field, point)
    outputs = _in_blocks(program.jaxpr)(program.consts, point)
    return jax.tree.unflatten(jax.tree.structure(shape), outputs)


def _along_the_axes(field: Function, point: Any) -> Any:
    second = functools.partial(_second, field, point)
    terms = jax.vmap(second)(jnp.eye(point.size, dtype=point.dtype))
    return jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), terms)


def _second(field: Function, point: Any, v: Any) -> Any:
    """The second derivative along v."""
    first = lambda x: jax.jvp(field, (x,), (v,))[1]
    return jax.jvp(first, (point,), (v,))[1]


def _by_reverse(field: Function, point: Any) -> Any:
    """For a field that holds a function with a reverse rule only."""
    return jax.tree.map(lambda H: jnp.trace(H, axis1=-2, axis2=-1), jax.jacrev(jax.jacrev(field))(point))


def _hutchinson(function: Function, draw: Function, samples: int, key: Any, args: tuple, kwargs: dict) -> Any:
    field, point = flat_field(function, args, kwargs, "laplacian")
    values = jax.lax.map(functools.partial(_second, field, point), draw(key, samples, point), batch_size=64)
    if not isinstance(values, jax.Array):
        raise TypeError(f"laplacian by hutchinson estimates an array; the field returned a {type(values).__name__}.")
    return mean_of(values, 3 * samples)


# --- blocks ---------------------------------------------------------------------------------------------------------


def _in_blocks(program: Jaxpr) -> Function:
    """The forward Laplacian of a program as a function of its constants and the point.

    Under `jax.vmap` it runs over blocks of points, one after another. Its derivatives are those of the same
    computation without blocks, because JAX has no reverse mode for a function with a batching rule of its own.
    """
    plain = functools.partial(forward_laplacian, program)
    blocked = custom_vmap(plain)

    @blocked.def_vmap
    def over_points(count: int, mapped: Any, constants: Any, x: Any) -> tuple[Any, Any]:
        size = _points_at_once(program, x.shape[-1], x.dtype)
        axes = jax.tree.map(lambda is_mapped: 0 if is_mapped else None, mapped)
        return _map_blocks(jax.vmap(plain, in_axes=tuple(axes)), (constants, x), mapped, count, size)

    @jax.custom_jvp
    def run(constants: Any, x: Any) -> Any:
        return blocked(constants, x)

    run.defjvp(lambda primals, tangents: jax.jvp(plain, primals, tangents))
    return run


def _points_at_once(program: Jaxpr, d: int, dtype: Any) -> int:
    """How many points' rows fit the cache, judged by the widest intermediate; all of them away from a CPU."""
    if jax.default_backend() != "cpu":
        return 2**62
    shapes: list[Any] = [getattr(v.aval, "shape", ()) for equation in program.eqns for v in equation.outvars]
    widest = max(map(math.prod, shapes), default=1)
    fitting = CACHE // (max(widest, 1) * (d + 2) * jnp.dtype(dtype).itemsize)
    return max(8, 2 ** int(math.log2(max(fitting, 1))))


def _map_blocks(function: Function, arguments: Any, mapped: Any, count: int, size: int) -> tuple[Any, Any]:
    """A function of batched arguments over blocks of `size`, the remainder at the end."""
    everywhere = lambda outputs: (outputs, jax.tree.map(lambda _: True, outputs))
    if count <= size:
        return everywhere(function(*arguments))
    blocks = count // size
    leaves, structure = jax.tree.flatten(arguments)
    flags = jax.tree.leaves(mapped)
    moving = [leaf for leaf, is_mapped in zip(leaves, flags, strict=True) if is_mapped]

    def at(parts: list[Any]) -> Any:
        cut_out = iter(parts)
        full = [next(cut_out) if is_mapped else leaf for leaf, is_mapped in zip(leaves, flags, strict=True)]
        return function(*jax.tree.unflatten(structure, full))

    cut = [leaf[: blocks * size].reshape(blocks, size, *leaf.shape[1:]) for leaf in moving]
    outputs = jax.tree.map(lambda out: out.reshape(blocks * size, *out.shape[2:]), jax.lax.map(at, cut))
    if blocks * size < count:
        rest = at([leaf[blocks * size :] for leaf in moving])
        outputs = jax.tree.map(lambda out, end: jnp.concatenate([out, end]), outputs, rest)
    return everywhere(outputs)
