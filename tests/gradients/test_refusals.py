"""What no shift rule can do is refused by name; what it can do next to that still works."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.gradients.jacobians import STEPS, distance, scalar
from tests.helpers import quick_jit, random_cell, random_inputs

W, D = qj.Weight, qj.Data
NOISE = r"`ParameterShift` must not differentiate a noise strength, but .* depends on what is"


def noisy(strength):
    """A noisy circuit whose strengths depend on a weight or on data, its loss and its inputs."""
    cell = random_cell(200, kind="noisy", gates=3, strength=strength)

    def loss(rule):
        return lambda weights, xs: scalar(qj.run(cell, weights, xs, gradient=rule))

    return cell, loss, random_inputs(cell.circuit, 200, steps=STEPS)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.vmap], ids=["eager", "jit", "vmap"])
def test_trainable_noise_is_refused(wrap):
    cell, loss, (weights, xs) = noisy("weight")
    assert "noise strength" in qj.ParameterShift().refusal(cell.circuit)
    batch = (weights[None], xs[None]) if wrap is jax.vmap else (weights, xs)
    with pytest.raises(ValueError, match=NOISE):
        wrap(jax.grad(loss(qj.ParameterShift())))(*batch)


def test_trainable_noise_still_runs_and_has_a_gradient_in_the_data():
    cell, loss, inputs = noisy("weight")
    shifted = quick_jit(jax.grad(loss(qj.ParameterShift()), argnums=1))(*inputs)
    exact = quick_jit(jax.grad(loss(qj.Backprop()), argnums=1))(*inputs)
    assert distance(shifted, exact) < 1e-10
    forward = qj.run(cell, *inputs, gradient=qj.ParameterShift())
    assert distance(forward, qj.run(cell, *inputs)) < 1e-12


def test_noise_from_data_is_refused_only_where_data_are_differentiated():
    cell, loss, inputs = noisy("data")
    assert qj.ParameterShift().refusal(cell.circuit) is None
    with pytest.raises(ValueError, match=NOISE):
        jax.grad(loss(qj.ParameterShift()), argnums=1)(*inputs)
    with pytest.raises(ValueError, match=NOISE):  # the mixed second derivative needs it, too
        jax.jacfwd(jax.grad(loss(qj.ParameterShift())), argnums=1)(*inputs)
    shifted = quick_jit(jax.grad(loss(qj.ParameterShift())))(*inputs)
    exact = quick_jit(jax.grad(loss(qj.Backprop())))(*inputs)
    assert distance(shifted, exact) < 1e-10


def test_a_sweep_of_strengths_is_one_program():
    """Strengths as data: gradients in the weights for many strengths, compiled once."""
    circuit = qj.Circuit(
        3,
        (
            qj.RY(0, W(0)),
            qj.CRX(0, 1, W(1)),
            qj.Depolarizing(0, D(0)),
            qj.RXX(1, 2, W(0)),
            qj.AmplitudeDamping(1, 0.5 * D(0)),
            qj.Reset(0),
        ),
    )
    cell, weights = qj.CircuitCell(circuit, qj.Z(1) @ qj.Z(2)), np.array([0.8, -0.5])
    compilations = []

    def gradient(rule):
        def one(strength):
            xs = jnp.full((STEPS, 1), strength)
            return jax.grad(lambda w: scalar(qj.run(cell, w, xs, gradient=rule)))(weights)

        def sweep(strengths):
            compilations.append(rule)  # at trace time
            return jax.vmap(one)(strengths)

        return quick_jit(sweep)

    exact, shifted = gradient(qj.Backprop()), gradient(qj.ParameterShift())
    for strengths in (np.linspace(0, 0.2, 4), np.linspace(0.3, 0.9, 4)):
        found = shifted(strengths)
        assert distance(found, exact(strengths)) < 1e-10
        assert np.ptp(np.linalg.norm(found, axis=1)) > 0.01
    assert len(compilations) == 2


@pytest.mark.parametrize("mode", [jax.grad, jax.jacfwd])
def test_differentiating_the_carry_is_refused(mode):
    cell = qj.CircuitCell(qj.Circuit(2, (qj.RX(0, W(0)), qj.CNOT(0, 1), qj.Reset(0))), qj.Z(1))
    xs = jnp.zeros((STEPS, 0))

    def last(carry, rule):
        started = qj.simulate(cell, jnp.array([0.4]), xs, carry=carry, gradient=rule)
        return started.outputs[-1, 0]

    carry = jnp.diag(jnp.array([0.7, 0.3])) + 0j
    with pytest.raises(ValueError, match=r"`carry` must not be differentiated under `Para"):
        mode(lambda real: last(real + 0j, qj.ParameterShift()))(carry.real)
    assert np.abs(jax.grad(lambda real: last(real + 0j, qj.Backprop()))(carry.real)).max() > 0.1


def test_the_returned_carry_is_detached():
    cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
    params, xs = cell.init(jax.random.key(0)), jnp.full((STEPS, 1), 0.3)

    def carried(rule):
        return lambda p: qj.simulate(cell, p, xs, gradient=rule).carry.real[0, 0]

    detached = jax.grad(carried(qj.ParameterShift()))(params)["angles"]
    assert (np.asarray(detached) == 0).all()
    assert np.abs(jax.grad(carried(qj.Backprop()))(params)["angles"]).max() > 1e-3


def test_a_generator_with_too_many_frequencies_is_refused():
    field = 0.3 * qj.X(0) + 0.5 * qj.X(1) + 0.7 * qj.X(2) + 1.1 * qj.X(3)
    hamiltonian = field + 0.9 * (qj.Z(0) @ qj.Z(1)) + 0.4 * (qj.Z(1) @ qj.Z(3))
    cell = qj.CircuitCell(qj.Circuit(4, (qj.Evolution(hamiltonian, W(0)),)), qj.Z(0))

    def loss(weights):
        return qj.run(cell, weights, jnp.zeros((1, 0)), gradient=qj.ParameterShift()).sum()

    with pytest.raises(ValueError, match=r"at most 32 frequencies .* try decomposing the gate"):
        jax.grad(loss)(jnp.array([0.3]))


@pytest.mark.parametrize("chunk", [0, -1, True])
def test_chunk_must_be_positive(chunk):
    with pytest.raises(ValueError, match=r"`chunk` must be an integer of 1 or more, but is"):
        qj.ParameterShift(chunk=chunk)
