"""Functions of another framework inside JAX: called as they are, differentiated on their own side, to any order.

Two primitives. `run` calls a function. `linear` applies its derivative at a point, forwards (J v) or back (uᵀ J),
and is linear in v or u: its transpose is the other one, and its own derivative is a `linear` of a derived function. So
forward and reverse mode nest in any order, and nothing of the other framework is known here but the four members of
`Foreign`. Called plainly the arrays cross by DLPack, in place. In a compiled program XLA calls back: on a CPU the
function reads XLA's own memory and its results are copied once; on a GPU both ways lead over the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Aval = Any


class Foreign(Protocol):
    """A pure function of arrays in another framework; equal to itself alone."""

    def __call__(self, arrays: Sequence[Any]) -> list[jax.Array]:
        """Its values at arrays of JAX, in place where memory allows."""
        ...

    def on_host(self, arrays: Sequence[Any]) -> list[Any]:
        """Its values as arrays of NumPy, at arrays of NumPy that must not be written."""
        ...

    def shapes(self, avals: Sequence[Aval]) -> list[Aval]:
        """The shapes and dtypes of its values at arguments of these."""
        ...

    def pushed(self, wrt: tuple[int, ...]) -> Foreign:
        """(*args, *tangents of those in wrt) -> the tangents of its real values."""
        ...

    def pulled(self, wrt: tuple[int, ...], count: int) -> Foreign:
        """(*args, *cotangents of its real values) -> the cotangents of those in wrt; `count` is of the args."""
        ...


def call(function: Foreign, *args: Any) -> list[jax.Array]:
    """The values of a foreign function, differentiable to any order in its real arguments."""
    given = (arg if isinstance(arg, jax.Array) else jnp.asarray(arg) for arg in args)
    return _run.bind(*given, function=function)


_run, _linear = Primitive("foreign_call"), Primitive("foreign_linear_call")
_run.multiple_results = _linear.multiple_results = True


def is_real(aval: Aval) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.inexact)


# --- values ---------------------------------------------------------------------------------------------------------


def _run_eager(*args: Any, function: Foreign) -> list[Any]:
    return function(args)


def _run_shapes(*avals: Aval, function: Foreign) -> list[Aval]:
    return [ShapedArray(each.shape, each.dtype) for each in function.shapes(avals)]


def _run_lowered(context: Any, *operands: Any, function: Foreign) -> Any:
    call_back = lambda *arrays: tuple(function.on_host(arrays))
    return mlir.emit_python_callback(
        context, call_back, None, list(operands), context.avals_in, context.avals_out, has_side_effect=False,
        returns_token=False,
    )[0]  # fmt: skip


def _derived(function: Foreign, wrt: tuple[int, ...], backwards: bool, count: int) -> Foreign:
    return function.pulled(wrt, count) if backwards else function.pushed(wrt)


def _linear_eager(*args: Any, function: Foreign, wrt: tuple[int, ...], backwards: bool, count: int) -> list[Any]:
    return _derived(function, wrt, backwards, count)(args)


def _linear_shapes(*avals: Aval, function: Foreign, wrt: tuple[int, ...], backwards: bool, count: int) -> list[Aval]:
    if backwards:
        return [ShapedArray(avals[place].shape, avals[place].dtype) for place in wrt]
    return [ShapedArray(each.shape, each.dtype) for each in function.shapes(avals[:count]) if is_real(each)]


def _linear_lowered(context: Any, *operands: Any, function: Foreign, wrt: Any, backwards: bool, count: int) -> Any:
    return _run_lowered(context, *operands, function=_derived(function, wrt, backwards, count))


# --- derivatives ----------------------------------------------------------------------------------------------------


def _run_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, function: Foreign) -> tuple[Any, Any]:
    values = _run.bind(*primals, function=function)
    moved = iter(_pushed(function, primals, tangents))
    return values, [next(moved) if is_real(value) else _nothing(value) for value in values]


def _pushed(function: Foreign, primals: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
    """The tangents of the real values, along the arguments that move."""
    wrt = tuple(place for place, tangent in enumerate(tangents) if not isinstance(tangent, ad.Zero))
    return _linear.bind(
        *primals, *(tangents[place] for place in wrt), function=function, wrt=wrt, backwards=False, count=len(primals)
    )


def _nothing(value: Any) -> ad.Zero:
    return ad.Zero(jax.typeof(value).to_tangent_aval())


def _linear_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, function: Foreign, wrt: tuple[int, ...], backwards: bool,
    count: int,
) -> tuple[Any, Any]:  # fmt: skip
    """Along the linear arguments it is itself; along the point the derivative of the derived function."""
    settings = {"function": function, "wrt": wrt, "backwards": backwards, "count": count}
    values = _linear.bind(*primals, **settings)
    parts: list[list[Any]] = []
    along_point, along_lines = tangents[:count], tangents[count:]
    if not all(isinstance(each, ad.Zero) for each in along_lines):
        whole = [ad.instantiate_zeros(each) for each in along_lines]
        parts.append(_linear.bind(*primals[:count], *whole, **settings))
    if not all(isinstance(each, ad.Zero) for each in along_point):
        still = [_nothing(each) for each in primals[count:]]
        parts.append(_pushed(_derived(function, wrt, backwards, count), primals, [*along_point, *still]))
    return values, [sum(each[1:], each[0]) for each in zip(*parts, strict=True)]


def _linear_transposed(
    cotangents: Sequence[Any], *args: Any, function: Foreign, wrt: tuple[int, ...], backwards: bool, count: int
) -> list[Any]:
    lines = args[count:]
    whole = [ad.instantiate_zeros(each) for each in cotangents]
    back = _linear.bind(
        *args[:count], *whole, function=function, wrt=wrt, backwards=not backwards, count=count
    )  # those that are known are zeros that another rule filled in
    return [None] * count + [
        each if ad.is_undefined_primal(line) else None for each, line in zip(back, lines, strict=True)
    ]


# --- many at once ---------------------------------------------------------------------------------------------------


def _one_by_one(primitive: Primitive) -> Any:
    """A loop: a foreign function may hold state, draw numbers or branch, which its own vmap would not bear."""

    def rule(args: Sequence[Any], axes: Sequence[Any], **settings: Any) -> tuple[Any, Any]:
        several = [place for place, axis in enumerate(axes) if axis is not None]
        stacked = [jnp.moveaxis(args[place], axes[place], 0) for place in several]

        def each(rows: Sequence[Any]) -> list[Any]:
            full = list(args)
            for place, row in zip(several, rows, strict=True):
                full[place] = row
            return primitive.bind(*full, **settings)

        values = jax.lax.map(each, stacked)
        return values, [0] * len(values)

    return rule


_run.def_impl(_run_eager)
_run.def_abstract_eval(_run_shapes)
_linear.def_impl(_linear_eager)
_linear.def_abstract_eval(_linear_shapes)
ad.primitive_jvps[_run], ad.primitive_jvps[_linear] = _run_jvp, _linear_jvp
ad.primitive_transposes[_linear] = _linear_transposed
batching.primitive_batchers[_run] = _one_by_one(_run)
batching.primitive_batchers[_linear] = _one_by_one(_linear)
mlir.register_lowering(_run, _run_lowered, cacheable=False)
mlir.register_lowering(_linear, _linear_lowered, cacheable=False)
