"""What the training error has to be compared with: nothing, a constant, a straight line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import qrnn_jax as qj

LAGS, RIDGE = 8, 1e-6


class Yardsticks(NamedTuple):
    """Mean squared errors on the training windows, in the units of the model.

    Arguments:
        errors: "zero", "constant" (the best one) and "ridge" -> error.
        lags: how many inputs the ridge regression sees.

    Example:
        >>> from qrnn_jax.training.yardsticks import Yardsticks
        >>> Yardsticks._fields
        ('errors', 'lags')
    """

    errors: dict[str, float]
    lags: int


def yardsticks(windows: qj.tasks.Windows) -> Yardsticks:
    """Three predictors without a quantum computer, fitted and judged on the same windows.

    Equation: zero: 0. constant: the mean target, per output. ridge: b + sum_j A_j x_{t-j} over the
    last inputs, minimising sum (error)^2 + 1e-6 n |A|^2.

    Arguments:
        windows: with at least one step that counts.

    Example:
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.yardsticks import yardsticks
        >>> found = yardsticks(tasks.decreasing_triangle().train)
        >>> found.lags, {name: round(error, 6) for name, error in found.errors.items()}
        (8, {'zero': 0.031122, 'constant': 0.030264, 'ridge': 0.0})
    """
    targets = windows.targets[windows.mask]  # (n, O)
    lags = min(LAGS, int(np.flatnonzero(windows.mask.any(axis=0))[0]) + 1)
    past = sliding_window_view(windows.inputs, lags, axis=1)  # (N, T - lags + 1, F, lags)
    seen = past[windows.mask[:, lags - 1 :]].reshape(len(targets), -1)
    mean, middle = targets.mean(axis=0), seen.mean(axis=0)
    moved = seen - middle
    gram = moved.T @ moved + RIDGE * len(targets) * np.eye(moved.shape[1])
    guess = mean + moved @ np.linalg.solve(gram, moved.T @ (targets - mean))
    guesses = {"zero": 0 * targets, "constant": mean + 0 * targets, "ridge": guess}
    errors = {name: float(np.mean((made - targets) ** 2)) for name, made in guesses.items()}
    return Yardsticks(errors, lags)
