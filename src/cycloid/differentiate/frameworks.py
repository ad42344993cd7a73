"""One function, several frameworks: its value and derivatives by each, how far they differ, and what they take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.adapters import FRAMEWORKS, adapter, how_to_install, is_installed
from cycloid.adapters.trees import of_vector
from cycloid.core.formulas import Formula, formula
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude

NAMES = ("jax", *FRAMEWORKS)
# Warm calls that are timed for each derivative, and the seconds after which no more are made.
CALLS, PATIENCE = 30, 0.3


@final
class Agreement(Result):
    """The same derivatives by several frameworks.

    Attributes:
        value: way -> "value", "gradient" or "jacobian", "hessian" -> the array it gave. The ways are "jax",
            "torch.func", "torch.autograd", "tensorflow".
        error: the largest difference between two ways.
        error_kind: "estimate".
        evaluations: calls made, the timed ones too.
        status: "all_steps", or "nonfinite" when a way gave a NaN or an infinity.
        disagreement: of each derivative, the largest difference between two ways.
        allowed: of each derivative, how large it may be.
        seconds: way -> derivative -> (first call, median of the warm calls), in seconds.
        missing: framework -> what to type to install it.
        variables: the names of the numbers of x.
        of: the name of the function.
    """

    value: dict[str, dict[str, Any]]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    disagreement: dict[str, float]
    allowed: dict[str, float]
    seconds: dict[str, dict[str, tuple[float, float]]]
    missing: dict[str, str]
    variables: tuple[str, ...] = eqx.field(static=True)
    of: str = eqx.field(static=True)

    @property
    def agrees(self) -> bool:
        """True when every derivative differs by no more than it may."""
        return all(self.disagreement[name] <= self.allowed[name] for name in self.disagreement)

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways that were gone."""
        return tuple(self.value)

    def to_pandas(self) -> Any:
        """A row for each way and derivative: its largest distance from the first way, and its times in seconds."""
        import pandas as pd

        first = self.value[self.ways[0]]
        rows = [
            {
                "way": way,
                "derivative": name,
                "difference": float(np.max(np.abs(np.asarray(made) - np.asarray(first[name])), initial=0.0)),
                "first_call": self.seconds[way][name][0],
                "warm_call": self.seconds[way][name][1],
            }
            for way, found in self.value.items()
            for name, made in found.items()
        ]
        return pd.DataFrame(rows)

    @property
    def text(self) -> str:
        """A line for each derivative and for each framework that is missing."""
        verdict = "agree" if self.agrees else "DISAGREE"
        lines = [f"{', '.join(self.ways)} {verdict} on {self.of}"]
        for name, apart in self.disagreement.items():
            lines.append(f"  {name}: largest difference {apart:.2g}, allowed {self.allowed[name]:.2g}")
        return "\n".join([*lines, *(f"  {name} is not installed: {cure}" for name, cure in self.missing.items())])

    def __str__(self) -> str:
        return self.text


class _Asked(NamedTuple):
    """The function for each framework, at a point."""

    functions: dict[str, Callable[..., Any]]
    point: np.ndarray
    variables: tuple[str, ...]
    is_scalar: bool
    name: str


def compare(f: Any, x: Any, *, frameworks: Sequence[str] = NAMES, tol: float = 1e-9, throw: bool = True) -> Agreement:
    """The value, gradient or Jacobian, and Hessian of one function by JAX, PyTorch and TensorFlow, side by side.

    Every framework computes in float64. JAX is compiled by `jax.jit`; PyTorch is asked twice, by `torch.func` and by
    `torch.autograd`; TensorFlow by `GradientTape` in a `tf.function`, Hessians by a tape in a tape. Two ways agree when
    their largest difference is at most tol · max(1, largest entry).

    Args:
        f: a formula or its text; a list of formulas, for a function of several values; or a callable for each
            framework, in a dict by name or in a tuple in their order, each from one tensor to a number or a vector.
        x: the point: a number, a vector, or a dict by the names of the formula's variables.
        frameworks: which, of "jax", "torch", "tensorflow". One that is not installed is left out and named in
            `missing`.
        tol: the relative difference allowed.
        throw: raise when a value is not finite.

    Returns:
        An `Agreement`: `agrees`, `value`, `disagreement`, `seconds`, `missing`, `to_pandas()`. A function with one
        value has a gradient and a Hessian, one with several a Jacobian.

    Raises:
        TypeError: when f is none of these.
        ValueError: for an unknown framework, a point that does not fit, or while float64 is switched off.
        ImportError: when none of the frameworks is installed.
        ConvergenceError: when a value is not finite.

    Transformations: none; it works with numbers. Cost: up to 31 calls of each derivative by each way.

    Example:
        >>> import cycloid as cy
        >>> found = cy.compare("x^2*y + sin(y)", {"x": 1.0, "y": 2.0}, frameworks=("jax",))
        >>> found.value["jax"]["gradient"].tolist()
        [4.0, 0.5838531634528576]
        >>> found.agrees
        True
    """
    wanted = _checked(frameworks)
    if not jax.config.read("jax_enable_x64"):
        raise ValueError("compare computes in float64: call cy.enable_x64() first.")
    present = [name for name in wanted if name == "jax" or is_installed(name)]
    missing = {name: how_to_install(name) for name in wanted if name not in present}
    if not present:
        raise ImportError(" ".join(f"{name} is not installed: {cure}." for name, cure in missing.items()))
    asked = asked_of(f, x, wanted, present)
    values, seconds, calls = dict[str, Any](), dict[str, Any](), 0
    for name in present:
        for way, made in _ways(name, asked).items():
            values[way], seconds[way] = {}, {}
            for derivative, run in made.items():
                values[way][derivative], seconds[way][derivative], count = _timed(run)
                calls += count
    result = _concluded(asked, values, seconds, missing, calls, tol)
    question = Question(f, {"x": x, "frameworks": tuple(present), "tol": tol}, "automatic differentiation")
    return conclude(result, throw=throw, question=question)


def _checked(frameworks: Sequence[str]) -> list[str]:
    wanted = [frameworks] if isinstance(frameworks, str) else list(frameworks)
    strange = [name for name in wanted if name not in NAMES]
    if strange or not wanted:
        raise ValueError(
            f"frameworks are some of {', '.join(NAMES)}; they were {', '.join(map(str, wanted)) or 'none'}."
        )
    return list(dict.fromkeys(wanted))


# --- the question ---------------------------------------------------------------------------------------------------


def asked_of(f: Any, x: Any, wanted: list[str], present: list[str]) -> _Asked:
    """The function for each framework that is present, and the point as a vector."""
    if isinstance(f, str | Formula):
        return _of_formulas([f], x, present, is_scalar=True)
    if isinstance(f, list) and f and all(isinstance(part, str | Formula) for part in f):
        return _of_formulas(f, x, present, is_scalar=False)
    if isinstance(f, tuple) and len(f) == len(wanted):
        f = dict(zip(wanted, f, strict=True))
    if not (isinstance(f, Mapping) and all(callable(part) for part in f.values())):
        raise TypeError(
            "compare takes a formula, a list of formulas, or a callable for each framework, in a dict by name or a "
            f"tuple in the order of frameworks={tuple(wanted)}; it was {_came(f)}. A function of JAX cannot be read by "
            "the other frameworks: write it once for each."
        )
    lacking = [name for name in present if name not in f]
    if lacking:
        raise TypeError(f"compare has no function for {', '.join(lacking)}; the functions are for {', '.join(f)}.")
    if isinstance(x, Mapping):
        raise ValueError("compare takes a point by name for formulas alone: pass a number or a vector.")
    point = _vector(x)
    first = next(f[name] for name in present)
    return _Asked({name: f[name] for name in present}, point, tuple(f"x[{i}]" for i in range(point.size)),
                  True, getattr(first, "__name__", "the function").replace("<lambda>", "the lambda"))  # fmt: skip


def _came(f: Any) -> str:
    if isinstance(f, tuple | list):
        return f"a {type(f).__name__} of {len(f)}"
    return "one function" if callable(f) else f"a {type(f).__name__}"


def _of_formulas(texts: Sequence[Any], x: Any, present: list[str], is_scalar: bool) -> _Asked:
    given = [text if isinstance(text, Formula) else formula(text) for text in texts]
    found = list(dict.fromkeys(name for part in given for name in part.variables))
    variables = tuple(given[0].variables if is_scalar else sorted(found))
    if isinstance(x, Mapping):
        if set(x) != set(variables):
            raise ValueError(f"the formula has the variables {', '.join(variables)}; the point has {', '.join(x)}.")
        x = [x[name] for name in variables]
    point = _vector(x)
    if point.size != len(variables):
        raise ValueError(
            f"the formula has the variables {', '.join(variables)}: pass {len(variables)} numbers in that order, or a "
            f"dict by name; there were {point.size}."
        )
    trees = [part.tree for part in given]
    functions: dict[str, Callable[..., Any]] = {}
    for name in present:
        if name == "jax":
            functions[name] = _by_jax(given, variables, is_scalar)
        else:
            functions[name] = of_vector(trees, variables, adapter(name).OPERATIONS, is_scalar)
    name = str(given[0].text or given[0]) if is_scalar else f"[{', '.join(part.text or str(part) for part in given)}]"
    return _Asked(functions, point, variables, is_scalar, name)


def _by_jax(given: Sequence[Formula], variables: Sequence[str], is_scalar: bool) -> Callable[..., Any]:
    import jax.numpy as jnp

    def function(x: Any) -> Any:
        named = dict(zip(variables, x, strict=True))
        made = [part(**{name: named[name] for name in part.variables}) for part in given]
        return made[0] if is_scalar else jnp.stack(made)

    return function


def _vector(x: Any) -> np.ndarray:
    try:
        point = np.atleast_1d(np.asarray(x, float))
    except (TypeError, ValueError):
        raise ValueError(f"compare takes a point of numbers, such as [1.0, 2.0]; it was {x!r}.") from None
    if point.ndim != 1:
        raise ValueError(f"compare takes a number or a vector; the shape was {point.shape}.")
    return point


# --- the ways -------------------------------------------------------------------------------------------------------

# operator -> from a function to its derivative
_JAX: dict[str, Callable[..., Any]] = {
    "value": jax.jit,
    "gradient": lambda f: jax.jit(jax.grad(f)),
    "jacobian": lambda f: jax.jit(jax.jacobian(f)),
    "hessian": lambda f: jax.jit(jax.hessian(f)),
}


def _ways(name: str, asked: _Asked) -> dict[str, dict[str, Callable[[], np.ndarray]]]:
    """way -> derivative -> a call that gives it as an array of NumPy."""
    f = asked.functions[name]
    if name == "jax":
        import jax.numpy as jnp

        makers, point, back = {"jax": _JAX}, jnp.asarray(asked.point), np.asarray
    else:
        module = adapter(name)
        makers, point, back = module.WAYS, module.tensor(asked.point), module.array
    shape = np.shape(back(f(point)))
    if len(shape) > 1:
        raise ValueError(f"the function for {name} returned an array of shape {shape}; return a number or a vector.")
    wanted = ("value", "jacobian") if shape else ("value", "gradient", "hessian")
    call = lambda run: lambda: np.array(back(run(point)))  # a copy: the array may be the framework's own memory
    return {way: {each: call(made[each](f)) for each in wanted} for way, made in makers.items()}


def _timed(run: Callable[[], np.ndarray]) -> tuple[np.ndarray, tuple[float, float], int]:
    """What a call gives, the seconds of the first one, the median of the following ones, and how many there were."""
    start = time.perf_counter()
    value = run()
    first, warm = time.perf_counter() - start, list[float]()
    while not warm or (len(warm) < CALLS and sum(warm) < PATIENCE):
        start = time.perf_counter()
        run()
        warm.append(time.perf_counter() - start)
    return value, (first, statistics.median(warm)), len(warm) + 1


def _concluded(
    asked: _Asked, values: dict[str, Any], seconds: dict[str, Any], missing: dict[str, str], calls: int, tol: float
) -> Agreement:
    disagreement, allowed = dict[str, float](), dict[str, float]()
    shared = list(next(iter(values.values())))
    for each in shared:
        if any(each not in made or made[each].shape != values[way][each].shape
               for way in values for made in values.values()):  # fmt: skip
            shapes = ", ".join(f"{way} {made['value'].shape}" for way, made in values.items())
            raise ValueError(f"the functions return values of different shapes: {shapes}.")
        stacked = np.stack([made[each] for made in values.values()])
        with np.errstate(invalid="ignore"):
            spread = stacked.max(axis=0) - stacked.min(axis=0)
        disagreement[each] = float(np.max(spread, initial=0.0))
        allowed[each] = tol * max(1.0, float(np.max(np.abs(stacked), initial=0.0)))
    finite = all(np.isfinite(array).all() for made in values.values() for array in made.values())
    return Agreement(
        value=values,
        error=max(disagreement.values()),
        error_kind=ErrorKind.named("estimate"),
        evaluations=calls,
        status=Status.named("all_steps" if finite else "nonfinite"),
        disagreement=disagreement,
        allowed=allowed,
        seconds=seconds,
        missing=missing,
        variables=asked.variables,
        of=asked.name,
    )
