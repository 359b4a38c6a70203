"""A training run on a device: its queue and journal, what a step costs, its live picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, final

import qrnn_jax as qj

from .device_fit import fit_on_device
from .errors import NumericalError
from .experiment import Experiment, Snapshot
from .fit import Progress
from .metrics import read_metrics
from .recorder import Recorder
from .run_folder import RunFolder
from .step import TrainState
from .yardsticks import yardsticks

PICTURE = "shots.png"
LEVELS = {"constant": "best constant", "ridge": "ridge regression"}
SHARE = 20  # the live picture may take one part in so many of the time


def train_on_device(
    experiment: Experiment, folder: RunFolder, start: Snapshot, recorder: Recorder
) -> dict[str, Any]:
    """Train on the experiment's device, with a checkpoint after every step.

    Arguments:
        experiment: with a device.
        folder: of the run; the journal of jobs is kept in it.
        start: where to begin.
        recorder: is called after every step.

    Returns:
        For the summary: `status` ("done" or "budget"), `device` with the bill, and
        `training_mse` of predictors to compare `loss_final` with.

    Raises:
        DeviceError: the device failed in all tries; a checkpoint has been saved.

    Example:
        >>> from qrnn_jax.training.on_device import train_on_device
        >>> callable(train_on_device)
        True
    """
    settings = experiment.config.device
    assert settings is not None
    assert experiment.device is not None
    journal = qj.hardware.Journal(folder.path / "jobs")
    queue = qj.hardware.Queue(experiment.device, budget=settings.budget, journal=journal)
    picture = LivePicture(experiment, folder)

    def callback(progress: Progress) -> None:
        recorder(progress)  # saves a checkpoint
        journal.forget()
        picture.refresh()

    try:
        status = _fit(experiment, queue, start.state, _spent(folder), callback)
    except (qj.hardware.DeviceError, NumericalError):
        recorder.save()
        raise
    recorder.save()
    picture.draw()
    marks = yardsticks(experiment.task.train)
    return {
        "status": status,
        "device": _bill(experiment, queue),
        "training_mse": marks.errors,
        "ridge_lags": marks.lags,
    }


def _fit(
    experiment: Experiment,
    queue: qj.hardware.Queue,
    state: TrainState,
    spent: int,
    callback: Callable[[Progress], None],
) -> str:
    """`fit_on_device` with the experiment's settings."""
    settings, training = experiment.config.device, experiment.config.training
    assert settings is not None
    assert experiment.gradient is not None
    return fit_on_device(
        experiment.cell,
        experiment.task.train,
        optimizer=experiment.optimizer,
        steps=training.steps,
        key=experiment.keys[1],
        batch=training.batch or None,
        queue=queue,
        shots=settings.shots,
        gradient=experiment.gradient,
        cost=experiment.shots_per_step,
        spent=spent,
        state=state,
        callback=callback,
    )


@final
class LivePicture:
    """The loss against the shots spent, drawn again as often as its share of the time allows."""

    def __init__(self, experiment: Experiment, folder: RunFolder) -> None:
        self._experiment = experiment
        self._folder = folder
        self._due = time.monotonic()

    def refresh(self) -> None:
        """Draw it again, if pictures are wanted and the last one is old enough."""
        if time.monotonic() >= self._due:
            self.draw()

    def draw(self) -> None:
        """Draw it now, if pictures are wanted."""
        settings = self._experiment.config.device
        if not self._experiment.config.output.pictures or settings is None:
            return
        from qrnn_jax import plots  # imports matplotlib on first use

        begin = time.monotonic()
        marks = yardsticks(self._experiment.task.train).errors
        place = settings.name if settings.noise is None else f"{settings.name}, {settings.noise}"
        name = f"{type(self._experiment.cell).__name__} on {self._experiment.task.name}"
        plots.shot_curve(
            read_metrics(self._folder.metrics),
            self._folder.path / PICTURE,
            title=f"{name}, trained from counts ({place}; {settings.shots} shots a circuit)",
            levels={label: marks[key] for key, label in LEVELS.items()},
        )
        now = time.monotonic()
        self._due = now + max(1.0, SHARE * (now - begin))


def _spent(folder: RunFolder) -> int:
    """Shots spent up to the checkpoint: the journal may know of a step that was not finished."""
    rows = read_metrics(folder.metrics) if folder.metrics.exists() else []
    return int(rows[-1]["shots"]) if rows else 0


def _bill(experiment: Experiment, queue: qj.hardware.Queue) -> dict[str, Any]:
    settings = experiment.config.device
    assert settings is not None
    return {
        **settings.model_dump(mode="json"),
        "shots_per_step": experiment.shots_per_step,
        "spent": queue.spent,
        "left": queue.left,
        "jobs": queue.jobs,
    }
