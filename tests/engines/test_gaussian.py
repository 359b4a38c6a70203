"""Gaussian states against the recursion of the notes, written out in NumPy; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.spread import spread
from tests.helpers import quick_jit

W, D = qj.Weight, qj.Data

OPERATIONS = (
    qj.Homodyne(1, draw=D(1)),
    qj.Displacement(1, D(0), 0.3),
    qj.Beamsplitter(2, 0, W(0), W(1)),
    qj.Squeezing(2, W(2), 0.4),
    qj.Rotation(2, 0.9),
    qj.Loss(0, 0.8),
    qj.Beamsplitter(1, 2, W(3), 0.2 * D(0) + 0.1),
    qj.Rotation(0, W(0)),
    qj.Displacement(2, W(1), W(2)),
    qj.Read(),
    qj.Squeezing(2, W(2)),
    qj.Homodyne(0),
)
READS = (qj.QuadX(1), qj.QuadP(2), qj.QuadXX(0, 1), qj.Number(2), qj.QuadXX(1))
WEIGHTS = np.array([0.6, -0.4, 0.3, 0.8])


def unitary(a: complex, b: complex, c: complex, d: complex) -> np.ndarray:
    """[[Re, -Im], [Im, Re]] of a mode transformation."""
    matrix = np.array([[a, b], [c, d]])
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])


def by_hand(weights: np.ndarray, data: np.ndarray) -> np.ndarray:
    """OPERATIONS step by step, (T, reads)."""

    def on(modes: list[int], matrix: np.ndarray) -> None:
        nonlocal r, v
        rows = [*modes, *(m + 3 for m in modes)]
        full = np.eye(6)
        full[np.ix_(rows, rows)] = matrix
        r, v = full @ r, full @ v @ full.T

    def splitter(first: int, second: int, theta: float, phi: float) -> None:
        t, s = np.cos(theta), np.exp(1j * phi) * np.sin(theta)
        on([first, second], unitary(t, -s.conjugate(), s, t))

    def rotate(mode: int, phi: float) -> None:
        on([mode], np.array([[np.cos(phi), -np.sin(phi)], [np.sin(phi), np.cos(phi)]]))

    def empty(mode: int) -> None:
        nonlocal r, v
        for row in (mode, mode + 3):
            r[row], v[row], v[:, row] = 0, 0, 0
            v[row, row] = 1

    def squeeze(mode: int, s: float, phi: float) -> None:
        half = np.array([[np.cos(phi / 2), -np.sin(phi / 2)], [np.sin(phi / 2), np.cos(phi / 2)]])
        on([mode], half @ np.diag([np.exp(-s), np.exp(s)]) @ half.T)

    r, v, found = np.zeros(6), np.eye(6), []
    w0, w1, w2, w3 = weights
    for x, z in data:
        outcome = r[1] + np.sqrt(v[1, 1]) * z
        gain = v[:, 1] / v[1, 1]
        r, v = r + gain * (outcome - r[1]), v - np.outer(gain, v[1])
        empty(1)
        r = r + np.array([0, 2 * x * np.cos(0.3), 0, 0, 2 * x * np.sin(0.3), 0])
        splitter(2, 0, w0, w1)
        squeeze(2, w2, 0.4)
        rotate(2, 0.9)
        on([0], np.sqrt(0.8) * np.eye(2))
        v[0, 0] += 0.2
        v[3, 3] += 0.2
        splitter(1, 2, w3, 0.2 * x + 0.1)
        rotate(0, w0)
        r = r + np.array([0, 0, 2 * w1 * np.cos(w2), 0, 0, 2 * w1 * np.sin(w2)])
        number = (v[2, 2] + v[5, 5] + r[2] ** 2 + r[5] ** 2 - 2) / 4
        found.append([r[1], r[5], v[0, 1] + r[0] * r[1], number, v[1, 1] + r[1] ** 2])
        squeeze(2, w2, 0)
        empty(0)
    return np.array(found)


CELL = qj.CircuitCell(qj.Circuit(3, OPERATIONS), READS)
XS = np.random.default_rng(4).normal(size=(5, 2))


def test_the_engine_obeys_the_recursion():
    found = quick_jit(lambda w, x: qj.run(CELL, w, x))(WEIGHTS, XS)
    assert found.dtype == jnp.float64
    np.testing.assert_allclose(found, by_hand(WEIGHTS, XS), rtol=0, atol=1e-12)


def test_a_replay_of_the_tape_gives_the_same():
    """Where every occurrence has its own angle, nothing is shared; the numbers are the same."""
    plan = qj.Gaussian().plan(CELL.circuit, READS)
    tape = spread(CELL.circuit, jnp.asarray(WEIGHTS), jnp.asarray(XS))

    def replay(tape: jax.Array) -> tuple:
        return jax.lax.scan(lambda state, row: plan.step_at(row, state), plan.init(), tape)

    state, reads = quick_jit(replay)(tape)
    np.testing.assert_allclose(reads, by_hand(WEIGHTS, XS), rtol=0, atol=1e-12)
    assert [leaf.shape for leaf in state] == [(6,), (6, 6)]
    assert plan.norm(state) == 1


def test_streaming_goes_on_from_the_pair():
    simulate = quick_jit(lambda x, carry: qj.simulate(CELL, WEIGHTS, x, carry=carry))
    outputs, carry = [], (jnp.zeros(6), jnp.eye(6))
    for x in XS:
        piece = simulate(x[None], carry)
        outputs, carry = [*outputs, piece.outputs[0]], piece.carry
    np.testing.assert_allclose(np.stack(outputs), by_hand(WEIGHTS, XS), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"`carry` must have shape \[\(6,\), \(6, 6\)\], but has"):
        qj.simulate(CELL, WEIGHTS, XS, carry=jnp.zeros(6))


def test_data_in_displacements_leave_one_covariance_for_a_batch():
    cell = qj.cells.CVQRNN(homodyne="sampled")
    params, xs = cell.init(jax.random.key(0)), np.random.default_rng(0).normal(size=(7, 4, 2))

    def carry(x: jax.Array) -> tuple:
        return qj.simulate(cell, params, x).carry

    # `vmap` refuses to leave an output unbatched that has a batch axis
    mean, covariance = jax.vmap(carry, out_axes=(0, None))(xs)
    assert mean.shape == (7, 6)
    assert covariance.shape == (6, 6)


def test_precision_follows_the_setting_and_the_argument():
    assert qj.run(CELL, WEIGHTS, XS, engine=qj.Gaussian(np.float32)).dtype == jnp.float32
    result = qj.simulate(CELL, WEIGHTS, XS, engine=qj.Gaussian(np.float32))
    assert {leaf.dtype for leaf in result.carry} == {jnp.dtype("float32")}
    with pytest.raises(ValueError, match="`dtype` must be float32 or float64, but is"):
        qj.run(CELL, WEIGHTS, XS, engine=qj.Gaussian(np.complex64))


def test_what_it_cannot_run_is_refused_by_name():
    qubits = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, W(0)),)), qj.Z(0))
    kerr = qj.CircuitCell(qj.Circuit(1, (qj.Kerr(0, W(0)),)), qj.QuadX(0))
    one, none = jnp.zeros(1), jnp.zeros((1, 0))
    for engine in (qj.Gaussian(), qj.Fock(4)):
        with pytest.raises(ValueError, match=rf"`{type(engine).__name__}` must have a circuit on"):
            qj.run(qubits, one, none, engine=engine)
    for engine in (qj.StateVector(), qj.DensityMatrix(), qj.Trajectories(3)):
        with pytest.raises(ValueError, match=rf"`{type(engine).__name__}` must have a circuit on"):
            qj.run(kerr, one, none, engine=engine, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"operations, but operation 0 is Kerr.* try `Fock\(cut"):
        qj.run(kerr, one, none, engine=qj.Gaussian())
    with pytest.raises(ValueError, match=r"`engine` must be given here, but is None: .*Kerr"):
        qj.run(kerr, one, none)
    with pytest.raises(ValueError, match="noise profile must meet a circuit on qubits"):
        qj.NoiseProfile(gate2=0.1).noisy(CELL.circuit)
    with pytest.raises(ValueError, match="`shots` must be None on modes, but is 100"):
        qj.run(CELL, WEIGHTS, XS, shots=100, key=jax.random.key(0))


def test_observables_belong_to_their_kind_of_wire():
    modes = qj.CircuitCell(qj.Circuit(1, (qj.Rotation(0, W(0)),)), qj.Z(0))
    with pytest.raises(ValueError, match="observable of a circuit on modes must be one of modes"):
        qj.run(modes, jnp.zeros(1), jnp.zeros((1, 0)))
    qubits = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, W(0)),)), qj.QuadX(0))
    with pytest.raises(ValueError, match=r"on modes must be read from a circuit on modes, but Qu"):
        qj.run(qubits, jnp.zeros(1), jnp.zeros((1, 0)))
