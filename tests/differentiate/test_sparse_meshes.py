"""Sparse matrices over devices: the same bits on one and on eight."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, json, jax, jax.numpy as jnp, numpy as np, cycloid as cy
cy.enable_x64()
d = cy.differentiate
x = jnp.asarray(np.random.default_rng(0).normal(size=203))
chain = lambda x: jnp.sum(jnp.sin(x[1:] * x[:-1]) * jnp.exp(x[2:] - x[:-2] ** 2)[3])
scan = lambda x: jax.lax.scan(lambda carry, item: (0.5 * carry, item**2 + x[0]), 0.0, x)[1]
few = lambda x: jnp.stack([jnp.sum(jnp.tanh(x)), jnp.prod(x[:3])])
def bits(answer):
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(answer)]
    return hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).hexdigest()
def run(mesh):
    operators = [
        d.hessian(chain, pattern="auto", mesh=mesh),
        d.jacobian(scan, pattern="auto", mesh=mesh),
        d.jacobian(few, mesh=mesh),
        d.hessian(lambda x: chain(x[:40]) ** 2, mesh=mesh),
    ]
    paths = [d.plan(operator, x).path for operator in operators]
    return paths, [bits(operator(x)) for operator in operators], bits(jax.jit(operators[0])(x))
def right(mesh):
    found = d.hessian(chain, pattern="auto", mesh=mesh)(x).todense()
    return bool(jnp.allclose(found, jax.hessian(chain)(x), atol=1e-10))
count = jax.device_count()
whole = jax.make_mesh((count,), ("a",))
answers = [run(jax.make_mesh((1,), ("a",), devices=jax.devices()[:1])), run(whole)]
if count == 8:
    answers.append(run(jax.make_mesh((4, 2), ("a", "b"))))
print(json.dumps([count, right(whole), answers]))
"""


def on_devices(count: int) -> list:
    flags = f"--xla_force_host_platform_device_count={count}"
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env, timeout=240)
    assert done.returncode == 0, done.stderr
    devices, right, answers = json.loads(done.stdout)
    assert (devices, right) == (count, True)
    return answers


@pytest.mark.slow
def test_same_bits_on_one_and_eight_devices() -> None:
    answers = on_devices(1) + on_devices(8)
    assert len(answers) == 5
    assert answers[0][0] == ["maps", "colouring", "dense", "dense"]
    assert all(answer == answers[0] for answer in answers)
