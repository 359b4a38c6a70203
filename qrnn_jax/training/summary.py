"""The summary of a run: what was asked, what came out, with which versions."""

from __future__ import annotations

from typing import Any

from .evaluate import FloatArray, evaluate, masked_loss, verdict
from .experiment import Experiment, Snapshot
from .free_running import FreeRun
from .machine import machine, versions


def summarise(
    experiment: Experiment,
    end: Snapshot,
    *,
    initial: dict[str, FloatArray],
    predictions: dict[str, FloatArray],
    free: FreeRun | None,
    shift_vs_autodiff_max_abs: float | None,
    compile_s: float,
    train_s: float,
) -> dict[str, Any]:
    """What `summary.json` holds; errors in `test_mse` are in original units.

    Arguments:
        experiment, end: the run, and its last snapshot.
        initial, predictions: split -> (N, T, O), before training and after.
        free: the free-running forecast, if there is one.
        shift_vs_autodiff_max_abs: see `shift_vs_autodiff`.
        compile_s: seconds of compiling in this session.
        train_s: seconds of training in all sessions.

    Example:
        >>> from qrnn_jax.training.summary import summarise
        >>> callable(summarise)
        True
    """
    evaluation = evaluate(experiment.task, predictions["test"])
    settings = experiment.config.to_dict()
    return {
        **{name: settings[name] for name in ("task", "cell", "gradient", "optimizer")},
        "engine": {**settings["engine"], **_engine(experiment)},
        "seed": experiment.config.training.seed,
        "steps": int(end.state.step),
        "skipped_steps": int(end.state.skipped),
        "selected": _selected(experiment, end),
        **_losses(experiment, initial, predictions),
        "test_steps": evaluation.steps,
        "test_mse": {name: score.original for name, score in evaluation.scores.items()},
        "test_mse_scaled": {name: score.scaled for name, score in evaluation.scores.items()},
        "linear_ar_order": evaluation.order,
        "verdict": verdict(evaluation.scores),
        "free_running": None if free is None else _free(free),
        "shift_vs_autodiff_max_abs": shift_vs_autodiff_max_abs,
        "compile_s": compile_s,
        "train_s": train_s,
        "versions": versions(),
        "machine": machine(),
    }


def _losses(
    experiment: Experiment, initial: dict[str, FloatArray], predictions: dict[str, FloatArray]
) -> dict[str, float | None]:
    """The loss of all training windows before and after, and that of the validation windows."""
    train, validation = experiment.task.train, experiment.task.validation
    held_back = None if validation is None else masked_loss(validation, predictions["validation"])
    return {
        "loss_initial": masked_loss(train, initial["train"]),
        "loss_final": masked_loss(train, predictions["train"]),
        "loss_validation": held_back,
    }


def _engine(experiment: Experiment) -> dict[str, str]:
    """What the engine's settings led to."""
    plan = experiment.engine.plan(experiment.cell.circuit, experiment.cell.observables)
    used = type(experiment.engine).__name__
    return {"used": used, "plan": type(plan).__name__, "dtype": plan.dtype.name}


def _selected(experiment: Experiment, end: Snapshot) -> dict[str, Any]:
    """Which parameters were tested, and why those."""
    if experiment.selects_best:
        return {"step": int(end.best.step), "by": "least validation loss"}
    return {"step": int(end.state.step), "by": "last step"}


def _free(free: FreeRun) -> dict[str, Any]:
    return {"steps": len(free.values), "mse": free.score.original, "mse_scaled": free.score.scaled}
