"""Rules on numbers themselves: NaN, infinity, and dtypes that cannot hold what is put into them."""

from __future__ import annotations

import numpy as np

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding
from cycloid.train.rules.reading import finite, median, percent, ratios

EXPONENT = 0.9  # of the largest a dtype has: one more factor of e^9 in float32 and it overflows
POLES = ("log", "div", "reciprocal", "rsqrt", "sqrt")  # operations with an infinity of their own
FEW = 10  # records in which steps that run away show it
SKIPPED = 0.05  # share of steps a loss scaler may leave out; its search for a scale costs some at the start


def not_a_number(e: Evidence) -> list[Finding]:
    """A NaN anywhere: named before everything else, for every comparison with it is false."""
    if not _has_nan(e) or _overflowed(e) or _diverged(e):
        return []
    where = e.first_nonfinite or _first_place(e)
    share = max(e.nonfinite_inputs or 0.0, e.nonfinite_targets or 0.0)
    cure = "Guard that operation: log(p + 1e-7), sqrt(x + 1e-12), a ratio with a positive denominator, log_softmax."
    if e.first_nonfinite_place in ("inputs", "targets") or share > 0:
        part = "targets" if (e.nonfinite_targets or 0) > 0 or e.first_nonfinite_place == "targets" else "inputs"
        where = e.first_nonfinite or f"{percent(share)} of the {part} are not finite"
        cure = f"Fill or drop the rows whose {part} are not finite before training; np.isfinite(...) finds them."
    step = e.first_nonfinite_step
    return [
        Finding(
            "not a number", "error", f"The first NaN: {where}" + (f", at step {step}." if step is not None else "."),
            1.0, 0.0, "One operation made a NaN, and every number computed from it is NaN too.", cure, 0.99,
            layer=e.first_nonfinite_layer, step=step,
        )
    ]  # fmt: skip


def precision_overflow(e: Evidence) -> list[Finding]:
    """Infinities made from finite numbers, magnitudes near the end of a dtype, steps that a loss scaler left out."""
    if _diverged(e):
        return []
    infinite = _overflowed(e)
    share, layer = _nearest_end(e)
    share = max(share, e.largest_exponent or 0.0)
    skipped = e.skipped_steps or 0.0
    if not (infinite or share > EXPONENT or skipped > SKIPPED):
        return []
    if infinite:
        seen, value, threshold = f"{e.first_nonfinite or 'an infinity'}, step {e.first_nonfinite_step}.", 1.0, EXPONENT
    elif skipped > SKIPPED:
        seen = f"the loss scaler left out {percent(skipped)} of the steps, gradients having overflowed."
        value, threshold = skipped, SKIPPED
    else:
        seen, value, threshold = f"magnitudes reach {percent(share)} of the largest exponent.", share, EXPONENT
    return [
        Finding(
            "precision overflow", "error" if infinite else "warning", f"Numbers leave what their dtype holds: {seen}",
            value, threshold,
            "float16 ends at 65 504 and float32 at 3.4e38; exp(x) gets there at x = 11 and x = 89.",
            "Use bfloat16 or float32 for this operation, subtract the maximum before exp (logsumexp), or scale the "
            "inputs and the loss down.", 0.97 if infinite else 0.8,
            layer=e.first_nonfinite_layer or layer, step=e.first_nonfinite_step,
        )
    ]  # fmt: skip


def _has_nan(e: Evidence) -> bool:
    if e.first_nonfinite or (e.nonfinite_inputs or 0) > 0 or (e.nonfinite_targets or 0) > 0:
        return True
    tables = (e.gradient_norms, e.weight_norms, e.nonfinite_share)
    if e.nonfinite_share is not None and np.any(np.asarray(e.nonfinite_share) > 0):
        return True
    losses = () if e.loss is None or not np.isfinite(e.loss).any() else (e.loss,)  # all NaN: it was not measured
    return any(table is not None and not np.all(np.isfinite(table)) for table in (*tables, *losses))


def _overflowed(e: Evidence) -> bool:
    """Whether the first infinity came of finite numbers that were too large, and not of a pole such as log 0."""
    said = (e.first_nonfinite or "").lower()
    if e.first_nonfinite_kind == "nan" and _nearest_end(e)[0] > EXPONENT:
        return True  # infinities cancelled before anyone looked
    return e.first_nonfinite_kind == "infinity" and not any(pole in said for pole in POLES)


def _diverged(e: Evidence) -> bool:
    """Whether the steps ran away before numbers ended: then the learning rate is the cause, and named."""
    losses = finite(e.loss)
    if len(losses) < 2 or (e.first_nonfinite_step or 0) == 0:
        return False
    grew = losses.max() > 5 * max(abs(losses[0]), 1e-12) and losses[:-1].size > 0 and losses[-1] >= 0.5 * losses.max()
    return bool(grew and median(ratios(e)[:FEW]) > 0.1)


def _first_place(e: Evidence) -> str:
    for name, table in (("the loss", e.loss), ("a gradient", e.gradient_norm), ("a weight", e.weight_norms)):
        if table is not None and not np.all(np.isfinite(table)):
            row = int(np.argmin(np.isfinite(np.asarray(table, float).reshape(len(table), -1)).all(axis=1)))
            return f"{name}, at step {int(e.step[row]) if e.step is not None else row}"
    return "one of the recorded numbers"


def _nearest_end(e: Evidence) -> tuple[float, str | None]:
    """How near the outputs of layers come to the end of half precision: (share of the exponent, the layer)."""
    if e.layer_dtypes is None or e.output_high is None or e.output_low is None:
        return 0.0, None
    ends = {"float16": 65504.0}
    worst, layer = 0.0, None
    for i, dtype in enumerate(e.layer_dtypes):
        size = float(np.nanmax(np.abs([e.output_low[i], e.output_high[i], 1.0])))
        share = np.log2(max(size, 1.0)) / np.log2(ends[dtype]) if dtype in ends else 0.0
        if share > worst:
            worst, layer = float(share), e.layers[i] if e.layers else None
    return worst, layer
