"""The searches behind `root` and `fixed_point`: Newton, Broyden, a shrinking bracket, Anderson's mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cycloid.core.loops import iterate
from cycloid.core.results import Status
from cycloid.core.tolerance import Tolerance
from cycloid.optimize.levenberg_marquardt import LevenbergMarquardt
from cycloid.optimize.tangents import tangent, value_and_jacobian

# A step of Broyden's must bring ‖F‖ below this share of what it was, else the Jacobian is formed anew.
PROGRESS = 0.9
# A mixture may let the residual grow by this factor before the memory is forgotten.
GROWTH = 10.0
# Singular values below this share of the largest are left out of a mixture, times the root of eps.
BLUNT = 1e-2

Vector = Callable[[Any], Any]


class Found(NamedTuple):
    """What a search ends with; all arrays."""

    x: Any
    norm: Any
    error: Any
    evaluations: Any
    steps: Any
    status: Status
    trace: Any


class _Newton(NamedTuple):
    x: Any
    step: Any
    state: Any
    norm: Any
    error: Any
    turns: Any
    evaluations: Any
    met: Any
    stuck: Any
    finite: Any


def newton(F: Vector, x: Any, tolerance: Tolerance, max_steps: int) -> Found:
    """Newton's steps, shortened by a trust region on ‖F‖ where the linear model cannot be believed.

    Reference: Moré 1978, on the square system; far from singular points the steps are Newton's own.
    """
    method = LevenbergMarquardt()
    eps = float(jnp.finfo(x.dtype).eps)

    def turn(walk: _Newton) -> _Newton:
        x = walk.x + walk.step
        at = tangent(F, x, walk.state.scale)
        finite = jnp.all(jnp.isfinite(at.residual)) & jnp.all(jnp.isfinite(at.jacobian))
        terms = jnp.abs(at.jacobian) @ jnp.abs(x)
        met = finite & jnp.all(jnp.abs(at.residual) <= tolerance.allowed(terms))
        # The slope of ‖F‖, measured by the steepest J met on the way: where it is flat no step can help.
        slope = jnp.linalg.norm(at.gradient / at.scale)
        flat = finite & ~met & (slope <= eps**0.5 * jnp.linalg.norm(at.residual))
        trial = method.search(F, x, at, walk.state, finite & ~met & ~flat)
        return _Newton(
            x, trial.step, trial.state, _largest(at.residual), _largest(at.full() / at.scale),
            walk.turns + 1, walk.evaluations + 1 + trial.tried, met, flat | (finite & ~met & ~trial.accepted), finite,
        )  # fmt: skip

    zero, none, no = jnp.zeros((), x.dtype), jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    begin = _Newton(x, jnp.zeros_like(x), method.init(x), zero, zero, none, none, no, no, ~no)
    walk, _, trace = iterate(
        turn,
        begin,
        max_steps=max_steps + 1,
        done=lambda w: w.met | w.stuck | ~w.finite,
        record=lambda w: w.norm,
    )
    status = root_status(walk.met, walk.finite, walk.stuck)
    return Found(walk.x, walk.norm, walk.error, walk.evaluations, walk.turns - 1, status, trace)


class _Broyden(NamedTuple):
    x: Any
    value: Any
    inverse: Any
    fresh: Any  # the inverse is that of the Jacobian here
    norm: Any
    turns: Any
    evaluations: Any
    met: Any
    stuck: Any


def broyden(F: Vector, x: Any, tolerance: Tolerance, max_steps: int) -> Found:
    """Broyden's good method: J⁻¹ formed once, corrected by each step, and formed anew where a step does not help.

    Reference: Broyden, A class of methods for solving nonlinear simultaneous equations, 1965.
    """

    def invert(x: Any) -> Any:
        jacobian = value_and_jacobian(F, x)[1]
        return jnp.linalg.pinv(jnp.where(jnp.isfinite(jacobian), jacobian, 0.0))

    def turn(walk: _Broyden) -> _Broyden:
        step = -walk.inverse @ walk.value
        share = jax.lax.while_loop(
            lambda t: ~_shorter(F(walk.x + t * step), walk.value) & (t > 1e-3),
            lambda t: t / 4,
            jnp.ones((), x.dtype),
        )
        move = share * step
        value = F(walk.x + move)
        good = _shorter(value, walk.value)
        change = value - walk.value
        left = move @ walk.inverse
        scale = left @ change
        corrected = walk.inverse + jnp.outer(move - walk.inverse @ change, left) / jnp.where(scale == 0, 1.0, scale)
        usable = good & (scale != 0) & jnp.all(jnp.isfinite(corrected)) & (share > 0.1)
        here = jnp.where(good, walk.x + move, walk.x)
        inverse = jax.lax.cond(usable, lambda: corrected, lambda: invert(here))
        now = jnp.where(good, value, walk.value)
        tried = 2 + jnp.round(-jnp.log(share) / jnp.log(4.0)).astype(jnp.int32)
        # The terms that cancel in F are not known without J: those of the step stand for them.
        met = jnp.all(jnp.abs(now) <= tolerance.atol) | (
            good & (_largest(inverse @ now) <= tolerance.rtol * _largest(here))
        )
        return _Broyden(
            here, now, inverse, ~usable, _largest(now), walk.turns + 1,
            walk.evaluations + tried + jnp.where(usable, 0, 1), met, ~good & walk.fresh,
        )  # fmt: skip

    value = F(x)
    none, no = jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    met = jnp.all(jnp.abs(value) <= tolerance.atol)
    begin = _Broyden(x, value, invert(x), ~no, _largest(value), none, none + 2, met, no)
    walk, _, trace = iterate(
        turn,
        begin,
        max_steps=max_steps,
        done=lambda w: w.met | w.stuck | ~jnp.isfinite(w.norm),
        record=lambda w: w.norm,
    )
    status = root_status(walk.met, jnp.isfinite(walk.norm), walk.stuck)
    trace = jnp.concatenate([_largest(value)[None], trace])
    error = _largest(walk.inverse @ walk.value)
    return Found(walk.x, walk.norm, error, walk.evaluations, walk.turns, status, trace)


class _Bracket(NamedTuple):
    low: Any  # the newest end
    high: Any  # the other, with the opposite sign
    old: Any  # the end before
    at_low: Any
    at_high: Any
    at_old: Any
    share: Any  # where the next point lies between low and high
    norm: Any
    turns: Any
    met: Any
    finite: Any


def bracketed(F: Vector, low: Any, high: Any, tolerance: Tolerance, max_steps: int) -> Found:
    """Chandrupatla's method: inverse quadratic interpolation where it is safe, bisection elsewhere.

    Reference: Chandrupatla, A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function
    without using derivatives, 1997.
    """
    f = lambda x: F(x[None])[0]
    a, b = low[0], high[0]
    eps = jnp.finfo(a.dtype).eps

    def turn(w: _Bracket) -> _Bracket:
        x = w.low + w.share * (w.high - w.low)
        y = f(x)
        same = jnp.sign(y) == jnp.sign(w.at_low)
        old, at_old = jnp.where(same, w.low, w.high), jnp.where(same, w.at_low, w.at_high)
        high, at_high = jnp.where(same, w.high, w.low), jnp.where(same, w.at_high, w.at_low)
        best = jnp.where(jnp.abs(y) < jnp.abs(at_high), x, high)
        room = jnp.abs(high - x)
        slack = 2 * eps * jnp.abs(best) + tolerance.rtol * jnp.abs(best) + tolerance.atol * eps**0.25
        share_least = jnp.clip(slack / jnp.where(room > 0, room, 1.0), 0.0, 0.5)
        met = (share_least >= 0.5) | (y == 0)
        along = (x - high) / _nonzero(old - high)
        rise = (y - at_high) / _nonzero(at_old - at_high)
        safe = (rise**2 < along) & ((1 - rise) ** 2 < 1 - along)
        quadratic = y / _nonzero(at_high - y) * at_old / _nonzero(at_high - at_old) + (old - x) / _nonzero(
            high - x
        ) * y / _nonzero(at_old - y) * at_high / _nonzero(at_old - at_high)
        share = jnp.where(safe & jnp.isfinite(quadratic), jnp.clip(quadratic, share_least, 1 - share_least), 0.5)
        norm = jnp.minimum(jnp.abs(y), jnp.abs(at_high))
        return _Bracket(x, high, old, y, at_high, at_old, share, norm, w.turns + 1, met, jnp.isfinite(y))

    at_a, at_b = f(a), f(b)
    norm = jnp.minimum(jnp.abs(at_a), jnp.abs(at_b))
    half, none = jnp.full((), 0.5, a.dtype), jnp.zeros((), jnp.int32)
    proper = jnp.isfinite(at_a) & jnp.isfinite(at_b) & (jnp.sign(at_a) * jnp.sign(at_b) <= 0)
    begin = _Bracket(a, b, b, at_a, at_b, at_b, half, norm, none, norm == 0, proper)
    walk, _, trace = iterate(
        turn, begin, max_steps=max_steps, done=lambda w: w.met | ~w.finite, record=lambda w: w.norm
    )
    x = jnp.where(jnp.abs(walk.at_low) <= jnp.abs(walk.at_high), walk.low, walk.high)
    status = root_status(walk.met, walk.finite, jnp.zeros((), bool))
    trace = jnp.concatenate([norm[None], trace])
    width = jnp.where(walk.norm == 0, 0.0, jnp.abs(walk.high - walk.low))
    return Found(x[None], walk.norm, width, walk.turns + 2, walk.turns, status, trace)


class _Mixture(NamedTuple):
    x: Any
    value: Any  # G(x)
    moves: Any  # the last differences of G, columns
    changes: Any  # the last differences of G(x) − x
    filled: Any  # how many of them count
    norm: Any
    start: Any
    turns: Any
    met: Any


def anderson(G: Vector, x: Any, memory: int, tolerance: Tolerance, max_steps: int) -> Found:
    """x ← G(x) − Σ cᵢ ΔGᵢ with c making ‖G(x) − x − Σ cᵢ Δ(G − x)ᵢ‖ least; memory 0 is x ← G(x)."""
    value = G(x)
    room = max(memory, 1)

    def turn(w: _Mixture) -> _Mixture:
        gap = w.value - w.x
        used = jnp.arange(room) < w.filled
        blunt = BLUNT * float(jnp.finfo(x.dtype).eps) ** 0.5
        mixed = jnp.linalg.lstsq(jnp.where(used, w.changes, 0.0), gap, rcond=blunt)[0] if memory else jnp.zeros(room)
        mixed = jnp.where(jnp.all(jnp.isfinite(mixed)), mixed, 0.0).astype(x.dtype)
        new = w.value - jnp.where(used, w.moves, 0.0) @ mixed
        there = G(new)
        # A mixture that leads far away is forgotten: one plain step instead.
        grown = ~(_largest(there - new) <= GROWTH * w.norm) & (w.filled > 0)
        new = jnp.where(grown, w.value, new)
        there = jax.lax.cond(grown, lambda: G(w.value), lambda: there)
        after = there - new
        moves = jnp.roll(w.moves, 1, axis=1).at[:, 0].set(there - w.value)
        changes = jnp.roll(w.changes, 1, axis=1).at[:, 0].set(after - gap)
        filled = jnp.where(grown, 1, jnp.minimum(w.filled + 1, room)) if memory else w.filled
        met = jnp.all(jnp.abs(after) <= tolerance.allowed(_largest(new)))
        return _Mixture(new, there, moves, changes, filled, _largest(after), w.start, w.turns + 1, met)

    none = jnp.zeros((), jnp.int32)
    norm = _largest(value - x)
    blank = jnp.zeros((x.size, room), x.dtype)
    met = jnp.all(jnp.abs(value - x) <= tolerance.allowed(_largest(x)))
    begin = _Mixture(x, value, blank, blank, none, norm, norm, none, met)
    walk, _, trace = iterate(
        turn, begin, max_steps=max_steps, done=lambda w: w.met | ~jnp.isfinite(w.norm), record=lambda w: w.norm
    )
    status = root_status(walk.met, jnp.isfinite(walk.norm), jnp.zeros((), bool))
    trace = jnp.concatenate([norm[None], trace])
    return Found(walk.x, walk.norm, walk.norm, walk.turns + 1, walk.turns, status, trace)


def root_status(met: Any, finite: Any, stuck: Any) -> Status:
    """Not finite before all else; then converged, stuck without a root, out of steps."""
    status = Status.where(stuck, Status.named("no_root"), Status.named("max_steps"))
    status = Status.where(met, Status.named("converged"), status)
    return Status.where(finite, status, Status.named("nonfinite"))


def _largest(x: Any) -> Any:
    return jnp.max(jnp.abs(x))


def _shorter(new: Any, old: Any) -> Any:
    return jnp.all(jnp.isfinite(new)) & (jnp.linalg.norm(new) <= PROGRESS * jnp.linalg.norm(old))


def _nonzero(number: Any) -> Any:
    return jnp.where(number == 0, 1.0, number)
