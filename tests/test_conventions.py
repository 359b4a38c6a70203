"""The frozen conventions, each pinned by a small example that any other choice would fail.

Every expected number is worked out by hand: no oracle and no other part of the library is used.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import qrnn_jax as qj

X, Y, Z, ONE = (
    np.array([[0, 1], [1, 0]]),
    np.array([[0, -1j], [1j, 0]]),
    np.diag([1, -1]),
    np.eye(2),
)
ENGINES = {"state-vector": qj.StateVector(), "density-matrix": qj.DensityMatrix()}
every_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)


def read(wires, operations, observables, *, weights=(), xs=None, engine=None):
    """Outputs (T, M) of a circuit; without data, of a single step."""
    cell = qj.CircuitCell(qj.Circuit(wires, operations), observables)
    xs = np.zeros((1, 0)) if xs is None else xs
    return np.asarray(qj.run(cell, jnp.asarray(weights, float), xs, engine=engine))


def probabilities(wires, operations, order=None, engine=None):
    """The distribution over the basis states after one step from |0..0>."""
    order = tuple(range(wires)) if order is None else order
    return read(wires, operations, qj.Probabilities(order), engine=engine)[0]


# --- wires and bits


@every_engine
def test_wire_0_is_the_most_significant_bit(engine):
    np.testing.assert_allclose(probabilities(3, (qj.X(0),), engine=engine), np.eye(8)[0b100])
    np.testing.assert_allclose(probabilities(3, (qj.X(2),), engine=engine), np.eye(8)[0b001])
    cell = qj.CircuitCell(qj.Circuit(3, (qj.X(2), qj.CNOT(2, 0))), qj.Z(1))
    carry = qj.simulate(cell, jnp.zeros(0), np.zeros((1, 0)), engine=engine).carry
    flat = np.abs(carry) if carry.ndim == 1 else np.diag(carry).real
    np.testing.assert_allclose(flat, np.eye(8)[0b101], atol=1e-15)


def test_the_dense_matrix_counts_wire_0_first():
    matrix = qj.Circuit(3, (qj.CNOT(2, 0),)).matrix()
    assert matrix[0b101, 0b001] == 1
    assert matrix[0b100, 0b100] == 1


def test_bit_0_means_plus_1():
    values = read(2, (qj.X(1),), (qj.Z(0), qj.Z(1), qj.Z(0) @ qj.Z(1)))
    np.testing.assert_allclose(values, [[1, -1, -1]])


def test_probabilities_follow_the_order_of_their_wires():
    flips = (qj.X(2),)
    np.testing.assert_allclose(probabilities(3, flips, (2, 0)), np.eye(4)[0b10])
    np.testing.assert_allclose(probabilities(3, flips, (0, 2)), np.eye(4)[0b01])


# --- matrices and rotations


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        # on |0>: <X>, <Y>, <Z>; the Bloch vector turns by the whole angle, right-handed
        (lambda a: qj.RX(1, a), [0, -np.sin(0.8), np.cos(0.8)]),
        (lambda a: qj.RY(1, a), [np.sin(0.8), 0, np.cos(0.8)]),
    ],
)
def test_a_rotation_is_exp_of_minus_i_angle_generator_over_2(gate, expected):
    values = read(3, (gate(qj.Weight(0)),), (qj.X(1), qj.Y(1), qj.Z(1)), weights=[0.8])
    np.testing.assert_allclose(values, [expected], atol=1e-15)


def test_a_rotation_about_z_turns_x_towards_y():
    operations = (qj.H(0), qj.RZ(0, 0.8))
    values = read(2, operations, (qj.X(0), qj.Y(0), qj.Z(0)))
    np.testing.assert_allclose(values, [[np.cos(0.8), np.sin(0.8), 0]], atol=1e-15)
    np.testing.assert_allclose(
        qj.Circuit(1, (qj.RZ(0, 0.8),)).matrix(), np.diag(np.exp([-0.4j, 0.4j])), atol=1e-15
    )


def test_matrices_are_indexed_out_in():
    quarter = np.array([[0.6, -0.8], [0.8, 0.6]])  # |0> -> 0.6 |0> + 0.8 |1>
    circuit = qj.Circuit(1, (qj.Unitary((0,), quarter),))
    np.testing.assert_array_equal(circuit.matrix(), quarter)
    np.testing.assert_allclose(read(1, circuit.operations, qj.X(0)), [[2 * 0.6 * 0.8]])


def test_the_first_operation_acts_first():
    # S after H turns |+> to the Y axis; H after S leaves |0> at |+>
    np.testing.assert_allclose(
        read(1, (qj.H(0), qj.S(0)), (qj.X(0), qj.Y(0))), [[0, 1]], atol=1e-15
    )
    np.testing.assert_allclose(
        read(1, (qj.S(0), qj.H(0)), (qj.X(0), qj.Y(0))), [[1, 0]], atol=1e-15
    )


def test_the_first_wire_of_a_unitary_is_the_most_significant_of_its_matrix():
    to_10 = np.eye(4)[[1, 2, 0, 3]]  # |00> -> |10>, first wire first
    np.testing.assert_allclose(
        probabilities(3, (qj.Unitary((2, 0), to_10),)), np.eye(8)[0b001], atol=1e-15
    )
    np.testing.assert_allclose(
        probabilities(3, (qj.Unitary((0, 2), to_10),)), np.eye(8)[0b100], atol=1e-15
    )


def test_the_first_wire_of_a_channel_is_the_most_significant_of_its_matrices():
    to_10 = np.eye(4)[[1, 2, 0, 3]][None]
    np.testing.assert_allclose(
        probabilities(3, (qj.Kraus((2, 0), to_10),)), np.eye(8)[0b001], atol=1e-15
    )


def test_the_first_wire_of_a_controlled_gate_controls():
    np.testing.assert_allclose(probabilities(2, (qj.X(1), qj.CNOT(0, 1))), np.eye(4)[0b01])
    np.testing.assert_allclose(probabilities(2, (qj.X(1), qj.CNOT(1, 0))), np.eye(4)[0b11])
    half = np.pi / 2
    np.testing.assert_allclose(
        probabilities(2, (qj.X(1), qj.CRY(1, 0, half))), [0, 0.5, 0, 0.5], atol=1e-15
    )


def test_an_evolution_is_exact_has_no_half_and_names_its_wires():
    hamiltonian = 0.3 * qj.X(2) + 0.5 * (qj.Z(0) @ qj.Y(2)) - 0.7 * qj.Y(0)
    dense = (
        0.3 * np.kron(np.eye(4), X)
        + 0.5 * np.kron(np.kron(Z, ONE), Y)
        - 0.7 * np.kron(Y, np.eye(4))
    )
    circuit = qj.Circuit(3, (qj.Evolution(hamiltonian, qj.Weight(0)),))
    np.testing.assert_allclose(circuit.matrix([1.3]), expm(-1.3j * dense), atol=1e-14)


# --- time


@every_engine
def test_time_is_the_first_axis_and_the_state_is_carried(engine):
    xs = np.array([[0.2, 1.0], [0.7, -0.4], [-0.3, 0.5]])
    operations = (qj.RY(0, qj.Data(0)), qj.RX(1, qj.Data(1)))
    values = read(2, operations, (qj.Z(0), qj.Y(1)), xs=xs, engine=engine)
    sums = np.cumsum(xs, axis=0)
    expected = np.stack([np.cos(sums[:, 0]), -np.sin(sums[:, 1])], axis=1)
    np.testing.assert_allclose(values, expected, atol=1e-14)


def test_a_reset_wire_forgets_and_a_memory_wire_remembers():
    xs = np.array([[0.2], [0.7], [-0.3]])
    operations = (qj.RY(0, qj.Data(0)), qj.RY(1, qj.Data(0)), qj.Reset(0))
    values = read(2, operations, (qj.Z(0), qj.Z(1)), xs=xs)
    expected = np.cos(np.concatenate([xs, np.cumsum(xs, axis=0)], axis=1))
    np.testing.assert_allclose(values, expected, atol=1e-14)


# --- channels and reset


def bloch(operations):
    """<X>, <Y>, <Z> of wire 1 of two, from a state with three different components."""
    prepare = (qj.RY(1, 0.9), qj.RZ(1, 0.4))
    return read(2, (*prepare, *operations), (qj.X(1), qj.Y(1), qj.Z(1)))[0]


START = np.array([np.sin(0.9) * np.cos(0.4), np.sin(0.9) * np.sin(0.4), np.cos(0.9)])
P = 0.3


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        # (1-p) rho + (p/3)(X rho X + Y rho Y + Z rho Z): every component shrinks by 1 - 4p/3
        (qj.Depolarizing(1, P), START * (1 - 4 * P / 3)),
        # X with probability p: the components across X shrink by 1 - 2p
        (qj.BitFlip(1, P), START * [1, 1 - 2 * P, 1 - 2 * P]),
        # |1> falls to |0>: Z grows towards +1, coherences shrink by sqrt(1-gamma)
        (
            qj.AmplitudeDamping(1, P),
            START * [np.sqrt(1 - P), np.sqrt(1 - P), 1 - P] + [0, 0, P],
        ),
        (qj.PhaseDamping(1, P), START * [np.sqrt(1 - P), np.sqrt(1 - P), 1]),
        (qj.Reset(1), [0, 0, 1]),
        (qj.Reset(0), START),
    ],
    ids=lambda value: repr(value) if isinstance(value, qj.AbstractChannel) else "",
)
def test_a_channel_moves_the_bloch_vector_as_defined(channel, expected):
    np.testing.assert_allclose(bloch((channel, qj.Read())), expected, atol=1e-14)


def test_amplitude_damping_empties_the_excited_state():
    np.testing.assert_allclose(
        probabilities(2, (qj.X(1), qj.AmplitudeDamping(1, 0.3))), [0.3, 0.7, 0, 0], atol=1e-15
    )


def test_reset_traces_out_and_is_no_post_selection():
    # cos a |00> + sin a |11>: kept wire 1 stays mixed; selecting wire 0 = 0 would give <Z1> = 1,
    # and selecting the more likely outcome or measuring wire 1 would change it too
    a = 0.6
    operations = (qj.RY(0, 2 * a), qj.CNOT(0, 1), qj.Reset(0), qj.Read())
    observables = (qj.Z(0), qj.Z(1), qj.X(1), qj.Z(0) @ qj.Z(1))
    expected = [1, np.cos(2 * a), 0, np.cos(2 * a)]
    np.testing.assert_allclose(read(2, operations, observables), [expected], atol=1e-15)


def test_what_was_reset_is_not_correlated_any_more():
    # entangle, reset wire 0, undo the entangling gates: a kept correlation would restore |00>
    operations = (qj.H(0), qj.CNOT(0, 1), qj.Reset(0), qj.CNOT(0, 1), qj.Read())
    values = read(2, operations, (qj.Z(0), qj.Z(1), qj.X(1)))
    np.testing.assert_allclose(values, [[1, 0, 0]], atol=1e-15)


# --- reading


def test_an_implied_read_stands_before_the_trailing_resets():
    operations = (qj.X(0), qj.CNOT(0, 1), qj.Reset(0))
    np.testing.assert_allclose(read(2, operations, (qj.Z(0), qj.Z(1))), [[-1, -1]])
    assert qj.Circuit(2, operations).read_index == 2


def test_a_reset_in_the_middle_is_not_trailing():
    operations = (qj.X(0), qj.Reset(0), qj.X(1), qj.Reset(1))
    np.testing.assert_allclose(read(2, operations, (qj.Z(0), qj.Z(1))), [[1, -1]])
    assert qj.Circuit(2, operations).read_index == 3


@every_engine
def test_without_resets_the_read_stands_at_the_end(engine):
    operations = (qj.H(0), qj.S(0))
    values = read(1, operations, (qj.X(0), qj.Y(0)), engine=engine)
    np.testing.assert_allclose(values, [[0, 1]], atol=1e-15)
    assert qj.Circuit(1, operations).read_index == 2


@every_engine
def test_a_written_read_is_respected_and_has_no_back_action(engine):
    # each step: |0> -> |+>, read, |+> -> |0>; a collapse at the read-out would leave a mixed state
    operations = (qj.H(0), qj.RY(1, 0.3), qj.Read(), qj.H(0))
    observables = (qj.X(0), qj.Z(0), qj.Z(1))
    values = read(2, operations, observables, xs=np.zeros((3, 0)), engine=engine)
    angles = 0.3 * np.arange(1, 4)
    expected = np.stack([np.ones(3), np.zeros(3), np.cos(angles)], axis=1)
    np.testing.assert_allclose(values, expected, atol=1e-14)


def test_a_written_read_before_a_channel_reads_the_state_before_it():
    operations = (qj.X(0), qj.Read(), qj.Reset(0), qj.X(0), qj.Reset(0))
    np.testing.assert_allclose(read(1, operations, qj.Z(0)), [[-1]])
    operations = (qj.X(0), qj.Reset(0), qj.Read(), qj.X(0), qj.Reset(0))
    np.testing.assert_allclose(read(1, operations, qj.Z(0)), [[1]])


def test_outputs_follow_the_order_of_the_observables():
    observables = (qj.Z(1), qj.Probabilities((1, 0)), 0.5 * qj.Z(0))
    values = read(2, (qj.X(1),), observables)
    np.testing.assert_allclose(values, [[-1, 0, 0, 1, 0, 0.5]], atol=1e-15)
