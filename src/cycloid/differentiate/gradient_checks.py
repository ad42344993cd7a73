"""Whether a gradient is right: automatic differentiation against differences and complex steps, and who is to blame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.formulas import Formula
from cycloid.core.functions import as_objective
from cycloid.core.numerals import numeral
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.differentiate.arguments import merge, parameters, real_value
from cycloid.differentiate.derived import name_of
from cycloid.differentiate.gradient_verdicts import Asked, judged, spoken_direction
from cycloid.differentiate.slope_tables import Flat, Table, table_of
from cycloid.differentiate.suspects import Finding
from cycloid.differentiate.writing import inner_programs

VERDICTS = ("agrees", "disagrees", "kink", "frozen", "cannot be checked")


@final
class GradientCheck(Result):
    """What a check of a gradient found.

    Attributes:
        value: the largest distance between a slope by automatic differentiation and the same slope found without it.
        error: how far the slope found there may be off.
        error_kind: "estimate".
        evaluations: of the function.
        status: "converged" when the differences settled; "stalled" when they are too uncertain to decide; "nonfinite"
            when the function is not finite at the point.
        allowance: how large the distance could have been there.
        claimed, found, uncertainty, allowed: for every direction that was tried, the slope by automatic
            differentiation, the same found again, how far that may be off, and how far the two may differ.
        weighting: which weighted sum of the outputs each direction was held against; 0 for one output.
        directions: what each direction moves, in words.
        verdict: "agrees"; "disagrees"; "kink" when there are slopes on two sides and the gradient lies between them;
            "frozen" when it is the derivative with all that passes a stop_gradient held; "cannot be checked".
        findings: what was found on the way, the mistakes first.
        method: how slopes were found again.
        of: the name of the function.
    """

    value: Float[ArrayLike, ""]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    allowance: Float[ArrayLike, ""]
    claimed: Float[ArrayLike, "k"]
    found: Float[ArrayLike, "k"]
    uncertainty: Float[ArrayLike, "k"]
    allowed: Float[ArrayLike, "k"]
    weighting: Int[ArrayLike, "k"]
    directions: tuple[str, ...] = eqx.field(static=True)
    verdict: str = eqx.field(static=True)
    findings: tuple[Finding, ...] = eqx.field(static=True)
    method: str = eqx.field(static=True)
    of: str = eqx.field(static=True)

    @property
    def agrees(self) -> bool:
        """True unless the gradient is wrong or could not be checked."""
        return self.verdict in ("agrees", "kink", "frozen")

    @property
    def suspects(self) -> tuple[Finding, ...]:
        """The findings that are mistakes."""
        return tuple(finding for finding in self.findings if finding.kind == "wrong")

    def to_pandas(self) -> Any:
        """A row for each direction: what it moves, both slopes, how far they may differ."""
        import pandas as pd

        return pd.DataFrame(
            {
                "direction": list(self.directions),
                "claimed": np.asarray(self.claimed),
                "found": np.asarray(self.found),
                "uncertainty": np.asarray(self.uncertainty),
                "allowed": np.asarray(self.allowed),
            }
        )

    @property
    def text(self) -> str:
        """The verdict and the findings, a line each."""
        apart, allowed = (numeral(float(np.asarray(number)), 3) for number in (self.value, self.allowance))
        far = f"largest disagreement {apart}, allowed {allowed}"
        lines = [f"{self.verdict}: the gradient of {self.of}", f"  {far}; {self.method}"]
        return "\n".join([*lines, *(f"  {finding.sentence}" for finding in self.findings)])

    def __str__(self) -> str:
        return self.text


def check_gradient(f: Callable[..., Any] | str, x: Any, *args: Any, tol: float = 1e-6) -> GradientCheck:
    r"""Check the derivatives that JAX takes of a function, and say which argument and which operation is wrong.

    Slopes ∂f(x + t v)/∂t at t = 0 by forward and by reverse mode are compared with slopes found without automatic
    differentiation: by a complex step where all operations are analytic, else by central differences extrapolated over
    16 steps. Directions v: a few through all of x, one through each leaf, and every number alone (24 of them when there
    are more than 48). Both modes are compared with the same slopes, so that ⟨u, J v⟩ = ⟨Jᵀ u, v⟩ is tested too. A
    slope is wrong when

        |claimed − found| > tol · max(|claimed|, |found|) + 4 · uncertainty + 64 eps · (largest slope).

    The uncertainty comes from the noise of f itself, eps from the coarsest numbers that it computes with. In float32
    and below, f is checked in float64 where that is switched on, so that a coarse dtype raises no false alarm.
    Every rule of a `jax.custom_jvp` or `jax.custom_vjp` of yours is tried alone at the values that it meets, in loops
    in the first, middle and last turn; when the whole is wrong, all other operations too.

    Args:
        f: the function: callable, formula or text; its values are real numbers, in an array or a pytree.
        x: the point, a pytree; its floating-point leaves are checked.
        args: handed on to f.
        tol: the relative disagreement allowed; in a coarse dtype what that can reach is allowed too.

    Returns:
        A `GradientCheck`: `agrees`, `verdict`, `findings` (wrong rules with their lines; kinks, at which a gradient is
        one of many; stop_gradients; operations that are constant between jumps), `to_pandas()`.

    Raises:
        TypeError: when f is no function, x holds nothing to differentiate, f has no real values, or the call is traced.
        ValueError: when tol is negative.

    Transformations: none; it works with numbers. Cost: 45 evaluations for each direction, and as many for each rule.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from cycloid.differentiate import check_gradient
        >>> check_gradient(lambda x: jnp.sum(jnp.sin(x)), jnp.array([0.5, 2.0])).verdict
        'agrees'
        >>> @jax.custom_jvp
        ... def square(x):
        ...     return x**2
        >>> @square.defjvp
        ... def rule(primals, tangents):
        ...     return square(*primals), primals[0] * tangents[0]
        >>> found = check_gradient(lambda x: 3.0 * square(x), 2.0)
        >>> found.verdict, found.suspects[0].operation, found.suspects[0].argument
        ('disagrees', 'square', 'x')

    Reference: A. Griewank and A. Walther, Evaluating Derivatives, 2008, chapter 3, on dot-product tests.
    """
    if not (isinstance(tol, int | float) and tol >= 0):
        raise ValueError(f"check_gradient: tol is a relative disagreement, such as 1e-6; it was {tol!r}.")
    if is_traced((x, args)):
        raise TypeError("check_gradient compares numbers: call it plainly, not under jit, vmap or grad.")
    asked = asked_of(f, x, args)
    question = Question(f, {"x": x, "args": args, "tol": tol}, "automatic differentiation")
    value = np.asarray(asked.flat(jnp.asarray(asked.flat.point)), float)
    of = (name_of(f) if callable(f) else str(f)).replace("<lambda>", "the lambda")
    if not (np.isfinite(value).all() and np.isfinite(asked.flat.point).all()):
        return conclude(_not_finite(of), throw=False, question=question)
    table = table_of(asked.flat, tol, asked.eps)
    if not table.modes:
        raise TypeError(f"check_gradient: there is no derivative to check. {table.refused}")
    verdict, findings, table = judged(asked, table, tol)
    return conclude(_result(asked, table, verdict, findings, of), throw=False, question=question)


# --- the question ---------------------------------------------------------------------------------------------------


def asked_of(f: Any, x: Any, args: tuple) -> Asked:
    """The function of the floating-point leaves of x, in the widest precision that is on."""
    x = float(x) if isinstance(x, np.floating) else x
    if isinstance(x, list) and all(isinstance(v, int | float) for v in x):
        x = jnp.asarray(x, float)
    function = as_objective(f, x)
    chosen, rest = parameters(x, "check_gradient")
    paths, leaves = zip(*jax.tree_util.tree_leaves_with_path(chosen), strict=True)
    structure = jax.tree.structure(chosen)
    own = [jnp.asarray(leaf) for leaf in leaves]

    def of_leaves(*parts: Any) -> list[Any]:
        made = function(merge(jax.tree.unflatten(structure, parts), rest), *args)
        if any(jnp.iscomplexobj(part) for part in parts):
            return jax.tree.leaves(made)
        return jax.tree.leaves(real_value(made, "check_gradient"))

    wide = jax.dtypes.canonicalize_dtype(np.float64)
    named = isinstance(getattr(function, "formula", None), Formula)
    names = [_path(path, named and isinstance(x, Mapping)) for path in paths]
    for dtype, note in ((wide, ""), (jnp.result_type(*own), "it does not take wider numbers than its own")):
        raised = [leaf.astype(dtype) for leaf in own]
        try:
            closed = jax.make_jaxpr(of_leaves)(*raised)
        except jax.errors.JAXTypeError:  # Python decides on a value: the whole is compared, not its operations
            return Asked(Flat(of_leaves, raised), names, own, None, float(jnp.finfo(dtype).eps), "")
        except (TypeError, ValueError):
            if dtype != wide or dtype == jnp.result_type(*own):
                raise
            continue
        return Asked(Flat(of_leaves, raised), names, own, closed, _coarsest(closed.jaxpr, dtype), note)
    raise AssertionError("the function has a dtype")


def _path(path: Any, by_name: bool) -> str:
    if by_name and len(path) == 1:
        return str(path[0].key)
    return "x" + jax.tree_util.keystr(path)


def _coarsest(jaxpr: Any, dtype: Any) -> float:
    """The spacing of the coarsest floating-point numbers that a program computes with."""
    kinds = {dtype}
    for equation in jaxpr.eqns:
        kinds |= {v.aval.dtype for v in equation.outvars if jnp.issubdtype(v.aval.dtype, jnp.floating)}
        for inner in inner_programs(equation):
            kinds |= {jnp.finfo(_of_eps(_coarsest(inner.jaxpr, dtype))).dtype}
    return max(float(jnp.finfo(kind).eps) for kind in kinds)


def _of_eps(eps: float) -> Any:
    known = (jnp.float64, jnp.float32, jnp.float16, jnp.bfloat16)
    return next((kind for kind in known if float(jnp.finfo(kind).eps) == eps), jnp.bfloat16)


# --- the result -----------------------------------------------------------------------------------------------------


def _result(asked: Asked, table: Table, verdict: str, findings: list[Finding], of: str) -> GradientCheck:
    apart = np.max([table.apart(claimed) for claimed in table.modes.values()], axis=0)
    which = np.argmax([table.apart(claimed) for claimed in table.modes.values()], axis=0)
    claimed = np.choose(which, list(table.modes.values()))
    with np.errstate(invalid="ignore", divide="ignore"):
        over = np.where(table.blind | table.differences.jump, -1.0, apart / np.maximum(table.allowed, 1e-300))
    row, column = np.unravel_index(int(np.argmax(np.nan_to_num(over, nan=np.inf))), over.shape)
    decided = over[row, column] >= 0
    status = "converged" if verdict != "cannot be checked" else "stalled"
    worst = np.argmax(over, axis=1)[:, None]
    pick = lambda array: np.take_along_axis(np.broadcast_to(array, over.shape), worst, axis=1)[:, 0]
    modes = " and ".join(table.modes)
    way = "a complex step and differences" if table.analytic else "differences"
    some = ", some numbers of many" if table.sampled else ""
    count = f"{len(table.leaf)} direction{'s' if len(table.leaf) > 1 else ''}"
    return GradientCheck(
        value=float(apart[row, column]) if decided else float("nan"),
        error=float(table.uncertainty[row, column]),
        error_kind=ErrorKind.named("estimate"),
        evaluations=table.evaluations,
        status=Status.named(status),
        allowance=float(table.allowed[row, column]),
        claimed=pick(claimed), found=pick(table.found),
        uncertainty=pick(table.uncertainty), allowed=pick(table.allowed),
        weighting=worst[:, 0],
        directions=tuple(spoken_direction(asked, table, row) for row in range(len(table.leaf))),
        verdict=verdict,
        findings=tuple(sorted(findings, key=lambda finding: finding.kind != "wrong")),
        method=f"{modes} mode against {way}, {count}{some}",
        of=of,
    )  # fmt: skip


def _not_finite(of: str) -> GradientCheck:
    nothing, none = float("nan"), np.zeros(0)
    told = "The function is not finite at this point, and has no gradient: cycloid.differentiate.find_nan says where."
    return GradientCheck(
        nothing, nothing, ErrorKind.named("none"), 1, Status.named("nonfinite"), nothing, none, none, none, none,
        none.astype(int),         (), "cannot be checked", (Finding("not finite", told),), "one evaluation", of,
    )  # fmt: skip
