"""What was seen of a training run: plain NumPy numbers with names, gathered by any framework, read by the rules.

Whoever fills an `Evidence` need not fill it whole: a rule whose numbers are missing says nothing. Nothing here imports
a framework, so that a loop in PyTorch can be watched without loading JAX.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any, get_type_hints

import numpy as np

# The axes that fields run along; all fields with one axis have the same length along it.
AXES = {
    "step": "a recorded step",
    "parameter": "a parameter array of the model, in the order of the forward pass",
    "layer": "an operation of the model, in the order of the forward pass",
    "evaluation": "a moment at which the metric was taken",
    "example": "an example of the batch",
    "feature": "an input of one example, flattened",
    "class": "a class of the targets",
    "row": "a place in the batch",
}

Numbers = np.ndarray | None
Names = tuple[str, ...] | None
ByStep = Annotated[Numbers, "step"]
ByStepAndParameter = Annotated[Numbers, "step", "parameter"]
ByStepAndClass = Annotated[Numbers, "step", "class"]
ByStepAndRow = Annotated[Numbers, "step", "row"]
ByParameter = Annotated[Numbers, "parameter"]
ByLayer = Annotated[Numbers, "layer"]
ByFeature = Annotated[Numbers, "feature"]
ByExample = Annotated[Numbers, "example"]
ByClass = Annotated[Numbers, "class"]
ByEvaluation = Annotated[Numbers, "evaluation"]
NamedParameter = Annotated[Names, "parameter"]
NamedLayer = Annotated[Names, "layer"]
NamedFeature = Annotated[Names, "feature"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """Everything the rules of `diagnose` may look at; None stands for "was not measured".

    Axes are named in `AXES`; an array with several runs along them in the order given. Norms are Euclidean. Booleans
    are NumPy booleans, names are tuples of text. Steps are counted from zero, the first update being step 0; the
    numbers of a step belong to the batch of that step, before its update, unless said otherwise.

    Attributes of the whole:
        framework: "jax", "torch", "keras", "flax" ...
        task: "regression", "binary", "multiclass" or "other".
        loss_name: such as "cross entropy", "mse".
        loss_expects: what the loss takes as predictions: "logits", "log probabilities", "probabilities" or "values".
        optimizer: its name.
        batch_size: examples a step.
        momentum: share of the last update that is kept.
        weight_decay: (parameter,) as the optimizer has it.
        step_limit: by what factor the norm of gradients is clipped to; None without clipping.

    Attributes by step:
        step: its number.
        loss: the training loss on the batch.
        learning_rate: of the first group of parameters.
        predicted_change: ∇L·Δw, what the update promised.
        actual_change: loss on the same batch after the update minus before.
        gradient_norm: over all parameters.
        gradient_cosine: between this gradient and the one of the recorded step before; NaN for the first.
        line_minimum: how many times the update Δw one would have to go along it to reach the lowest loss of the
            quadratic through L(0), ∇L·Δw and L(Δw) (or Gauss-Newton): 1 is perfect, 100 is far too short, below ½
            overshoots; NaN where it has none.
        curvature: largest eigenvalue of the loss's Hessian, where known.
        gradient_norms: (step, parameter) of the gradient the optimizer used.
        fresh_gradient_norms: (step, parameter) of what the backward passes since the last update added to it.
        zero_gradients: (step, parameter) share of entries that are exactly zero.
        missing_gradients: (step, parameter) True where there is no gradient at all (None, detached).
        update_norms: (step, parameter) of Δw.
        weight_norms: (step, parameter) before the update.
        batch_class_shares: (step, class) of the batch's targets.
        batch_target_mean, batch_target_deviation: (step,) of the batch's targets; of class numbers too.
        batch_fingerprints: (step,) a number that is equal for equal batches.
        sample_order: (step, row) numbers of the rows in the batch, where known.

    Attributes by parameter:
        parameters: names.
        parameter_kinds: "weight", "bias", "norm" or "embedding".
        parameter_layers: name of the layer it belongs to.
        parameter_sizes: numbers in it.
        parameter_dtypes: such as "float32".
        in_optimizer: True where the optimizer updates it.
        trainable: True where a gradient is asked for.
        unit_weight_cosine: mean |cosine| between the weights of a layer's units, off the diagonal.
        unit_gradient_cosine: the same of their gradients at the first recorded step; units without gradient left out.
        gradient_deviation: relative difference to the gradient by a second way (finite differences), where checked.

    Attributes by layer, measured on the batch at the first recorded step unless the name says "last":
        layers: names.
        layer_kinds: "linear", "conv", "relu", "tanh", "batch norm", "dropout", "softmax", "attention" ...
        layer_shapes: of its output, batch axis included, as text such as "32 x 10".
        layer_dtypes: of its output.
        output_mean, output_scale, output_low, output_high: mean, root mean square, smallest and largest of its output.
        dead_share: share of its units that are zero on every example (after a rectifier).
        dead_share_last: the same at the last recorded step.
        saturated_share: share of values where the slope of a sigmoid or tanh is below 1 % of its largest.
        nonfinite_share: share of values that are NaN or infinite.
        signal_norms: norm of ∂L/∂(its output), as it comes back; where it vanishes or grows, so does the gradient.
        input_signal_norms: norm of ∂L/∂(its input).
        largest_singular, smallest_singular: of the layer's Jacobian, one example.
        training_mode: True where the layer is in training mode during the pass that was watched.
        evaluation_mode_training: True where it was still in training mode when the metric was taken.
        batch_coupling: relative change of one example's output when the others of the batch change; 0 where examples
            are independent.

    Attributes of the batch:
        input_shape, target_shape, prediction_shape: tuples.
        input_dtype, target_dtype, prediction_dtype: text.
        feature_mean, feature_scale: (feature,) mean and root mean square.
        input_scale: root mean square over all inputs.
        input_low, input_high: of all inputs.
        target_mean, target_deviation, target_low, target_high: of targets that are numbers.
        class_counts: (class,) of the batch or, better, of all training targets.
        prediction_low, prediction_high, prediction_mean, prediction_deviation: of what the loss is given.
        prediction_row_sums: (example,) sum over the classes of what the loss is given.
        prediction_column_sums: (class,) sum over the batch of what the loss is given.
        row_log_sums, column_log_sums: largest |log Σ e^p| over rows, over columns; 0 where p are log probabilities
            along them.
        predicted_class_shares: (class,) share of examples for which a class is largest.
        example_losses: (example,) each by itself.
        worst_examples: (example,) numbers of the batch's rows, largest loss first.
        batch_loss: what the loss function returned for the whole batch.
        initial_loss: of the untrained model, as the loss function returns it.
        constant_loss: of the best constant prediction (the prior, or the mean target), mean over examples.
        reference_loss: mean of the loss by its definition, where the definition is known.
        doubled_batch_loss: what the loss function returns when every example is given twice.
        single_losses_mean: mean of what the loss function returns for the examples one at a time, predictions as they
            are: the batch's loss when it is a mean over examples, that over their number when it is a sum.
        row_shift_change: relative change of the loss when a constant is added to each example's predictions; 0 where
            the loss takes a softmax over the classes.
        column_shift_change: the same when a constant is added to each class's predictions; 0 where it takes a
            softmax over the batch.
        loss_of_perfect: what the loss function returns for predictions that equal the targets.
        loss_of_worse: what it returns for predictions moved away from the targets.
        gradient_noise_scale: B_simple = tr(Σ)/|G|², in examples.
        coupling: relative change of one example's prediction when the others of the batch change, in evaluation mode.
        evaluation_difference: relative difference of predictions in training and in evaluation mode.

    Attributes held out (at evaluations):
        evaluation_step: step of each.
        train_loss, validation_loss, train_metric, validation_metric: in evaluation mode, on the same model.
        metric_name: such as "accuracy", "r2".
        metric_better: "higher" or "lower".
        baseline_metric: of the best constant prediction, on validation rows.
        reference_metric: on validation rows, of a simple model fitted well (ridge or nearest neighbours).
        metric_standard_error: of the last validation metric.

    Attributes of the data:
        train_rows, validation_rows: how many.
        shared_rows: share of validation rows found, equal, among the training rows.
        feature_names: text.
        feature_skill: (feature,) how well it predicts the target alone: R², or accuracy above the prior over the rest.
        shifted_features: (feature,) |mean of validation − of train| in training deviations.
        cross_disagreement: share of training labels that a cross-fitted model contradicts, among the half of the
            examples of which it is surest: near 0 where classes only overlap, the share of wrong labels where some are.
        cross_metric: of a cross-fitted simple model on the training rows, like `reference_metric`.
        shuffled_metric: of the same model with the targets shuffled: what chance reaches.
        order_correlation: how much more alike neighbours' targets are than chance, in the order in which rows are
            seen: 0 shuffled, 1 sorted.
        nonfinite_inputs, nonfinite_targets: share of NaN and infinities.

    Attributes of what went wrong:
        first_nonfinite: the first operation that made a NaN or an infinity, in words: "log of 0 in layer head".
        first_nonfinite_kind: "nan" or "infinity".
        first_nonfinite_layer: its layer.
        first_nonfinite_step: its step.
        first_nonfinite_place: "inputs", "targets", "parameters", "forward", "loss", "gradient" or "update".
        largest_exponent: of any magnitude met, as a share of the largest exponent the dtype has; above 0.9 overflow
            is near.
        skipped_steps: share of steps a loss scaler left out.
        notes: sentences about how this was measured: sampling above all.
    """

    framework: str | None = None
    task: str | None = None
    loss_name: str | None = None
    loss_expects: str | None = None
    optimizer: str | None = None
    batch_size: int | None = None
    momentum: float | None = None
    weight_decay: ByParameter = None
    step_limit: float | None = None

    step: ByStep = None
    loss: ByStep = None
    learning_rate: ByStep = None
    predicted_change: ByStep = None
    actual_change: ByStep = None
    gradient_norm: ByStep = None
    gradient_cosine: ByStep = None
    line_minimum: ByStep = None
    curvature: ByStep = None
    gradient_norms: ByStepAndParameter = None
    fresh_gradient_norms: ByStepAndParameter = None
    zero_gradients: ByStepAndParameter = None
    missing_gradients: ByStepAndParameter = None
    update_norms: ByStepAndParameter = None
    weight_norms: ByStepAndParameter = None
    batch_class_shares: ByStepAndClass = None
    batch_target_mean: ByStep = None
    batch_target_deviation: ByStep = None
    batch_fingerprints: ByStep = None
    sample_order: ByStepAndRow = None

    parameters: NamedParameter = None
    parameter_kinds: NamedParameter = None
    parameter_layers: NamedParameter = None
    parameter_sizes: ByParameter = None
    parameter_dtypes: NamedParameter = None
    in_optimizer: ByParameter = None
    trainable: ByParameter = None
    unit_weight_cosine: ByParameter = None
    unit_gradient_cosine: ByParameter = None
    gradient_deviation: ByParameter = None

    layers: NamedLayer = None
    layer_kinds: NamedLayer = None
    layer_shapes: NamedLayer = None
    layer_dtypes: NamedLayer = None
    output_mean: ByLayer = None
    output_scale: ByLayer = None
    output_low: ByLayer = None
    output_high: ByLayer = None
    dead_share: ByLayer = None
    dead_share_last: ByLayer = None
    saturated_share: ByLayer = None
    nonfinite_share: ByLayer = None
    signal_norms: ByLayer = None
    input_signal_norms: ByLayer = None
    largest_singular: ByLayer = None
    smallest_singular: ByLayer = None
    training_mode: ByLayer = None
    evaluation_mode_training: ByLayer = None
    batch_coupling: ByLayer = None

    input_shape: tuple[int, ...] | None = None
    target_shape: tuple[int, ...] | None = None
    prediction_shape: tuple[int, ...] | None = None
    input_dtype: str | None = None
    target_dtype: str | None = None
    prediction_dtype: str | None = None
    feature_mean: ByFeature = None
    feature_scale: ByFeature = None
    input_scale: float | None = None
    input_low: float | None = None
    input_high: float | None = None
    target_mean: float | None = None
    target_deviation: float | None = None
    target_low: float | None = None
    target_high: float | None = None
    class_counts: ByClass = None
    prediction_low: float | None = None
    prediction_high: float | None = None
    prediction_mean: float | None = None
    prediction_deviation: float | None = None
    prediction_row_sums: ByExample = None
    prediction_column_sums: np.ndarray | None = None
    row_log_sums: float | None = None
    column_log_sums: float | None = None
    predicted_class_shares: np.ndarray | None = None
    example_losses: ByExample = None
    worst_examples: np.ndarray | None = None
    batch_loss: float | None = None
    initial_loss: float | None = None
    constant_loss: float | None = None
    reference_loss: float | None = None
    doubled_batch_loss: float | None = None
    single_losses_mean: float | None = None
    row_shift_change: float | None = None
    column_shift_change: float | None = None
    loss_of_perfect: float | None = None
    loss_of_worse: float | None = None
    gradient_noise_scale: float | None = None
    coupling: float | None = None
    evaluation_difference: float | None = None

    evaluation_step: ByEvaluation = None
    train_loss: ByEvaluation = None
    validation_loss: ByEvaluation = None
    train_metric: ByEvaluation = None
    validation_metric: ByEvaluation = None
    metric_name: str | None = None
    metric_better: str | None = None
    baseline_metric: float | None = None
    reference_metric: float | None = None
    metric_standard_error: float | None = None

    train_rows: int | None = None
    validation_rows: int | None = None
    shared_rows: float | None = None
    feature_names: NamedFeature = None
    feature_skill: ByFeature = None
    shifted_features: ByFeature = None
    cross_disagreement: float | None = None
    cross_metric: float | None = None
    shuffled_metric: float | None = None
    order_correlation: float | None = None
    nonfinite_inputs: float | None = None
    nonfinite_targets: float | None = None

    first_nonfinite: str | None = None
    first_nonfinite_kind: str | None = None
    first_nonfinite_layer: str | None = None
    first_nonfinite_step: int | None = None
    first_nonfinite_place: str | None = None
    largest_exponent: float | None = None
    skipped_steps: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths: dict[str, tuple[int, str]] = {}
        for name, axes in axes_of().items():
            value = getattr(self, name)
            if value is None:
                continue
            names = isinstance(value, (tuple, list)) and all(isinstance(entry, str) for entry in value)
            value = tuple(value) if names else np.asarray(value)
            object.__setattr__(self, name, value)
            shape = (len(value),) if isinstance(value, tuple) else value.shape
            if len(shape) != len(axes):
                raise ValueError(f"{name} has axes ({', '.join(axes)}); it came with shape {shape}.")
            for axis, length in zip(axes, shape):
                known, by = lengths.setdefault(axis, (length, name))
                if known != length:
                    raise ValueError(
                        f"{name} has {length} entries along '{axis}' where {by} has {known}: every field with "
                        f"that axis needs the same number."
                    )

    @classmethod
    def of(cls, seen: dict[str, Any]) -> Evidence:
        """From a dict of fields; None stands for what was not measured."""
        return cls(**{name: value for name, value in seen.items() if value is not None})

    def replace(self, **changes: Any) -> Evidence:
        """A copy with some fields filled or changed."""
        return dataclasses.replace(self, **changes)

    def merge(self, other: Evidence) -> Evidence:
        """A copy with every field that `other` knows taken from it; the notes of both.

        Example:
            >>> Evidence(task="binary").merge(Evidence(batch_size=32)).task
            'binary'
        """
        known = other.known() | {"notes": tuple(dict.fromkeys((*self.notes, *other.notes)))}
        return dataclasses.replace(self, **known)

    def known(self) -> dict[str, Any]:
        """The fields that were measured, by name; `Evidence(**known)` is this again."""
        pairs = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {name: value for name, value in pairs if value is not None and not (name == "notes" and not value)}

    def has(self, *names: str) -> bool:
        """Whether every one of these fields was measured, and is not empty."""
        values = (getattr(self, name) for name in names)
        return all(value is not None and np.size(value) > 0 for value in values)


@functools.cache
def axes_of() -> dict[str, tuple[str, ...]]:
    """The axes that each field of `Evidence` with axes runs along."""
    hints = get_type_hints(Evidence, include_extras=True)
    return {name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")}
