"""Spread weights and data over the occurrence tape: one angle per parameter of the step."""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit


def spread(circuit: "Circuit", weights: Array, data: Array) -> Array:
    """The value of every gate parameter of a step.

    Equation: tape[.., k] = constant_k + sum_i coefficient_ki * w[weight_ki] * x[.., data_ki].

    Arguments:
        circuit: the step.
        weights: (Kw,).
        data: (..., Kd), any leading axes, usually (T, Kd).

    Returns:
        (..., K), in the type of the inputs. Its JAX transpose sums over occurrences: that is the
        product rule.

    Raises:
        ValueError: another number of weights or data than the circuit has slots.
    """
    for name, values, count in (
        ("weights", weights, circuit.weight_count),
        ("data", data, circuit.data_count),
    ):
        if values.shape[-1] != count:
            raise ValueError(
                f"A circuit with {count} {name} slots must be given {count} {name}, but is given "
                f"{values.shape[-1]}; try a cell or controller that returns as many."
            )
    rows, coefficients, weight_index, data_index = [], [], [], []
    for row, slot in enumerate(circuit.parameters):
        for term in slot.terms:
            rows.append(row)
            coefficients.append(term.coefficient)
            weight_index.append(circuit.weight_count if term.weight is None else term.weight)
            data_index.append(circuit.data_count if term.data is None else term.data)
    dtype = jnp.result_type(weights, data)
    constants = np.array([slot.constant for slot in circuit.parameters])
    base = jnp.broadcast_to(jnp.asarray(constants, dtype), (*data.shape[:-1], len(constants)))
    if not rows:
        return base
    weights = jnp.concatenate([weights.astype(dtype), jnp.ones(1, dtype)])
    one = jnp.ones((*data.shape[:-1], 1), dtype)
    data = jnp.concatenate([data.astype(dtype), one], axis=-1)
    products = (
        jnp.asarray(coefficients, dtype)
        * weights[np.array(weight_index)]
        * data[..., np.array(data_index)]
    )
    return base.at[..., np.array(rows)].add(products)


def weight_row(circuit: "Circuit", weights: Array) -> Array:
    """A row (K,) of the tape whose columns without data are right; the others see data of 0.

    What is prepared once must come from this row, never from a row of the tape: under `vmap` the
    tape has one copy per sequence, and so would have everything that is made from it.
    """
    return spread(circuit, weights, jnp.zeros(circuit.data_count, weights.dtype))
