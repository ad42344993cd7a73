"""Training: real data in, a model out, and the whole chain between them open to the eye."""

from cycloid.learn.losses import LOSSES
from cycloid.train.data import Data, Preparation, load
from cycloid.train.drivers import fit
from cycloid.train.metrics import METRICS
from cycloid.train.models import MODELS, Blueprint, linear, logistic, mlp, softmax
from cycloid.train.sources import BUNDLED

__all__ = [
    "BUNDLED",
    "LOSSES",
    "METRICS",
    "MODELS",
    "Blueprint",
    "Data",
    "Preparation",
    "fit",
    "linear",
    "load",
    "logistic",
    "mlp",
    "softmax",
]
