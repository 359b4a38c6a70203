"""Post-selection: the unnormalised branch, by hand."""

import helpers
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax import ops


@pytest.mark.parametrize("value", [0, 1])
def test_the_trace_drops_to_the_probability_of_success(value):
    left = helpers.random_isometry(np.random.default_rng(2), 8, 2) * np.sqrt([0.7, 0.3])
    rho = left @ left.conj().T
    channel = qj.Postselect(1, value)
    result = ops.apply_superoperator(channel.superoperator(), jnp.asarray(rho), (1,), 3)
    blocks = rho.reshape(2, 2, 2, 2, 2, 2)
    expected = np.zeros_like(blocks)
    expected[:, value, :, :, value, :] = blocks[:, value, :, :, value, :]
    np.testing.assert_allclose(result, expected.reshape(8, 8), atol=1e-15)
    probability = np.trace(oracle.embed(np.diag([1 - value, value]), (1,), 3) @ rho).real
    assert np.trace(result).real == pytest.approx(probability, abs=1e-15)
    assert 0.1 < probability < 0.9


def test_a_circuit_says_that_it_is_postselected():
    assert qj.Circuit(2, (qj.H(0), qj.Postselect(1))).is_postselected
    assert not qj.Circuit(2, (qj.H(0), qj.Measure(1), qj.Reset(0))).is_postselected
    assert not qj.Circuit(2, (qj.Postselect(1),)).is_unitary


def test_both_outcomes_stand_in_one_circuit():
    """Wire 0 is kept in 0, wire 2 in 1: the projectors do not share code."""
    circuit = qj.Circuit(3, (qj.X(2), qj.Postselect(0, 0), qj.Postselect(2, 1)))
    cell = qj.CircuitCell(circuit, qj.Probabilities((0, 1, 2)))
    np.testing.assert_allclose(qj.run(cell, jnp.zeros(0), np.zeros((1, 0))), [np.eye(8)[1]])


@pytest.mark.parametrize("value", [2, -1, True, 0.0, None])
def test_a_value_must_be_a_bit(value):
    with pytest.raises(ValueError, match="Argument `value` must be 0 or 1, but is"):
        qj.Postselect(0, value)
