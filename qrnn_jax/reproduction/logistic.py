"""The logistic regression that stands beside networks on pictures of two digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
STEPS = 40  # of Newton's method: enough for digits that a line can tell apart, at the least ridge


def logistic_regression(inputs: FloatArray, labels: NDArray, ridge: float) -> FloatArray:
    """Weights of the likeliest line between two classes, by Newton's method.

    Equation: minimises sum_n [log(1 + e^z_n) - y_n z_n] + (ridge / 2) |w|^2, z = X w + b, by
    w <- w - H^-1 g, g = X^T (p - y) + ridge w, H = X^T diag(p (1 - p)) X + ridge; b is free.

    Arguments:
        inputs: X, (N, P).
        labels: y, (N,), 0 or 1.
        ridge: above 0: without one, classes that a line can tell apart have no best weights.

    Returns:
        (P + 1,), w and then b; see `logits`.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.reproduction.logistic import logistic_regression
        >>> logistic_regression(np.array([[0.0], [1.0]]), np.array([0, 1]), 1.0).round(2).tolist()
        [0.44, -0.22]
    """
    columns = np.column_stack([inputs, np.ones(len(inputs))])
    ridges = np.diag([ridge] * inputs.shape[1] + [0.0])
    weights = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-columns @ weights))
        slope = columns.T @ (chances - labels) + ridges @ weights
        curvature = (columns.T * (chances * (1 - chances))) @ columns + ridges
        weights = weights - np.linalg.solve(curvature, slope)
    return weights


def logits(weights: FloatArray, inputs: FloatArray) -> FloatArray:
    """z = X w + b, (N,); class 1 has the probability 1 / (1 + e^-z).

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.reproduction.logistic import logits
        >>> logits(np.array([2.0, -1.0]), np.array([[0.0], [1.0]])).tolist()
        [-1.0, 1.0]
    """
    return inputs @ weights[:-1] + weights[-1]
