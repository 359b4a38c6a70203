"""The cosine wave of Takaki et al. (2021): the smallest task that needs a memory."""

import numpy as np

from ._checks import real, whole
from ._series import half_and_half
from .base import Task


def cosine(*, steps: int = 200, period: float = 50.0, amplitude: float = 0.5) -> Task:
    """Predict the next value of a cosine wave.

    x_t = amplitude cos(2 pi t / period), target x_{t+1}; T = `steps` to train, the next T to test.

    Without memory, rising and falling branches look alike: no function of x_t alone has a mean
    squared error below amplitude^2 sin^2(2 pi / period) / 2, which is 1.964e-3 for the defaults.
    With two past values the wave is exactly linear, x_{t+1} = 2 cos(2 pi / period) x_t - x_{t-1}.

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
        >>> task = tasks.cosine()
        >>> task.train.inputs.shape, task.test.inputs.shape, task.test.scored
        ((1, 200, 1), (1, 400, 1), 200)

    Source: Takaki et al., Phys. Rev. A 103, 052414 (2021), arXiv:2012.11242, name the task; the
    lengths and the amplitude are ours.
    """
    steps = whole("steps", steps, least=1)
    period = real("period", period, low=0.0)
    amplitude = real("amplitude", amplitude, low=0.0, high=1.0)
    time = np.arange(2 * steps + 1)
    return half_and_half(
        "cosine",
        amplitude * np.cos(2.0 * np.pi * time / period),
        description=f"Cosine of amplitude {amplitude:g} and period {period:g}, one step ahead.",
        source="Takaki et al., Phys. Rev. A 103, 052414 (2021), arXiv:2012.11242.",
    )
