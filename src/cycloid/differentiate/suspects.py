"""Which operation gives a wrong slope, and which ones give none: every rule against differences, where it was met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr

from cycloid.core.numerals import numeral
from cycloid.core.sources import Source, library_of
from cycloid.differentiate.slope_tables import EVERY, Flat, Table, table_of
from cycloid.differentiate.writing import (
    RULES,
    Line,
    Visit,
    Written,
    closed_of,
    inner_programs,
    place_of,
    visits,
    write_out,
)

# Operations of a program that are tried when no rule of the user's own is to blame.
MOST_TRIED = 60
# Operations that are constant between their jumps.
FLAT = frozenset(("round", "floor", "ceil", "sign", "argmax", "argmin"))
# Operations with a kink, and when they stand at it.
_KINKS: dict[str, Callable[..., bool]] = {
    "abs": lambda x: bool(np.any(x == 0)),
    "max": lambda x, y: bool(np.any(x == y)),
    "min": lambda x, y: bool(np.any(x == y)),
    "clamp": lambda low, x, high: bool(np.any((x == low) | (x == high))),
}
_TIES = {"reduce_max": np.max, "reduce_min": np.min, "argmax": np.max, "argmin": np.min}


@dataclass(frozen=True)
class Finding:
    """Something that a check of a gradient found.

    Attributes:
        kind: "wrong", "kink", "jump", "frozen" (behind a stop_gradient), "flat" (constant between jumps),
            "not finite", "unsure".
        sentence: in words, with the place.
        argument: the argument concerned, as a path; "" where there is none.
        operation: the primitive, or the function with a rule of its own; "" where it is the whole.
        rule: the rule that is wrong, with its line; "" where it is none of the user's.
        mode: "forward", "reverse", or "forward and reverse".
        line: the place of the operation in the user's code.
        claimed, found: the slope by automatic differentiation, and by differences.
    """

    kind: str
    sentence: str
    argument: str = ""
    operation: str = ""
    rule: str = ""
    mode: str = ""
    line: str = ""
    claimed: float = float("nan")
    found: float = float("nan")


def spoken_line(source: Source | None) -> str:
    return "" if source is None else str(source)


def at_line(source: Source | None, trail: Sequence[str] = ()) -> str:
    """ " at model.py, line 12: `y = h(x)`, in turn 3 of 10 of the scan"."""
    text = (
        "" if source is None else f" at {source}" + (f", `{source.expression or source.text}`" if source.text else "")
    )
    return text + "".join(f", in {words}" for words in trail)


# --- wrong rules ----------------------------------------------------------------------------------------------------


def wrong_rules(closed: ClosedJaxpr, leaves: Sequence[Any], tol: float, eps: float, all_of_them: bool) -> list[Finding]:
    """The operations whose own slopes are not those of what they compute.

    Args:
        closed: the program.
        leaves: its arguments.
        tol: the relative disagreement allowed.
        eps: the spacing of the coarsest numbers in the program.
        all_of_them: also the library's rules and, where none is wrong, the operations without one.
    """
    found, tried = list[Finding](), set[Any]()
    for visit in visits(closed, leaves, lambda line: line.name in RULES and (all_of_them or _is_users(line))):
        found += _tried(visit, tol, eps, tried)
    if found or not all_of_them:
        return list({(each.rule, each.argument, each.line): each for each in found[::-1]}.values())[::-1]
    known = RULES | {"stop_gradient", "scan", "while", "cond"}
    for visit in visits(closed, leaves, lambda line: line.name not in known and not line.name.startswith("random")):
        if len(tried) >= MOST_TRIED:
            break
        found += _tried(visit, tol, eps, tried)
    return found


def _is_users(line: Line) -> bool:
    traced = line.equation.params.get("jvp_jaxpr_fun") or line.equation.params.get("bwd")
    info = str(getattr(getattr(traced, "debug_info", None), "func_src_info", None) or "")
    return library_of(info.partition(" at ")[2].rpartition(":")[0] or "<unknown>", "") is None


def _tried(visit: Visit, tol: float, eps: float, tried: set[Any]) -> list[Finding]:
    """What one operation has to answer for; one that was tried at the same numbers is not tried again."""
    moving = [
        i
        for i, (atom, value) in enumerate(zip(visit.line.inputs, visit.inputs, strict=True))
        if isinstance(atom, int) and jnp.issubdtype(jnp.result_type(value), jnp.floating) and np.size(value)
    ]
    arrays = [np.asarray(visit.inputs[i]) for i in moving]
    key = (str(visit.line.equation.primitive), str(visit.line.equation.params), *(a.tobytes() for a in arrays))
    outputs = [jnp.issubdtype(v.aval.dtype, jnp.floating) for v in visit.line.equation.outvars]
    if not moving or key in tried or not any(outputs) or not all(np.isfinite(a).all() for a in arrays):
        return []
    tried.add(key)

    def alone(*parts: Any) -> list[Any]:
        given = list(visit.inputs)
        for i, part in zip(moving, parts, strict=True):
            given[i] = part
        return [value for value, real in zip(visit.line.run(*given), outputs, strict=True) if real]

    flat = Flat(alone, [jnp.asarray(visit.inputs[i]) for i in moving])
    table = table_of(flat, tol, eps)
    wrong = {name: bad for name, bad in bad_rows(table).items() if bad.any()}
    return [_accused(visit, flat, table, wrong, moving, tol, eps)] if wrong else []


def bad_rows(table: Table) -> dict[str, np.ndarray]:
    """Of each mode, which slopes are wrong: decided, and further off than they may be."""
    found = {}
    for name, claimed in table.modes.items():
        settled = ~table.blind & np.isfinite(table.allowed)
        found[name] = (
            settled & (~np.isfinite(claimed) | (table.apart(claimed) > table.allowed)) & ~table.differences.jump
        )
    return found


def _accused(
    visit: Visit, flat: Flat, table: Table, wrong: dict[str, np.ndarray], moving: list[int], tol: float, eps: float
) -> Finding:
    mode, bad = next(iter(wrong.items()))
    claimed = table.modes[mode]
    over = np.where(bad, table.apart(claimed) / np.maximum(table.allowed, 1e-300), -1.0)
    over[table.leaf < 0] = np.minimum(over[table.leaf < 0], 0.0)  # a row that moves one argument tells more
    row, column = np.unravel_index(int(np.argmax(over)), over.shape)
    params = visit.line.equation.params
    names = _names(visit.line)
    leaf = int(table.leaf[row])
    argument = "" if leaf < 0 else names[moving[leaf]]
    operation, rule = visit.line.name, ""
    if visit.line.name in RULES:
        operation, where = place_of(closed_of(params).jaxpr)
        by = params.get("jvp_jaxpr_fun") or params.get("bwd")
        maker = "jax.custom_jvp" if visit.line.name == "custom_jvp_call" else "jax.custom_vjp"
        rule = ", ".join(part for part in place_of(by) if part).replace("<lambda>", "in a lambda")
        subject = f"the rule {_called(by)} of the {maker} {operation}{f' ({where})' if where else ''}"
    else:
        subject = f"the derivative of the primitive {operation}"
    modes = "forward and reverse" if len(wrong) == 2 else mode
    a, b = float(claimed[row, column]), float(table.found[row, column])
    of = f" for {argument}" if argument else ""
    only = _innocent(table, bad, names, moving)
    sentence = (
        f"{subject[0].upper()}{subject[1:]} is wrong{of} in {modes} mode{at_line(visit.line.source, visit.trail)}: it "
        f"gives {numeral(a, 6)} where differences give {numeral(b, 6)}{_guess(flat, table, mode, tol, eps)}.{only}"
    )
    return Finding("wrong", sentence, argument, operation, rule, modes, spoken_line(visit.line.source), a, b)


def _called(traced: Any) -> str:
    name, place = place_of(traced)
    return f"{name.replace('<lambda>', 'a lambda')}{f' ({place})' if place else ''}"


def _names(line: Line) -> list[str]:
    """The names of a rule's arguments."""
    params, count = line.equation.params, len(line.inputs)
    if line.name not in RULES:
        return ["its argument"] if count == 1 else [f"its argument {i + 1}" for i in range(count)]
    known: tuple[str, ...] = ()
    for traced in (params.get("fwd_jaxpr_thunk"), closed_of(params).jaxpr):
        known = known or tuple(getattr(getattr(traced, "debug_info", None), "arg_names", None) or ())
    consts = int(params.get("num_consts", 0))
    names = [f"the constant {i + 1}" for i in range(consts)] + list(known)
    return names if len(names) == count else [f"argument {i + 1}" for i in range(count)]


def _innocent(table: Table, bad: np.ndarray, names: list[str], moving: list[int]) -> str:
    leaves = sorted({int(leaf) for leaf in table.leaf if leaf >= 0})
    right = [names[moving[leaf]] for leaf in leaves if not bad[table.leaf == leaf].any()]
    return f" For {' and '.join(right)} it is right." if right and len(right) < len(leaves) else ""


def _guess(flat: Flat, table: Table, mode: str, tol: float, eps: float) -> str:
    """What kind of mistake it looks like."""
    claimed, found = table.modes[mode], table.found
    wrong_leaves = np.unique(table.leaf[bad_rows(table)[mode].any(axis=1)])
    alone = (table.leaf >= 0) & np.isin(table.leaf, wrong_leaves)
    clear = ~table.blind & (np.abs(found) > 1e3 * table.uncertainty) & alone[:, None]
    if not np.isfinite(claimed).all():
        return ", which is not finite"
    if clear.sum() == 0:
        return ""
    if not claimed[clear].any():
        return ": it lets no slope through"
    with np.errstate(divide="ignore"):
        ratio = found[clear] / claimed[clear]
    if np.isfinite(ratio).all() and np.ptp(ratio) <= 1e-4 * np.abs(ratio[0]):
        if abs(ratio[0] + 1) < 1e-4:
            return ": the sign is turned round"
        return (
            f": a factor of {numeral(float(ratio[0]), 6)} is missing" if clear.sum() > 1 or ratio[0] % 1 < 1e-6 else ""
        )
    return ": rows and columns of its Jacobian are interchanged" if _is_transposed(flat, mode, tol, eps) else ""


def _is_transposed(flat: Flat, mode: str, tol: float, eps: float) -> bool:
    n = flat.point.size
    if len(flat.leaves) != 1 or not 1 < n <= EVERY or flat(jnp.asarray(flat.point)).size != n:
        return False
    table = table_of(flat, tol, eps, np.eye(n))
    alone = table.place >= 0
    claimed, found = table.modes[mode][alone], table.found[alone]
    return bool(np.allclose(claimed.T, found, rtol=1e-4, atol=1e-6 * np.abs(found).max()))


# --- kinks, jumps, what is held fixed -------------------------------------------------------------------------------


def kinks(closed: ClosedJaxpr, leaves: Sequence[Any]) -> list[tuple[str, str, str]]:
    """The operations that stand at a kink or a tie: (name, place in words, line)."""
    wanted = lambda line: line.name in _KINKS or line.name in _TIES or line.name in FLAT or line.name in RULES
    found = list[tuple[str, str, str]]()
    for visit in visits(closed, leaves, wanted):
        line = visit.line
        if line.name in RULES:
            inner = kinks(closed_of(line.equation.params), visit.inputs)
            operation = place_of(closed_of(line.equation.params).jaxpr)[0]
            found += [(operation, at_line(line.source, visit.trail), spoken_line(line.source)) for _ in inner[:1]]
        elif _stands_at_it(line, [np.asarray(value) for value in visit.inputs]):
            found.append((line.name, at_line(line.source, visit.trail), spoken_line(line.source)))
    return list(dict.fromkeys(found))


def _stands_at_it(line: Line, values: list[np.ndarray]) -> bool:
    if line.name in _KINKS:
        return _KINKS[line.name](*values)
    if line.name in _TIES:
        axes = tuple(line.equation.params["axes"])
        best = _TIES[line.name](values[0], axis=axes, keepdims=True)
        return bool(np.any(np.sum(values[0] == best, axis=axes) > 1))
    x = values[0]
    return bool(np.any(np.mod(x, 1.0) == 0.5)) if line.name == "round" else bool(np.any(x == np.round(x)))


def constants_between_jumps(closed: ClosedJaxpr) -> list[tuple[str, str, str]]:
    """The operations on the way from the arguments whose slope is zero wherever they have one."""
    return [(line.name, at_line(line.source), spoken_line(line.source)) for line in _moved(closed, _is_flat)]


def stops(closed: ClosedJaxpr) -> list[tuple[str, str, str]]:
    """Where a stop_gradient stands on the way from the arguments."""
    wanted = lambda line: line.name == "stop_gradient"
    return [(line.name, at_line(line.source), spoken_line(line.source)) for line in _moved(closed, wanted)]


def _is_flat(line: Line) -> bool:
    if line.name == "convert_element_type":
        given, made = line.equation.invars[0].aval.dtype, line.equation.outvars[0].aval.dtype
        return jnp.issubdtype(given, jnp.floating) and jnp.issubdtype(made, jnp.integer)
    return line.name in FLAT


def _moved(closed: ClosedJaxpr, wanted: Callable[[Line], bool]) -> list[Line]:
    """The lines that are wanted, among those that stand between the arguments and the values.

    What decides a choice, and what is an index, is no value: the slope does not run through it.
    """
    written = write_out(closed, opens_rules=True)
    moving, valued = set(written.inputs), {atom for atom in written.outputs if isinstance(atom, int)}
    for line in written.lines:
        if any(isinstance(atom, int) and atom in moving for atom in line.inputs):
            moving |= set(line.outputs)
    found = dict[Any, Line]()
    for line in reversed(written.lines):
        if valued & set(line.outputs):
            passed = _passed_on(line)
            valued |= {atom for atom in passed if isinstance(atom, int)}
            if any(isinstance(atom, int) and atom in moving for atom in passed):
                found.update({(inner.name, at_line(inner.source)): inner for inner in _lines_in(line) if wanted(inner)})
    return list(found.values())[::-1]


def _passed_on(line: Line) -> list[Any]:
    """The inputs whose numbers come out again, changed or not."""
    if all(variable.aval.dtype == bool for variable in line.equation.outvars):
        return []
    if line.name == "select_n":
        return line.inputs[1:]
    return line.inputs[:1] if line.name in ("gather", "dynamic_slice") else line.inputs


def _lines_in(line: Line) -> Iterator[Line]:
    yield line
    for program in inner_programs(line.equation):
        for inner in write_out(program, opens_rules=True).lines:
            yield from _lines_in(inner)


def held(closed: ClosedJaxpr, leaves: Sequence[Any]) -> Callable[..., list[Any]] | None:
    """The function with all that passes through a stop_gradient kept as it is here; None where a loop has one."""
    written = write_out(closed, opens_rules=False)
    lines = [line for line in written.lines if line.name == "stop_gradient"]
    deeper = [line for line in written.lines if len(list(_lines_in(line))) > 1 or line.name in RULES]
    if any(inner.name == "stop_gradient" for line in deeper for inner in _lines_in(line)) or not lines:
        return None
    values = written.values(leaves, [line.outputs[0] for line in lines])
    fixed = {line.outputs[0]: value for line, value in zip(lines, values, strict=True)}
    return lambda *parts: _run_held(written, parts, fixed)


def _run_held(written: Written, parts: Sequence[Any], fixed: dict[int, Any]) -> list[Any]:
    known = dict(zip(written.inputs, parts, strict=True))
    for line in written.lines:
        inputs = [known[atom] if isinstance(atom, int) else atom.value for atom in line.inputs]
        made = [fixed[line.outputs[0]]] if line.name == "stop_gradient" else line.run(*inputs)
        known.update(zip(line.outputs, made, strict=True))
    return [known[atom] if isinstance(atom, int) else atom.value for atom in written.outputs]
