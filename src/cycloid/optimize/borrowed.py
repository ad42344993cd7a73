"""Methods borrowed from optax: any of its transformations, with the learning rate in reach or sealed inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from cycloid.optimize.descents import AbstractDescent, Local, Move, Stand
from cycloid.optimize.methods import AbstractGradientMethod, option, rate


@final
class FromOptax(AbstractGradientMethod):
    """An optax transformation as a method; made by `from_optax`."""

    reference: ClassVar[str] = "the optax transformation's own documentation"
    best_for: ClassVar[str] = "whatever the transformation is best for"
    formula: ClassVar[str] = "as optax defines it"
    make: Callable[..., optax.GradientTransformation] | optax.GradientTransformation = eqx.field(static=True)
    name: str = eqx.field(static=True)  # pyright: ignore[reportIncompatibleVariableOverride]
    learning_rate: Any = None
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """The transformation itself."""
        made = self.make if isinstance(self.make, optax.GradientTransformation) else self.make(self.learning_rate)
        if not isinstance(made, optax.GradientTransformation):
            raise TypeError(f"{self.name}(learning_rate) returned a {type(made).__name__}, no optax transformation.")
        return made


@final
class SearchFromOptax(AbstractDescent):
    """An optax transformation with a line search inside, such as `optax.lbfgs()`; made by `from_optax`.

    It evaluates the objective within its update, which only `minimize` and races can give it: a training loop, where
    the objective changes from batch to batch, cannot.
    """

    reference: ClassVar[str] = "the optax transformation's own documentation"
    best_for: ClassVar[str] = "whatever the transformation is best for"
    formula: ClassVar[str] = "as optax defines it"
    make: optax.GradientTransformation = eqx.field(static=True)
    name: str = eqx.field(static=True)  # pyright: ignore[reportIncompatibleVariableOverride]

    def remember(self, x: Any) -> Any:
        """The state of the transformation."""
        return self.make.init(x)

    def move(self, local: Local, stand: Stand) -> Move:
        """One update: an evaluation for each trial of its search, and one where it ends unless the search kept it."""
        value_of = lambda x: local.value(x - local.x)
        known = {"value": stand.value, "grad": stand.gradient, "value_fn": value_of}
        update: Any = optax.with_extra_args_support(self.make).update
        step, memory = update(stand.gradient, stand.memory, local.x, **known)
        memory = jax.tree.map(lambda new, old: new.astype(old.dtype), memory, stand.memory)
        trials = optax.tree.get(memory, "num_linesearch_steps")
        value, gradient = optax.tree.get(memory, "value"), optax.tree.get(memory, "grad")
        cost = jnp.asarray(trials, jnp.int32)
        if value is None or gradient is None:
            value, gradient = local.value_and_grad(step)
            cost = cost + 1
        # A search that found nothing lower leaves the point: the update is zero or not finite.
        stuck = ~jnp.all(jnp.isfinite(step))
        step = jnp.where(stuck, 0.0, step)
        return Move(step, Stand(value, gradient, stand.floor, stuck, memory), cost)


def from_optax(
    transformation: optax.GradientTransformation | Callable[..., optax.GradientTransformation],
    *,
    name: str | None = None,
    learning_rate: Any = None,
    clip: float | None = None,
) -> FromOptax | SearchFromOptax:
    """Any optax transformation as a method, line searches such as `optax.lbfgs()` among them.

    Args:
        transformation: as it is, `optax.lion(1e-3)`; or the function that makes it from a learning rate,
            `optax.lion`, so that races can tune the rate and vmap can sweep it.
        name: what to call it in tables; the function's name, else "optax".
        learning_rate: for a function, what to call it with.
        clip: the largest global norm of a gradient; None leaves it alone.

    Raises:
        TypeError: when it is neither, or a function comes without a learning rate.
        ValueError: when a transformation comes with a learning rate, which it would not use.

    Example:
        >>> import optax
        >>> from cycloid.optimize import from_optax
        >>> from_optax(optax.lion, learning_rate=0.01).name
        'lion'
    """
    if isinstance(transformation, optax.GradientTransformation):
        if learning_rate is not None:
            raise ValueError(
                "a finished transformation keeps its own learning rate: pass the function that makes it "
                "(optax.lion, not optax.lion(1e-3)) together with learning_rate=."
            )
        if _searches(transformation):
            if clip is not None:
                raise ValueError("a line search needs the gradient as it is: leave clip= out.")
            return SearchFromOptax(make=transformation, name=name or "optax-search")
        return FromOptax(make=transformation, name=name or "optax", clip=clip)
    if not callable(transformation):
        raise TypeError(
            "from_optax takes an optax transformation such as optax.lion(1e-3), or the function that makes it, "
            f"optax.lion; it was a {type(transformation).__name__}."
        )
    if learning_rate is None:
        raise TypeError("a function that makes a transformation needs learning_rate=, such as 1e-3.")
    label = name or getattr(transformation, "__name__", "optax")
    if isinstance(learning_rate, (int, float)) and _searches(made := transformation(learning_rate)):
        return SearchFromOptax(make=made, name=label)
    return FromOptax(make=transformation, name=label, learning_rate=rate(learning_rate), clip=clip)


def _searches(transformation: Any) -> bool:
    """Whether its update asks for the objective itself."""
    if not isinstance(transformation, optax.GradientTransformation):
        return False
    x = jnp.zeros(1)
    update: Any = optax.with_extra_args_support(transformation).update
    try:
        jax.eval_shape(lambda: update(x, transformation.init(x), x, value=jnp.zeros(()), grad=x))
    except TypeError as error:
        return "value_fn" in str(error)
    except Exception:  # made for another kind of parameters than a vector: then it is no search of the usual kind
        return False
    return False
