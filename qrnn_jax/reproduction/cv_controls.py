"""What the continuous-variable network must be compared with: linear filters, small networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

import qrnn_jax as qj
from qrnn_jax import baselines
from qrnn_jax.validation.experiment import Progress, Table

from .cv_training import Course, lanes, train_epochs

ORDER = 4
CLOSED = "linear AR(4), closed form"
BY_ADAM = "linear AR(4), same Adam"
DOUBLED = "the same, started from twice the last value"


class Linear(NamedTuple):
    """A straight line through a window, and its mean squared errors.

    Arguments:
        weights: (order + 1,), oldest input first, the constant last.
        train, test: on all training windows, on all others.
    """

    weights: NDArray[np.float64]
    train: float
    test: float


def least_squares(task: qj.tasks.Task, order: int = ORDER) -> Linear:
    """The best linear filter of the last `order` inputs: no Gaussian network trains below it.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_controls import least_squares
        >>> least_squares(qj.tasks.cv_series("sine")).train < 1e-28
        True
        >>> round(least_squares(qj.tasks.cv_series("triangle")).train, 6)
        7.3e-05
    """
    (system, targets), (others, wanted) = (
        (_system(windows.inputs[..., 0], order), windows.targets[:, -1, 0])
        for windows in (task.train, task.test)
    )
    weights = np.linalg.lstsq(system, targets, rcond=None)[0]
    train = float(np.mean((system @ weights - targets) ** 2))
    return Linear(weights, train, float(np.mean((others @ weights - wanted) ** 2)))


def _system(inputs: NDArray, order: int) -> NDArray:
    return np.column_stack([inputs[:, -order:], np.ones(len(inputs))])


def linear_output(weights: Array, past: Array) -> Array:
    """w . x + b for weights (T + 1,) and past values (..., T).

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.reproduction.cv_controls import linear_output
        >>> float(linear_output(jnp.array([0.0, 1.0, 0.5]), jnp.array([3.0, 4.0])))
        4.5
    """
    return past @ weights[:-1] + weights[-1]


def linear_by_adam(
    tasks: Sequence[qj.tasks.Task], epochs: int, progress: Progress, *, copies: float = 1.0
) -> Course:
    """AR(4), one run per task: the quantum network's optimiser and batches. Nothing is drawn.

    Arguments:
        tasks, epochs, progress: as in `train_series`.
        copies: training starts from this many times the last value; the quantum network starts near
            twice, since a displacement by x moves <x> by 2 x.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_controls import linear_by_adam
        >>> course = linear_by_adam([qj.tasks.cv_series("sine")], 5, lambda fraction, text: None)
        >>> bool(course.losses[4, 0] < 1e-3)
        True
    """

    def loss(weights: Array, inputs: Array, targets: Array, key: Array) -> tuple[Array, Array]:
        del key
        error = jnp.mean((linear_output(weights, inputs[..., 0]) - targets) ** 2)
        return error, error

    batches = lanes(tasks, 1)
    length = batches[0].shape[3]
    starts = jnp.zeros((len(tasks), length + 1)).at[:, length - 1].set(copies)
    key = jax.random.key(0)
    return train_epochs(loss, starts, batches, epochs=epochs, key=key, progress=progress)


def network_courses(
    network: baselines.Network,
    tasks: Sequence[qj.tasks.Task],
    seeds: int,
    epochs: int,
    told: Callable[[str], None],
) -> Course:
    """A classical network by Adam 0.01, batches of 10 in a new order each epoch, as published.

    Returns:
        A `Course` of the runs (task, seed), `params` after the last epoch only, leaves (1, L, ...).

    Example:
        >>> from qrnn_jax.reproduction.cv_controls import network_courses
        >>> callable(network_courses)  # takes seconds
        True
    """
    found = []
    for place, task in enumerate(tasks):
        told(f"{network.kind}, {task.name}")
        data = baselines.examples(task.train), baselines.examples(task.test)
        key = jax.random.key(place)
        found.append(baselines.train_baseline(network, *data, epochs=epochs, key=key, seeds=seeds))
    losses = np.concatenate([one.epoch_losses for one in found]).T
    params = jax.tree.map(lambda *p: jnp.concatenate(p)[None], *(one.params for one in found))
    return Course(np.asarray(losses), params, float("nan"))


def network_output(network: baselines.Network) -> Callable[[Any, Array], Array]:
    """(params of L runs, windows (L, T)) -> the last outputs (L,).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from qrnn_jax import baselines
        >>> from qrnn_jax.reproduction.cv_controls import network_output
        >>> network = baselines.Network("rnn", features=1, hidden=2, outputs=1)
        >>> params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 3))
        >>> network_output(network)(params, jnp.zeros((3, 4))).shape
        (3,)
    """

    def last(params: Any, past: Array) -> Array:
        return partial(network, params)(past[:, None])[-1, 0]

    return jax.vmap(last)


def closed_table(tasks: Sequence[qj.tasks.Task]) -> Table:
    """Copying and lines in closed form, training and test errors of each series.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_controls import closed_table
        >>> table = closed_table([qj.tasks.cv_series("sine")])
        >>> table.rows[0][0], round(table.rows[0][2], 5), round(table.rows[0][3], 5)
        ('sine', 0.00146, 0.00154)
    """
    rows = []
    for task in tasks:
        lines = [least_squares(task, order) for order in (2, ORDER)]
        copied = np.mean((task.train.inputs - task.train.targets)[task.train.mask] ** 2)
        batches = qj.tasks.fixed_batches(len(task.train))
        naive = (qj.tasks.naive_as_coded(task, batches), float(copied))
        tested = qj.tasks.persistence(task).scaled
        rows.append((task.name, *naive, tested, *(e for line in lines for e in line[1:])))
    header = ("series", "naive, as coded", "naive, train", "naive, test", "AR(2), train",
              "AR(2), test", "AR(4), train", "AR(4), test")  # fmt: skip
    note = (
        "Mean squared errors. Naive copies the last value; as coded, it is compared with all four "
        "targets of a window and a training window weighs a tenth of a test window. AR: least "
        "squares with a constant. No Gaussian network trains below AR(4)."
    )
    return Table("Controls in closed form", header, tuple(rows), note)
