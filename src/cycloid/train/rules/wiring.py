"""Rules on how model, loss and optimizer are joined: shapes, axes, signs, gradients that do not arrive."""

from __future__ import annotations

import math

import numpy as np

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding
from cycloid.train.rules.reading import finite, percent, row_sums_are_one

UNMOVED = 1e-5  # the same where probabilities over a whole batch make every change small
SAME = 1e-3  # relative change below which a loss is taken as unchanged
FLAT = 0.2  # cost of predictions at their targets over that of ones far from them
ROUNDED = 1e-5  # the same sum taken in another order, in single precision
CARRIED, OFTEN = 1.1, 0.2  # used over fresh gradient norm, in that share of the recorded steps
ENDINGS = ("linear", "conv", "softmax", "sigmoid", "relu", "tanh", "attention", "recurrent")  # that change the values
NORMS = ("batch norm", "dropout")


def broadcast_targets(e: Evidence) -> list[Finding]:
    """Shapes of predictions and targets that NumPy's rules stretch into a larger table."""
    p, t = e.prediction_shape, e.target_shape
    if p is None or t is None or p == t or e.task == "multiclass":
        return []
    if e.single_losses_mean is None and (e.first_nonfinite or not np.isfinite(e.batch_loss or 0.0)):
        return []  # the loss may take the shapes apart itself, and could not be asked
    try:
        table = np.broadcast_shapes(p, t)
    except ValueError:
        return []
    if math.prod(table) <= max(math.prod(p), math.prod(t)) or _is_mean_over_examples(e):
        return []
    return [
        Finding(
            "targets broadcast against predictions", "error",
            f"Predictions of shape {p} against targets of shape {t} make a table of shape {table}: "
            f"{math.prod(table):,} differences of which {math.prod(t):,} are meant.",
            float(math.prod(table)), float(math.prod(t)),
            "Every prediction is compared with every target; the best answer is then the mean for all.",
            f"Give both the same shape: predictions.squeeze(-1), or targets.reshape({p}).", 0.98,
        )
    ]  # fmt: skip


def softmax_axis(e: Evidence) -> list[Finding]:
    """Probabilities that sum to one over the batch, or a loss that does not feel a constant added to a class."""
    found = _softmax_over_batch(e)
    if not found:
        return []
    return [
        Finding(
            "softmax over the wrong axis", "error", f"The softmax runs over the batch: {found}.", 1.0, SAME,
            "Examples compete with each other instead of classes.",
            "Take the softmax over the last axis: softmax(logits, axis=-1), in PyTorch dim=-1.", 0.97,
        )
    ]  # fmt: skip


def double_softmax(e: Evidence) -> list[Finding]:
    """Probabilities given to a loss that takes a softmax (or a sigmoid) of them again."""
    last = next((kind for kind in reversed(e.layer_kinds or ()) if kind in ENDINGS), "")
    rows = row_sums_are_one(e)
    low, high = e.prediction_low, e.prediction_high
    inside = low is not None and high is not None and low >= 0 and high <= 1
    # logits of either sign would not all lie in [0, 1] on both sides of ½
    squashed = inside and (last in ("sigmoid", "softmax") or (low or 0) < 0.45 < 0.55 < (high or 0))
    if not _takes_logits(e) or not (rows or squashed):
        return []
    if rows:
        seen = "the predictions of every example sum to 1 and none is negative"
    else:
        after = f", after a {last}" if last in ("sigmoid", "softmax") else ""
        seen = f"the predictions all lie between 0 and 1, from {low:.3g} to {high:.3g}{after}"
    return [
        Finding(
            "double softmax", "error", f"The loss takes logits and was given probabilities: {seen}.", 1.0, SAME,
            "The loss takes a softmax of its own, so that the smallest loss it can reach stays far above zero and "
            "gradients are small.",
            "Remove the softmax (or sigmoid) at the end of the model; take it only where probabilities are shown.",
            0.97 if rows else 0.9,
        )
    ]  # fmt: skip


def _takes_logits(e: Evidence) -> bool:
    """By its name, by a constant that it does not feel, or, of two classes, because right answers stay dear.

    Predictions of 0.02 and 0.98 that equal their targets cost next to nothing, unless a sigmoid is taken of them.
    """
    if e.loss_expects == "logits" or (e.row_shift_change is not None and e.row_shift_change < SAME):
        return True
    perfect, worse = e.loss_of_perfect, e.loss_of_worse
    return e.task == "binary" and perfect is not None and worse is not None and 0 < FLAT * worse < perfect < worse


def wrong_sign(e: Evidence) -> list[Finding]:
    """A loss that is larger for right predictions than for wrong ones, or updates that climb."""
    if e.loss_of_perfect is not None and e.loss_of_worse is not None:
        gap = e.loss_of_perfect - e.loss_of_worse
        if gap > SAME * max(abs(e.loss_of_perfect), abs(e.loss_of_worse), 1e-12):
            return [
                _sign(
                    f"predictions equal to the targets cost {e.loss_of_perfect:.4g}, ones far from them "
                    f"{e.loss_of_worse:.4g}", gap,
                )
            ]  # fmt: skip
    promised = finite(e.predicted_change)
    if len(promised) >= 4 and np.mean(promised > 0) > 0.75:
        return [
            _sign(f"the update points uphill in {percent(float(np.mean(promised > 0)))} of the recorded steps", 1.0)
        ]
    return []


def wrong_reduction(e: Evidence) -> list[Finding]:
    """A loss that doubles when every example is given twice is a sum; its gradient grows with the batch."""
    if e.batch_loss is None or e.doubled_batch_loss is None or abs(e.batch_loss) < 1e-12:
        return []
    ratio = e.doubled_batch_loss / e.batch_loss
    if not 1.5 < ratio < 2.5:
        return []
    rows = e.batch_size or (e.prediction_shape or (0,))[0]
    return [
        Finding(
            "wrong reduction of the loss", "warning",
            f"The loss of a batch given twice is {ratio:.3g} times that of the batch: it is a sum over examples.",
            ratio, 1.5, f"Gradients, and so steps, are {rows} times those of the mean and change with the batch.",
            f"Take the mean over the batch, or divide the learning rate by the batch size ({rows}).", 0.95,
        )
    ]  # fmt: skip


def missing_from_optimizer(e: Evidence) -> list[Finding]:
    """Parameters that have a gradient and are in no group of the optimizer."""
    if e.in_optimizer is None or e.parameters is None:
        return []
    wanted = np.ones(len(e.parameters), bool) if e.trainable is None else np.asarray(e.trainable, bool)
    out = np.flatnonzero(~np.asarray(e.in_optimizer, bool) & wanted)
    if not len(out):
        return []
    names = [e.parameters[i] for i in out]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [
        Finding(
            "parameter missing from the optimizer", "error",
            f"{len(names)} of {len(e.parameters)} parameter arrays ask for a gradient and are never updated: {shown}.",
            float(len(names)), 0.0,
            "The optimizer was made before they were, or from another model's parameters.",
            "Make the optimizer from model.parameters() after the model is whole, or set requires_grad = False if they "
            "are meant to stay.", 0.98, layer=names[0],
        )
    ]  # fmt: skip


def gradients_not_cleared(e: Evidence) -> list[Finding]:
    """The optimizer uses more than the gradient of this batch: earlier ones were never set to zero."""
    if e.gradient_norms is None or e.fresh_gradient_norms is None:
        return []
    used, fresh = (np.asarray(table, float) for table in (e.gradient_norms, e.fresh_gradient_norms))
    ratio = np.divide(used, fresh, out=np.full(used.shape, np.nan), where=fresh > 1e-30)
    off = np.where(np.isfinite(ratio), ratio > CARRIED, False)
    often = off.mean(axis=0)
    if not len(often) or often.max() < OFTEN:
        return []
    worst = int(often.argmax())
    value = float(np.nanmedian(np.where(off[:, worst], ratio[:, worst], np.nan)))
    name = e.parameters[worst] if e.parameters else None
    step = int(e.step[int(off[:, worst].argmax())]) if e.step is not None else None
    return [
        Finding(
            "gradients not cleared", "error",
            f"The gradient used is {value:.3g} times that of the batch in {percent(float(often[worst]))} of the "
            f"recorded steps.", value, CARRIED,
            "Gradients are added up over batches, an unwanted momentum that grows without end.",
            "Call optimizer.zero_grad() before every backward pass.", min(0.98, 0.7 + float(often[worst]) / 3),
            layer=name, step=step,
        )
    ]  # fmt: skip


def detached_layer(e: Evidence) -> list[Finding]:
    """Weights that never get a gradient although later layers do."""
    if e.parameters is None or (e.gradient_norms is None and e.missing_gradients is None):
        return []
    if e.gradient_norms is not None:
        table = np.asarray(e.gradient_norms, float)
        still = np.all(np.nan_to_num(table) == 0, axis=0)
    else:
        still = np.all(np.asarray(e.missing_gradients, bool), axis=0)
    if e.missing_gradients is not None:
        still |= np.all(np.asarray(e.missing_gradients, bool), axis=0)
    if e.trainable is not None:
        still &= np.asarray(e.trainable, bool)
    if not still.any() or still.all() or _all_dead(e):
        return []
    names = [name for name, zero in zip(e.parameters, still) if zero]
    return [
        Finding(
            "detached layer", "error",
            f"The gradient of {', '.join(names[:3])}{' …' if len(names) > 3 else ''} is exactly zero at every recorded "
            f"step, that of later layers is not.", float(len(names)), 0.0,
            "The way back from the loss is cut: detach(), .data, .item(), no_grad, stop_gradient, argmax or rounding.",
            "Remove the cut between this layer and the loss; if the layer is meant to stay, set requires_grad = False.",
            0.95, layer=names[-1],
        )
    ]  # fmt: skip


def norm_mode(e: Evidence) -> list[Finding]:
    """Batch normalisation on running statistics while training, or on the batch's own (dropout on) while judged."""
    kinds = e.layer_kinds or ()
    found = []
    if e.training_mode is not None:
        wrong = [i for i, kind in enumerate(kinds) if kind == "batch norm" and not e.training_mode[i]]
        if wrong:
            found.append(
                _mode(e, wrong[0], "runs on its running statistics while the model is trained", "model.train()")
            )
    if e.evaluation_mode_training is not None:
        wrong = [i for i, kind in enumerate(kinds) if kind in NORMS and e.evaluation_mode_training[i]]
        if wrong:
            text = f"({kinds[wrong[0]]}) is still in training mode while the metric is taken"
            found.append(_mode(e, wrong[0], text, "model.eval()"))
    if not found and (e.coupling or 0.0) > 1e-3 and "batch norm" in kinds:
        place = kinds.index("batch norm")
        text = f"makes one example's prediction change by {percent(e.coupling or 0.0)} when the others of its batch do"
        found.append(_mode(e, place, text, "model.eval()"))
    return found[:1]


def decayed_biases(e: Evidence) -> list[Finding]:
    """Weight decay on biases and on the scales of norms."""
    if e.weight_decay is None or e.parameter_kinds is None:
        return []
    decay = np.asarray(e.weight_decay, float)
    hit = [i for i, kind in enumerate(e.parameter_kinds) if kind in ("bias", "norm") and decay[i] > 0]
    if not hit:
        return []
    strongest = float(decay[hit].max())
    return [
        Finding(
            "weight decay on biases", "warning" if strongest > 0.02 else "note",
            f"{len(hit)} biases and norm scales are decayed with factor {strongest:.3g}.", strongest, 0.0,
            "Pulling biases and norm scales to zero does not regularise a model, it shifts its outputs.",
            "Give them a group of their own with weight_decay=0; only weights of linear and convolutional layers "
            "decay.",
            0.9 if strongest > 0.02 else 0.7, layer=(e.parameters or ())[hit[0]] if e.parameters else None,
        )
    ]  # fmt: skip


def _softmax_over_batch(e: Evidence) -> str:
    """What shows it; nothing where it is not shown."""
    row, column = e.row_shift_change, e.column_shift_change
    if row is not None and column is not None and column < UNMOVED and row > 30 * max(column, UNMOVED / 30):
        return "a constant added to all predictions of one class leaves the loss as it is"
    sums, low = e.prediction_column_sums, e.prediction_low
    if (
        sums is not None
        and low is not None
        and low >= 0
        and np.all(np.abs(sums - 1) < SAME)
        and not row_sums_are_one(e)
    ):
        return "the predictions of each class sum to 1 over the batch"
    if e.column_log_sums is not None and e.row_log_sums is not None and e.column_log_sums < SAME < e.row_log_sums / 3:
        return "e to the power of the predictions sums to 1 over the batch"
    softmax = any("softmax" in kind for kind in e.layer_kinds or ())
    if softmax and (e.coupling or 0.0) > SAME and not _coupled_by_norms(e):
        return f"one example's prediction changes by {percent(e.coupling or 0.0)} when the others do"
    return ""


def _is_mean_over_examples(e: Evidence) -> bool:
    """Whether the batch's loss is the mean, or the sum, of those of single examples: nothing was stretched."""
    if e.single_losses_mean is None or e.batch_loss is None or not e.prediction_shape:
        return False
    rows = e.prediction_shape[0]
    size = max(abs(e.batch_loss), 1e-12)
    return any(abs(factor * e.single_losses_mean - e.batch_loss) < ROUNDED * size for factor in (1, rows))


def _coupled_by_norms(e: Evidence) -> bool:
    if e.evaluation_mode_training is None:
        return "batch norm" in (e.layer_kinds or ())
    return any(k == "batch norm" and t for k, t in zip(e.layer_kinds or (), e.evaluation_mode_training))


def _all_dead(e: Evidence) -> bool:
    tables = [finite(table) for table in (e.dead_share, e.dead_share_last)]
    return any(table.size and table.max() > 0.98 for table in tables)


def _sign(seen: str, gap: float) -> Finding:
    return Finding(
        "wrong sign of the loss", "error", f"Training goes the wrong way: {seen}.", gap, 0.0,
        "The loss is to be made small, so it must be small where predictions are right; updates go down the gradient.",
        "Turn the sign of the loss (a log likelihood needs a minus), or of the update: w - learning_rate * gradient.",
        0.95,
    )  # fmt: skip


def _mode(e: Evidence, place: int, text: str, call: str) -> Finding:
    name = e.layers[place] if e.layers else f"layer {place}"
    return Finding(
        "batch norm in the wrong mode", "error", f"{name} {text}.", 1.0, 0.0,
        "Predictions then depend on which examples share a batch, or on statistics that were never learned.",
        f"Call {call} before this part of the loop, and the other one before the next.", 0.95, layer=name,
    )  # fmt: skip
