"""The training loop on a device: step by step, each paid in shots, none of them lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import qrnn_jax as qj

from .fit import PATIENCE, Progress, draw, forgiven, stop_if_hopeless
from .loss import Batch
from .step import StepMetrics, TrainState, update

DONE, BUDGET = "done", "budget"


class MeasuredLoss(NamedTuple):
    """The mean squared error from counts.

    Arguments:
        value: without what the shots add to it; may be negative.
        stderr: its standard error; NaN where every circuit ran once.

    Example:
        >>> from qrnn_jax.training.device_fit import MeasuredLoss
        >>> MeasuredLoss._fields
        ('value', 'stderr')
    """

    value: Array
    stderr: Array


def fit_on_device(
    cell: qj.AbstractCell,
    windows: qj.tasks.Windows,
    *,
    optimizer: optax.GradientTransformationExtraArgs,
    steps: int,
    key: Array,
    batch: int | None,
    queue: qj.hardware.Queue,
    shots: int,
    gradient: qj.AbstractGradient,
    cost: int,
    spent: int,
    state: TrainState,
    callback: Callable[[Progress], None],
) -> str:
    """Train until the last step, or until the budget does not allow another one.

    Equation: as `fit`, the gradient estimated by `gradient` with shots of its own in every step.

    All randomness follows from `key` and the step's number. So a step that is repeated after an
    accident asks for the same jobs, and a queue with a journal pays them once.

    Arguments:
        cell, windows, optimizer, steps, batch: as in `fit`.
        key: decides the order of batches and the seeds of all shots.
        queue: plays the circuits, and knows the budget.
        shots: repetitions of every circuit.
        gradient: a rule that a device can follow.
        cost: planned shots of one step; with fewer left, or fewer than a step took, none is begun.
        spent: shots spent before the step that comes first.
        state: where to begin.
        callback: called after every step; `Progress.columns` has `loss_error` and `shots` spent.

    Returns:
        "done", or "budget".

    Raises:
        DeviceError: the device failed; everything before the present step has been called back.
        JournalError: the queue's journal cannot be written.
        NumericalError: as `fit`.

    Example:
        >>> from qrnn_jax.training.device_fit import fit_on_device
        >>> callable(fit_on_device)
        True
    """
    engine, data, begin = qj.Device(queue, shots=shots), Batch.of(windows), time.perf_counter()
    step = partial(_step, cell, optimizer, engine, gradient)
    draw_batch = jax.jit(draw, static_argnums=3)
    state = forgiven(state)
    while int(state.step) < steps and int(state.streak) < PATIENCE:
        if queue.budget is not None and queue.budget - spent < cost:
            return BUDGET
        chosen = draw_batch(data, key, state.step, batch)
        own = jax.random.fold_in(jax.random.fold_in(key, 2**32 - 1), state.step)  # no epoch's key
        queue.failure = None
        try:
            state, metrics, loss = jax.block_until_ready(step(state, chosen, own))
        except jax.errors.JaxRuntimeError:
            if isinstance(queue.failure, qj.hardware.BudgetError):
                return BUDGET  # failed tries have eaten it up
            if queue.failure is None:
                raise
            raise queue.failure from None
        spent, cost = queue.spent, max(cost, queue.spent - spent)  # rules may round shots up
        progress = _progress(state, metrics, loss, spent, time.perf_counter() - begin)
        callback(progress)
        stop_if_hopeless(progress)
    return DONE


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _step(
    cell: qj.AbstractCell,
    optimizer: optax.GradientTransformationExtraArgs,
    engine: qj.Device,
    gradient: qj.AbstractGradient,
    state: TrainState,
    batch: Batch,
    key: Array,
) -> tuple[TrainState, StepMetrics, MeasuredLoss]:
    """Loss and gradient of a batch from one call of the device, and the optimizer's update."""
    keys = jax.random.split(key, len(batch.inputs))

    def loss(params: Any) -> tuple[Array, MeasuredLoss]:
        def one(xs: Array, own: Array) -> tuple[Array, Array]:
            found = qj.simulate(cell, params, xs, engine=engine, gradient=gradient, key=own)
            assert found.stderr is not None
            return found.outputs, jax.lax.stop_gradient(found.stderr)

        outputs, stderr = jax.vmap(one)(batch.inputs, keys)
        weights = batch.mask[..., None] / jnp.maximum(jnp.sum(batch.mask), 1.0) / outputs.shape[-1]
        errors = outputs - batch.targets
        measured = measured_loss(jax.lax.stop_gradient(errors), stderr, weights)
        return jnp.sum(weights * errors**2), measured

    (value, measured), slope = jax.value_and_grad(loss, has_aux=True)(state.params)
    return *update(optimizer, state, value, slope), measured


def measured_loss(errors: Array, stderr: Array, weights: Array) -> MeasuredLoss:
    """The weighted mean square of errors that are averages over shots.

    Equation: value = sum w (e^2 - s^2); stderr^2 = sum w^2 (4 e^2 s^2 - 2 s^4), e the errors, s
    their standard errors: the variance of e^2 is 4 E[e]^2 s^2 + 2 s^4 for an e that is nearly
    normal, and e^2 - s^2 stands for E[e]^2. Steps of one repetition count as independent.

    Arguments:
        errors: outputs minus targets, any shape.
        stderr: the same shape.
        weights: the same shape, or one that broadcasts to it; 0 for what does not count.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.training.device_fit import measured_loss
        >>> found = measured_loss(jnp.array([0.5]), jnp.array([0.1]), jnp.array([1.0]))
        >>> f"{found.value:.2f} +- {found.stderr:.3f}"
        '0.24 +- 0.099'

    Source: Hoeffding, Ann. Math. Statist. 19, 293 (1948), for the unbiased square.
    """
    noise = stderr**2
    variance = jnp.sum(weights**2 * (4 * errors**2 * noise - 2 * noise**2))
    floor = jnp.sum(weights**2 * 2 * noise**2)
    return MeasuredLoss(
        jnp.sum(weights * (errors**2 - noise)), jnp.sqrt(jnp.maximum(variance, floor))
    )


def _progress(
    state: TrainState, metrics: StepMetrics, loss: MeasuredLoss, spent: int, train_s: float
) -> Progress:
    """One step; the loss as the shots leave it where one repetition alone has no error."""
    value, error = float(loss.value), float(loss.stderr)
    shown = value if np.isfinite(value) else float(metrics.loss)
    norm, used = float(metrics.gradient_norm), bool(metrics.used)
    columns: dict[str, list[float]] = {"loss_error": [error], "shots": [spent]}
    numbers = np.array([int(state.step)])
    return Progress(
        state, numbers, np.array([shown]), np.array([norm]), np.array([used]), train_s, columns
    )
