"""Optimization: methods that walk downhill, the driver that stops them, and fair races between them."""

from cycloid.optimize.borrowed import FromOptax, SearchFromOptax, from_optax
from cycloid.optimize.catalogue import METHODS, MODEL_METHODS, PEERS, method
from cycloid.optimize.conjugate_gradients import ConjugateGradient
from cycloid.optimize.constraints import AtMost, Equal
from cycloid.optimize.curve_fitting import Fit, fit_curve
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
from cycloid.optimize.global_search import global_minimize
from cycloid.optimize.goals import Milestones, milestones
from cycloid.optimize.hessian_free import HessianFree
from cycloid.optimize.levenberg_marquardt import RESIDUAL_METHODS, GaussNewton, LevenbergMarquardt
from cycloid.optimize.methods import AbstractGradientMethod, AbstractMethod, Info, Objective, apply_update
from cycloid.optimize.model_objectives import AbstractCurvatureMethod, ModelObjective, model_objective
from cycloid.optimize.natural_gradients import KFAC, NaturalGradient
from cycloid.optimize.optimistix_solvers import Optimistix
from cycloid.optimize.quasi_newton import BFGS, LBFGS
from cycloid.optimize.races import Race, race, sweep
from cycloid.optimize.residuals import least_squares
from cycloid.optimize.roots import Root, fixed_point, root
from cycloid.optimize.scipy_solvers import SciPy
from cycloid.optimize.second_order import Newton
from cycloid.optimize.spectral import BarzilaiBorwein
from cycloid.optimize.step_limits import Edge, Stability, edge_of_stability, stability
from cycloid.optimize.trust_regions import TrustRegion
from cycloid.optimize.walks import Trace

__all__ = [
    "BFGS",
    "KFAC",
    "LBFGS",
    "METHODS",
    "MODEL_METHODS",
    "PEERS",
    "RESIDUAL_METHODS",
    "SGD",
    "AbstractCurvatureMethod",
    "AbstractGradientMethod",
    "AbstractMethod",
    "Adagrad",
    "Adam",
    "AdamW",
    "AtMost",
    "BarzilaiBorwein",
    "ConjugateGradient",
    "Edge",
    "Equal",
    "Fit",
    "FromOptax",
    "GaussNewton",
    "GradientDescent",
    "HessianFree",
    "Info",
    "LevenbergMarquardt",
    "Milestones",
    "Minimum",
    "ModelObjective",
    "Momentum",
    "NaturalGradient",
    "Nesterov",
    "Newton",
    "Objective",
    "Optimistix",
    "RMSprop",
    "Race",
    "Root",
    "SciPy",
    "SearchFromOptax",
    "Stability",
    "Trace",
    "TrustRegion",
    "apply_update",
    "edge_of_stability",
    "fit_curve",
    "fixed_point",
    "from_optax",
    "global_minimize",
    "least_squares",
    "method",
    "milestones",
    "minimize",
    "model_objective",
    "race",
    "root",
    "stability",
    "sweep",
]
