"""One long series: learn its first half step by step, be tested on the second."""

from dataclasses import replace

import numpy as np

from ._checks import FloatArray
from .base import Task
from .scale import Standardiser
from .windows import sliding_windows, washout


def half_and_half(name: str, series: FloatArray, *, description: str, source: str) -> Task:
    """Train on the first half of a series, score the second; the target is the next value.

    The one test window holds the whole series and its mask scores the second half alone, so that a
    model arrives there with the memory of the true past, as when its state is carried over.
    """
    steps = (len(series) - 1) // 2
    whole_series = sliding_windows(series, 2 * steps)
    scored = washout(whole_series.mask, steps)
    return Task(
        name=name,
        train=sliding_windows(series[: steps + 1], steps),
        validation=None,
        test=replace(whole_series, mask=scored),
        series=np.reshape(series, (-1, 1)),
        scale=Standardiser.identity(),
        description=description,
        source=source,
        licence="Generated from a formula; no licence needed.",
    )
