"""`Circuit`: what it counts, its dense matrix, and every way in which it cannot be built."""

import helpers
import numpy as np
import oracle
import pytest

import qrnn_jax as qj

W, D = qj.Weight, qj.Data

STEP = qj.Circuit(
    3,
    (
        qj.RY(0, D(0)),
        qj.RX(1, W(1)),
        qj.RZZ(0, 2, W(0) * D(1)),
        qj.Reset(2),
        qj.H(2),
        qj.RX(1, W(1)),
        qj.Reset(1),
        qj.Reset(0),
    ),
)


def dense(circuit, weights, data):
    """The product of the operations, first one rightmost, by the NumPy oracle."""
    total = np.eye(2**circuit.wires)
    for operation in circuit.operations:
        if not isinstance(operation, qj.Read):
            (matrix,) = oracle.kraus(operation, weights, data)
            total = oracle.embed(matrix, operation.wires, circuit.wires) @ total
    return total


def test_a_circuit_counts_its_operations_and_slots():
    assert STEP.count() == {"Reset": 3, "RX": 2, "RY": 1, "RZZ": 1, "H": 1}
    assert next(iter(STEP.count())) == "Reset"
    assert STEP.weight_count == 2
    assert STEP.data_count == 2
    assert STEP.parameters == (D(0), W(1), W(0) * D(1), W(1))
    assert not STEP.is_unitary
    assert qj.Circuit(1, (qj.H(0), qj.Read())).is_unitary


def test_a_circuit_knows_its_registers():
    assert STEP.reset_wires == (0, 1)  # wire 2 is reset too, but not last
    assert STEP.memory_wires == (2,)
    assert STEP.read_index == 6
    untouched = qj.Circuit(4, (qj.Reset(2),))
    assert untouched.reset_wires == (2,)
    assert untouched.memory_wires == (0, 1, 3)


@pytest.mark.parametrize(
    ("weights", "data", "expected"),
    [
        (True, True, [True, True, True, True]),
        (True, False, [False, True, True, True]),
        (False, True, [True, False, True, False]),
        (False, False, [False] * 4),
    ],
)
def test_a_circuit_knows_which_columns_can_carry_a_derivative(weights, data, expected):
    assert STEP.gradient_slots(weights=weights, data=data).tolist() == expected


def test_circuits_are_values():
    def build(angle):
        return qj.Circuit(2, [qj.RX(0, angle), qj.Unitary((1,), np.diag([1, 1j]))])

    assert build(W(0)) == build(W(0))
    assert hash(build(W(0))) == hash(build(W(0)))
    assert build(W(0)) != build(2 * W(0))
    assert qj.Circuit(3, build(0.1).operations) != build(0.1)


@pytest.mark.parametrize(("seed", "wires"), [(0, 3), (2, 4)])
def test_the_dense_matrix_is_the_product_of_the_operations(seed, wires):
    circuit = helpers.random_circuit(seed, wires=wires, kind="unitary", gates=8)
    weights, data = helpers.random_inputs(circuit, seed, steps=1)
    expected = dense(circuit, weights, data[0])
    np.testing.assert_allclose(circuit.matrix(weights, data[0]), expected, rtol=0, atol=1e-13)


def test_the_dense_matrix_is_double_precision_whatever_the_setting():
    circuit = qj.Circuit(1, (qj.RX(0, W(0)),))
    assert circuit.matrix([0.3]).dtype == np.complex128
    np.testing.assert_allclose(circuit.matrix([0.3])[0, 0], np.cos(0.15), rtol=0, atol=1e-16)


def test_the_dense_matrix_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match=r"must be unitary .* try `DensityMatrix"):
        STEP.matrix(np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match=r"at most 12 wires .* this one has 13"):
        qj.Circuit(13, (qj.H(0),)).matrix()


@pytest.mark.parametrize("wires", [0, -1, 1.0, "2", True, None])
def test_the_number_of_wires_must_be_positive(wires):
    with pytest.raises(ValueError, match="Argument `wires` must be an integer of 1 or more"):
        qj.Circuit(wires, ())


def test_a_wire_out_of_range_is_named():
    message = r"Operation 1, CNOT\(control=0, target=3\), .* below 3, but names wire 3; try"
    with pytest.raises(ValueError, match=message):
        qj.Circuit(3, (qj.H(0), qj.CNOT(0, 3)))
    with pytest.raises(ValueError, match="names wire 2"):
        qj.Circuit(2, (qj.Reset(2),))


@pytest.mark.parametrize("entry", ["H", None, 0.1, qj.RX, qj.Z(0) @ qj.Z(1), W(0)])
def test_what_is_no_operation_is_refused(entry):
    with pytest.raises(TypeError, match="must hold operations, but entry 1 is"):
        qj.Circuit(2, (qj.H(0), entry))


def test_a_gap_in_the_slots_is_named():
    with pytest.raises(ValueError, match=r"Weight\(1\) is never used while Weight\(2\) is; try"):
        qj.Circuit(1, (qj.RX(0, W(0)), qj.RY(0, W(2))))
    with pytest.raises(ValueError, match=r"Data\(0\) is never used while Data\(1\) is"):
        qj.Circuit(1, (qj.RX(0, W(0)), qj.RY(0, W(0) * D(1))))


def test_two_reads_are_refused():
    with pytest.raises(
        ValueError, match=r"at most one `Read\(\)`, but has one at each of \[0, 2\]"
    ):
        qj.Circuit(1, (qj.Read(), qj.H(0), qj.Read()))


def test_an_observable_on_a_missing_wire_is_named():
    circuit = qj.Circuit(2, (qj.H(0),))
    message = r"wires below 2, but entry 1, 1\*X0@Z2, names wire 2"
    with pytest.raises(ValueError, match=message):
        qj.CircuitCell(circuit, (qj.Z(1), qj.X(0) @ qj.Z(2)))
    with pytest.raises(ValueError, match=r"entry 0, Probabilities\(on=\(0, 5\)\), names wire 5"):
        qj.CircuitCell(circuit, qj.Probabilities((0, 5)))


def test_a_cell_needs_an_observable():
    with pytest.raises(ValueError, match="must hold at least one, but is empty"):
        qj.CircuitCell(qj.Circuit(1, (qj.H(0),)), ())
