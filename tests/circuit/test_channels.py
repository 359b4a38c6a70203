"""Every channel: its Kraus matrices, its superoperator, and finite derivatives at both ends."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj

ISOMETRY = helpers.random_isometry(np.random.default_rng(3), 12, 4).reshape(3, 4, 4)
X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
RHO = np.array([[0.7, 0.2 - 0.3j], [0.2 + 0.3j, 0.3]])
(A, B), (C, D) = RHO


def pauli_mixture(p):
    return (1 - p) * RHO + p / 3 * (X @ RHO @ X + Y @ RHO @ Y + Z @ RHO @ Z)


# name -> (the channel on wire 1, its action on RHO at a strength)
CHANNELS = {
    "Depolarizing": (lambda s: qj.Depolarizing(1, s), pauli_mixture),
    "BitFlip": (lambda s: qj.BitFlip(1, s), lambda p: (1 - p) * RHO + p * X @ RHO @ X),
    "AmplitudeDamping": (
        lambda s: qj.AmplitudeDamping(1, s),
        lambda g: np.array([[A + g * D, np.sqrt(1 - g) * B], [np.sqrt(1 - g) * C, (1 - g) * D]]),
    ),
    "PhaseDamping": (
        lambda s: qj.PhaseDamping(1, s),
        lambda s: np.array([[A, np.sqrt(1 - s) * B], [np.sqrt(1 - s) * C, D]]),
    ),
    "Reset": (lambda s: qj.Reset(1), lambda s: np.diag([1, 0]) + 0 * RHO),
    "Kraus": (
        lambda s: qj.Kraus(1, ISOMETRY[:, :, :2].reshape(6, 2, 2)),
        lambda s: sum(k @ RHO @ k.conj().T for k in ISOMETRY[:, :, :2].reshape(6, 2, 2)),
    ),
    "Measure": (lambda s: qj.Measure(1, basis="Y"), lambda s: (RHO + Y @ RHO @ Y) / 2),
    "Postselect": (lambda s: qj.Postselect(1, 1), lambda s: np.diag([0, D])),
    "AngleNoise": (
        lambda s: qj.AngleNoise(qj.RZ(1, s), 0.6),
        lambda a: (
            np.exp(-0.6 * a) * np.array([[A, np.exp(-1j * a) * B], [np.exp(1j * a) * C, D]])
            + (1 - np.exp(-0.6 * a)) * np.eye(2) / 2
        ),
    ),
}
STRENGTH = ("Depolarizing", "BitFlip", "AmplitudeDamping", "PhaseDamping")


def strengths(name, value):
    return [jnp.asarray(value, float)] if name in (*STRENGTH, "AngleNoise") else []


def test_every_public_channel_is_in_this_table():
    public = {channel.__name__ for channel in helpers.public_classes(qj.AbstractChannel)}
    assert public == {*CHANNELS, "Neuron"}  # see test_neuron.py


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", CHANNELS)
def test_kraus_matrices_are_complete_and_give_the_superoperator(name, value):
    channel = CHANNELS[name][0](value)
    kraus = np.asarray(channel.kraus(*strengths(name, value)))
    total = sum(matrix.conj().T @ matrix for matrix in kraus)
    kept = np.diag([0, 1]) if name == "Postselect" else np.eye(2)
    np.testing.assert_allclose(total, kept, atol=1e-15)
    expected = sum(np.kron(matrix, matrix.conj()) for matrix in kraus)
    superoperator = channel.superoperator(*strengths(name, value))
    np.testing.assert_allclose(superoperator, expected, atol=1e-15)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_acts_as_its_formula_says(name, value):
    build, expected = CHANNELS[name]
    superoperator = build(value).superoperator(*strengths(name, value))
    result = (superoperator @ RHO.reshape(-1)).reshape(2, 2)
    np.testing.assert_allclose(result, expected(value), atol=1e-15)


@pytest.mark.parametrize("name", STRENGTH)
def test_the_derivative_of_the_superoperator_is_right_inside(name):
    channel, h = CHANNELS[name][0](0.3), 1e-5
    derivative = jax.jacfwd(channel.superoperator)(jnp.asarray(0.3, float))
    right, left = (channel.superoperator(jnp.asarray(0.3 + sign * h, float)) for sign in (1, -1))
    difference = (right - left) / (2 * h)
    np.testing.assert_allclose(derivative, difference, atol=1e-9)


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("name", STRENGTH)
def test_the_derivative_of_the_superoperator_is_finite_at_both_ends(name, value, x64):
    with jax.enable_x64(x64):
        channel = CHANNELS[name][0](value)
        for transform in (jax.jacfwd, lambda f: jax.jacrev(lambda s: f(s).real)):
            derivative = np.asarray(
                jax.jit(transform(channel.superoperator))(jnp.asarray(value, float))
            )
            assert np.isfinite(derivative).all()
            assert np.abs(derivative).max() >= 0.5


@pytest.mark.parametrize("value", [-0.1, 1.1])
@pytest.mark.parametrize("name", STRENGTH)
def test_a_constant_strength_must_be_a_probability(name, value):
    with pytest.raises(ValueError, match=rf"`strength` of {name} must be in \[0, 1\], but is"):
        CHANNELS[name][0](value)


@pytest.mark.parametrize("name", STRENGTH)
def test_a_strength_must_be_finite(name):
    with pytest.raises(ValueError, match="Argument `strength` must be finite, but is nan"):
        CHANNELS[name][0](np.nan)


def test_a_strength_may_be_a_slot():
    channel = qj.AmplitudeDamping(0, 0.5 * qj.Weight(0) + 0.1)
    assert channel.parameters == (0.5 * qj.Weight(0) + 0.1,)


def test_kraus_acts_on_its_wires_in_their_order():
    channel = qj.Kraus((2, 0), ISOMETRY)
    assert channel.wires == (2, 0)
    np.testing.assert_array_equal(channel.kraus(), ISOMETRY)


def test_kraus_refuses_wrong_matrices():
    with pytest.raises(ValueError, match=r"shape \(m, 4, 4\) for 2 wires, but has shape \(2, 2\)"):
        qj.Kraus((0, 1), np.eye(2))
    with pytest.raises(ValueError, match=r"sum_m K_m\^dagger K_m = 1, but the difference is 0.5"):
        qj.Kraus((0,), np.diag([1, np.sqrt(0.5)])[None])
    with pytest.raises(ValueError, match="but the difference is nan"):
        qj.Kraus((0,), np.array([[[1, 0], [0, np.nan]]]))
    # complete the wrong way round: sum K K^dagger = 1 is not enough
    raise_once = np.array([[[1, 0], [0, 0]], [[0, 0], [1, 0]]])
    with pytest.raises(ValueError, match="but the difference is 1"):
        qj.Kraus((0,), raise_once)


@pytest.mark.parametrize("name", CHANNELS)
def test_channels_are_values_and_not_unitary(name):
    first, second = CHANNELS[name][0](0.3), CHANNELS[name][0](0.3)
    assert first == second
    assert hash(first) == hash(second)
    assert not first.is_unitary
