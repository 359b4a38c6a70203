"""Derivatives stay finite, and right, where a textbook formula would divide by zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.helpers import cell_inputs, quick_jit

CHANNELS = (qj.Depolarizing, qj.AmplitudeDamping, qj.PhaseDamping, qj.BitFlip)
CELL = qj.cells.Takaki(inputs=2, memory=1, depth=1)


def gradients(gradient: qj.AbstractGradient | None, xs: np.ndarray) -> tuple:
    """Of a loss of Takaki's outputs, in the angles and in the inputs."""

    def loss(params: dict, xs: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(qj.run(CELL, params, xs, gradient=gradient)))

    params, _ = cell_inputs(CELL, 1)
    return quick_jit(jax.grad(loss, argnums=(0, 1)))(params, xs)


@pytest.mark.parametrize(
    "gradient", [qj.Backprop(), qj.ParameterShift()], ids=["backprop", "shift"]
)
def test_weight_gradients_are_exact_where_arccos_is_steep(gradient: qj.AbstractGradient) -> None:
    """At |x| = 1 the weights' gradient is the limit from inside; the inputs' is finite."""
    edge = np.array([[1.0], [-1.0], [0.3], [1.0]])
    in_weights, in_xs = gradients(gradient, edge)
    inside, _ = gradients(gradient, edge * (1 - 1e-13))  # arccos moves by 4e-7
    assert np.isfinite(in_xs).all()
    assert np.isfinite(in_weights["angles"]).all()
    assert np.abs(in_weights["angles"]).max() > 1e-2
    assert np.abs(in_weights["angles"] - inside["angles"]).max() < 5e-6


GATES = {
    "one wire": (qj.RX(0, qj.Weight(0)), qj.RY(1, qj.Weight(1)), qj.RZ(2, qj.Weight(2))),
    "two wires": (
        qj.RXX(0, 1, qj.Weight(0)),
        qj.RYY(1, 2, qj.Weight(1)),
        qj.RZZ(2, 0, qj.Weight(2)),
    ),
    "controlled": (
        qj.CRX(0, 1, qj.Weight(0)),
        qj.CRY(1, 2, qj.Weight(1)),
        qj.CRZ(2, 0, qj.Weight(2)),
    ),
    "general": (
        qj.U3(0, qj.Weight(0), qj.Weight(1), 0.2),
        qj.Evolution(qj.X(1) + qj.Z(1) @ qj.Z(2), qj.Weight(2)),
    ),
}


@pytest.mark.parametrize("name", GATES)
def test_gradients_at_angle_zero_match_differences(name: str) -> None:
    mix = [qj.RY(0, 0.4), qj.RX(1, 0.9), qj.RY(2, 1.3), qj.CNOT(0, 1), qj.T(0), qj.H(2)]
    turn = [qj.RX(0, 0.8), qj.CNOT(2, 0), qj.RY(1, 1.1), qj.CNOT(0, 1), qj.Reset(1)]
    circuit = qj.Circuit(3, [*mix, *GATES[name], *turn])
    cell = qj.CircuitCell(circuit, (qj.X(0) + 0.5 * qj.Z(1) @ qj.Y(2), qj.Y(0)))

    def total(weights: jax.Array) -> jax.Array:
        return jnp.sum(jnp.array([1.0, 0.7]) * qj.run(cell, weights, jnp.zeros((3, 0))))

    compiled, step = quick_jit(total), 1e-5
    shifts = step * np.eye(3)
    slopes = [(compiled(s) - compiled(-s)) / (2 * step) for s in shifts]
    got = quick_jit(jax.grad(total))(jnp.zeros(3))
    assert np.abs(got - np.array(slopes)).max() < 1e-8
    assert np.abs(got).max() > 1e-2


@pytest.mark.parametrize("channel", CHANNELS)
def test_strength_gradients_are_finite_and_exact_at_zero(channel: type) -> None:
    """The value at strength 0 is that of no noise; the slope is that of a one-sided difference."""
    circuit = qj.Circuit(
        2,
        (qj.RY(0, 0.7), qj.CRX(0, 1, 1.1), channel(1, qj.Weight(0)), qj.CNOT(1, 0), qj.RX(1, 0.5)),
    )
    cell = qj.CircuitCell(circuit, (qj.Z(0) + qj.X(1) + 0.3 * qj.Y(0) @ qj.Z(1),))

    def total(strength: jax.Array) -> jax.Array:
        return qj.run(cell, strength[None], jnp.zeros((3, 0))).sum()

    value, slope = quick_jit(jax.value_and_grad(total))(0.0)
    compiled, step = quick_jit(total), 1e-5
    ahead = (-3 * value + 4 * compiled(step) - compiled(2 * step)) / (2 * step)
    assert abs(slope) > 1e-2
    assert abs(slope - ahead) < 1e-7


@pytest.mark.parametrize("channel", CHANNELS)
def test_strength_gradients_are_finite_at_one(channel: type) -> None:
    circuit = qj.Circuit(2, (qj.RY(0, qj.Weight(1)), channel(0, qj.Weight(0)), qj.CNOT(0, 1)))
    cell = qj.CircuitCell(circuit, (qj.Z(1), qj.X(0)))
    loss = quick_jit(jax.grad(lambda w: qj.run(cell, w, jnp.zeros((3, 0))).sum()))
    assert np.isfinite(loss(jnp.array([1.0, 0.7]))).all()


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_a_traced_strength_that_is_no_probability_gives_nan(channel: type, strength: float) -> None:
    circuit = qj.Circuit(2, (qj.RY(0, 0.7), channel(0, qj.Weight(0)), qj.CNOT(0, 1)))
    cell = qj.CircuitCell(circuit, (qj.Z(1),))
    run = quick_jit(lambda w: qj.run(cell, w, jnp.zeros((2, 0))))
    assert np.isfinite(run(np.array([0.3]))).all()
    assert np.isnan(run(np.array([strength]))).all()
