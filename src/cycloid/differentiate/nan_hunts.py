"""Where a NaN or an infinity is born: the first operation that made one of finite numbers, forward or backward."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr

from cycloid.core.formulas import Formula
from cycloid.core.functions import as_function
from cycloid.core.numerals import numerals
from cycloid.core.results import is_traced
from cycloid.differentiate.arguments import at_point, point_of, real_value, restrict
from cycloid.differentiate.derived import name_of
from cycloid.differentiate.nan_cures import cure_of
from cycloid.differentiate.origins import chooses, origin_of, roots_a_sum
from cycloid.differentiate.suspects import at_line, spoken_line
from cycloid.differentiate.writing import LOOPS, Fixed, Line, branch_of, loop_of, write_out

# Entries of an operand that are shown; of a larger one, those at the places that went wrong.
SHOWN = 6


@dataclass(frozen=True)
class Birth:
    """The operation that made the first NaN or infinity of one pass.

    Attributes:
        pass_: "forward", "backward".
        kind: "NaN", "infinity".
        operation: the primitive in the user's program; "an argument" or "a constant" where it came from outside.
        line: the place in the user's code, such as "model.py, line 12"; "" for a formula.
        expression: what stands there.
        operands: the numbers that it was given, at the places that went wrong.
        inside: the loops and branches it stands in, with the turn.
        turn: the number of the turn, from 0, of the innermost loop; None outside loops.
        shapes: of the operands.
        sentence: all of it in words.
        cure: what to write instead.
    """

    pass_: str
    kind: str
    operation: str
    line: str
    expression: str
    operands: tuple[tuple[float, ...], ...]
    inside: tuple[str, ...]
    turn: int | None
    shapes: tuple[tuple[int, ...], ...]
    sentence: str
    cure: str


@dataclass(frozen=True)
class NanReport:
    """What `find_nan` found.

    Attributes:
        clean: True when the value and the gradient are finite.
        first: the first operation that made a NaN or an infinity, or None.
        forward, backward: the one that spoilt the value, and the one that spoilt the gradient.
        note: on what could not be looked at.
        of: the name of the function.
    """

    clean: bool
    forward: Birth | None
    backward: Birth | None
    note: str
    of: str

    @property
    def first(self) -> Birth | None:
        return self.forward or self.backward

    @property
    def text(self) -> str:
        """A line for each pass, and the cures."""
        if self.first is None:
            lines = [f"clean: the value and the gradient of {self.of} are finite."]
        else:
            births = [birth for birth in (self.forward, self.backward) if birth is not None]
            lines = [line for birth in births for line in (f"{birth.pass_}: {birth.sentence}", f"  {birth.cure}")]
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        from cycloid.core.storage import plain

        return plain(self)

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), allow_nan=False)


def find_nan(f: Callable[..., Any] | str, *args: Any, argnums: int | Sequence[int] | None = None) -> NanReport:
    """Find the first operation that made a NaN or an infinity, in the value or in the gradient of f.

    The value is followed back through what was not finite to an operation that was given finite numbers alone: that
    one made it. If the value is finite, or besides, the same is done for the gradient, whose operations bear the lines
    of the code that they are derivatives of. Loops are entered at the first turn that went wrong.

    Args:
        f: the function: callable, formula or text; its values are summed for the gradient.
        args: what it is called with.
        argnums: the argument(s) to differentiate; by default the first, and every variable of a formula.

    Returns:
        A `NanReport`: `clean`, or `first` with its operation, line, operands, turn, and a cure in words.

    Raises:
        TypeError: when f is no function or the call is traced.
        jax.errors.TracerBoolConversionError: when f decides in Python on a value.

    Transformations: none; it works with numbers. Cost: a few evaluations and gradients, for each loop that is entered
    another two.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import find_nan
        >>> report = find_nan(lambda x: jnp.sqrt(jnp.sum(x**2)), jnp.zeros(3))
        >>> report.first.pass_, report.first.operation
        ('backward', 'sqrt')
        >>> find_nan("exp(x) / (1 + exp(x))", 1000.0).first.operation
        'exp'
        >>> find_nan("x^2", 3.0).clean
        True
    """
    if is_traced(args):
        raise TypeError("find_nan looks at numbers: call it plainly, not under jit, vmap or grad.")
    function = as_function(f)
    of = (name_of(f) if callable(f) else str(f)).replace("<lambda>", "the lambda")
    if isinstance(function, Formula) and argnums is None:
        point = point_of(function, args, {}, "find_nan")
        function, args = at_point(function, point), (point,)
    flat, structure = jax.tree.flatten(args)
    numbers = [i for i, leaf in enumerate(flat) if isinstance(leaf, float | jax.Array | np.ndarray | np.generic)]

    def of_leaves(*parts: Any) -> Any:
        given = list(flat)
        for i, part in zip(numbers, parts, strict=True):
            given[i] = part
        return function(*jax.tree.unflatten(structure, given))

    leaves = [jnp.asarray(flat[i]) for i in numbers]
    program = jax.make_jaxpr(of_leaves)(*leaves)
    forward = _born(program, leaves, "forward", None)
    backward, note = _backward(function, args, argnums, program if forward is None else None)
    return NanReport(forward is None and backward is None, forward, backward, note, of)


def _backward(
    function: Callable[..., Any], args: tuple, argnums: Any, forward: ClosedJaxpr | None
) -> tuple[Birth | None, str]:
    """Where the gradient lost its numbers; nothing is looked for when the value has none already."""
    if forward is None:
        return None, ""
    try:
        restricted, point = restrict(function, args, {}, argnums, "find_nan")
    except TypeError as error:
        return None, f"The gradient was not looked at: {error}"
    leaves, structure = jax.tree.flatten(point)

    def gradient(*parts: Any) -> list[Any]:
        value = lambda chosen: [jnp.sum(v) for v in jax.tree.leaves(real_value(restricted(chosen), "find_nan"))]
        made, pull = jax.vjp(value, jax.tree.unflatten(structure, parts))
        return jax.tree.leaves(pull([jnp.ones_like(v) for v in made])[0])

    try:
        program = jax.make_jaxpr(gradient)(*leaves)
    except (TypeError, ValueError, NotImplementedError) as error:
        return None, f"The gradient was not looked at: {str(error).partition(chr(10))[0]}"
    return _born(program, [jnp.asarray(leaf) for leaf in leaves], "backward", forward), ""


# --- following it back ----------------------------------------------------------------------------------------------


def _born(
    program: ClosedJaxpr, leaves: Sequence[Any], pass_: str, forward: ClosedJaxpr | None, inside: tuple[str, ...] = (),
    turn: int | None = None,
) -> Birth | None:  # fmt: skip
    """Where what is not finite in the results of a program was made."""
    written = write_out(program, opens_rules=True)
    finite = written.finite(leaves)
    is_bad = lambda atom: (
        not (finite[atom] if isinstance(atom, int) else np.isfinite(np.asarray(atom.value, dtype=float)).all())
    )
    spoilt = [atom for atom in written.outputs if is_bad(atom)]
    if not spoilt:
        return None
    makers = {number: line for line in written.lines for number in line.outputs}
    seen, origins = set[int](), list[Line]()
    while spoilt:
        atom = spoilt.pop()
        if not isinstance(atom, int) or atom not in makers:
            if not origins:
                return _from_outside(atom, pass_, inside, turn)
            continue
        if atom in seen:
            continue
        seen.add(atom)
        before = [given for given in makers[atom].inputs if is_bad(given)]
        if before:
            spoilt += before
        else:
            origins.append(makers[atom])
    line = min(origins, key=written.lines.index)
    inputs = written.values(leaves, line.inputs)
    if line.name in LOOPS:
        return _entered(line, inputs, pass_, forward, inside, turn)
    return _birth(line, inputs, pass_, forward, inside, turn)


def _entered(
    line: Line, inputs: list[Any], pass_: str, forward: ClosedJaxpr | None, inside: tuple[str, ...], turn: int | None
) -> Birth | None:
    """The same inside a loop, in the first turn that went wrong, or in the branch that was taken."""
    if line.name == "cond":
        taken = branch_of(line, inputs)
        return _born(taken.program, taken.inputs, pass_, forward, (*inside, taken.words), turn)
    loop = loop_of(line, inputs)
    number = loop.first_not_finite()
    if number is None:
        return None
    entered = loop.turn(number)
    return _born(entered.program, entered.inputs, pass_, forward, (*inside, entered.words), number)


def _from_outside(atom: Any, pass_: str, inside: tuple[str, ...], turn: int | None) -> Birth:
    what = "a constant" if isinstance(atom, Fixed) else "an argument"
    sentence = f"{what[0].upper()}{what[1:]} is not finite: the function was given it, and did not make it."
    cure = "Look where it was made: find_nan of the function that computes it."
    return Birth(pass_, "NaN or infinity", what, "", "", (), inside, turn, (), sentence, cure)


# --- in words -------------------------------------------------------------------------------------------------------


def _birth(
    line: Line, inputs: list[Any], pass_: str, forward: ClosedJaxpr | None, inside: tuple[str, ...], turn: int | None
) -> Birth:
    values = [np.asarray(value) for value in inputs]
    made = [np.asarray(value) for value in line.run(*inputs)]
    spoilt = next(value for value in made if not np.isfinite(np.asarray(value, float)).all())
    kind = "NaN" if np.isnan(np.asarray(spoilt, float)).any() else "infinity"
    operation, derivative = (line.name, False) if forward is None else origin_of(line, forward)
    operands = tuple(_shown(value, spoilt) for value in values)
    given = " and ".join(numerals(list(o), 4) if len(o) != 1 else numerals(o[0], 6) for o in operands if o)
    told = f"the derivative of {operation} ({line.name} of {given})" if derivative else f"{operation} of {given}"
    place = at_line(line.source, inside).removeprefix(" at ").removeprefix(", ")
    by = f" in {line.calls[-1]}" if line.calls else ""
    sentence = f"{place}{': ' if place else ''}{told}{by} made {'a NaN' if kind == 'NaN' else 'an infinity'}."
    cure = cure_of(
        operation, derivative, values, norm=derivative and roots_a_sum(forward), chosen=derivative and chooses(forward)
    )
    source = line.source
    return Birth(
        pass_, kind, operation, spoken_line(source), "" if source is None else source.expression or source.text,
        operands, inside, turn, tuple(value.shape for value in values), sentence, cure,
    )  # fmt: skip


def _shown(value: np.ndarray, spoilt: np.ndarray) -> tuple[float, ...]:
    """The numbers of an operand at the places that went wrong, as far as places correspond."""
    if value.shape == spoilt.shape and value.size > 1:
        value = value[~np.isfinite(np.asarray(spoilt, float))]
    return tuple(float(number) for number in np.ravel(value)[:SHOWN])
