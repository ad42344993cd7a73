"""Explanations: a derivative rule by rule, an antiderivative, a Taylor series, the chain rule on real code, and
backpropagation through a network. Every line is a named step with a numerical check of its own.

derivative  antiderivative  taylor      of a formula, as a tree of rules
chain                                   of code, at a point
backprop                                of a network, layer by layer
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycloid.core.laziness import exports

_NAMES = {
    "derivative": "cycloid.explain.symbolic",
    "antiderivative": "cycloid.explain.antiderivatives",
    "taylor": "cycloid.explain.expansions",
    "chain": "cycloid.explain.chains",
    "backprop": "cycloid.explain.backpropagation",
    "Derivation": "cycloid.explain.derivations",
    "Check": "cycloid.explain.derivations",
    "Step": "cycloid.explain.derivations",
    "Graph": "cycloid.explain.graphs",
    "Network": "cycloid.explain.networks",
}

__all__ = [
    "Check",
    "Derivation",
    "Graph",
    "Network",
    "Step",
    "antiderivative",
    "backprop",
    "chain",
    "derivative",
    "taylor",
]

if TYPE_CHECKING:
    from cycloid.explain.antiderivatives import antiderivative
    from cycloid.explain.backpropagation import backprop
    from cycloid.explain.chains import chain
    from cycloid.explain.derivations import Check, Derivation, Step
    from cycloid.explain.expansions import taylor
    from cycloid.explain.graphs import Graph
    from cycloid.explain.networks import Network
    from cycloid.explain.symbolic import derivative

__getattr__, __dir__ = exports(__name__, _NAMES)
