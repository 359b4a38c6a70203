"""Task (a) trained under shots, from the published start: in the paper's noise model, and truly."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table

from .pauli_steps import PauliSteps
from .pictures import learning_curves, stored
from .shot_gradients import device_gradient, gaussian_gradient
from .viqueira_task import (
    CELL,
    CONTROL,
    SCORED,
    SPLITS,
    TASK,
    Course,
    control_errors,
    published_order,
    published_start,
    train_course,
)

SEED = 13192
SHOTS = (1000, 10_000)
NOISES = {"independent errors": gaussian_gradient, "true shots": device_gradient}
# eight published runs with independent errors: RMSE at the best epoch, mean and deviation
PUBLISHED = {
    1000: {"train": (0.0134, 0.0023), "validation": (0.0212, 0.0013), "test": (0.0070, 0.0035),
           "fill": (0.0083, 0.0032)},
    10_000: {"train": (0.0105, 0.0005), "validation": (0.0158, 0.0010), "test": (0.0056, 0.0010),
             "fill": (0.0071, 0.0007)},
}  # fmt: skip
NOISELESS = (0.050125, 25)  # the published train RMSE after that epoch, without shots
SOURCE = "eight published runs each; means are ours"


class Size(NamedTuple):
    """How many runs per number of shots, for how many epochs."""

    runs: int
    epochs: int


QUICK, FULL = Size(2, 26), Size(8, 2000)


def measure(size: Size, seed: int, progress: Progress) -> Findings:
    """Train with both noise models and both numbers of shots; score without noise.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_shots import NOISES, PUBLISHED
        >>> len(NOISES), sorted(PUBLISHED)
        (2, [1000, 10000])
    """
    control, courses = control_errors(), {}
    for place, noise in enumerate(NOISES):
        told = partial(_within, progress, place, noise)
        courses[noise] = _train(noise, size, seed + place, told)
    checks = _checks(courses, size, control)
    series = {
        "quartiles": {
            f"{noise}, {shots} shots": _quartiles(course, place, size)
            for noise, course in courses.items()
            for place, shots in enumerate(SHOTS)
        },
        "control": control,
    }
    table = _table(courses, size)
    conclusion = _conclusion(courses, size, checks, control)
    return Findings(conclusion, tuple(checks), (table,), series)


def _train(noise: str, size: Size, seed: int, progress: Progress) -> Course:
    """All numbers of shots side by side, `size.runs` lanes each."""
    steps, rule, real = PauliSteps(CELL), NOISES[noise], jnp.float32
    inputs = jnp.asarray(TASK.train.inputs[..., 0], real)
    targets = jnp.asarray(TASK.train.targets[:, -SCORED:, 0], real)

    def gradient(params: Array, batch: tuple[Array, Array, Array]) -> Array:
        index, shots, key = batch
        return rule(steps, params, (inputs[index], targets[index]), shots, key)

    lanes = jnp.repeat(jnp.asarray(SHOTS, real), size.runs)
    order = published_order(SEED, size.epochs)
    shape = (*order.shape, len(lanes))
    batches = (
        jnp.broadcast_to(jnp.asarray(order)[..., None], shape),
        jnp.broadcast_to(lanes, shape),
        jax.random.split(jax.random.key(seed), shape),
    )
    starts = jnp.tile(jnp.asarray(published_start(SEED), real), (len(lanes), 1))
    return train_course(gradient, starts, batches, progress, looked_at=("train", "validation"))


def _within(progress: Progress, place: int, noise: str, fraction: float, text: str) -> None:
    progress((place + fraction) / len(NOISES), f"{noise}: {text}")


def _of(values: np.ndarray, place: int, size: Size) -> np.ndarray:
    """The lanes of one number of shots, along the last axis."""
    return values[..., place * size.runs : (place + 1) * size.runs]


def _quartiles(course: Course, place: int, size: Size) -> dict[str, Any]:
    found = _of(course.errors["train"], place, size)
    return stored(np.quantile(found, [0.25, 0.5, 0.75], axis=1))


def _checks(courses: dict[str, Course], size: Size, control: dict[str, float]) -> list[Check]:
    if size.epochs < FULL.epochs:
        value, epoch = NOISELESS
        return [
            Check(f"train RMSE after {size.epochs} epochs, {shots} shots, {noise}",
                  float(_of(course.errors["train"][-1], place, size).mean()), None, 2 * value,
                  "prediction", f"twice the published noiseless one after epoch {epoch}", None,
                  control["train"], CONTROL)
            for noise, course in courses.items() for place, shots in enumerate(SHOTS)
        ]  # fmt: skip
    return [
        Check(f"mean {split} RMSE, {shots} shots, {noise}",
              float(_of(course.selected[split], place, size).mean()), None,
              PUBLISHED[shots][split][0] + 2 * PUBLISHED[shots][split][1], "prediction", SOURCE,
              PUBLISHED[shots][split][0], control[split], CONTROL)
        for noise, course in courses.items() for place, shots in enumerate(SHOTS)
        for split in SPLITS
    ]  # fmt: skip


def _table(courses: dict[str, Course], size: Size) -> Table:
    rows = tuple(
        (noise, shots, int(np.median(_of(course.best, place, size))),
         *(_spread(_of(course.selected[split], place, size)) for split in SPLITS))
        for noise, course in courses.items() for place, shots in enumerate(SHOTS)
    )  # fmt: skip
    header = ("noise", "shots", "best epoch, median", *(f"{split} RMSE" for split in SPLITS))
    note = (
        f"{size.runs} runs of {size.epochs} epochs each, mean and standard deviation, at the epoch "
        "of least validation error; scores without noise. Start and order of windows of seed "
        f"{SEED}. True shots: all outputs of a circuit from the same repetitions."
    )
    return Table("Training under shots", header, rows, note)


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.4f} +- {values.std(ddof=min(1, len(values) - 1)):.4f}"


def _conclusion(
    courses: dict[str, Course], size: Size, checks: list[Check], control: dict[str, float]
) -> str:
    held = sum(check.passed for check in checks)
    survives = (
        "Training by parameter shift survives shots"
        if held == len(checks)
        else f"Under shots {held} of {len(checks)} errors are within their bounds"
    )
    parts = [
        f"{_spread(_of(course.selected['test'], place, size))} at {shots} shots ({noise})"
        for place, shots in enumerate(SHOTS)
        for noise, course in courses.items()
    ]
    return (
        f"{survives}: test RMSE {', '.join(parts)} after "
        f"{size.epochs} epochs. One run of 2,000 epochs would take a device 6.4e10 shots at 1,000 "
        f"each; the control, {CONTROL}, takes none and has {control['test']:.1g}."
    )


def run(settings: Settings, progress: Progress) -> Findings:
    """Eight runs as long as published, or two of 26 epochs."""
    return measure(FULL if settings.full else QUICK, settings.seed, progress)


def _draw(findings: Findings) -> Any:
    series = findings.series
    title = "Task (a) of Viqueira et al. under shots: noiseless train RMSE, median and quartiles"
    level = (CONTROL, series["control"]["train"])
    return learning_curves(series["quartiles"], title, "train RMSE", "epoch", level=level)


EXPERIMENT = Experiment(
    name="viqueira-shots",
    title="task (a) under shots",
    question="Does training by parameter shift survive 1,000 and 10,000 shots?",
    run=run,
    draw=_draw,
)
