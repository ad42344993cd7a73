"""Which path a sparse derivative takes, and why.

First the walk that follows every entry through the program, in forward mode and, where that is costly, in reverse. Then
products by a colouring, where they cost far less or the walk cannot go through. At last a product for each column.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.differentiate.sparse import colouring
from cycloid.differentiate.sparse.colouring import Products
from cycloid.differentiate.sparse.drafts import Draft, by_maps
from cycloid.differentiate.sparse.linear import Call, Linear, has_indices, linearized
from cycloid.differentiate.sparse.patterns import Pattern
from cycloid.differentiate.sparse.plans import Plan, Request, refuse_too_large, refuse_too_many
from cycloid.differentiate.sparse.slots import Unsupported

# A walk that computes at most this many numbers for each entry of the answer (and each row and column) is good enough
# to look no further.
WELL = 8
# Products are preferred to a walk that computes so many times the numbers they would.
WASTE = 4


def _is_full(pattern: Pattern, linear: Linear, symmetric: bool) -> bool:
    """Whether colouring would put few columns together: a full row (column, in reverse) keeps its columns apart."""
    if symmetric:
        return pattern.density > 0.5
    widest = int(np.bincount(pattern.columns if linear.reverse else pattern.rows, minlength=1).max())
    return 2 * widest > linear.columns


class Planner:
    """Finds the path for one call.

    Args:
        call: the function and its arguments.
        request: what was asked for.
    """

    def __init__(self, call: Call, request: Request):
        self.call, self.request = call, request
        self.linear: dict[bool, Linear] = {}
        self.reasons: list[str] = []

    def program(self, reverse: bool) -> Linear:
        if reverse not in self.linear:
            request = self.request
            self.linear[reverse] = linearized(self.call, request.argnums, request.operator, request.second, reverse)
        return self.linear[reverse]

    def _can(self, reverse: bool) -> bool:
        try:
            return self.program(reverse) is not None
        except Unsupported:
            return False

    def chosen(self) -> tuple[Plan, Draft]:
        """The plan, and the matrix drawn up by it.

        Raises:
            ValueError: when the answer does not fit into the memory.
            Unsupported: when an index among the arguments must be known first.
        """
        if self.request.dense:
            return self._entire("A dense answer was asked for.")
        if self.request.pattern is not None:
            return self._by_colours(self.request.pattern, "The pattern was given: one entry too few corrupts others.")
        draft, linear = self._by_maps()
        if draft is not None and linear is not None:
            pattern = self._better_coloured(draft, linear)
            if pattern is None:
                return self._plan("maps", linear, draft, self._why_maps()), draft
            return self._by_colours(pattern, "Products cost less here than following every entry through the program.")
        return self._by_proof()

    # --- the paths --------------------------------------------------------------------------------------------

    def _modes(self) -> list[bool]:
        if self.request.second:  # its transpose is itself: reverse mode is for rules that forbid the other
            return [False] if self._can(False) else [True]
        return {"auto": [False, True], "forward": [False], "reverse": [True]}[self.request.mode]

    def _by_maps(self) -> tuple[Draft | None, Linear | None]:
        best: tuple[Draft | None, Linear | None] = (None, None)
        for reverse in self._modes():
            try:
                linear = self.program(reverse)
                draft = by_maps(linear, self.request.second, self.request.mesh)
            except Unsupported as error:
                if error.wants_indices and self._may_learn():
                    raise
                self.reasons.append(error.reason)
                continue
            if best[0] is None or draft.effort.numbers < best[0].effort.numbers:
                best = draft, linear
            if draft.effort.numbers <= WELL * (draft.layout.nonzeros + 4 * sum(linear.shape)):
                break
        if best[0] is not None:
            self._room(best[0].layout.nonzeros, best[0].dtype)
        return best

    def _may_learn(self) -> bool:
        return has_indices(self.call)

    def _better_coloured(self, draft: Draft, linear: Linear) -> Pattern | None:
        """The pattern, when products with it cost far less than the walk, or fit where the walk does not."""
        room = self._room(draft.layout.nonzeros, draft.dtype)
        heavy = draft.effort.largest * np.dtype(draft.dtype).itemsize > room
        least = WASTE * linear.size()
        if not heavy and draft.effort.numbers <= max(least, WELL * (draft.layout.nonzeros + 4 * sum(linear.shape))):
            return None
        indices = draft.layout.indices()
        pattern = Pattern(indices[:, 0], indices[:, 1], linear.shape)
        most = [int(np.bincount(side, minlength=1).max()) for side in (pattern.rows, pattern.columns)]
        products = min(most[mode] for mode in self._modes())
        return pattern if heavy or draft.effort.numbers > products * least else None

    def _by_proof(self) -> tuple[Plan, Draft]:
        """A pattern proven by index sets; where that fails too, all entries."""
        why = f"The walk stopped at {self.reasons[0]}; " if self.reasons else ""
        for reverse in self._modes():
            try:
                linear = self.program(reverse)
                pattern = colouring.proven_pattern(linear)
            except Unsupported as error:
                self.reasons.append(error.reason)
                continue
            return self._by_colours(pattern, f"{why}the pattern was proven by index sets.")
        return self._entire(f"{why}no pattern could be proven ({self.reasons[-1]}), so that every entry may count.")

    def _by_colours(self, pattern: Pattern, reason: str) -> tuple[Plan, Draft]:
        best: tuple[Any, Linear] | None = None
        symmetric = self.request.second
        for reverse in self._modes():
            try:
                linear = self.program(reverse)
            except Unsupported as error:
                self.reasons.append(error.reason)
                continue
            pattern = pattern.in_shape(linear.shape, self.request.operator)
            pattern = pattern.symmetric() if symmetric else pattern
            self._room(pattern.nonzeros)
            if self.request.pattern is None and _is_full(pattern, linear, symmetric):
                continue
            colours = colouring.coloured(linear, pattern, symmetric)
            if best is None or colours.num_colors < best[0].num_colors:
                best = colours, linear
        if best is None:
            return self._entire(f"{reason} It has rows and columns so full that nothing can be put together.")
        colours, linear = best
        products = self._products(colours.num_colors, linear, pattern.nonzeros)
        draft = colouring.by_colours(linear, pattern, colours, symmetric, products)
        return self._plan("colouring", linear, draft, reason, products), draft

    def _entire(self, reason: str) -> tuple[Plan, Draft]:
        linear = self._shorter()
        products = self._products(linear.columns, linear, linear.rows * linear.columns)
        draft = colouring.entire(linear, self.request.second, products)
        return self._plan("dense", linear, draft, reason, products), draft

    def _shorter(self) -> Linear:
        """The program with fewer directions, of those that there are."""
        found, last = [], None
        for reverse in self._modes():
            try:
                found.append(self.program(reverse))
            except Unsupported as error:
                last = error
        if not found:
            cause = last.__cause__ if last is not None else None
            raise cause if isinstance(cause, Exception) else ValueError(str(last))
        return min(found, key=lambda linear: linear.columns)

    # --- what is told -----------------------------------------------------------------------------------------

    def _room(self, nonzeros: int, dtype: Any = np.float64) -> int:
        """Bytes that a sparse answer with so many entries leaves of the budget.

        Raises:
            ValueError: when it does not fit.
        """
        size, budget = self.request.answer_bytes(nonzeros, dtype), self.request.budget
        refuse_too_many(self.request.operator, nonzeros, size, budget)
        return budget - size

    def _products(self, colours: int, linear: Linear, nonzeros: int) -> Products:
        """How to make so many products within the budget.

        Raises:
            ValueError: when the answer and what is held beside it do not fit.
        """
        request, budget = self.request, self.request.budget
        size = request.answer_bytes(nonzeros, np.float64)
        products = colouring.parted(colours, linear, budget - size, request.mesh)
        if request.dense:
            refuse_too_large(request.operator, *linear.shape, budget, products.bytes(linear))
        else:
            refuse_too_many(request.operator, nonzeros, size, budget, products.bytes(linear))
        return products

    def _why_maps(self) -> str:
        return "Every operation moves entries by known strides or indices" + (
            f"; another mode stopped at {self.reasons[0]}." if self.reasons else "."
        )

    def _plan(self, path: str, linear: Linear, draft: Draft, reason: str, products: Products | None = None) -> Plan:
        mode = ("reverse" if linear.reverse else "forward") + (" over reverse" if self.request.second else "")
        beside = products.bytes(linear) if products else draft.effort.largest * np.dtype(draft.dtype).itemsize
        nonzeros = draft.layout.nonzeros
        return Plan(
            operator=self.request.operator,
            path=path,
            mode=mode,
            reason=reason[:1].upper() + reason[1:],
            shape=linear.shape,
            nonzeros=nonzeros,
            maps=0 if products else len(draft.layout.blocks),
            colours=products.colours if products else 0,
            chunks=products.chunks if products else 1,
            memory=self.request.answer_bytes(nonzeros, draft.dtype) + beside,
            cost=1.0 + 2.0 * draft.effort.numbers / linear.size(),
            layout=draft.layout,
            classes=draft.classes,
            trees=linear.trees,
        )
