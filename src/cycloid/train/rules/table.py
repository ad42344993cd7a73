"""The table of rules: what is looked for, by which number, from where on it is a fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding
from cycloid.train.rules import data, numbers, outcome, signal, steps, wiring


class Rule(NamedTuple):
    """One line of the table.

    Attributes:
        fault: its name in `FAULTS`.
        find: evidence -> findings, none where the numbers are missing.
        indicator: the number that is compared, in words.
        threshold: with what.
    """

    fault: str
    find: Callable[[Evidence], list[Finding]]
    indicator: str
    threshold: float


RULES: tuple[Rule, ...] = (
    Rule("not a number", numbers.not_a_number, "NaN anywhere", 0.0),
    Rule("precision overflow", numbers.precision_overflow, "exponent over the dtype's largest", numbers.EXPONENT),
    Rule("targets broadcast against predictions", wiring.broadcast_targets, "entries of the broadcast table", 0.0),
    Rule("softmax over the wrong axis", wiring.softmax_axis, "change of the loss by a constant a class", wiring.SAME),
    Rule("double softmax", wiring.double_softmax, "row sums off 1 of what a loss of logits is given", wiring.SAME),
    Rule("wrong sign of the loss", wiring.wrong_sign, "loss of right minus loss of wrong predictions", 0.0),
    Rule("wrong reduction of the loss", wiring.wrong_reduction, "loss of a batch given twice over once", 1.5),
    Rule("leaked rows", data.leaked_rows, "share of validation rows within a hair of a training row", data.SHARED),
    Rule("leaked feature", data.leaked_feature, "skill of one feature alone", data.MIDDLING),
    Rule("shuffled labels", data.shuffled_labels, "part of the structure lost, cross-fitted", data.LOST),
    Rule("label noise", data.label_noise, "labels contradicted where a cross-fitted model is surest", data.WRONG),
    Rule("raw inputs", data.raw_inputs, "root mean square of a feature", data.LARGE),
    Rule("raw targets", data.raw_targets, "root mean square of the target", data.FAR),
    Rule("data order not shuffled", data.order_of_rows, "variance between batches over random batches'", data.SORTED),
    Rule("class imbalance", data.class_imbalance, "rarest class over an even share", data.RARE),
    Rule("parameter missing from the optimizer", wiring.missing_from_optimizer, "arrays in no group", 0.0),
    Rule("gradients not cleared", wiring.gradients_not_cleared, "used over fresh gradient norm", wiring.CARRIED),
    Rule("detached layer", wiring.detached_layer, "weights whose gradient is zero at every step", 0.0),
    Rule("batch norm in the wrong mode", wiring.norm_mode, "layers in the wrong mode", 0.0),
    Rule("symmetric initialisation", signal.symmetric, "mean |cosine| between units", signal.ALIKE),
    Rule("dead units", signal.dead_units, "share of units zero on every example", signal.DEAD),
    Rule("vanishing gradient", signal.vanishing, "gradient at the first layer over the last", signal.FADED),
    Rule("exploding gradient", signal.exploding, "initial loss over the best constant's", signal.WORSE),
    Rule("weight decay on biases", wiring.decayed_biases, "decay of biases and norm scales", 0.0),
    Rule("learning rate too high", steps.too_high, "‖Δw‖/‖w‖ in the first steps", steps.LONG),
    Rule("learning rate too low", steps.too_low, "line minimum over step", steps.SHORT),
    Rule("overfitting", outcome.overfitting, "train minus validation metric", outcome.GAP),
    Rule("underfitting", outcome.underfitting, "a simple model's lead", outcome.BEHIND),
    Rule("metric does not follow the loss", outcome.metric_apart, "fall of the loss without gain", 0.25),
)
