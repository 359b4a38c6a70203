"""One training step as a pure function, and the state it carries."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

import qrnn_jax as qj

from .loss import Batch, mean_squared_error


class TrainState(NamedTuple):
    """Everything that changes while training; a pytree of arrays.

    Arguments:
        params: the cell's parameters.
        optimizer_state: as optax made it.
        step: (), int32, steps tried so far.
        skipped: (), int32, how many of them changed nothing.
        streak: (), int32, how many of the latest ones in a row.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> from qrnn_jax import training
        >>> int(training.init_state(jnp.zeros(3), optax.sgd(0.1)).step)
        0
    """

    params: Any
    optimizer_state: Any
    step: Array
    skipped: Array
    streak: Array


class StepMetrics(NamedTuple):
    """What one step reports: the loss before its update, the gradient's norm, and if it was used.

    Example:
        >>> from qrnn_jax import training
        >>> training.StepMetrics(loss=0.5, gradient_norm=1.0, used=True).used
        True
    """

    loss: Array
    gradient_norm: Array
    used: Array


Step = Callable[[TrainState, Batch], tuple[TrainState, StepMetrics]]


def init_state(params: Any, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step.

    Arguments:
        params: the cell's parameters, a pytree of real arrays.
        optimizer: any optax transformation.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> from qrnn_jax import training
        >>> training.init_state(jnp.zeros(3), optax.adam(0.1)).params.shape
        (3,)
    """
    params = jax.tree.map(jnp.asarray, params)
    zero = jnp.zeros((), jnp.int32)
    state = TrainState(params, optimizer.init(params), zero, zero, zero)
    # no weak types: a resumed state must look like a running one, or XLA would compile again
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), state)


@lru_cache(maxsize=64)
def make_step(
    cell: qj.AbstractCell,
    optimizer: optax.GradientTransformation,
    *,
    engine: qj.AbstractEngine | None = None,
    gradient: qj.AbstractGradient | None = None,
) -> Step:
    """One training step: loss, gradient, update; for loops of your own.

    Equation: params <- params + update(grad L(params)), L the masked mean squared error.

    A step whose loss or gradient is not finite, or whose new parameters are not finite or so large
    that neighbouring floats lie more than 1 apart (an angle then means nothing), changes nothing
    but the counters. The loss, its value and its gradient are offered to the optimizer, so that
    line searches (`optax.lbfgs`) work.

    Arguments:
        cell, engine, gradient: as in `qrnn_jax.run`.
        optimizer: any optax transformation.

    Returns:
        step(state, batch) -> (state, metrics): pure, for `jit` and `scan`; equal arguments give the
        same function, so a jitted caller does not compile again.

    Example:
        >>> import jax, optax, qrnn_jax as qj
        >>> from qrnn_jax import tasks, training
        >>> cell, optimizer = qj.cells.Takaki(inputs=1, memory=1, depth=1), optax.adam(0.1)
        >>> state = training.init_state(cell.init(jax.random.key(0)), optimizer)
        >>> step = jax.jit(training.make_step(cell, optimizer))
        >>> state, metrics = step(state, training.Batch.of(tasks.cosine(steps=20).train))
        >>> int(state.step), bool(metrics.used)
        (1, True)
    """
    search = optax.with_extra_args_support(optimizer)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, StepMetrics]:
        def loss(params: Any) -> Array:
            return mean_squared_error(cell, params, batch, engine=engine, gradient=gradient)

        value, slope = jax.value_and_grad(loss)(state.params)
        return update(search, state, value, slope, value_fn=loss)

    return step


def update(
    optimizer: optax.GradientTransformationExtraArgs,
    state: TrainState,
    value: Array,
    slope: Any,
    **offered: Any,
) -> tuple[TrainState, StepMetrics]:
    """The state after a loss and its gradient were found, however that was.

    Arguments:
        optimizer: with support for extra arguments.
        state: before the step.
        value, slope: the loss and its gradient; where they are not usable, nothing but the counters
            changes, as in `make_step`.
        offered: further things that the optimizer may use.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> from qrnn_jax import training
        >>> from qrnn_jax.training.step import update
        >>> optimizer = optax.with_extra_args_support(optax.sgd(0.5))
        >>> state = training.init_state(jnp.ones(2), optimizer)
        >>> update(optimizer, state, jnp.ones(()), jnp.ones(2))[0].params.tolist()
        [0.5, 0.5]
    """
    updates, optimizer_state = optimizer.update(
        slope, state.optimizer_state, state.params, value=value, grad=slope, **offered
    )
    params = optax.apply_updates(state.params, updates)
    used = jnp.isfinite(value) & _all(jnp.isfinite, slope) & _all(_meaningful, params)
    metrics = StepMetrics(value, optax.tree.norm(slope), used)
    return _next(state, params, optimizer_state, used), metrics


def _next(state: TrainState, params: Any, optimizer_state: Any, used: Array) -> TrainState:
    """The new state where the step was used, else the old one; counters either way."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(used, new, old)

    return TrainState(
        params=jax.tree.map(choose, params, state.params),
        optimizer_state=jax.tree.map(choose, optimizer_state, state.optimizer_state),
        step=state.step + 1,
        skipped=state.skipped + jnp.where(used, 0, 1),
        streak=jnp.where(used, 0, state.streak + 1),
    )


def _all(predicate: Callable[[Array], Array], tree: Any) -> Array:
    return jnp.all(jnp.array([jnp.all(predicate(leaf)) for leaf in jax.tree.leaves(tree)]))


def _meaningful(leaf: Array) -> Array:
    """Finite, and smaller than the floats' own resolution allows an angle to be."""
    return jnp.abs(leaf) * jnp.finfo(leaf.dtype).eps < 1.0
