"""Task (a) of Viqueira et al.: published streams, training as published, errors, the control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import qrnn_jax as qj
from qrnn_jax.training import predict
from qrnn_jax.validation.experiment import Progress

from .many_seeds import train_many

CELL = qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)
DELAY = 120  # steps from an input to its target
SCORED = 5  # steps at the end of a window of 20
LAGS, RIDGE = 8, 1e-6  # of the control
CONTROL = f"ridge on {LAGS} lags"
SPLITS = ("train", "validation", "test", "fill")
TASK = qj.tasks.decreasing_triangle()
WINDOWS = len(TASK.train)
ADAM = optax.adam(1e-3, b1=0.9, b2=0.99, eps=1e-8)  # PennyLane's beta2, not optax's


class Course(NamedTuple):
    """What training gave after each of C epochs, for L runs.

    Arguments:
        errors: root mean square errors of the splits that were looked at, split -> (C, L).
        params: (C, L, P).
        selected: those of every split at the best epoch, split -> (L,).
    """

    errors: dict[str, np.ndarray]
    params: np.ndarray
    selected: dict[str, np.ndarray]

    @property
    def best(self) -> np.ndarray:
        """The epoch of least validation error, (L,)."""
        return np.argmin(self.errors["validation"], axis=0)


def published_start(seed: int) -> np.ndarray:
    """theta = 2 pi random(P) from NumPy's legacy stream of a seed, the bias 0 in front: (26,).

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import published_start
        >>> published_start(13192)[:3].round(6).tolist()
        [0.0, 5.21979, 4.570835]
    """
    angles = np.random.RandomState(seed).random_sample(CELL.circuit.weight_count)
    return np.concatenate([[0.0], 2 * np.pi * angles])


def published_order(seed: int, epochs: int) -> np.ndarray:
    """The order of the 32 training windows in each epoch, (epochs, 32).

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import published_order
        >>> published_order(13192, 2)[1, :4].tolist()
        [9, 3, 27, 15]
    """
    state = np.random.RandomState(seed)
    return np.stack([state.permutation(WINDOWS) for _ in range(epochs)])


def fill_windows() -> qj.tasks.Windows:
    """Windows every 5 steps whose last 5 steps together fill the test span: the "fill" metric.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import fill_windows
        >>> fill_windows().inputs.shape
        (40, 20, 1)
    """
    length, span = TASK.test.inputs.shape[1], TASK.test.mask.size
    first = len(TASK.series) - DELAY - span - (length - SCORED)
    windows = qj.tasks.sliding_windows(TASK.series[first:], length, horizon=DELAY, stride=SCORED)
    return replace(windows, mask=qj.tasks.washout(windows.mask, length - SCORED))


@cache
def all_windows() -> dict[str, qj.tasks.Windows]:
    """Every split of the task.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import all_windows
        >>> [len(windows) for windows in all_windows().values()]
        [32, 8, 10, 40]
    """
    assert TASK.validation is not None
    return {
        "train": TASK.train,
        "validation": TASK.validation,
        "test": TASK.test,
        "fill": fill_windows(),
    }


def control_errors() -> dict[str, float]:
    """Root mean square errors of a ridge regression on the last 8 inputs, per split.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import control_errors
        >>> round(control_errors()["test"], 4)
        0.0003
    """
    scores = {
        name: qj.tasks.linear_autoregression(replace(TASK, test=windows), order=LAGS, ridge=RIDGE)
        for name, windows in all_windows().items()
    }
    return {name: float(np.sqrt(score.scaled)) for name, score in scores.items()}


def persistence_errors() -> dict[str, float]:
    """Root mean square errors of saying that the target equals the present input, per split.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import persistence_errors
        >>> persistence_errors()["test"] > control_errors()["test"]
        True
    """
    wrong = {
        name: (windows.inputs - windows.targets)[windows.mask]
        for name, windows in all_windows().items()
    }
    return {name: float(np.sqrt(np.mean(errors**2))) for name, errors in wrong.items()}


def window_gradient(params: Array, index: Array) -> Array:
    """The exact gradient of the mean squared error of one training window's last 5 steps.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from qrnn_jax.reproduction.viqueira_task import window_gradient
        >>> jax.eval_shape(window_gradient, jnp.zeros(26), 0).shape
        (26,)
    """
    inputs, targets = (jnp.asarray(part) for part in (TASK.train.inputs, TASK.train.targets))

    def loss(params: Array) -> Array:
        outputs = qj.run(CELL, params, inputs[index], gradient=qj.Backprop())
        return jnp.mean((outputs - targets[index])[-SCORED:] ** 2)

    return jax.grad(loss)(params)


def errors_of(params: Array, splits: tuple[str, ...] = SPLITS) -> dict[str, Array]:
    """Root mean square errors of some splits.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from qrnn_jax.reproduction.viqueira_task import errors_of
        >>> sorted(jax.eval_shape(errors_of, jnp.zeros(26)))
        ['fill', 'test', 'train', 'validation']
    """
    chosen = [all_windows()[name] for name in splits]
    inputs = jnp.asarray(np.concatenate([windows.inputs for windows in chosen]))
    outputs = predict(CELL, params, inputs)[:, -SCORED:]
    errors, first = {}, 0
    for name, windows in zip(splits, chosen):
        wrong = outputs[first : first + len(windows)] - windows.targets[:, -SCORED:]
        errors[name] = jnp.sqrt(jnp.mean(wrong**2))
        first += len(windows)
    return errors


def train_course(
    gradient: Callable[[Array, Any], Array],
    starts: Array,
    batches: Any,
    progress: Progress,
    *,
    looked_at: tuple[str, ...] = ("train", "validation", "test"),
) -> Course:
    """Adam as published; the epoch of least validation error is scored on every split.

    Arguments:
        gradient, starts, batches, progress: as in `train_many`.
        looked_at: the splits whose errors are taken after every epoch.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import train_course
        >>> callable(train_course)  # takes seconds
        True
    """

    def look(params: Array) -> tuple[Array, dict[str, Array]]:
        return params, errors_of(params, looked_at)

    looks = train_many(gradient, look, starts, batches, ADAM, progress)
    params, errors = jax.tree.map(np.asarray, looks)
    course = Course(errors, params, {})
    best = params[course.best, np.arange(len(starts))]
    selected = jax.jit(jax.vmap(errors_of))(best)
    return course._replace(selected=jax.tree.map(np.asarray, selected))


def train_exactly(seeds: tuple[int, ...], epochs: int, progress: Progress) -> Course:
    """Train as published, from the streams of some seeds, with exact gradients.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_task import SPLITS, train_exactly
        >>> callable(train_exactly), SPLITS  # takes seconds
        (True, ('train', 'validation', 'test', 'fill'))
    """
    starts = jnp.stack([jnp.asarray(published_start(seed)) for seed in seeds])
    order = jnp.stack([jnp.asarray(published_order(seed, epochs)) for seed in seeds], axis=-1)
    return train_course(window_gradient, starts, order, progress)
