"""Twenty eigenvalues of the Hessian of a PyTorch network of a million weights, to one residual, by several means.

Run: python benchmarks/train/curvature.py [--quick]
Writes benchmarks/results/torch_curvature.json and docs/benchmarks/torch_curvature.md. A tanh network 784-768-512-10 of
`torch.nn`, 1,001,738 weights, float32, trained for 30 steps on 512 points in ten classes; one core, one process, in
turns. All are asked for residuals ‖H v − λ v‖ ≤ 1e-2 |λ|, which are then measured alike, with fresh products of
PyTorch. The peer's products make the gradient's graph anew each time, or keep it as ours do. Power iteration with
deflation, as PyHessian does it, gets as long as eigsh took; curvlinops joins in where it is installed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import torch
from benchmarks.timing import Timings, write
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

import cycloid as cy
from cycloid.adapters import adapt

COUNT, TOL, CLASSES = 20, 1e-2, 10
# ARPACK starts anew at most so often, about 20 products each: in single precision it may never be content.
RESTARTS = 40


def trained(sizes: tuple[int, ...], points: int) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """A network that has begun to fit noisy points round ten centres, and the points."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    y = torch.randint(0, CLASSES, (points,))
    x = 0.25 * torch.randn(CLASSES, sizes[0])[y] + torch.randn(points, sizes[0])
    layers: list[torch.nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, x, y


class Products:
    """Products with the Hessian by PyTorch, counted; the gradient's graph is kept, or made anew for each."""

    def __init__(self, model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, keep: bool = True):
        self.weights = [weight for _, weight in sorted(model.named_parameters())]
        self.loss = lambda: torch.nn.functional.cross_entropy(model(x), y)
        self.kept = self.gradient() if keep else None
        self.size, self.made = sum(weight.numel() for weight in self.weights), 0

    def gradient(self) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(self.loss(), self.weights, create_graph=True)

    def __call__(self, v: np.ndarray) -> np.ndarray:
        self.made += 1
        parts = torch.split(torch.as_tensor(v.ravel(), dtype=torch.float32), [w.numel() for w in self.weights])
        along = [part.view_as(weight) for part, weight in zip(parts, self.weights, strict=True)]
        gradient = self.kept or self.gradient()
        made = torch.autograd.grad(gradient, self.weights, along, retain_graph=self.kept is not None)
        return torch.cat([each.ravel() for each in made]).numpy()

    def residuals(self, values: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """‖H v − λ v‖ / |λ| of each pair, vectors in rows."""
        found = [np.linalg.norm(self(v) - value * v) / abs(value) for value, v in zip(values, vectors, strict=True)]
        return np.array(found)


def by_eigsh(model: Any, x: Any, y: Any, keep: bool) -> tuple[np.ndarray, np.ndarray, int]:
    products = Products(model, x, y, keep)
    operator = LinearOperator((products.size,) * 2, matvec=products, dtype=np.float32)
    start = np.random.default_rng(0).normal(size=products.size).astype(np.float32)
    values, vectors = solved(operator, start)
    return values, vectors, products.made


def solved(operator: Any, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What ARPACK finds, vectors in rows; of an unfinished search what it had."""
    try:
        values, vectors = eigsh(operator, COUNT, which="LM", tol=TOL, v0=start, maxiter=RESTARTS)
    except ArpackNoConvergence as unfinished:
        values, vectors = unfinished.eigenvalues, unfinished.eigenvectors
    return values, vectors.T


def by_curvlinops(model: Any, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, int]:
    from curvlinops import HessianLinearOperator  # pyright: ignore[reportMissingImports]

    weights = dict(sorted(model.named_parameters()))
    operator = HessianLinearOperator(model, torch.nn.CrossEntropyLoss(), weights, [(x, y)]).to_scipy()
    start = np.random.default_rng(0).normal(size=operator.shape[0]).astype(np.float32)
    return *solved(operator, start), 0


def by_power(model: Any, x: Any, y: Any, seconds: float) -> tuple[np.ndarray, np.ndarray, int]:
    """One eigenvalue after the other, until its residual is met, for so many seconds."""
    products, rng, end = Products(model, x, y), np.random.default_rng(0), time.perf_counter() + seconds
    values: list[float] = []
    vectors: list[np.ndarray] = []
    while len(values) < COUNT and time.perf_counter() < end:
        v = rng.normal(size=products.size).astype(np.float32)
        while time.perf_counter() < end:
            v -= sum((np.dot(v, known) * known for known in vectors), np.zeros_like(v))
            v /= np.linalg.norm(v)
            image = products(v)
            value = float(np.dot(v, image))
            if np.linalg.norm(image - value * v) <= TOL * abs(value):
                values.append(value)
                vectors.append(v)
                break
            v = image
    return np.array(values), np.array(vectors), products.made


def ours(loss: Callable[..., Any], params: Any, batch: Any) -> tuple[np.ndarray, np.ndarray, int]:
    found = cy.differentiate.spectrum(loss, params, batch, k=COUNT, tol=TOL, probes=0, key=jax.random.key(0))
    rows = np.concatenate([np.asarray(found.vectors[name]).reshape(COUNT, -1) for name in sorted(params)], axis=1)
    return np.asarray(found.value), rows, int(found.evaluations)


def twin(sizes: tuple[int, ...]) -> Callable[..., Any]:
    """The same loss written in JAX, on weights named as PyTorch names them."""

    def loss(params: Any, batch: Any) -> Any:
        h, y = batch
        for place in range(len(sizes) - 1):
            h = jnp.tanh(h) if place else h
            h = h @ params[f"{2 * place}.weight"].T + params[f"{2 * place}.bias"]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], axis=1))

    return loss


def timed(calls: dict[str, Callable[[], Any]], rounds: int) -> tuple[Timings, dict[str, Any]]:
    """Each call once to compile, then once a round in rotated order; a call lasts too long for more."""
    names = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    found: dict[str, Any] = {}
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            start = time.perf_counter()
            found[name] = calls[name]()
            seconds[name].append(time.perf_counter() - start)
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    warm = {name: told[1:] for name, told in seconds.items()}
    ratios = {name: statistics.median(a / b for a, b in zip(told, warm[names[0]], strict=True))
              for name, told in warm.items()}  # fmt: skip
    return Timings(
        baseline=names[0], medians={name: statistics.median(told) for name, told in warm.items()},
        quartiles={name: (min(told), max(told)) for name, told in warm.items()}, ratios=ratios,
        first_calls={name: told[0] for name, told in seconds.items()}, rounds=rounds,
    ), found  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small network, nothing written")
    chosen = parser.parse_args()
    cy.enable_x64()
    sizes, points = ((32, 48, 10), 64) if chosen.quick else ((784, 768, 512, 10), 512)
    model, x, y = trained(sizes, points)
    adapted = adapt(model)
    through, same = adapted.objective(torch.nn.functional.cross_entropy), twin(sizes)
    batch = (jnp.asarray(x.numpy()), jnp.asarray(y.numpy()))
    calls: dict[str, Callable[[], Any]] = {
        "eigsh over torch products": lambda: by_eigsh(model, x, y, keep=False),
        "the same, graph kept": lambda: by_eigsh(model, x, y, keep=True),
        "spectrum of the torch model": lambda: ours(through, adapted.parameters, batch),
        "spectrum of its twin in JAX": lambda: ours(same, adapted.parameters, batch),
    }
    try:
        import curvlinops  # noqa: F401  # pyright: ignore[reportMissingImports]

        calls["eigsh over curvlinops"] = lambda: by_curvlinops(model, x, y)
    except ImportError:
        print("curvlinops is not installed and left out.")
    timings, found = timed(calls, 3)
    seconds = timings.medians["eigsh over torch products"]
    found["power iteration, as long as eigsh"] = by_power(model, x, y, seconds)
    told = [f"{adapted.size:,} weights, {points} points, float32, one core; residuals asked for: {TOL} |λ|."]
    reference = Products(model, x, y)
    for name, (values, vectors, made) in found.items():
        met = reference.residuals(values, vectors) if len(values) else np.array([])
        worst = f", largest residual {met.max():.1e} |λ|" if met.size else ""
        told.append(f"{name}: {len(values)} eigenvalues, {made or 'uncounted'} products{worst}.")
    print("\n".join(told), f"\n{timings.table()}", sep="\n", flush=True)
    if not chosen.quick:
        write("torch_curvature", {"Twenty eigenvalues of a PyTorch network": timings}, note="  \n".join(told))


if __name__ == "__main__":
    main()
