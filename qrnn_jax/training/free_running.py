"""The test span on the series' own axis, and what a model says there when left to itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import qrnn_jax as qj

from .experiment import Experiment

FloatArray = NDArray[np.float64]


class FreeRun(NamedTuple):
    """A free-running forecast over the test span.

    Arguments:
        start: row of the series at which it begins; all rows before were given.
        values: (steps,), in the units of the model.
        score: mean squared error over all steps.

    Example:
        >>> from qrnn_jax.training.free_running import FreeRun
        >>> FreeRun._fields
        ('start', 'values', 'score')
    """

    start: int
    values: FloatArray
    score: qj.tasks.Score


def predicted_rows(windows: qj.tasks.Windows) -> NDArray[np.bool_]:
    """Which steps of windows predict something new: all that count, of several windows the last.

    Example:
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.free_running import predicted_rows
        >>> int(predicted_rows(tasks.sunspots(wash_out=0).train).sum())
        205
    """
    rows = windows.mask.copy()
    if len(windows) > 1:
        rows[:, :-1] = False
    return rows


def is_one_series(task: qj.tasks.Task) -> bool:
    """Whether the predicted steps of all splits, in order, are the last rows of the task's series.

    Example:
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.free_running import is_one_series
        >>> is_one_series(tasks.sunspots()), is_one_series(tasks.decreasing_triangle())
        (True, False)
    """
    splits = [split for split in (task.train, task.validation, task.test) if split is not None]
    targets = np.concatenate([split.targets[predicted_rows(split)] for split in splits])
    tail = task.scale.scaled(task.series)[-len(targets) :]
    return targets.shape == tail.shape and np.allclose(targets, tail, rtol=0, atol=1e-12)


def free_run(experiment: Experiment, params: Any) -> FreeRun | None:
    """Warm up on the series up to the test span, then predict that span without seeing it.

    Returns:
        None where the test windows are no continuous stretch of one scalar series.

    Example:
        >>> from qrnn_jax.training.config import make_config
        >>> from qrnn_jax.training.experiment import prepare
        >>> from qrnn_jax.training.free_running import free_run
        >>> from qrnn_jax.training.presets import preset
        >>> experiment = prepare(make_config(preset("cosine"), ["task.steps=9"]))
        >>> found = free_run(experiment, experiment.start().state.params)
        >>> found.start, found.values.shape
        (10, (9,))
    """
    task, cell = experiment.task, experiment.cell
    if not is_one_series(task) or cell.features != 1 or cell.outputs_count != 1:
        return None
    steps = int(predicted_rows(task.test).sum())
    start = len(task.series) - steps
    known = task.scale.clipped(task.series[:start])
    outputs = qj.forecast(cell, params, known, steps, engine=experiment.engine)
    values = np.asarray(outputs, np.float64)[:, 0]
    truth = task.scale.scaled(task.series[start:, 0])
    scaled = float(np.mean((values - truth) ** 2))
    return FreeRun(start, values, qj.tasks.Score(scaled, scaled / task.scale.slope**2))
