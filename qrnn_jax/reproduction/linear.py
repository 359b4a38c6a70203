"""The control that most papers leave out: a straight line through the past, left to itself, too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import qrnn_jax as qj


class Forecast(NamedTuple):
    """What a model makes of one long series.

    Arguments:
        name: of the model.
        train: mean squared error on the training steps, given the true past.
        one_step: the same on the test steps.
        values: (N,), the test span predicted freely, each prediction fed back.
        free: mean squared error of the first so many of them.
    """

    name: str
    train: float
    one_step: float
    values: np.ndarray
    free: dict[int, float]


def free_errors(
    task: qj.tasks.Task, values: np.ndarray, spans: tuple[int, ...]
) -> dict[int, float]:
    """Mean squared errors over the first so many free-running predictions of the test span.

    Example:
        >>> import numpy as np, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.linear import free_errors
        >>> task = qj.tasks.cosine(steps=10)
        >>> round(free_errors(task, task.series[11:, 0] + 0.1, (5,))[5], 6)
        0.01
    """
    truth = task.series[-len(values) :, 0]
    return {span: float(np.mean((values - truth)[:span] ** 2)) for span in spans}


def persistence(task: qj.tasks.Task, spans: tuple[int, ...]) -> Forecast:
    """Tomorrow is like today; left to itself, for ever.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.linear import persistence
        >>> round(persistence(qj.tasks.cosine(), (50,)).train, 6)
        0.001971
    """
    errors = (task.train.inputs - task.train.targets)[task.train.mask]
    count = task.test.scored
    values = np.full(count, task.series[-count - 1, 0])
    one_step = qj.tasks.persistence(task).scaled
    free = free_errors(task, values, spans)
    return Forecast("persistence", float(np.mean(errors**2)), one_step, values, free)


def linear_autoregression(task: qj.tasks.Task, order: int, spans: tuple[int, ...]) -> Forecast:
    """x_{t+1} = c + sum_{k < order} w_k x_{t-k}, least squares on the training span (least norm).

    Arguments:
        task: one series, the next value as target.
        order: how many past values.
        spans: see `Forecast`.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.linear import linear_autoregression
        >>> linear_autoregression(qj.tasks.cosine(), 2, (50,)).free[50] < 1e-20
        True
    """
    series, count = task.series[:, 0], task.test.scored
    known = series[: len(series) - count]
    past = sliding_window_view(known[:-1], order)
    system = np.column_stack([past, np.ones(len(past))])
    weights = np.linalg.lstsq(system, known[order:], rcond=None)[0]
    train = float(np.mean((system @ weights - known[order:]) ** 2))
    one_step = qj.tasks.linear_autoregression(task, order=order).scaled
    values = list(known)
    for _ in range(count):
        values.append(float(np.append(values[-order:], 1.0) @ weights))
    predicted = np.array(values[-count:])
    free = free_errors(task, predicted, spans)
    return Forecast(f"linear AR({order})", train, one_step, predicted, free)


def best(forecasts: list[Forecast], measure: str, span: int | None = None) -> tuple[float, str]:
    """The least error among some models, and whose it is.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.linear import best, persistence
        >>> best([persistence(qj.tasks.cosine(), (50,))], "free", 50)[1]
        'persistence'
    """
    errors = [
        (getattr(found, measure) if span is None else found.free[span], found.name)
        for found in forecasts
    ]
    return min(errors)
