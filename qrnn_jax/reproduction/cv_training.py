"""Many runs of the continuous-variable network at once, trained as the published program does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from numpy.typing import ArrayLike, NDArray

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Progress
from qrnn_jax.validation.quick_jit import quick_jit

SERIES = ("sine", "bessel", "triangle", "damped cosine")
MODES = ("sampled", "averaged", "expected")  # how the homodyne outcomes enter the loss
RATE = 0.01
FREE, FREE_START = 110, 90  # the published forecast: so many points, from this one on

# (params, inputs (B, T, 1), targets (B,), key) -> what is minimised, what is reported
Loss = Callable[[Any, Array, Array, Array], tuple[Array, Array]]


class Course(NamedTuple):
    """How L runs went.

    Arguments:
        losses: (epochs, L), the running mean over the updates of an epoch.
        params: after each epoch, leaves (epochs, L, ...).
        seconds: with compilation.
    """

    losses: NDArray[np.float64]
    params: Any
    seconds: float

    def after(self, epoch: int) -> Any:
        """The parameters after an epoch, counted from 1: leaves (L, ...)."""
        return jax.tree.map(lambda leaf: leaf[epoch - 1], self.params)


def train_epochs(
    loss: Loss,
    starts: Any,
    batches: tuple[Array, Array],
    *,
    epochs: int,
    key: Array,
    progress: Progress,
    rate: ArrayLike = RATE,
    compiler: Callable[..., Any] = quick_jit,
) -> Course:
    """Adam with Keras's constants (0.9, 0.999, 1e-7), the same batches in every epoch.

    Equation: params <- params - rate adam(d loss(params, batch, fresh key) / d params).

    Arguments:
        loss: of one run and one batch, traceable.
        starts: where L runs begin, leaves (L, ...).
        batches: inputs (L, U, B, T, 1) and targets (L, U, B): U updates of B windows.
        epochs: 1 or more.
        key: of all draws; each update of each run has its own.
        progress: is told the fraction done, and may raise to stop.
        rate: a number, or one per run, (L,).
        compiler: `jax.jit` where a run takes longer than compiling.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from qrnn_jax.reproduction.cv_training import train_epochs
        >>> def loss(w, inputs, targets, key):
        ...     error = jnp.mean((w * inputs[:, -1, 0] - targets) ** 2)
        ...     return error, error
        >>> batches = jnp.ones((2, 9, 10, 4, 1)), jnp.ones((2, 9, 10))
        >>> course = train_epochs(loss, jnp.zeros(2), batches, epochs=30, key=jax.random.key(0),
        ...                       progress=lambda fraction, text: None)
        >>> course.losses.shape, bool((abs(course.after(30) - 1) < 0.1).all())
        ((30, 2), True)
    """
    adam = optax.scale_by_adam(eps=1e-7)

    def epoch(carry: Any, batches: Any, rate: Array, key: Array) -> tuple[Any, Array]:
        def update(carry: Any, batch: Any) -> tuple[Any, Array]:
            params, state = carry
            slope, told = jax.grad(loss, has_aux=True)(params, *batch)
            change, state = adam.update(slope, state)
            return (jax.tree.map(lambda p, c: p - rate * c, params, change), state), told

        keys = jax.random.split(key, len(batches[1]))
        carry, told = lax.scan(update, carry, (*batches, keys))
        return carry, jnp.mean(told)

    begun, play = time.perf_counter(), compiler(jax.vmap(epoch))
    lanes = len(batches[1])
    rates = jnp.broadcast_to(jnp.asarray(rate, float), (lanes,))
    carry = (starts, jax.vmap(adam.init)(starts))
    losses, params = [], []
    for number in range(epochs):
        progress(number / epochs, f"epoch {number} of {epochs}")
        keys = jax.random.split(jax.random.fold_in(key, number), lanes)
        carry, told = play(carry, batches, rates, keys)
        losses.append(np.asarray(told))
        params.append(carry[0])
    seconds = time.perf_counter() - begun
    return Course(np.array(losses), jax.tree.map(lambda *p: jnp.stack(p), *params), seconds)


def squared_loss(
    cell: qj.cells.CVQRNN,
    mode: str,
    engine: qj.AbstractEngine | None = None,
    penalty: float = 0.0,
) -> Loss:
    """The mean squared error of the last outputs; to be minimised is it + penalty (1 - trace)^2.

    Arguments:
        cell: its own `homodyne` does not matter.
        mode: "sampled", each run with outcomes of its own, as published; "averaged" over outcomes
            before squaring; "expected", the closed form of the first one's mean.
        engine: as in `run`; "expected" is always Gaussian.
        penalty: on what a cutoff loses from the mean trace of the last step.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_training import squared_loss
        >>> cell = qj.cells.CVQRNN()
        >>> key, inputs, targets = jax.random.key(0), jnp.full((5, 4, 1), 0.3), jnp.full(5, 0.6)
        >>> bool(squared_loss(cell, "sampled")(cell.init(key), inputs, targets, key)[1] < 0.02)
        True
    """
    if mode == "expected":

        def closed(params: Any, inputs: Array, targets: Array, key: Array) -> tuple[Array, Array]:
            del key
            value = qj.cells.expected_loss(cell, params, inputs, targets)
            return value, value

        return closed
    alike = replace(cell, homodyne=mode)

    def loss(params: Any, inputs: Array, targets: Array, key: Array) -> tuple[Array, Array]:
        outputs, drift = play_windows(alike, params, inputs, key, engine)
        error = jnp.mean((outputs - targets) ** 2)
        return error + penalty * jnp.mean(drift) ** 2, error

    return loss


def play_windows(
    cell: qj.cells.CVQRNN,
    params: Any,
    inputs: Array,
    key: Array,
    engine: qj.AbstractEngine | None = None,
) -> tuple[Array, Array]:
    """The last output of each window, and 1 - trace of its last state: (B,), (B,).

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_training import play_windows
        >>> cell, key = qj.cells.CVQRNN(), jax.random.key(0)
        >>> play_windows(cell, cell.init(key), jnp.zeros((5, 4, 1)), key)[0].shape
        (5,)
    """
    if cell.homodyne == "sampled":
        draws = jax.random.normal(key, (*inputs.shape[:2], cell.io), inputs.dtype)
        inputs = jnp.concatenate([inputs, draws], axis=2)
    result = jax.vmap(partial(qj.simulate, cell, params, engine=engine))(inputs)
    assert result.drift is not None  # an exact run
    return result.outputs[:, -1, 0], result.drift


def lanes(tasks: Sequence[qj.tasks.Task], seeds: int) -> tuple[Array, Array]:
    """The fixed training batches of each task, once per seed: runs in the order (task, seed).

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_training import lanes
        >>> inputs, targets = lanes([qj.tasks.cv_series("sine")], 5)
        >>> inputs.shape, targets.shape
        ((5, 9, 10, 4, 1), (5, 9, 10))
    """
    rows = [qj.tasks.fixed_batches(len(task.train)) for task in tasks]
    inputs = np.stack([task.train.inputs[batches] for task, batches in zip(tasks, rows)])
    targets = np.stack([task.train.targets[b, -1, 0] for task, b in zip(tasks, rows)])
    return jnp.asarray(np.repeat(inputs, seeds, 0)), jnp.asarray(np.repeat(targets, seeds, 0))


def train_series(
    cell: qj.cells.CVQRNN,
    tasks: Sequence[qj.tasks.Task],
    seeds: int,
    epochs: int,
    progress: Progress,
    *,
    mode: str = "sampled",
    first: int = 0,
    engine: qj.AbstractEngine | None = None,
    penalty: float = 0.0,
    compiler: Callable[..., Any] = quick_jit,
) -> Course:
    """All tasks from all seeds in one program; a seed starts alike for all tasks and modes.

    Arguments:
        cell, mode, engine, penalty: as in `squared_loss`.
        tasks: series with windows of equal length.
        seeds, first: the seeds are first, first + 1, ...
        epochs, progress, compiler: as in `train_epochs`.

    Example:
        >>> from qrnn_jax.reproduction.cv_training import MODES, train_series
        >>> callable(train_series), MODES[0]  # takes seconds
        (True, 'sampled')
    """
    keys = [jax.random.key(first + seed) for _ in tasks for seed in range(seeds)]
    starts = jax.vmap(cell.init)(jnp.stack(keys))
    loss = squared_loss(cell, mode, engine, penalty)
    key = jax.random.fold_in(jax.random.key(first), len(keys))
    return train_epochs(loss, starts, lanes(tasks, seeds), epochs=epochs, key=key,
                        progress=progress, compiler=compiler)  # fmt: skip


def mean_outputs(cell: qj.cells.CVQRNN, params: Array, inputs: Array) -> Array:
    """The last outputs, averaged over outcomes, of L runs on windows of their own: (L, N).

    Arguments:
        cell: its own `homodyne` does not matter.
        params: (L, P).
        inputs: (L, N, T, 1).

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_training import mean_outputs
        >>> cell = qj.cells.CVQRNN()
        >>> params = jax.vmap(cell.init)(jax.random.split(jax.random.key(0), 2))
        >>> mean_outputs(cell, params, jnp.zeros((2, 7, 4, 1))).shape
        (2, 7)
    """
    return _mean_outputs(replace(cell, homodyne="averaged"), params, inputs)


@partial(jax.jit, static_argnums=0)
def _mean_outputs(cell: qj.cells.CVQRNN, params: Array, inputs: Array) -> Array:
    one = partial(qj.run, cell)
    return jax.vmap(jax.vmap(one, (None, 0)))(params, inputs)[:, :, -1, 0]


def free_running(
    predict: Callable[[Any, Array], Array], params: Any, tasks: Sequence[qj.tasks.Task], seeds: int
) -> NDArray[np.float64]:
    """The published forecast of every run: 110 points from the 90th on, windows of 4.

    Arguments:
        predict: (params of L runs, windows (L, T)) -> next values (L,), traceable.
        params: leaves (L, ...).
        tasks, seeds: runs in the order (task, seed).

    Returns:
        (tasks, seeds, 110).

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_training import free_running
        >>> values = free_running(lambda w, past: past[:, -1], jnp.zeros(2),
        ...                       [qj.tasks.cv_series("sine")], 2)
        >>> values.shape, float(values.std())
        ((1, 2, 110), 0.0)
    """
    series = np.repeat(np.stack([task.series[:, 0] for task in tasks]), seeds, axis=0).T
    step = jax.jit(predict)
    values = qj.tasks.sliding_forecast(
        lambda past: step(params, jnp.asarray(past.T)), series, start=FREE_START, steps=FREE
    )
    return values.T.reshape(len(tasks), seeds, FREE)


def free_errors(values: NDArray, tasks: Sequence[qj.tasks.Task]) -> NDArray[np.float64]:
    """Mean squared errors of forecasts (tasks, seeds, 110): (tasks, seeds).

    Example:
        >>> import numpy as np, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.cv_training import free_errors
        >>> task = qj.tasks.cv_series("sine")
        >>> float(free_errors(task.series[None, None, 90:, 0], [task])[0, 0])
        0.0
    """
    truth = np.stack([task.series[FREE_START : FREE_START + FREE, 0] for task in tasks])
    return np.mean((values - truth[:, None]) ** 2, axis=2)


def first_below(curve: ArrayLike, level: float) -> float:
    """The first epoch, counted from 1, whose loss is below a level; NaN if none is.

    Example:
        >>> from qrnn_jax.reproduction.cv_training import first_below
        >>> first_below([0.5, 0.2, 0.05], 0.1), first_below([0.5], 0.1)
        (3.0, nan)
    """
    found = np.flatnonzero(np.asarray(curve) < level)
    return float(found[0] + 1) if len(found) else float("nan")
