"""What a model must beat: yesterday's value, a straight line through the past, the mean."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from ._checks import FloatArray, real, whole
from .base import Task, Windows


@dataclass(frozen=True)
class Score:
    """A mean squared error over the scored test steps, in scaled and in original units.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.Score(scaled=0.01, original=100.0).original
        100.0
    """

    scaled: float
    original: float


def score(task: Task, predictions: ArrayLike) -> Score:
    """The mean squared error of a model's predictions on the test windows.

    mean over scored steps and outputs of (prediction - target)^2; divided by slope^2 for original
    units.

    Arguments:
        task: whose `test` windows were predicted.
        predictions: (N, T, O) in scaled units; what stands at steps that do not count is ignored.

    Raises:
        ValueError: if the shape is not that of `task.test.targets`.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.cosine()
        >>> tasks.score(task, task.test.targets + 0.1).scaled.__round__(12)
        0.01
    """
    guesses = np.asarray(predictions, dtype=np.float64)
    if guesses.shape != task.test.targets.shape:
        raise ValueError(
            f"Argument `predictions` must have the shape of the test targets, "
            f"{task.test.targets.shape}, but it has {guesses.shape}; try predicting from "
            "`task.test.inputs`."
        )
    errors = (guesses - task.test.targets)[task.test.mask]
    scaled = float(np.mean(errors**2))
    return Score(scaled=scaled, original=scaled / task.scale.slope**2)


def persistence(task: Task) -> Score:
    """The error of saying that the target equals the input of the same step.

    prediction_t = x_t: tomorrow will be like today.

    Raises:
        ValueError: if features and outputs differ in number.

    Example:
        >>> from qrnn_jax import tasks
        >>> round(tasks.persistence(tasks.sunspots()).original)
        1117
    """
    features, outputs = task.test.inputs.shape[2], task.test.targets.shape[2]
    if features != outputs:
        raise ValueError(
            f"Argument `task` must have as many features as outputs for persistence, but it has "
            f"{features} and {outputs}; try `linear_autoregression`."
        )
    return score(task, task.test.inputs)


def variance(task: Task) -> Score:
    """The variance of the scored test targets: the error of their own mean.

    mean (target - mean target)^2, per output. A model with this error has learnt nothing.

    Example:
        >>> from qrnn_jax import tasks
        >>> round(tasks.variance(tasks.cosine()).scaled, 12)
        0.125
    """
    mean = task.test.targets[task.test.mask].mean(axis=0)
    return score(task, np.broadcast_to(mean, task.test.targets.shape))


def linear_autoregression(task: Task, *, order: int, ridge: float = 0.0) -> Score:
    """The error of the best linear model of the last `order` inputs, fitted on `task.train`.

    prediction_t = c + sum_{k < order} W_k x_{t-k}, where (c, W) minimise
    sum (prediction - target)^2 + ridge |W|^2 over the scored training steps that have `order`
    inputs in their window (closed form; the least norm where several do).

    Arguments:
        task: fitted on `train`, scored on `test`.
        order: how many past inputs, the present one included.
        ridge: penalty on the weights, at least 0, in squared scaled units.

    Raises:
        ValueError: if a scored test step has fewer than `order` inputs in its window, or no
            training step has as many.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.linear_autoregression(tasks.cosine(), order=2).scaled < 1e-24
        True
        >>> round(tasks.linear_autoregression(tasks.sunspots(), order=16).original)
        415
    """
    order = whole("order", order, least=1)
    ridge = real("ridge", ridge, low=0.0, closed=True)
    for name, windows in (("training", task.train), ("test", task.test)):
        _check_order(order, windows, every=name == "test", name=name)
    weights = _fit(task.train, order, ridge)
    predictions = np.zeros(task.test.targets.shape)
    predictions[:, order - 1 :] = _past(task.test, order) @ weights
    return score(task, predictions)


def _fit(windows: Windows, order: int, ridge: float) -> FloatArray:
    """The weights (order F + 1, O), the constant last, by least squares on an extended system."""
    scored = windows.mask[:, order - 1 :]
    past = _past(windows, order)[scored]  # (steps, order F + 1)
    targets = windows.targets[:, order - 1 :][scored]  # (steps, O)
    penalty = np.sqrt(ridge) * np.eye(past.shape[1])[:-1]  # the constant is free
    system = np.concatenate([past, penalty])
    wanted = np.concatenate([targets, np.zeros((len(penalty), targets.shape[1]))])
    return np.linalg.lstsq(system, wanted, rcond=None)[0]


def _past(windows: Windows, order: int) -> FloatArray:
    """The last `order` inputs and a 1, for steps t >= order - 1: (N, T - order + 1, columns)."""
    views = sliding_window_view(windows.inputs, order, axis=1)  # (N, T', F, order)
    flat = views.reshape(*views.shape[:2], -1)
    return np.concatenate([flat, np.ones((*flat.shape[:2], 1))], axis=2)


def _check_order(order: int, windows: Windows, *, every: bool, name: str) -> None:
    """Every scored step (or at least one) must have `order` inputs in its window."""
    scored = np.flatnonzero(windows.mask.any(axis=0))
    available = int(scored[0] if every else scored[-1]) + 1
    if order > available:
        raise ValueError(
            f"Argument `order` must be at most {available}, the inputs that a scored {name} step "
            f"has in its window, but it is {order}; try `order={available}` or longer windows."
        )
