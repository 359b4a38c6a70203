"""How many shifted circuits a gradient needs, counted from the gates' matrices alone."""

from __future__ import annotations

from typing import Any

import numpy as np

import qrnn_jax as qj

SAMPLES = 64  # of a map over two turns of its angle
STEP = 1e-4  # of the numerical derivative of a gate's matrix; its spectrum is needed to 2 digits


def count_shifted_circuits(circuit: qj.Circuit, steps: int, *, data: bool = False) -> int:
    """Two per frequency and occurrence, without asking the gates for their shift rules.

    Equation: 2 T sum_k F_k over the parameters k of a step that depend on a weight (or, with
    `data`, on a data value); F_k is the number of distinct positive gaps of i U^dagger dU/da.

    A gate under `If` counts without its bit: that wire is classical, so its two branches never
    interfere.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.validation.counting import count_shifted_circuits
        >>> circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CRX(0, 1, qj.Weight(1))))
        >>> count_shifted_circuits(circuit, steps=5)
        30
    """
    total = 0
    for operation in circuit.operations:
        gate = operation
        while isinstance(gate, qj.If):
            gate = gate.gate
        for position, slot in enumerate(gate.parameters):
            if slot.weights or (data and slot.data):
                total += 2 * steps * frequencies(gate, position)
    return total


def frequencies(gate: Any, position: int) -> int:
    """The number of distinct positive gaps of a gate's generator, found numerically.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.validation.counting import frequencies
        >>> frequencies(qj.RX(0, 0.1), 0), frequencies(qj.CRX(0, 1, 0.1), 0)
        (1, 2)
    """
    if not isinstance(gate, qj.AbstractGate):
        return _frequencies_of_map(gate, position)
    angles = 0.3 + 0.2 * np.arange(len(gate.parameters))
    shift = STEP * np.eye(len(angles))[position]
    upper, middle, lower = (
        np.asarray(gate.matrix(*point)) for point in (angles + shift, angles, angles - shift)
    )
    generator = 1j * middle.conj().T @ (upper - lower) / (2 * STEP)
    eigenvalues = np.linalg.eigvalsh((generator + generator.conj().T) / 2)
    gaps = np.abs(eigenvalues[:, None] - eigenvalues[None, :]).round(3)
    return len(np.unique(gaps[gaps > 0]))


def _frequencies_of_map(operation: Any, position: int) -> int:
    """Distinct positive frequencies of a channel's or a mode gate's map, from its values.

    A map that is no periodic function of its parameter (a displacement, a squeezing) counts as
    one: two terms are exact for it.
    """
    points = 4 * np.pi * np.arange(SAMPLES) / SAMPLES
    values = 0.3 + 0.2 * np.arange(len(operation.parameters))
    qubits = isinstance(operation, qj.AbstractChannel)
    maps = []
    for point in points:
        at = np.where(np.arange(len(values)) == position, point, values)
        found = operation.superoperator(*at) if qubits else operation.affine(*at).matrix
        if found is None:  # a displacement
            return 1
        maps.append(np.asarray(found).ravel())
    powers = np.abs(np.fft.fft(np.array(maps), axis=0)).max(axis=1) / SAMPLES
    present = int(np.count_nonzero(powers[1 : SAMPLES // 2] > 1e-9))
    return present if present < SAMPLES // 4 else 1
