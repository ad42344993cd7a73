"""Exact algebra on formulas: SymPy, in a process of its own that is ended when it takes too much time or memory.

>>> from cycloid.core.algebra import antiderivative, derivative
>>> from cycloid.core.formulas import formula
>>> print(derivative(formula("x^3 + 2x + 1")))
f'(x) = 3*x**2 + 2
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from cycloid.core.arithmetic import compute
from cycloid.core.chain_rule import derivative as chain_derivative
from cycloid.core.formulas import Formula, formula
from cycloid.core.interchange import from_data, to_data
from cycloid.core.syntax import FormulaError, Node, names, number

MEMORY: Final = 2**30  # bytes of address space; SymPy itself takes about a fifth
SECONDS: Final = 10.0
_START_SECONDS: Final = 60.0
MAX_ORDER: Final = 12


class AlgebraError(RuntimeError):
    """Algebra found no answer; the message says why."""


class AlgebraTimeout(AlgebraError, TimeoutError):
    """Algebra took longer than it may; its process was ended."""


class _Worker:
    """One worker process, its pipes, and the thread that reads its answers."""

    def __init__(self) -> None:
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.owner = os.getpid()
        command = [sys.executable, "-P", "-m", "cycloid.core.algebra_worker", str(MEMORY)]  # -P: no module of the cwd
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise AlgebraError(f"The process of the algebra could not be started: {error}.") from error
        self.answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, name="cycloid-algebra", daemon=True)
        self.reader.start()
        self.ready = False

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for line in self.process.stdout:
                self.answers.put(line)
        self.answers.put(None)

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Sends a request and waits for its answer.

        Raises:
            queue.Empty: when none came in time.
            EOFError: when the process has ended.
        """
        if not self.ready:  # importing SymPy takes a second or two and does not count
            self._answer(_START_SECONDS)
            self.ready = True
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({**request, "seconds": seconds}) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise EOFError from error
        return json.loads(self._answer(seconds))

    def _answer(self, seconds: float) -> str:
        line = self.answers.get(timeout=seconds)
        if line is None:
            raise EOFError
        return line

    def end(self) -> None:
        """Ends the process, waits for it and closes its pipes; nothing is left behind."""
        if self.owner != os.getpid():
            return  # a copy made by fork: the process belongs to the parent
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


_lock = threading.RLock()
_worker: _Worker | None = None


def warm() -> None:
    """Starts the worker process without waiting for it, so that the first question is answered at once."""
    global _worker
    with _lock:
        if _worker is not None and (_worker.owner != os.getpid() or _worker.process.poll() is not None):
            close()
        if _worker is None:
            _worker = _Worker()


@atexit.register
def close() -> None:
    """Ends the worker process; the next question starts another."""
    global _worker
    with _lock:
        if _worker is not None:
            _worker.end()
            _worker = None


def _ask(task: str, seconds: float, **request: Any) -> Any:
    if not 0 < seconds <= 600:
        raise ValueError(f"seconds is a time limit between 0 and 600; it was {seconds}.")
    with _lock:
        warm()
        assert _worker is not None
        try:
            found = _worker.ask({"task": task, **request}, seconds)
        except queue.Empty:
            close()
            raise AlgebraTimeout(f"The algebra took longer than {seconds:g} s and was ended.") from None
        except EOFError:
            close()
            raise AlgebraError("The process of the algebra ended; it may have needed too much memory.") from None
        except BaseException:  # an interrupt: the answer on its way belongs to no later question
            close()
            raise
    if "error" in found:
        raise AlgebraError(f"{found['error'][0].upper()}{found['error'][1:]}.")
    return found["value"]


def ask(task: str, *, seconds: float = SECONDS, **request: Any) -> Any:
    """The answer to a question of another branch, worked in the same process under the same limits.

    Args:
        task: "cycloid.branch.module:function", a function from the request, a dict of JSON data, to JSON data. Its
            module imports SymPy and `cycloid.core`, nothing large.
        seconds: time limit.
        request: JSON data by name.

    Raises:
        AlgebraError: when it fails, takes too long or needs too much memory.
    """
    return _ask(task, seconds, **request)


# -- questions -------------------------------------------------------------------------------------------------------


def derivative(f: Formula | str, variable: str | None = None, order: int = 1, *, seconds: float = SECONDS) -> Formula:
    """The exact derivative ∂ⁿf/∂xⁿ, simplified.

    Args:
        f: a formula or its text.
        variable: x; may be left out when there is only one.
        order: n, from 1 to 12.
        seconds: time limit.

    Returns:
        A formula of the same variables.

    Raises:
        AlgebraError: when it takes too long or needs too much memory.
    """
    f, variable = _of(f, variable)
    if type(order) is not int or not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order is a whole number from 1 to {MAX_ORDER}; it was {order!r}.")
    tree = _tree(_ask("derivative", seconds, tree=to_data(f.tree), variable=variable, order=order))
    if len(f.variables) == 1:
        name = f.name + "'" * order if order <= 3 else f"{f.name}^({order})"
    else:
        name = f"d{f.name}/d{variable}" if order == 1 else f"d^{order}{f.name}/d{variable}^{order}"
    return Formula.from_tree(tree, f.variables, name)


def simplified(f: Formula | str, *, seconds: float = SECONDS) -> Formula:
    """The same function, written as short as SymPy can."""
    f, _ = _of(f, "")
    return Formula.from_tree(_tree(_ask("simplified", seconds, tree=to_data(f.tree))), f.variables, f.name)


def expanded(f: Formula | str, *, seconds: float = SECONDS) -> Formula:
    """The same function, multiplied out."""
    f, _ = _of(f, "")
    return Formula.from_tree(_tree(_ask("expanded", seconds, tree=to_data(f.tree))), f.variables, f.name)


def antiderivative(f: Formula | str, variable: str | None = None, *, seconds: float = SECONDS) -> Formula:
    """A function F with ∂F/∂x = f, which is checked by differentiating it again.

    Raises:
        AlgebraError: when none was found, or what SymPy found does not differentiate back to f.
    """
    f, variable = _of(f, variable)
    tree = _tree(_ask("antiderivative", seconds, tree=to_data(f.tree), variable=variable))
    if not _agree(chain_derivative(tree, variable), f.tree, f.variables):
        raise AlgebraError("The antiderivative that was found does not differentiate back to the formula.")
    return Formula.from_tree(tree, f.variables, "F" if f.name == "f" else f"∫{f.name}")


def integral(
    f: Formula | str,
    lower: float | str | Formula,
    upper: float | str | Formula,
    variable: str | None = None,
    *,
    seconds: float = SECONDS,
) -> Formula:
    """The exact value of ∫ f dx from lower to upper, as a formula of the other variables.

    Args:
        f: a formula or its text.
        lower: a number, a formula without x, or minus infinity.
        upper: the same, or infinity.
        variable: x; may be left out when there is only one.
        seconds: time limit.

    Raises:
        AlgebraError: when no exact value was found in time.
    """
    f, variable = _of(f, variable)
    ends = {key: _end(end) for key, end in {"lower": lower, "upper": upper}.items()}
    tree = _tree(_ask("integral", seconds, tree=to_data(f.tree), variable=variable, **ends))
    others = [name for name in f.variables if name != variable]
    return Formula.from_tree(tree, (*others, *sorted(names(tree) - set(others))), f.name)


def stationary_points(f: Formula | str, *, seconds: float = SECONDS) -> list[dict[str, Formula]]:
    """The real points where all first derivatives vanish, exactly, as far as SymPy can solve for them.

    Of a periodic function these are the points of one period.

    Returns:
        One dict per point: the coordinates by name, as formulas without variables.

    Raises:
        AlgebraError: when they could not be found, or are not isolated.
    """
    f, _ = _of(f, "")
    found = _ask("stationary_points", seconds, tree=to_data(f.tree), variables=list(f.variables))
    return [
        {name: Formula.from_tree(_tree(value), (), name) for name, value in zip(f.variables, point, strict=True)}
        for point in found
    ]


def _of(f: Formula | str, variable: str | None) -> tuple[Formula, str]:
    """The formula, and the variable asked for, which may be left out when there is one."""
    f = formula(f) if isinstance(f, str) else f
    if variable is None:
        if len(f.variables) != 1:
            listed = ", ".join(f.variables) or "none"
            raise ValueError(f"Say which variable: {f} has the variables {listed}; pass variable='...'.")
        variable = f.variables[0]
    if variable and variable not in f.variables:
        raise ValueError(f"{f} has no variable {variable!r}; it has {', '.join(f.variables) or 'none'}.")
    return f, variable


def _end(end: float | str | Formula) -> Any:
    if isinstance(end, int | float):
        if math.isnan(end):
            raise ValueError("An end of the interval is not a number.")
        if math.isinf(end):
            return "oo" if end > 0 else "-oo"
        return to_data(number(end))
    return to_data((formula(end) if isinstance(end, str) else end).tree)


def _tree(data: Any) -> Node:
    try:
        return from_data(data)
    except FormulaError as error:
        raise AlgebraError(f"The result is too large: {error.message}.") from None


def _agree(first: Node, second: Node, variables: tuple[str, ...]) -> bool:
    """Whether two trees have the same values at points scattered over small numbers, where both have one."""
    for i in range(1, 40):
        values = {name: 4.0 * math.modf(i * math.sqrt(k + 2.0))[0] - 1.5 for k, name in enumerate(variables)}
        try:
            a, b = compute(first, values), compute(second, values)
        except (ArithmeticError, ValueError):
            continue
        if not math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6):
            return False
    return True
