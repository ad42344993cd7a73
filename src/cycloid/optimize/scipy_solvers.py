"""SciPy's solvers behind our drivers: their own loops, watched from their callbacks, judged by our tests."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from cycloid.core.results import is_traced
from cycloid.optimize.constraints import Box
from cycloid.optimize.methods import AbstractMethod

# What each of scipy.optimize.minimize asks for beside values, and whether it knows bounds.
GRADIENTS = ("CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP")
PRODUCTS = ("Newton-CG", "trust-ncg", "trust-krylov", "trust-constr")
HESSIANS = ("trust-exact",)
VALUES = ("Nelder-Mead", "Powell", "COBYQA")
BOUNDED = ("L-BFGS-B", "TNC", "SLSQP", "trust-constr", "Nelder-Mead", "Powell", "COBYQA")
SQUARES = ("trf", "dogbox", "lm")
ROOTS = ("hybr", "lm", "broyden1", "broyden2", "anderson", "krylov", "df-sane")
MINIMIZERS = (*GRADIENTS, *PRODUCTS, *HESSIANS, *VALUES)
# SciPy's own tolerances, as tight as it allows: ours decide.
LEAST = float(np.finfo(float).eps)
# How many of the last evaluations are remembered, so that looking at a point again costs nothing.
REMEMBERED = 64


@final
class SciPy(AbstractMethod):
    """One of SciPy's solvers as a method: `SciPy("L-BFGS-B")`.

    `minimize` takes CG, BFGS, L-BFGS-B, TNC and SLSQP (gradients), Newton-CG, trust-ncg, trust-krylov and trust-constr
    (products with the Hessian), trust-exact (Hessians), Nelder-Mead, Powell and COBYQA (values alone);
    `least_squares` takes trf, dogbox and lm; `root` takes hybr, lm, broyden1, broyden2, anderson, krylov and df-sane.
    Derivatives are exact and compiled. The walk ends where our own test is met, seen from SciPy's callback; where SciPy
    ends sooner the status is *stalled*. Gradients that only the test asked for count as evaluations.

    SciPy's loops run in Python: no transformation holds, and a traced call raises TypeError.

    Args:
        solver: SciPy's name for it, in any case.
        options: handed on to SciPy as they are.

    Reference: Virtanen et al., SciPy 1.0: fundamental algorithms for scientific computing in Python, 2020.
    """

    reference: ClassVar[str] = (
        "Virtanen et al., SciPy 1.0: fundamental algorithms for scientific computing in Python, 2020"
    )
    best_for: ClassVar[str] = "comparisons, functions without derivatives (nelder-mead, powell), bounds"
    formula: ClassVar[str] = "as SciPy defines it"
    transforms: ClassVar[tuple[str, ...]] = ()
    solver: str = eqx.field(static=True)
    options: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())

    def __init__(self, solver: str, options: Mapping[str, Any] | None = None):
        known = {name.lower(): name for name in (*ROOTS, *SQUARES, *MINIMIZERS)}
        if not isinstance(solver, str):
            raise TypeError(f'SciPy takes the name of a solver such as "L-BFGS-B"; it was {type(solver).__name__}.')
        if solver.lower() not in known:
            near = difflib.get_close_matches(solver.lower(), known, n=1)
            hint = f" Did you mean {known[near[0]]!r}?" if near else ""
            raise ValueError(f"SciPy has no solver {solver!r} here.{hint} There are {', '.join(known.values())}.")
        self.solver = known[solver.lower()]
        self.options = tuple(sorted((options or {}).items()))

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """scipy- and the solver's name."""
        return f"scipy-{self.solver.lower()}"

    def init(self, params: Any) -> NoReturn:
        """There is no state to hold."""
        raise TypeError(f"{self.name} runs a loop of its own and cannot be stepped: call minimize(method=...) plainly.")

    def step(self, objective: Any, params: Any, state: Any) -> NoReturn:
        """SciPy's loop makes all steps itself."""
        self.init(params)

    def one_of(self, solvers: tuple[str, ...], driver: str) -> str:
        """The solver's name, where it is among those that a driver takes.

        Raises:
            ValueError: when it is not.
        """
        if self.solver not in solvers:
            raise ValueError(f"SciPy's {self.solver} is none of those for {driver}: {', '.join(solvers)}.")
        return self.solver


class Ended(Exception):
    """SciPy's loop is left: a test was met, or steps or numbers ran out."""


def untraced(tree: Any, name: str) -> None:
    """Refuse to work on tracers.

    Raises:
        TypeError: when the call stands under jit, vmap or grad.
    """
    if is_traced(tree):
        raise TypeError(
            f"{name} runs in Python and cannot be traced: call it outside jit, vmap and grad, or take one of "
            f"cycloid's own methods."
        )


class Watch:
    """A function that SciPy walks on: what it said at the last points, and how often it was asked.

    Args:
        look: x -> (value, derivative), compiled.
        x: a point like those to come.
        name: of the method, for messages.
    """

    def __init__(self, look: Callable[[Any], Any], x: Any, name: str):
        self.look, self.dtype, self.name = look, x.dtype, name
        self.seen: dict[bytes, tuple[Any, Any]] = {}
        self.evaluations = 0

    def __call__(self, x: Any) -> tuple[Any, Any]:
        """(value, derivative) at x, from memory where it was just seen."""
        x = np.asarray(x, self.dtype)
        key = x.tobytes()
        if key not in self.seen:
            told = self.look(jnp.asarray(x))
            untraced(told, self.name)
            self.seen[key] = (np.asarray(told[0], float), np.asarray(told[1], float))
            self.evaluations += 1
            if len(self.seen) > REMEMBERED:
                del self.seen[next(iter(self.seen))]
        return self.seen[key]

    def value(self, x: Any) -> Any:
        """The value alone."""
        return self(x)[0]

    def derivative(self, x: Any) -> Any:
        """The derivative alone."""
        return self(x)[1]


class Progress:
    """The rows of a trace, written as SciPy tells where it is.

    Args:
        judge: x -> (objective, gradient norm, whether the test is met).
        max_steps: at most this many rows after the first.
    """

    def __init__(self, judge: Callable[[Any], tuple[float, float, bool]], max_steps: int):
        self.judge, self.max_steps = judge, max_steps
        self.path: list[Any] = []
        self.rows: list[tuple[float, float, float]] = []
        self.met = False

    def arrive(self, x: Any, *_: Any) -> None:
        """Write down a point that is new.

        Raises:
            Ended: when the test is met there, a number is not finite, or it was the last step.
        """
        x = np.array(x, float)
        if self.path and np.array_equal(x, self.path[-1]):
            return
        objective, norm, self.met = self.judge(x)
        moved = float(np.linalg.norm(x - self.path[-1])) if self.path else 0.0
        self.path.append(x)
        self.rows.append((objective, norm, moved))
        if self.met or not self.finite or self.steps >= self.max_steps:
            raise Ended

    def follow(self, begin: Any, go: Callable[[], Any]) -> Progress:
        """Run SciPy's loop from a point until it ends or is left."""
        try:
            with np.errstate(all="ignore"):
                self.arrive(begin)
                self.arrive(go().x)
        except Ended:
            pass
        return self

    @property
    def steps(self) -> int:
        """Rows after the first."""
        return len(self.rows) - 1

    @property
    def finite(self) -> bool:
        """Whether the last row is."""
        return math.isfinite(self.rows[-1][0]) and math.isfinite(self.rows[-1][1])

    @property
    def status(self) -> str:
        """How the walk ended."""
        if not self.finite:
            return "nonfinite"
        if self.met:
            return "converged"
        return "max_steps" if self.steps >= self.max_steps else "stalled"


class Curvature:
    """What a solver takes beside values: gradients, products with the Hessian, or Hessians, the last two counted.

    Args:
        times: (x, p) -> H p, compiled.
        whole: x -> H, compiled.
    """

    def __init__(self, watch: Watch, times: Callable[[Any, Any], Any], whole: Callable[[Any], Any]):
        self.watch, self.times, self.whole = watch, times, whole
        self.products = 0

    def known_to(self, solver: str) -> dict[str, Any]:
        """The keywords by which SciPy takes them."""
        found = {} if solver in VALUES else {"jac": self.watch.derivative}
        return found | ({"hessp": self._product} if solver in PRODUCTS else {}) | (
            {"hess": self._hessian} if solver in HESSIANS else {}
        )  # fmt: skip

    def _product(self, x: Any, p: Any) -> Any:
        self.products += 1
        return np.asarray(self.times(jnp.asarray(x, self.watch.dtype), jnp.asarray(p, self.watch.dtype)), float)

    def _hessian(self, x: Any) -> Any:
        self.products += x.size
        return np.asarray(self.whole(jnp.asarray(x, self.watch.dtype)), float)


def descend(method: SciPy, judge: Any, curvature: Curvature, begin: Any, box: Box | None, max_steps: int) -> Progress:
    """A walk on a scalar function of a vector.

    Raises:
        ValueError: when the solver is none for this, or knows no bounds where there are some.
    """
    from scipy import optimize

    solver = method.one_of(MINIMIZERS, "minimize")
    if box is not None and solver not in BOUNDED:
        raise ValueError(f"SciPy's {solver} knows no bounds: {', '.join(BOUNDED)} do.")
    known = curvature.known_to(solver) | ({} if box is None else {"bounds": list(zip(*ends(box)))})
    progress = Progress(judge, max_steps)
    call: Any = optimize.minimize
    start: Any = progress.arrive
    options = {**_most(solver, max_steps), **dict(method.options)}
    value = curvature.watch.value
    return progress.follow(
        begin, lambda: call(value, begin, method=solver, callback=start, tol=LEAST, options=options, **known)
    )


def _most(solver: str, max_steps: int) -> dict[str, Any]:
    """Limits so wide that ours is the one that counts."""
    if solver in ("TNC", "L-BFGS-B"):
        return {"maxfun": 1_000 * (max_steps + 1)} | ({"maxiter": max_steps + 1} if solver == "L-BFGS-B" else {})
    return {"maxiter": (20 if solver in VALUES else 1) * (max_steps + 1)}  # a search by values stays now and then


def descend_squares(
    method: SciPy, judge: Any, watch: Watch, begin: Any, box: Box | None, max_steps: int
) -> Progress:  # fmt: skip
    """A walk on residuals, of which `watch` gives values and Jacobians; it asks for those where it stays.

    Raises:
        ValueError: when the solver is none for this, or knows no bounds where there are some.
    """
    from scipy import optimize

    solver = method.one_of(SQUARES, "least_squares")
    if box is not None and solver == "lm":
        raise ValueError("SciPy's lm knows no bounds: trf and dogbox do.")
    progress = Progress(judge, max_steps)
    call: Any = optimize.least_squares
    options: dict[str, Any] = {"max_nfev": 100 * (max_steps + 1), "ftol": LEAST, "xtol": LEAST, "gtol": LEAST}
    options |= ({} if box is None else {"bounds": ends(box)}) | dict(method.options)
    return progress.follow(
        begin, lambda: call(watch.value, begin, jac=_where_it_stays(watch, progress), method=solver, **options)
    )


def solve_equations(method: SciPy, judge: Any, watch: Watch, begin: Any, max_steps: int) -> Progress:
    """A walk to a root of equations, of which `watch` gives values and Jacobians."""
    from scipy import optimize

    solver = method.one_of(ROOTS, "root")
    progress = Progress(judge, max_steps)
    call: Any = optimize.root
    known: dict[str, Any] = {"callback": progress.arrive}
    if solver in ("hybr", "lm"):
        known = {"jac": _where_it_stays(watch, progress)}
    return progress.follow(
        begin, lambda: call(watch.value, begin, method=solver, tol=LEAST, options=dict(method.options), **known)
    )


def _where_it_stays(watch: Watch, progress: Progress) -> Callable[[Any], Any]:
    """The derivative, asked for where a walk stays: that is how it is followed."""

    def derivative(x: Any) -> Any:
        progress.arrive(x)
        return watch.derivative(x)

    return derivative


def ends(box: Box) -> tuple[Any, Any]:
    """(lower, upper) in NumPy."""
    return np.asarray(box.lower, float), np.asarray(box.upper, float)
