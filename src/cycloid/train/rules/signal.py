"""Rules on the signal through the depth of a model: units that are alike or dead, gradients that fade or grow."""

from __future__ import annotations

import math

import numpy as np

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding
from cycloid.train.rules.reading import confidence, finite, percent, quiet, weights

ALIKE = 0.95  # mean |cosine| between units' weights and between their gradients
DEAD = 0.3  # share of a layer's units that are zero on every example
DEAD_LAST = 0.5  # the same of a trained model, some of whose units have found their few examples elsewhere
FADED, FADING = 3e-3, 0.35  # gradient per weight from last to first layer; the factor for each layer on the way
GROWN, GROWING = 30.0, 1.8
DEEP = 3  # weight arrays from which on a factor per layer is spoken of
WORSE = 4.0  # initial loss over that of the best constant


def symmetric(e: Evidence) -> list[Finding]:
    """Units of a layer whose weights point the same way and get the same gradient."""
    if e.parameters is None:
        return []
    found = []
    last = (
        len(e.parameters) - 1 - next((i for i, k in enumerate(reversed(e.parameter_kinds or ())) if k == "weight"), 0)
    )
    for i in weights(e):
        weight = np.nan if e.unit_weight_cosine is None else float(e.unit_weight_cosine[i])
        gradient = np.nan if e.unit_gradient_cosine is None else float(e.unit_gradient_cosine[i])
        empty = e.weight_norms is not None and e.weight_norms[0][i] == 0 and i != last
        if weight > ALIKE and not gradient < ALIKE:
            found.append(
                (weight, i, f"units have weights of mean |cosine| {weight:.4f} and gradients of {gradient:.4f}")
            )
        elif empty and (math.isnan(gradient) or gradient > ALIKE):
            found.append((1.0, i, "all weights start at zero, so that all units are equal"))
    if not found:
        return []
    value, place, seen = max(found)
    return [
        Finding(
            "symmetric initialisation", "error", f"{e.parameters[place]}: {seen}.", value, ALIKE,
            "Equal units get equal gradients and stay equal: the layer works as if it had one unit.",
            "Start the weights at random: normal with variance 2 / inputs before a rectifier, 1 / inputs otherwise.",
            0.95, layer=e.parameters[place],
            reference="Glorot, Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010",
        )
    ]  # fmt: skip


def dead_units(e: Evidence) -> list[Finding]:
    """Rectifiers that are zero for every example of the batch."""
    best: tuple[float, int, str] | None = None
    looks = ((e.dead_share, "at the start", DEAD), (e.dead_share_last, "at the end", DEAD_LAST))
    for table, when, limit in looks:
        for i, share in enumerate([] if table is None else np.asarray(table, float)):
            if math.isfinite(share) and share > limit and (best is None or share > best[0] + 0.02):
                best = (float(share), i, when)
    if best is None:
        return []
    share, place, when = best
    name = e.layers[place] if e.layers else f"layer {place}"
    return [
        Finding(
            "dead units", "error" if share > 0.8 else "warning",
            f"{percent(share)} of the units of {name} are zero for every example, {when}.", share, DEAD,
            "A rectifier that is never above zero has no gradient and does not come back: its bias is too low, or a "
            "step was too long.",
            "Start biases at 0, lower the learning rate, or use leaky_relu, gelu or a norm before the rectifier.",
            confidence(share, DEAD, decades=0.5), layer=name,
            reference="Lu, Shin, Su, Karniadakis, Dying ReLU and initialization, 2020",
        )
    ]  # fmt: skip


def vanishing(e: Evidence) -> list[Finding]:
    """The gradient shrinks from layer to layer on its way back."""
    total, each, count, first = growth(e)
    if count < DEEP or not (total < FADED or (count > DEEP and each < FADING and total < 10 * FADED)):
        return []
    return [
        Finding(
            "vanishing gradient", "error" if total < FADED / 10 else "warning",
            f"The gradient at {first} is {total:.2g} of that at the last layer, a factor {each:.2g} for each of "
            f"{count - 1} layers.", total, FADED,
            "Each layer multiplies the signal by its weights and by the slope of its activation; below 1, it fades.",
            "Use relu or gelu with weights of variance 2 / inputs (tanh: 1 / inputs), a norm in each layer, or "
            "residual connections.", confidence(total, 10 * FADED, decades=2), layer=first,
            reference="Hochreiter, Untersuchungen zu dynamischen neuronalen Netzen, 1991",
        )
    ]  # fmt: skip


def exploding(e: Evidence) -> list[Finding]:
    """The signal grows from layer to layer, so that the untrained model is far worse than a constant."""
    total, each, count, first = growth(e)
    start = worse_than_constant(e)
    forward = forward_growth(e)
    deep = count >= DEEP and total > GROWN and each > GROWING
    wild = start > WORSE and (forward > 1.7 or start > 20) and count >= 2
    if not (deep or wild):
        return []
    seen = []
    if deep:
        seen.append(f"the gradient at {first} is {total:.3g} times that at the last layer, {each:.2g} for each layer")
    if wild:
        seen.append(f"the loss starts at {start:.3g} times that of the best constant")
    if forward > 1.7:
        seen.append(f"outputs grow by {forward:.2g} a layer")
    value, threshold = (start, WORSE) if wild else (total, GROWN)
    return [
        Finding(
            "exploding gradient", "error" if value > 10 * threshold else "warning",
            f"The signal grows with depth: {', '.join(seen)}.", value, threshold,
            "Each layer multiplies the signal by its weights; above 1, it grows geometrically.",
            "Start weights with variance 2 / inputs before a rectifier (1 / inputs otherwise), add a norm in each "
            "layer; clip the gradient norm at 1 until then.", confidence(value, threshold, decades=1.5), layer=first,
            reference="Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013",
        )
    ]  # fmt: skip


def growth(e: Evidence) -> tuple[float, float, int, str | None]:
    """(gradient at the first weight over that at the last, the factor a layer, how many weights, the first's name).

    Norms are divided by those of the weights, as steps are: a wide layer has many entries and not a stronger signal.
    The medians of the first records are taken, before training has changed the scales.
    """
    places = weights(e)
    if e.gradient_norms is None or len(places) < 2:
        return 1.0, 1.0, len(places), None
    early = np.asarray(e.gradient_norms, float)[:3][:, places]
    sizes = np.ones(len(places)) if e.parameter_sizes is None else np.sqrt(np.asarray(e.parameter_sizes, float)[places])
    norms = quiet(np.nanmedian, np.where(np.isfinite(early), early, np.nan), 0) / sizes
    if not (np.isfinite(norms).all() and norms[-1] > 0 and norms[0] > 0):
        return 1.0, 1.0, len(places), None
    total = float(norms[0] / norms[-1])
    first = e.parameters[places[0]] if e.parameters else None
    return total, total ** (1 / (len(places) - 1)), len(places), first


def forward_growth(e: Evidence) -> float:
    """The factor by which the outputs of linear layers grow, layer by layer; 1 where unknown."""
    if e.output_scale is None or e.layer_kinds is None:
        return 1.0
    scales = [s for s, kind in zip(e.output_scale, e.layer_kinds) if kind in ("linear", "conv") and s > 0]
    scales = [s for s in scales if math.isfinite(s)]
    if len(scales) < 2:
        return 1.0
    return float((scales[-1] / scales[0]) ** (1 / (len(scales) - 1)))


def worse_than_constant(e: Evidence) -> float:
    """Initial loss over that of the best constant prediction; NaN-free, 0 where unknown."""
    start = e.initial_loss
    if start is None:
        losses = finite(e.loss)
        start = float(losses[0]) if losses.size else None
    if start is None or not e.constant_loss or e.constant_loss <= 0 or not math.isfinite(start):
        return 0.0
    return start / e.constant_loss
