"""Spectra found again: from the whole matrix where it fits, else by fresh products of another kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.checks.cards import Card, compare, resting_on, unchecked
from cycloid.checks.registry import register
from cycloid.core.functions import as_function
from cycloid.core.results import Question
from cycloid.differentiate.arguments import parameters
from cycloid.differentiate.curvature import Spectrum
from cycloid.differentiate.products import FAMILIES, hvp

# Up to so many parameters the whole matrix is made.
WHOLE = 256
# Eigenvectors multiplied again, and random signs for the trace, where it is not.
VECTORS, PROBES = 8, 16
# Two methods may differ by so many last bits of the largest eigenvalue: a network rounds at each of its operations.
LAST_BITS = 1e4


@register(Spectrum)
def check_spectrum(result: Spectrum, question: Question) -> Card:
    """The eigenvalues and the trace by a second method.

    Up to 256 parameters: the whole matrix and LAPACK. Above: products by reverse over reverse mode with up to eight
    eigenvectors, and Hutchinson's estimate of the trace with fresh signs. That no larger eigenvalue was missed is
    checked only with the whole matrix.

    Cost: as many products as there are parameters; above 256 parameters, 24.
    """
    if np.ndim(result.status.code):
        raise ValueError("this is a batch: check one member, jax.tree.map(lambda leaf: leaf[0], result), question=….")
    if "params" not in question.arguments:
        raise ValueError(
            "a spectrum is checked with what was asked: pass question=Question(loss, {'params': params, 'args': ()})."
        )
    point, product = _product(question)
    values, errors = np.asarray(result.value, float), np.asarray(result.error, float)
    slack = LAST_BITS * float(jnp.finfo(point.dtype).eps) * float(np.abs(values).max(initial=0.0))
    check = _by_the_matrix if point.size <= WHOLE else _by_products
    return check(result, point, product, values, errors, slack)


def _product(question: Question) -> tuple[Any, Callable[[Any], Any]]:
    """The parameters as a vector, and products with the matrix in another way than the spectrum's own."""
    asked = question.arguments
    chosen, rest = parameters(asked["params"], "check")
    vector, restore = ravel_pytree(jax.tree.map(jnp.asarray, chosen))
    args, operator = tuple(asked.get("args", ())), asked.get("operator", "hessian")
    if asked.get("matvec") is not None:
        matvec = asked["matvec"]
        return vector, lambda v: ravel_pytree(matvec(restore(v)))[0]
    name = question.function
    loss = FAMILIES[name] if operator == "fisher" and name in FAMILIES else as_function(name)
    if operator == "hessian":
        return vector, lambda v: ravel_pytree(hvp(loss, mode="reverse")(asked["params"], restore(v), *args))[0]
    network = as_function(asked["model"], "model")
    model = lambda w: network(restore(w) if rest is None else eqx.combine(restore(w), rest), *args)

    def gauss_newton(v: Any) -> Any:
        outputs, moved = jax.jvp(model, (vector,), (v,))
        return jax.vjp(model, vector)[1](hvp(loss, mode="reverse")(outputs, moved))[0]

    return vector, gauss_newton


def _by_the_matrix(
    result: Spectrum, point: Any, product: Any, values: np.ndarray, errors: np.ndarray, slack: float
) -> Card:
    matrix = np.asarray(jax.jit(lambda: jax.lax.map(product, jnp.eye(point.size, dtype=point.dtype)))(), float)
    if not np.all(np.isfinite(matrix)):
        return unchecked("the largest eigenvalues", "Lanczos", values.tolist(), "The matrix is not finite here.")
    every = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    # Values of one size and two signs come in either order: each is compared in order of size.
    again = every[np.argsort(-np.abs(every), kind="stable")][: values.size]
    card = compare(
        f"the {values.size} eigenvalues of largest magnitude, largest first", "products H v, by Lanczos",
        "the whole matrix by another mode, LAPACK", np.sort(values)[::-1], np.sort(again)[::-1],
        allowance=slack + float(errors.max()),
        sentence="No eigenvalue of the whole matrix was missed, and none is made up.",
    )  # fmt: skip
    return resting_on(card, _trace_card(result, float(np.trace(matrix)), 0.0, slack * point.size**0.5))


def _by_products(
    result: Spectrum, point: Any, product: Any, values: np.ndarray, errors: np.ndarray, slack: float
) -> Card:
    count = min(VECTORS, values.size)
    chosen = np.unique(np.linspace(0, values.size - 1, count).round().astype(int))
    rows = [ravel_pytree(jax.tree.map(lambda leaf, at=at: leaf[at], result.vectors))[0] for at in chosen]
    times = jax.jit(product)
    images = [np.asarray(times(row), float) for row in rows]
    rows = [np.asarray(row, float) for row in rows]
    quotients = np.array([row @ image / (row @ row) for row, image in zip(rows, images, strict=True)])
    left = [image - value * row for image, value, row in zip(images, values[chosen], rows, strict=True)]
    residuals = np.array([np.linalg.norm(rest) for rest in left])
    card = compare(
        f"{len(chosen)} of the {values.size} eigenvalues, largest first", "block Lanczos",
        "vᵀ H v with products by another mode", values[chosen], quotients,
        allowance=slack + float(errors[chosen].max()),
        sentence="Whether a larger eigenvalue was missed cannot be seen from products with those that were found.",
    )  # fmt: skip
    found = compare(
        "the residuals ‖H v − λ v‖ are not larger than said", "from the projected matrix", "by fresh products",
        float(errors[chosen].max()), float(residuals.max()),
        allowance=slack + float(errors[chosen].max()),
    )  # fmt: skip
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(PROBES, point.size))
    sums = [sign @ np.asarray(times(jnp.asarray(sign, point.dtype)), float) for sign in signs]
    scatter = float(np.std(sums, ddof=1) / PROBES**0.5)
    return resting_on(card, found, _trace_card(result, float(np.mean(sums)), scatter, slack * point.size**0.5))


def _trace_card(result: Spectrum, trace: float, scatter: float, slack: float) -> Card:
    claimed, error = float(np.asarray(result.trace)), float(np.asarray(result.trace_error))
    second = f"Hutchinson with {PROBES} fresh signs" if scatter else "the diagonal"
    if not np.isfinite(claimed + error):
        return unchecked(
            "the trace", "none", claimed, "The trace, or its error, was not asked for: probes= at least 2."
        )
    return compare(
        "the trace, the sum of all eigenvalues", "eigenvalues and random vectors", second, claimed, trace,
        allowance=slack + 5.0 * float(np.hypot(error, scatter)),
        sentence="Allowed: five standard errors of both." if error or scatter else "",
    )  # fmt: skip
