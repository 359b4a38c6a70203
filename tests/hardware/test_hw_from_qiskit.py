"""Steps written in Qiskit, read into circuits: every gate, angles, order of wires, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import from_qiskit
from tests.helpers import random_circuit, random_isometry

pytest.importorskip("qiskit", reason="needs the extra `qiskit`")

from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, ParameterVector, library
from qiskit.quantum_info import Operator

A, B, C = (Parameter(name) for name in ("alpha", "beta", "gamma"))
VALUES = np.array([0.7, -1.3, 2.1])


def matrix_of(circuit: QuantumCircuit, values: dict) -> np.ndarray:
    """Qiskit's matrix, wire 0 most significant."""
    named = {p: values[p.name] for p in circuit.parameters}
    return np.asarray(Operator(circuit.assign_parameters(named).reverse_bits()).data)


def check(circuit: QuantumCircuit) -> None:
    """The same matrix, up to a phase, to 1e-12."""
    ours = from_qiskit(circuit)
    names = [parameter.name for parameter in circuit.parameters]
    numbers = VALUES[: len(names)]
    wanted = matrix_of(circuit, dict(zip(names, numbers)))
    found = ours.matrix(numbers)
    overlap = np.vdot(wanted, found) / len(wanted)
    assert abs(abs(overlap) - 1) < 1e-12
    np.testing.assert_allclose(found, wanted * overlap, atol=1e-12)


def gates() -> dict[str, tuple[Gate, list[int]]]:
    """Every gate of Qiskit's library that has three angles or fewer, on wires out of order."""
    made = {}
    for name, gate in library.get_standard_gate_name_mapping().items():
        if not isinstance(gate, Gate) or gate.num_qubits > 4 or name == "global_phase":
            continue
        angles = [2 * A - 0.3, B, C, 0.4][: len(gate.params)]
        made[name] = type(gate)(*angles) if angles else gate, [2, 0, 1, 3][: gate.num_qubits]
    return made


GATES = gates()


@pytest.mark.parametrize("name", GATES)
def test_every_gate_of_the_library_keeps_its_matrix(name: str) -> None:
    """Between turns that do not commute with it, on wires whose order matters."""
    gate, wires = GATES[name]
    circuit = QuantumCircuit(4)
    for wire in range(4):
        circuit.ry(0.3 + 0.4 * wire, wire)
    circuit.append(gate, wires)
    circuit.rx(0.9, 0)
    check(circuit)


def test_known_gates_stay_gates_with_shift_rules() -> None:
    circuit = QuantumCircuit(3)
    circuit.rx(0.5 * A + 0.1, 0)
    circuit.cry(B, 0, 2)
    circuit.append(library.XXPlusYYGate(C, 0.2), [0, 1])  # by its definition
    circuit.append(library.RXGate(A).control(2), [2, 0, 1])
    ours = from_qiskit(circuit)
    assert ours.operations[0] == qj.RX(0, 0.5 * qj.Weight(0) + 0.1)
    assert ours.operations[1] == qj.CRY(0, 2, qj.Weight(1))
    assert all(op.has_shift_rule for op in ours.operations)
    check(circuit)


def test_angles_become_slots() -> None:
    x, theta = ParameterVector("x", 2), ParameterVector("theta", 12)
    circuit = QuantumCircuit(2)
    circuit.ry(2 * x[1] * theta[0] - theta[10] / 4 + np.pi, 0)
    circuit.rz(x[0] + x[1] + theta[1], 1)
    circuit.rz((theta[1] + 1) * (x[0] - 2), 1)
    for index in range(2, 12):
        circuit.rx(theta[index], 1)
    ours = from_qiskit(circuit, data=x)
    w, d = qj.Weight, qj.Data
    wanted = [w(0) * d(1) * 2 - 0.25 * w(10) + np.pi, d(0) + d(1) + w(1)]
    wanted.append((w(1) + 1) * (d(0) - 2))
    assert (ours.weight_count, ours.data_count) == (12, 2)
    for slot, expected in zip(ours.parameters, wanted):
        assert slot.constant == pytest.approx(expected.constant, abs=1e-15)
        assert set(slot.terms) == set(expected.terms)
    again = from_qiskit(circuit, data=["x[1]", "x[0]"], weights="theta")  # another order
    assert again.parameters[0].data == {0}
    assert again != ours
    free = from_qiskit(circuit, data=lambda name: name.startswith("x"))
    assert free == ours


@pytest.mark.parametrize("angle", [A * A, A.sin(), A * B * C, 1 / (A + 2), A**0.5, abs(A)])
def test_other_angles_are_refused_by_name(angle: object) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(angle, 0)
    with pytest.raises(ValueError, match="Argument `circuit` must have angles that are affine"):
        from_qiskit(circuit, data=["alpha"])


def test_products_of_two_weights_are_refused() -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(A * B, 0)
    with pytest.raises(TypeError, match="product of two weights"):
        from_qiskit(circuit)
    assert from_qiskit(circuit, data=[B]).parameters[0] == qj.Weight(0) * qj.Data(0)


def test_what_is_no_gate_is_refused_by_name() -> None:
    loop, condition = QuantumCircuit(1, 1), QuantumCircuit(1, 1)
    with loop.for_loop(range(3)):
        loop.x(0)
    condition.measure(0, 0)
    with condition.if_test((condition.clbits[0], 1)):
        condition.x(0)
    bare = QuantumCircuit(1)
    bare.append(Gate("mine", 1, [A]), [0])
    for circuit, name in (
        (loop, "for_loop"), (condition, "if_else"), (bare, "mine"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"Argument `circuit` must be made of .*'{name}'"):
            from_qiskit(circuit)
    with pytest.raises(TypeError, match="must be a `QuantumCircuit`"):
        from_qiskit("circuit")
    with pytest.raises(ValueError, match=r"`wires` must order the qubits 0 \.\. 0"):
        from_qiskit(bare, wires=[1])


def test_a_gate_is_not_taken_by_a_borrowed_name() -> None:
    inner = QuantumCircuit(1, name="rx")
    inner.ry(A, 0)
    circuit = QuantumCircuit(1)
    circuit.append(inner.to_gate(), [0])
    assert from_qiskit(circuit).operations == (qj.RY(0, qj.Weight(0)),)


def test_wires_can_be_put_in_another_order() -> None:
    """Asymmetric: a CNOT, a constant gate and a turn."""
    circuit = QuantumCircuit(3)
    circuit.cx(2, 0)
    circuit.unitary(random_isometry(np.random.default_rng(3), 4, 4), [1, 2])
    circuit.rx(A, 1)
    check(circuit)
    ours = from_qiskit(circuit, wires=[1, 2, 0])
    assert ours.operations[0] == qj.CNOT(1, 2)
    assert ours.operations[1].wires == (1, 0)
    assert ours.operations[2] == qj.RX(0, qj.Weight(0))


def written(circuit: qj.Circuit, weights: ParameterVector, data: ParameterVector) -> QuantumCircuit:
    """One step of ours, gate by gate, with Qiskit's own methods."""
    names = {"CNOT": "cx", "Unitary": "unitary", "U3": "u"}
    made = QuantumCircuit(circuit.wires)
    for operation in circuit.operations:
        angles = []
        for slot in operation.parameters:
            angle = slot.constant
            for term in slot.terms:
                factor = term.coefficient * (1 if term.weight is None else weights[term.weight])
                angle = angle + factor * (1 if term.data is None else data[term.data])
            angles.append(angle)
        name = type(operation).__name__
        if name == "Unitary":
            made.unitary(np.array(operation.constant.value), list(operation.wires[::-1]))
        else:
            getattr(made, names.get(name, name.lower()))(*angles, *operation.wires)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_random_circuits_come_back(seed: int) -> None:
    ours = random_circuit(seed, wires=3, kind="unitary")
    weights = ParameterVector("w", ours.weight_count)
    data = ParameterVector("x", ours.data_count)
    gates = [op for op in ours.operations if isinstance(op, qj.AbstractGate)]
    gates = [qj.RZ(op.wires[0], op.time) if isinstance(op, qj.Evolution) else op for op in gates]
    ours = qj.Circuit(3, gates)
    back = from_qiskit(written(ours, weights, data), data=data)
    rng = np.random.default_rng(seed)
    w, x = rng.normal(size=ours.weight_count), rng.normal(size=ours.data_count)
    wanted, found = ours.matrix(w, x), back.matrix(w, x)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_step_trains() -> None:
    """Measured and reset, run for three steps: values and gradients of the circuit by hand."""
    step = QuantumCircuit(2, 1)
    step.ry(2 * C, 0)
    step.crx(A * C + 0.1, 0, 1)
    step.cx(1, 0)
    step.measure(0, 0)
    step.reset(0)
    step.rx(B, 1)
    circuit = from_qiskit(step, data=[C])
    w, x = qj.Weight, qj.Data
    by_hand = qj.Circuit(2, (
        qj.RY(0, 2 * x(0)), qj.CRX(0, 1, w(0) * x(0) + 0.1), qj.CNOT(1, 0), qj.Read(), qj.Reset(0),
        qj.RX(1, w(1)),
    ))  # fmt: skip
    assert circuit == by_hand
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    xs, weights = jnp.array([[0.3], [1.1], [-0.8]]), jnp.array([0.9, -0.4])
    shift, exact = (
        jax.grad(lambda v, r=rule: jnp.sum(qj.run(cell, v, xs, gradient=r)))(weights)
        for rule in (qj.ParameterShift(), qj.Backprop())
    )
    np.testing.assert_allclose(shift, exact, atol=1e-5)
    assert np.abs(exact).min() > 1e-2
