"""The methods by name: what the command line, races, tests and tables read."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx

from cycloid.optimize.borrowed import from_optax
from cycloid.optimize.conjugate_gradients import ConjugateGradient
from cycloid.optimize.first_order import SGD, Adagrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSprop
from cycloid.optimize.hessian_free import HessianFree
from cycloid.optimize.methods import AbstractMethod, rate
from cycloid.optimize.natural_gradients import KFAC, NaturalGradient
from cycloid.optimize.optimistix_solvers import Optimistix
from cycloid.optimize.quasi_newton import BFGS, LBFGS
from cycloid.optimize.scipy_solvers import MINIMIZERS, SciPy
from cycloid.optimize.second_order import Newton
from cycloid.optimize.spectral import BarzilaiBorwein
from cycloid.optimize.trust_regions import TrustRegion

_ALL = (
    *(GradientDescent, SGD, Momentum, Nesterov, Adagrad, RMSprop, Adam, AdamW, BarzilaiBorwein),
    *(ConjugateGradient, LBFGS, BFGS, Newton, TrustRegion, HessianFree),
)

# These need the outputs of a model, which a training loop knows and minimize does not.
MODEL_METHODS: dict[str, type[AbstractMethod]] = {str(cls.name): cls for cls in (NaturalGradient, KFAC)}

# A training loop brings its own gradients and takes those that are AbstractGradientMethod.
METHODS: dict[str, type[AbstractMethod]] = {str(cls.name): cls for cls in _ALL}


def _of_optimistix(kind: str) -> Callable[[], AbstractMethod]:
    def make() -> AbstractMethod:
        import optimistix

        return Optimistix(getattr(optimistix, kind)(rtol=1e-8, atol=1e-8))

    return make


def _optax_lbfgs() -> AbstractMethod:
    import optax

    return from_optax(optax.lbfgs(), name="optax-lbfgs")


# Solvers from elsewhere by name, for comparisons: made when asked for, since their libraries may be missing.
PEERS: dict[str, Callable[[], AbstractMethod]] = {
    **{f"scipy-{name.lower()}": (lambda name=name: SciPy(name)) for name in MINIMIZERS},
    **{f"optimistix-{kind.lower()}": _of_optimistix(kind) for kind in ("BFGS", "DFP", "LBFGS")},
    "optax-lbfgs": _optax_lbfgs,
}


def is_scipy(choice: Any) -> bool:
    """Whether a name or an instance stands for one of SciPy's solvers."""
    return isinstance(choice, SciPy) or (isinstance(choice, str) and _key(choice).startswith("scipy-"))


def method(choice: str | type[AbstractMethod] | AbstractMethod, learning_rate: Any = None) -> Any:
    """The method that a name, a class or an instance stands for.

    Args:
        choice: a name in `METHODS` or `PEERS` (in any case, with spaces or underscores for hyphens), a class, or an
            instance.
        learning_rate: replaces the one it has; None keeps it.

    Raises:
        ValueError: when no method has this name; the nearest is suggested.
        TypeError: when it is none of the three, or has no learning rate to set.

    Example:
        >>> method("Adam", learning_rate=0.1).learning_rate
        0.1
    """
    found = _named(choice) if isinstance(choice, str) else choice
    if inspect.isclass(found) and issubclass(found, AbstractMethod) and not inspect.isabstract(found):
        make: Any = found
        found = make()
    if not isinstance(found, AbstractMethod):
        shown = getattr(choice, "__name__", None) or type(choice).__name__
        raise TypeError(
            f'method= is a name such as "adam", a class such as cy.optimize.Adam, or an instance such as '
            f"cy.optimize.Adam(1e-3); it was {shown}. An optax transformation enters by cy.optimize.from_optax."
        )
    return found if learning_rate is None else with_rate(found, learning_rate)


def with_rate(chosen: AbstractMethod, learning_rate: Any) -> AbstractMethod:
    """The same method with another learning rate.

    Raises:
        TypeError: when it has none.
    """
    if getattr(chosen, "learning_rate", None) is None:
        raise TypeError(f"{chosen.name} has no learning rate to set.")
    return eqx.tree_at(lambda m: m.learning_rate, chosen, rate(learning_rate))


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def _named(name: str) -> Any:
    key, known = _key(name), METHODS | MODEL_METHODS
    if key in known:
        return known[key]
    if key in PEERS:
        return PEERS[key]()
    known = {**known, **dict.fromkeys(PEERS)}
    near = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    ours, others = ", ".join(METHODS | MODEL_METHODS), ", ".join(PEERS)
    raise ValueError(f"no method is called {name!r}.{hint} The methods are {ours}; from elsewhere {others}.")
