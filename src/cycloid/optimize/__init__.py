"""Optimization: methods that walk downhill, the driver that stops them, and fair races between them."""

from cycloid.optimize.borrowed import FromOptax, from_optax
from cycloid.optimize.catalogue import METHODS, method
from cycloid.optimize.drivers import Minimum, minimize
from cycloid.optimize.first_order import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Nesterov,
    RMSprop,
)
from cycloid.optimize.methods import AbstractGradientMethod, AbstractMethod, Info, Objective, apply_update
from cycloid.optimize.races import Race, race, sweep
from cycloid.optimize.spectral import BarzilaiBorwein
from cycloid.optimize.walks import Trace

__all__ = [
    "METHODS",
    "SGD",
    "AbstractGradientMethod",
    "AbstractMethod",
    "Adagrad",
    "Adam",
    "AdamW",
    "BarzilaiBorwein",
    "FromOptax",
    "GradientDescent",
    "Info",
    "Minimum",
    "Momentum",
    "Nesterov",
    "Objective",
    "RMSprop",
    "Race",
    "Trace",
    "apply_update",
    "from_optax",
    "method",
    "minimize",
    "race",
    "sweep",
]
