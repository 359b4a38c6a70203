"""Every gate against an explicit matrix, alone and in a circuit; every construction error."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from scipy.linalg import expm

import qrnn_jax as qj

X, Y, Z, ONE = oracle.X, oracle.Y, oracle.Z, np.eye(2)
A, B, C = 0.7, -1.1, 2.3  # values of the weights 0, 1, 2
VALUES = np.array([A, B, C])
W = qj.Weight
UNITARY = helpers.random_isometry(np.random.default_rng(0), 4, 4)


def controlled(matrix):
    return np.block([[np.eye(2), np.zeros((2, 2))], [np.zeros((2, 2)), matrix]])


U3_MATRIX = np.array(
    [
        [np.cos(A / 2), -np.exp(1j * C) * np.sin(A / 2)],
        [np.exp(1j * B) * np.sin(A / 2), np.exp(1j * (B + C)) * np.cos(A / 2)],
    ]
)

# name -> (the gate, made for its wires; its matrix at the values above, first wire first)
GATES = {
    "X": (qj.X, [[0, 1], [1, 0]]),
    "Y": (qj.Y, [[0, -1j], [1j, 0]]),
    "Z": (qj.Z, [[1, 0], [0, -1]]),
    "H": (qj.H, np.array([[1, 1], [1, -1]]) / np.sqrt(2)),
    "S": (qj.S, [[1, 0], [0, 1j]]),
    "T": (qj.T, [[1, 0], [0, (1 + 1j) / np.sqrt(2)]]),
    "RX": (lambda a: qj.RX(a, W(0)), expm(-0.5j * A * X)),
    "RY": (lambda a: qj.RY(a, W(0)), expm(-0.5j * A * Y)),
    "RZ": (lambda a: qj.RZ(a, W(0)), expm(-0.5j * A * Z)),
    "RXX": (lambda a, b: qj.RXX(a, b, W(0)), expm(-0.5j * A * np.kron(X, X))),
    "RYY": (lambda a, b: qj.RYY(a, b, W(0)), expm(-0.5j * A * np.kron(Y, Y))),
    "RZZ": (lambda a, b: qj.RZZ(a, b, W(0)), expm(-0.5j * A * np.kron(Z, Z))),
    "CRX": (lambda a, b: qj.CRX(a, b, W(0)), controlled(expm(-0.5j * A * X))),
    "CRY": (lambda a, b: qj.CRY(a, b, W(0)), controlled(expm(-0.5j * A * Y))),
    "CRZ": (lambda a, b: qj.CRZ(a, b, W(0)), controlled(expm(-0.5j * A * Z))),
    "U3": (lambda a: qj.U3(a, W(0), W(1), W(2)), U3_MATRIX),
    "CNOT": (qj.CNOT, controlled(X)),
    "CZ": (qj.CZ, controlled(Z)),
    "SWAP": (qj.SWAP, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]),
    "Unitary": (lambda a, b: qj.Unitary((a, b), UNITARY), UNITARY),
    "Controlled": (lambda a, b: qj.Controlled(qj.RX(b, W(0)), a), controlled(expm(-0.5j * A * X))),
    # an evolution takes its wires in ascending order; the test's last wire is the lower one
    "Evolution": (
        lambda a, b: qj.Evolution(0.4 * qj.X(a) - 0.9 * (qj.Z(a) @ qj.Y(b)), W(0)),
        expm(-1j * A * (0.4 * np.kron(X, ONE) - 0.9 * np.kron(Z, Y))),
    ),
}


def make(name):
    """The gate on wire 2, or on wires (2, 0) of three."""
    build, matrix = GATES[name]
    matrix = np.asarray(matrix, complex)
    wires = (2,) if len(matrix) == 2 else (2, 0)
    return build(*wires), wires, matrix


def test_every_public_gate_is_in_this_table():
    public = {gate.__name__ for gate in helpers.public_classes(qj.AbstractGate)}
    # these have files of their own: no angle, no generator, or a measurement is needed
    assert public == {*GATES, "If", "Flip", "UnitaryNeuron"}


@pytest.mark.parametrize("name", GATES)
def test_a_gate_has_the_matrix_of_its_formula(name):
    gate, wires, expected = make(name)
    angles = [jnp.asarray(value) for value in VALUES[: len(gate.parameters)]]
    if gate.wires != wires:
        expected = oracle.embed(expected, (1, 0), 2)
    np.testing.assert_allclose(gate.matrix(*angles), expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(expected @ expected.conj().T, np.eye(len(expected)), atol=1e-14)


@pytest.mark.parametrize("name", GATES)
def test_a_gate_acts_on_its_wires_in_a_circuit(name):
    gate, wires, matrix = make(name)
    circuit = qj.Circuit(3, (gate,))
    result = circuit.matrix(VALUES[: circuit.weight_count])
    np.testing.assert_allclose(result, oracle.embed(matrix, wires, 3), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", GATES)
def test_each_generator_generates_its_parameter(name):
    """d gate / d angle has the spectrum of -i G: the logarithmic derivative is -i times a matrix
    that is unitarily equivalent to G, up to a multiple of the identity (U3 carries a phase)."""
    gate, _, _ = make(name)
    count = len(gate.parameters)
    assert len(gate.generators()) == count
    angles = [jnp.asarray(value) for value in VALUES[:count]]
    for position, generator in enumerate(gate.generators()):

        def moved(angle, position=position):
            return gate.matrix(*angles[:position], angle, *angles[position + 1 :])

        derivative = jax.jacfwd(moved)(angles[position])
        logarithmic = 1j * derivative @ moved(angles[position]).conj().T
        found = np.linalg.eigvalsh(logarithmic)
        expected = np.linalg.eigvalsh(generator)
        np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-13)


@pytest.mark.parametrize("name", GATES)
def test_a_gate_says_honestly_whether_it_is_diagonal(name):
    gate, _, matrix = make(name)
    assert gate.is_diagonal == np.allclose(matrix, np.diag(np.diag(matrix)))


@pytest.mark.parametrize("name", GATES)
def test_where_a_control_is_zero_the_gate_is_trivial(name):
    gate, wires, matrix = make(name)
    for control in gate.controls:
        zero = oracle.embed(oracle.ZERO, (wires.index(control),), len(wires))
        np.testing.assert_array_equal(matrix @ zero, zero)


def test_the_controlled_gates_name_their_controls():
    assert qj.CNOT(2, 0).controls == (2,)
    assert qj.CRY(1, 0, 0.3).controls == (1,)
    assert set(qj.CZ(2, 0).controls) == {0, 2}
    assert qj.SWAP(0, 1).controls == ()


@pytest.mark.parametrize("name", GATES)
def test_gates_are_values(name):
    first, second = make(name)[0], make(name)[0]
    assert first == second
    assert hash(first) == hash(second)
    assert first != qj.H(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name in GATES if make(name)[0].parameters])
def test_the_matrix_has_the_precision_of_its_angles(name, dtype):
    gate = make(name)[0]
    angles = [jnp.asarray(value, dtype) for value in VALUES[: len(gate.parameters)]]
    expected = {np.float32: np.complex64, np.float64: np.complex128}[dtype]
    assert jax.eval_shape(gate.matrix, *angles).dtype == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda: qj.CNOT(1, 1),
        lambda: qj.CZ(0, 0),
        lambda: qj.SWAP(2, 2),
        lambda: qj.RXX(1, 1, 0.1),
        lambda: qj.CRX(1, 1, 0.1),
        lambda: qj.Unitary((0, 0), np.eye(4)),
        lambda: qj.Kraus((0, 0), np.eye(4)[None]),
        lambda: qj.Probabilities((1, 0, 1)),
    ],
)
def test_repeated_wires_are_refused(build):
    with pytest.raises(ValueError, match="Argument `wires` must be distinct"):
        build()


@pytest.mark.parametrize("wire", [-1, 0.0, "0", True, None])
@pytest.mark.parametrize(
    "build",
    [
        qj.X,
        qj.H,
        qj.Reset,
        lambda wire: qj.RX(wire, 0.1),
        lambda wire: qj.RZZ(3, wire, 0.1),
        lambda wire: qj.CRX(3, wire, 0.1),
        lambda wire: qj.U3(wire, 0.1, 0.2, 0.3),
        lambda wire: qj.BitFlip(wire, 0.1),
        lambda wire: qj.Unitary((wire,), np.eye(2)),
    ],
)
def test_a_wire_must_be_a_non_negative_integer(build, wire):
    with pytest.raises(ValueError, match="Argument `wire` must be an integer of 0 or more"):
        build(wire)


@pytest.mark.parametrize("name", ["theta", "phi", "lam"])
def test_u3_names_the_angle_that_is_not_finite(name):
    angles = {"theta": 0.1, "phi": 0.2, "lam": 0.3, name: np.nan}
    with pytest.raises(ValueError, match=f"Argument `{name}` must be finite, but is nan"):
        qj.U3(0, **angles)


def test_unitary_refuses_wrong_matrices():
    with pytest.raises(ValueError, match=r"shape \(4, 4\) for 2 wires, but has shape \(2, 2\)"):
        qj.Unitary((0, 1), np.eye(2))
    with pytest.raises(ValueError, match=r"must be unitary, but .* is 3; try `Kraus"):
        qj.Unitary((0,), 2 * np.eye(2))
    with pytest.raises(ValueError, match="must be unitary, but"):
        qj.Unitary((0,), np.array([[1, np.nan], [0, 1]]))


def test_evolution_refuses_what_is_no_pauli_sum():
    for hamiltonian in (np.eye(2), qj.Probabilities((0,)), "Z0"):
        with pytest.raises(TypeError, match="Argument `hamiltonian` must be a Pauli operator"):
            qj.Evolution(hamiltonian, 0.1)
    with pytest.raises(ValueError, match="Argument `time` must be finite, but is inf"):
        qj.Evolution(qj.Z(0), np.inf)


def test_constant_matrices_are_hashed_and_compared_by_their_bytes():
    turned = UNITARY.copy()
    turned[0] *= -1
    assert qj.Unitary((0, 1), UNITARY) == qj.Unitary([0, 1], UNITARY.copy())
    assert qj.Unitary((0, 1), UNITARY) != qj.Unitary((0, 1), turned)
    zero, minus_zero = np.diag([1.0, 1.0]), np.array([[1.0, -0.0], [0.0, 1.0]])
    first, second = qj.Unitary((0,), zero), qj.Unitary((0,), minus_zero)
    assert first != second or hash(first) == hash(second)
    with pytest.raises(ValueError, match="read-only"):
        qj.Unitary((0, 1), UNITARY).constant.value[0, 0] = 0


def test_a_weakly_typed_angle_keeps_double_precision():
    assert qj.RX(0, qj.Weight(0)).matrix(jnp.asarray(0.35)).dtype == np.complex128
    assert qj.RX(0, qj.Weight(0)).matrix(0.35).dtype == np.complex128
