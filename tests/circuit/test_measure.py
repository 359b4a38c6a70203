"""Measurement in the middle of a step: forgotten outcomes, recorded bits, and what bits last."""

import helpers
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax import ops

D = qj.Data
ROOT = np.sqrt(0.5)
# the eigenvectors of +1 and -1, written out
VECTORS = {
    "X": ([ROOT, ROOT], [ROOT, -ROOT]),
    "Y": ([ROOT, 1j * ROOT], [ROOT, -1j * ROOT]),
    "Z": ([1, 0], [0, 1]),
}


def random_rho(seed):
    """A density matrix of three wires and rank 2."""
    left = helpers.random_isometry(np.random.default_rng(seed), 8, 2) * np.sqrt([0.7, 0.3])
    return left @ left.conj().T


def projectors(basis, wire):
    outer = [np.outer(vector, np.conj(vector)) for vector in VECTORS[basis]]
    return [oracle.embed(matrix, (wire,), 3) for matrix in outer]


def act(channel, rho):
    return ops.apply_superoperator(channel.superoperator(), jnp.asarray(rho), channel.wires, 3)


@pytest.mark.parametrize("basis", VECTORS)
def test_a_forgotten_outcome_leaves_the_sum_of_the_branches(basis):
    rho = random_rho(0)
    expected = sum(p @ rho @ p for p in projectors(basis, 2))
    channel = qj.Measure(2, basis=basis)
    assert channel.wires == (2,)
    assert channel.kraus().shape == (2, 2, 2)
    np.testing.assert_allclose(act(channel, rho), expected, atol=1e-15)
    assert np.abs(expected - rho).max() > 0.05


@pytest.mark.parametrize("basis", VECTORS)
def test_a_recorded_outcome_is_written_on_its_wire(basis):
    rho = random_rho(1)
    channel = qj.Measure(2, to=0, basis=basis)
    assert channel.wires == (2, 0)
    assert channel.kraus().shape == (4, 4, 4)
    branches = [oracle.memory(p @ rho @ p, (1, 2), 3) for p in projectors(basis, 2)]
    expected = np.kron(oracle.ZERO, branches[0]) + np.kron(oracle.ONE, branches[1])
    np.testing.assert_allclose(act(channel, rho), expected, atol=1e-15)
    total = sum(matrix.conj().T @ matrix for matrix in np.asarray(channel.kraus()))
    np.testing.assert_allclose(total, np.eye(4), atol=1e-15)


def test_measurements_of_all_kinds_stand_in_one_circuit():
    """Operations of one class are evaluated together only where they are the same."""
    turns = [qj.U3(wire, 0.4 + wire, 1.1, -0.3) for wire in (0, 2)]
    circuit = qj.Circuit(
        4,
        (
            *turns,
            qj.CNOT(0, 2),
            qj.Measure(0, basis="X"),
            qj.Measure(2, basis="Y"),
            qj.RZ(0, 0.8),
            qj.RX(2, 0.8),
            qj.Measure(0, to=3, basis="Y"),
            qj.Measure(2, to=1),
            qj.RZ(0, 0.8),
            qj.RX(2, 0.8),
        ),
    )
    observables = (qj.X(0) @ qj.Y(2), qj.Z(1) @ qj.Z(3), qj.Y(0) + 0.3 * qj.Z(2) @ qj.Z(3))
    ys = qj.run(qj.CircuitCell(circuit, observables), jnp.zeros(0), np.zeros((2, 0)))
    expected, _ = oracle.run(circuit, observables, np.zeros(0), np.zeros((2, 0)))
    np.testing.assert_allclose(ys, expected, atol=1e-14)
    assert np.abs(expected).max(axis=0).min() > 0.01


def test_a_bit_lasts_until_the_next_step():
    """A delay line: wire 2 shows what wire 1 recorded one step ago."""
    xs = np.array([[0.4], [1.3], [2.2], [0.9]])
    circuit = qj.Circuit(
        3,
        (
            qj.Reset(2),
            qj.If(1, qj.X(2)),
            qj.RY(0, D(0)),
            qj.Measure(0, to=1),
            qj.Reset(0),
        ),
    )
    ys = qj.run(qj.CircuitCell(circuit, (qj.Z(1), qj.Z(2))), jnp.zeros(0), xs)
    now = np.cos(xs[:, 0])
    np.testing.assert_allclose(ys, np.stack([now, [1, *now[:-1]]], axis=1), atol=1e-14)


def test_a_reset_erases_a_bit():
    operations = (qj.If(1, qj.X(2)), qj.X(0), qj.Measure(0, to=1), qj.Read(), qj.Reset(0))
    for tail, expected in (((), [[-1, 1], [-1, -1]]), ((qj.Reset(1),), [[-1, 1], [-1, 1]])):
        cell = qj.CircuitCell(qj.Circuit(3, (*operations, *tail)), (qj.Z(1), qj.Z(2)))
        np.testing.assert_allclose(qj.run(cell, jnp.zeros(0), np.zeros((2, 0))), expected)


@pytest.mark.parametrize("basis", ["W", "z", "", None])
def test_an_unknown_basis_is_refused(basis):
    with pytest.raises(ValueError, match='Argument `basis` must be "X", "Y" or "Z", but is'):
        qj.Measure(0, basis=basis)


def test_wires_are_checked():
    with pytest.raises(ValueError, match="Argument `wires` must be distinct"):
        qj.Measure(1, to=1)
    with pytest.raises(ValueError, match="must be an integer of 0 or more, but is -1"):
        qj.Measure(1, to=-1)
    with pytest.raises(ValueError, match=r"Measure\(wire=0, to=2.* below 2, but names wire 2"):
        qj.Circuit(2, (qj.Measure(0, to=2),))


def test_a_measurement_is_drawn_with_its_basis_and_its_record():
    circuit = qj.Circuit(2, (qj.Measure(0), qj.Measure(0, to=1, basis="X"), qj.If(1, qj.Z(0), 0)))
    assert circuit.draw() == (
        "0: ─M─╭MX→1─╭1:If0:Z─┤Read├─\n"  # wire 1, the bit, comes first
        "1: ───╰MX→1─╰0:If0:Z─┤    ├─"
    )
