"""The chain rule on real code: what was computed, how every step passes slopes on, and what arrives at the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.formulas import Formula
from cycloid.core.functions import as_function
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.core.sources import own_folder
from cycloid.explain.assembly import assembled
from cycloid.explain.derivations import AGREES, DISAGREES, Check, Derivation, concluded
from cycloid.explain.folding import fold as folded
from cycloid.explain.graphs import Graph
from cycloid.explain.labels import argument_names, function_name, leaf_labels, split
from cycloid.explain.paths import routes
from cycloid.explain.recording import Folds, Program, record
from cycloid.explain.sweeps import Sweep, differences, is_real, link, sweep

MAX_STEPS = 300


def chain(
    f: Callable[..., Any] | str,
    *args: Any,
    output: Any = None,
    unfold: Sequence[str] | str | bool = (),
    fold: Sequence[str] | str = (),
    check: bool = True,
    **named: Any,
) -> Derivation:
    """The chain rule on real code: every step of f at a point, its local derivative, and the slopes back to the inputs.

    Forward: v_k = g_k(inputs). Backward, from the result: v̄ = ∂f/∂v is the sum, over the steps that use v, of the
    slope of the step's output times the step's local derivative. The gradient is what arrives at the inputs; it is
    also the sum, over all paths, of the products of the local derivatives along them.

    Args:
        f: code that JAX can trace, a formula or its text. Its value is one real number.
        args: the point: numbers, arrays, dicts, equinox modules. Real floating-point leaves are followed, others
            (integer labels, settings) are constants.
        output: the index of the entry to follow, where f returns an array.
        unfold: library functions to open ("softmax"), or True for every primitive operation.
        fold: functions of your own to show as one step, by name.
        check: find every slope again by differences.
        named: arguments by name, for a formula.

    Returns:
        A `Derivation`: `value` is the gradient, shaped like the argument (a tuple for several); `evidence` is the
        `Graph`; `.text`, `.html`, `.latex`, and `cy.figure` draws it.

    Raises:
        TypeError: when f does not return one real number or nothing can be differentiated.
        ValueError: when the function makes more than 300 steps.

    Cost: one compiled run forward and backward; with `check` 22 runs forward for each quantity, in one batch.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.explain import chain
        >>> found = chain(lambda x: jnp.sin(x**2) + x, 1.5)
        >>> [step.name for step in found.steps], round(float(found.value), 6)
        (['power', 'sine', 'sum'], -0.884521)
        >>> [round(path.share, 6) for path in found.evidence.paths]
        [1.0, -1.884521]

    Reference: S. Linnainmaa, Taylor expansion of the accumulated rounding error, 1976; A. Griewank and A. Walther,
    Evaluating Derivatives, 2nd ed., 2008.
    """
    function = as_function(f)
    args = _arguments(function, args, named)
    labels = argument_names(function, len(args))
    parts = [split(argument, label) for argument, label in zip(args, labels, strict=True)]
    leaves, structure = jax.tree.flatten([chosen for chosen, _ in parts])
    if not leaves:
        raise TypeError(_nothing(args))
    names = [label for (chosen, _), name in zip(parts, labels, strict=True) for label in leaf_labels(chosen, name)]

    def flat(*values: Any) -> Any:
        chosen = jax.tree.unflatten(structure, list(values))
        value = function(*(eqx.combine(part, rest) for part, (_, rest) in zip(chosen, parts, strict=True)))
        return _one_number(value, output)

    folds = Folds(unfold if isinstance(unfold, bool) else _names(unfold), _names(fold), own_folder(_inner(function)))
    leaves = [
        jnp.asarray(leaf, jnp.result_type(float)) if isinstance(leaf, float) else jnp.asarray(leaf) for leaf in leaves
    ]
    program = _recorded(flat, leaves, folds)
    graph, found, runs, gradient = _explained(program, folds, flat, names, function, check)
    slopes = jax.tree.unflatten(structure, [jnp.asarray(g) for g in gradient])
    value = slopes[0] if len(args) == 1 else tuple(slopes)
    height = found.values[graph_result(program)] if isinstance(program.outputs[0], int) else program.outputs[0].value
    return concluded(
        "chain",
        f"{function_name(function)} = {numeral(height, 8, typeset=True)}{_where(names, leaves)}, "
        "and its slopes by the chain rule",
        value,
        graph,
        checks=graph.checks,
        evaluations=runs,
        notes=program.notes,
        question=Question(f, {"args": args, "output": output}),
    )


def _recorded(flat: Callable[..., Any], leaves: Sequence[Any], folds: Folds) -> Program:
    try:
        return record(flat, leaves, folds)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerIntegerConversionError):
        from cycloid.explain.following import follow

        return follow(flat, leaves, folds)


def graph_result(program: Program) -> int:
    """The number of the result; −1 where it is a constant."""
    (atom,) = program.outputs
    return atom if isinstance(atom, int) else -1


def _explained(
    program: Program, folds: Folds, flat: Callable[..., Any], names: list[str], function: Any, check: bool
) -> tuple[Graph, Sweep, int, list[Any]]:
    """The graph, its numbers, how often the program was run, and the gradient by leaf."""
    groups = folded(program, folds)
    if len(groups) > MAX_STEPS:
        raise ValueError(
            f"{function_name(function)} makes {len(groups)} steps, and {MAX_STEPS} can be read: name inner functions "
            "in fold=(…), or write the repetition as jax.lax.scan or fori_loop, which is shown as one step."
        )
    links, result = [link(group) for group in groups], graph_result(program)
    inputs = list(range(len(program.leaves)))
    if result < 0:
        program.notes.append(f"{function_name(function)} does not depend on its arguments: every slope is 0.")
        links = []
    moves = lambda number: is_real(program.types[number])
    ways = routes(links, inputs, result, moves) if links else []
    found = (
        sweep(program, links, result, ways)
        if links or result >= 0
        else Sweep(dict(enumerate(map(np.asarray, program.leaves))), {}, [], [], [], {})
    )
    shown = [n for n in (*inputs, *(o for item in links for o in item.group.outputs)) if moves(n) and n != result]
    checks, runs = differences(program, links, result, found, shown) if check and links else ([], 0)
    gradient = [found.adjoints.get(n, np.zeros_like(found.values[n])) for n in inputs]
    totals = _totals(program, flat, gradient, found, ways, links) if check and links else []
    graph = assembled(program, links, found, ways, names, function, dict(zip(shown, checks, strict=False)), totals)
    return graph, found, runs + (1 if totals else 0), gradient


def _totals(
    program: Program,
    flat: Callable[..., Any],
    gradient: list[Any],
    found: Sweep,
    ways: Sequence[Any],
    links: Sequence[Any],
) -> list[Check]:
    """The gradient as a whole: against JAX's own reverse mode on the function, and as the sum over paths."""
    checks: list[Check] = []
    whole = _by_jax(flat, program.leaves)
    if whole is not None:
        checks.append(_compared("jax.grad of the whole function", gradient, [np.asarray(g) for g in whole], program))
    elif any(item.group.loop is not None and item.group.loop.kind == "while" for item in links):
        program.notes.append(
            "jax.grad does not pass backwards through a while loop; here it is run as often as it ran forward."
        )
    if ways:
        sums = [np.zeros_like(g) for g in gradient]
        for way, share in zip(ways, found.paths, strict=True):
            end = links[way[-1][0]].operands[way[-1][2]] if way else graph_result(program)
            sums[end] = sums[end] + share
        checks.append(
            _compared(f"the sum over {len(ways)} path{'s' if len(ways) > 1 else ''}", gradient, sums, program)
        )
    return checks


def _by_jax(flat: Callable[..., Any], leaves: Sequence[Any]) -> Any:
    """The gradient by JAX's own reverse mode on the whole function; None where it does not pass."""
    gradient = jax.grad(flat, argnums=tuple(range(len(leaves))))
    for run in (jax.jit(gradient), gradient):  # code that decides in Python runs uncompiled alone
        try:
            return run(*leaves)
        except Exception:
            continue
    return None


def _compared(method: str, first: list[Any], second: list[Any], program: Program) -> Check:
    apart = max(
        (
            float(np.max(np.abs(np.asarray(a, float) - np.asarray(b, float)), initial=0.0))
            for a, b in zip(first, second, strict=True)
        ),
        default=0.0,
    )
    size = max((float(np.max(np.abs(np.asarray(a, float)), initial=0.0)) for a in first), default=0.0)
    eps = max(float(jnp.finfo(leaf.dtype).eps) for leaf in program.leaves)
    allowance = 1e4 * eps * max(size, eps)
    norms = [
        float(np.linalg.norm(np.concatenate([np.ravel(np.asarray(g, float)) for g in side])))
        for side in (first, second)
    ]
    return Check(method, (), (norms[0],), (norms[1],), apart, allowance, AGREES if apart <= allowance else DISAGREES)


# -- what may be asked ---------------------------------------------------------------------------------------------


def _arguments(function: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    if isinstance(function, Formula):
        if len(args) == 1 and isinstance(args[0], dict) and not named:
            args, named = (), args[0]
        expected = function.variables
        if len(args) > len(expected) or set(expected[len(args) :]) != set(named):
            listed = ", ".join(f"{name}=1.0" for name in expected)
            raise TypeError(f"{function} has the variables {', '.join(expected) or 'none'}: call chain(f, {listed}).")
        every = [*args, *(named[name] for name in expected[len(args) :])]
        return tuple(float(x) if isinstance(x, int) and not isinstance(x, bool) else x for x in every)
    if named:
        raise TypeError(
            f"chain follows positional arguments; {', '.join(named)} came by name. Bind settings before: "
            "chain(lambda x: f(x, rate=0.1), x)."
        )
    return args


def _one_number(value: Any, output: Any) -> Any:
    """The number to follow.

    Raises:
        TypeError: when the value is no real number and `output` does not choose one.
    """
    if output is not None:
        try:
            value = value[output]
        except (TypeError, IndexError, KeyError) as error:
            raise TypeError(f"output={output!r} chooses no entry of what the function returns: {error}.") from error
    if isinstance(value, tuple | list | dict) or value is None:
        raise TypeError(
            f"chain follows a function whose value is one real number; this one returned a {type(value).__name__}. "
            "Choose an entry by output=, or return the number alone."
        )
    value = value if isinstance(value, jax.Array) else jnp.asarray(value)
    if value.shape:
        raise TypeError(
            f"chain follows one real number; the function returned an array of shape {value.shape}: choose an entry, "
            f"as in chain(f, x, output={tuple([0] * value.ndim) if value.ndim > 1 else 0}), or sum them."
        )
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(
            f"chain follows one real number; the function returned a value of dtype {value.dtype}, which has no slope."
        )
    return value


def _nothing(args: tuple[Any, ...]) -> str:
    if not args:
        return "chain needs a point: chain(f, 2.0)."
    if any(isinstance(x, int) and not isinstance(x, bool) for x in args):
        whole = next(x for x in args if isinstance(x, int) and not isinstance(x, bool))
        return f"there is nothing to differentiate by: the argument was the integer {whole}; write {whole}.0."
    kinds = ", ".join(type(x).__name__ for x in args)
    return f"there is nothing to differentiate by: pass floats or arrays of floats; the arguments were of type {kinds}."


def _names(names: Sequence[str] | str) -> frozenset[str]:
    return frozenset([names] if isinstance(names, str) else names)


def _inner(function: Any) -> Any:
    return getattr(function, "function", function)


def _where(names: Sequence[str], leaves: Sequence[Any]) -> str:
    """at x = 1.5, w = [0, 1, 2]; nothing where the point is large."""
    if len(leaves) > 6 or any(leaf.size > 4 for leaf in leaves):
        return ""
    shown = [
        f"{name} = {numeral(leaf, 6, typeset=True)}" if leaf.ndim == 0
        else f"{name} = [{', '.join(numeral(x, 4, typeset=True) for x in np.ravel(np.asarray(leaf)))}]"
        for name, leaf in zip(names, leaves, strict=True)
    ]  # fmt: skip
    return f" at {', '.join(shown)}"
