"""Two small forecasting tasks for the training experiment: a sine and NARMA-5."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import qrnn_jax as qj

PERIOD = np.sqrt(107)  # of the sine, in steps: irrational, so that no window comes twice
WINDOWS = 40  # to train, and as many to test
TASKS = ("sine", "NARMA-5")


class Split(NamedTuple):
    """Windows of one task.

    Arguments:
        inputs: (2, N, T), to train and to test, radians.
        targets: (2, N, W), of the last W steps.
    """

    inputs: np.ndarray
    targets: np.ndarray


def narma5(inputs: np.ndarray) -> np.ndarray:
    """The nonlinear autoregressive moving average of order 5.

    Equation: y_{t+1} = 0.3 y_t + 0.05 y_t sum_{i=0}^{4} y_{t-i} + 1.5 u_{t-4} u_t + 0.1, y = 0
    before.

    Arguments:
        inputs: (S,), u in [0, 0.5].

    Returns:
        (S,), y_1 .. y_S: the answer to each input.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.validation.training_windows import narma5
        >>> narma5(np.zeros(2)).round(4).tolist()
        [0.1, 0.1305]

    Source: Atiya and Parlos, IEEE Trans. Neural Netw. 11, 697 (2000), with order 10 there.
    """
    past = np.zeros(5)  # y_{t-4} .. y_t
    delayed = np.concatenate([np.zeros(4), inputs])
    answers = []
    for now, before in zip(inputs, delayed):
        value = 0.3 * past[-1] + 0.05 * past[-1] * past.sum() + 1.5 * before * now + 0.1
        past = np.append(past[1:], value)
        answers.append(value)
    return np.array(answers)


def training_windows(task: str, steps: int, scored: int, seed: int = 0) -> Split:
    """Disjoint windows, half to train, half to test; targets have a standard deviation near 0.4.

    Sine: x_t in [-1, 1], target 0.6 x_{t+1}. NARMA-5: x_t = 4 u_t - 1 with u_t uniform in [0, 0.5],
    target the standardised y_{t+1}.

    Arguments:
        task: "sine" or "NARMA-5".
        steps: T.
        scored: W.
        seed: of NumPy's `default_rng`.

    Returns:
        A `Split`.

    Example:
        >>> from qrnn_jax.validation.training_windows import training_windows
        >>> training_windows("sine", 8, 2).targets.shape
        (2, 40, 2)
    """
    rng = np.random.default_rng(seed)
    count = 2 * WINDOWS * steps
    if task == "sine":
        series = np.sin(2 * np.pi * (np.arange(count + 1) / PERIOD + rng.uniform()))
        inputs, answers = series[:-1], 0.6 * series[1:]
    else:
        drive = rng.uniform(0, 0.5, count + 20)
        answers = narma5(drive)[20:]
        inputs, answers = 4 * drive[20:] - 1, 0.4 * (answers - answers.mean()) / answers.std()
    both = [
        qj.tasks.sliding_windows(np.append(values, 0.0), steps, stride=steps).inputs[..., 0]
        for values in (inputs, answers)
    ]
    xs, ys = (values.reshape(2, WINDOWS, steps) for values in both)
    return Split(xs, ys[..., steps - scored :])
