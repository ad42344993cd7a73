"""Training: real data in, a model out, and the whole chain between them open to the eye.

Names load when they are used, so that a loop of another framework is watched without loading JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycloid.core.laziness import exports

if TYPE_CHECKING:
    from cycloid.learn.losses import LOSSES
    from cycloid.train import recordings
    from cycloid.train.comparisons import Comparison, Standing, compare
    from cycloid.train.data import load
    from cycloid.train.decisions import Costs, Decision, choose_threshold, expected_cost
    from cycloid.train.diagnosis import diagnose
    from cycloid.train.drivers import fit
    from cycloid.train.evidence import Evidence
    from cycloid.train.findings import FAULTS, Finding
    from cycloid.train.inspections import Report
    from cycloid.train.inspector import inspect
    from cycloid.train.landscapes import Landscape, landscape
    from cycloid.train.metrics import METRICS
    from cycloid.train.models import MODELS, Blueprint, factorization, linear, logistic, mlp, softmax
    from cycloid.train.preparation import Data, Preparation
    from cycloid.train.rehearsals import rehearse
    from cycloid.train.sources import BUNDLED
    from cycloid.train.watch_callbacks import watch_fit, watch_keras, watch_lightning
    from cycloid.train.watch_exports import to_mlflow, to_tensorboard
    from cycloid.train.watching import Watch, watch

__all__ = [
    "BUNDLED",
    "FAULTS",
    "LOSSES",
    "METRICS",
    "MODELS",
    "Blueprint",
    "Comparison",
    "Costs",
    "Data",
    "Decision",
    "Evidence",
    "Finding",
    "Landscape",
    "Preparation",
    "Report",
    "Standing",
    "Watch",
    "choose_threshold",
    "compare",
    "diagnose",
    "expected_cost",
    "factorization",
    "fit",
    "inspect",
    "landscape",
    "linear",
    "load",
    "logistic",
    "mlp",
    "recordings",
    "rehearse",
    "softmax",
    "to_mlflow",
    "to_tensorboard",
    "watch",
    "watch_fit",
    "watch_keras",
    "watch_lightning",
]

_HOMES = {
    "LOSSES": "cycloid.learn.losses",
    **dict.fromkeys(("Comparison", "Standing", "compare"), "cycloid.train.comparisons"),
    "load": "cycloid.train.data",
    **dict.fromkeys(("Costs", "Decision", "choose_threshold", "expected_cost"), "cycloid.train.decisions"),
    "diagnose": "cycloid.train.diagnosis",
    "fit": "cycloid.train.drivers",
    "Evidence": "cycloid.train.evidence",
    **dict.fromkeys(("FAULTS", "Finding"), "cycloid.train.findings"),
    **dict.fromkeys(("Landscape", "landscape"), "cycloid.train.landscapes"),
    "Report": "cycloid.train.inspections",
    "inspect": "cycloid.train.inspector",
    "METRICS": "cycloid.train.metrics",
    **dict.fromkeys(
        ("MODELS", "Blueprint", "factorization", "linear", "logistic", "mlp", "softmax"), "cycloid.train.models"
    ),
    **dict.fromkeys(("Data", "Preparation"), "cycloid.train.preparation"),
    "BUNDLED": "cycloid.train.sources",
    "rehearse": "cycloid.train.rehearsals",
    "recordings": "cycloid.train.recordings",
    **dict.fromkeys(("watch_fit", "watch_keras", "watch_lightning"), "cycloid.train.watch_callbacks"),
    **dict.fromkeys(("to_mlflow", "to_tensorboard"), "cycloid.train.watch_exports"),
    **dict.fromkeys(("Watch", "watch"), "cycloid.train.watching"),
}
__getattr__, __dir__ = exports(__name__, _HOMES)
