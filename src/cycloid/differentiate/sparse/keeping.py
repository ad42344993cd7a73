"""What is computed once and kept, and what a compiler may compute again at each use.

A compiler that merges loops computes a value anew in every loop that needs it. That is right for cheap ones, but here
one cosine may stand in all diagonals of a band, shifted, and would be computed for each; and two mirror images of one
entry, computed in two loops, may be rounded in two ways. Where that matters the value is kept.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex

COSTLY = {
    *("exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh"),
    *("tanh", "asinh", "acosh", "atanh", "logistic", "pow", "cbrt", "erf", "erfc", "erf_inv", "lgamma", "digamma"),
    *("igamma", "igammac", "bessel_i0e", "bessel_i1e", "custom_jvp_call", "custom_vjp_call"),
}
# Uses of a costly value, and of any other, from which on it is kept. Below, one more pass through memory costs as much.
USES, PLAIN_USES = 3, 24
# Arrays with fewer entries are computed again whatever they cost.
SMALL = 256

_MOVES = {
    *("slice", "reshape", "squeeze", "transpose", "broadcast_in_dim", "pad", "rev", "concatenate", "stack", "iota"),
    *("convert_element_type", "copy", "expand_dims", "select_n", "split", "optimization_barrier"),
}
_SUMS = {"add", "sub", "add_any"}
_PRODUCTS = {"mul", "integer_pow", "square"}
_EXACT = {
    *_MOVES,
    *("neg", "abs", "sign", "max", "min", "div", "sqrt", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"),
}
_LOOPS = {*_EXACT, *_SUMS, *_PRODUCTS, *COSTLY, "jit", "pjit", "clamp", "is_finite", "rsqrt", "floor", "round"}


def marked(values: Any) -> Any:
    """Values that are read in two places and must be the same in both."""
    return jax.lax.optimization_barrier(jnp.asarray(values))


def kept(program: jex.ClosedJaxpr) -> jex.ClosedJaxpr:
    """The same program with what is worth it (and all that is marked, where it needs it) computed once."""
    chosen = _chosen(program.jaxpr)
    marks = [equation for equation in program.jaxpr.eqns if equation.primitive.name == "optimization_barrier"]
    if not chosen and not marks:
        return program
    chosen |= _in_need(program.jaxpr, chosen)

    def run(*arguments: Any) -> list[Any]:
        values: dict[Any, Any] = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
        values.update(zip(program.jaxpr.invars, arguments, strict=True))
        read = lambda atom: atom.val if isinstance(atom, jex.Literal) else values[atom]
        for equation in program.jaxpr.eqns:
            given = [read(atom) for atom in equation.invars]
            if equation.primitive.name == "optimization_barrier":
                out = given
            else:
                params = equation.primitive.get_bind_params(equation.params)
                found = equation.primitive.bind(*given, **params)
                out = list(found) if equation.primitive.multiple_results else [found]
            if id(equation) in chosen:
                out = [settled(value) for value in out]
            values.update(zip(equation.outvars, out, strict=True))
        return [read(atom) for atom in program.jaxpr.outvars]

    return jax.make_jaxpr(run)(*program.in_avals)


def _chosen(jaxpr: Any) -> set[int]:
    """Equations whose values would be computed too often."""
    uses: dict[Any, int] = {}

    def used(atom: Any, times: int) -> None:
        if not isinstance(atom, jex.Literal):
            uses[atom] = min(uses.get(atom, 0) + times, 1_000_000)

    for atom in jaxpr.outvars:
        used(atom, 1)
    chosen = set()
    for equation in reversed(jaxpr.eqns):
        name, times = equation.primitive.name, max(uses.get(var, 0) for var in equation.outvars)
        limit = USES if name in COSTLY else PLAIN_USES
        if name in _LOOPS and name not in _MOVES and times >= limit and _is_large(equation):
            chosen.add(id(equation))
            times = 1
        for atom in equation.invars:
            used(atom, times if name in _LOOPS else min(times, 1))
    return chosen


def _is_large(equation: Any) -> bool:
    floating = all(jnp.issubdtype(var.aval.dtype, jnp.floating) for var in equation.outvars)
    return floating and max(int(np.prod(var.aval.shape, dtype=np.int64)) for var in equation.outvars) >= SMALL


def _in_need(jaxpr: Any, chosen: set[int]) -> set[int]:
    """Marked values that may be rounded differently in two places.

    Single operations are rounded alike everywhere; a product and a sum may be joined into one rounding or not, and
    elementary functions have several approximations.
    """
    kinds: dict[Any, frozenset[str]] = {}
    found = set()
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        own: set[str] = set()
        for atom in equation.invars:
            if not isinstance(atom, jex.Literal):
                own |= kinds.get(atom, frozenset())
        if name not in _EXACT:
            own.add("sum" if name in _SUMS else "product" if name in _PRODUCTS else "other")
        if name == "optimization_barrier" and ("other" in own or len(own) == 2):
            found.add(id(equation))
            own = set()
        if id(equation) in chosen or name not in _LOOPS:
            own = set()
        kinds.update(dict.fromkeys(equation.outvars, frozenset(own)))
    return found


@jax.custom_jvp
def settled(values: Any) -> Any:
    """The values, computed once: kept in memory at this point."""
    if values.size == 0 or not jnp.issubdtype(values.dtype, jnp.floating):
        return values
    return jax.lax.platform_dependent(values, cpu=_through_a_loop, default=jax.lax.optimization_barrier)


@settled.defjvp
def _settled_tangent(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return settled(primals[0]), tangents[0]


def _through_a_loop(values: Any) -> Any:
    """The values as the state of a loop of no steps, a number the compiler cannot know: on CPU XLA drops barriers."""
    bits = 8 * values.dtype.itemsize
    unsigned = jnp.dtype(f"uint{bits}")
    first = jax.lax.bitcast_convert_type(values.reshape(-1)[0], unsigned)
    again = (first >> (bits - 1)) >> 1 != 0  # never: of a number with one bit left
    # No counter: what XLA's analysis of counted loops makes of one can abort the process.
    step = lambda state: (jnp.logical_not(state[0]), -state[1])
    return jax.lax.while_loop(lambda state: state[0], step, (again, values))[1]
