"""Planes through the space of parameters, at random, along the Hessian or a trajectory, and the surface over one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.curvature import spectrum

KINDS = ("random", "hessian", "trajectory")


class Plane(NamedTuple):
    """Two directions, with what is known of them.

    Args:
        first, second: shaped like the parameters; a coordinate of 1 is one of them.
        names: what the axes are called.
        facts: a number each: the eigenvalue, or the share of the trajectory's movement; None where there is none.
    """

    first: Any
    second: Any
    names: tuple[str, str]
    facts: tuple[float, float] | None = None


def random_plane(params: Any, key: Any, filters: str) -> Plane:
    """Two normal directions whose every filter has the length of the weights' filter; biases and scales stand still.

    Networks with rectifiers compute the same when one layer's weights grow and the next one's shrink: measured by the
    filters, the same step is as large for both.

    Reference: H. Li et al., Visualizing the loss landscape of neural nets, 2018.
    """
    leaves, structure = jax.tree.flatten(params)
    only_vectors = all(jnp.ndim(leaf) < 2 for leaf in leaves)

    def drawn(key: Any) -> Any:
        keys = jax.random.split(key, len(leaves))
        made = [_like_filters(each, leaf, filters, only_vectors) for each, leaf in zip(keys, leaves, strict=True)]
        return jax.tree.unflatten(structure, made)

    first, second = (drawn(each) for each in jax.random.split(key))
    return Plane(first, second, ("random direction 1", "random direction 2"))


def _like_filters(key: Any, weight: Any, filters: str, only_vectors: bool) -> Any:
    if jnp.ndim(weight) < 2 and not only_vectors:
        return jnp.zeros_like(weight)
    drawn = jax.random.normal(key, jnp.shape(weight), weight.dtype)
    own = (0 if filters == "first" else weight.ndim - 1) if jnp.ndim(weight) >= 2 else None
    over = tuple(axis for axis in range(weight.ndim) if axis != own)
    length = lambda x: jnp.sqrt(jnp.sum(jnp.square(x), axis=over, keepdims=True))
    return drawn * (length(weight) / jnp.maximum(length(drawn), jnp.finfo(weight.dtype).tiny))


def hessian_plane(loss: Callable[..., Any], params: Any, args: tuple, height: float, key: Any) -> Plane:
    """Along the two eigenvectors of largest magnitude, as far as doubles the loss by their curvature alone."""
    found = spectrum(loss, params, *args, k=2, key=key, probes=0)
    values = [float(each) for each in np.asarray(found.value)]
    size = math.sqrt(float(inner(params, params))) or 1.0

    def stretched(place: int) -> Any:
        step = min(math.sqrt(2 * max(abs(height), 1e-12) / max(abs(values[place]), 1e-30)), size)
        return jax.tree.map(lambda leaf: step * leaf[place], found.vectors)

    names = ("eigenvector of the largest curvature", "eigenvector of the second")
    return Plane(stretched(0), stretched(1), names, (values[0], values[1]))


def trajectory_plane(params: Any, trails: Mapping[str, Any]) -> Plane:
    """The plane that holds most of the movement of all trails together, each direction of length 1.

    Reference: E. Lorch, Visualizing deep network training trajectories with PCA, 2016.
    """
    moved = [jax.tree.map(lambda path, centre: path - centre, trail, params) for trail in trails.values()]
    stacked = jax.tree.map(lambda *paths: jnp.concatenate(paths), *moved)
    rows = [leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(stacked)]
    gram = np.asarray(sum(row @ row.T for row in rows), float)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1], vectors[:, ::-1]
    if len(values) < 2 or not values[1] > 1e-10 * values[0]:
        raise ValueError(
            "landscape: the trails lie on one straight line, which spans no plane: give longer ones, or "
            'directions="random".'
        )
    made = []
    for place in (0, 1):
        weights = vectors[:, place] / math.sqrt(values[place])
        sides = lambda leaf, weights=weights: jnp.tensordot(jnp.asarray(weights, leaf.dtype), leaf, axes=1)
        made.append(jax.tree.map(sides, stacked))
    shares = values[:2] / values.sum()
    names = ("principal direction 1", "principal direction 2")
    return Plane(made[0], made[1], names, (float(shares[0]), float(shares[1])))


def given_plane(params: Any, directions: Sequence[Any]) -> Plane:
    """Two directions of the user's."""
    if len(directions) != 2 or any(jax.tree.structure(each) != jax.tree.structure(params) for each in directions):
        raise ValueError(
            f"landscape: directions is one of {', '.join(KINDS)}, or a pair of trees shaped like the parameters."
        )
    first, second = (jax.tree.map(jnp.asarray, each) for each in directions)
    return Plane(first, second, ("direction 1", "direction 2"))


def inner(a: Any, b: Any) -> Any:
    """The scalar product of two trees."""
    return sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def coordinates(params: Any, trail: Any, plane: Plane) -> tuple[np.ndarray, float]:
    """Where the points of a trail lie when seen from above the plane, and the share of its movement that is seen.

    The nearest point of the plane: the directions need not be orthogonal.
    """
    moved = jax.tree.map(lambda path, centre: path - centre, trail, params)
    along = lambda direction: np.asarray(jax.vmap(lambda row: inner(row, direction))(moved), float)
    sides = (plane.first, plane.second)
    gram = np.array([[float(inner(a, b)) for b in sides] for a in sides])
    found = np.linalg.solve(gram, np.stack([along(each) for each in sides])).T
    whole = float(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(moved)))
    seen = float(np.einsum("ni,ij,nj->", found, gram, found))
    return found, seen / whole if whole else 1.0


# --- between the points ---------------------------------------------------------------------------------------------


@jax.jit
def interpolated(values: Any, sides: Any, point: Any) -> Any:
    """Cubic convolution on a regular grid."""
    last = values.shape[0] - 1
    place = (point - sides[:, 0]) / (sides[:, -1] - sides[:, 0]) * last
    place = jnp.clip(place, 0.0, last)
    whole = jnp.clip(jnp.floor(place), 0, last - 1).astype(int)
    part = place - whole
    # Beyond the edge the ground goes on straight.
    ground = jnp.pad(values, 1, mode="reflect", reflect_type="odd")
    patch = jax.lax.dynamic_slice(ground, (whole[1], whole[0]), (4, 4))
    return _cubic(part[1]) @ patch @ _cubic(part[0])


def _cubic(t: Any) -> Any:
    """Weights of the four neighbours."""
    return jnp.stack([t * (-0.5 + t * (1 - 0.5 * t)), 1 + t * t * (1.5 * t - 2.5), t * (0.5 + t * (2 - 1.5 * t)),
                      t * t * (0.5 * t - 0.5)])  # fmt: skip


def between(values: np.ndarray, sides: np.ndarray) -> float:
    """How far the surface between the points may be off.

    From every second point the points between are interpolated. Half the distance makes that error half as large at a
    kink, and eight times smaller where the loss is smooth.
    """
    coarse, places = values[::2, ::2], sides[:, ::2]
    inside = np.stack(np.meshgrid(sides[0][: 2 * len(places[0]) - 1], sides[1][: 2 * len(places[1]) - 1]), axis=-1)
    found = jax.vmap(lambda p: interpolated(jnp.asarray(coarse), jnp.asarray(places), p))(
        jnp.asarray(inside.reshape(-1, 2))
    )
    apart = np.abs(np.asarray(found, float).reshape(inside.shape[:2]) - values[: inside.shape[0], : inside.shape[1]])
    return float(np.nanmax(np.where(np.isfinite(apart), apart, np.nan), initial=0.0)) / 2
