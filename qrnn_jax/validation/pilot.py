"""The small recurrent circuit that most experiments look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import qrnn_jax as qj

WEAK, STRONG = 0.35, 0.8  # couplings of the memory to the data qubit


class PilotInputs(NamedTuple):
    """Where the pilot cell is differentiated.

    Arguments:
        weights: (7,), radians.
        xs: (T, 1), radians.
    """

    weights: np.ndarray
    xs: np.ndarray


def pilot_cell(coupling: float = WEAK, noisy: bool = False) -> qj.AbstractCell:
    """One data qubit, two memory qubits, seven shared weights; the data qubit is read and reset.

    Equation: RY(x_t) on the data qubit; RX and RZ with trained angles on every qubit; an entangler
    of coupling c, exp(-i c (XX + YY) / 2) from the data qubit to the first memory qubit and between
    the memory qubits; RX with a trained angle on the data qubit; read Z, reset.

    A weight occurs once per step. The coupling sets how fast the memory fades: what passes into the
    data qubit is lost at its reset.

    Arguments:
        coupling: radians; `WEAK` = 0.35 forgets slowly, `STRONG` = 0.8 fast.
        noisy: the same under the "laboratory" `NoiseProfile`, read-out error included.

    Returns:
        The cell: params (7,), xs (T, 1) in radians, ys (T, 1).

    Example:
        >>> from qrnn_jax.validation.pilot import pilot_cell
        >>> cell = pilot_cell()
        >>> cell.circuit.wires, cell.circuit.weight_count, cell.circuit.memory_wires
        (3, 7, (1, 2))
    """
    rotations = [
        gate(wire, qj.Weight(2 * wire + place))
        for wire in range(3)
        for place, gate in enumerate((qj.RX, qj.RZ))
    ]
    entangler = [gate(wire, wire + 1, coupling) for wire in range(2) for gate in (qj.RXX, qj.RYY)]
    operations = (
        qj.RY(0, qj.Data(0)), *rotations, *entangler, qj.RX(0, qj.Weight(6)), qj.Reset(0)
    )  # fmt: skip
    cell = qj.CircuitCell(qj.Circuit(3, operations), qj.Z(0))
    return qj.cells.Noisy(cell, qj.NoiseProfile.preset("laboratory")) if noisy else cell


def pilot_inputs(steps: int, seed: int = 0) -> PilotInputs:
    """Weights and data at a random place, of a seed; longer series begin like shorter ones.

    Arguments:
        steps: T.
        seed: of NumPy's `default_rng`.

    Returns:
        `PilotInputs(weights, xs)`: weights (7,) in [-pi, pi], xs (T, 1) in [-1, 1].

    Example:
        >>> from qrnn_jax.validation.pilot import pilot_inputs
        >>> pilot_inputs(4).xs.shape
        (4, 1)
    """
    rng = np.random.default_rng(seed)
    return PilotInputs(rng.uniform(-np.pi, np.pi, 7), rng.uniform(-1, 1, (steps, 1)))
