"""A call of F taken apart, and its derivative as a program that is linear in a direction."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core as jex

from cycloid.core.functions import Traceable
from cycloid.differentiate.arguments import real_value, restrict, scalar_value
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.keepers import holds_arrays
from cycloid.differentiate.programs import is_module
from cycloid.differentiate.second_order import blocked_forward, blocked_twice, blocking, reverse_rules
from cycloid.differentiate.sparse.slots import Unsupported

Function = Callable[..., Any]


# --- a call -----------------------------------------------------------------------------------------------------


def root_of(function: Function) -> Function:
    """The user's own function under the operators applied to it."""
    while isinstance(function, Traceable | Derived):
        function = function.function
    return function


def _with_root(function: Function, root: Function) -> Function:
    if isinstance(function, Traceable):
        return Traceable(_with_root(function.function, root))
    if isinstance(function, Derived):
        inner = _with_root(function.function, root)
        return Derived(function.operator, function.rule, inner, function.options, function.compiled)
    return root


@dataclass(frozen=True, eq=False)
class Call:
    """A function and its arguments, parted into arrays, which are traced, and settings, which are built in.

    Args:
        function: what is differentiated.
        arrays: the floats and arrays among the arguments (and in the function, where it is a module), or shapes in
            their place, where the call is to be planned alone.
        key: tells calls apart that need different programs; None where that cannot be told.
        rebuild: from arrays to (function, args, kwargs).
    """

    function: Function
    arrays: tuple[Any, ...]
    key: Hashable
    rebuild: Callable[[Sequence[Any]], tuple[Function, tuple, dict]]

    @property
    def traced(self) -> bool:
        return any(isinstance(array, Tracer) for array in self.arrays)


def called(function: Function, args: tuple, kwargs: dict, fixed_indices: bool = False) -> Call:
    """The call taken apart.

    Args:
        function: what is called.
        args: its arguments.
        kwargs: those passed by name.
        fixed_indices: whether arrays of integers are settings, so that what they look up is known.
    """
    root = root_of(function)
    module = root if holds_arrays(root) else None
    leaves, structure = jax.tree.flatten((module, args, kwargs))
    moves = _moving((module, args, kwargs), fixed_indices)
    arrays = tuple(
        leaf if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) else jnp.asarray(leaf)
        for leaf, m in zip(leaves, moves, strict=True)
        if m
    )
    rest = [None if m else leaf for leaf, m in zip(leaves, moves, strict=True)]

    def rebuild(arrays: Sequence[Any]) -> tuple[Function, tuple, dict]:
        given = iter(arrays)
        whole = [next(given) if m else leaf for leaf, m in zip(rest, moves, strict=True)]
        own, args, kwargs = jax.tree.unflatten(structure, whole)
        return (function if module is None else _with_root(function, own)), args, kwargs

    shapes = tuple((array.shape, array.dtype, array.weak_type) for array in arrays)
    settings = tuple(_setting(leaf) for leaf, m in zip(rest, moves, strict=True) if not m)
    return Call(function, arrays, (structure, shapes, settings, bool(jax.config.read("jax_enable_x64"))), rebuild)


def _setting(leaf: Any) -> Hashable:
    """What tells one setting from another: integers in an array by their values."""
    if isinstance(leaf, np.ndarray | jax.Array) and not isinstance(leaf, Tracer):
        numbers = np.asarray(leaf)
        return numbers.shape, str(numbers.dtype), numbers.tobytes()
    try:
        hash(leaf)
    except TypeError:
        return id(leaf)
    return type(leaf), leaf


def _moving(tree: Any, fixed_indices: bool) -> list[bool]:
    """Of each leaf, whether it is traced: arrays, and floats outside modules, where they are settings."""
    flags: list[bool] = []
    for node in jax.tree.leaves(tree, is_leaf=is_module):
        inside = is_module(node)
        for leaf in jax.tree.leaves(node):
            array = isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)
            known = fixed_indices and array and _has_values(leaf) and _is_exact(leaf)
            flags.append((array and not known) or (type(leaf) is float and not inside))
    return flags


def _is_exact(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.integer) or leaf.dtype == bool


def _has_values(leaf: Any) -> bool:
    return not isinstance(leaf, Tracer | jax.ShapeDtypeStruct)


def has_indices(call: Call) -> bool:
    """Whether arrays of integers are among the arrays, which could be settings instead."""
    return any(_is_exact(array) and _has_values(array) for array in call.arrays)


def has_unknown_indices(call: Call) -> bool:
    """Whether of an array of integers only the shape was given: with its values the plan may be a better one."""
    return any(_is_exact(array) and isinstance(array, jax.ShapeDtypeStruct) for array in call.arrays)


# --- its derivative ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Linear:
    """A derivative as a program of (arrays, directions) that is linear in the directions.

    Args:
        jaxpr: the program.
        consts: its constants.
        arrays: shapes and dtypes of the first arguments.
        directions: of the last: their entries are the columns (of the transposed matrix for a reverse program).
        outputs: of what comes out: the rows.
        reverse: whether this is the transposed derivative, from directions in the outputs to the inputs.
        trees: what the rows and the columns of the matrix belong to, as pytrees of shapes.
    """

    jaxpr: jex.Jaxpr
    consts: tuple[Any, ...]
    arrays: tuple[Any, ...]
    directions: tuple[Any, ...]
    outputs: tuple[Any, ...]
    reverse: bool
    trees: tuple[Any, Any]

    @property
    def moving(self) -> tuple[Any, ...]:
        """The constants whose value is not known now: tracers that the user's function closes over."""
        return tuple(const for const in self.consts if isinstance(const, Tracer))

    def with_moving(self, moving: Sequence[Any]) -> Linear:
        """The same with other values for those constants."""
        given = iter(moving)
        return replace(self, consts=tuple(next(given) if isinstance(c, Tracer) else c for c in self.consts))

    @property
    def columns(self) -> int:
        return _numbers(self.directions)

    @property
    def rows(self) -> int:
        return _numbers(self.outputs)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix, not transposed."""
        return (self.columns, self.rows) if self.reverse else (self.rows, self.columns)

    def __call__(self, arrays: Sequence[Any], directions: Sequence[Any]) -> list[Any]:
        return jex.jaxpr_as_fun(jex.ClosedJaxpr(self.jaxpr, list(self.consts)))(*arrays, *directions)

    def size(self) -> int:
        """How many numbers the program computes, loops counted once."""
        return max(1, sum(_numbers(var.aval for var in eqn.outvars) for eqn in _equations(self.jaxpr)))


def _equations(jaxpr: Any) -> list[Any]:
    found = []
    for equation in jaxpr.eqns:
        inner = [v for v in equation.params.values() if isinstance(v, jex.ClosedJaxpr | jex.Jaxpr)]
        bodies = [body.jaxpr if isinstance(body, jex.ClosedJaxpr) else body for body in inner]
        found += [e for body in bodies for e in _equations(body)]
        if not bodies or equation.primitive.name == "scan":  # which stacks what its steps give
            found.append(equation)
    return found


def _numbers(avals: Any) -> int:
    return sum(int(np.prod(aval.shape, dtype=np.int64)) for aval in avals)


def linearized(call: Call, argnums: Any, caller: str, second: bool, reverse: bool) -> Linear:
    """The derivative of a call.

    Args:
        call: the function and its arguments.
        argnums: the arguments that are differentiated.
        caller: for messages.
        second: whether F is the gradient of the function, whose value is one real number.
        reverse: whether the derivative is transposed.

    Raises:
        Unsupported: when JAX has no rule in this mode (a rule of the user's own, a loop of unknown length).
    """
    shape = lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype, weak_type=array.weak_type)
    arrays = tuple(shape(array) for array in call.arrays)
    trees: dict[str, Any] = {}

    def parted(arrays: Sequence[Any]) -> tuple[Function, list[Any]]:
        function, args, kwargs = call.rebuild(arrays)
        restricted, point = restrict(function, args, kwargs, argnums, caller)
        leaves, structure = jax.tree.flatten(point)
        trees["columns"] = _shapes_of(point)
        if second:
            value = lambda leaves: scalar_value(restricted(jax.tree.unflatten(structure, leaves)), caller)
            trees["rows"] = trees["columns"]
            return jax.grad(value), [jnp.asarray(leaf) for leaf in leaves]

        def value(leaves: Sequence[Any]) -> list[Any]:
            tree = real_value(restricted(jax.tree.unflatten(structure, leaves)), caller)
            trees["rows"] = _shapes_of(tree)
            return jax.tree.leaves(tree)

        return value, [jnp.asarray(leaf) for leaf in leaves]

    def forward(arrays: Sequence[Any], directions: Sequence[Any]) -> list[Any]:
        value, leaves = parted(arrays)
        return jax.jvp(value, (leaves,), (list(directions),))[1]

    def backward(arrays: Sequence[Any], directions: Sequence[Any]) -> list[Any]:
        value, leaves = parted(arrays)
        return jax.vjp(value, leaves)[1](list(directions))[0]

    def value_of(arrays: Sequence[Any]) -> list[Any]:
        value, leaves = parted(arrays)
        return value(leaves)

    inputs = tuple(jax.eval_shape(lambda arrays: parted(arrays)[1], arrays))
    given = tuple(jax.eval_shape(value_of, arrays)) if reverse else inputs
    given = tuple(jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in given)
    try:
        closed, found = jax.make_jaxpr(backward if reverse else forward, return_shape=True)(arrays, given)
    except (TypeError, ValueError, NotImplementedError) as error:
        mode = "reverse" if reverse else "forward"
        names = reverse_rules(jax.make_jaxpr(value_of)(arrays).jaxpr) if second and reverse else []
        cause = blocked_twice(names, caller) if names else error
        raise Unsupported(f"{mode} mode: {str(error).partition(chr(10))[0]}") from cause
    names = [] if reverse else blocking(closed.jaxpr)
    if names:
        raise Unsupported(f"{names[0]}, which has a rule for reverse mode alone") from blocked_forward(names, caller)
    both = trees["rows"], trees["columns"]
    return Linear(closed.jaxpr, _shared(closed.consts), arrays, given, tuple(found), reverse, both)


def _shapes_of(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), tree)


def _shared(consts: Sequence[Any]) -> tuple[Any, ...]:
    """The constants, equal ones as one object: what is cut out of a closed-over array is cut anew at each use of it."""
    seen: dict[Hashable, Any] = {}
    out = []
    for const in consts:
        if (
            isinstance(const, Tracer)
            or not hasattr(const, "nbytes")
            or jnp.issubdtype(const.dtype, jax.dtypes.extended)
        ):
            out.append(const)
            continue
        numbers = np.asarray(const)
        out.append(seen.setdefault((numbers.shape, numbers.dtype.str, hash(numbers.tobytes())), const))
    return tuple(out)
