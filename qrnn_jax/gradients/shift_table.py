"""The shift terms of one step, as a table: rules and sweeps read it."""

from typing import NamedTuple

import numpy as np

from qrnn_jax.gradients.runs import Problem


class Table(NamedTuple):
    """One row per shift term of each wanted parameter of the step."""

    columns: np.ndarray
    coefficients: np.ndarray
    shifts: np.ndarray


def shift_table(problem: Problem) -> Table:
    """All shift terms of the parameters that what is differentiated can reach."""
    circuit = problem.circuit
    wanted = circuit.gradient_slots(problem.weights, problem.data)
    rows = [
        (offset + position, term.coefficient, term.shift)
        for operation, offset in zip(circuit.operations, circuit.offsets)
        for position in range(len(operation.parameters))
        if wanted[offset + position]
        for term in operation.shift_terms(position, problem.degree)
    ]
    columns, coefficients, shifts = zip(*rows) if rows else ((), (), ())
    return Table(np.array(columns, int), np.array(coefficients), np.array(shifts))
