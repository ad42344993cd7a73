"""Sparse matrices on call: planned and compiled once for each function and shape, traced in place when transformed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.sparse import BCOO
from jax.extend import core as jex

from cycloid.differentiate.derived import recipe_of
from cycloid.differentiate.keepers import hashable, keeper, kept
from cycloid.differentiate.sparse.drafts import Draft
from cycloid.differentiate.sparse.linear import Call, called, root_of
from cycloid.differentiate.sparse.named import blocks
from cycloid.differentiate.sparse.plans import Plan, Planner, Terms
from cycloid.differentiate.sparse.slots import Unsupported

# Shapes (and settings) of one function that are kept compiled.
MOST_VARIANTS = 32

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

    def plainly(self, arrays: Sequence[Any]) -> Any:
        """The matrix by a program compiled once."""
        if self.run is None:
            self.run = jax.jit(jex.jaxpr_as_fun(self.draft.program))
            self.indices = None if self.trees else jnp.asarray(self.draft.layout.indices())
        return self._matrix(self.run(*arrays)[0], self.indices)

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

    def of(self, function: Function, terms: Terms, args: tuple, kwargs: dict) -> tuple[Variant, Call]:
        """The variant for this call, planned where there is none."""
        call = called(function, args, kwargs, self.fixed_indices)
        found = self.variants.get(call.key) if not call.traced and hashable(call.key) else None
        if found is not None:
            return found, call
        try:
            planner = Planner(call, terms)
            variant = Variant(*planner.chosen(), planner.trees() if terms.dense else None)
        except Unsupported:
            if self.fixed_indices:
                raise
            self.fixed_indices = True  # an index is looked up whose values are among the arguments
            return self.of(function, terms, args, kwargs)
        if not call.traced and not variant.draft.moving and hashable(call.key):
            self.variants[call.key] = variant
            if len(self.variants) > MOST_VARIANTS:
                del self.variants[next(iter(self.variants))]
        return variant, call


@dataclass(frozen=True)
class Wanted:
    """What was asked for, and the programs that answer it.

    Args:
        terms: what was asked for.
        home: the programs, once they are found.
    """

    terms: Terms
    home: dict[str, Programs] = field(default_factory=dict, compare=False, repr=False)

    def __repr__(self) -> str:
        return "sparse"

    def programs(self, function: Function) -> Programs:
        found = self.home.get("programs")
        if found is None:
            layers = recipe_of(function).layers  # type: ignore[arg-type]
            found = kept(keeper(root_of(function)), ("sparse", self.terms, layers), lambda _: Programs())
            self.home["programs"] = found
        return found


def sparse_matrix(function: Function, wanted: Wanted, args: tuple, kwargs: dict) -> Any:
    """The matrix that was asked for: the rule of the operators `jacobian` and `hessian` with a pattern."""
    variant, call = wanted.programs(function).of(function, wanted.terms, args, kwargs)
    if call.traced or variant.draft.moving:
        return variant.traced(call.arrays)
    return variant.plainly(call.arrays)
