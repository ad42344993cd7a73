"""Steps per second of one training loop written several ways: digits, batches of 128, Adam 1e-3, float32.

Cycloid's `fit`, whole (starting weights, metrics, verdict and the chain every 100 steps included), beside

- a bare jitted `lax.scan`, which does nothing but the same steps on batches whose row numbers were made beforehand,
- the same scan with the batches drawn on the device, an epoch's permutation at a time, as a training loop needs it,
- a Python loop over one jitted optax step with donated buffers,
- PyTorch's eager loop, where PyTorch is installed, with its fused Adam and as many threads as XLA has,
- scikit-learn's MLPClassifier (its own batching and Adam).

Two nets: 64-128-128-10 with 26 thousand parameters, and 64-960-960-10 with a million.

Run: python benchmarks/train/steps.py [--quick]
Writes benchmarks/results/train.json and docs/benchmarks/train.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import optax
from benchmarks.timing import interleaved, write

import cycloid as cy

BATCH = 128
NETS = {"64-128-128-10, 26 thousand parameters": ((128, 128), 2000), "64-960-960-10, a million": ((960, 960), 300)}


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Digits in float32: 1437 rows to train on, 360 to validate, in a fixed order."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x / 16).astype(np.float32)[order], y[order].astype(np.int32)
    return x[:1437], y[:1437], x[1437:], y[1437:]


def starting(hidden: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Weights and biases as every JAX loop here starts with."""
    net = cy.learn.perceptron(64, 10, hidden, key=jax.random.key(0), dtype=jnp.float32)
    return [(layer.weight, layer.bias) for layer in net.layers]


def optax_step(x: Any, y: Any) -> tuple[Callable[..., Any], Any]:
    """((params, state), row numbers) -> (the next, loss), written plainly; and the optimizer."""
    optimizer = optax.adam(1e-3)

    def loss(params: Any, xb: Any, yb: Any) -> Any:
        for w, b in params[:-1]:
            xb = jax.nn.relu(xb @ w + b)
        logits = xb @ params[-1][0] + params[-1][1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, yb).mean()

    def step(carry: Any, index: Any) -> Any:
        params, state = carry
        value, gradient = jax.value_and_grad(loss)(params, x[index], y[index])
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), value

    return step, optimizer


def bare_scan(data: Any, hidden: tuple[int, ...], steps: int) -> Callable[[], Any]:
    """One compiled scan over row numbers made beforehand."""
    x, y = jnp.asarray(data[0]), jnp.asarray(data[1])
    step, optimizer = optax_step(x, y)
    index = jnp.asarray(np.random.default_rng(0).integers(0, len(x), (steps, BATCH)).astype(np.int32))
    go = jax.jit(lambda carry, index: jax.lax.scan(step, carry, index))
    params = starting(hidden)
    return lambda: go((params, optimizer.init(params)), index)


def scan_with_epochs(data: Any, hidden: tuple[int, ...], steps: int) -> Callable[[], Any]:
    """One compiled scan that permutes the rows for every epoch itself."""
    x, y = jnp.asarray(data[0]), jnp.asarray(data[1])
    step, optimizer = optax_step(x, y)
    whole = len(x) // BATCH
    epochs = -(-steps // whole)

    @jax.jit
    def go(carry: Any, key: Any) -> Any:
        def epoch(carry: Any, key: Any) -> Any:
            order = jax.random.permutation(key, len(x))[: whole * BATCH].reshape(whole, BATCH)
            return jax.lax.scan(step, carry, order)

        return jax.lax.scan(epoch, carry, jax.random.split(key, epochs))

    params = starting(hidden)
    return lambda: go((params, optimizer.init(params)), jax.random.key(1))


def python_loop(data: Any, hidden: tuple[int, ...], steps: int) -> Callable[[], Any]:
    """One dispatch a step, buffers donated."""
    x, y = jnp.asarray(data[0]), jnp.asarray(data[1])
    step, optimizer = optax_step(x, y)
    index = np.random.default_rng(0).integers(0, len(x), (steps, BATCH)).astype(np.int32)
    one = jax.jit(step, donate_argnums=0)
    params = starting(hidden)

    def go() -> Any:
        carry = jax.tree.map(jnp.copy, (params, optimizer.init(params)))
        for row in index:
            carry, loss = one(carry, row)
        return carry, loss

    return go


def ours(data: Any, hidden: tuple[int, ...], steps: int) -> Callable[[], Any]:
    """`fit`, all of it: 1437 rows, the chain every 100 steps, metrics with intervals on 360 others, the verdict."""
    net, parts = cy.train.mlp(hidden), (data[:2], data[2:])
    options = {"loss": "cross_entropy", "method": cy.optimize.Adam(1e-3), "max_steps": steps, "batch_size": BATCH}

    def go() -> Any:
        run = cy.train.fit(net, parts[0], validation=parts[1], key=jax.random.key(0), **options)
        assert len(run.recorded) == 1 + -(-steps // 100)
        return run.value

    return go


def loop_only(data: Any, hidden: tuple[int, ...], steps: int) -> Callable[[], Any]:
    """The loop of `fit` with its chain, without the metrics at the end, which do not grow with the steps."""
    from cycloid.learn.loops import Loop
    from cycloid.learn.plans import Plan
    from cycloid.train.drivers import prepare

    options = {"loss": "cross_entropy", "max_steps": steps, "batch_size": BATCH, "validation": data[2:]}
    job = prepare(cy.train.mlp(hidden), data[:2], key=jax.random.key(0), **options)
    return lambda: (
        Loop(job.recipe, job.start, cy.optimize.Adam(1e-3), job.source(), job.probes, Plan(steps, 100)).run().state
    )


def torch_loop(data: Any, hidden: tuple[int, ...], steps: int) -> Callable[[], Any]:
    """The loop of every PyTorch tutorial, eager, Adam fused."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    x, y = torch.tensor(data[0]), torch.tensor(data[1]).long()
    index = torch.tensor(np.random.default_rng(0).integers(0, len(x), (steps, BATCH)))

    def go() -> Any:
        widths, layers = (64, *hidden, 10), []
        for a, b in itertools.pairwise(widths):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        net = torch.nn.Sequential(*layers[:-1])
        optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
        for batch in index:
            loss = torch.nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return loss.item()

    return go


def scikit(data: Any, hidden: tuple[int, ...], steps: int) -> Callable[[], Any]:
    """MLPClassifier for as many epochs as come nearest to the steps."""
    from sklearn.neural_network import MLPClassifier

    epochs = round(steps / -(-len(data[0]) // BATCH))
    options = {
        "batch_size": BATCH,
        "learning_rate_init": 1e-3,
        "max_iter": epochs,
        "n_iter_no_change": 10**6,
        "alpha": 0.0,
    }

    def go() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return MLPClassifier(hidden, random_state=0, **options).fit(data[0], data[1]).loss_

    return go


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    quick = parser.parse_args().quick
    data, tables = rows(), {}
    for title, (hidden, steps) in NETS.items():
        steps = max(200, steps // 10) if quick else steps
        ways: dict[str, Callable[[], Any]] = {
            "bare jitted scan": bare_scan(data, hidden, steps),
            "scan that draws its epochs": scan_with_epochs(data, hidden, steps),
            "cycloid, the loop with its chain": loop_only(data, hidden, steps),
            "cycloid fit, all of it": ours(data, hidden, steps),
            "Python loop, jitted optax step": python_loop(data, hidden, steps),
            "scikit-learn MLPClassifier": scikit(data, hidden, steps),
        }
        try:
            import torch  # noqa: F401

            ways["PyTorch, eager, fused Adam"] = torch_loop(data, hidden, steps)
        except ImportError:
            print("PyTorch is not installed: its loop is left out.")
        found = interleaved(ways, repeats=3 if quick else 11, baseline="bare jitted scan", seconds=240.0)
        tables[f"{steps} steps of {title}"] = found
        print(f"{steps} steps of {title}\n{found.table()}\n")
    if not quick:
        note = (
            "Training on the digits, batches of 128, Adam 1e-3, float32. Cycloid records the whole chain every 100 "
            "steps; `fit, all of it` includes the starting weights, metrics on unseen rows with 2000 bootstrap "
            "replicates and the verdict. The bare scan reads row numbers that were made before the clock started."
        )
        write("train", tables, note=note)


if __name__ == "__main__":
    main()
