"""The gradient of the training loss by parameter shift, beside exact autodiff, in float64."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

from .loss import Batch, mean_squared_error

WINDOWS = 3
STEPS = 6


def shift_vs_autodiff(
    cell: qj.AbstractCell, params: Any, windows: qj.tasks.Windows
) -> float | None:
    """The largest difference between two gradients of the loss on a few short windows.

    Equation: max |dL/dp (ParameterShift) - dL/dp (Backprop)|, L the mean squared error of the first
    6 steps of 3 windows, from the first to the last; every step counts.

    `qj.check_gradients` compares all rules, values and input gradients on one sequence.

    Returns:
        None where the shift rule refuses the circuit.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.shift_check import shift_vs_autodiff
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> shift_vs_autodiff(cell, cell.init(jax.random.key(0)), tasks.cosine().train) < 1e-12
        True
    """
    if qj.ParameterShift().refusal(cell.circuit):
        return None
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), float), params)
        batch = _few(windows)
        shifted = _gradient(cell, qj.ParameterShift(), exact, batch)
        differences = jax.tree.map(
            jnp.subtract, shifted, _gradient(cell, qj.Backprop(), exact, batch)
        )
        sizes = [jnp.max(jnp.abs(leaf), initial=0) for leaf in jax.tree.leaves(differences)]
        return float(max(sizes))


@partial(jax.jit, static_argnums=(0, 1))
def _gradient(cell: qj.AbstractCell, rule: qj.AbstractGradient, params: Any, batch: Batch) -> Any:
    def loss(params: Any) -> Array:
        return mean_squared_error(cell, params, batch, gradient=rule)

    return jax.grad(loss)(params)


def _few(windows: qj.tasks.Windows) -> Batch:
    chosen = np.unique(np.linspace(0, len(windows) - 1, WINDOWS).astype(int))
    inputs, targets = windows.inputs[chosen, :STEPS], windows.targets[chosen, :STEPS]
    return Batch(
        *(jnp.asarray(array, float) for array in (inputs, targets, np.ones(inputs.shape[:2])))
    )
