"""Extreme eigenvalues of a symmetric operator: thick-restart Lanczos with partial reorthogonalisation, in one program.

A step costs one product with the operator. Orthogonality of the basis is lost slowly, and how far is told by a
recurrence for ω_i = v_iᵀ v_j that costs nothing; only where it nears √eps is the new vector projected against the
basis, and then on the rows that are filled, which lie in chunks of their own so that the empty ones are never read.
A full basis is replaced by the best of its Ritz vectors.

Reference: H. D. Simon, The Lanczos algorithm with partial reorthogonalization, Mathematics of Computation 42, 1984;
K. Wu and H. Simon, Thick-restart Lanczos method for large symmetric eigenvalue problems, SIAM J. Matrix Analysis and
Applications 22, 2000.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

# Rows of a chunk of the basis, and columns of a tile when the basis is rotated: 64 rows of a tile fit a core's cache.
ROWS, TILE = 16, 2048
# Steps between two looks at the Ritz values.
LOOK = 4
# How many units in the last place a product and the sums over its long vectors may be off.
NOISE = 4.0

Product = Callable[[Any], Any]


class Basis(NamedTuple):
    """Orthonormal rows in chunks, and the operator projected on them.

    Args:
        chunks: arrays of shape (ROWS, n).
        projected: T = V A Vᵀ, shape (rows, rows).
        last: the index of the newest row.
        kept: how many rows came through the last restart.
        overlap: ω between the newest row and those before, as estimated.
        before: the same for the row before the newest.
        again: whether the next vector is projected whatever the estimate says: it must be done twice in a row.
    """

    chunks: tuple[Any, ...]
    projected: Any
    last: Any
    kept: Any
    overlap: Any
    before: Any
    again: Any


class Progress(NamedTuple):
    """Where a run stands: the basis, the Ritz values with their residuals, the count of products."""

    basis: Basis
    newest: Any
    previous: Any
    values: Any
    residuals: Any
    rotation: Any
    products: Any
    finished: Any


class Found(NamedTuple):
    """What a run found.

    Args:
        values: largest magnitude first.
        residuals: ‖A v − λ v‖ of each.
        vectors: rows of shape (k, n).
        products: how many were made.
        converged: whether every residual is allowed.
    """

    values: Any
    residuals: Any
    vectors: Any
    products: Any
    converged: Any


def extreme_eigenvalues(
    product: Product, start: Any, *, k: int, n: int, rows: int, allowed: Callable[[Any], Any], max_products: Any
) -> Found:
    """The k eigenvalues of largest magnitude of a symmetric operator.

    Args:
        product: vector -> vector, of a length that is a multiple of TILE, with zeros behind the first n entries.
        start: a random vector of that kind; turned round, it is the fresh direction where an invariant subspace ends.
        k: how many.
        n: the dimension.
        rows: of the basis; a multiple of ROWS, more than k + 2 and less than n.
        allowed: eigenvalues, largest magnitude first -> the residuals allowed.
        max_products: where to stop.
    """
    first = start / jnp.linalg.norm(start)
    chunks = tuple(jnp.zeros((ROWS, start.size), start.dtype) for _ in range(rows // ROWS))
    zero, integer, none = jnp.zeros(rows, start.dtype), jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    basis = Basis(
        _put(chunks, integer, first), jnp.zeros((rows, rows), start.dtype), integer, integer, zero, zero, none
    )
    begin = Progress(
        basis, first, jnp.zeros_like(first), jnp.zeros(k, start.dtype), jnp.full(k, jnp.inf, start.dtype),
        jnp.eye(rows, dtype=start.dtype), integer, none,
    )  # fmt: skip
    capacity = rows - 1  # one row is left for the vector that the next step starts from

    def unfinished(p: Progress) -> Any:
        return ~p.finished & (p.products < max_products)

    def cycle(p: Progress) -> Progress:
        going = lambda p: unfinished(p) & (p.basis.last < capacity)
        p = jax.lax.while_loop(
            going, lambda p: _look(_step(p, product, start[:n]), k, capacity, allowed, max_products), p
        )
        return _when(~p.finished & (p.products < max_products), lambda p: _restart(p, k), p)

    end = jax.lax.while_loop(unfinished, cycle, begin)
    rotated = _rotated(end.basis.chunks, end.rotation)
    vectors = jnp.concatenate(rotated[: -(-k // ROWS)])[:k]
    return Found(end.values, end.residuals, vectors, end.products, end.finished & jnp.all(jnp.isfinite(end.values)))


# --- one step -------------------------------------------------------------------------------------------------------


def _step(p: Progress, product: Product, spare: Any) -> Progress:
    """The next basis vector from the product with the newest one."""
    basis, j = p.basis, p.basis.last
    image = product(p.newest)
    alpha = jnp.vdot(p.newest, image)
    fresh = j == basis.kept  # the first step, or the first after a restart: coupled with every row
    beta = jnp.where(fresh, 0.0, basis.projected[j, jnp.maximum(j - 1, 0)])
    image = image - alpha * p.newest - beta * p.previous
    projected = basis.projected.at[j, j].set(alpha)
    size = jnp.max(jnp.abs(projected))
    eps = jnp.finfo(image.dtype).eps
    estimate = _overlaps(basis, projected, alpha, beta, jnp.linalg.norm(image), NOISE * eps * size)
    lost = jnp.max(jnp.where(jnp.arange(estimate.size) <= j, jnp.abs(estimate), 0.0)) > jnp.sqrt(eps)
    due = fresh | lost | basis.again
    # After a restart the coefficients are large, and the rows no more orthogonal than √eps: one pass would leave that.
    passes = jnp.where(fresh, 2, jnp.where(due, 1, 0))
    image = jax.lax.fori_loop(0, passes, lambda _, w: _cleaned(basis.chunks, j, w), image)
    length = jnp.linalg.norm(image)
    exhausted = (length <= NOISE * eps * size) | (size == 0)
    image = _when(exhausted, lambda _: _turned(spare, p.products, image), image)
    image = jax.lax.fori_loop(0, 2 * exhausted.astype(jnp.int32), lambda _, w: _cleaned(basis.chunks, j, w), image)
    image = image / jnp.linalg.norm(image)
    coupling = jnp.where(exhausted, 0.0, length)
    projected = projected.at[j, j + 1].set(coupling).at[j + 1, j].set(coupling)
    estimate = jnp.where(due | exhausted, NOISE * eps, estimate)
    basis = Basis(
        _put(basis.chunks, j + 1, image), projected, j + 1, basis.kept, estimate.at[j + 1].set(1.0),
        basis.overlap.at[j].set(1.0), due & ~basis.again,
    )  # fmt: skip
    return p._replace(basis=basis, newest=image, previous=p.newest, products=p.products + 1)


def _overlaps(basis: Basis, projected: Any, alpha: Any, beta: Any, length: Any, noise: Any) -> Any:
    """Simon's recurrence for the overlaps of the next vector: β_j ω_next = T ω − α_j ω − β_(j−1) ω_before ± noise."""
    moved = projected @ basis.overlap - alpha * basis.overlap - beta * basis.before
    return (moved + jnp.where(moved < 0, -noise, noise)) / jnp.where(length > 0, length, 1.0)


def _cleaned(chunks: tuple[Any, ...], last: Any, w: Any) -> Any:
    """w without its components along the rows up to `last`; chunks that hold none of them are not read."""
    parts, nothing = [], jnp.zeros(ROWS, w.dtype)
    inside = lambda p: p * ROWS + jnp.arange(ROWS) <= last  # rows behind the last are remains of an earlier cycle
    for p, chunk in enumerate(chunks):
        part = _when(last >= p * ROWS, lambda _, chunk=chunk, p=p: jnp.where(inside(p), chunk @ w, 0.0), nothing)
        parts.append(part)
    for p, (chunk, part) in enumerate(zip(chunks, parts, strict=True)):
        w = _when(last >= p * ROWS, lambda w, chunk=chunk, part=part: w - part @ chunk, w)
    return w


def _turned(spare: Any, places: Any, like: Any) -> Any:
    """The spare vector with its entries shifted round: another generic direction, and no random numbers to make."""
    shifted = jnp.roll(spare, places + 1)
    return jnp.zeros_like(like).at[: spare.size].set(shifted / jnp.linalg.norm(shifted))


def _put(chunks: tuple[Any, ...], row: Any, vector: Any) -> tuple[Any, ...]:
    """The chunks with one row written, in place."""
    write = lambda p: lambda chunk: jax.lax.dynamic_update_index_in_dim(chunk, vector, row - p * ROWS, 0)
    return tuple(_when(row // ROWS == p, write(p), chunk) for p, chunk in enumerate(chunks))


def _when(flag: Any, change: Callable[[Any], Any], state: Any) -> Any:
    """`change(state)` where the flag holds; a loop of at most one turn, because branches of a `cond` are copied."""
    return jax.lax.fori_loop(0, jnp.asarray(flag, jnp.int32), lambda _, state: change(state), state)


# --- Ritz values ----------------------------------------------------------------------------------------------------


def _look(p: Progress, k: int, capacity: int, allowed: Callable[[Any], Any], max_products: Any) -> Progress:
    """Every few steps the Ritz values, their residuals, and whether they are small enough."""
    filled = p.basis.last  # rows whose product is known
    due = (p.products % LOOK == 0) | (filled >= capacity) | (p.products >= max_products)
    return jax.lax.cond(due & (filled >= k), lambda p: _ritz(p, k, allowed), lambda p: p, p)


def _ritz(p: Progress, k: int, allowed: Callable[[Any], Any]) -> Progress:
    T, last = p.basis.projected, p.basis.last
    inside = jnp.arange(T.shape[0]) < last
    values, vectors = jnp.linalg.eigh(jnp.where(inside[:, None] & inside[None, :], T, 0.0))
    # A row outside the basis gives an eigenvalue 0 with a vector that lies on it: it comes last, whatever its value.
    belongs = jnp.sum(jnp.where(inside[:, None], vectors, 0.0) ** 2, axis=0) > 0.5
    order = jnp.argsort(jnp.where(belongs, -jnp.abs(values), 1.0))
    values, vectors = values[order], vectors[:, order]
    residuals = jnp.abs(T[last, jnp.maximum(last - 1, 0)] * vectors[jnp.maximum(last - 1, 0)])[:k]
    residuals = residuals + 2 * NOISE * jnp.finfo(T.dtype).eps * jnp.abs(values[0])
    values_k = values[:k]
    finished = jnp.all(residuals <= allowed(values_k)) | ~jnp.all(jnp.isfinite(values_k))
    return p._replace(values=values_k, residuals=residuals, rotation=vectors.T, finished=finished)


def _restart(p: Progress, k: int) -> Progress:
    """The best Ritz vectors and the newest row in place of the whole basis."""
    basis, rows = p.basis, p.rotation.shape[0]
    keep, last = k + (rows - k) // 3, basis.last
    newest = _cleaned(basis.chunks, last - 1, p.newest)
    newest = newest / jnp.linalg.norm(newest)
    T, coupling = basis.projected, basis.projected[last, last - 1]
    kept = jnp.arange(rows) < keep
    values = jnp.where(kept, jnp.diag(p.rotation @ T @ p.rotation.T), 0.0)
    arrow = jnp.where(kept, coupling * p.rotation[:, last - 1], 0.0)
    projected = jnp.diag(values).at[keep].set(arrow).at[:, keep].set(arrow)
    noise = jnp.where(kept, NOISE * jnp.finfo(T.dtype).eps, 0.0).astype(T.dtype).at[keep].set(1.0)
    chunks = _put(_rotated(basis.chunks, p.rotation), jnp.asarray(keep), newest)
    here = jnp.asarray(keep, jnp.int32)
    basis = Basis(chunks, projected, here, here, noise, jnp.zeros_like(noise), jnp.ones((), bool))
    return p._replace(basis=basis, newest=newest, previous=jnp.zeros_like(newest))


def _rotated(chunks: tuple[Any, ...], rotation: Any) -> tuple[Any, ...]:
    """rotation @ rows, tile by tile in place."""

    def tile(t: Any, chunks: tuple[Any, ...]) -> tuple[Any, ...]:
        cut = jnp.concatenate([jax.lax.dynamic_slice(c, (0, t * TILE), (ROWS, TILE)) for c in chunks])
        turned = rotation @ cut
        write = lambda p, c: jax.lax.dynamic_update_slice(c, turned[p * ROWS : (p + 1) * ROWS], (0, t * TILE))
        return tuple(write(p, c) for p, c in enumerate(chunks))

    return jax.lax.fori_loop(0, chunks[0].shape[1] // TILE, tile, chunks)
