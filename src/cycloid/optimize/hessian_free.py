"""Hessian-free optimization: Newton's step by conjugate gradients on products with the curvature of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp

from cycloid.optimize.damped_systems import adapted, backtrack, conjugate_gradients, shorten
from cycloid.optimize.kronecker_factors import apply_inverses, factors, inverses
from cycloid.optimize.methods import AbstractGradientMethod, Info, Objective, option
from cycloid.optimize.model_objectives import AbstractCurvatureMethod, Flat, ModelObjective

PRECONDITIONERS = ("none", "diagonal", "kfac")
# A step whose predicted change is below this many roundings of |f| is not judged by f.
ROUNDINGS = 10
# Of the sum of squares that estimates the diagonal of the curvature.
SAMPLES = 8
# The conjugate gradients of the next step begin at this share of the last solution.
DECAY = 0.95


class _Told(NamedTuple):
    damping: Any  # λ in the last step
    cg_iterations: Any
    reduction_ratio: Any  # the fall of the loss over the fall that the model promised; NaN where rounding hides it


class _State(NamedTuple):
    count: Any
    damping: Any  # λ for the next step
    warm: Any  # where the next conjugate gradients begin
    starter: Any
    told: _Told


class Whole:
    """A field converter: a positive whole number, or None where that is allowed."""

    def __init__(self, name: str, least: int = 1, *, optional: bool = False):
        self.name, self.least, self.optional = name, least, optional

    def __call__(self, value: Any) -> int | None:
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{self.name}= is a whole number; it was {value!r}.")
        if value < self.least:
            raise ValueError(f"{self.name}= is at least {self.least}; it was {value}.")
        return value


def whole(name: str, default: int | None, least: int = 1) -> Any:
    """The field of an option that is a whole number, or None where that is the default."""
    convert = Whole(name, least, optional=default is None)
    return eqx.field(default=default, static=True, kw_only=True, converter=convert)


@final
class HessianFree(AbstractCurvatureMethod):
    """Hessian-free optimization: θ ← θ + a p, p nearly the minimum of gᵀp + ½ pᵀ(B + λI)p.

    B is the Gauss-Newton matrix Jᵀ H J of a model's loss (in `cy.train.fit`), or the Hessian of a plain function (in
    `minimize`). It is never formed: one linearisation a step gives the products B v, and conjugate gradients find p,
    begun at 0.95 of the last solution and stopped when the model hardly falls any more. Of the steps on the way that
    were kept, the last is taken from which on the loss itself does not fall; then a = 1, 0.8, 0.64, ... until it falls
    enough. λ grows by 3/2 when the loss fell by less than a quarter of what the model promised, shrinks by 2/3 above
    three quarters, and never falls below `floor`, where the system would be singular in rounding.

    Far from a minimum a cheap method of first order is quicker. `start=Adam(3e-3), start_steps=2000` makes that many
    steps of it first, each on `start_rows` examples drawn from the batch, and then switches.

    It wants a large batch: give `fit` the argument batch_size=None, and let `rows` cut the cost of the products. On
    small batches, where the noise of the curvature is as large as the curvature, it does not help. A batch that is not
    finite moves nothing.

    Of every step it tells `damping` (λ), `cg_iterations` and `reduction_ratio` (the fall of the loss over the fall that
    the parabola promised): in the history of a run, in `trace.notes` of a minimum.

    Args:
        preconditioner: of the conjugate gradients: "none"; "diagonal", (D + λ)^0.75 with D the diagonal of B estimated
            from 8 samples; "kfac", Kronecker factors of the layers of a model.
        damping: λ before the first step.
        floor: the smallest λ.
        rows: examples the curvature is taken on, drawn afresh at each step; None for all. The gradient and the losses
            always see the whole batch.
        most: products a step at most.
        precision: conjugate gradients stop when a turn brings less than this share of the descent.
        start: a method of first order to begin with.
        start_steps: how many of its steps.
        start_rows: examples a step of it.
        seed: of the rows and samples drawn.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.optimize import HessianFree, minimize
        >>> f = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        >>> found = minimize(f, jnp.array([-1.2, 1.0]), method=HessianFree())
        >>> [round(float(v), 6) for v in found.value]
        [1.0, 1.0]

    Reference: Martens, Deep learning via Hessian-free optimization, 2010; Martens, Sutskever, Training deep and
    recurrent networks with Hessian-free optimization, 2012.
    """

    name: ClassVar[str] = "hessian-free"
    order: ClassVar[int] = 2
    reference: ClassVar[str] = "Martens, Deep learning via Hessian-free optimization, 2010"
    best_for: ClassVar[str] = "deep or recurrent networks that first order hardly moves, on whole or large batches"
    formula: ClassVar[str] = "(B + λ I) p = −g by conjugate gradients, θ ← θ + a p"
    preconditioner: Literal["none", "diagonal", "kfac"] = eqx.field(default="none", static=True)
    damping: float = option("damping", 0.0, default=1.0)
    floor: float = option("floor", 0.0, default=1e-6)
    rows: int | None = whole("rows", None)
    most: int = whole("most", 150)
    precision: float = option("precision", 0.0, default=5e-4)
    start: AbstractGradientMethod | None = eqx.field(default=None, kw_only=True)
    start_steps: int = whole("start_steps", 0, 0)
    start_rows: int = whole("start_rows", 128)
    seed: int = whole("seed", 0, 0)

    def __check_init__(self) -> None:
        if self.preconditioner not in PRECONDITIONERS:
            raise ValueError(f"preconditioner= is one of {', '.join(PRECONDITIONERS)}; it was {self.preconditioner!r}.")
        if self.start is not None and not isinstance(self.start, AbstractGradientMethod):
            raise TypeError(
                f"start= is a method of first order such as cy.optimize.Adam(3e-3); it was a "
                f"{type(self.start).__name__}."
            )
        if (self.start is None) != (self.start_steps == 0):
            raise ValueError("start= and start_steps= belong together: a method, and how many of its steps to make.")

    def init(self, params: Any) -> Any:
        """λ, no last solution, and the state of the method to begin with."""
        flat = Flat(Objective(lambda x: x), params).x
        starter = None if self.start is None else self.start.init(params)
        none, damping = jnp.zeros((), jnp.int32), jnp.asarray(max(self.damping, self.floor), flat.dtype)
        told = _Told(damping, none, jnp.full((), jnp.nan, flat.dtype))
        return _State(none, damping, jnp.zeros_like(flat), starter, told)

    def notes(self, state: Any) -> dict[str, Any]:
        """λ, the turns of conjugate gradients, and the fall of the loss over the fall promised, of the last step."""
        return state.told._asdict()

    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        """One step of the method to begin with, or one of Newton's.

        Its cost in evaluations: the gradient, each product, and each loss that was tried count as one.
        """
        if self.start is None:
            return self._newton(objective, params, state)
        return jax.lax.cond(
            state.count < self.start_steps,
            lambda: self._begin(objective, params, state),
            lambda: self._newton(objective, params, state),
        )

    def _begin(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        part = objective
        if isinstance(objective, ModelObjective):
            part = objective.some(self.start_rows, self._key(state, 2))
        assert self.start is not None
        update, starter, info = self.start.step(part, params, state.starter)
        return update, state._replace(count=state.count + 1, starter=starter), info

    def _newton(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        flat = Flat(objective, params)
        value, tree = objective.value_and_grad(params)
        gradient = flat.ravel(tree)
        part = objective
        if isinstance(objective, ModelObjective):
            part = objective.some(self.rows, self._key(state, 0))
        product = Flat(part, params).curvature()
        damping, tiny = state.damping, jnp.finfo(flat.x.dtype).eps
        solved = conjugate_gradients(
            lambda v: product(v) + damping * v,
            gradient,
            DECAY * state.warm,
            self._preconditioner(part, params, product, jnp.maximum(damping, tiny), self._key(state, 1)),
            most=self.most,
            precision=self.precision,
        )
        after = lambda p: flat.value(flat.x + p)
        step, reached, tries = backtrack(after, solved)
        slope = gradient @ step
        promised = slope + step @ product(step) / 2
        sound = jnp.isfinite(value) & jnp.isfinite(promised)  # a batch that is not leaves everything as it was
        seen = ~(jnp.abs(promised) <= ROUNDINGS * jnp.finfo(value.dtype).eps * jnp.abs(value))
        limit = jnp.where(seen, value, jnp.inf)  # below rounding f cannot tell, and the model is believed
        share, reached, more = shorten(after, step, reached, limit, slope)
        taken = jnp.isfinite(reached) & ((reached < value) | ~seen)
        kept = jnp.where(taken, (reached - value) / promised, 0.0)
        grown = jnp.maximum(damping, tiny)  # from zero nothing grows
        changed = adapted(grown, jnp.where(taken & ~seen, 1.0, kept), 1.5, self.floor)
        told = _Told(damping, solved.turns, jnp.where(seen & sound, kept, jnp.nan).astype(damping.dtype))
        ahead = state._replace(
            count=state.count + 1,
            damping=jnp.where(sound, changed, damping).astype(damping.dtype),
            warm=jnp.where(taken, solved.step, 0.0).astype(state.warm.dtype),
            told=told,
        )
        update = flat.unravel(jnp.where(taken, share * step, 0.0).astype(flat.x.dtype))
        return update, ahead, Info(value, tree, (3 + solved.turns + tries + more).astype(jnp.int32))

    def _preconditioner(
        self, objective: Objective, params: Any, product: Callable[[Any], Any], damping: Any, key: Any
    ) -> Callable[[Any], Any]:
        """v ↦ P⁻¹ v."""
        flat = Flat(objective, params)
        if self.preconditioner == "none":
            return lambda v: v
        if self.preconditioner == "diagonal":
            scale = (diagonal(flat, product, key) + damping) ** 0.75
            return lambda v: v / scale
        if not isinstance(objective, ModelObjective):
            raise TypeError(
                'preconditioner="kfac" needs a model: a plain function has no layers to take factors of. Take '
                'HessianFree(preconditioner="diagonal"), or train the model by cy.train.fit with a loss by name.'
            )
        structure = jax.tree.structure(flat.unravel(flat.x))
        solved = inverses(factors(objective, params, key), damping)
        apply = lambda vectors: apply_inverses(solved, damping, vectors)
        return lambda v: flat.ravel(jax.tree.unflatten(structure, apply(jax.tree.leaves(flat.unravel(v)))))

    def _key(self, state: Any, purpose: int) -> Any:
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(self.seed), state.count), purpose)


def diagonal(flat: Flat, product: Callable[[Any], Any], key: Any) -> Any:
    """The diagonal of the curvature estimated from random directions, never negative.

    For a model the mean of (Jᵀ s)² with random slopes s, of which the covariance is the Hessian of the loss: squares,
    so that no entry comes out negative. Else the mean of v ∘ B v, absolute, with random signs v.
    """
    objective = flat.objective
    keys = jax.random.split(key, SAMPLES)
    if isinstance(objective, ModelObjective) and objective.slopes is not None:
        z, pull = jax.vjp(lambda x: objective.outputs(flat.params(x), objective.x), flat.x)
        slopes = objective.slopes
        one = lambda k: jnp.square(pull(slopes(z, objective.y, k).astype(z.dtype))[0]) / objective.count
        return jnp.mean(jax.lax.map(one, keys), axis=0)

    def probe(k: Any) -> Any:
        v = jax.random.rademacher(k, flat.x.shape, flat.x.dtype)
        return v * product(v)

    return jnp.abs(jnp.mean(jax.lax.map(probe, keys), axis=0))
