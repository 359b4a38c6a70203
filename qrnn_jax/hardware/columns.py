"""What the angles of exported circuits are: a table of columns, and the numbers of a run."""

from typing import Any

import jax
import numpy as np
from jax import Array

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_cell
from qrnn_jax.circuit import Circuit, observed
from qrnn_jax.circuit.spread import spread


def angles(cell: AbstractCell, params: Any, xs: Array | np.ndarray) -> np.ndarray:
    """The numbers of every symbol: the occurrence tape of one sequence.

    Equation: tape[t, k] = slot_k(weights(params), data(params, x_t)), the value of symbol a_t_k.

    Arguments:
        cell: the model.
        params: its parameters.
        xs: (T, features).

    Returns:
        (T, K), float64; `ravel()` is a row of a device's table.

    Raises:
        TypeError: a `FeedbackCell`, whose angles follow what was read.
        ValueError: xs of another shape.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> qj.hardware.angles(cell, cell.init(jax.random.key(0)), jnp.zeros((3, 1))).shape
        (3, 8)
    """
    check_cell(cell)
    with jax.enable_x64(True):
        inputs = np.asarray(xs, np.float64)
        if inputs.ndim != 2 or inputs.shape[1] != cell.features:
            raise ValueError(
                f"Argument `xs` must have shape (T, {cell.features}), but has shape {inputs.shape}."
            )
        params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
        data = jax.vmap(lambda x: cell.data(params, x))(inputs)
        return np.asarray(spread(played(cell), cell.weights(params), data))


def columns(cell: AbstractCell) -> list[dict[str, Any]]:
    """What the columns of the table of angles mean: the column k of every step.

    Equation: a_t_k = constant + sum over terms of coefficient * weights[weight] * data_t[data].

    Arguments:
        cell: the model.

    Returns:
        For each k: `column`, `operation` (in words), `constant`, `terms`, each with `coefficient`,
        `weight` and `data`, indices or None. Ready for JSON.

    Raises:
        TypeError: a `FeedbackCell`, whose templates have columns of their own for each outcome.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, 2 * qj.Weight(0) * qj.Data(0) + 0.1), qj.Reset(0)))
        >>> qj.hardware.columns(qj.CircuitCell(circuit, (qj.Z(0),)))[0]["terms"]
        [{'coefficient': 2.0, 'weight': 0, 'data': 0}]
    """
    check_cell(cell)
    return [
        {
            "column": offset + place,
            "operation": repr(operation),
            "constant": slot.constant,
            "terms": [term._asdict() for term in slot.terms],
        }
        for operation, offset in zip(played(cell).operations, played(cell).offsets)
        for place, slot in enumerate(operation.parameters)
    ]


def played(cell: AbstractCell) -> Circuit:
    """The step as devices get it, a measuring read-out among its operations."""
    return observed(cell.circuit, cell.observables)[0]
