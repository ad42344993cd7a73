"""One triangle of a symmetric matrix: which terms to keep, to mirror, or to make symmetric in themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp

from cycloid.differentiate.sparse.keeping import marked
from cycloid.differentiate.sparse.terms import Term, spread


@dataclass(frozen=True, eq=False, slots=True)
class Half:
    """A term of the answer.

    Args:
        term: its entries.
        mirror: whether they stand for their mirror images too.
        crossing: whether it has entries on both sides of the diagonal that do not mirror each other.
        second: whether it was taken from the other triangle: it counts where nothing else tells of an entry.
        even: whether it is its own mirror image: where nothing else is added to it, each pair may take its mean.
    """

    term: Term
    mirror: bool = False
    crossing: bool = False
    second: bool = False
    even: bool = False


def halves(terms: Sequence[Term]) -> list[Half]:
    """The lower triangle of a symmetric matrix given by all its terms."""
    lower, upper, kept = [], [], []
    for term in terms:
        distance = term.row.add(term.column.times(-1))
        least, most = distance.bounds(term.extents)
        if least == most == 0:
            kept.append(Half(term))
        elif least > 0:
            lower.append(term)
        elif most < 0:
            upper.append(term.mirrored())
        else:
            even = _mirror_axes(term) is not None
            kept.append(Half(term, crossing=not even, even=even))
    known = {_signature(term) for term in lower}
    missing = [term for term in upper if _signature(term) is None or _signature(term) not in known]
    return [*kept, *(Half(term, True) for term in lower), *(Half(term, True, second=True) for term in missing)]


def _signature(term: Term) -> tuple | None:
    """Equal for terms that tell of the same entries; None where that is not told by strides."""
    if term.row.table is not None or term.column.table is not None:
        return None
    axes = sorted(zip(term.row.strides, term.column.strides, term.extents, strict=True), reverse=True)
    joined: list[tuple[int, int, int]] = []
    for row, column, extent in axes:
        if joined and joined[-1][:2] == (row * extent, column * extent):
            extent *= joined.pop()[2]
        joined.append((row, column, extent))
    return term.row.offset, term.column.offset, tuple(joined)


def _mirror_axes(term: Term) -> list[int] | None:
    """In which order its axes tell of the mirror image of a term that is its own (a block on the diagonal)."""
    if term.row.table is not None or term.column.table is not None or term.row.offset != term.column.offset:
        return None
    kinds = list(zip(term.row.strides, term.column.strides, term.extents, strict=True))
    order: list[int] = []
    for row, column, extent in kinds:
        match = [k for k, kind in enumerate(kinds) if kind == (column, row, extent) and k not in order]
        if not match:
            return None
        order.append(match[0])
    return order


def evened(term: Term) -> Term:
    """A term that is its own mirror image with the mean of each pair, so that both are equal to the last bit."""
    order = _mirror_axes(term)
    if order is None or order == sorted(order):
        return term
    shape = [term.extents[k] if order[k] != k else term.coefficient.shape[k] for k in range(len(order))]
    whole = marked(spread(term.coefficient, shape))
    return replace(term, coefficient=jnp.asarray(0.5, whole.dtype) * (whole + whole.transpose(order)))
