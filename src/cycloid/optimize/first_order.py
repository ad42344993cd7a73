"""The methods of first order: gradient descent and its descendants, each one update rule over optax."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from cycloid.optimize.methods import AbstractGradientMethod, option, rate, scale_by_rate


def _rate_field(default: float) -> Any:
    return eqx.field(default=default, converter=rate)


@final
class GradientDescent(AbstractGradientMethod):
    """Walk against the gradient: θ ← θ − η g.

    On a quadratic with curvatures between μ and L it converges for η < 2/L, fastest at η = 2/(μ + L), where the
    error shrinks by (L − μ)/(L + μ) a step.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule.
        clip: the largest global norm of a gradient; None leaves it alone.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.optimize import GradientDescent, Objective
        >>> method = GradientDescent(0.25)
        >>> x = jnp.array([4.0])
        >>> update, state, info = method.step(Objective(lambda x: jnp.sum(x**2)), x, method.init(x))
        >>> update.tolist(), float(info.value)
        ([-2.0], 16.0)

    Reference: Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, 1847.
    """

    name: ClassVar[str] = "gradient-descent"
    reference: ClassVar[str] = "Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, 1847"
    best_for: ClassVar[str] = "smooth, well conditioned problems with all the data at hand; understanding the others"
    formula: ClassVar[str] = "θ ← θ − η g"
    learning_rate: Any = _rate_field(0.01)
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """optax.sgd without momentum."""
        return scale_by_rate(self.learning_rate)


@final
class SGD(AbstractGradientMethod):
    """Stochastic gradient descent: θ ← θ − η g, where g is the gradient on a mini-batch of the data.

    The batches are the caller's: `train.fit` draws them. On a deterministic function (`minimize`) there is nothing
    stochastic left, and without momentum SGD takes the very steps of `GradientDescent`.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule; a decreasing one is needed to converge
            to a point, as the noise of the batches does not vanish.
        momentum: γ in v ← γ v + g, θ ← θ − η v; 0 keeps no velocity.
        clip: the largest global norm of a gradient; None leaves it alone.

    Reference: Robbins, Monro, A stochastic approximation method, 1951.
    """

    name: ClassVar[str] = "sgd"
    reference: ClassVar[str] = "Robbins, Monro, A stochastic approximation method, 1951"
    best_for: ClassVar[str] = "large data in mini-batches, where memory is short or generalization matters most"
    formula: ClassVar[str] = "θ ← θ − η g, g on a mini-batch"
    learning_rate: Any = _rate_field(0.01)
    momentum: float = option("momentum", 0.0, 1.0, default=0.0)
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """optax.sgd."""
        if self.momentum == 0.0:
            return scale_by_rate(self.learning_rate)
        return optax.chain(optax.trace(self.momentum), scale_by_rate(self.learning_rate))


@final
class Momentum(AbstractGradientMethod):
    """The heavy ball: a velocity v gathers gradients and forgets at the rate γ.

    Two forms are in use. `form="tutorial"`: v ← γ v + η g, θ ← θ − v. `form="optax"`: v ← γ v + g, θ ← θ − η v.
    For a constant η they take the same steps; under a schedule the first keeps the rate of the time at which a
    gradient was seen, the second applies today's rate to the whole past.

    On a quadratic with curvatures between μ and L the best choice is η = (2/(√L + √μ))² and
    γ = ((√L − √μ)/(√L + √μ))², where the error shrinks by √γ a step.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule.
        momentum: γ, in [0, 1).
        form: "tutorial" or "optax".
        clip: the largest global norm of a gradient; None leaves it alone.

    Reference: Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
    """

    name: ClassVar[str] = "momentum"
    reference: ClassVar[str] = "Polyak, Some methods of speeding up the convergence of iteration methods, 1964"
    best_for: ClassVar[str] = "long narrow valleys, noisy gradients; vision networks with a tuned schedule"
    formula: ClassVar[str] = "v ← γ v + η g, θ ← θ − v"
    learning_rate: Any = _rate_field(0.01)
    momentum: float = option("momentum", 0.0, 1.0, default=0.9)
    form: Literal["tutorial", "optax"] = eqx.field(default="tutorial", static=True, kw_only=True)
    clip: float | None = option("clip", default=None)

    def __check_init__(self) -> None:
        if self.form not in ("tutorial", "optax"):
            raise ValueError(f'form= is "tutorial" (v ← γ v + η g) or "optax" (v ← γ v + g); it was {self.form!r}.')

    def rule(self) -> optax.GradientTransformation:
        """optax.trace after the learning rate (tutorial) or before it (optax)."""
        if self.form == "optax":
            return optax.chain(optax.trace(self.momentum), scale_by_rate(self.learning_rate))
        return optax.chain(scale_by_rate(self.learning_rate), optax.trace(self.momentum))


@final
class Nesterov(AbstractGradientMethod):
    """Momentum that looks ahead: v ← γ v + g, θ ← θ − η (g + γ v).

    This is optax's form, the look-ahead point itself being the parameter; with φ = θ + η γ v (v the velocity after
    the step) it is Sutskever's v′ ← γ v′ − η g(φ + γ v′), φ ← φ + v′.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule.
        momentum: γ, in [0, 1).
        clip: the largest global norm of a gradient; None leaves it alone.

    Reference: Nesterov, A method for solving the convex programming problem with convergence rate O(1/k²), 1983.
    """

    name: ClassVar[str] = "nesterov"
    reference: ClassVar[str] = "Nesterov, A method of solving a convex programming problem with rate O(1/k²), 1983"
    best_for: ClassVar[str] = "convex problems; like momentum, with less overshoot"
    formula: ClassVar[str] = "v ← γ v + g, θ ← θ − η (g + γ v)"
    learning_rate: Any = _rate_field(0.01)
    momentum: float = option("momentum", 0.0, 1.0, default=0.9)
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """optax.sgd with nesterov=True."""
        return optax.chain(optax.trace(self.momentum, nesterov=True), scale_by_rate(self.learning_rate))


@final
class Adagrad(AbstractGradientMethod):
    """A rate for each parameter, shrinking with what it has seen: s ← s + g², θ ← θ − η g / √(s + ε).

    The sum starts at `initial`, 0.1 as in optax and TensorFlow; the paper and PyTorch start at 0 (and PyTorch adds ε
    outside the root). From 0 the first step has length η in every coordinate.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule.
        initial: where each sum of squares starts, at least 0.
        eps: ε, added inside the root.
        clip: the largest global norm of a gradient; None leaves it alone.

    Reference: Duchi, Hazan, Singer, Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """

    name: ClassVar[str] = "adagrad"
    reference: ClassVar[str] = "Duchi, Hazan, Singer, Adaptive subgradient methods for online learning, 2011"
    best_for: ClassVar[str] = "sparse features such as words, where rare ones need longer steps"
    formula: ClassVar[str] = "s ← s + g², θ ← θ − η g / √(s + ε)"
    learning_rate: Any = _rate_field(0.01)
    initial: float = option("initial", default=0.1)
    eps: float = option("eps", default=1e-7)
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """optax.adagrad."""
        return optax.chain(optax.scale_by_rss(self.initial, self.eps), scale_by_rate(self.learning_rate))


@final
class RMSprop(AbstractGradientMethod):
    """Adagrad that forgets: s ← ρ s + (1 − ρ) g², θ ← θ − η g / √(s + ε).

    optax and the lecture add ε inside the root (the default); PyTorch and Keras's documentation add it outside,
    which `eps_in_sqrt=False` gives: g / (√s + ε). For |g| far above √ε they agree. Note ρ: 0.9 here, in optax and in
    the lecture, 0.99 in PyTorch.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule.
        decay: ρ, in [0, 1).
        eps: ε.
        eps_in_sqrt: whether ε stands inside the root.
        clip: the largest global norm of a gradient; None leaves it alone.

    Reference: Tieleman, Hinton, Lecture 6.5: divide the gradient by a running average of its magnitude, 2012.
    """

    name: ClassVar[str] = "rmsprop"
    reference: ClassVar[str] = "Tieleman, Hinton, Lecture 6.5, Neural networks for machine learning, 2012"
    best_for: ClassVar[str] = "gradients whose scale drifts: recurrent networks, reinforcement learning"
    formula: ClassVar[str] = "s ← ρ s + (1 − ρ) g², θ ← θ − η g / √(s + ε)"
    learning_rate: Any = _rate_field(0.001)
    decay: float = option("decay", 0.0, 1.0, default=0.9)
    eps: float = option("eps", default=1e-8)
    eps_in_sqrt: bool = eqx.field(default=True, static=True, kw_only=True)
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """optax.rmsprop."""
        scaling = optax.scale_by_rms(self.decay, self.eps, eps_in_sqrt=self.eps_in_sqrt)
        return optax.chain(scaling, scale_by_rate(self.learning_rate))


@final
class Adam(AbstractGradientMethod):
    """Momentum and RMSprop together: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂ / (√v̂ + ε).

    m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ) undo the bias towards the zeros from which both averages start. Many a
    tutorial leaves them out, which `bias_correction=False` reproduces. The difference is large at first: step 1 has
    the length η with the correction, and η (1 − β₁)/√(1 − β₂) = 3.16 η without it.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule.
        b1: β₁, in [0, 1).
        b2: β₂, in [0, 1).
        eps: ε, added outside the root.
        bias_correction: whether m̂, v̂ take the place of m, v.
        clip: the largest global norm of a gradient; None leaves it alone.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.optimize import Adam
        >>> x, g = jnp.array([1.0]), jnp.array([2.0])
        >>> [round(float(m.update(g, x, m.init(x))[0][0]), 6) for m in (Adam(0.1), Adam(0.1, bias_correction=False))]
        [-0.1, -0.316228]

    Reference: Kingma, Ba, Adam: a method for stochastic optimization, 2015, algorithm 1.
    """

    name: ClassVar[str] = "adam"
    reference: ClassVar[str] = "Kingma, Ba, Adam: a method for stochastic optimization, 2015"
    best_for: ClassVar[str] = "neural networks with little tuning, badly scaled parameters, noisy gradients"
    formula: ClassVar[str] = "m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂ / (√v̂ + ε)"
    learning_rate: Any = _rate_field(0.001)
    b1: float = option("b1", 0.0, 1.0, default=0.9)
    b2: float = option("b2", 0.0, 1.0, default=0.999)
    eps: float = option("eps", default=1e-8)
    bias_correction: bool = eqx.field(default=True, static=True, kw_only=True)
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """optax.adam, or the same without its bias correction."""
        moments = optax.scale_by_adam if self.bias_correction else _scale_by_raw_moments
        return optax.chain(moments(self.b1, self.b2, self.eps), scale_by_rate(self.learning_rate))


@final
class AdamW(AbstractGradientMethod):
    """Adam with decoupled weight decay: θ ← θ − η (m̂ / (√v̂ + ε) + λ θ).

    A penalty ½λ‖θ‖² added to the loss would be divided by √v̂ with the rest of the gradient; here each parameter
    shrinks by the same share η λ a step. The decay is 1e-4 as in optax; PyTorch's default is 1e-2.

    Args:
        learning_rate: η, a number, an array for vmap, or an optax schedule.
        b1: β₁, in [0, 1).
        b2: β₂, in [0, 1).
        eps: ε, added outside the root.
        weight_decay: λ, at least 0.
        clip: the largest global norm of a gradient; None leaves it alone.

    The decay draws towards zero at the minimum too, so that `minimize` ends with max_steps where λ > 0 and the
    minimum is not at zero: it is a method for training.

    Reference: Loshchilov, Hutter, Decoupled weight decay regularization, 2019.
    """

    name: ClassVar[str] = "adamw"
    reference: ClassVar[str] = "Loshchilov, Hutter, Decoupled weight decay regularization, 2019"
    best_for: ClassVar[str] = "transformers and other large networks that need regularization"
    formula: ClassVar[str] = "m, v as in Adam, θ ← θ − η (m̂ / (√v̂ + ε) + λ θ)"
    learning_rate: Any = _rate_field(0.001)
    b1: float = option("b1", 0.0, 1.0, default=0.9)
    b2: float = option("b2", 0.0, 1.0, default=0.999)
    eps: float = option("eps", default=1e-8)
    weight_decay: float = option("weight_decay", default=1e-4)
    clip: float | None = option("clip", default=None)

    def rule(self) -> optax.GradientTransformation:
        """optax.adamw."""
        moments = optax.scale_by_adam(self.b1, self.b2, self.eps)
        decay = optax.add_decayed_weights(self.weight_decay)
        return optax.chain(moments, decay, scale_by_rate(self.learning_rate))


def _scale_by_raw_moments(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """m / (√v + ε) of the plain averages; optax's state, so that the two kinds of Adam can be swapped."""
    corrected = optax.scale_by_adam(b1, b2, eps)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        _, state = corrected.update(updates, state, params)
        return jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), state.mu, state.nu), state

    return optax.GradientTransformation(corrected.init, update)
