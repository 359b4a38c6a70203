"""Random circuits against Qiskit's `DensityMatrix`: another team's conventions and code.

Qiskit's qubit k is our wire k, but its bit strings and matrices are little-endian: the matrix of a
gate on wires (a, b) is given to it on qubits (b, a), and probabilities are read in reversed order.
"""

from collections.abc import Callable

import numpy as np
import pytest

import qrnn_jax as qj
from tests import oracle
from tests.helpers import KINDS, STRENGTHS, quick_jit, random_cell, random_inputs

pytest.importorskip("qiskit", reason="needs the extra `oracles` (qiskit)")

from qiskit.circuit import library
from qiskit.quantum_info import (
    DensityMatrix,
    Kraus,
    Operator,
    SparsePauliOp,
    SuperOp,
)

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning"),
]
CASES = [(kind, seed) for kind in KINDS for seed in range(5)]

GATES: dict[str, Callable] = {
    **{name: getattr(library, f"{name}Gate") for name in ("RX", "RY", "RZ", "RXX", "RYY", "RZZ")},
    **{name: getattr(library, f"{name}Gate") for name in ("CRX", "CRY", "CRZ", "H", "S", "T")},
    **{name: getattr(library, f"{name}Gate") for name in ("X", "Y", "Z", "CZ")},
    "CNOT": library.CXGate,
    "SWAP": library.SwapGate,
    "U3": library.UGate,
}


def pauli_operator(terms: tuple, wires: tuple[int, ...]) -> SparsePauliOp:
    """A weighted sum of words; the position of a wire in `wires` is Qiskit's qubit."""
    place = {wire: position for position, wire in enumerate(wires)}
    sparse = [("".join(p for _, p in word), [place[w] for w, _ in word], c) for c, word in terms]
    return SparsePauliOp.from_sparse_list(sparse, num_qubits=len(wires))


def channel(operation: qj.AbstractChannel, values: list[float]) -> SuperOp | Kraus:
    """Noise, from Qiskit's own Pauli superoperators or from Kraus matrices."""
    name = type(operation).__name__
    if name in ("Depolarizing", "BitFlip"):
        (p,) = values
        letters = "XYZ" if name == "Depolarizing" else "X"
        unitary = SuperOp(Operator(library.IGate()))
        flips = [SuperOp(Operator(GATES[letter]())) for letter in letters]
        return (1 - p) * unitary + sum(p / len(letters) * flip for flip in flips)
    if name == "Kraus":
        return Kraus(list(operation.constant.value))
    (strength,) = values
    jump = {"AmplitudeDamping": (0, 1), "PhaseDamping": (1, 1)}[name]
    second = np.zeros((2, 2))
    second[jump] = np.sqrt(strength)
    return Kraus([np.diag([1, np.sqrt(1 - strength)]), second])


def apply(
    state: DensityMatrix, operation: qj.AbstractGate | qj.AbstractChannel, values: list[float]
) -> DensityMatrix:
    """One operation by Qiskit's means."""
    name, wires = type(operation).__name__, list(operation.wires)
    if name == "Read":
        return state
    if name == "Reset":
        return state.reset(wires)
    if name in GATES:
        return state.evolve(Operator(GATES[name](*values)), wires)
    if name == "Evolution":
        # exp(-i H t), by Qiskit's exact evolution gate: qubit j of it is wires[j]
        operator = pauli_operator(operation.hamiltonian.terms, operation.wires)
        gate = library.PauliEvolutionGate(operator, time=values[0])
        return state.evolve(Operator(gate), wires)
    if name == "Unitary":
        return state.evolve(Operator(operation.constant.value), wires[::-1])
    return state.evolve(channel(operation, values), wires[::-1])


def read(state: DensityMatrix, observable: qj.AbstractObservable) -> list[float]:
    """Expectation of a sum, or probabilities with our first wire as the most significant bit."""
    if isinstance(observable, qj.Probabilities):
        return list(state.probabilities(list(observable.wires)[::-1]))
    wires = tuple(range(state.num_qubits))
    return [state.expectation_value(pauli_operator(observable.as_sum().terms, wires)).real]


def qiskit_run(cell: qj.CircuitCell, weights: np.ndarray, data: np.ndarray) -> np.ndarray:
    """The outputs (T, M) of a recurrent circuit, simulated by Qiskit alone."""
    circuit = cell.circuit
    state = DensityMatrix.from_label("0" * circuit.wires)
    place, outputs = oracle.read_place(circuit), []
    for x in data:
        seen = state
        for index, operation in enumerate(circuit.operations):
            seen = state if index == place else seen
            values = [oracle.value(slot, weights, x) for slot in operation.parameters]
            state = apply(state, operation, values)
        seen = state if place == len(circuit.operations) else seen
        outputs.append([number for o in cell.observables for number in read(seen, o)])
    return np.array(outputs)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_random_circuits_agree_with_qiskit(kind: str, seed: int) -> None:
    cell = random_cell(
        100 + seed, wires=3 + seed % 2, kind=kind, gates=8, strength=STRENGTHS[seed % 3]
    )
    weights, data = random_inputs(cell.circuit, seed, steps=3)
    got = quick_jit(lambda w, x: qj.run(cell, w, x))(weights, data)
    assert np.abs(got - qiskit_run(cell, weights, data)).max() < 1e-12


def test_every_operation_meets_qiskit() -> None:
    cells = [random_cell(100 + s, wires=3 + s % 2, kind=k, gates=8) for k, s in CASES]
    met = {type(operation).__name__ for cell in cells for operation in cell.circuit.operations}
    everything = {*GATES, "Evolution", "Unitary", "Kraus", "Reset", "Read"}
    everything |= {"Depolarizing", "AmplitudeDamping", "PhaseDamping", "BitFlip"}
    assert met == everything
