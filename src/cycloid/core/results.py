"""What an approximate procedure returns: a value, how sure it is, what it cost, and whether it may be trusted."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike, Bool, Float, Int

C = TypeVar("C", bound="AbstractCode")
R = TypeVar("R", bound="Result")


class AbstractCode(eqx.Module):
    """An array of small integers, each standing for a sentence; survives jit and vmap, prints as words."""

    sentences: ClassVar[tuple[tuple[str, str], ...]] = ()
    code: eqx.AbstractVar[Int[ArrayLike, "..."]]

    @classmethod
    def named(cls: type[C], name: str) -> C:
        """The code with this name."""
        names = [known for known, _ in cls.sentences]
        if name not in names:
            raise ValueError(f"{cls.__name__} has no {name!r}; it has {', '.join(names)}.")
        return cls(np.int32(names.index(name)))

    @classmethod
    def where(cls: type[C], condition: Bool[ArrayLike, "..."], then: C, otherwise: C) -> C:
        """Element by element, `then` where the condition holds and `otherwise` elsewhere."""
        return cls(jnp.where(condition, then.code, otherwise.code))

    @property
    def name(self) -> Any:
        """The name, or for a batch the list of names."""
        return self._look_up(0)

    @property
    def message(self) -> Any:
        """The sentence, or for a batch the list of sentences."""
        return self._look_up(1)

    def _look_up(self, column: int) -> Any:
        if isinstance(self.code, Tracer):
            return f"traced {type(self).__name__}"
        rows: Any = np.vectorize(lambda code: self.sentences[code][column], otypes=[object])(np.asarray(self.code))
        return rows.tolist() if np.ndim(rows) else str(rows)

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, type(self)):
            return NotImplemented
        same = jnp.equal(self.code, other.code)
        return same if isinstance(same, Tracer) or same.ndim else bool(same)

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        if equal is NotImplemented:
            return equal
        return (not equal) if isinstance(equal, bool) else ~equal

    def __hash__(self) -> int:
        return hash((type(self).__name__, np.asarray(self.code).tobytes()))

    def __repr__(self) -> str:
        return f"<{self.name}>" if isinstance(self.name, str) else f"<{', '.join(map(str, np.ravel(self.name)))}>"


class Status(AbstractCode):
    """How a procedure ended, each code a sentence with a cure; `ok` where the answer may be used.

    Example:
        >>> Status.named("max_steps").message.split(".")[0]
        'The step limit was reached before the tolerance was met'
    """

    sentences: ClassVar[tuple[tuple[str, str], ...]] = (
        ("converged", "The tolerance was met."),
        ("all_steps", "All the steps asked for were run; no tolerance was set to stop sooner."),
        ("stopped_early", "Stopped early: the validation loss had not improved within the patience given."),
        ("cancelled", "Stopped on request before the end; what was reached so far is returned."),
        (
            "max_steps",
            "The step limit was reached before the tolerance was met. Raise max_steps=, loosen tol=, change the "
            "learning rate, or choose another method=.",
        ),
        (
            "nonfinite",
            "A NaN or an infinity appeared. Check that the function is finite at the start, lower the learning "
            "rate, scale the inputs, or clip the gradient.",
        ),
        (
            "diverged",
            "The objective grew far beyond its value at the start: the steps are too long. Lower the learning rate "
            "(below 2 / largest curvature for gradient descent), or clip the gradient.",
        ),
        (
            "stalled",
            "No further progress is possible at this precision before the tolerance was met. Loosen tol=, call "
            "cy.enable_x64(), or rescale the variables.",
        ),
        (
            "unbounded",
            "The objective fell without end: it has no minimum in this direction. Check its sign, or add a penalty "
            "that grows far away.",
        ),
        (
            "indistinct",
            "The data cannot tell some parameters apart: changing them together leaves every fitted value as it is. "
            "Fix or drop one of them, or measure where they act differently.",
        ),
        (
            "rounded",
            "The residuals are so small that rounding has taken digits from them: the parameters stand, but standard "
            "errors and the residual deviation hold fewer than six digits.",
        ),
        (
            "no_root",
            "The equations come nearest to holding here, nearby, and do not hold. Start elsewhere, give bracket= for "
            "one unknown, or make their squares least with least_squares.",
        ),
        (
            "infeasible",
            "No point near the start satisfies the constraints. Check that they do not contradict each other or the "
            "bounds, start from a point that satisfies them, or drop one.",
        ),
    )
    fine: ClassVar[tuple[str, ...]] = ("converged", "all_steps", "stopped_early", "cancelled", "rounded")
    code: Int[ArrayLike, "..."]

    @property
    def ok(self) -> Any:
        """True where the answer may be used; an array for a batch."""
        names = [name for name, _ in self.sentences]
        good = jnp.isin(jnp.asarray(self.code), jnp.asarray([names.index(name) for name in self.fine]))
        return good if isinstance(good, Tracer) or good.ndim else bool(good)


class ErrorKind(AbstractCode):
    """What `error` means: a bound, an estimate, one standard error, or none (then it is NaN)."""

    sentences: ClassVar[tuple[tuple[str, str], ...]] = (
        ("none", "no error is known"),
        ("bound", "the true error is not larger"),
        ("estimate", "an estimate of the true error"),
        ("standard error", "one standard error"),
    )
    code: Int[ArrayLike, "..."]


@dataclasses.dataclass(frozen=True)
class Question:
    """What was asked: enough to ask it again by another method.

    Args:
        function: the function, formula or model that was asked about.
        arguments: the other arguments of the call, by name.
        method: the method that answered.
    """

    function: Any
    arguments: dict[str, Any]
    method: Any = None


class Result(eqx.Module):
    """The answer of an approximate procedure: a pytree of arrays and plain values, never of closures.

    Every final class has the five fields below, and its own trace beside them.

    Attributes:
        value: the answer.
        error: how far `value` may be from the truth, in the sense of `error_kind`; NaN where unknown.
        error_kind: "bound", "estimate", "standard error" or "none", as an array code.
        evaluations: how often the function was evaluated (a gradient counts as one evaluation of its own).
        status: how the procedure ended.
    """

    value: eqx.AbstractVar[Any]
    error: eqx.AbstractVar[Float[ArrayLike, "..."]]
    error_kind: eqx.AbstractVar[ErrorKind]
    evaluations: eqx.AbstractVar[Int[ArrayLike, "..."]]
    status: eqx.AbstractVar[Status]

    @property
    def question(self) -> Question | None:
        """What was asked, or None once the result has passed through a transformation."""
        return self.__dict__.get("_question")

    def asked(self: R, question: Question | None) -> R:
        """This result with its question attached; flattening drops it."""
        object.__setattr__(self, "_question", question)
        return self

    def raise_for_status(self: R) -> R:
        """This result, or `ConvergenceError` when its status (any element's, in a batch) is not fine."""
        if not np.all(np.asarray(self.status.ok)):
            raise ConvergenceError(self)
        return self

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """The interval (low, high) round `value` in which the truth is expected.

        With a standard error s, value ± q s, where q is Student's quantile when the result holds `degrees_of_freedom`
        or `replicates` (one less degree of freedom), the normal one otherwise; with a bound or an estimate,
        value ± error. Where `error` has the structure of `value`, each entry has its own.

        Args:
            level: the coverage, between 0 and 1; used with a standard error alone.

        Raises:
            ValueError: when the level is outside (0, 1).
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level is a probability strictly between 0 and 1, such as 0.95; it was {level}.")
        from scipy import stats

        replicates = getattr(self, "replicates", None)
        degrees = getattr(self, "degrees_of_freedom", None if replicates is None else np.shape(replicates)[-1] - 1)
        tail = 0.5 + level / 2
        quantile = stats.norm.ppf(tail) if degrees is None else stats.t.ppf(tail, degrees)
        factor = jnp.where(self.error_kind == ErrorKind.named("standard error"), quantile, 1.0)
        single = jax.tree.structure(self.error) != jax.tree.structure(self.value)
        errors = jax.tree.map(lambda _: self.error, self.value) if single else self.error
        shifted = lambda sign: jax.tree.map(lambda v, s: v + sign * factor * jnp.asarray(s), self.value, errors)
        return shifted(-1), shifted(1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this result to one file, whole or not at all; `load` reads it back with the same bits."""
        from cycloid.core.storage import save

        save(self, path)

    @classmethod
    def load(cls: type[R], path: str | os.PathLike[str], like: Any = None) -> R:
        """Read a result written by `save`.

        Args:
            path: the file.
            like: a value of the same structure, needed when `value` is a model of a class outside Cycloid.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when the file is not a saved result, or one of another class.
        """
        from cycloid.core.storage import load

        result = load(path, like=like)
        if not isinstance(result, cls):
            raise ValueError(f"{os.fspath(path)} holds a {type(result).__name__}, not a {cls.__name__}.")
        return result

    def to_json(self) -> str:
        """This result as JSON text: arrays as lists, statuses as words, what is not finite as null."""
        from cycloid.core.storage import to_json

        return to_json(self)

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `to_json` writes."""
        from cycloid.core.storage import plain

        return plain(self)


class ConvergenceError(RuntimeError):
    """A procedure called plainly did not reach what was asked; `result` holds what it has.

    Raised by drivers unless `throw=False`. The message is the status, a sentence with a cure.
    """

    def __init__(self, result: Result):
        self.result = result
        messages = np.atleast_1d(np.asarray(result.status.message, dtype=object)).ravel()
        fine = np.atleast_1d(np.asarray(result.status.ok)).ravel()
        bad = sorted({str(m) for m, good in zip(messages, fine, strict=True) if not good})
        count = "" if fine.size == 1 else f" ({int((~fine).sum())} of {fine.size} members)"
        super().__init__(f"{' '.join(bad) or 'The answer may be used.'}{count} The result reached is in .result.")

    def __reduce__(self) -> tuple[Callable[..., ConvergenceError], tuple[Result]]:
        return ConvergenceError, (self.result,)


def is_traced(tree: Any) -> bool:
    """True when any array leaf of the tree is a tracer: the call stands under jit, vmap or grad."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def conclude(result: R, *, throw: bool, question: Question | None = None) -> R:
    """End a driver: attach the question and raise for a bad status, unless traced, where neither can be done."""
    if is_traced(result):
        return result
    result.asked(question)
    return result.raise_for_status() if throw else result
