"""What the tests of methods share: one compiled walk, and methods tuned so that they settle."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from cycloid.optimize import (
    BFGS,
    LBFGS,
    METHODS,
    SGD,
    AbstractGradientMethod,
    Adagrad,
    Adam,
    AdamW,
    BarzilaiBorwein,
    ConjugateGradient,
    GradientDescent,
    HessianFree,
    Momentum,
    Nesterov,
    Newton,
    Objective,
    RMSprop,
    TrustRegion,
    apply_update,
)

GRADIENT_METHODS = [name for name, cls in METHODS.items() if issubclass(cls, AbstractGradientMethod)]

# Each settles on a bowl of curvatures 1 to 4 within 800 steps.
SETTLED = {
    "gradient-descent": GradientDescent(0.2),
    "sgd": SGD(0.2),
    "momentum": Momentum(0.05, momentum=0.8),
    "nesterov": Nesterov(0.05, momentum=0.8),
    "adagrad": Adagrad(1.0),
    "rmsprop": RMSprop(optax.exponential_decay(0.1, 1, 0.97)),
    "adam": Adam(optax.exponential_decay(0.2, 1, 0.99)),
    "adamw": AdamW(optax.exponential_decay(0.2, 1, 0.99), weight_decay=0.0),
    "barzilai-borwein": BarzilaiBorwein(),
    "conjugate-gradient": ConjugateGradient(),
    "lbfgs": LBFGS(),
    "bfgs": BFGS(),
    "newton": Newton(),
    "trust-region": TrustRegion(),
    "hessian-free": HessianFree(),
}


@eqx.filter_jit
def walk(method: Any, value: Any, start: Any, steps: int, *arguments: Any) -> Any:
    """The points after 0 ... steps steps on x -> value(x, *arguments), stacked."""
    objective = Objective(lambda x: value(x, *arguments))

    def step(carry: Any, _: None) -> Any:
        x, state = carry
        update, state, _ = method.step(objective, x, state)
        return (apply_update(x, update), state), x

    (x, _), points = jax.lax.scan(step, (start, method.init(start)), None, length=steps)
    return jax.tree.map(lambda many, one: jnp.concatenate([many, one[None]]), points, x)


def quadratic(x: Any, hessian: Any, centre: Any) -> Any:
    """½ (x − c)ᵀ H (x − c)."""
    return (x - centre) @ hessian @ (x - centre) / 2
