"""Every rule names its fault from evidence that shows it, and is silent without; causes stand before consequences."""

from __future__ import annotations

import numpy as np
import pytest

from cycloid.train.diagnosis import CONSEQUENCES, diagnose, read
from cycloid.train.evidence import Evidence, axes_of
from cycloid.train.findings import FAULTS, Finding, exit_code
from cycloid.train.loss_probes import probe_loss
from cycloid.train.rules import RULES

N, STEPS = 64, 20
ONES = np.ones(STEPS)
NAMES = ("a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias")


def healthy() -> dict:
    """The evidence of a run with nothing wrong: three layers, a loss that falls, steps of a reasonable length."""
    norms = np.tile([1.0, 0.1, 1.0, 0.1, 1.0, 0.1], (STEPS, 1))
    loss = 2.3 * np.exp(-np.linspace(0, 3, STEPS))
    rng = np.random.default_rng(0)
    return {
        "task": "multiclass", "loss_expects": "logits", "loss_name": "cross entropy", "batch_size": N,
        "train_rows": 1000, "validation_rows": 300, "step": np.arange(STEPS), "loss": loss,
        "learning_rate": 1e-3 * ONES, "predicted_change": -0.02 * ONES, "actual_change": -0.019 * ONES,
        "line_minimum": 10 * ONES, "gradient_norm": 2 * ONES, "gradient_norms": norms, "fresh_gradient_norms": norms,
        "missing_gradients": np.zeros((STEPS, 6), bool), "update_norms": 0.003 * norms, "weight_norms": norms,
        "parameters": NAMES, "parameter_kinds": ("weight", "bias") * 3, "parameter_layers": tuple("aabbcc"),
        "parameter_sizes": np.array([100, 10] * 3), "in_optimizer": np.ones(6, bool), "trainable": np.ones(6, bool),
        "unit_weight_cosine": np.array([0.1, np.nan] * 3), "unit_gradient_cosine": np.array([0.3, np.nan] * 3),
        "weight_decay": np.zeros(6), "layers": ("a", "act", "b", "c"),
        "dead_share": np.array([np.nan, 0.05, np.nan, np.nan]),
        "layer_kinds": ("linear", "relu", "linear", "linear"), "output_scale": np.array([1.0, 0.7, 1.0, 1.0]),
        "training_mode": np.ones(4, bool), "prediction_shape": (N, 10), "target_shape": (N,),
        "prediction_low": -2.0, "prediction_high": 2.0, "prediction_row_sums": rng.normal(size=N),
        "row_shift_change": 0.0, "column_shift_change": 0.4, "batch_loss": 2.4, "doubled_batch_loss": 2.4,
        "single_losses_mean": 2.4, "loss_of_perfect": 0.1, "loss_of_worse": 6.0, "initial_loss": 2.4,
        "constant_loss": 2.3, "evaluation_step": np.array([0, 10, 19]), "train_loss": np.array([2.3, 0.8, 0.3]),
        "validation_loss": np.array([2.3, 0.85, 0.35]), "train_metric": np.array([0.1, 0.8, 0.95]),
        "validation_metric": np.array([0.1, 0.78, 0.93]), "metric_name": "accuracy", "metric_better": "higher",
        "shared_rows": 0.0, "feature_skill": np.array([0.3, 0.25, 0.1]), "feature_scale": np.ones(3),
        "input_scale": 1.0,
        "cross_metric": 0.95, "shuffled_metric": 0.1, "cross_disagreement": 0.002, "class_counts": np.full(10, 100),
        "batch_class_shares": rng.multinomial(N, [0.1] * 10, STEPS) / N, "batch_fingerprints": np.arange(STEPS),
        "nonfinite_inputs": 0.0, "nonfinite_targets": 0.0, "coupling": 0.0,
    }  # fmt: skip


def tables(**at: float) -> np.ndarray:
    """Norms by step and parameter with some of them changed by name."""
    row = [at.get(name.replace(".", "_"), 1.0 if name.endswith("weight") else 0.1) for name in NAMES]
    return np.tile(row, (STEPS, 1))


SORTED = np.repeat(np.eye(10), 2, axis=0)
# fault -> what changes in the healthy evidence
SHOWN: dict[str, dict] = {
    "not a number": {"first_nonfinite": "log of 0 in layer b", "first_nonfinite_kind": "nan"},
    "precision overflow": {"first_nonfinite": "exp of 90 overflows float32", "first_nonfinite_kind": "infinity"},
    "targets broadcast against predictions": {
        "task": "regression", "prediction_shape": (N, 1), "single_losses_mean": 1.0, "row_shift_change": 0.3,
        "class_counts": None, "batch_class_shares": None, "loss_expects": "values",
    },
    "softmax over the wrong axis": {"row_shift_change": 0.5, "column_shift_change": 0.0},
    "double softmax": {"prediction_row_sums": np.ones(N), "prediction_low": 0.01, "prediction_high": 0.6},
    "wrong sign of the loss": {"loss_of_perfect": 6.0, "loss_of_worse": 0.1},
    "wrong reduction of the loss": {"doubled_batch_loss": 4.8},
    "leaked rows": {"shared_rows": 0.03},
    "leaked feature": {"feature_skill": np.array([0.99, 0.25, 0.1])},
    "shuffled labels": {"cross_metric": 0.1, "cross_disagreement": 0.9},
    "label noise": {"cross_metric": 0.85, "cross_disagreement": 0.1},
    "raw inputs": {"feature_scale": np.array([1.0, 40.0, 2.0])},
    "raw targets": {
        "task": "regression", "target_mean": 150.0, "target_deviation": 70.0, "class_counts": None,
        "batch_class_shares": None, "cross_metric": 0.5, "cross_disagreement": None, "shuffled_metric": 0.0,
    },
    "data order not shuffled": {"batch_class_shares": SORTED},
    "class imbalance": {"class_counts": np.array([900] * 9 + [20])},
    "parameter missing from the optimizer": {"in_optimizer": np.array([0, 0, 1, 1, 1, 1], bool)},
    "gradients not cleared": {"gradient_norms": 1.8 * tables()},
    "detached layer": {"gradient_norms": tables(a_weight=0, a_bias=0), "fresh_gradient_norms": None},
    "batch norm in the wrong mode": {
        "layer_kinds": ("linear", "relu", "batch norm", "linear"), "training_mode": np.array([1, 1, 0, 1], bool)
    },
    "symmetric initialisation": {
        "unit_weight_cosine": np.array([1.0, np.nan] * 3), "unit_gradient_cosine": np.array([1.0, np.nan] * 3)
    },
    "dead units": {"dead_share": np.array([np.nan, 0.7, np.nan, np.nan])},
    "vanishing gradient": {"gradient_norms": tables(a_weight=1e-4, b_weight=1e-2), "fresh_gradient_norms": None},
    "exploding gradient": {"gradient_norms": tables(a_weight=100, b_weight=10), "fresh_gradient_norms": None},
    "weight decay on biases": {"weight_decay": np.full(6, 0.1)},
    "learning rate too high": {"update_norms": 0.3 * tables()},
    "learning rate too low": {"line_minimum": 2e3 * ONES, "loss": np.linspace(2.3, 2.2, STEPS)},
    "overfitting": {"validation_loss": np.array([2.3, 0.9, 1.8]), "validation_metric": np.array([0.1, 0.8, 0.75])},
    "underfitting": {
        "train_metric": np.array([0.1, 0.6, 0.61]), "validation_metric": np.array([0.1, 0.6, 0.6]),
        "train_loss": np.array([2.3, 1.2, 1.19]), "validation_loss": np.array([2.3, 1.21, 1.2]),
    },
    "metric does not follow the loss": {"validation_metric": np.array([0.1, 0.1, 0.11]), "train_metric": None},
}  # fmt: skip


def test_a_healthy_run_gives_no_findings() -> None:
    assert read(Evidence.of(healthy())) == ()


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_first_by_evidence_that_shows_it(fault: str) -> None:
    found = read(Evidence.of(healthy() | SHOWN[fault]))
    assert [f.fault for f in found][:1] == [fault]
    first = found[0]
    assert min(map(len, (first.evidence, first.cause, first.cure))) > 10
    assert 0.5 < first.confidence <= 1


def test_empty_evidence_says_nothing_and_every_rule_stands_in_the_table() -> None:
    assert read(Evidence()) == ()
    assert {rule.fault for rule in RULES} == set(FAULTS)
    assert set(CONSEQUENCES) <= set(FAULTS)
    assert {fault for follow in CONSEQUENCES.values() for fault in follow} <= set(FAULTS)


def test_nan_stands_before_everything_and_breaks_no_rule() -> None:
    seen = healthy() | {"first_nonfinite": "log of 0", "first_nonfinite_kind": "nan", "shared_rows": 0.5}
    for name in ("loss", "gradient_norms", "update_norms", "weight_norms", "line_minimum", "validation_loss"):
        seen[name] = np.full_like(np.asarray(seen[name], float), np.nan)
    assert read(Evidence.of(seen))[0].fault == "not a number"


def test_steps_that_run_away_are_the_cause_of_the_nan_they_end_in() -> None:
    loss = np.concatenate([2.3 * 2.0 ** np.arange(STEPS - 1), [np.nan]])
    seen = healthy() | {"loss": loss, "update_norms": 0.9 * tables(), "first_nonfinite_step": 19}
    seen |= {"first_nonfinite": "matmul overflows float32", "first_nonfinite_kind": "infinity"}
    assert read(Evidence.of(seen))[0].fault == "learning rate too high"


def test_a_consequence_stands_after_its_cause_and_names_it() -> None:
    found = read(Evidence.of(healthy() | SHOWN["raw inputs"] | SHOWN["learning rate too high"]))
    assert [f.fault for f in found[:2]] == ["raw inputs", "learning rate too high"]
    assert found[1].because == ("raw inputs",)
    assert exit_code(found) >= 1
    assert exit_code(()) == 0


def test_wrong_calls_are_answered_in_words() -> None:
    with pytest.raises(ValueError, match="along 'step'"):
        Evidence(step=np.arange(3), loss=np.ones(2))
    with pytest.raises(ValueError, match="no fault is called"):
        Finding("bad luck", "error", "", 1.0, 0.0, "", "", 0.5)
    with pytest.raises(TypeError, match="diagnose takes Evidence"):
        diagnose(3)
    assert "loss" in axes_of()


def test_a_loss_tells_what_it_does_when_it_is_asked() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)

    def logs(p: np.ndarray, axis: int) -> np.ndarray:
        return p - np.log(np.exp(p).sum(axis=axis, keepdims=True))

    rows = np.arange
    right = probe_loss(lambda p, t: float(-logs(p, 1)[rows(len(p)), t].mean()), z, y)
    summed = probe_loss(lambda p, t: float(-logs(p, 1)[rows(len(p)), t].sum()), z, y)
    across = probe_loss(lambda p, t: float(-logs(p, 0)[rows(len(p)), t].mean()), z, y)
    upside = probe_loss(lambda p, t: float(logs(p, 1)[rows(len(p)), t].mean()), z, y)
    stretched = probe_loss(lambda p, t: float(((p - t) ** 2).mean()), z[:, :1], z[:, 1])
    assert [f.fault for f in read(right)] == []
    assert read(summed)[0].fault == "wrong reduction of the loss"
    assert read(across)[0].fault == "softmax over the wrong axis"
    assert read(upside)[0].fault == "wrong sign of the loss"
    assert read(stretched)[0].fault == "targets broadcast against predictions"


def test_a_sigmoid_too_many_is_seen_in_a_loss_without_a_name() -> None:
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 2, N).astype(float)
    chances = 0.3 + 0.4 * rng.random(N)
    takes_logits = lambda p, y: float(np.mean(np.logaddexp(0.0, p) - y * p))
    takes_chances = lambda p, y: float(-np.mean(np.log(np.where(y == 1, p, 1 - p))))
    named = lambda loss: [f.fault for f in read(probe_loss(loss, chances, targets).replace(task="binary"))]
    assert named(takes_logits) == ["double softmax"]
    assert named(takes_chances) == []


def test_a_run_of_fit_is_read_from_its_history() -> None:
    from cycloid.core.results import ErrorKind, Status
    from cycloid.learn.runs import Run

    steps = np.array([1, 2, 4, 6, 8, 10])
    ones = np.ones(6)
    history = {
        "step": steps, "loss": ones, "train_loss": ones, "validation_loss": ones, "gradient_norm": ones,
        "layer_gradient_norms": np.ones((6, 2)), "update_ratios": 0.5 * np.ones((6, 2)),
        "predicted_change": -ones, "actual_change": 0.5 * ones,
    }  # fmt: skip
    run = Run(
        value=None, error=np.float64(np.nan), error_kind=ErrorKind.named("none"), evaluations=np.int64(10),
        status=Status.named("all_steps"), history=history, metrics={}, verdict=None,
        layers=("layer 1 weight", "layer 1 bias"), groups=(), best_step=1, steps=10, task="regression", loss="mse",
        loss_formula="mean (ŷ − y)²", method="adam", report=(),
    )  # fmt: skip
    first = diagnose(run)[0]
    assert first.fault == "learning rate too high"
    assert "0.5 of its norm" in first.evidence
