"""The published training run of task (a), update for update, from its seed."""

from __future__ import annotations

import time
from typing import Any

from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings

from .pictures import learning_curves, stored
from .viqueira_task import CONTROL, SPLITS, Course, control_errors, train_exactly

SEED, EPOCHS, QUICK_EPOCHS = 13192, 2000, 26
# epoch -> root mean square errors (train, validation), as printed by the author's program
CURVE = {
    0: (0.206899, 0.274813),
    1: (0.197499, 0.268157),
    2: (0.187315, 0.265767),
    25: (0.050125, 0.089327),
}
DIGITS = {0: 2e-6, 1: 2e-6, 2: 2e-6, 25: 2e-5}
BEST_EPOCH, BEST = 1944, (0.0083189, 0.0124778, 0.0040674, 0.0057726)
TOLERANCE, EPOCH_TOLERANCE = 5e-5, 5
MINUTES = 10.0
AUTHOR_MINUTES = 128.0  # 2 h 08 min on 2 cores, with finite differences
SOURCE = "release 0.2 of the author's program: its log, seed 13192"


def replay(epochs: int, progress: Progress) -> Findings:
    """Train as published and compare digit by digit.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_replay import CURVE, replay
        >>> callable(replay), CURVE[0]  # takes seconds
        (True, (0.206899, 0.274813))
    """
    start = time.perf_counter()
    course = train_exactly((SEED,), epochs, progress)
    minutes = (time.perf_counter() - start) / 60
    control = control_errors()
    checks = [
        Check(f"{split} RMSE after epoch {epoch}", float(course.errors[split][epoch, 0]),
              value - DIGITS[epoch], value + DIGITS[epoch], "exactness", SOURCE, value,
              control[split], CONTROL)
        for epoch, values in CURVE.items() if epoch < epochs
        for split, value in zip(SPLITS, values)
    ]  # fmt: skip
    if epochs > BEST_EPOCH + EPOCH_TOLERANCE:
        checks += _best_checks(course, minutes, control)
    series = {
        "errors": {split: stored(values[:, 0]) for split, values in course.errors.items()},
        "epochs": epochs,
        "control": control,
        "minutes": minutes,
    }
    return Findings(_conclusion(checks, epochs, minutes, control), tuple(checks), (), series)


def _best_checks(course: Course, minutes: float, control: dict[str, float]) -> list[Check]:
    best = int(course.best[0])
    found = [
        Check(f"{split} RMSE at the best epoch", float(course.selected[split][0]),
              value - TOLERANCE, value + TOLERANCE, "exactness", SOURCE, value, control[split],
              CONTROL)
        for split, value in zip(SPLITS, BEST)
    ]  # fmt: skip
    low, high = BEST_EPOCH - EPOCH_TOLERANCE, BEST_EPOCH + EPOCH_TOLERANCE
    closed = "ridge: closed form"
    epoch = Check("best epoch", best, low, high, "exactness", SOURCE, BEST_EPOCH, 0, closed)
    speed = Check("minutes of training", minutes, None, MINUTES, "prediction", "issue 4",
                  AUTHOR_MINUTES, 0, closed)  # fmt: skip
    return [epoch, *found, speed]


def _conclusion(checks: list[Check], epochs: int, minutes: float, control: dict[str, float]) -> str:
    held = sum(check.passed for check in checks)
    return (
        f"{held} of {len(checks)} published numbers are hit in a replay of {epochs} epochs, "
        f"{minutes:.1f} minutes of exact gradients. The task shows that the program is right and "
        f"no advantage: a ridge regression on 8 past inputs has a test RMSE of "
        f"{control['test']:.1g}, the published network {BEST[2]:.2g}."
    )


def run(settings: Settings, progress: Progress) -> Findings:
    """All 2,000 epochs, or the first 26."""
    return replay(EPOCHS if settings.full else QUICK_EPOCHS, progress)


def _draw(findings: Findings) -> Any:
    series = findings.series
    title = "Task (a) of Viqueira et al., seed 13192: the published run, replayed"
    published = [(epoch, value) for epoch, values in CURVE.items() for value in values]
    published += [(BEST_EPOCH, value) for value in BEST[:3]]
    shown = [point for point in published if point[0] < series["epochs"]]
    return learning_curves(
        series["errors"],
        title,
        "RMSE",
        "epoch",
        points=shown,
        level=(CONTROL, series["control"]["test"]),
    )


EXPERIMENT = Experiment(
    name="viqueira-replay",
    title="task (a), the published run",
    question="Does the published training run come out, update for update?",
    run=run,
    draw=_draw,
)
