"""Noise that grows with the angle: its map, its derivative, and how wrong the shift rule is."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj

W = qj.Weight
RHO = np.array([[0.7, 0.2 - 0.3j], [0.2 + 0.3j, 0.3]])


@pytest.mark.parametrize("angle", [-1.4, 0.0, 0.8])
@pytest.mark.parametrize("gate", [qj.RX, qj.RY, qj.RZ])
def test_the_map_is_a_rotation_and_a_mixture(gate, angle):
    channel = qj.AngleNoise(gate(2, W(0)), 0.6)
    assert channel.wires == (2,)
    assert channel.parameters == (W(0),)
    (unitary,) = oracle.kraus(gate(2, W(0)), np.array([angle]), np.zeros(0))
    kept = np.exp(-0.6 * abs(angle))
    expected = kept * unitary @ RHO @ unitary.conj().T + (1 - kept) * np.eye(2) / 2
    result = channel.superoperator(jnp.asarray(angle, float)) @ RHO.ravel()
    np.testing.assert_allclose(result.reshape(2, 2), expected, atol=1e-15)
    by_kraus = sum(
        k @ RHO @ k.conj().T for k in np.asarray(channel.kraus(jnp.asarray(angle, float)))
    )
    np.testing.assert_allclose(by_kraus, expected, atol=1e-15)


@pytest.mark.parametrize("method", ["superoperator", "kraus"])
def test_the_derivative_is_right_off_zero_and_finite_at_zero(method):
    function = getattr(qj.AngleNoise(qj.RY(0, W(0)), 0.6), method)
    h = 1e-5
    for angle in (-1.4, 0.8):
        derivative = jax.jacfwd(function)(jnp.asarray(angle, float))
        difference = (
            function(jnp.asarray(angle + h, float)) - function(jnp.asarray(angle - h, float))
        ) / (2 * h)
        np.testing.assert_allclose(derivative, difference, atol=1e-9)
    assert np.isfinite(np.asarray(jax.jacfwd(function)(jnp.asarray(0.0, float)))).all()


@pytest.mark.parametrize(("rate", "percent"), [(0.01, -1.7), (0.05, -8.2), (0.1, -15.3)])
def test_the_shift_rule_is_biased_by_the_known_amount(rate, percent):
    """f = exp(-g|a|) cos a at a = 0.8."""
    channel = qj.AngleNoise(qj.RX(0, W(0)), rate)

    def f(angle):
        rho = (channel.superoperator(angle) @ jnp.array([1, 0, 0, 0])).reshape(2, 2)
        return (rho[0, 0] - rho[1, 1]).real

    angle = jnp.asarray(0.8, float)
    assert f(angle) == pytest.approx(np.exp(-0.8 * rate) * np.cos(0.8), abs=1e-15)
    exact = jax.grad(f)(angle)
    assert exact == pytest.approx(
        -np.exp(-0.8 * rate) * (rate * np.cos(0.8) + np.sin(0.8)), abs=1e-14
    )
    shifted = sum(c * f(angle + shift) for c, shift in channel.shift_terms(0))
    assert 100 * (shifted / exact - 1) == pytest.approx(percent, abs=0.05)


def test_different_rates_and_gates_stand_in_one_circuit():
    gates = (qj.RX(0, W(0)), qj.RX(1, W(0)), qj.RY(2, W(1)))
    rates = (0.1, 0.7, 0.1)
    noisy = [qj.AngleNoise(gate, rate) for gate, rate in zip(gates, rates)]
    circuit = qj.Circuit(3, (*noisy, qj.CNOT(0, 1), qj.CNOT(1, 2)))
    assert circuit.parameters == (W(0), W(0), W(1))
    observables = (qj.Z(1), qj.Y(0) @ qj.X(1), qj.X(2), qj.Z(0))
    weights, xs = np.array([0.8, -1.3]), np.zeros((2, 0))
    ys = qj.run(qj.CircuitCell(circuit, observables), jnp.asarray(weights), xs)
    expected, _ = oracle.run(circuit, observables, weights, xs)
    np.testing.assert_allclose(ys, expected, atol=1e-14)


@pytest.mark.parametrize("gate", [qj.H(0), qj.RZZ(0, 1, 0.1), qj.U3(0, 1, 2, 3), "RX"])
def test_only_rotations_of_one_wire_have_angle_noise(gate):
    with pytest.raises(TypeError, match="Argument `gate` must be `RX`, `RY` or `RZ`, but is"):
        qj.AngleNoise(gate, 0.1)


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, True, "0.1", W(0)])
def test_a_rate_must_be_a_number(rate):
    with pytest.raises(ValueError, match="Argument `rate` must be a finite number of 0 or more"):
        qj.AngleNoise(qj.RX(0, 0.1), rate)
