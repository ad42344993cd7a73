"""Models of PyTorch: gradients and Hessians beside PyTorch's own, and everything that takes a function."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from adapters import torch_networks

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from cycloid.adapters import adapt  # noqa: E402

CLASSES = torch.tensor([0, 1, 1, 0])


def flat(tree):
    return np.concatenate([np.asarray(leaf, float).ravel() for leaf in jax.tree.leaves(tree)])


def hessian(f, point):
    """One row at a time, in one compiled program."""
    vector, restore = ravel_pytree(point)
    row = lambda v: ravel_pytree(jax.jvp(jax.grad(f), (point,), (restore(v),))[1])[0]
    return np.asarray(jax.jit(lambda: jax.lax.map(row, jnp.eye(vector.size, dtype=vector.dtype)))(), float)


def torch_derivatives(model, inputs, loss):
    """Gradient and Hessian by autograd, sorted by name as JAX sorts."""
    weights = [weight for _, weight in sorted(model.named_parameters())]
    before = {name: value.clone() for name, value in model.named_buffers()}
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        first = torch.autograd.grad(loss(model(inputs), CLASSES), weights, create_graph=True)
        gradient = torch.cat([each.ravel() for each in first])
        rows = [torch.autograd.grad(each, weights, retain_graph=True) for each in gradient]
    for name, value in model.named_buffers():
        value.copy_(before[name])
    return flat([each.detach() for each in first]), np.stack([flat(list(row)) for row in rows])


@pytest.mark.parametrize("name", torch_networks.NAMES)
def test_gradients_and_hessians_are_those_of_torch(name):
    model, inputs = torch_networks.made(name)
    loss = torch.nn.CrossEntropyLoss()
    adapted = adapt(model)
    f = lambda parameters: adapted.objective(loss)(parameters, (inputs, CLASSES))
    expected_gradient, expected_hessian = torch_derivatives(model, inputs, loss)
    gradient = flat(jax.grad(f)(adapted.parameters))
    found = hessian(f, adapted.parameters)
    assert np.abs(gradient - expected_gradient).max() < 1e-5 * np.abs(expected_gradient).max()
    assert np.abs(found - expected_hessian).max() < 1e-5 * np.abs(expected_hessian).max()
