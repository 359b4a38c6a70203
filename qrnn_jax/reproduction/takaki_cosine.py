"""Takaki's first task: a cosine wave, one value ahead and left to itself."""

from __future__ import annotations

import numpy as np

from qrnn_jax.validation.experiment import Experiment, Findings, Progress, Settings

from .takaki_forecast import Plan, measure
from .takaki_picture import draw

BOUND = 0.5**2 * np.sin(2 * np.pi / 50) ** 2 / 2  # 1.964e-3: the best without memory
FULL = Plan("cosine", 10, 150, judged=3, rank=2, train=5e-5, free=5e-3, bound=BOUND)
QUICK = FULL._replace(seeds=2, iterations=150)


def run(settings: Settings, progress: Progress) -> Findings:
    """Ten seeds, or two."""
    return measure(FULL if settings.full else QUICK, progress)


EXPERIMENT = Experiment(
    name="takaki-cosine",
    title="the cosine wave",
    question="Does the circuit with memory learn the cosine, and go on by itself?",
    run=run,
    draw=draw,
)
