"""Takaki's second task: a triangular wave, one value ahead and left to itself."""

from __future__ import annotations

from qrnn_jax.validation.experiment import Experiment, Findings, Progress, Settings

from .takaki_forecast import Plan, measure
from .takaki_picture import draw

FULL = Plan("triangle", 10, 400, judged=2, rank=1, train=4e-4, free=1e-2)
QUICK = FULL._replace(seeds=1)


def run(settings: Settings, progress: Progress) -> Findings:
    """Ten seeds, or one."""
    return measure(FULL if settings.full else QUICK, progress)


EXPERIMENT = Experiment(
    name="takaki-triangle",
    title="the triangular wave",
    question="Does the circuit with memory learn the triangle, and go on by itself?",
    run=run,
    draw=draw,
)
