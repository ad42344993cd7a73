"""Extreme eigenvalues of a symmetric operator: thick-restart block Lanczos, in one compiled program.

A step makes BLOCK products and takes the part in the basis out of them, on the rows that are filled alone: a block
reads these twice, where single vectors would read them BLOCK times as often. The basis lies tile by tile, TILE columns
of all its rows together: rows far apart push each other out of the caches. All coefficients of that projection are
kept. The projected operator H is therefore what the products really gave, noise and loss of symmetry included, and
residuals follow from it: single-precision products of a trained network are often noisier than their size tells, and
recurrences that trust symmetry then report eigenvalues that are none. A full basis is replaced by the best of its Ritz
vectors. An eigenvalue repeated up to BLOCK times is found as often.

Reference: K. Wu and H. Simon, Thick-restart Lanczos method for large symmetric eigenvalue problems, SIAM J. Matrix
Analysis and Applications 22, 2000; G. H. Golub and R. Underwood, The block Lanczos method for computing eigenvalues,
1977.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

# Vectors that are multiplied together.
BLOCK = 4
# Rows of a basis come in so many.
ROWS = 16
# Columns of a tile: with all its rows it fits a core's second cache.
TILE = 2048
# The filled rows are read up to a multiple of this, or of more where a basis is so long that it took more programs.
READ, PROGRAMS = 8, 12
# A direction shorter than this share of the product it came from carries rounding along the basis: projected again.
CLEAN = 0.05
# How many units in the last place a product and the sums over its long vectors may be off.
NOISE = 4.0

Product = Callable[[Any], Any]


class Progress(NamedTuple):
    """Where a run stands.

    Args:
        basis: orthonormal rows V, of shape (tiles, rows, TILE).
        newest: the block whose products come next, of shape (BLOCK, n); stands in the basis as well.
        last: the first row of that block: so many products are known.
        projected: H with A v_j = Σ_i H_ij v_i for those j, shape (rows, rows).
        values, residuals, rotation: of the Ritz pairs, largest magnitude first; rows of `rotation` are coefficients.
        products: how many were made.
        finished: whether all residuals are allowed, or something is not finite.
    """

    basis: Any
    newest: Any
    last: Any
    projected: Any
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


def padded(n: int) -> int:
    """The length of vectors that `extreme_eigenvalues` takes for a dimension n."""
    return -(-n // TILE) * TILE


def extreme_eigenvalues(
    product: Product, start: Any, *, k: int, n: int, rows: int, allowed: Callable[[Any], Any], max_products: Any
) -> Found:
    """The k eigenvalues of largest magnitude of a symmetric operator.

    Args:
        product: vector -> vector, of length `padded(n)`, with zeros behind the first n entries.
        start: BLOCK random vectors of that kind; turned round, they are the fresh directions where an invariant
            subspace ends.
        k: how many.
        n: the dimension.
        rows: of the basis; a multiple of ROWS, at least k + 3 BLOCK and less than n.
        allowed: eigenvalues, largest magnitude first -> the residuals allowed.
        max_products: where to stop.
    """
    spare = start[:, :n]
    first = jax.lax.fori_loop(0, 2, lambda _, block: _orthonormal(block, _gram(block))[0], start)
    basis = jnp.zeros((start.shape[1] // TILE, rows, TILE), start.dtype)
    zero, none = jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    begin = Progress(
        _put(basis, zero, first), first, zero, jnp.zeros((rows, rows), start.dtype), jnp.zeros(k, start.dtype),
        jnp.full(k, jnp.inf, start.dtype), jnp.eye(rows, dtype=start.dtype), zero, none,
    )  # fmt: skip
    unfinished = lambda p: ~p.finished & (p.products + BLOCK <= max_products)

    def cycle(p: Progress) -> Progress:
        going = lambda p: unfinished(p) & (p.last + BLOCK < rows)
        p = jax.lax.while_loop(going, lambda p: _look(_step(p, product, spare), k, allowed), p)
        return _when(unfinished(p), lambda p: _restart(p, k), p)

    end = jax.lax.while_loop(unfinished, cycle, begin)
    vectors = _combined(end.basis, end.rotation[:k])
    return Found(end.values, end.residuals, vectors, end.products, end.finished & jnp.all(jnp.isfinite(end.values)))


# --- one step -------------------------------------------------------------------------------------------------------


class _Cleaning(NamedTuple):
    """A block on its way to orthonormal rows: image = coefficientsᵀ V + coupling block, in every turn."""

    block: Any
    coefficients: Any
    coupling: Any
    turn: Any
    poor: Any


def _step(p: Progress, product: Product, spare: Any) -> Progress:
    """The next block from the products with the newest."""
    j, image = p.last, jax.lax.map(product, p.newest)
    size = jnp.max(jnp.abs(p.projected))
    begin = _Cleaning(
        image, jnp.zeros((len(p.projected), BLOCK), image.dtype), jnp.eye(BLOCK, dtype=image.dtype), jnp.zeros_like(j),
        jnp.ones((), bool),
    )  # fmt: skip

    def turn(c: _Cleaning) -> _Cleaning:
        left, taken, gram = _cleaned(p.basis, j + BLOCK, c.block)
        fresh, mixing = _orthonormal(left, gram)
        first = c.turn == 0
        # What later turns take out of unit vectors is rounding, and forgotten.
        coefficients = jnp.where(first, taken, c.coefficients)
        lengths = jnp.linalg.norm(mixing, axis=0)
        most = jnp.maximum(size, jnp.max(jnp.abs(coefficients)))
        exhausted = first & ((lengths <= NOISE * jnp.finfo(image.dtype).eps * most) | (most == 0))
        fill = lambda turn, rows: jnp.where(exhausted[:, None], _turned(spare, rows, p.products + turn), rows)
        fresh = jax.lax.fori_loop(0, jnp.any(exhausted).astype(jnp.int32), fill, fresh)
        long = jnp.sqrt(jnp.max(jnp.sum(coefficients**2, axis=0)))
        poor = jnp.where(first, jnp.any(exhausted) | jnp.any(lengths < CLEAN * long), c.poor)
        coupling = c.coupling @ jnp.where(exhausted, 0.0, mixing)
        return _Cleaning(fresh, coefficients, coupling, c.turn + 1, poor)

    done = jax.lax.while_loop(lambda c: c.poor & (c.turn < 3), turn, begin)
    projected = jax.lax.dynamic_update_slice_in_dim(p.projected, done.coefficients, j, 1)
    projected = jax.lax.dynamic_update_slice(projected, done.coupling.T, (j + BLOCK, j))
    return p._replace(
        basis=_put(p.basis, j + BLOCK, done.block), newest=done.block, last=j + BLOCK, projected=projected,
        products=p.products + BLOCK,
    )  # fmt: skip


def _orthonormal(block: Any, gram: Any) -> tuple[Any, Any]:
    """Orthonormal rows X and the square M with M X = block; for a block of low rank some rows of X are rounding."""
    squares, turned = jnp.linalg.eigh((gram + gram.T) / 2)
    lengths = jnp.sqrt(jnp.maximum(squares, 0.0))
    safe = jnp.where(lengths > 0, lengths, 1.0)
    return (turned / safe).T @ block, turned * lengths


def _gram(block: Any) -> Any:
    return jnp.stack([block @ row for row in block])


def _cleaned(basis: Any, filled: Any, block: Any) -> tuple[Any, Any, Any]:
    """A block without its components along the first rows, these components, and the products of what is left."""
    rows = basis.shape[1]
    every = max(READ, -(-rows // PROGRAMS))

    def reading(count: int) -> Callable[[Any], tuple[Any, Any, Any]]:
        some = lambda t: jax.lax.dynamic_slice(basis, (t, 0, 0), (1, count, TILE))[0]

        def cleaned(block: Any) -> tuple[Any, Any, Any]:
            add = lambda t, sum: sum + _tile(block, t) @ some(t).T
            found = _over_tiles(basis, add, jnp.zeros((BLOCK, count), block.dtype))
            # Rows behind the filled ones are remains of an earlier cycle.
            found = jnp.where(jnp.arange(count) < filled, found, 0.0)

            def subtract(t: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
                block, gram = state
                left = _tile(block, t) - found @ some(t)
                return jax.lax.dynamic_update_slice(block, left, (0, t * TILE)), gram + left @ left.T

            left, gram = _over_tiles(basis, subtract, (block, jnp.zeros((BLOCK, BLOCK), block.dtype)))
            return left, jnp.pad(found, ((0, 0), (0, rows - count))).T, gram

        return cleaned

    counts = [*range(every, rows, every), rows]
    return jax.lax.switch((filled - 1) // every, [reading(count) for count in counts], block)


def _turned(spare: Any, like: Any, places: Any) -> Any:
    """The spare vectors with entries shifted round: other generic directions, and no random numbers to make."""
    shifted = jnp.roll(spare, places + 1, axis=1)
    return jnp.zeros_like(like).at[:, : spare.shape[1]].set(shifted / jnp.linalg.norm(shifted, axis=1, keepdims=True))


def _put(basis: Any, row: Any, block: Any) -> Any:
    """The basis with a block of rows written, in place."""
    write = lambda t, basis: jax.lax.dynamic_update_slice(basis, _tile(block, t)[None], (t, row.astype(t.dtype), 0))
    return _over_tiles(basis, write, basis)


def _tile(block: Any, t: Any) -> Any:
    return jax.lax.dynamic_slice(block, (0, t * TILE), (block.shape[0], TILE))


def _over_tiles(basis: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
    return jax.lax.fori_loop(0, basis.shape[0], step, state)


def _when(flag: Any, change: Callable[[Any], Any], state: Any) -> Any:
    """`change(state)` where the flag holds; a loop of at most one turn, because branches of a `cond` are copied."""
    return jax.lax.fori_loop(0, jnp.asarray(flag, jnp.int32), lambda _, state: change(state), state)


# --- Ritz values ----------------------------------------------------------------------------------------------------


def _look(p: Progress, k: int, allowed: Callable[[Any], Any]) -> Progress:
    """The Ritz values, their residuals, and whether they are small enough."""
    return jax.lax.cond(p.last >= k, lambda p: _ritz(p, k, allowed), lambda p: p, p)


def _ritz(p: Progress, k: int, allowed: Callable[[Any], Any]) -> Progress:
    H = p.projected
    inside = jnp.arange(H.shape[0]) < p.last
    known = jnp.where(inside[:, None] & inside[None, :], H, 0.0)
    values, vectors = jnp.linalg.eigh((known + known.T) / 2)
    # A row outside the basis gives an eigenvalue 0 with a vector that lies on it: it comes last, whatever its value.
    belongs = jnp.sum(jnp.where(inside[:, None], vectors, 0.0) ** 2, axis=0) > 0.5
    order = jnp.argsort(jnp.where(belongs, -jnp.abs(values), 1.0))
    values, vectors = values[order], jnp.where(inside[:, None], vectors[:, order], 0.0)
    # A y − θ y has a part out of the basis, along the newest block, and one in it: what H lacks of symmetry.
    out = jax.lax.dynamic_slice_in_dim(H, p.last, BLOCK) @ vectors[:, :k]
    within = (known - known.T) / 2 @ vectors[:, :k]
    residuals = jnp.sqrt(jnp.sum(out**2, axis=0) + jnp.sum(within**2, axis=0))
    residuals = residuals + 2 * NOISE * jnp.finfo(H.dtype).eps * jnp.abs(values[0])
    values_k = values[:k]
    finished = jnp.all(residuals <= allowed(values_k)) | ~jnp.all(jnp.isfinite(values_k))
    return p._replace(values=values_k, residuals=residuals, rotation=vectors.T, finished=finished)


def _restart(p: Progress, k: int) -> Progress:
    """The best Ritz vectors and the newest block in place of the whole basis."""
    H, rows = p.projected, p.rotation.shape[0]
    keep = -(-(k + (rows - BLOCK - k) // 3) // BLOCK) * BLOCK
    rotation = p.rotation[:keep]
    inside = jnp.where(jnp.arange(rows)[:, None] < p.last, H, 0.0)
    projected = jnp.zeros_like(H).at[:keep, :keep].set(rotation @ inside @ rotation.T)
    out = jax.lax.dynamic_slice_in_dim(H, p.last, BLOCK)
    projected = projected.at[keep : keep + BLOCK, :keep].set(out @ rotation.T)
    here = jnp.asarray(keep, jnp.int32)
    return p._replace(basis=_put(_rotated(p.basis, rotation), here, p.newest), last=here, projected=projected)


def _rotated(basis: Any, rotation: Any) -> Any:
    """rotation @ rows in place of the first rows."""
    turned = lambda t, basis: jax.lax.dynamic_update_slice(basis, (rotation @ basis[t])[None], (t, 0, 0))
    return _over_tiles(basis, turned, basis)


def _combined(basis: Any, rotation: Any) -> Any:
    """rotation @ rows, the rows left as they are."""
    out = jnp.zeros((rotation.shape[0], basis.shape[0] * TILE), basis.dtype)
    write = lambda t, out: jax.lax.dynamic_update_slice(out, rotation @ basis[t], (0, t * TILE))
    return _over_tiles(basis, write, out)
