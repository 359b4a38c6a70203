"""One run: from a configuration to a trained, evaluated and pictured folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

import qrnn_jax as qj

from .config import Config
from .errors import NumericalError
from .evaluate import Predictor, make_predictor, masked_loss
from .experiment import Experiment, Snapshot, prepare
from .fit import fit
from .free_running import free_run
from .on_device import train_on_device
from .pictures import draw_pictures
from .recorder import Interrupted, Recorder, Reporter, Silent
from .resume import starting_point
from .run_folder import RunFolder
from .shift_check import shift_vs_autodiff
from .summary import summarise


def train(
    config: Config, out: Path, *, resume: bool = False, reporter: Reporter | None = None
) -> dict[str, Any]:
    """Train, evaluate, draw, and write everything into a folder.

    Arguments:
        config: from `make_config`.
        out: the run folder; made where missing.
        resume: go on from the newest checkpoint in `out`, if there is one.
        reporter: is told what happens, and may ask to stop.

    Returns:
        What `summary.json` holds.

    Raises:
        ValueError: the configuration describes something impossible (no file is touched then), or
            is not that of the run to be resumed.
        NumericalError: training gave no usable steps; a checkpoint has been saved.
        DeviceError: the device's package is missing (no file is touched then), or it failed in all
            tries; a checkpoint has been saved.
        RunFolderError, CheckpointError, OSError: the folder cannot be used.
        Interrupted: the reporter asked to stop; a checkpoint has been saved.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.training.config import make_config
        >>> from qrnn_jax.training.train import train
        >>> config = make_config({
        ...     "task": {"name": "cosine", "steps": 20}, "optimizer": {"name": "bfgs"},
        ...     "cell": {"name": "Takaki", "inputs": 1, "memory": 1, "depth": 1},
        ...     "training": {"steps": 2}, "output": {"pictures": False}})
        >>> with tempfile.TemporaryDirectory() as name:
        ...     train(config, Path(name) / "run")["steps"]
        2
    """
    with jax.enable_x64(config.training.precision == "float64"):
        experiment = prepare(config)
        _ = experiment.device  # refused before any file is touched
        with RunFolder(out) as folder:
            start, train_s = starting_point(experiment, folder, resume=resume)
            return _run(experiment, folder, reporter or Silent(), start, train_s)


def _run(
    experiment: Experiment, folder: RunFolder, reporter: Reporter, start: Snapshot, train_s: float
) -> dict[str, Any]:
    """Fit, evaluate, draw; the summary is written last."""
    task, clock = experiment.task, time.perf_counter()
    _begin("compiling", reporter, folder)
    predictor = make_predictor(experiment)
    initial = predictor(experiment.start().state.params)  # compiles, too
    predictor_s = time.perf_counter() - clock
    recorder = Recorder(
        experiment,
        folder,
        reporter,
        start,
        train_s=train_s,
        validation_loss=_validation_loss(task.validation, predictor),
    )
    on_device, fit_s = _fit(experiment, folder, start, recorder)
    end, train_s = recorder.snapshot, recorder.train_s
    params = end.best.params if experiment.selects_best else end.state.params
    _begin("testing", reporter, folder)
    predictions = predictor(params)
    free = free_run(experiment, params)
    if experiment.config.output.pictures:
        _begin("drawing", reporter, folder)
        draw_pictures(experiment, folder, predictions, free)
    _begin("comparing parameter shift with autodiff", reporter, folder)
    summary = summarise(
        experiment,
        end,
        initial=initial,
        predictions=predictions,
        free=free,
        shift_vs_autodiff_max_abs=shift_vs_autodiff(experiment.cell, params, task.train),
        compile_s=predictor_s + fit_s,
        train_s=train_s,
    )
    summary |= on_device
    folder.write_json("summary.json", summary)
    return summary


def _fit(
    experiment: Experiment, folder: RunFolder, start: Snapshot, recorder: Recorder
) -> tuple[dict[str, Any], float]:
    """Train to the last step and save a checkpoint there.

    Returns:
        What a device adds to the summary, and seconds of compiling.
    """
    training = experiment.config.training
    if experiment.device is not None:
        return train_on_device(experiment, folder, start, recorder), 0.0
    try:
        result = fit(
            experiment.cell,
            start.state.params,
            experiment.task.train,
            optimizer=experiment.optimizer,
            steps=training.steps,
            key=experiment.keys[1],
            batch=training.batch or None,
            engine=experiment.engine,
            gradient=experiment.gradient,
            chunk=training.validate_every,
            callback=recorder,
            state=start.state,
        )
    except NumericalError:
        recorder.save()
        raise
    recorder.save()
    return {}, result.compile_s


def _validation_loss(
    windows: qj.tasks.Windows | None, predictor: Predictor
) -> Callable[[Any], float] | None:
    if windows is None:
        return None
    return lambda params: masked_loss(windows, predictor(params)["validation"])


def _begin(stage: str, reporter: Reporter, folder: RunFolder) -> None:
    """Announce a stage, unless it was asked to stop; everything so far is in a checkpoint."""
    if reporter.stopping():
        raise Interrupted(f"Stopped before {stage}; {folder.path} is resumable.")
    reporter.stage(stage)
