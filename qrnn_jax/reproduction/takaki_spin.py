"""Takaki's third task: the magnetisation of a spin in a chain, a sum of several frequencies."""

from __future__ import annotations

from qrnn_jax.validation.experiment import Experiment, Findings, Progress, Settings

from .takaki_forecast import Plan, measure
from .takaki_picture import draw

TRAIN = 2e-4  # calibrated: 1.3e-4 for seed 0
FREE = 4e-2  # a free-running forecast that is better than the mean, whose error is near 0.08
FULL = Plan("spin_chain", 10, 400, judged=2, rank=1, train=TRAIN, free=FREE)
QUICK = FULL._replace(seeds=1)


def run(settings: Settings, progress: Progress) -> Findings:
    """Ten seeds, or one."""
    return measure(FULL if settings.full else QUICK, progress)


EXPERIMENT = Experiment(
    name="takaki-spin",
    title="spin dynamics",
    question="Does the circuit with memory learn a spin's motion, and go on by itself?",
    run=run,
    draw=draw,
)
