"""The law of a count, so that biases can be summed instead of drawn."""

from __future__ import annotations

from math import lgamma

import numpy as np


def binomial(shots: int, chance: float) -> np.ndarray:
    """The probabilities of 0 .. S successes in S shots, (S + 1,).

    Arguments:
        shots: S.
        chance: of a success, in (0, 1).

    Example:
        >>> from qrnn_jax.validation.binomial import binomial
        >>> binomial(2, 0.5).round(6).tolist()
        [0.25, 0.5, 0.25]
    """
    counts = np.arange(shots + 1)
    logs = np.array([lgamma(shots + 1) - lgamma(k + 1) - lgamma(shots - k + 1) for k in counts])
    return np.exp(logs + counts * np.log(chance) + (shots - counts) * np.log1p(-chance))
