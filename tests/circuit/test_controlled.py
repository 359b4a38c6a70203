"""Gates under several controls, and flips by classical bits."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj

W = qj.Weight


def test_all_controls_must_be_one():
    gate = qj.Controlled(qj.U3(1, W(0), W(1), W(2)), (3, 0))
    values = np.array([0.7, -1.1, 2.3])
    (inner,) = oracle.kraus(gate.gate, values, np.zeros(0))
    expected = np.eye(8, dtype=complex)
    expected[6:, 6:] = inner
    np.testing.assert_allclose(gate.matrix(*jnp.asarray(values)), expected, atol=1e-15)
    whole = oracle.embed(expected, (3, 0, 1), 4)
    np.testing.assert_allclose(qj.Circuit(4, (gate,)).matrix(values), whole, atol=1e-15)


def test_controls_of_controls_add_up():
    toffoli = qj.Controlled(qj.CNOT(2, 0), 1)
    nested = qj.Controlled(qj.Controlled(qj.X(0), 2), 1)
    expected = np.eye(8)[[0, 1, 2, 3, 4, 5, 7, 6]]
    for gate in (toffoli, nested):
        np.testing.assert_array_equal(gate.matrix(), expected)
        assert gate.controls == (1, 2)
    assert qj.Circuit(3, (toffoli,)).draw().splitlines()[2].startswith("2: ─╰●─")
    assert qj.Controlled(qj.RZ(0, 0.1), 1).is_diagonal
    assert not toffoli.is_diagonal


@pytest.mark.parametrize("parameter", [0, 1, 2])
def test_the_shift_rule_follows_from_the_padded_generator(parameter):
    gate = qj.Controlled(qj.U3(1, W(0), W(1), W(2)), (2, 0))
    rng = np.random.default_rng(4)
    psi = rng.normal(size=8) + 1j * rng.normal(size=8)
    observable = oracle.kron([oracle.X + oracle.Z, oracle.Y + 0.3 * oracle.X, oracle.Z])

    def value(shift):
        values = np.array([0.7, -1.1, 2.3])
        values[parameter] += shift
        (matrix,) = oracle.kraus(gate, values, np.zeros(0))
        state = oracle.embed(matrix, gate.wires, 3) @ psi
        return (state.conj() @ observable @ state).real

    terms = gate.shift_terms(parameter)
    odd = [value(s) - value(-s) for s in (3e-3, 6e-3, 9e-3)]
    difference = (45 * odd[0] - 9 * odd[1] + odd[2]) / 0.18
    assert len(terms) == 4
    assert sum(c * value(s) for c, s in terms) == pytest.approx(difference, abs=1e-9)
    assert abs(difference) > 0.1


def test_what_cannot_be_controlled_is_refused():
    with pytest.raises(TypeError, match="`gate` must be a gate and no `If`, but is Reset"):
        qj.Controlled(qj.Reset(0), 1)
    with pytest.raises(TypeError, match="but is If"):
        qj.Controlled(qj.If(2, qj.X(0)), 1)
    with pytest.raises(ValueError, match="must be distinct"):
        qj.Controlled(qj.RY(1, 0.2), (0, 1))
    with pytest.raises(ValueError, match="at least one wire"):
        qj.Controlled(qj.RY(1, 0.2), ())


FLIPPED = qj.CircuitCell(
    qj.Circuit(3, (qj.RY(1, W(0)), qj.Flip(1, qj.Data(0)), qj.CRX(1, 2, W(1)), qj.CNOT(2, 0))),
    (qj.Z(1), qj.Y(2) @ qj.Z(0)),
)
WEIGHTS, BITS = jnp.array([0.7, -0.9]), jnp.array([[1.0], [0.0], [1.0]])


def test_a_flip_is_x_to_the_power_of_the_bit():
    expected, _ = oracle.run(
        FLIPPED.circuit, FLIPPED.observables, np.asarray(WEIGHTS), np.asarray(BITS)
    )
    np.testing.assert_allclose(qj.run(FLIPPED, WEIGHTS, BITS), expected, atol=1e-14)
    assert np.isnan(qj.Flip(0, qj.Data(0)).matrix(jnp.asarray(0.5))).all()


def test_a_flip_hinders_no_weight():
    exact, shifted = (
        helpers.quick_jit(jax.jacrev(lambda w, rule=rule: qj.run(FLIPPED, w, BITS, gradient=rule)))(
            WEIGHTS
        )
        for rule in (qj.Backprop(), qj.ParameterShift())
    )
    np.testing.assert_allclose(shifted, exact, atol=1e-12)
    assert np.abs(exact).max() > 0.1


def test_a_bit_has_no_derivative():
    flip = qj.Flip(0, qj.Data(0))
    for asked in (lambda: flip.shift_terms(0), flip.generators):
        with pytest.raises(ValueError, match="must have an angle to shift, but Flip"):
            asked()
    with pytest.raises(ValueError, match="must not differentiate this gate, but Flip"):
        jax.grad(lambda x: qj.run(FLIPPED, WEIGHTS, x, gradient=qj.ParameterShift()).sum())(BITS)
    still = jax.grad(lambda x: qj.run(FLIPPED, WEIGHTS, x, gradient=qj.Backprop()).sum())(BITS)
    np.testing.assert_array_equal(still, 0)
    with pytest.raises(ValueError, match="`bit` must be 0 or 1, but is 2"):
        qj.Flip(0, 2)
    for rule in (qj.SharedShift(), qj.Riesz()):
        assert "Flip" in rule.refusal(qj.Circuit(1, (qj.Flip(0, W(0)),)))
