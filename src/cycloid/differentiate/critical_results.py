"""What a search for critical points found: points and their kinds, curves of them, extremes, and what is proven."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Int

from cycloid.core.results import AbstractCode, ErrorKind, Result, Status


class Kind(AbstractCode):
    """What a critical point is, an array of codes: minimum, maximum, saddle or degenerate.

    Example:
        >>> Kind.named("saddle").message
        'up in some directions, down in others'
    """

    sentences: ClassVar[tuple[tuple[str, str], ...]] = (
        ("minimum", "up in every direction"),
        ("maximum", "down in every direction"),
        ("saddle", "up in some directions, down in others"),
        ("degenerate", "flat in some direction to second order: the Hessian cannot tell"),
    )
    code: Int[ArrayLike, "..."]


class Continuum(eqx.Module):
    """Critical points that are not alone: a curve or a surface of them, of one value.

    Attributes:
        points: some of them, shape (samples, d).
        objective: f there.
        dimension: 1 for a curve, 2 for a surface, as far as the Hessian tells.
        kind: what the Hessian says across it: "minimum" for a valley floor, "maximum" for a crest.
    """

    points: Float[ArrayLike, "samples d"]
    objective: Float[ArrayLike, ""]
    dimension: int
    kind: Kind


class Extreme(eqx.Module):
    """The lowest or the highest place of the whole box, its edges included.

    Attributes:
        point: a pytree like the corners of the box.
        objective: f there.
        place: "inside", "edge" or "corner".
    """

    point: Any
    objective: Float[ArrayLike, ""]
    place: str


class Proof(eqx.Module):
    """What subdivision with intervals proved.

    Attributes:
        complete: whether every critical point in the box is in the table.
        sentence: that in words.
        undecided: corners (low, high) of the regions where nothing could be proven, shape (regions, 2, d).
        boxes: how many boxes were looked at.
    """

    complete: bool
    sentence: str
    undecided: Float[ArrayLike, "regions 2 d"]
    boxes: int


@final
class CriticalPoints(Result):
    """The points of a box where the gradient of f vanishes, k of them, minima first.

    With a constraint, those where f is stationary along g = 0.

    Attributes:
        value: the points, shape (k, d); for a box given as a pytree, that pytree with an axis of k in front.
        error: how far a point may be from the true one in its worst coordinate, the largest over the points: a bound
            where all are proven, else the length of Newton's next step.
        error_kind: "bound" or "estimate"; "none" without points.
        evaluations: gradients, Hessians counted as d, and boxes together.
        status: "converged", or how the search failed.
        points: the same as `value`, always as an array of shape (k, d).
        objective: f at the points.
        gradient_norm: the largest absolute entry of ∇f (with a constraint, of ∇f − λ ∇g) in the units of f per unit.
        kind: an array of codes; `kind.name` is the list of words.
        eigenvalues: of the Hessian, in rising order; with a constraint of the Hessian of f − λ g along g = 0.
        index: how many directions lead down: 0 at a minimum.
        radius: as `error`, of each point.
        proven: whether a point is proven to exist, alone within its radius, and to be of its kind.
        on_edge: whether it lies on the edge of the box, to rounding.
        multiplier: λ in ∇f = λ ∇g, the shadow price: how much f at this point rises when g = 0 becomes g = 1, to first
            order; None without a constraint.
        continua: curves and surfaces of critical points, which are not listed one by one.
        lowest, highest: over the whole box, edges included; None above four variables.
        proof: what intervals proved; None where they cannot be used, see `why`.
        why: why there is no proof; "" when there is one.
        names: of the coordinates.
        lower, upper: the box.
    """

    value: Any
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    points: Float[ArrayLike, "k d"]
    objective: Float[ArrayLike, " k"]
    gradient_norm: Float[ArrayLike, " k"]
    kind: Kind
    eigenvalues: Float[ArrayLike, "k m"]
    index: Int[ArrayLike, " k"]
    radius: Float[ArrayLike, " k"]
    proven: Bool[ArrayLike, " k"]
    on_edge: Bool[ArrayLike, " k"]
    multiplier: Float[ArrayLike, " k"] | None
    continua: tuple[Continuum, ...]
    lowest: Extreme | None
    highest: Extreme | None
    proof: Proof | None
    why: str
    names: tuple[str, ...]
    lower: Float[ArrayLike, " d"]
    upper: Float[ArrayLike, " d"]

    @property
    def count(self) -> int:
        """k, how many points there are."""
        return np.shape(self.points)[0]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        kinds = list(self.kind.name) if self.count else []
        return {name: kinds.count(name) for name, _ in Kind.sentences if name in kinds}

    @property
    def sentence(self) -> str:
        """What was found and how sure it is, in words."""
        told = ", ".join(_counted(count, name) for name, count in self.counts.items())
        found = _counted(self.count, "critical point") + (f": {told}" if told else "")
        if self.continua:
            found += f"; and {_counted(len(self.continua), self._continuum)} of them"
        if self.proof is None:
            return f"{found}. Not proven complete: {self.why}."
        return f"{found}. {self.proof.sentence}"

    @property
    def _continuum(self) -> str:
        return "curve" if all(each.dimension == 1 for each in self.continua) else "continuum"

    def to_pandas(self) -> Any:
        """A row for each point: its coordinates, f, the kind, the multiplier, the curvatures, the error."""
        import pandas as pd

        columns: dict[str, Any] = {name: np.asarray(self.points)[:, i] for i, name in enumerate(self.names)}
        columns["objective"] = np.asarray(self.objective)
        columns["kind"] = list(self.kind.name) if self.count else []
        if self.multiplier is not None:
            columns["multiplier"] = np.asarray(self.multiplier)
        for i in range(np.shape(self.eigenvalues)[1]):
            columns[f"curvature {i + 1}"] = np.asarray(self.eigenvalues)[:, i]
        columns["index"] = np.asarray(self.index)
        columns["gradient"] = np.asarray(self.gradient_norm)
        columns["error"] = np.asarray(self.radius)
        columns["proven"] = np.asarray(self.proven)
        columns["on edge"] = np.asarray(self.on_edge)
        return pd.DataFrame(columns)

    def at(self, i: int) -> Any:
        """The point of row i, a pytree like the corners of the box."""
        return jax.tree.map(lambda leaf: leaf[i], self.value)


def _counted(count: int, name: str) -> str:
    plural = {"minimum": "minima", "maximum": "maxima", "continuum": "continua", "degenerate": "degenerate"}
    return f"{count} {name if count == 1 else plural.get(name, name + 's')}"
