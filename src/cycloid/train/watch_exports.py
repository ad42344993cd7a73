"""Recordings for other tools: event files for TensorBoard, runs for MLflow; each needs its own package."""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from cycloid.train.recordings import Recording, read


def to_tensorboard(recording: Recording | str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Write a recording as an event file that TensorBoard shows.

    Args:
        recording: the recording of a watch (`watch.recording`), or its file.
        folder: where `tensorboard --logdir` looks.

    Raises:
        ImportError: when tensorboard is not installed.
    """
    writers = _need("tensorboard.summary.writer.event_file_writer", "tensorboard")
    events = importlib.import_module("tensorboard.compat.proto.event_pb2")
    summaries = importlib.import_module("tensorboard.compat.proto.summary_pb2")
    writer = writers.EventFileWriter(os.fspath(folder))
    for step, numbers in _scalars(recording):
        values = [summaries.Summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        writer.add_event(events.Event(wall_time=time.time(), step=step, summary=summaries.Summary(value=values)))
    writer.close()


def to_mlflow(recording: Recording | str | os.PathLike[str], **run: Any) -> str:
    """Log a recording to MLflow, as one run with its numbers by step.

    Args:
        recording: the recording of a watch (`watch.recording`), or its file.
        **run: arguments of `mlflow.start_run`, such as run_name.

    Returns:
        The run's id.

    Raises:
        ImportError: when mlflow is not installed.
    """
    mlflow = _need("mlflow", "mlflow")
    with mlflow.start_run(**run) as made:
        facts = _open(recording).facts
        names = ("framework", "optimizer", "loss_name", "batch_size", "task")
        mlflow.log_params({name: facts[name] for name in names if facts.get(name) is not None})
        for step, numbers in _scalars(recording):
            mlflow.log_metrics({_plain(tag): number for tag, number in numbers.items()}, step=step)
        return str(made.info.run_id)


def _need(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{package} is not installed: pip install {package}.") from error


def _open(recording: Recording | str | os.PathLike[str]) -> Recording:
    return recording if isinstance(recording, Recording) else read(recording)


def _scalars(recording: Recording | str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, float]]]:
    """(step, numbers by tag) of each row; of arrays by parameter, one number a parameter."""
    opened = _open(recording)
    names = opened.facts.get("parameters", ())
    for row in opened.rows:
        numbers: dict[str, float] = {}
        for name, value in row.items():
            values = np.asarray(value, float)
            if name == "step":
                continue
            if values.ndim == 0:
                numbers[f"chain/{name}"] = float(values)
            elif values.shape == (len(names),):
                numbers |= {f"{name}/{names[i]}": float(number) for i, number in enumerate(values)}
        yield int(row["step"]), {tag: number for tag, number in numbers.items() if math.isfinite(number)}


def _plain(tag: str) -> str:
    """MLflow allows letters, digits, and a few signs."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in tag)
