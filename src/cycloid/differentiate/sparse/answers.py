"""Sparse matrices on call: planned and compiled once for each function and shape, traced in place when transformed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import jax
from jax.experimental.sparse import BCOO
from jax.extend import core as jex

from cycloid.differentiate.derived import Derived, recipe_of
from cycloid.differentiate.keepers import hashable, keeper, kept
from cycloid.differentiate.sparse.drafts import Draft
from cycloid.differentiate.sparse.linear import Call, called, has_unknown_indices, root_of
from cycloid.differentiate.sparse.named import blocks
from cycloid.differentiate.sparse.planning import Planner
from cycloid.differentiate.sparse.plans import Plan, Request
from cycloid.differentiate.sparse.slots import Unsupported

# Shapes (and settings) of one function that are kept compiled.
MOST_VARIANTS = 32

# Types of arrays met so far that are no tracers.
ARRAYS: set[type] = set()

Function = Callable[..., Any]


@dataclass(eq=False)
class Variant:
    """A matrix for one set of shapes.

    Args:
        plan: how it is computed.
        draft: the matrix drawn up.
        trees: value and point as pytrees of shapes, for a dense answer in their form.
    """

    plan: Plan
    draft: Draft
    trees: tuple[Any, Any] | None
    run: Callable[..., Any] | None = None
    indices: Any = None
    form: Any = None

    def plainly(self, arrays: Sequence[Any]) -> Any:
        """The matrix by a program compiled once."""
        if self.run is None:
            self.run = jax.jit(jex.jaxpr_as_fun(self.draft.program))
            if self.trees is None:
                self.indices = jax.device_put(self.draft.layout.indices())  # jnp.asarray would compile a copy of it
                self.form = jax.tree.structure(self._matrix(self.run(*arrays)[0], self.indices))
        values = self.run(*arrays)[0]
        if self.form is None:
            return self._matrix(values, None)
        return self.form.unflatten((values, self.indices))  # the constructor would look at the indices each time

    def traced(self, arrays: Sequence[Any]) -> Any:
        """The matrix as part of the running program."""
        return self._matrix(self.draft.values(arrays), None if self.trees else self.draft.layout.traced_indices())

    def _matrix(self, values: Any, indices: Any) -> Any:
        if self.trees is not None:
            return blocks(values.reshape(self.plan.shape), *self.trees)
        return BCOO((values, indices), shape=self.plan.shape, unique_indices=True)


@dataclass(eq=False)
class Programs:
    """The variants of one operator on one function.

    Args:
        fixed_indices: whether it was found that integer arrays among the arguments must be known.
        variants: by shapes and settings.
    """

    fixed_indices: bool = False
    variants: dict[Hashable, Variant] = field(default_factory=dict)

    def of(self, function: Function, request: Request, args: tuple, kwargs: dict) -> tuple[Variant, Call]:
        """The variant for this call, planned where there is none."""
        call = called(function, args, kwargs, self.fixed_indices)
        found = self.variants.get(call.key) if not call.traced and hashable(call.key) else None
        if found is not None:
            return found, call
        try:
            chosen, draft = Planner(call, request).chosen()
            variant = Variant(chosen, draft, chosen.trees if request.dense else None)
        except Unsupported:
            if self.fixed_indices:
                raise
            self.fixed_indices = True  # an index is looked up whose values are among the arguments
            return self.of(function, request, args, kwargs)
        lasting = not call.traced and not variant.draft.moving and not has_unknown_indices(call)
        if lasting and hashable(call.key):
            self.variants[call.key] = variant
            if len(self.variants) > MOST_VARIANTS:
                del self.variants[next(iter(self.variants))]
        return variant, call


@dataclass(frozen=True)
class Wanted:
    """What was asked for, and the programs that answer it.

    Args:
        request: what was asked for.
        home: the programs, once they are found.
        fast: those for arguments that are all arrays, by shapes.
    """

    request: Request
    home: dict[str, Programs] = field(default_factory=dict, compare=False, repr=False)
    fast: dict[Hashable, Variant] = field(default_factory=dict, compare=False, repr=False)

    def __repr__(self) -> str:
        return "sparse"

    def programs(self, function: Function) -> Programs:
        found = self.home.get("programs")
        if found is None:
            layers = recipe_of(cast(Derived, function)).layers
            make: Any = lambda hesitant: Programs()
            found = cast(Programs, kept(keeper(root_of(function)), ("sparse", self.request, layers), make))
            self.home["programs"] = found
        return found


def sparse_matrix(function: Function, wanted: Wanted, args: tuple, kwargs: dict) -> Any:
    """The matrix that was asked for: the rule of the operators `jacobian` and `hessian` with a pattern."""
    key = _shapes(args) if not kwargs else None
    variant = None if key is None else wanted.fast.get(key)
    if variant is not None:
        return variant.plainly(args)
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves((args, kwargs))):
        raise TypeError(
            f"{wanted.request.operator} needs the arrays themselves; the arguments held a jax.ShapeDtypeStruct. "
            "cycloid.differentiate.plan takes shapes alone."
        )
    programs = wanted.programs(function)
    variant, call = programs.of(function, wanted.request, args, kwargs)
    if call.traced or variant.draft.moving:
        return variant.traced(call.arrays)
    if key is not None and not programs.fixed_indices and len(call.arrays) == len(args):
        wanted.fast[key] = variant
    elif key is None and not kwargs:
        ARRAYS.update(type(arg) for arg in args if isinstance(arg, jax.Array))
    return variant.plainly(call.arrays)


def _shapes(args: tuple) -> Hashable:
    """The shapes of arguments that are all arrays of JAX and no tracers; None for others."""
    for arg in args:
        if type(arg) not in ARRAYS:
            return None
    return tuple([arg.aval for arg in args]), jax.config.read("jax_enable_x64")
