"""Gates under classical control: their matrix, their rule, and the check of recorded bits."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.lower import lower
from qrnn_jax.circuit.matrices import block_matrices

W, D = qj.Weight, qj.Data
VALUES = np.array([0.7, -1.1, 2.3])
UNITARY = helpers.random_isometry(np.random.default_rng(0), 4, 4)
GATES = {
    "RX": qj.RX(2, W(0)),
    "RZ": qj.RZ(2, W(0)),
    "H": qj.H(2),
    "CNOT": qj.CNOT(2, 0),
    "CRY": qj.CRY(2, 0, W(0)),
    "U3": qj.U3(0, W(0), W(1), W(2)),
    "Unitary": qj.Unitary((2, 0), UNITARY),
    "Evolution": qj.Evolution(0.4 * qj.X(2) - 0.9 * (qj.Z(2) @ qj.Y(0)), W(0)),
    "If": qj.If(2, qj.RY(0, W(0)), value=0),
}


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("name", GATES)
def test_the_matrix_acts_in_one_branch(name, value):
    gate = qj.If(1, GATES[name], value)
    assert gate.wires == (1, *GATES[name].wires)
    angles = [jnp.asarray(angle, float) for angle in VALUES[: len(gate.parameters)]]
    inner = np.asarray(GATES[name].matrix(*angles))
    zero, one = np.zeros_like(inner), np.eye(len(inner))
    blocks = [[inner, zero], [zero, one]] if value == 0 else [[one, zero], [zero, inner]]
    np.testing.assert_allclose(gate.matrix(*angles), np.block(blocks), atol=1e-15)


@pytest.mark.parametrize("name", GATES)
def test_parameters_rule_and_shape_are_the_inner_gates(name):
    inner, gate = GATES[name], qj.If(1, GATES[name])
    assert gate.parameters == inner.parameters
    assert gate.is_diagonal == inner.is_diagonal
    assert gate.controls == (1, *inner.controls)
    assert qj.If(1, inner, value=0).controls == inner.controls
    for position in range(len(inner.parameters)):
        assert gate.shift_terms(position) == inner.shift_terms(position)
    assert gate == qj.If(1, GATES[name])
    assert hash(gate) == hash(qj.If(1, GATES[name]))
    assert gate != qj.If(1, inner, value=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_matrix_has_the_precision_of_its_angle(dtype):
    expected = {np.float32: np.complex64, np.float64: np.complex128}[dtype]
    gate = qj.If(1, qj.RX(0, W(0)))
    assert jax.eval_shape(gate.matrix, jnp.asarray(0.3, dtype)).dtype == expected


def test_conditions_of_all_kinds_stand_in_one_block():
    """Gates of one class are evaluated together only where they are the same."""
    gates = [qj.If(1, qj.RX(2, W(0))), qj.If(1, qj.RY(2, W(1)), 0), qj.If(1, qj.RX(2, W(2)), 0)]
    gates += [qj.If(1, qj.Evolution(qj.X(2) + h * qj.Z(2), W(0))) for h in (0.3, -0.8)]
    circuit = qj.Circuit(3, (*gates, qj.Measure(0, to=1)))
    blocks = lower(circuit, range(len(gates)), max_wires=3)
    (matrix,) = block_matrices(blocks, jnp.asarray(VALUES[[0, 1, 2, 0, 0]]))
    expected = np.eye(4)
    for gate in gates:
        (factor,) = oracle.kraus(gate, VALUES, np.zeros(0))
        expected = factor @ expected
    np.testing.assert_allclose(matrix, expected, atol=1e-15)


# wire 0 is data, 1 and 3 hold bits, 2 is memory; the branches do not commute
STEP = qj.Circuit(
    4,
    (
        qj.If(3, qj.RX(2, W(1)), value=0),
        qj.RY(0, D(0)),
        qj.CRX(2, 0, W(0)),
        qj.Measure(0, to=1, basis="Y"),
        qj.If(1, qj.RX(2, W(2))),
        qj.If(1, qj.RY(2, W(1)), value=0),
        qj.BitFlip(1, 0.1),
        qj.RX(0, 0.7),
        qj.Measure(0, to=3),
        qj.If(3, qj.If(1, qj.RZ(2, W(2)))),
        qj.RYY(2, 0, 0.8),
        qj.Reset(0),
    ),
)
OBSERVABLES = (qj.Z(0) @ qj.X(2), qj.Y(2) @ qj.Z(3), qj.Z(1))
XS = np.array([[0.4], [1.3], [-0.8]])
CELL = qj.CircuitCell(STEP, OBSERVABLES)


def test_the_inner_rule_is_exact_inside_a_recurrent_circuit():
    """Two terms per conditional rotation; the four of `CRX` are for a coherent control."""
    expected, _ = oracle.run(STEP, OBSERVABLES, VALUES, XS)

    @helpers.quick_jit
    def jacobians(weights):
        def outputs(rule):
            return lambda w: qj.run(CELL, w, XS, gradient=rule)

        rules = (qj.Backprop(), qj.ParameterShift(chunk=48))
        values = outputs(rules[0])(weights)
        return values, [jax.jacfwd(outputs(rule))(weights) for rule in rules]

    values, (exact, shifted) = jacobians(jnp.asarray(VALUES))
    np.testing.assert_allclose(values, expected, atol=1e-14)
    np.testing.assert_allclose(shifted, exact, atol=1e-12)
    assert np.abs(exact).max(axis=(0, 1)).min() > 0.1
    assert qj.ParameterShift().evaluations(STEP, steps=3) == 3 * (4 * 2 + 4)


def test_a_conditional_rotation_by_hand():
    """bit = outcome of RX(a); <Z> = P0 + P1 cos w: its derivative is -P1 sin w."""
    circuit = qj.Circuit(3, (qj.RX(2, W(0)), qj.Measure(2, to=0), qj.If(0, qj.RY(1, W(1)))))
    cell = qj.CircuitCell(circuit, qj.Z(1))
    a, w = 0.8, 1.9
    p1 = (1 - np.cos(a)) / 2

    def f(weights):
        return qj.run(cell, weights, np.zeros((1, 0)), gradient=qj.ParameterShift())[0, 0]

    value, slope = helpers.quick_jit(jax.value_and_grad(f))(jnp.array([a, w]))
    assert value == pytest.approx(1 - p1 + p1 * np.cos(w), abs=1e-14)
    expected = [np.sin(a) / 2 * (np.cos(w) - 1), -p1 * np.sin(w)]
    np.testing.assert_allclose(slope, expected, atol=1e-14)


def test_a_condition_must_name_a_gate_and_a_bit():
    with pytest.raises(TypeError, match="Argument `gate` must be a gate, but is Reset; try"):
        qj.If(0, qj.Reset(1))
    with pytest.raises(ValueError, match="Argument `wires` must be distinct"):
        qj.If(1, qj.CNOT(0, 1))
    with pytest.raises(ValueError, match="Argument `wires` must be distinct"):
        qj.If(1, qj.If(1, qj.X(0)))
    for value in (2, True, None, 1.0):
        with pytest.raises(ValueError, match="Argument `value` must be 0 or 1, but is"):
            qj.If(0, qj.X(1), value)


# --- recorded bits


def test_a_circuit_knows_its_bit_wires():
    assert STEP.bit_wires == (1, 3)
    assert qj.Circuit(3, (qj.H(0), qj.Measure(2))).bit_wires == ()
    allowed = (qj.Reset(2), qj.BitFlip(2, 0.1), qj.ReadoutError(2, 0.1), qj.Measure(1, to=2))
    assert qj.Circuit(3, (qj.Measure(0, to=2), *allowed)).bit_wires == (2,)


@pytest.mark.parametrize(
    "operation",
    [
        qj.H(2),
        qj.Z(2),
        qj.RX(2, W(0)),
        qj.CNOT(0, 2),
        qj.CZ(2, 0),
        qj.Measure(2),
        qj.Measure(2, to=0),
        qj.Postselect(2),
        qj.AmplitudeDamping(2, 0.1),
        qj.Depolarizing(2, 0.1),
        qj.Kraus((1, 2), np.eye(4)[None]),
        qj.AngleNoise(qj.RZ(2, W(0)), 0.1),
        qj.If(0, qj.X(2)),
    ],
    ids=repr,
)
def test_nothing_else_may_touch_a_bit_wire(operation):
    record = (qj.Measure(1, to=2), qj.Measure(1, to=0)) if 0 in operation.wires[:1] else ()
    operations = (*record, qj.Measure(1, to=2), operation)
    if isinstance(operation, qj.CNOT):  # wire 0 is an ordinary control
        operations = (qj.Measure(1, to=2), operation)
    with pytest.raises(ValueError, match=r"must leave wire 2 alone, because it holds a recorded"):
        qj.Circuit(3, operations)


def test_the_check_names_the_operation_and_looks_ahead():
    message = r"^Operation 0, H\(wire=1\), must leave wire 1 alone, .* try a wire of its own"
    with pytest.raises(ValueError, match=message):
        qj.Circuit(2, (qj.H(1), qj.Measure(0, to=1)))


def test_a_condition_on_a_bit_that_nothing_writes_is_refused():
    message = r"Operation 1, If\(bit=2, .*must test a recorded bit, but no .* writes wire 2; try"
    with pytest.raises(ValueError, match=message):
        qj.Circuit(3, (qj.Measure(0, to=1), qj.If(2, qj.X(0))))
    with pytest.raises(ValueError, match="writes wire 2"):
        qj.Circuit(3, (qj.Measure(0, to=1), qj.If(1, qj.If(2, qj.X(0)))))
