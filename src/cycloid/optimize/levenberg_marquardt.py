"""Methods for sums of squares: Gauss-Newton with a line search, Levenberg-Marquardt with a scaled trust region."""

from __future__ import annotations

import abc
import difflib
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp

from cycloid.optimize.methods import option
from cycloid.optimize.optimistix_solvers import Optimistix
from cycloid.optimize.scipy_solvers import SciPy
from cycloid.optimize.tangents import Tangent

# A trial must bring this share of the drop that the linear model promised.
SUFFICIENT = 1e-4
# Trials from one point before the precision counts as exhausted.
REFUSALS = 40
# A promised drop below so many times the rounding of ½‖r‖² cannot be seen in it: such a step need only not rise.
UNSEEN = 4
# Acceleration is trusted while it is at most this share of the velocity: Transtrum, Sethna 2012, section III B.
BENT = 0.75


class Trial(NamedTuple):
    """A step that was tried.

    Attributes:
        step: δ, shape (n,).
        state: the method's state after it.
        accepted: whether ½‖r‖² fell as it should.
        tried: how many residuals were evaluated.
    """

    step: Any
    state: Any
    accepted: Any
    tried: Any


class AbstractResidualMethod(eqx.Module):
    """A way to make one step towards a smaller sum of squares, by `least_squares`.

    Attributes:
        name: what it is called in `RESIDUAL_METHODS`.
        order: of the derivatives it uses.
        reference: author, title, year.
        best_for: one line for the table of methods.
        formula: the step.
    """

    name: ClassVar[str]
    order: ClassVar[int] = 1
    reference: ClassVar[str]
    best_for: ClassVar[str]
    formula: ClassVar[str]

    @abc.abstractmethod
    def init(self, x: Any) -> Any:
        """The state before the first step from the vector x; its `scale` is the D of the tangents."""

    @abc.abstractmethod
    def attempt(self, residual: Callable[[Any], Any], x: Any, at: Tangent, state: Any) -> Trial:
        """One trial from x; the state it returns tells the next trial how far to go."""

    def search(self, residual: Callable[[Any], Any], x: Any, at: Tangent, state: Any, wanted: Any) -> Trial:
        """Trials from x until one is accepted; none where `wanted` is false."""
        none = jnp.zeros((), jnp.int32)
        begin = Trial(jnp.zeros_like(x), state, ~wanted, none)

        def again(last: Trial) -> Trial:
            trial = self.attempt(residual, x, at, last.state)
            return trial._replace(tried=last.tried + trial.tried)

        trial = jax.lax.while_loop(lambda t: ~t.accepted & (t.tried < REFUSALS), again, begin)
        return trial._replace(step=jnp.where(trial.accepted, trial.step, 0.0))


class _Search(NamedTuple):
    scale: Any
    share: Any  # of the Gauss-Newton step, to be tried next


@final
class GaussNewton(AbstractResidualMethod):
    """The step that would end a linear problem at once, shortened until the sum of squares falls.

    θ ← θ − t J⁺ r, t = 1, ½, ¼ ... Quadratically fast where the residual at the solution is small or nearly linear;
    far from the solution, and where J is nearly singular, `LevenbergMarquardt` is safer.

    Reference: Gauss, Theoria motus corporum coelestium, 1809; Nocedal, Wright, Numerical optimization, 2006,
    section 10.3.
    """

    name: ClassVar[str] = "gauss-newton"
    reference: ClassVar[str] = "Gauss, Theoria motus corporum coelestium, 1809"
    best_for: ClassVar[str] = "small residuals, from a start that is near"
    formula: ClassVar[str] = "θ ← θ − t J⁺ r, t = 1, ½, ¼ ..."

    def init(self, x: Any) -> Any:
        """Every search begins with the whole step."""
        return _Search(jnp.zeros_like(x), jnp.ones((), x.dtype))

    def attempt(self, residual: Callable[[Any], Any], x: Any, at: Tangent, state: Any) -> Trial:
        """A share of the whole step, half of it at the next trial."""
        step = at.inside(state.share * at.full() / at.scale)
        # Along −J⁺r the sum of squares falls at the rate ‖P r‖², P the projection on the tangent plane.
        promised = state.share * jnp.sum(jnp.where(at.live, at.image, 0.0) ** 2)
        _, accepted = _judge(residual, x, step, at, promised)
        share = jnp.where(accepted, 1.0, state.share / 2)
        return Trial(step, _Search(at.scale, share), accepted, jnp.ones((), jnp.int32))


class _Region(NamedTuple):
    scale: Any
    radius: Any  # of the trust region, in scaled steps; not positive before the first


@final
class LevenbergMarquardt(AbstractResidualMethod):
    """The best step of the linear model within a radius that grows and shrinks with its success.

    Minimises ‖r + J δ‖² over ‖D δ‖ <= Δ, which is δ = −(JᵀJ + λ D²)⁻¹ Jᵀ r for the λ that fits; D holds the largest
    column norms of J met so far, so that the units of the parameters do not matter. λ is found on the singular
    values of J D⁻¹, so that the condition number is not squared. Inside bounds numbers that press on theirs are held,
    and a step is cut off where it meets one. With `geodesic` the step also follows the bend of
    the path, δ + ½ a with a = −(JᵀJ + λ D²)⁻¹ Jᵀ r″ and r″ the second derivative of r along δ, where it is slight.

    Args:
        geodesic: follow the bend, at the price of one second derivative along the step. Along narrow curved valleys it
            saves most of the steps; it is off by default, since from far it may follow the bend out of the valley.
        radius: the first Δ as a multiple of ‖D θ‖ (of 1 where θ is zero).

    Reference: Moré, The Levenberg-Marquardt algorithm: implementation and theory, 1978; Transtrum, Sethna,
    Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares minimization, 2012.
    """

    name: ClassVar[str] = "levenberg-marquardt"
    reference: ClassVar[str] = "Moré, The Levenberg-Marquardt algorithm: implementation and theory, 1978"
    best_for: ClassVar[str] = "curve fitting, from starts that may be far; the default of least_squares"
    formula: ClassVar[str] = "θ ← θ − (JᵀJ + λ D²)⁻¹ Jᵀ r, λ such that ‖D δ‖ = Δ"
    geodesic: bool = eqx.field(default=False, static=True)
    radius: float | None = option("radius", default=1.0)

    def init(self, x: Any) -> Any:
        """No radius yet: the first needs the first scale."""
        return _Region(jnp.zeros_like(x), -jnp.ones((), x.dtype))

    def attempt(self, residual: Callable[[Any], Any], x: Any, at: Tangent, state: Any) -> Trial:
        """The best step within the radius, and the radius after it."""
        size = jnp.linalg.norm(at.scale * x)
        first = (1.0 if self.radius is None else self.radius) * jnp.where(size > 0, size, 1.0)
        radius = jnp.where(state.radius > 0, state.radius, first)
        z, damping = at.within(radius)
        length = jnp.linalg.norm(z)
        model = at.singular * (at.right.T @ z)
        promised = model @ model / 2 + damping * length**2
        bend = self._acceleration(residual, x, at, z, damping) if self.geodesic else jnp.zeros_like(z)
        step = at.inside((z + bend) / at.scale)
        ratio, accepted = _judge(residual, x, step, at, promised)
        # Little of what was promised: half; most of it, or a whole Gauss-Newton step: twice the step made.
        grown = jnp.where(
            (ratio > 0.75) | (damping == 0), jnp.maximum(2 * length, jnp.where(ratio > 0.75, radius, 0)), radius
        )
        radius = jnp.where(ratio < 0.25, 0.25 * jnp.minimum(radius, 4 * length), grown)
        return Trial(step, _Region(at.scale, radius), accepted, jnp.ones((), jnp.int32))

    def _acceleration(self, residual: Callable[[Any], Any], x: Any, at: Tangent, z: Any, damping: Any) -> Any:
        """½ D a, or zero where the path bends too much for it, or is not finite."""
        step = z / at.scale
        along = lambda point: jax.jvp(residual, (point,), (step,))[1]
        second = jax.jvp(along, (x,), (step,))[1]
        # Uᵀ r″ without U: (J D⁻¹)ᵀ r″ = V diag(s) Uᵀ r″.
        pulled = at.right.T @ ((second @ at.jacobian) / at.scale)
        total = at.singular**2 + damping
        bend = -at.right @ jnp.where(at.live, pulled / jnp.where(total > 0, total, 1.0), 0.0) / 2
        slight = 2 * jnp.linalg.norm(bend) <= BENT * jnp.linalg.norm(z)
        return jnp.where(slight & jnp.all(jnp.isfinite(bend)), bend, 0.0)


def _judge(residual: Callable[[Any], Any], x: Any, step: Any, at: Tangent, promised: Any) -> tuple[Any, Any]:
    """(the actual drop of ½‖r‖² over the promised one, whether the step may be made).

    Where bounds cut the step off, what is left of it promises what the linear model says of that.
    """
    r = residual(x + step)
    if at.room is not None:
        change = at.jacobian @ step
        cut = jnp.any((step == at.room[0]) | (step == at.room[1]))
        promised = jnp.where(cut, -(at.gradient @ step) - change @ change / 2, promised)
    # As a product: ‖r₀‖² − ‖r‖² would lose the digits that the two have in common.
    actual = (at.residual - r) @ (at.residual + r) / 2
    fine = jnp.all(jnp.isfinite(r))
    ratio = jnp.where(fine & (promised > 0), actual / jnp.where(promised > 0, promised, 1.0), -1.0)
    noise = UNSEEN * at.noise
    unseen = (promised <= noise) & (actual >= -noise) & fine
    return jnp.where(unseen, 1.0, ratio), jnp.where(unseen, True, ratio >= SUFFICIENT)


RESIDUAL_METHODS: dict[str, type[AbstractResidualMethod]] = {
    str(cls.name): cls for cls in (LevenbergMarquardt, GaussNewton)
}


def residual_method(choice: Any) -> Any:
    """The method for sums of squares that a name, a class or an instance stands for.

    Raises:
        ValueError: when no method has this name.
        TypeError: when it is none of the three, or a method for scalar functions.
    """
    if choice is None:
        return LevenbergMarquardt()
    if isinstance(choice, Optimistix | SciPy):
        return choice
    if isinstance(choice, str):
        key = choice.strip().lower().replace("_", "-").replace(" ", "-")
        if key not in RESIDUAL_METHODS:
            near = difflib.get_close_matches(key, RESIDUAL_METHODS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"no method for sums of squares is called {choice!r}.{hint} {_known()}")
        choice = RESIDUAL_METHODS[key]
    if inspect.isclass(choice) and issubclass(choice, AbstractResidualMethod) and not inspect.isabstract(choice):
        make: Any = choice
        choice = make()
    if not isinstance(choice, AbstractResidualMethod):
        shown = getattr(choice, "name", None) or getattr(choice, "__name__", None) or type(choice).__name__
        raise TypeError(f"{shown} is no method for sums of squares. {_known()} Scalar functions go to minimize.")
    return choice


def _known() -> str:
    return f"There are {', '.join(RESIDUAL_METHODS)}."
