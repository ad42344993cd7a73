"""Claims about derivatives, gradients and backpropagation."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.claims import FALSE, TRUE, Measured, claim


@claim(
    "derivative-of-a-cubic",
    "The derivative of y = x³ + 2x + 1 at x = 2 is 14.",
    source="a guide to calculus for AI",
    branch="differentiate",
)
def derivative_of_a_cubic() -> Measured:
    """By automatic differentiation, with the check's disagreement as the interval."""
    from cycloid.checks.operators import derivative

    card = derivative("x^3 + 2x + 1", 2.0)
    apart = max(card.disagreement, *(further.disagreement for further in card.further))
    right = card.agrees and abs(card.value - 14) <= apart + 1e-6
    return Measured(
        card.value,
        card.value - apart,
        card.value + apart,
        TRUE if right else FALSE,
        "Automatic differentiation, Cauchy's integral in the complex plane, differences and algebra agree within the "
        "interval.",
    )


@claim(
    "backpropagation-is-the-gradient",
    "Backpropagation, the chain rule run backwards, gives the exact gradient of a neural network.",
    source="an engineer's essay on calculus as a bridge",
    branch="differentiate",
)
def backpropagation_is_the_gradient() -> Measured:
    """A network of two hidden layers, its 130 partial derivatives against complex steps."""
    from cycloid.checks.differences import complex_step, flatten

    random, sizes = np.random.default_rng(0), (4, 8, 8, 2)
    layers = [(random.normal(size=(a, b)) / a**0.5, np.full(b, 0.1)) for a, b in itertools.pairwise(sizes)]
    x, y = random.normal(size=(16, 4)), random.normal(size=(16, 2))

    def loss(layers: list) -> jax.Array:
        h = x
        for weight, bias in layers[:-1]:
            h = jnp.tanh(h @ weight + bias)
        weight, bias = layers[-1]
        return jnp.mean((h @ weight + bias - y) ** 2)

    of_vector, point = flatten(loss, layers)
    slopes = np.asarray(jax.jit(jax.grad(of_vector))(point))
    second = complex_step(of_vector, point, np.eye(point.size))
    apart = float(np.linalg.norm(slopes - second) / np.linalg.norm(second))
    eps = float(jnp.finfo(point.dtype).eps)
    return Measured(
        apart, 0.0, 1000 * eps, TRUE if apart <= 1000 * eps else FALSE,
        f"Relative distance of the backpropagated gradient from {point.size} complex steps, one for each weight; the "
        f"last bit of a number is {eps:.1e} of it. Exact means: to rounding.",
    )  # fmt: skip


@claim(
    "differences-lose-digits",
    "Numerical differentiation by small differences is as good as automatic differentiation.",
    source="a lesson on calculus in AI applications",
    branch="differentiate",
)
def differences_lose_digits() -> Measured:
    """The best step of a central difference of exp at 1, against the derivative by JAX."""
    x = jnp.asarray(1.0)
    steps = x * 2.0 ** -jnp.arange(2.0, 50.0)
    truth = np.e if x.dtype == jnp.float64 else float(np.float32(np.e))
    quotients = (jnp.exp(x + steps) - jnp.exp(x - steps)) / ((x + steps) - (x - steps))
    differences = np.abs(np.asarray(quotients, float) - np.e) / np.e
    best = float(np.nanmin(differences))
    automatic = abs(float(jax.grad(jnp.exp)(x)) - truth) / np.e
    eps = float(jnp.finfo(x.dtype).eps)
    lost = float(np.log10(best / max(automatic, eps)))
    spread = float(np.log10(np.nanquantile(differences, 0.1) / best))
    return Measured(
        lost, lost, lost + spread, FALSE if lost > 1 else TRUE,
        f"Digits lost by the best of {len(steps)} step lengths for eˣ at 1: its error is {best:.1e}, that of automatic "
        f"differentiation {automatic:.1e}. The interval reaches to the best tenth of the step lengths.",
        "digits",
    )  # fmt: skip


@claim(
    "gradient-is-steepest",
    "The gradient points in the direction of steepest ascent.",
    source="a guide to calculus for AI",
    branch="differentiate",
)
def gradient_is_steepest() -> Measured:
    """The angle between the gradient and the steepest of many directions, on the circle of directions."""
    from cycloid.problems.landscapes import LANDSCAPES

    hill = LANDSCAPES["sleep-and-nutrition"]
    x = jnp.asarray(hill.start)
    angles = jnp.linspace(0, 2 * jnp.pi, 3601)[:-1]
    short = 1e-6
    rises = jax.vmap(lambda a: hill.function(x + short * jnp.array([jnp.cos(a), jnp.sin(a)])))(angles)
    slope = jax.grad(hill.function)(x)
    steepest = float(angles[jnp.argmax(rises)])
    apart = np.rad2deg(abs(np.angle(np.exp(1j * (float(jnp.arctan2(slope[1], slope[0])) - steepest)))))
    return Measured(
        float(apart), 0.0, 0.1, TRUE if apart <= 0.1 else FALSE,
        "Angle between the gradient and the best of 3600 directions tried by a short step, 0.1° apart, on the hill of "
        "sleep and nutrition. Steepest is meant per unit of length: another unit for one input turns the direction.",
        "degrees",
    )  # fmt: skip
