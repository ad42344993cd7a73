"""Checkpoints: a run killed in the middle goes on to the very same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import jax
import numpy as np
import pytest

import cycloid as cy
from cycloid.core.storage import load
from cycloid.learn import checkpoints
from learn.small import CURVATURE, X, Y, least_squares, small_net

# Programs compiled once serve the processes that follow.
CACHE = str(jax.config.jax_compilation_cache_dir)
ENVIRONMENT = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": CACHE}
ENVIRONMENT["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

PROGRAM = """
    import os, signal, sys
    import jax, numpy as np
    jax.config.update("jax_enable_x64", True)
    import cycloid as cy
    path, kill_at, stream = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "stream"
    rows = np.random.default_rng(0)
    x = rows.normal(size=(96, 4)); y = np.sin(x @ np.array([1.0, -1.0, 0.5, 2.0]))
    def die(progress):
        if progress.step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    data = (lambda: [(x[i:i+16], y[i:i+16]) for i in range(0, 64, 16)]) if stream else (x[:64], y[:64])
    run = cy.train.fit(cy.train.mlp((6,), "tanh"), data, validation=(x[64:], y[64:]), loss="mse", method="adam",
                       key=jax.random.key(0), max_steps=70, batch_size=16, record_every=10,
                       checkpoint=path or None, callback=die)
    np.savez(sys.argv[4], *jax.tree.leaves((run.value.layers, dict(sorted(run.history.items())))))
"""


def _train(tmp_path, name, checkpoint, kill_at=-1, kind="rows"):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    out = tmp_path / f"{name}.npz"
    process = subprocess.run(
        [sys.executable, str(program), str(checkpoint), str(kill_at), kind, str(out)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return process, out


@pytest.mark.parametrize("kind", ["rows", pytest.param("stream", marks=pytest.mark.slow)])
def test_killed_and_resumed_it_is_bitwise_the_same_run(tmp_path, kind):
    whole, expected = _train(tmp_path, "whole", "", kind=kind)
    assert whole.returncode == 0, whole.stderr
    path = tmp_path / "checkpoint"
    killed, _ = _train(tmp_path, "killed", path, kill_at=40, kind=kind)
    assert killed.returncode == -signal.SIGKILL
    again, found = _train(tmp_path, "again", path, kind=kind)
    assert again.returncode == 0, again.stderr
    with np.load(expected) as a, np.load(found) as b:
        assert len(a.files) == len(b.files) > 10
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name])
    leftovers = [p.name for p in tmp_path.iterdir() if p.name.startswith(".checkpoint")]
    assert leftovers == []


def test_killed_from_outside_the_file_is_whole(tmp_path):
    """SIGKILL at a moment that knows nothing of the steps, while a checkpoint is written every record."""
    path, program = tmp_path / "checkpoint", tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).replace("max_steps=70", "max_steps=10**6"))
    command = [sys.executable, str(program), str(path), "-1", "rows", str(tmp_path / "never")]
    process = subprocess.Popen(command, env=ENVIRONMENT)
    try:
        for _ in range(1200):
            if path.exists():
                break
            time.sleep(0.1)
        time.sleep(0.37)
    finally:
        process.kill()
        process.wait()
    content = load(path)["content"]
    assert content["step"] == content["history"]["step"][-1] > 0
    assert process.returncode == -signal.SIGKILL


def test_a_finished_run_is_read_back(tmp_path):
    path = tmp_path / "checkpoint"
    first = small_net(checkpoint=path)
    calls = []
    again = small_net(checkpoint=path, callback=lambda progress: calls.append(progress.step))
    assert calls == []
    np.testing.assert_array_equal(again.value.layers[0].weight, first.value.layers[0].weight)
    assert again.recorded == first.recorded


def test_a_run_may_be_made_longer(tmp_path):
    path = tmp_path / "checkpoint"
    small_net(checkpoint=path, max_steps=40)
    longer = small_net(checkpoint=path, max_steps=60)
    whole = small_net(max_steps=60)
    np.testing.assert_array_equal(longer.value.layers[0].weight, whole.value.layers[0].weight)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"method": "sgd"}, "its method is not the same"),
        ({"batch_size": 8}, "its batch size is"),
        ({"key": jax.random.key(9)}, "its starting model and its order are"),
        ({"validation": (X[30:40], Y[30:40])}, "its data is"),
        ({"loss": "mae"}, "its loss is"),
        ({"record_every": 10}, "its record interval is"),
    ],
)
def test_another_run_is_refused(tmp_path, change, named):
    path = tmp_path / "checkpoint"
    small_net(checkpoint=path, max_steps=40)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=named):
        small_net(checkpoint=path, **change)
    assert path.read_bytes() == before
    small_net(checkpoint=path, resume=False, **change)
    assert path.read_bytes() != before


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "checkpoint"
    path.write_text("not a checkpoint")
    with pytest.raises(ValueError, match="not a file written by save"):
        small_net(checkpoint=path)
    small_net().save(path)
    with pytest.raises(ValueError, match="not a checkpoint of a training run"):
        small_net(checkpoint=path)


def test_checkpoints_are_as_rare_as_asked(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(checkpoints, "write", lambda *a, **k: written.append(a[2]["step"]))
    small_net(checkpoint=tmp_path / "c", max_steps=100, record_every=20, checkpoint_every=40)
    assert written == [40, 80, 100]


def test_a_run_that_broke_off_leaves_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "checkpoint"
    run = least_squares(
        method=cy.optimize.GradientDescent(1.06 * 2 / CURVATURE), max_steps=900, checkpoint=path, throw=False
    )
    assert not run.status.ok
    assert load(path)["content"]["step"] < run.history["step"][-1]
