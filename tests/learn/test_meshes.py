"""One run on one device and on eight: the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from learn.small import least_squares, small_net

PROGRAM = """
    import sys
    import jax, numpy as np
    jax.config.update("jax_enable_x64", True)
    import cycloid as cy
    rows = np.random.default_rng(0)
    x = rows.normal(size=(100, 5)); y = (x[:, 0] * x[:, 1] > 0).astype(int)
    def train(devices, **options):
        mesh = None if devices is None else jax.make_mesh((devices,), ("batch",), devices=jax.devices()[:devices])
        run = cy.train.fit(cy.train.mlp((7,)), (x[:80], y[:80]), validation=(x[80:], y[80:]), loss="cross_entropy",
                           method="adam", key=jax.random.key(0), max_steps=30, record_every=10, mesh=mesh, **options)
        return [np.asarray(leaf) for leaf in jax.tree.leaves((run.value.layers, run.history))]
    assert jax.device_count() == 8
    one = train(1, batch_size=30)      # 30 rows in 8 micro-batches: two of them are padding
    for other in (train(8, batch_size=30), train(None, batch_size=30, accumulate=8)):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    print("same bits", len(one))
"""


@pytest.mark.slow
def test_the_bits_do_not_depend_on_the_devices(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("same bits")


@pytest.mark.parametrize("parts", [2, 8])
def test_accumulated_gradients_equal_those_of_the_whole_batch(parts):
    whole, cut = least_squares(max_steps=40), least_squares(max_steps=40, accumulate=parts)
    np.testing.assert_allclose(cut.value.weight, whole.value.weight, rtol=1e-12)
    np.testing.assert_allclose(cut.history["gradient_norm"], whole.history["gradient_norm"], rtol=1e-9)


def test_padding_has_no_weight():
    """60 rows in 7 parts: nine a part, three of them padding."""
    whole, cut = least_squares(max_steps=20), least_squares(max_steps=20, accumulate=7)
    np.testing.assert_allclose(cut.value.weight, whole.value.weight, rtol=1e-12)


def test_a_penalty_is_counted_once():
    import cycloid as cy

    loss = cy.learn.SquaredError(l2=0.3)
    whole, cut = least_squares(max_steps=20, loss=loss), least_squares(max_steps=20, loss=loss, accumulate=4)
    np.testing.assert_allclose(cut.value.weight, whole.value.weight, rtol=1e-12)


def test_bfloat16_keeps_its_weights_in_full():
    full, half = small_net(), small_net(precision="bfloat16")
    assert half.value.layers[0].weight.dtype == full.value.layers[0].weight.dtype
    weights = np.asarray(half.value.layers[0].weight)
    rounded = weights.astype("bfloat16").astype(weights.dtype)
    assert (rounded != weights).any()  # updates smaller than bfloat16's spacing are kept
    assert half.history["train_loss"][-1] == pytest.approx(full.history["train_loss"][-1], rel=0.1)
    assert (half.history["loss"] != full.history["loss"]).any()


def test_rematerialization_is_the_same_training():
    plain, again = small_net(), small_net(remat=True)
    np.testing.assert_allclose(again.value.layers[0].weight, plain.value.layers[0].weight, rtol=1e-9)
    with pytest.raises(ValueError, match=r"jax\.checkpoint"):
        least_squares(remat=True)
