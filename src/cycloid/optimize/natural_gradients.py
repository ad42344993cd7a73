"""Natural gradients: steps measured by what they change in a model's outputs, exactly or by Kronecker factors."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float

from cycloid.optimize.damped_systems import GOOD, POOR, conjugate_gradients
from cycloid.optimize.hessian_free import whole
from cycloid.optimize.kronecker_factors import apply_inverses, factors, inverses, layers, pack, room, unpack
from cycloid.optimize.methods import Info, Objective, option, rate
from cycloid.optimize.model_objectives import AbstractCurvatureMethod, Flat, ModelObjective, require_model

# Up to this many parameters the Fisher matrix is formed and solved exactly.
DENSE = 200
# λ is judged every so many steps, and changed by this factor for each of them.
JUDGED, CHANGE = 5, 0.95


class _Count(NamedTuple):
    count: Any


@final
class NaturalGradient(AbstractCurvatureMethod):
    """The natural gradient: θ ← θ − η (F + λI)⁻¹ g, F the Fisher matrix of the model's outputs.

    For squared error and cross-entropy F is the Gauss-Newton matrix Jᵀ H J, which is used for every loss. With up to
    200 parameters it is formed and solved exactly, with more by conjugate gradients on products. What it does to the
    outputs does not depend on how the model is parametrised, up to λ.

    Args:
        learning_rate: η.
        damping: λ.
        kl_clip: the largest η² gᵀ(F + λI)⁻¹g, twice the change in the outputs as the Kullback-Leibler divergence has
            it; a longer step is shortened to it. None leaves steps as they are.
        rows: examples F is taken on, drawn afresh at each step; None for the whole batch.
        most: products a step at most.
        precision: conjugate gradients stop when a turn brings less than this share of the descent.
        seed: of the rows drawn.

    Example:
        >>> import jax, jax.numpy as jnp, cycloid as cy
        >>> X = jnp.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
        >>> y = jnp.array([1.0, 2.0, 2.0, 3.0])
        >>> method = cy.optimize.NaturalGradient(damping=1e-9)
        >>> run = cy.train.fit("linear", (X, y), method=method, max_steps=2, batch_size=None, key=jax.random.key(0))
        >>> [round(float(w), 4) for w in run.value.weight]                  # one step, for the loss is quadratic
        [0.0, 1.0]

    Reference: Amari, Natural gradient works efficiently in learning, 1998; Martens, New insights and perspectives on
    the natural gradient method, 2020.
    """

    name: ClassVar[str] = "natural-gradient"
    order: ClassVar[int] = 2
    reference: ClassVar[str] = "Amari, Natural gradient works efficiently in learning, 1998"
    best_for: ClassVar[str] = "models of few parameters that are badly scaled, trained on large batches"
    formula: ClassVar[str] = "θ ← θ − η (F + λ I)⁻¹ g"
    learning_rate: Float[ArrayLike, "..."] = eqx.field(default=1.0, converter=rate)
    damping: float = option("damping", 0.0, default=1e-3)
    kl_clip: float | None = option("kl_clip", 0.0, default=None)
    rows: int | None = whole("rows", None)
    most: int = whole("most", 100)
    precision: float = option("precision", 0.0, default=5e-4)
    seed: int = whole("seed", 0, 0)

    def init(self, params: Any) -> Any:
        """The number of steps made."""
        return _Count(jnp.zeros((), jnp.int32))

    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        """One step: a gradient and a solution with the Fisher matrix.

        Raises:
            TypeError: for an objective that is no model's.
        """
        model = require_model(objective, self)
        value, tree = model.value_and_grad(params)
        flat = Flat(model.some(self.rows, _key(self.seed, state.count, 0)), params)
        gradient = flat.ravel(tree)
        product = flat.curvature()
        if gradient.size <= DENSE:
            identity = jnp.eye(gradient.size, dtype=gradient.dtype)
            matrix = jax.lax.map(product, identity) + self.damping * identity
            direction = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(matrix), gradient)
            cost = jnp.asarray(1 + gradient.size, jnp.int32)
        else:
            solved = conjugate_gradients(
                lambda v: product(v) + self.damping * v,
                gradient,
                jnp.zeros_like(gradient),
                lambda v: v,
                most=self.most,
                precision=self.precision,
            )
            direction, cost = solved.step, (2 + solved.turns).astype(jnp.int32)
        length = _clipped(_rate(self.learning_rate, state.count), gradient @ direction, self.kl_clip)
        step = jnp.where(_sound(value, gradient), length * direction, 0.0)
        update = flat.unravel(step.astype(gradient.dtype))
        return update, _Count(state.count + 1), Info(value, tree, cost)


class _Memory(NamedTuple):
    count: Any
    averages: Any  # of the factors, a pair for every matrix of parameters
    solved: Any  # their inverses
    damping: Any  # λ for the next step
    last: Any  # the last update, flat
    told: Any  # λ in the last step, and what was left of its promise where that was judged


@final
class KFAC(AbstractCurvatureMethod):
    """K-FAC: θ ← θ + a Δ + b δ, Δ = −F̆⁻¹ g, with F̆ made of a Kronecker product A ⊗ G for every layer.

    A is the average of a aᵀ over the inputs of the layer and G that of the slopes at its outputs on targets sampled
    from the model; both are running averages. δ is the last update. Without a learning rate a and b minimise the
    quadratic model with the exact Gauss-Newton matrix, which takes two products, and λ follows how well that model
    predicts: times 0.95 a step where it does, divided by it where not, never below `floor`. With one, a = η ν, b is
    `momentum`, where ν ≤ 1 shortens the step so that η² ν² gᵀF̆⁻¹g stays below `kl_clip`, and λ stays as it is.

    A damped factor is A + π√λ I or G + √λ/π I, with π² the ratio of their mean eigenvalues. Layers are found in the
    program of the model: matrices of parameters that multiply something of the examples, outside of loops; other arrays
    get their gradient divided by λ.

    Args:
        learning_rate: η, or None to choose a and b by the quadratic model.
        damping: λ before the first step.
        floor: the smallest λ.
        momentum: b where there is a learning rate.
        kl_clip: see above.
        decay: of the running averages.
        refresh: steps between two updates of the factors and their inverses.
        rows: examples that factors and products are taken on, drawn afresh each time; None for the whole batch.
        seed: of the rows and targets drawn.

    Example:
        >>> import jax, jax.numpy as jnp, cycloid as cy
        >>> X = jnp.linspace(-1.0, 1.0, 32)[:, None]
        >>> net = cy.train.mlp(hidden=(8,), activation="tanh")
        >>> fit = dict(max_steps=60, batch_size=None, key=jax.random.key(0))
        >>> run = cy.train.fit(net, (X, jnp.sin(3 * X[:, 0])), method=cy.optimize.KFAC(), **fit)
        >>> bool(run.history["train_loss"][-1] < 0.01)
        True

    Reference: Martens, Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, 2015; the
    clip: Ba, Grosse, Martens, Distributed second-order optimization using Kronecker-factored approximations, 2017.
    """

    name: ClassVar[str] = "kfac"
    order: ClassVar[int] = 2
    reference: ClassVar[str] = (
        "Martens, Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, 2015"
    )
    best_for: ClassVar[str] = "deep networks of dense layers on large batches"
    formula: ClassVar[str] = "θ ← θ − a (A ⊗ G + λ I)⁻¹ g + b δ"
    learning_rate: Float[ArrayLike, "..."] | None = eqx.field(
        default=None, converter=lambda value: None if value is None else rate(value)
    )
    damping: float = option("damping", 0.0, default=1.0)
    floor: float = option("floor", 0.0, default=1e-6)
    momentum: float = option("momentum", 0.0, 1.0, default=0.9)
    kl_clip: float | None = option("kl_clip", 0.0, default=1e-3)
    decay: float = option("decay", 0.0, 1.0, default=0.95)
    refresh: int = whole("refresh", 5)
    rows: int | None = whole("rows", None)
    seed: int = whole("seed", 0, 0)

    def __check_init__(self) -> None:
        if max(self.damping, self.floor) == 0:
            raise ValueError(
                "damping= or floor= is above 0: arrays that are no layer's get their gradient divided by λ."
            )

    def init(self, params: Any) -> Any:
        """Factors and inverses of zero, λ, no last update."""
        flat = Flat(Objective(lambda x: x), params)
        empty = [room(leaf) for leaf in jax.tree.leaves(flat.unravel(flat.x))]
        damping = jnp.asarray(max(self.damping, self.floor), flat.x.dtype)
        told = (damping, jnp.full_like(damping, jnp.nan))
        return _Memory(jnp.zeros((), jnp.int32), empty, empty, damping, jnp.zeros_like(flat.x), told)

    def notes(self, state: Any) -> dict[str, Any]:
        """λ in the last step, and the fall of the loss over the fall promised, NaN where it was not looked at."""
        damping, ratio = state.told
        return {"damping": damping, "reduction_ratio": ratio}

    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        """One step: a gradient, a share of the factors, and two products unless there is a learning rate.

        Raises:
            TypeError: for an objective that is no model's.
            ValueError: when the model has no layer to be seen.
        """
        model = require_model(objective, self)
        value, tree = model.value_and_grad(params)
        flat = Flat(model, params)
        gradient = flat.ravel(tree)
        part = model.some(self.rows, _key(self.seed, state.count, 0))
        averages, solved = self._factors(part, params, state)
        leaves, structure = jax.tree.flatten(flat.unravel(gradient))
        found = {layer: unpack(layer, solved[layer.weight], leaves) for layer in layers(model, params)}
        direction = -flat.ravel(jax.tree.unflatten(structure, apply_inverses(found, state.damping, leaves)))
        damping, cost, share = state.damping, 1, jnp.full_like(state.damping, jnp.nan)
        if self.learning_rate is None:
            step, promised = _rescaled(Flat(part, params), gradient, direction, state.last, damping)
            damping, share, tried = self._judged(flat, value, step, promised, state)
            cost = 4 + tried
        else:
            length = _clipped(_rate(self.learning_rate, state.count), gradient @ direction, self.kl_clip)
            step = self.momentum * state.last + length * direction
        step = step.astype(gradient.dtype)
        sound = _sound(value, gradient)  # a batch that is not finite must not enter the averages
        ahead = _Memory(state.count + 1, averages, solved, damping, step, (state.damping, share))
        ahead = jax.tree.map(lambda new, old: jnp.where(sound, new, old), ahead, state)
        step = jnp.where(sound, step, 0.0)
        return flat.unravel(step), ahead, Info(value, tree, jnp.asarray(cost, jnp.int32))

    def _factors(self, part: ModelObjective, params: Any, state: Any) -> tuple[Any, Any]:
        """(averages, inverses), brought up to date every `refresh` steps."""
        updates = state.count // self.refresh + 1
        keep = jnp.minimum(1 - 1 / updates, self.decay)
        leaves = jax.tree.leaves(params)

        def blend(old: Any, new: Any) -> Any:
            return (keep * old + (1 - keep) * new).astype(old.dtype)

        def fresh() -> tuple[Any, Any]:
            averages, solved = list(state.averages), list(state.solved)
            current = {}
            for layer, pair in factors(part, params, _key(self.seed, state.count, 1)).items():
                old, new = averages[layer.weight], pack(layer, pair, leaves)
                averages[layer.weight] = jax.tree.map(blend, old, new)
                current[layer] = unpack(layer, averages[layer.weight], leaves)
            for layer, pair in inverses(current, state.damping).items():
                solved[layer.weight] = pack(layer, pair, leaves)
            return averages, solved

        due = state.count % self.refresh == 0
        return jax.lax.cond(due, fresh, lambda: (list(state.averages), list(state.solved)))

    def _judged(self, flat: Flat, value: Any, step: Any, promised: Any, state: Any) -> tuple[Any, Any, Any]:
        """(λ for the next step, the share of the promise that was kept or NaN, evaluations)."""
        factor = CHANGE**JUDGED

        def judge() -> Any:
            share = (flat.value(flat.x + step) - value) / promised
            changed = jnp.where(share > GOOD, state.damping * factor, state.damping)
            changed = jnp.where(~(share >= POOR), state.damping / factor, changed)
            return jnp.clip(changed, self.floor, 1e10).astype(state.damping.dtype), share.astype(state.damping.dtype)

        now = (state.count + 1) % JUDGED == 0
        wait = lambda: (state.damping, jnp.full_like(state.damping, jnp.nan))
        return *jax.lax.cond(now, judge, wait), jnp.where(now, 1, 0)


def _rescaled(flat: Flat, gradient: Any, direction: Any, last: Any, damping: Any) -> tuple[Any, Any]:
    """(a Δ + b δ with the least value of the damped quadratic model, that value)."""
    product = flat.curvature()
    images = jnp.stack([product(direction) + damping * direction, product(last) + damping * last])
    basis = jnp.stack([direction, last])
    matrix, slopes = basis @ images.T, basis @ gradient
    # Scaled to ones on the diagonal, so that δ = 0 or δ along Δ is caught by a ridge of rounding's size.
    tiny = jnp.finfo(gradient.dtype).tiny
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(matrix), tiny))
    ridge = 10 * jnp.finfo(gradient.dtype).eps
    inner = matrix / scale[:, None] / scale[None, :] + ridge * jnp.eye(2, dtype=gradient.dtype)
    inner = jnp.where(jnp.eye(2, dtype=bool), jnp.maximum(inner, 1.0), inner)
    weights = -jnp.linalg.solve(inner, slopes / scale) / scale
    weights = jnp.where(jnp.any(last != 0), weights, jnp.stack([-slopes[0] / scale[0] ** 2, jnp.zeros_like(scale[0])]))
    return weights @ basis, weights @ slopes + weights @ matrix @ weights / 2


def _sound(value: Any, gradient: Any) -> Any:
    return jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))


def _clipped(learning_rate: Any, slope: Any, clip: float | None) -> Any:
    """η, or less where η² |gᵀΔ| would be above the clip."""
    if clip is None:
        return learning_rate
    size = learning_rate**2 * jnp.abs(slope)
    return learning_rate * jnp.minimum(1.0, jnp.sqrt(clip / jnp.maximum(size, jnp.finfo(size.dtype).tiny)))


def _rate(learning_rate: Any, count: Any) -> Any:
    return learning_rate(count) if callable(learning_rate) else learning_rate


def _key(seed: int, count: Any, purpose: int) -> Any:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), count), purpose)
