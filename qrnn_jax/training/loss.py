"""The training objective: the masked mean squared error over a batch of sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

import qrnn_jax as qj


class Batch(NamedTuple):
    """Sequences as device arrays: inputs (B, T, F), targets (B, T, O), mask (B, T) of 0 and 1.

    Example:
        >>> from qrnn_jax import tasks, training
        >>> training.Batch.of(tasks.cosine(steps=50).train).inputs.shape
        (1, 50, 1)
    """

    inputs: Array
    targets: Array
    mask: Array

    @classmethod
    def of(cls, windows: qj.tasks.Windows) -> Batch:
        """All sequences of a `Windows`, in JAX's default real type."""
        dtype = jnp.result_type(float)
        return cls(
            jnp.asarray(windows.inputs, dtype),
            jnp.asarray(windows.targets, dtype),
            jnp.asarray(windows.mask, dtype),
        )


def predict(
    cell: qj.AbstractCell,
    params: Any,
    inputs: ArrayLike,
    *,
    engine: qj.AbstractEngine | None = None,
    gradient: qj.AbstractGradient | None = None,
) -> Array:
    """Run a cell over a batch of sequences, teacher-forced.

    Equation: y[n] = run(cell, params, inputs[n]).

    Arguments:
        cell, params, engine, gradient: as in `qrnn_jax.run`.
        inputs: (N, T, F).

    Returns:
        (N, T, O), in the units of the model.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax import training
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> training.predict(cell, cell.init(jax.random.key(0)), jnp.zeros((5, 3, 1))).shape
        (5, 3, 1)
    """

    def one(xs: Array) -> Array:
        return qj.run(cell, params, xs, engine=engine, gradient=gradient)

    return jax.vmap(one)(jnp.asarray(inputs))


def mean_squared_error(
    cell: qj.AbstractCell,
    params: Any,
    batch: Batch,
    *,
    engine: qj.AbstractEngine | None = None,
    gradient: qj.AbstractGradient | None = None,
) -> Array:
    """The mean squared error over the steps that count.

    Equation: sum_{n,t} m[n,t] mean_o (y[n,t,o] - target[n,t,o])^2 / sum_{n,t} m[n,t].

    Arguments:
        cell, params, engine, gradient: as in `qrnn_jax.run`.
        batch: sequences; a batch in which no step counts has the loss 0.

    Returns:
        A real scalar, in squared units of the model.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> from qrnn_jax import tasks, training
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> batch = training.Batch.of(tasks.cosine(steps=20).train)
        >>> training.mean_squared_error(cell, cell.init(jax.random.key(0)), batch).shape
        ()
    """
    outputs = predict(cell, params, batch.inputs, engine=engine, gradient=gradient)
    errors = jnp.mean((outputs - batch.targets) ** 2, axis=-1)  # (B, T)
    return jnp.sum(batch.mask * errors) / jnp.maximum(jnp.sum(batch.mask), 1.0)


def check_windows(cell: qj.AbstractCell, windows: qj.tasks.Windows) -> None:
    """Refuse windows that the cell cannot read or answer, naming the first bad value.

    Under `vmap` the values are traced and `run` cannot look at them, so it is done here, once.
    """
    found = windows.inputs.shape[2], windows.targets.shape[2]
    expected = cell.features, cell.outputs_count
    if found != expected:
        raise ValueError(
            f"Argument `windows` must have {expected[0]} features and {expected[1]} outputs for "
            f"this cell, but has {found[0]} and {found[1]}; try another cell or task."
        )
    low, high = cell.domain()
    outside = np.argwhere((windows.inputs < low) | (windows.inputs > high))
    if outside.size:
        window, row, column = outside[0]
        raise ValueError(
            f"Argument `windows` must have inputs in [{low:g}, {high:g}], but window {window}, row "
            f"{row}, column {column} is {windows.inputs[window, row, column]:.6g}; "
            "try `tasks.Standardiser`."
        )
