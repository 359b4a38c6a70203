"""What an engine runs for a circuit with read-out errors and a measuring read-out."""

import helpers
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit import observed

W, D = qj.Weight, qj.Data
# wire 0 is data, 1 and 2 are memory, 3 holds a bit
BEFORE = (
    qj.ReadoutError(1, 0.1, 0.3),
    qj.RY(0, D(0)),
    qj.CRX(0, 1, W(0)),
    qj.U3(2, W(1), 0.4, -0.9),
    qj.Depolarizing(1, 0.05),
    qj.Measure(0, to=3, basis="X"),
    qj.If(3, qj.RXX(1, 2, W(1))),
    qj.ReadoutError(3, 0.2),
)
AFTER = (qj.RZ(1, W(0)), qj.CNOT(1, 2), qj.Reset(0))
OBSERVABLES = (qj.Y(1) @ qj.Z(3), 0.6 * qj.X(2) - qj.Y(1), qj.Probabilities((3, 0)))
WEIGHTS, XS = np.array([0.7, -1.1]), np.array([[0.4], [1.3], [-0.8]])


def circuit_with(read):
    return qj.Circuit(4, (*BEFORE, read, *AFTER))


def run(circuit, observables):
    cell = qj.CircuitCell(circuit, observables)
    return helpers.quick_jit(lambda w: qj.run(cell, w, XS))(jnp.asarray(WEIGHTS))


def test_where_there_is_nothing_to_do_the_same_objects_come_back():
    circuit, observables = qj.Circuit(2, (qj.H(0), qj.Reset(0))), (qj.Z(0),)
    seen = observed(circuit, observables)
    assert seen[0] is circuit
    assert seen[1] is observables


def test_errors_move_into_the_observables():
    circuit = circuit_with(qj.Read())
    seen, observables = observed(circuit, OBSERVABLES)
    kept = [op for op in circuit.operations if not isinstance(op, qj.ReadoutError)]
    assert list(seen.operations) == kept
    assert observables == tuple(o.confused(circuit.readout_errors) for o in OBSERVABLES)
    assert observables[0] != OBSERVABLES[0]
    assert seen.parameters == circuit.parameters
    assert observed(seen, observables) == (seen, observables)


def test_a_measuring_read_out_measures_every_wire_that_is_no_bit_and_not_reset():
    circuit = circuit_with(qj.Read(measure=True))
    seen, _ = observed(circuit, OBSERVABLES)
    place = seen.operations.index(qj.Read())
    # wire 3 is a bit, wire 0 is reset next: a measurement there leaves no trace
    assert seen.operations[place + 1 : place + 3] == (
        qj.Measure(1, basis="Y"),
        qj.Measure(2, basis="X"),
    )
    assert seen.operations[place + 3 :] == AFTER
    assert seen.parameters == circuit.parameters
    assert observed(*observed(circuit, OBSERVABLES)) == observed(circuit, OBSERVABLES)


@pytest.mark.parametrize("measure", [False, True])
def test_the_observed_circuit_runs_as_dense_matrices_do(measure):
    circuit = circuit_with(qj.Read(measure=measure))
    expected, _ = oracle.run(circuit, OBSERVABLES, WEIGHTS, XS)
    np.testing.assert_allclose(run(*observed(circuit, OBSERVABLES)), expected, atol=1e-14)
    other, _ = oracle.run(circuit_with(qj.Read(measure=not measure)), OBSERVABLES, WEIGHTS, XS)
    assert np.abs(expected - other)[0].max() < 1e-14  # back-action shows in later steps only
    assert np.abs(expected - other)[1:].max() > 0.01


def test_a_measuring_read_out_is_not_unitary():
    assert not qj.Circuit(2, (qj.H(0), qj.Read(measure=True))).is_unitary
    assert qj.Circuit(2, (qj.H(0), qj.Read(measure=True))).is_read_measured
    assert not qj.Circuit(2, (qj.H(0), qj.Read())).is_read_measured


@pytest.mark.parametrize(
    ("observables", "clash"),
    [
        ((qj.Z(1), qj.X(1) @ qj.Y(2)), "wire 1 is read as Z and as X"),
        ((qj.X(1) + qj.Y(1),), "wire 1 is read as X and as Y"),
        ((qj.X(2), qj.Probabilities((1, 2))), "wire 2 is read as X and as Z"),
        ((qj.X(3),), "wire 3 is read as Z and as X"),  # a bit is classical
    ],
)
def test_two_bases_on_one_wire_are_refused(observables, clash):
    with pytest.raises(ValueError, match=f"commute wire by wire, but {clash}; try `Read"):
        observed(circuit_with(qj.Read(measure=True)), observables)
    assert observed(circuit_with(qj.Read()), observables)
