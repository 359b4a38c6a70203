"""The cut that all tasks of Viqueira et al. share: fifty windows, eight of them drawn."""

import random

import numpy as np

from ._checks import FloatArray, whole
from .base import Windows
from .windows import washout

SAMPLES = 1000  # input samples, 10 per time unit
LENGTH = 20  # steps in a window
SCORED = 5  # of which the last count
TRAINING_WINDOWS = 40  # of 50; the other 10 are the test
VALIDATION_WINDOWS = 8  # drawn among the 40


def fifty_windows(
    inputs: FloatArray, targets: FloatArray, *, seed: int
) -> tuple[Windows, Windows, Windows]:
    """Train (32), validation (8), test (10) windows of (1000, F) inputs and (1000, O) targets."""
    validation = list(validation_windows(seed))
    cut = (SAMPLES // LENGTH, LENGTH, -1)  # (window, step, column)
    mask = washout(np.ones(cut[:2], dtype=bool), LENGTH - SCORED)
    windows = Windows(inputs.reshape(cut), targets.reshape(cut), mask)
    train = [n for n in range(TRAINING_WINDOWS) if n not in validation]
    return windows[train], windows[validation], windows[TRAINING_WINDOWS:]


def last_steps(windows: Windows, length: int) -> Windows:
    """The same windows, cut to their last steps; those that count are among them."""
    length = whole("length", length, least=SCORED)
    if length > LENGTH:
        raise ValueError(
            f"Argument `length` must be at most the {LENGTH} steps of a window, but is {length}."
        )
    last = slice(-length, None)
    return Windows(windows.inputs[:, last], windows.targets[:, last], windows.mask[:, last])


def validation_windows(seed: int) -> tuple[int, ...]:
    """Which of the first 40 windows Viqueira et al. hold back for validation, in ascending order.

    Python's `random.Random(seed).sample(range(40), 8)`, sorted; the published tasks (a), (b), (c)
    use the seeds 2, 1, 0.

    Raises:
        ValueError: if `seed` is not a whole number of at least 0.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.validation_windows(2)
        (3, 5, 10, 13, 16, 19, 23, 38)
    """
    generator = random.Random(whole("seed", seed, least=0))
    return tuple(sorted(generator.sample(range(TRAINING_WINDOWS), VALIDATION_WINDOWS)))
