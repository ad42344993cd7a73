"""What a method of optimization is: a frozen configuration that makes one step at a time and knows no problem."""

import abc
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class Objective(eqx.Module):
    """A scalar function of a pytree, as methods see it.

    Args:
        value: x -> scalar.
    """

    value: Callable[[Any], Any]

    def value_and_grad(self, x: Any) -> tuple[Any, Any]:
        """The value at x, and its gradient with respect to the inexact arrays of x (None in place of other leaves)."""
        parameters, rest = split(x)
        return jax.value_and_grad(lambda p: self.value(eqx.combine(p, rest)))(parameters)


class Info(NamedTuple):
    """What a reader wants to know about one step; what the next step needs lives in the state.

    Attributes:
        value: the objective before the step.
        gradient: its gradient there.
        evaluations: how many evaluations the step took; a value with its gradient counts as one.
    """

    value: Any
    gradient: Any
    evaluations: Any


class AbstractMethod(eqx.Module):
    """A way to make one step downhill.

    A method is a pytree whose leaves are its learning rate: `jax.vmap` over `Adam(jnp.logspace(-4, 0, 16))` runs
    sixteen methods at once. All other options are plain numbers and part of the structure.

    Attributes:
        name: what it is called in `METHODS`, on the command line and in pictures.
        order: of the derivatives it uses.
        reference: author, title, year.
        best_for: one line for the table of methods.
        formula: the update in words of the field, g the gradient, η the learning rate, θ the parameters.
        transforms: the transformations it runs under.
    """

    name: ClassVar[str]
    order: ClassVar[int] = 1
    reference: ClassVar[str]
    best_for: ClassVar[str]
    formula: ClassVar[str]
    transforms: ClassVar[tuple[str, ...]] = ("jit", "vmap", "grad")

    @abc.abstractmethod
    def init(self, params: Any) -> Any:
        """The state before the first step."""

    @abc.abstractmethod
    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        """One step from `params`: (update, next state, info), to be applied by `apply_update`."""

    def notes(self, state: Any) -> dict[str, Any]:
        """What the method itself has to tell of its last step, scalars by name; most have nothing to add to `Info`."""
        return {}


class AbstractGradientMethod(AbstractMethod):
    """A method that needs nothing but gradients: an optax transformation with a learning rate and a clip.

    Attributes:
        learning_rate: a number, an array of them (for vmap), or an optax schedule, a function of the step count.
        clip: the largest global norm of a gradient; longer ones are shortened to it. None leaves them as they are.
    """

    learning_rate: eqx.AbstractVar[Any]
    clip: eqx.AbstractVar[float | None]

    @abc.abstractmethod
    def rule(self) -> optax.GradientTransformation:
        """The update rule, without clipping."""

    def transformation(self) -> optax.GradientTransformation:
        """This method as optax has it: clipping first, where asked for, then the rule."""
        return self.rule() if self.clip is None else optax.chain(optax.clip_by_global_norm(self.clip), self.rule())

    def init(self, params: Any) -> Any:
        """The optax state for the inexact arrays of `params`."""
        return self.transformation().init(split(params)[0])

    def update(self, gradient: Any, params: Any, state: Any, value: Any = None) -> tuple[Any, Any]:
        """(update, next state) for a gradient found elsewhere: what a training loop calls.

        Args:
            gradient: like `params`; leaves that are no inexact arrays are None.
            params: the parameters at which the gradient was taken.
            state: from `init` or the last update.
            value: the objective there, for the few transformations that ask for it.
        """
        parameters = split(params)[0]
        gradient = split(gradient)[0]
        transformation = optax.with_extra_args_support(self.transformation())
        try:
            update, new = transformation.update(gradient, state, parameters, value=value, grad=gradient)
        except TypeError as error:
            if "value_fn" not in str(error):
                raise
            raise TypeError(
                f"{self.name} evaluates the objective inside its update (a line search), where evaluations cannot "
                f"be counted: give the transformation linesearch=None and a learning rate."
            ) from error
        return _like(update, parameters), _like(new, state)

    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        """One step from `params` at the price of one value with its gradient."""
        value, gradient = objective.value_and_grad(params)
        update, state = self.update(gradient, params, state, value=value)
        return update, state, Info(value, gradient, jnp.ones((), jnp.int32))


def apply_update(params: Any, update: Any) -> Any:
    """params + update in the dtype of `params`; leaves without an update pass through.

    Example:
        >>> apply_update({"w": jnp.ones(2), "name": "layer"}, {"w": jnp.full(2, 0.5), "name": None})["w"].tolist()
        [1.5, 1.5]
    """

    def add(step: Any, leaf: Any) -> Any:
        return leaf if step is None else (leaf + step).astype(leaf.dtype)

    return jax.tree.map(add, update, params, is_leaf=lambda leaf: leaf is None)


def split(tree: Any) -> tuple[Any, Any]:
    """The parameters of a pytree (its inexact arrays) and the rest, each with None where the other has a leaf."""
    return eqx.partition(tree, eqx.is_inexact_array)


def scale_by_rate(learning_rate: Any, sign: float = -1.0) -> optax.GradientTransformation:
    """Multiply by sign * learning rate, in the dtype of each leaf, whether it is a number, an array or a schedule."""
    if callable(learning_rate):
        schedule: Callable[[Any], Any] = learning_rate
        return optax.scale_by_schedule(lambda count: sign * schedule(count))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.tree.map(lambda leaf: jnp.asarray(sign * learning_rate, leaf.dtype) * leaf, updates), state

    return optax.GradientTransformation(optax.init_empty_state, update)


def rate(value: Any) -> Any:
    """A learning rate made ready to be a field: numbers as floats, schedules as callables that jit and vmap carry.

    Raises:
        TypeError: when it is neither a number, an array of floats nor a schedule.
        ValueError: when it is negative or not finite.
    """
    if isinstance(value, jax.tree_util.Partial) or eqx.is_inexact_array(value):
        return value
    if callable(value):
        return jax.tree_util.Partial(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _in_range("learning_rate", float(value), 0.0, math.inf)
    raise TypeError(
        "learning_rate= is a number such as 0.01, an array of them for vmap, or an optax schedule such as "
        f"optax.cosine_decay_schedule(0.1, 1000); it was a {type(value).__name__}."
    )


def number(name: str, low: float = 0.0, high: float = math.inf, *, optional: bool = False) -> Callable[[Any], Any]:
    """A field converter: a plain number in [low, high), checked when the method is made; None where it is optional."""

    def convert(value: Any) -> Any:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(
                f"{name}= is a plain number: only the learning rate may be an array. It was a {type(value).__name__}. "
                f"To compare several, make one method for each and race them."
            )
        return _in_range(name, float(value), low, high)

    return convert


def option(name: str, low: float = 0.0, high: float = math.inf, *, default: float | None) -> Any:
    """The field of an option: a plain number in [low, high), fixed in the structure of the method."""
    check = number(name, low, high, optional=default is None)
    return eqx.field(default=default, static=True, kw_only=True, converter=check)


def _in_range(name: str, value: float, low: float, high: float) -> float:
    if not (low <= value < high):
        upper = "finite" if math.isinf(high) else f"below {high:g}"
        raise ValueError(f"{name}= is at least {low:g} and {upper}; it was {value}.")
    return value


def _like(tree: Any, model: Any) -> Any:
    """`tree` with the dtypes of `model`, so that a loop may carry it."""
    return jax.tree.map(lambda leaf, m: leaf.astype(m.dtype) if eqx.is_array(m) else leaf, tree, model)
