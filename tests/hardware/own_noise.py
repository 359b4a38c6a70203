"""A gate-noise model of our own, in our words and in Aer's: both sides of one comparison.

Depolarising noise behind every kind of gate, on each of its wires (Aer's parameter is 4p/3 of
ours), read-out flips, and resets that leave |1> now and then. Takaki's evolution reaches a device
as two constant matrices around turns of Z, so its noise is one that commutes with all of them:
depolarising noise of both wires at once, behind each matrix; turns of Z are left clean there.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

import qrnn_jax as qj
from qrnn_jax.hardware import channels

RESET, READOUT = 0.1, (0.03, 0.08)


class Model(NamedTuple):
    """Noise by kind of gate: p of `Depolarizing` on each wire; of `unitary`, Aer's joint p."""

    kinds: dict[str, float]


TURNS = Model({"rx": 0.05, "ry": 0.08, "rz": 0.04, "cz": 0.06})
EVOLUTION = Model({"rx": 0.06, "ry": 0.1, "unitary": 0.1})
CELLS: dict[str, tuple[qj.AbstractCell, Model]] = {
    "takaki": (qj.cells.Takaki(inputs=1, memory=1, depth=1), EVOLUTION),
    "viqueira": (qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1), TURNS),
}


def bare(cell: qj.AbstractCell, params: Any, xs: Any) -> tuple[qj.CircuitCell, Any, Any]:
    """A cell without its classical maps, and the weights and data that go with it."""
    data = jax.vmap(lambda x: cell.data(params, x))(xs)
    return qj.CircuitCell(cell.circuit, cell.observables), cell.weights(params), data


def noisy_cell(cell: qj.CircuitCell, model: Model) -> qj.CircuitCell:
    """The model as channels of ours."""
    operations: list[Any] = [qj.ReadoutError(w, *READOUT) for w in range(cell.circuit.wires)]
    for operation in cell.circuit.operations:
        operations.append(operation)
        name = {"Evolution": "unitary"}.get(type(operation).__name__, type(operation).__name__)
        p = model.kinds.get(name.lower(), 0.0)
        if name == "unitary":
            twice = [channels.depolarising(p, len(operation.wires))] * 2
            operations.append(qj.Kraus(operation.wires, channels.composed(*twice)))
        elif isinstance(operation, qj.Reset):
            operations.append(qj.BitFlip(operation.wire, RESET))
        elif p:
            operations += [qj.Depolarizing(wire, p) for wire in operation.wires]
    return qj.CircuitCell(qj.Circuit(cell.circuit.wires, _read(operations)), cell.observables)


def _read(operations: list[Any]) -> list[Any]:
    """The read-out written out before the resets at the end, whose errors come behind it."""
    first = next(i for i, operation in enumerate(operations) if isinstance(operation, qj.Reset))
    return [*operations[:first], qj.Read(), *operations[first:]]


def noisy_aer(model: Model, *, factor: float = 4 / 3) -> qj.hardware.QiskitDevice:
    """The model in Aer's words; circuits are sent as they are."""
    from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error, pauli_error
    from qiskit_aer.primitives import SamplerV2

    noise = NoiseModel()
    for name, p in model.kinds.items():
        one = depolarizing_error(factor * p, 1)
        if name == "unitary":
            one = depolarizing_error(p, 2)
        elif name == "cz":
            one = one.expand(one)
        noise.add_all_qubit_quantum_error(one, name)
    noise.add_all_qubit_quantum_error(pauli_error([("X", RESET), ("I", 1 - RESET)]), "reset")
    p01, p10 = READOUT
    noise.add_all_qubit_readout_error(ReadoutError([[1 - p01, p01], [p10, 1 - p10]]))
    return qj.hardware.QiskitDevice(
        lambda seed: SamplerV2(seed=seed, options={"backend_options": {"noise_model": noise}})
    )


def z_scores(
    cell: qj.AbstractCell,
    device: qj.hardware.AbstractDevice,
    expected: Any,
    inputs: tuple[Any, Any],
    shots: int,
    key: jax.Array,
    mitigation: Any = None,
) -> np.ndarray:
    """Counts of a device against what is expected, in their own standard errors, (T, outputs)."""
    engine = qj.Device(device, shots=shots, mitigation=mitigation)
    found = qj.simulate(cell, *inputs, engine=engine, key=key)
    return np.asarray((found.outputs - expected) / found.stderr)
