"""The triangular wave of Takaki et al. (2021)."""

import numpy as np

from ._checks import FloatArray, real, whole
from ._series import half_and_half
from .base import Task


def triangle(*, steps: int = 200, period: float = 50.0, amplitude: float = 0.5) -> Task:
    """Predict the next value of a triangular wave.

    x_t = amplitude (4 |frac(t / period) - 1/2| - 1): from +amplitude down to -amplitude and back;
    target x_{t+1}; T = `steps` to train, the next T to test.

    Without memory the mean squared error cannot fall far below (4 amplitude / period)^2, which is
    1.6e-3 for the defaults: the two branches move by that much in opposite directions.

    Arguments:
        steps: T, the training steps, and as many test steps.
        period: steps per period, above 0.
        amplitude: in (0, 1]; below 1, since arccos has an infinite slope at 1.

    Returns:
        `train` (1, T, 1); `test` (1, 2T, 1), whose mask scores the second half.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.triangle(period=8)
        >>> task.series[:9, 0].tolist()
        [0.5, 0.25, 0.0, -0.25, -0.5, -0.25, 0.0, 0.25, 0.5]

    Source: Takaki et al., Phys. Rev. A 103, 052414 (2021), arXiv:2012.11242, name the task; the
    lengths and the amplitude are ours.
    """
    steps = whole("steps", steps, least=1)
    period = real("period", period, low=0.0)
    amplitude = real("amplitude", amplitude, low=0.0, high=1.0)
    time = np.arange(2 * steps + 1)
    return half_and_half(
        "triangle",
        amplitude * triangle_wave(time / period),
        description=f"Triangle of amplitude {amplitude:g} and period {period:g}, one step ahead.",
        source="Takaki et al., Phys. Rev. A 103, 052414 (2021), arXiv:2012.11242.",
    )


def triangle_wave(turns: FloatArray) -> FloatArray:
    """The triangle of period 1 that starts at +1, falls to -1 and returns."""
    return 4.0 * np.abs(turns % 1.0 - 0.5) - 1.0
