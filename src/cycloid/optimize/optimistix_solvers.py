"""Solvers of optimistix behind our drivers: their steps, our loop, our test of when to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax.numpy as jnp

from cycloid.optimize.descents import AbstractDescent, Local, Move, Stand
from cycloid.optimize.tangents import Tangent, tangent_of


@final
class Optimistix(AbstractDescent):
    """A solver of optimistix as a method: `Optimistix(optimistix.BFGS(rtol=1e-8, atol=1e-8))`.

    `minimize` takes its minimisers that carry gradients (BFGS, DFP, LBFGS, NonlinearCG, GradientDescent),
    `least_squares` its solvers for sums of squares (LevenbergMarquardt, GaussNewton, Dogleg) and `root` its root
    finders (Newton, Chord). Steps are the solver's; when to stop is the driver's to say, so that the solver's own
    rtol and atol are not asked, and the result means what it means with our own methods.

    Args:
        solver: made by optimistix, which must be installed.

    Reference: Rader, Lyons, Kidger, Optimistix: modular optimisation in JAX and Equinox, 2024.
    """

    reference: ClassVar[str] = "Rader, Lyons, Kidger, Optimistix: modular optimisation in JAX and Equinox, 2024"
    best_for: ClassVar[str] = "comparisons, and solvers put together from optimistix's parts"
    formula: ClassVar[str] = "as optimistix defines it"
    solver: Any

    def __check_init__(self) -> None:
        if isinstance(self.solver, type) or not (hasattr(self.solver, "step") and hasattr(self.solver, "terminate")):
            shown = getattr(self.solver, "__name__", None) or type(self.solver).__name__
            raise TypeError(f"Optimistix takes a solver such as optimistix.BFGS(rtol=1e-8, atol=1e-8); it was {shown}.")

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """optimistix- and the solver's class."""
        return f"optimistix-{type(self.solver).__name__.lower()}"

    def remember(self, x: Any) -> Any:
        """The solver's state before its first step, without what is no array."""
        import optimistix

        if not isinstance(self.solver, optimistix.AbstractMinimiser):
            raise TypeError(f"{type(self.solver).__name__} is no minimiser: {place_of(self.solver)}")
        zero = jnp.zeros((), x.dtype)
        state = Steps(self.solver, lambda v: zero, x).begin
        if not hasattr(getattr(self._whole(x, state), "f_info", None), "grad"):
            raise TypeError(
                f"{type(self.solver).__name__} does not tell the gradient where it stands, which minimize asks for: "
                f"take BFGS, DFP, LBFGS, NonlinearCG or GradientDescent; SciPy has searches without gradients."
            )
        return state

    def _whole(self, x: Any, state: Any) -> Any:
        zero = jnp.zeros((), x.dtype)
        return eqx.combine(Steps(self.solver, lambda v: zero, x).rest, state)

    def move(self, local: Local, stand: Stand) -> Move:
        """One step of the solver, accepted or not: one evaluation."""
        steps = Steps(self.solver, lambda v: local.value(v - local.x), local.x)
        y, state, failed = steps.step(local.x, stand.memory)
        info = eqx.combine(steps.rest, state).f_info
        ahead = Stand(info.f, info.grad, stand.floor, failed, state)
        return Move(y - local.x, ahead, jnp.ones((), jnp.int32))


class Steps:
    """A solver on a function of a vector, one step at a time.

    Args:
        solver: of optimistix.
        function: vector -> array.
        x: a vector like those to come.
    """

    def __init__(self, solver: Any, function: Callable[[Any], Any], x: Any):
        self.solver = solver
        self.function: Any = eqx.filter_closure_convert(lambda v, _: (function(v), None), x, None)
        shape, nothing = self.function.out_struct
        state = solver.init(self.function, x, None, {}, shape, nothing, frozenset())
        self.begin, self.rest = eqx.partition(state, eqx.is_array)

    def step(self, x: Any, state: Any) -> tuple[Any, Any, Any]:
        """(x, state, whether the solver itself gave up)."""
        import optimistix

        before = eqx.combine(self.rest, state)
        x, after, _ = self.solver.step(self.function, x, None, {}, before, frozenset())
        _, told = self.solver.terminate(self.function, x, None, {}, after, frozenset())
        return x, eqx.filter(after, eqx.is_array), told != optimistix.RESULTS.successful


class Squares(NamedTuple):
    """A solver for sums of squares, and the tangent where it stands."""

    steps: Steps

    @property
    def begin(self) -> Any:
        """The solver's state before its first step."""
        return self.steps.begin

    def step(self, x: Any, state: Any, scale: Any) -> tuple[Any, Any, Any, Tangent]:
        """(x, state, whether it gave up, the tangent at x): one residual with its Jacobian."""
        x, state, failed = self.steps.step(x, state)
        info = eqx.combine(self.steps.rest, state).f_info
        return x, state, failed, tangent_of(info.residual, info.jac.as_matrix(), x, scale)


def squares_by_optimistix(method: Optimistix, residual: Callable[[Any], Any], x: Any) -> Squares:
    """The solver for sums of squares in a method.

    Raises:
        TypeError: when it is another kind of solver.
    """
    import optimistix

    if not isinstance(method.solver, optimistix.AbstractGaussNewton):
        raise TypeError(f"{type(method.solver).__name__} is no solver for sums of squares: {place_of(method.solver)}")
    return Squares(Steps(method.solver, residual, x))


def place_of(solver: Any) -> str:
    """Where a solver of another kind belongs."""
    import optimistix

    places = {
        "minimize": optimistix.AbstractMinimiser,
        "least_squares": optimistix.AbstractLeastSquaresSolver,
        "root": optimistix.AbstractRootFinder,
    }
    return next(
        (f"it goes to {name}." for name, kind in places.items() if isinstance(solver, kind)), "it has no place."
    )
