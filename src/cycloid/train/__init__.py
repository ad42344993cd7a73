"""Training: real data in, a model out, and the whole chain between them open to the eye."""

from typing import TYPE_CHECKING, Any

from cycloid.learn.losses import LOSSES
from cycloid.train.comparisons import Comparison, Standing, compare
from cycloid.train.drivers import fit
from cycloid.train.metrics import METRICS
from cycloid.train.models import MODELS, Blueprint, linear, logistic, mlp, softmax
from cycloid.train.preparation import Data, Preparation

if TYPE_CHECKING:
    from cycloid.train.data import load
    from cycloid.train.sources import BUNDLED

__all__ = [
    "BUNDLED",
    "LOSSES",
    "METRICS",
    "MODELS",
    "Blueprint",
    "Comparison",
    "Data",
    "Preparation",
    "Standing",
    "compare",
    "fit",
    "linear",
    "load",
    "logistic",
    "mlp",
    "softmax",
]


def __getattr__(name: str) -> Any:
    """What reads tables loads pandas, and only when it is named."""
    if name == "load":
        from cycloid.train.data import load

        return load
    if name == "BUNDLED":
        from cycloid.train.sources import BUNDLED

        return BUNDLED
    raise AttributeError(f"cycloid.train has no {name!r}; it has {', '.join(__all__)}.")
