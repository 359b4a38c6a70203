"""The Gaussian stand-in for shots: its moments against unrolled circuits and the library's own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.validation.gaussian_agreement import predicted_gradient
from qrnn_jax.validation.gaussian_outputs import Moments, OutcomeModel
from qrnn_jax.validation.quick_jit import quick_jit

WEIGHTS = jnp.array([0.7, -1.1, 0.4])
XS = jnp.array([0.3, -0.8, 1.2])


def step(data: int, memory: tuple[int, int], x: object) -> list:
    """One step on given wires, asymmetric, with damping and the input twice."""
    first, second = memory
    return [
        qj.RY(data, x),
        qj.RX(data, qj.Weight(0)),
        qj.RY(data, x),
        qj.RX(first, qj.Weight(1)),
        qj.RZZ(data, second, 0.9),
        qj.RY(second, qj.Weight(2)),
        qj.CNOT(first, data),
        qj.CNOT(second, first),
        qj.AmplitudeDamping(first, 0.1),
        qj.AmplitudeDamping(data, 0.2),
    ]


def recurrent() -> qj.CircuitCell:
    error = qj.ReadoutError(0, 0.03, 0.08)
    operations = (*step(0, (1, 2), qj.Data(0)), error, qj.Reset(0))
    return qj.CircuitCell(qj.Circuit(3, operations), qj.Z(0))


def unrolled() -> np.ndarray:
    """E[o_t] and E[o_s o_t] of three steps, every data qubit a wire of its own, never reset."""
    operations = [
        operation
        for t in range(3)
        for operation in step(t, (3, 4), qj.Data(t))
    ]  # fmt: skip
    operations += [qj.ReadoutError(t, 0.03, 0.08) for t in range(3)]
    words = [qj.Z(t) for t in range(3)]
    words += [qj.Z(s) @ qj.Z(t) for s in range(3) for t in range(s)]
    cell = qj.CircuitCell(qj.Circuit(5, operations), tuple(words))
    return np.asarray(qj.run(cell, WEIGHTS, XS[None], engine=qj.DensityMatrix())[0])


def test_covariance_is_that_of_the_unrolled_circuit() -> None:
    model = OutcomeModel(recurrent(), scored=3, dtype=jnp.complex128)
    found = quick_jit(lambda w: model.moments(model.steps(model.nodes(w), XS)))(WEIGHTS)
    expected = unrolled()
    np.testing.assert_allclose(found.mean, expected[:3], atol=1e-12)
    second = np.eye(3)
    second[[1, 2, 2], [0, 0, 1]] = second[[0, 0, 1], [1, 2, 2]] = expected[3:]
    covariance = second - np.outer(expected[:3], expected[:3])
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    assert np.abs(covariance[1, 0]) > 1e-3  # the case is no trivial one


@pytest.mark.parametrize("horizon", [5, 2])
def test_shifted_steps_give_the_moments_of_the_public_rule(horizon: int) -> None:
    steps = 5
    xs = jnp.linspace(-0.9, 1.3, steps)
    model = OutcomeModel(recurrent(), scored=1, dtype=jnp.complex128)
    shifts = jnp.pi / 2 * jnp.concatenate([jnp.zeros((1, 3)), jnp.eye(3), -jnp.eye(3)])
    target = jnp.zeros(steps).at[-1].set(1)

    def moments(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        maps = jax.vmap(lambda shift: model.steps(model.nodes(weights + shift), xs))(shifts)
        return model.shifted(maps[0], maps[1:], target, horizon)

    mean, variance = quick_jit(moments)(WEIGHTS)
    rule = qj.ParameterShift(horizon=horizon)
    found = qj.gradient_moments(model.cell, WEIGHTS, xs[:, None], gradient=rule, shots=50)
    np.testing.assert_allclose((mean[:3] - mean[3:]).sum(1) / 2, found.mean, atol=1e-12)
    np.testing.assert_allclose(
        (variance[:3] + variance[3:]).sum(1) / 200, found.variance, atol=1e-12
    )


def test_shifted_sums_of_outcomes_are_those_of_replays() -> None:
    """Two scored outcomes that are correlated, one of them dropped for late shifts."""
    model = OutcomeModel(recurrent(), scored=2, dtype=jnp.complex128)
    steps = quick_jit(lambda weights: model.steps(model.nodes(weights), XS))
    maps, moved = steps(WEIGHTS), steps(WEIGHTS.at[1].add(0.8))
    slopes, moments = jnp.array([0.7, -1.3]), quick_jit(model.moments)
    padded = jnp.array([0.0, 0.7, -1.3])
    mean, variance = quick_jit(model.shifted)(maps, moved[None], padded, 10)
    for time in range(3):
        found = moments(maps.at[time].set(moved[time]))
        kept = slopes * (jnp.arange(1, 3) >= time)
        assert abs(mean[0, time] - kept @ found.mean) < 1e-12
        assert abs(variance[0, time] - kept @ found.covariance @ kept) < 1e-12


def test_draws_have_the_moments() -> None:
    covariance = jnp.array([[0.9, 0.3], [0.3, 0.5]])
    moments = Moments(jnp.array([0.2, -0.4]), covariance)
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = np.asarray(jax.vmap(lambda key: moments.draw(100, key))(keys))
    np.testing.assert_allclose(drawn.mean(0), moments.mean, atol=5 * 0.1 / np.sqrt(20_000))
    np.testing.assert_allclose(100 * np.cov(drawn.T), covariance, atol=0.03)


def test_predicted_gradient_is_the_mean_of_the_loss_gradient() -> None:
    cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=0)
    model = OutcomeModel(cell, scored=2, dtype=jnp.complex128)
    params, target = jnp.array([0.1, 0.4, -1.2, 0.8, 2.1, 0.3]), jnp.array([0.3, -0.2])

    def loss(params: jax.Array) -> jax.Array:
        return jnp.mean((qj.run(cell, params, XS[:, None])[-2:, 0] - target) ** 2)

    predict = quick_jit(partial(predicted_gradient, model))
    mean, variance = predict(params, XS, target, 10**4)
    np.testing.assert_allclose(mean, quick_jit(jax.grad(loss))(params), atol=1e-12)
    estimate = qj.estimate_gradient(
        lambda ys: jnp.mean((ys[-2:, 0] - target) ** 2), cell, params, XS[:, None],
        shots=10**4, gradient=qj.ParameterShift(), key=jax.random.key(0),
    )  # fmt: skip
    np.testing.assert_allclose(estimate.stderr, np.sqrt(variance), rtol=0.05)


def test_a_cell_that_does_more_behind_its_read_out_is_refused() -> None:
    noisy = qj.cells.Noisy(recurrent(), qj.NoiseProfile(idle=0.1))
    with pytest.raises(ValueError, match="Argument `cell` must end each step by resetting"):
        OutcomeModel(noisy, scored=1)
