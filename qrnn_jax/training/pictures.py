"""The three pictures of a run: curves, forecast, circuit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import qrnn_jax as qj

from .evaluate import FloatArray
from .experiment import Experiment
from .free_running import FreeRun, is_one_series, predicted_rows
from .metrics import read_metrics
from .run_folder import RunFolder


class _Axis(NamedTuple):
    """How a picture labels a series."""

    time: NDArray[np.number]
    label: str
    units: str


def draw_pictures(
    experiment: Experiment,
    folder: RunFolder,
    predictions: dict[str, FloatArray],
    free: FreeRun | None,
) -> None:
    """Write `curves.png`, `forecast.png` and `circuit.png` into a run folder.

    Arguments:
        experiment, folder: of the run; its metrics are read from the folder.
        predictions: split -> (N, T, O), in the units of the model.
        free: the free-running forecast, if there is one.

    Raises:
        OSError: a file cannot be written.

    Example:
        >>> from qrnn_jax.training.pictures import draw_pictures
        >>> callable(draw_pictures)
        True
    """
    from qrnn_jax import plots  # imports matplotlib on first use

    cell, task = experiment.cell, experiment.task
    name = f"{type(cell).__name__} on {task.name}"
    plots.curves(read_metrics(folder.metrics), folder.path / "curves.png", title=name)
    plots.circuit(cell.circuit, folder.path / "circuit.png", title=f"{name}: one time step")
    lines = (
        _whole_series(task, predictions, free)
        if is_one_series(task)
        else _test_steps(task, predictions["test"])
    )
    plots.forecast(folder.path / "forecast.png", title=task.description, **lines)


def _whole_series(
    task: qj.tasks.Task, predictions: dict[str, FloatArray], free: FreeRun | None
) -> dict[str, Any]:
    """All predictions on the axis of the series."""
    axis = _axis(task)
    rows = len(task.series)
    splits = {"training": task.train, "validation": task.validation, "test": task.test}
    found = [
        (name, guesses[predicted_rows(windows)][:, 0])
        for (name, windows), guesses in zip(
            ((name, split) for name, split in splits.items() if split is not None),
            predictions.values(),
            strict=True,
        )
    ]
    one_step, free_running = np.full(rows, np.nan), np.full(rows, np.nan)
    joined = np.concatenate([values for _, values in found])
    one_step[rows - len(joined) :] = task.scale.original(joined)
    if free is not None:
        free_running[free.start :] = task.scale.original(free.values)
    ends = rows - np.cumsum([len(values) for _, values in reversed(found)])[::-1]
    starts = {name: float(axis.time[end]) for (name, _), end in zip(found, ends, strict=True)}
    starts["training"] = float(axis.time[0])
    return {
        "time": axis.time,
        "truth": task.series[:, 0],
        "one_step": one_step,
        "free_running": free_running,
        "split": starts,
        "units": axis.units,
        "time_label": axis.label,
    }


def _test_steps(task: qj.tasks.Task, predictions: FloatArray) -> dict[str, Any]:
    """The scored steps of each test window, where they are no continuous stretch of a series."""

    def row(values: FloatArray) -> FloatArray:  # with a gap after each window
        parts = [window[mask, 0] for window, mask in zip(values, task.test.mask, strict=True)]
        return task.scale.original(np.concatenate([np.append(part, np.nan) for part in parts]))

    truth = row(task.test.targets)
    return {
        "time": np.arange(1, len(truth) + 1),
        "truth": truth,
        "one_step": row(predictions),
        "free_running": np.full(len(truth), np.nan),
        "split": {"test": 1.0},
        "units": "value",
        "time_label": "scored test steps, window by window",
    }


def _axis(task: qj.tasks.Task) -> _Axis:
    if task.name == "sunspots":
        return _Axis(qj.tasks.sunspot_numbers()[0], "year", "yearly mean sunspot number")
    return _Axis(np.arange(len(task.series)), "step", "value")
