"""Recordings on disk: opened at any time, after a kill too; callbacks of other loops; other tools."""

from __future__ import annotations

import importlib.util
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
from cycloid.train import recordings
from cycloid.train.recordings import BEGINNING, CAPACITY, Recording
from cycloid.train.watch_exports import to_mlflow, to_tensorboard

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def some(path=None, rows=3):
    recording = Recording(path, framework="torch", parameters=("w", "b"), input_shape=(4, 2))
    for step in range(rows):
        recording.add({"step": step, "loss": 1.0 / (1 + step), "update_norms": np.ones(2), "temperature": 3.0})
    return recording


def test_what_is_written_is_what_is_read(tmp_path):
    recording = some(tmp_path / "run")
    recording.note(notes=("One.",), training_mode=None)
    recording.close()
    found = recordings.open(tmp_path / "run.npz")
    assert found.known().keys() == recording.evidence().known().keys()
    assert found.loss == pytest.approx(recording.evidence().loss)
    assert (found.framework, found.parameters, found.input_shape) == ("torch", ("w", "b"), (4, 2))
    assert found.notes == ("One.",)
    assert recordings.read(tmp_path).rows[0]["temperature"] == 3.0  # a folder with one recording will do
    with np.load(tmp_path / "run.npz") as archive:
        assert archive["loss"].dtype == np.float32


def test_a_row_that_lacks_a_number_has_nan_there():
    recording = some()
    recording.add({"step": 3, "missing_gradients": np.array([True, False])})
    columns = recording.columns()
    assert np.isnan(columns["loss"][3])
    assert columns["step"].tolist() == [0, 1, 2, 3]
    assert columns["missing_gradients"].tolist() == [[False, False]] * 3 + [[True, False]]


def test_a_long_run_stays_small():
    recording = some(rows=3 * CAPACITY)
    steps = recording.columns()["step"]
    assert len(steps) <= CAPACITY
    assert steps[:BEGINNING].tolist() == list(range(BEGINNING))
    assert steps[-1] == 3 * CAPACITY - 1
    assert (np.diff(steps) > 0).all()


@needs_torch
def test_a_killed_run_can_be_opened(tmp_path):
    """Killed while it writes as fast as it can, again and again; the file is always whole."""
    program = """
        import sys, torch, cycloid as cy
        from cycloid.train import recordings
        torch.set_num_threads(1)
        recordings.LEAST_SECONDS, recordings.SHARE_OF_TIME = 0.0, 1e9
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        watch = cy.train.watch(model, optimizer, every=1, record=sys.argv[1])
        while True:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(torch.ones(4, 3)), torch.zeros(4, 1)).backward()
            optimizer.step()
    """
    path = tmp_path / "run.npz"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(path)])
    try:
        ends, deadline = [], time.monotonic() + 120
        while len(ends) < 20 and time.monotonic() < deadline:  # opened by others while it is being written
            if path.exists():
                ends.append(int(recordings.open(path).step[-1]))
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert len(ends) == 20
    assert ends == sorted(ends)
    found = recordings.open(path)
    assert int(found.step[-1]) >= ends[-1]
    assert found.loss_name == "mse"
    assert cy.train.diagnose(found) == () or all(finding.cure for finding in cy.train.diagnose(found))


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no recording at"):
        recordings.open(tmp_path / "nothing")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(ValueError, match="no recording of a training run"):
        recordings.open(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    with pytest.raises(ValueError, match="has no format; this version reads"):
        recordings.open(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="no field called colour"):
        some().note(colour=1)


def test_cycloids_own_fit_is_recorded_live(tmp_path):
    x = jax.random.normal(jax.random.key(0), (64, 3))
    keep = cy.train.watch_fit(tmp_path / "run")
    run = cy.train.fit("linear", (x, x[:, 0]), callback=keep, max_steps=200, key=jax.random.key(1))
    found = recordings.open(tmp_path / "run")
    assert found.step.tolist() == [step - 1 for step in run.recorded]
    assert found.loss == pytest.approx(run.history["loss"], rel=1e-5)
    assert found.predicted_change == pytest.approx(run.history["predicted_change"], rel=1e-5)
    assert found.parameters == run.layers
    assert found.train_loss == pytest.approx(run.history["train_loss"], rel=1e-5)


def test_keras_fit_is_recorded_live(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    x = np.random.default_rng(0).normal(size=(96, 3)).astype(np.float32)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    callback = cy.train.watch_keras(tmp_path / "run", every=2)
    model.fit(x, x[:, :1], batch_size=16, epochs=2, callbacks=[callback], validation_split=1 / 3, verbose=0)
    found = recordings.open(tmp_path / "run")
    assert found.step.tolist() == [0, 2, 4, 6]
    assert len(found.parameters) == 2
    assert (found.update_norms > 0).all()
    assert found.learning_rate == pytest.approx([0.01] * 4)
    assert len(found.validation_loss) == 2
    assert found.validation_metric[1] < found.validation_metric[0]
    assert (found.metric_name, found.loss_name) == ("mae", "mse")


@needs_torch
def test_lightning_is_watched(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")
    import torch

    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.line = torch.nn.Linear(3, 1)

        def training_step(self, batch, _):
            return torch.nn.functional.mse_loss(self.line(batch[0]), batch[1])

        def validation_step(self, batch, _):
            self.log("val_loss", torch.nn.functional.mse_loss(self.line(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    x = torch.randn(64, 3)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x[:, :1]), 16)
    callback = cy.train.watch_lightning(tmp_path / "run", every=2)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    lightning.Trainer(max_epochs=2, callbacks=[callback], default_root_dir=tmp_path, **options).fit(
        Line(), loader, loader
    )
    found = recordings.open(tmp_path / "run")
    assert found.step.tolist() == [0, 1, 2, 4, 6]
    assert np.isfinite(found.actual_change).all()
    assert (found.actual_change < 0).all()
    assert len(found.validation_loss) >= 2


def test_tensorboard_gets_every_number(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    to_tensorboard(some(), tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.value for event in events.Scalars("chain/loss")] == pytest.approx([1, 1 / 2, 1 / 3])
    assert "update_norms/b" in events.Tags()["scalars"]


def test_mlflow_gets_every_number(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    mlflow.set_tracking_uri(f"file:{tmp_path}")
    made = mlflow.get_run(to_mlflow(some(), run_name="some"))
    assert made.data.metrics["chain/loss"] == pytest.approx(1 / 3)
    assert made.data.params["framework"] == "torch"


@pytest.mark.parametrize("export", [lambda: to_tensorboard(some(), "."), lambda: to_mlflow(some())])
def test_what_is_not_installed_is_said(export, monkeypatch):
    for name in ("tensorboard", "tensorboard.summary.writer.event_file_writer", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="is not installed: pip install"):
        export()
