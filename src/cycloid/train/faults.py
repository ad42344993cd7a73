"""A zoo of faults: each planted, in a plain and in a mild dose, in real training runs of several frameworks.

A training run is described whole by a `Setup`; a fault is a change of it. The same set-ups are trained in PyTorch and
in JAX, watched as a user's loop would be, and judged by nothing but what was seen.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from cycloid.train.data_evidence import probe_data
from cycloid.train.diagnosis import read
from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding

DATA = ("digits", "cancer", "diabetes", "teacher", "clusters")
ARCHITECTURES = ("mlp", "deep", "norm", "conv")
FRAMEWORKS = ("torch", "jax")
DOSES = ("plain", "mild")


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """A training run as data; the fields' defaults are a healthy run.

    Attributes:
        x, y, x_held, y_held: training and validation rows.
        task: of the targets.
        widths: of the hidden layers.
        activation: "relu", "tanh" or "sigmoid".
        norm: whether a norm stands before each activation.
        conv: whether pictures of 8 by 8 are convolved first.
        gain: factor of the starting weights.
        alike: deviation of the weights from one common value, relative; None for random weights.
        bias: at which the hidden biases start.
        ending: "softmax", "softmax over the batch" or "sigmoid" after the last layer.
        cut: the layer after which the gradient is cut; None for none.
        sign, reduction, column: of the loss: ±1, "mean" or "sum", whether predictions keep a last axis of length 1.
        hole: where a NaN is made: "log", "root", or None.
        half: 0 for float32; else the forward pass runs in float16, and the first layer's output times this.
        rate, rule: learning rate, "adam" or "sgd".
        decay: weight decay, on biases too where `decay_biases`.
        decay_biases: see decay.
        missing: share of the layers, from the first on, that the optimizer does not know.
        carry: share of the last used gradient that is left in the next.
        order: "random", "sorted" or "blocks".
        mode: "right", "still in training" (norms run on stored statistics) or "training while judged".
        judged: "right" or "wrong": whether the metric is taken of the model's own outputs.
        steps, batch: how long, and how many rows a step.
        seed: of everything drawn.
    """

    x: Any
    y: Any
    x_held: Any
    y_held: Any
    task: str
    widths: tuple[int, ...] = (48, 48)
    activation: str = "relu"
    norm: bool = False
    conv: bool = False
    gain: float = 1.0
    alike: float | None = None
    bias: float = 0.0
    ending: str | None = None
    cut: int | None = None
    sign: float = 1.0
    reduction: str = "mean"
    column: bool = False
    hole: str | None = None
    half: float = 0.0
    rate: float = 3e-3
    rule: str = "adam"
    decay: float = 0.0
    decay_biases: bool = False
    missing: float = 0.0
    carry: float = 0.0
    order: str = "random"
    mode: str = "right"
    judged: str = "right"
    steps: int = 150
    batch: int = 32
    seed: int = 0

    @property
    def outputs(self) -> int:
        """Length of the model's output."""
        return int(self.y.max()) + 1 if self.task == "multiclass" else 1

    def rng(self, purpose: int) -> np.random.Generator:
        """For one purpose."""
        return np.random.default_rng([self.seed, purpose])


def healthy(data: str, architecture: str, seed: int) -> Setup:
    """A run with nothing wrong."""
    x, y, task = _table(data)
    rng = np.random.default_rng([seed, 99])
    rows = rng.permutation(len(x))
    cut = int(0.75 * len(x))
    fit, held = rows[:cut], rows[cut:]
    center, scale = (x[fit].mean(), x[fit].std()) if data == "digits" else (x[fit].mean(0), x[fit].std(0) + 1e-9)
    x = ((x - center) / scale).astype(np.float32)
    if task == "regression":
        y = ((y - y[fit].mean()) / y[fit].std()).astype(np.float32)
    setup = Setup(x[fit], y[fit], x[held], y[held], task, seed=seed)
    shapes: dict[str, dict[str, Any]] = {
        "mlp": {}, "deep": {"widths": (40,) * 4, "activation": "tanh"}, "norm": {"norm": True, "rate": 5e-3},
        "conv": {"conv": data == "digits", "rate": 5e-3},
    }  # fmt: skip
    if data == "diabetes":  # so few rows, and so much noise in them, that more steps would overfit
        setup = dataclasses.replace(setup, steps=60, widths=(16, 16))
    return dataclasses.replace(setup, **{**shapes[architecture], **({"rate": 4e-3} if data == "diabetes" else {})})


class Plant(NamedTuple):
    """How a fault is planted.

    Attributes:
        change: (setup, mild, rng) -> the fields that change.
        tasks: on which it can be planted.
        frameworks: in which.
        architectures: in which.
        data: on which.
    """

    change: Callable[[Setup, bool, np.random.Generator], dict[str, Any]]
    tasks: tuple[str, ...] = ("multiclass", "binary", "regression")
    frameworks: tuple[str, ...] = FRAMEWORKS
    architectures: tuple[str, ...] = ARCHITECTURES
    data: tuple[str, ...] = DATA


class Case(NamedTuple):
    """One planted run.

    Attributes:
        fault: planted; "" for a healthy run.
        dose: "plain" or "mild".
        data, architecture, framework: where.
        seed: of everything drawn.
    """

    fault: str
    dose: str
    data: str
    architecture: str
    framework: str
    seed: int


class Verdict(NamedTuple):
    """What was said of one run.

    Attributes:
        case: the run.
        findings: in order.
    """

    case: Case
    findings: tuple[Finding, ...]

    @property
    def first(self) -> str:
        """The fault named first; "" for none."""
        return self.findings[0].fault if self.findings else ""

    @property
    def alarms(self) -> tuple[str, ...]:
        """Faults above a note."""
        return tuple(finding.fault for finding in self.findings if finding.severity != "note")


def cases(
    faults: tuple[str, ...] | None = None, *, doses: tuple[str, ...] = DOSES, each: int = 4, seed: int = 0
) -> Iterator[Case]:
    """`each` runs of every fault and dose, over data, architectures and frameworks drawn in turn."""
    from cycloid.train.fault_plants import PLANTS

    for fault in faults or tuple(PLANTS):
        plant, rng = PLANTS[fault], np.random.default_rng([seed, *map(ord, fault)])
        homes = [
            (data, architecture, framework)
            for data in plant.data if _table(data)[2] in plant.tasks
            for architecture in plant.architectures if architecture != "conv" or data == "digits"
            for framework in plant.frameworks
        ]  # fmt: skip
        for dose in doses:
            chosen = rng.permutation(len(homes))
            for turn in range(each):
                yield Case(fault, dose, *homes[chosen[turn % len(homes)]], seed=int(rng.integers(1 << 30)))


def healthy_cases(count: int, *, seed: int = 0) -> Iterator[Case]:
    """Runs without a fault, over all data, architectures and frameworks in turn."""
    rng = np.random.default_rng([seed, 7])
    homes = [(d, a, f) for d in DATA for a in ARCHITECTURES if a != "conv" or d == "digits" for f in FRAMEWORKS]
    for turn in range(count):
        yield Case("", "healthy", *homes[turn % len(homes)], seed=int(rng.integers(1 << 30)))


def planted(case: Case) -> Setup:
    """The set-up of a case."""
    from cycloid.train.fault_plants import PLANTS

    setup = healthy(case.data, case.architecture, case.seed)
    if not case.fault:
        return setup
    change = PLANTS[case.fault].change(setup, case.dose == "mild", setup.rng(5))
    return dataclasses.replace(setup, **change)


def observe(case: Case) -> Evidence:
    """Train a case and return all that was seen."""
    setup = planted(case)
    seen = probe_data(setup.x, setup.y, setup.x_held, setup.y_held)
    if case.framework == "torch":
        from cycloid.train.faults_torch import trained
    else:
        from cycloid.train.faults_jax import trained
    return seen.merge(trained(setup)).replace(class_counts=seen.class_counts)


def verdict(case: Case) -> Verdict:
    """Train a case and judge it."""
    return Verdict(case, read(observe(case)))


@functools.cache
def _table(name: str) -> tuple[np.ndarray, np.ndarray, str]:
    """(x, y, task) of a data set by name."""
    from sklearn import datasets

    if name in ("digits", "cancer", "diabetes"):
        load: Any = {"cancer": datasets.load_breast_cancer}.get(name) or getattr(datasets, f"load_{name}")
        x, y = load(return_X_y=True)
        return x, y, {"digits": "multiclass", "cancer": "binary"}.get(name, "regression")
    rng = np.random.default_rng(11)
    if name == "teacher":
        x = rng.normal(size=(600, 8))
        return x, np.tanh(x @ rng.normal(size=8) / 2) + x[:, 0] * x[:, 1] / 3 + 0.1 * rng.normal(size=600), "regression"
    centers = 2.2 * rng.normal(size=(4, 8))
    y = rng.integers(0, 4, 700)
    return centers[y] + rng.normal(size=(700, 8)), y, "multiclass"
