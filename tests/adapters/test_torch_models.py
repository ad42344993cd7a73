"""Models of PyTorch: gradients and Hessians beside PyTorch's own, and everything that takes a function."""

from __future__ import annotations

import copy
import itertools
import os
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from adapters import torch_networks

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from cycloid.adapters import adapt  # noqa: E402
from cycloid.differentiate import check_gradient, spectrum  # noqa: E402

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


@pytest.fixture(scope="module")
def normed():
    model, inputs = torch_networks.made("batch norm")
    return model, adapt(model), inputs


def test_weights_cross_in_place(normed):
    model, adapted, _ = normed
    weight = adapted.parameters["0.weight"]
    assert weight.unsafe_buffer_pointer() == model[0].weight.data_ptr()
    crossed = torch.from_dlpack(weight)
    assert crossed.data_ptr() == model[0].weight.data_ptr()


def test_layers_state_and_the_order_of_use(normed):
    model, adapted, inputs = normed
    assert [(layer.name, layer.kind) for layer in adapted.layers][1] == ("1", "BatchNorm1d")
    assert adapted.layers[1].state == ("1.running_mean", "1.running_var", "1.num_batches_tracked")
    seen = adapted.outputs(adapted.parameters, inputs)
    assert list(seen) == ["0", "1", "2", "3"]
    expected = torch.nn.Sequential(*model[:1])(inputs).detach().numpy()
    assert np.allclose(seen["0"], expected, rtol=1e-6)


def test_a_training_step_moves_the_running_mean_and_not_the_users(normed):
    model, adapted, inputs = normed
    before = model[1].running_mean.clone()
    _, after = adapted.step(adapted.parameters, inputs)
    assert torch.equal(model[1].running_mean, before)
    twin = copy.deepcopy(model).train()
    twin(inputs)
    assert np.allclose(after["1.running_mean"], twin[1].running_mean, atol=1e-7)
    assert after["1.num_batches_tracked"] == 1
    assert model.training
    assert adapted.in_mode("eval").step(adapted.parameters, inputs)[1] == adapted.state


def test_dropout_follows_the_key():
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5))
    adapted, x = adapt(model), jnp.ones((2, 3), jnp.float32)
    run = jax.jit(lambda key: adapted.apply(adapted.parameters, x, key=key))
    first, again, other = (np.asarray(run(jax.random.key(seed))) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first, adapted.apply(adapted.parameters, x, key=jax.random.key(0)))
    assert not np.any(np.asarray(adapted.in_mode("eval").apply(adapted.parameters, x)) == 0)


def test_frozen_weights_are_state():
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    adapted = adapt(model)
    assert (list(adapted.parameters), list(adapted.state)) == (["weight"], ["bias"])


class Wave(torch.nn.Module):
    """sin(w x)."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        return torch.sin(self.w * x)


def test_every_nesting_of_modes_gives_the_third_derivative():
    adapted, x = adapt(Wave()), jnp.float32(1.3)
    f = lambda w: adapted.apply({"w": w}, x)
    forward = lambda f: lambda w: jax.jvp(f, (w,), (jnp.float32(1.0),))[1]
    for nesting in itertools.product((forward, jax.grad), repeat=3):
        derivative = f
        for mode in nesting:
            derivative = mode(derivative)
        assert float(derivative(jnp.float32(0.7))) == pytest.approx(-(1.3**3) * np.cos(0.91), rel=1e-5)


def test_the_gradient_check_agrees():
    adapted = adapt(Wave())
    assert check_gradient(lambda w: adapted.apply({"w": w}, jnp.float32(1.3)), jnp.float32(0.7)).agrees


def test_a_loss_of_jax_and_one_of_torch(normed):
    _, adapted, inputs = normed
    batch = (inputs, CLASSES)
    ours = adapted.objective(lambda z, y: -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(4), y]))
    theirs = adapted.objective(torch.nn.functional.cross_entropy)
    assert float(ours(adapted.parameters, batch)) == pytest.approx(float(theirs(adapted.parameters, batch)), rel=1e-6)
    mine, other = (jax.grad(f)(adapted.parameters, batch) for f in (ours, theirs))
    assert np.allclose(flat(mine), flat(other), atol=1e-6)


def test_the_fisher_spectrum(normed):
    model, adapted, inputs = normed
    evaluated = adapted.in_mode("eval")
    found = spectrum(
        "categorical", adapted.parameters, jnp.asarray(inputs), k=3, key=jax.random.key(0), operator="fisher",
        model=evaluated.apply,
    )  # fmt: skip
    jacobian = torch.func.jacrev(lambda w: torch.func.functional_call(copy.deepcopy(model).eval(), w, inputs))
    J = torch.cat([each.reshape(4, 2, -1) for each in jacobian(dict(model.named_parameters())).values()], dim=2)
    p = torch.softmax(torch.tensor(np.asarray(evaluated.apply(adapted.parameters, inputs))), dim=1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    fisher = torch.einsum("nia,nij,njb->ab", J, inner, J).detach() / 4
    assert np.allclose(found.value, torch.linalg.eigvalsh(fisher).flip(0)[:3], rtol=1e-4)


def curvature_of(model):
    adapted = adapt(model)
    f = lambda parameters: jnp.sum(adapted.apply(parameters, jnp.ones((1, 3), jnp.float32)) ** 2)
    return jax.jvp(jax.grad(f), (adapted.parameters,), (adapted.parameters,))


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (
            lambda: torch_networks.Custom(torch_networks.OnceSquared),
            TypeError,
            "once_differentiable: take the mark off",
        ),
        (lambda: torch.nn.Linear(2, 2), TypeError, "does not fit the model"),
        (lambda: torch.nn.LazyLinear(2), ValueError, "run one batch through the model first"),
        (lambda: torch.nn.Linear(3, 2, device="meta"), ValueError, "load its weights first"),
    ],
)
def test_what_cannot_be_done_is_named_with_the_way_round(model, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = model()
    with pytest.raises(error, match=message):
        curvature_of(made)


def test_an_operation_without_a_derivative_is_named():
    class Sorted(torch.nn.Linear):
        def forward(self, x):
            return torch.as_tensor(np.sort(super().forward(x).detach().numpy()))

    adapted = adapt(Sorted(2, 2))
    f = lambda parameters: jnp.sum(adapted.apply(parameters, jnp.ones((1, 2), jnp.float32)))
    with pytest.raises(TypeError, match="keep that step in PyTorch"):
        jax.grad(f)(adapted.parameters)


def test_beside_torch_jax_takes_memory_as_it_needs_it(monkeypatch):
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    adapt(torch.nn.Linear(1, 1))
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")  # the user's choice stands
    adapt(torch.nn.Linear(1, 1))
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"


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
