"""The four series of Siemaszko et al., their windows, and how they batch and forecast them."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import FloatArray, real, whole
from .base import Task, Windows
from .scale import Standardiser
from .triangle import triangle_wave
from .windows import sliding_windows, washout

POINTS, END = 200, 22.0  # the grid


def _bessel(x: FloatArray) -> FloatArray:
    from scipy.special import j0  # slow to import, and JAX brings it

    return j0(x)


FORMULAS: MappingProxyType[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {
        "sine": np.sin,
        "bessel": _bessel,
        "triangle": lambda x: -triangle_wave(x / (2.0 * np.pi)),
        "damped cosine": lambda x: np.exp(-0.1 * x) * np.cos(x),
    }
)


def cv_series(name: str, *, length: int = 4, noise: float = 0.0, seed: int = 0) -> Task:
    """Predict the next point of a smooth series from the last `length` points.

    s_i = f(x_i) + noise (u_i - 1/2), x = linspace(0, 22, 200), u_i uniform in [0, 1); then scaled
    so that the whole series spans [0, 1]. f is sin x, the Bessel function J_0(x), a triangle of
    period 2 pi that rises from -1, or exp(-0.1 x) cos x.

    Window i holds s_i, ..., s_{i+length-1}; its last target, s_{i+length}, alone counts. With
    `length=4` windows 0 to 97 are for training and 98 to 194 are the test. The paper calls these 97
    its validation, but chooses nothing by them. The scale is taken from the whole series, test
    included, as in the published program.

    **A linear model wins.** Sine and damped cosine obey s_{i+1} = a s_i + b s_{i-1} + c exactly,
    and the other two nearly: `linear_autoregression(task, order=4)` is the error to beat, and a
    Gaussian quantum network, being linear itself, cannot beat it in training.

    Arguments:
        name: "sine", "bessel", "triangle" or "damped cosine".
        length: T, points in a window; the paper varies it from 2 to 20 (even).
        noise: eps, the width of the noise, at least 0.
        seed: of the noise.

    Returns:
        `train` (98, 4, 1), `test` (97, 4, 1), in the scaled units of `series`; for other lengths
        (200 - length) / 2 windows, rounded down, and one fewer.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.cv_series("bessel")
        >>> task.train.inputs.shape, task.test.inputs.shape, task.train.scored
        ((98, 4, 1), (97, 4, 1), 98)
        >>> tasks.linear_autoregression(task, order=4).scaled < 1e-11
        True
        >>> round(tasks.persistence(task).scaled, 6)
        0.000136

    Source: Siemaszko et al., Quantum Mach. Intell. 5 (2023), doi 10.1007/s42484-023-00117-0,
    arXiv:2207.00378, and the published program.
    """
    if name not in FORMULAS:
        raise ValueError(
            f"Argument `name` must be one of {', '.join(FORMULAS)}, but it is {name!r}; try 'sine'."
        )
    length = whole("length", length, least=1)
    if length > POINTS - 4:
        raise ValueError(
            f"Argument `length` must be at most {POINTS - 4}, to leave a window for each split, "
            f"but it is {length}; try `length=4`."
        )
    noise = real("noise", noise, low=0.0, closed=True)
    generator = np.random.default_rng(whole("seed", seed, least=0))
    values = FORMULAS[name](np.linspace(0.0, END, POINTS))
    values = values + noise * (generator.random(POINTS) - 0.5)
    series = (values - values.min()) / (values.max() - values.min())
    windows = sliding_windows(series, length)
    windows = replace(windows, mask=washout(windows.mask, length - 1))
    half = len(windows) // 2
    return Task(
        name=name,
        train=windows[:half],
        validation=None,
        test=windows[half : 2 * half - 1],
        series=series[:, None],
        scale=Standardiser.identity(),
        description=f"The series {name!r} on 200 points of [0, 22], one step ahead from {length}.",
        source="Siemaszko et al., doi 10.1007/s42484-023-00117-0, arXiv:2207.00378.",
        licence="Generated from a formula; no licence needed.",
    )


def fixed_batches(count: int, *, size: int = 10, seed: int = 0) -> NDArray[np.intp]:
    """Which windows make which batch: shuffled once, cut, and the same in every epoch.

    What does not fill a batch is left out of training, as in the published program: 9 batches of 10
    from 98 windows leave 8.

    Arguments:
        count: windows, at least `size`.
        size: windows of a batch.
        seed: of the one shuffle.

    Returns:
        (batches, size) indices.

    Raises:
        ValueError: if `count` is below `size`.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.fixed_batches(98).shape
        (9, 10)
    """
    size = whole("size", size, least=1)
    count = whole("count", count, least=size)
    order = np.random.default_rng(whole("seed", seed, least=0)).permutation(count)
    return order[: count - count % size].reshape(-1, size)


def sliding_forecast(
    predict: Callable[[FloatArray], ArrayLike],
    series: ArrayLike,
    *,
    length: int = 4,
    start: int = 90,
    steps: int = 110,
) -> FloatArray:
    """Go on alone: each prediction joins the window from which the next one is made.

    s^_{start+k} = predict(the last `length` values), true ones before `start` and predicted ones
    from there on; the model starts afresh in every window. Where a model carries its state on
    instead, use `qrnn_jax.forecast`.

    Arguments:
        predict: from a window (length, F) to the next value (F,).
        series: (S, F), or (S,) for one feature, whose values before `start` are used.
        length: values of a window.
        start: the first predicted place, at least `length` and at most S.
        steps: how many values to predict.

    Returns:
        (steps, F).

    Raises:
        ValueError: if `start` leaves no full window before it.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.sliding_forecast(lambda window: 2 * window[-1] - window[-2], [1, 2, 3],
        ...                        length=2, start=3, steps=3)[:, 0].tolist()
        [4.0, 5.0, 6.0]
    """
    values = np.asarray(series, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    length, steps = whole("length", length, least=1), whole("steps", steps, least=1)
    if not length <= whole("start", start, least=1) <= len(values):
        raise ValueError(
            f"Argument `start` must lie between `length`, {length}, and the {len(values)} values "
            f"of the series, but it is {start}; try `start={length}`."
        )
    path = np.concatenate([values[start - length : start], np.zeros((steps, values.shape[1]))])
    for k in range(steps):
        path[length + k] = np.asarray(predict(path[k : k + length]))
    return path[length:]


def naive_as_coded(task: Task, batches: NDArray[np.intp]) -> float:
    """The "naive" error as the published program computes it: do not use it to judge a model.

    It compares the last input with *all* targets of a window, and adds batch means of the training
    part to window means of the test before dividing by their number, so that a training window
    weighs a tenth of a test window. `persistence(task)` is the honest value.

    Arguments:
        task: of `cv_series`.
        batches: of `fixed_batches`.

    Returns:
        (sum over batches of the batch mean + sum over test windows of the window mean) /
        (batches + test windows), where the mean is of (s_{i+T-1} - s_{i+k})^2 over k = 1..T.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.cv_series("sine")
        >>> naive = tasks.naive_as_coded(task, tasks.fixed_batches(98))
        >>> honest = tasks.persistence(task).scaled
        >>> naive > 1.4 * honest
        True
    """
    trained = _last_input_error(task.train)[batches].mean(axis=1)  # (batches,)
    tested = _last_input_error(task.test)
    return float(np.concatenate([trained, tested]).mean())


def _last_input_error(windows: Windows) -> FloatArray:
    """(N,): the mean square of last input minus target, over all steps of a window."""
    return np.mean((windows.inputs[:, -1:] - windows.targets) ** 2, axis=(1, 2))
