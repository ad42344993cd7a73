"""Learning: networks, losses, the training loop, checkpoints and the run they make; what every trainer shares."""

from cycloid.learn.factors import Factors, factors
from cycloid.learn.losses import (
    LOSSES,
    AbsoluteError,
    AbstractLoss,
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    SquaredError,
    as_loss,
)
from cycloid.learn.networks import ACTIVATIONS, MLP, Affine, Applied, affine, layer_names, parameter_count, perceptron
from cycloid.learn.plans import Progress
from cycloid.learn.runs import Link, Metric, Run, Verdict

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "MLP",
    "AbsoluteError",
    "AbstractLoss",
    "Affine",
    "Applied",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Factors",
    "Huber",
    "Link",
    "Metric",
    "Progress",
    "Run",
    "SquaredError",
    "Verdict",
    "affine",
    "as_loss",
    "factors",
    "layer_names",
    "parameter_count",
    "perceptron",
]
