"""Chunks over devices: the same bits on one device and on eight, memory that does not grow."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.parallel import as_mesh, check_key, stream, sum_in_order

PROGRAM = """
import json, jax, jax.numpy as jnp
from cycloid.core.parallel import map_chunks, stream
jax.config.update("jax_enable_x64", True)
def summary(key, i):
    x = jax.random.normal(key, (1000,))
    return {"n": jnp.asarray(1000), "sum": jnp.sin(x).sum()}
def run(mesh):
    add = lambda a, b: jax.tree.map(jnp.add, a, b)
    total = stream(summary, chunks=13, key=jax.random.key(0), mesh=mesh, combine=add)
    rows = map_chunks(lambda x: jnp.cumsum(jnp.cos(x)), jnp.arange(39.0).reshape(13, 3), mesh=mesh)
    return int(total["n"]), float(total["sum"]).hex(), [float(v).hex() for v in rows.ravel()]
count = jax.device_count()
answers = [run(None), run(jax.make_mesh((1,), ("a",), devices=jax.devices()[:1])), run(jax.make_mesh((count,), ("a",)))]
if count == 8:
    answers.append(run(jax.make_mesh((4, 2), ("a", "b"))))
    answers.append(jax.jit(lambda: 0)() or run(jax.make_mesh((3,), ("a",), devices=jax.devices()[:3])))
print(json.dumps([count, answers]))
"""


def on_devices(count):
    flags = f"--xla_force_host_platform_device_count={count}"
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    devices, answers = json.loads(done.stdout)
    assert devices == count
    return answers


def test_same_bits_on_one_and_eight_devices():
    answers = on_devices(1) + on_devices(8)
    assert answers[0][0] == 13_000
    assert all(answer == answers[0] for answer in answers)


def test_stream_folds_in_index_order():
    seen = stream(
        lambda key, i: jnp.asarray(i, jnp.float64), chunks=5, key=jax.random.key(0), combine=lambda a, b: 10 * a + b
    )
    assert seen == 1234.0  # digits 0, 1, 2, 3, 4 in their order


def test_sum_in_order_is_the_python_sum():
    rows = jax.random.normal(jax.random.key(1), (50, 4)) * 10.0 ** jnp.arange(-8, 8, 4)
    total = np.zeros(4)
    for row in np.asarray(rows):
        total = total + row
    assert sum_in_order(rows).tolist() == total.tolist()


def test_wrong_calls_are_refused_in_words():
    with pytest.raises(TypeError, match=r"mesh= is a jax\.sharding\.Mesh.*it was a int"):
        as_mesh(8)
    with pytest.raises(TypeError, match=r"The split needs chance: pass key=jax\.random\.key\(0\)"):
        check_key(None, "The split")
    with pytest.raises(TypeError, match="one typed key"):
        check_key(42, "The split")
    with pytest.raises(ValueError, match="at least 1"):
        stream(lambda k, i: i, chunks=0, key=jax.random.key(0), combine=max)
