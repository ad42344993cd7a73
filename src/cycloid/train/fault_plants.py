"""How each fault of the zoo is planted: which fields of a healthy set-up it changes, plainly and mildly."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.train.faults import Plant, Setup

CLASSES = ("multiclass", "binary")
Change = dict[str, Any]


def _hole(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    if mild:  # one cell of the table
        x = s.x.copy()
        x[rng.integers(len(x)), rng.integers(x.shape[1])] = np.nan
        return {"x": x}
    return {"hole": "log" if rng.random() < 0.5 else "root"}


def _leak_rows(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    count = max(6, int((0.05 if mild else 0.3) * len(s.x_held)))
    rows = rng.choice(len(s.x), count, replace=False)
    stray = 1e-4 * rng.normal(size=s.x[rows].shape).astype(np.float32) if mild else 0.0
    return {
        "x_held": np.concatenate([s.x_held[count:], s.x[rows] + stray]),
        "y_held": np.concatenate([s.y_held[count:], s.y[rows]]),
    }


def _leak_feature(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    place = int(rng.integers(s.x.shape[1]))
    parts = {}
    for name, x, y in (("x", s.x, s.y), ("x_held", s.x_held, s.y_held)):
        x = x.copy()
        told = (y - s.y.mean()) / s.y.std()
        x[:, place] = told + (0.12 if mild else 0.01) * rng.normal(size=len(y))
        parts[name] = x
    return parts


def _shuffle_labels(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    y = s.y.copy()
    rows = np.flatnonzero(rng.random(len(y)) < (0.9 if mild else 1.0))
    y[rows] = y[rng.permutation(rows)]
    return {"y": y}


def _noise(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    y, kinds = s.y.copy(), int(s.y.max()) + 1
    rows = rng.random(len(y)) < (0.1 if mild else 0.25)
    y[rows] = (y[rows] + rng.integers(1, kinds, rows.sum())) % kinds
    return {"y": y}


def _raw(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    d = s.x.shape[1]
    spread = np.exp(rng.uniform(0, np.log(12), d)) if mild else np.exp(rng.uniform(np.log(3), np.log(300), d))
    shift = spread * rng.uniform(0, 2, d)
    both = lambda x: (x * spread + shift).astype(np.float32)
    return {"x": both(s.x), "x_held": both(s.x_held)}


def _raw_targets(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    scale, shift = (8.0, 10.0) if mild else (77.0, 150.0)
    both = lambda y: (y * scale + shift).astype(np.float32)
    return {"y": both(s.y), "y_held": both(s.y_held)}


def _imbalance(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    rare = int(rng.integers(int(s.y.max()) + 1))
    own = np.flatnonzero(s.y == rare)
    share = {True: 0.2, False: 0.06}[mild] / max(1, int(s.y.max()))
    keep = max(4, int(share * (len(s.y) - len(own)) * (1 if s.task == "multiclass" else 0.6)))
    rows = np.sort(np.concatenate([np.flatnonzero(s.y != rare), own[:keep]]))
    return {"x": s.x[rows], "y": s.y[rows]}


def _few(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    rows = rng.permutation(len(s.x))[: 60 if mild else 30]
    return {"x": s.x[rows], "y": s.y[rows], "steps": 400, "widths": (128, 128), "rate": 3e-3}


def _small(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    return {"widths": (2,) if mild else (1,), "activation": "tanh", "steps": 500, "rate": 5e-3}


def _deep(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    depth = 6 if mild else 9
    return {"widths": (32,) * depth, "activation": "sigmoid", "norm": False, "conv": False}


def _rate_high(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    return {"rate": s.rate * (15 if mild else 100)}


def _rate_low(s: Setup, mild: bool, rng: np.random.Generator) -> Change:
    return {"rate": s.rate / (60 if mild else 1000)}


def _plain(plain: Change, mild: Change) -> Any:
    return lambda s, light, rng: mild if light else plain


PLANTS: dict[str, Plant] = {
    "not a number": Plant(_hole),
    "precision overflow": Plant(_plain({"half": 6e4}, {"half": 6e3}), frameworks=("torch",), architectures=("mlp",)),
    "targets broadcast against predictions": Plant(
        _plain({"column": True}, {"column": True, "batch": 8}), tasks=("regression",)
    ),
    "softmax over the wrong axis": Plant(
        _plain({"ending": "softmax over the batch"}, {"ending": "log softmax over the batch"}), tasks=("multiclass",)
    ),
    "double softmax": Plant(
        lambda s, mild, rng: {"ending": "sigmoid" if s.task == "binary" else "softmax", "gain": 2.0 if mild else 1.0},
        tasks=CLASSES,
    ),
    "wrong sign of the loss": Plant(_plain({"sign": -1.0}, {"sign": -0.05})),
    "wrong reduction of the loss": Plant(_plain({"reduction": "sum"}, {"reduction": "sum", "batch": 8})),
    "leaked rows": Plant(_leak_rows),
    "leaked feature": Plant(_leak_feature, tasks=("binary", "regression")),
    "shuffled labels": Plant(_shuffle_labels),
    "label noise": Plant(_noise, tasks=CLASSES),
    "raw inputs": Plant(_raw),
    "raw targets": Plant(_raw_targets, tasks=("regression",)),
    "data order not shuffled": Plant(_plain({"order": "sorted"}, {"order": "blocks"})),
    "class imbalance": Plant(_imbalance, tasks=CLASSES),
    "parameter missing from the optimizer": Plant(_plain({"missing": 1.0}, {"missing": 0.3}), frameworks=("torch",)),
    "gradients not cleared": Plant(_plain({"carry": 1.0}, {"carry": 0.5})),
    "detached layer": Plant(_plain({"cut": 2}, {"cut": 1}), architectures=("mlp", "deep", "norm")),
    "batch norm in the wrong mode": Plant(
        _plain({"mode": "training while judged"}, {"mode": "still in training"}),
        frameworks=("torch",), architectures=("norm",),
    ),
    "symmetric initialisation": Plant(_plain({"alike": 0.0}, {"alike": 0.05}), architectures=("mlp", "deep")),
    "dead units": Plant(_plain({"bias": -6.0}, {"bias": -1.2}), architectures=("mlp",)),
    "vanishing gradient": Plant(_deep, architectures=("mlp",)),
    "exploding gradient": Plant(
        lambda s, mild, rng: {"gain": 3.0 if mild else 8.0, "activation": "relu"}, architectures=("mlp", "deep")
    ),
    "weight decay on biases": Plant(
        _plain({"decay": 1.0, "decay_biases": True}, {"decay": 0.03, "decay_biases": True})
    ),
    "learning rate too high": Plant(_rate_high),
    "learning rate too low": Plant(_rate_low),
    "overfitting": Plant(_few, architectures=("mlp", "norm"), data=("digits", "diabetes", "teacher")),
    "underfitting": Plant(_small, architectures=("mlp",), data=("digits",)),
    "metric does not follow the loss": Plant(
        _plain({"judged": "wrong"}, {"judged": "threshold"}), tasks=("multiclass", "binary")
    ),
}  # fmt: skip
