"""From probabilities to decisions: the threshold at which acting costs as little as leaving alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from cycloid.core.parallel import check_key
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.train.metrics import percentiles, replicate, wilson

GRID = 201  # thresholds at which the cost is listed
BINS = 10  # groups of rows, by probability, in which calibration is looked at


class Costs(NamedTuple):
    """What each outcome of a decision costs; a gain is a negative cost.

    Attributes:
        miss: the event came and nothing was done.
        alarm: something was done and the event would not have come.
        hit: something was done where the event would have come.
        quiet: nothing was done and nothing came.

    Example:
        >>> Costs(miss=100.0, alarm=10.0).threshold
        0.09090909090909091
    """

    miss: float
    alarm: float
    hit: float = 0.0
    quiet: float = 0.0

    @property
    def threshold(self) -> float:
        """t with t·hit + (1 − t)·alarm = t·miss + (1 − t)·quiet: from it on, acting costs less for a probability."""
        return (self.alarm - self.quiet) / (self.alarm - self.quiet + self.miss - self.hit)


class Bin(NamedTuple):
    """Rows of similar probability.

    Attributes:
        predicted: the mean of their probabilities.
        observed: the share of them in which the event came.
        low: lower end of Wilson's interval of that share.
        high: upper end.
        rows: how many.
    """

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


class Saving(NamedTuple):
    """What a threshold saves a row against another rule, on the same rows.

    Attributes:
        rule: the other rule.
        cost: its mean cost a row.
        saved: by how much the threshold costs less.
        low: lower end of the paired bootstrap interval.
        high: upper end.
    """

    rule: str
    cost: float
    saved: float
    low: float
    high: float


@final
class Decision(Result):
    """A threshold for acting, and what it costs and saves on rows that neither it nor the model has seen.

    Attributes:
        value: the threshold: act where the probability is at least this.
        error: the standard error of `cost`.
        error_kind: "standard error".
        evaluations: rows looked at.
        status: "all_steps".
        cost: the mean cost a row at the threshold.
        savings: against acting at one half, on all, on nobody.
        best: the threshold that would have been cheapest on these rows: known afterwards only.
        best_cost: its cost.
        thresholds: 0 … 1.
        costs: the mean cost at each of them.
        low: lower ends of their pointwise intervals.
        high: upper ends.
        calibration: predicted and observed shares, by rising probability.
        level: of the intervals.
    """

    value: Float[ArrayLike, ""]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    cost: Float[ArrayLike, ""]
    savings: tuple[Saving, ...]
    best: Float[ArrayLike, ""]
    best_cost: Float[ArrayLike, ""]
    thresholds: Float[ArrayLike, " m"]
    costs: Float[ArrayLike, " m"]
    low: Float[ArrayLike, " m"]
    high: Float[ArrayLike, " m"]
    calibration: tuple[Bin, ...]
    level: float = eqx.field(static=True)

    def saving(self, rule: str) -> Saving:
        """The saving against one rule.

        Raises:
            ValueError: when no rule is called so.
        """
        for row in self.savings:
            if row.rule == rule:
                return row
        raise ValueError(f"no rule is called {rule!r}; there are {', '.join(row.rule for row in self.savings)}.")

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """The interval of `cost`, the mean cost a row at the threshold.

        Raises:
            ValueError: when the level is outside (0, 1).
        """
        from scipy import stats

        if not 0.0 < level < 1.0:
            raise ValueError(f"level is a probability strictly between 0 and 1, such as 0.95; it was {level}.")
        half = stats.norm.ppf(0.5 + level / 2) * jnp.asarray(self.error)
        return self.cost - half, self.cost + half


def expected_cost(
    probabilities: Float[ArrayLike, " n"] | Sequence[float],
    outcomes: ArrayLike | Sequence[float],
    costs: Costs | Mapping[str, float],
    width: float = 0.02,
) -> Callable[[Any], Array]:
    """The mean cost a row as a function of the threshold t that has a derivative.

    J(t) = mean_i [leave_i + σ((p_i − t)/w) (act_i − leave_i)], with σ the logistic function, p = probabilities,
    w = width, and act_i, leave_i what acting on row i and leaving it alone cost, given its outcome. As w falls J
    becomes the step function of sharp decisions. Its derivative weighs the rows near the threshold: what those of them
    in which the event comes would cost more, less what the others save; for calibrated probabilities of density g that
    is g(t) [t (miss − hit) − (1 − t) (alarm − quiet)], zero at `Costs.threshold`.

    Args:
        probabilities: of the event, shape (n,).
        outcomes: 1 where it came, else 0, shape (n,).
        costs: `Costs`, or a dict of its fields.
        width: w, over which probabilities count as near the threshold.

    Returns:
        t ↦ J(t).

    Raises:
        ValueError: when shapes or numbers do not fit.

    Transformations: jit, vmap, grad of the function returned.

    Cost: n logistic functions a call.

    Example:
        >>> from cycloid.differentiate import derivative
        >>> J = expected_cost([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1], {"miss": 10.0, "alarm": 1.0}, width=0.05)
        >>> round(float(J(0.4)), 3), bool(derivative(J)(0.1) < 0 < derivative(J)(0.6))
        (0.05, True)
    """
    p, y = _read(probabilities, outcomes)
    act, leave = _sides(y, _costs(costs))
    if not width > 0:
        raise ValueError(f"width= is a positive number; it was {width!r}.")
    p, act, leave = (jnp.asarray(v, jnp.result_type(float)) for v in (p, act, leave))
    return lambda t: jnp.mean(leave + jax.nn.sigmoid((p - t) / width) * (act - leave))


def choose_threshold(
    probabilities: Float[ArrayLike, " n"] | Sequence[float],
    outcomes: ArrayLike | Sequence[float],
    *,
    costs: Costs | Mapping[str, float],
    key: PRNGKeyArray | None = None,
    level: float = 0.95,
) -> Decision:
    """The threshold for acting upon probabilities by what mistakes cost, and what it saves.

    Act where p ≥ t = (alarm − quiet) / (alarm − quiet + miss − hit): there both sides of the decision cost the same,
    and the derivative of the expected cost vanishes. It needs calibrated probabilities and no data; the rows, kept
    apart from training, say whether they are calibrated, what the threshold costs, and what it saves.

    Args:
        probabilities: of the event, on rows that the model has not seen, shape (n,).
        outcomes: 1 where it came, else 0, shape (n,).
        costs: `Costs`, or a dict with `miss` and `alarm`, and `hit` and `quiet` where these are not 0.
        key: for the bootstrap.
        level: of the intervals.

    Returns:
        A `Decision`: `value` is the threshold.

    Raises:
        TypeError: when the key is missing.
        ValueError: when numbers do not fit, or acting, or leaving alone, is never worth it.

    Transformations: none; it works on the host.

    Cost: 2,000 resamplings of the rows.

    Example:
        >>> import jax
        >>> found = choose_threshold([0.1, 0.3, 0.2, 0.9], [0, 0, 1, 1], costs={"miss": 100.0, "alarm": 25.0},
        ...                          key=jax.random.key(0))
        >>> float(found.value), float(found.cost)
        (0.2, 6.25)

    Reference: C. Elkan, The foundations of cost-sensitive learning, 2001; D. J. Hand, Measuring classifier
    performance: a coherent alternative to the area under the ROC curve, 2009.
    """
    checked = check_key(key, "choosing a threshold (intervals)")
    p, y = _read(probabilities, outcomes)
    prices = _costs(costs)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is a probability strictly between 0 and 1, such as 0.95; it was {level}.")
    act, leave = _sides(y, prices)
    t = prices.threshold
    grid = np.linspace(0.0, 1.0, GRID)
    rules = {"threshold 0.5": p >= 0.5, "act on all": np.full(len(p), True), "act on nobody": np.full(len(p), False)}
    own = np.where(p >= t, act, leave)
    others = np.stack([np.where(acted, act, leave) for acted in rules.values()], axis=1)
    # Sums over the rows with p in each step of the grid give the cost at every threshold at once.
    along = np.where(p[:, None] >= grid, act[:, None], leave[:, None])
    drawn = replicate(checked, [own[:, None] - others, along])
    low, high = np.quantile(drawn[1] / len(p), [(1 - level) / 2, (1 + level) / 2], axis=0)
    ends = [percentiles(-drawn[0][:, i] / len(p), level) for i in range(len(rules))]
    savings = [Saving(rule, float(others[:, i].mean()), float((others[:, i] - own).mean()), *ends[i])
               for i, rule in enumerate(rules)]  # fmt: skip
    best, best_cost = _cheapest(p, act, leave)
    result = Decision(
        value=np.float64(t),
        error=np.float64(own.std(ddof=1) / np.sqrt(len(p))) if len(p) > 1 else np.float64(np.nan),
        error_kind=ErrorKind.named("standard error"),
        evaluations=np.int32(len(p)),
        status=Status.named("all_steps"),
        cost=np.float64(own.mean()),
        savings=tuple(savings),
        best=np.float64(best),
        best_cost=np.float64(best_cost),
        thresholds=grid,
        costs=along.mean(axis=0),
        low=low,
        high=high,
        calibration=calibrate(p, y, level),
        level=level,
    )
    return conclude(result, throw=True, question=Question(p, {"outcomes": y, "costs": prices, "key": key}))


def calibrate(p: np.ndarray, y: np.ndarray, level: float = 0.95, bins: int = BINS) -> tuple[Bin, ...]:
    """Predicted and observed shares in groups of equally many rows, by rising probability."""
    groups = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    shares = [(float(p[g].mean()), float(y[g].mean()), *wilson(float(y[g].sum()), len(g), level)) for g in groups]
    return tuple(Bin(*share, len(g)) for share, g in zip(shares, groups, strict=True))


def _cheapest(p: np.ndarray, act: np.ndarray, leave: np.ndarray) -> tuple[float, float]:
    """The threshold with the least cost on these rows, between two probabilities, and that cost."""
    order = np.argsort(p, kind="stable")
    p, difference = p[order], (leave - act)[order]
    costs = (act.sum() + np.concatenate([[0.0], np.cumsum(difference)])) / len(p)  # with the first k left alone
    ends = np.concatenate([[0.0], 0.5 * (p[1:] + p[:-1]), [1.0]])
    possible = np.concatenate([[True], p[1:] > p[:-1], [True]])
    best = int(np.argmin(np.where(possible, costs, np.inf)))
    return float(ends[best]), float(costs[best])


def _sides(y: np.ndarray, costs: Costs) -> tuple[np.ndarray, np.ndarray]:
    """For each row what acting and what leaving alone cost, given its outcome."""
    return np.where(y == 1, costs.hit, costs.alarm), np.where(y == 1, costs.miss, costs.quiet)


def _costs(costs: Costs | Mapping[str, float]) -> Costs:
    if isinstance(costs, Mapping):
        unknown = set(costs) - set(Costs._fields)
        if unknown or not {"miss", "alarm"} <= set(costs):
            raise ValueError(f"costs= names miss, alarm and, where not 0, hit and quiet; it named {', '.join(costs)}.")
        costs = Costs(**costs)
    prices = Costs(*map(float, costs))
    if not (prices.miss > prices.hit and prices.alarm > prices.quiet):
        raise ValueError(
            f"a miss costs more than a hit and a false alarm more than quiet, else nothing is to be decided: {prices}."
        )
    return prices


def _read(probabilities: Any, outcomes: Any) -> tuple[np.ndarray, np.ndarray]:
    p, y = np.asarray(probabilities, float), np.asarray(outcomes, float)
    if p.ndim != 1 or p.shape != y.shape or p.size == 0:
        raise ValueError(
            f"probabilities and outcomes are two arrays of one shape (n,); they were {p.shape}, {y.shape}."
        )
    if not (np.all((p >= 0) & (p <= 1)) and np.all((y == 0) | (y == 1))):
        raise ValueError("probabilities lie in [0, 1] and outcomes are 0 or 1: for logits z pass jax.nn.sigmoid(z).")
    return p, y
