"""Task (a) of Viqueira et al.: a decaying triangle, looked for 12 time units ahead."""

import numpy as np

from ._checks import whole
from ._fifty_windows import SAMPLES, fifty_windows, last_steps
from .base import Task
from .scale import Standardiser
from .triangle import triangle_wave


def decreasing_triangle(*, seed: int = 2, delay: int = 12, length: int = 20) -> Task:
    """Predict a decaying triangular wave `delay` time units ahead.

    s(t) = 0.75 exp(-0.02 t) tri(t), where tri has period 5 and rises from -1 to 1 and back;
    t = linspace(0, 100 + delay, 1000 + 10 delay); input s_i, target s_{i + 10 delay}, i < 1000.
    The 1000 steps are cut into 50 disjoint windows of 20; the last 5 steps of a window count. The
    last 10 windows are the test; 8 of the first 40, drawn with `seed`, the validation.

    A linear model of 8 past values does this task more than ten times better than the published
    quantum runs: it shows that a program is correct, not that a quantum model is useful.

    Arguments:
        seed: of the validation draw; the publication used 2.
        delay: time units between input and target, 10 samples each.
        length: only the last steps of every window, 5 to 20; the publication used 20. The steps
            that count stay the same: shorter circuits, for devices.

    Returns:
        `train` (32, length, 1), `validation` (8, length, 1), `test` (10, length, 1), in radians as
        they stand.

    Raises:
        ValueError: if `delay` is below 1, `seed` is negative, or `length` is not in 5 .. 20.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.decreasing_triangle()
        >>> len(task.train), len(task.validation), len(task.test), task.train[:1].scored
        (32, 8, 10, 5)

    Source: Viqueira et al., Mach. Learn.: Sci. Technol. 6 (2025), doi 10.1088/2632-2153/ad9431,
    arXiv:2310.20671.
    """
    delay = whole("delay", delay, least=1)
    ahead = 10 * delay
    time = np.linspace(0.0, 100.0 + delay, SAMPLES + ahead)
    series = np.exp(-0.02 * time) * 0.75 * triangle_wave(time / 5.0 + 0.5)
    train, validation, test = (
        last_steps(windows, length)
        for windows in fifty_windows(series[:SAMPLES], series[ahead:], seed=seed)
    )
    return Task(
        name="decreasing_triangle",
        train=train,
        validation=validation,
        test=test,
        series=series[:, None],
        scale=Standardiser.identity(),
        description=f"Triangle of period 5 decaying as exp(-0.02 t), {delay} time units ahead.",
        source="Viqueira et al., doi 10.1088/2632-2153/ad9431, arXiv:2310.20671, task (a).",
        licence="Generated from a formula; no licence needed.",
    )
