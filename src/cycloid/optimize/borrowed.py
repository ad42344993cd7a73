"""Methods borrowed from optax: any of its transformations, with the learning rate in reach or sealed inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import equinox as eqx
import optax

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


def from_optax(
    transformation: optax.GradientTransformation | Callable[..., optax.GradientTransformation],
    *,
    name: str | None = None,
    learning_rate: Any = None,
    clip: float | None = None,
) -> FromOptax:
    """Any optax transformation as a method.

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
        return FromOptax(make=transformation, name=name or "optax", clip=clip)
    if not callable(transformation):
        raise TypeError(
            "from_optax takes an optax transformation such as optax.lion(1e-3), or the function that makes it, "
            f"optax.lion; it was a {type(transformation).__name__}."
        )
    if learning_rate is None:
        raise TypeError("a function that makes a transformation needs learning_rate=, such as 1e-3.")
    label = name or getattr(transformation, "__name__", "optax")
    return FromOptax(make=transformation, name=label, learning_rate=rate(learning_rate), clip=clip)
