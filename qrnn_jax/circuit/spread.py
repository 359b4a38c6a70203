"""Spread weights and data over the occurrence tape: one angle per parameter of the step."""

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit


def spread(
    circuit: "Circuit", weights: Array, data: Array, columns: tuple[int, ...] | None = None
) -> Array:
    """The value of every gate parameter of a step.

    Equation: tape[.., k] = constant_k + sum_i coefficient_ki * w[weight_ki] * x[.., data_ki].

    Arguments:
        circuit: the step.
        weights: (Kw,).
        data: (..., Kd), any leading axes, usually (T, Kd).
        columns: the columns of the tape that are wanted, in order; None is all.

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
    dtype = jnp.result_type(weights, data)
    wanted = tuple(range(len(circuit.parameters))) if columns is None else columns
    one = jnp.ones((*data.shape[:-1], 1), dtype)
    weights = jnp.concatenate([weights.astype(dtype), jnp.ones(1, dtype)])
    data = jnp.concatenate([data.astype(dtype), one], axis=-1)
    # what has no data is made once; gathered, never scattered: who looks at a few columns pays for
    # those only
    row = jnp.asarray([circuit.parameters[column].constant for column in wanted], dtype)
    for factor, weight, _ in zip(*_terms(circuit, wanted, False)):
        row = row + jnp.asarray(factor, dtype) * weights[weight]
    tape = jnp.broadcast_to(row, (*data.shape[:-1], len(wanted)))
    for factor, weight, value in zip(*_terms(circuit, wanted, True)):
        factors = jnp.asarray(factor, dtype)
        # not times 1: the derivative would be kept for every step
        if np.any(weight != circuit.weight_count):
            factors = factors * weights[weight]
        tape = tape + factors * data[..., value]
    return tape


@lru_cache(maxsize=256)
def _terms(
    circuit: "Circuit", wanted: tuple[int, ...], moving: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The products of every wanted slot with data, or without: coefficients and indices, (L, K).

    Filled up with zeros. An index one past the last weight or data value stands for the factor 1.
    """
    slots = [
        [term for term in circuit.parameters[column].terms if (term.data is not None) == moving]
        for column in wanted
    ]
    length = max(map(len, slots), default=0)
    coefficients = np.zeros((length, len(slots)))
    weight_index = np.full((length, len(slots)), circuit.weight_count)
    data_index = np.full((length, len(slots)), circuit.data_count)
    for column, terms in enumerate(slots):
        for row, term in enumerate(terms):
            coefficients[row, column] = term.coefficient
            if term.weight is not None:
                weight_index[row, column] = term.weight
            if term.data is not None:
                data_index[row, column] = term.data
    return coefficients, weight_index, data_index


def weight_row(circuit: "Circuit", weights: Array) -> Array:
    """A row (K,) of the tape whose columns without data are right; the others see data of 0.

    What is prepared once must come from this row, never from a row of the tape: under `vmap` the
    tape has one copy per sequence, and so would have everything that is made from it.
    """
    return spread(circuit, weights, jnp.zeros(circuit.data_count, weights.dtype))


def rest_row(circuit: "Circuit", weights: Array, data: Array, prepared: frozenset[int]) -> Array:
    """A row (K,) of the tape whose columns outside `prepared` are right; the others are 0.

    What is made for every step must come from this row: the other columns would be worked out for
    every step of every sequence.
    """
    count = len(circuit.parameters)
    columns = tuple(column for column in range(count) if column not in prepared)
    values = spread(circuit, weights, data, columns)
    # in one piece with zeros between, and not by indices: then only what is looked at is made
    pieces, used = [], 0
    for is_prepared, run in groupby(range(count), prepared.__contains__):
        width = len(list(run))
        pieces.append(
            jnp.zeros(width, values.dtype) if is_prepared else values[used : used + width]
        )
        used += 0 if is_prepared else width
    return jnp.concatenate(pieces) if pieces else values
