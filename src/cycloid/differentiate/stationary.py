"""Many walks at once to where a gradient vanishes: Newton's method in the unit box, on its inside and on its faces.

A box is mapped to the unit box and the function is divided by the typical size of its gradient there, so that neither
units nor scale matter. With a constraint g = 0 the walks are in (u, μ) for the Lagrangian L = f − μ g, whose Hessian is
the bordered one. On a face some coordinates are held.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

# Shorter steps tried beside the full one; with them goes one damped step, which a flat direction cannot lead astray.
LENGTHS = (1.0, 0.5, 0.125)
DAMPING, LONGEST = 1e-2, 0.5
# Walks in one program.
BATCH = 256


@dataclass(frozen=True)
class OfVector:
    """A function of a pytree as one of the vector of its numbers; equal ones are compiled once.

    Args:
        function: of the pytree.
        structure, shapes: of the pytree.
    """

    function: Callable[[Any], Any]
    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    def tree(self, x: Any) -> Any:
        """The pytree of a vector."""
        leaves, at = [], 0
        for shape in self.shapes:
            size = math.prod(shape)
            leaves.append(x[at : at + size].reshape(shape))
            at += size
        return jax.tree.unflatten(self.structure, leaves)

    def __call__(self, x: Any) -> Any:
        value = jnp.asarray(self.function(self.tree(x)))
        if value.shape != ():
            raise ValueError(f"critical points are those of one number; the function returned the shape {value.shape}.")
        return value


class Frame(NamedTuple):
    """The unit box and the units of what is measured in it.

    Args:
        low, width: of the box.
        f_unit, g_unit: typical lengths of the gradients of f and g in the unit box.
    """

    low: Any
    width: Any
    f_unit: Any
    g_unit: Any


class Reached(NamedTuple):
    """Where the walks ended, a row each.

    Args:
        places: in the unit box, behind them μ with a constraint.
        gradients: the largest entry of the gradient there, in its typical unit.
        steps: the length of the Newton step that would come next.
        taken: how many were made.
    """

    places: Any
    gradients: Any
    steps: Any
    taken: Any


class Local(NamedTuple):
    """What the functions look like at some points, in the user's own units, a row a point.

    Args:
        values: of f.
        slopes: ∇f.
        curvatures: the Hessian of f, or of the Lagrangian f − λ g.
        borders: ∇g; without a constraint of no meaning.
        levels: g.
    """

    values: Any
    slopes: Any
    curvatures: Any
    borders: Any
    levels: Any


def as_vector_function(function: Callable[[Any], Any], like: Any) -> OfVector:
    """`function` of vectors, for points shaped like this one."""
    leaves, structure = jax.tree.flatten(like)
    return OfVector(function, structure, tuple(np.shape(leaf) for leaf in leaves))


def vector(tree: Any, dtype: Any) -> np.ndarray:
    """The numbers of a pytree in order."""
    return np.asarray(ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree))[0])


def spread(count: int, dims: int, shift: Any, skip: int = 0) -> np.ndarray:
    """Points that fill the unit box evenly: multiples of irrational steps, all shifted together.

    Reference: M. Roberts, The unreasonable effectiveness of quasirandom sequences, 2018.
    """
    golden = 2.0
    for _ in range(64):  # the root of x^(d + 1) = x + 1
        golden = (1.0 + golden) ** (1.0 / (dims + 1))
    steps = golden ** -np.arange(1.0, dims + 1.0)
    return (np.asarray(shift, float) + np.arange(skip + 1, skip + count + 1)[:, None] * steps) % 1.0


@functools.partial(jax.jit, static_argnums=0)
def typical(functions: tuple[Any, Any], points: Any, low: Any, width: Any) -> tuple[Any, Any, Any]:
    """Medians of the lengths of ∇f and ∇g and of the size of the Hessian of f, over points of the unit box."""
    f, g = functions

    def median(values: Any) -> Any:
        found = jnp.nanmedian(jnp.where(jnp.isfinite(values), values, jnp.nan))
        return jnp.where(found > 0, found, 1.0)

    def sizes(u: Any) -> tuple[Any, Any, Any]:
        inside = lambda h: lambda u: h(low + width * u)
        slope = jnp.linalg.norm(jax.grad(inside(f))(u))
        border = slope if g is None else jnp.linalg.norm(jax.grad(inside(g))(u))
        return slope, border, jnp.linalg.norm(jax.hessian(inside(f))(u))

    slopes, borders, bends = jax.vmap(sizes)(points)
    return (
        median(slopes),
        median(borders),
        jnp.nanmedian(jnp.where(jnp.isfinite(bends), bends, jnp.nan)) / median(slopes),
    )


def walks(functions: tuple[Any, Any], frame: Frame, starts: Any, masks: Any, max_steps: int) -> Reached:
    """Newton's method from every start for ∇L = 0, moving the coordinates that the mask leaves free.

    H = V Λ Vᵀ; the step is −V Λ⁺ Vᵀ ∇L, no longer than half the box, or a shorter or a damped one where that makes the
    gradient smaller. The best place of each walk counts. All batches have one size, so that one program serves.
    """
    ends = []
    for at in range(0, len(starts), BATCH):
        some, free = starts[at : at + BATCH], masks[at : at + BATCH]
        missing = BATCH - len(some)
        padded = np.concatenate([some, np.repeat(some[:1], missing, axis=0)])
        free = np.concatenate([free, np.repeat(free[:1], missing, axis=0)])
        ends.append(_batch(functions, frame, padded, free, np.int32(max_steps)))
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(p) for p in parts])[: len(starts)], *ends)


@functools.partial(jax.jit, static_argnums=0)
def _batch(functions: tuple[Any, Any], frame: Frame, starts: Any, masks: Any, max_steps: Any) -> Reached:
    return jax.vmap(lambda start, mask: _walk(functions, frame, start, mask, max_steps))(starts, masks)


def _walk(functions: tuple[Any, Any], frame: Frame, start: Any, mask: Any, max_steps: int) -> Reached:
    f, g = functions
    value = _lagrangian(f, g, frame)
    z = start if g is None else jnp.append(start, _first_multiplier(f, g, frame, start, mask))
    free = mask if g is None else jnp.append(mask, True)
    eps = jnp.finfo(z.dtype).eps

    def seen(z: Any) -> tuple[Any, Any, Any]:
        """The gradient, its size and the Hessian."""
        both = lambda z: (jax.grad(value)(z),) * 2
        bends, slope = jax.jacfwd(both, has_aux=True)(z)
        slope = jnp.where(free, slope, 0.0)
        size = jnp.max(jnp.abs(slope))
        fit = jnp.isfinite(size) & jnp.all(jnp.isfinite(bends))
        return slope, jnp.where(fit, size, jnp.inf), jnp.where(free[:, None] & free[None, :] & fit, bends, 0.0)

    def candidates(slope: Any, H: Any) -> tuple[Any, Any]:
        eigenvalues, V = jnp.linalg.eigh(H)
        largest = jnp.max(jnp.abs(eigenvalues))
        along = V.T @ slope
        usable = jnp.abs(eigenvalues) > 32 * eps * largest
        newton = -V @ jnp.where(usable, along / jnp.where(usable, eigenvalues, 1.0), 0.0)
        safe = jnp.where(largest > 0, DAMPING * largest**2, 1.0)
        damped = -V @ (along * eigenvalues / (eigenvalues**2 + safe))
        full = jnp.linalg.norm(newton)
        shortened = newton * jnp.minimum(1.0, LONGEST / jnp.where(full > 0, full, 1.0))
        return jnp.stack([*(t * shortened for t in LENGTHS), damped]), full

    def step(state: _Walk) -> _Walk:
        moves, full = candidates(state.slope, state.H)
        here = state.size <= state.best[1]
        best = jax.tree.map(lambda new, old: jnp.where(here, new, old), (state.z, state.size, full), state.best)
        slopes, sizes, bends = jax.vmap(seen)(state.z + moves)
        k = jnp.argmin(sizes)
        ends = (full <= 4 * eps) | jnp.isinf(sizes[k])
        return _Walk(state.z + moves[k], slopes[k], sizes[k], bends[k], best, state.taken + 1, ends)

    slope, size, H = seen(z)
    infinite = jnp.full((), jnp.inf, z.dtype)
    begin = _Walk(z, slope, size, H, (z, infinite, infinite), jnp.zeros((), jnp.int32), jnp.isinf(size))
    end = jax.lax.while_loop(lambda s: ~s.ends & (s.taken < max_steps), step, begin)
    return Reached(*end.best, end.taken)


class _Walk(NamedTuple):
    """Where one walk stands, what was seen there, and the best so far: place, gradient, next step."""

    z: Any
    slope: Any
    size: Any
    H: Any
    best: tuple[Any, Any, Any]
    taken: Any
    ends: Any


def _lagrangian(f: Any, g: Any, frame: Frame) -> Callable[[Any], Any]:
    def value(z: Any) -> Any:
        x = frame.low + frame.width * z[: frame.low.size]
        height = f(x) / frame.f_unit
        return height if g is None else height - z[-1] * g(x) / frame.g_unit

    return value


def _first_multiplier(f: Any, g: Any, frame: Frame, start: Any, mask: Any) -> Any:
    """The multiplier that makes ∇f − μ ∇g shortest at the start."""
    of = lambda h, unit: jax.grad(lambda u: h(frame.low + frame.width * u) / unit)(start)
    slope, border = (jnp.where(mask, part, 0.0) for part in (of(f, frame.f_unit), of(g, frame.g_unit)))
    length = border @ border
    found = (slope @ border) / jnp.where(length > 0, length, 1.0)
    return jnp.where(jnp.isfinite(found), found, 0.0)


def look(functions: tuple[Any, Any], points: np.ndarray, multipliers: np.ndarray, dtype: Any) -> Local:
    """Values and derivatives at points in the user's own coordinates, none of them too, as arrays of float64."""
    count = len(points)
    ends = []
    for at in range(0, max(count, 1), BATCH):
        missing = BATCH - len(points[at : at + BATCH])
        some = np.concatenate([points[at : at + BATCH], np.zeros((missing, points.shape[1]))])
        rises = np.concatenate([multipliers[at : at + BATCH], np.zeros(missing)])
        ends.append(_look(functions, np.asarray(some, dtype), np.asarray(rises, dtype)))
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(p, float) for p in parts])[:count], *ends)


@functools.partial(jax.jit, static_argnums=0)
def _look(functions: tuple[Any, Any], points: Any, multipliers: Any) -> Local:
    f, g = functions

    def at(x: Any, multiplier: Any) -> Local:
        if g is None:
            return Local(f(x), jax.grad(f)(x), jax.hessian(f)(x), jnp.zeros_like(x), jnp.zeros_like(f(x)))
        bend = jax.hessian(lambda x: f(x) - multiplier * g(x))(x)
        return Local(f(x), jax.grad(f)(x), bend, jax.grad(g)(x), g(x))

    return jax.vmap(at)(points, multipliers)
