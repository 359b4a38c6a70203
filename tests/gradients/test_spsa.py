"""Simultaneous perturbation: unbiased up to c^2, its exact variance, its runs."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.gradients.jacobians import distance, size
from tests.helpers import quick_jit

W, D = qj.Weight, qj.Data
CELL = qj.CircuitCell(
    qj.Circuit(
        3,
        (
            qj.RY(0, D(0)),
            qj.CRX(0, 1, W(0) * D(0)),
            qj.RXX(1, 2, W(1)),
            qj.RY(2, W(2)),
            qj.Reset(0),
        ),
    ),
    qj.Y(1) @ qj.Z(2),
)
WEIGHTS, XS = jnp.array([0.7, -1.1, 0.4]), jnp.array([[0.4], [1.3]])


def loss(weights, xs, rule, key=None):
    return jnp.sum(jnp.sin(1 + qj.run(CELL, weights, xs, gradient=rule, key=key)))


@pytest.fixture(scope="module")
def many():
    """Gradients in weights and data of 1500 keys, four directions each."""

    @quick_jit
    def gradients(keys):
        rule = qj.SPSA(directions=4)
        gradient = jax.grad(loss, (0, 1))
        return jax.vmap(lambda key: gradient(WEIGHTS, XS, rule, key))(keys)

    weights, data = gradients(jax.random.split(jax.random.key(3), 1500))
    return np.concatenate([weights, data[:, :, 0]], axis=1)


@pytest.fixture(scope="module")
def exact():
    weights, data = jax.grad(loss, (0, 1))(WEIGHTS, XS, qj.Backprop())
    return np.concatenate([weights, data[:, 0]])


def test_the_mean_of_many_directions_is_the_gradient(many, exact):
    assert size(exact) > 0.1
    errors = many.std(axis=0, ddof=1) / np.sqrt(len(many))
    assert np.all(np.abs(many.mean(axis=0) - exact) < 4 * errors)


def test_the_variance_is_that_of_the_other_entries(many, exact):
    """Var g_i = sum_{j != i} g_j^2 / m."""
    expected = ((exact**2).sum() - exact**2) / 4
    np.testing.assert_allclose(many.var(axis=0, ddof=1), expected, rtol=0.15)


def test_one_parameter_leaves_no_spread():
    """Then SPSA is the central difference with the same step."""
    cell = qj.CircuitCell(qj.Circuit(2, (qj.RX(0, W(0)), qj.CNOT(0, 1))), qj.Z(1))

    def last(weights, rule):
        key = jax.random.key(9) if rule.is_random else None
        return qj.run(cell, weights, jnp.zeros((3, 0)), gradient=rule, key=key)[-1, 0]

    weights = jnp.array([0.3])
    rules = qj.SPSA(step=0.2, directions=3), qj.FiniteDifference(step=0.2)
    found, central = quick_jit(lambda w: [jax.grad(last)(w, rule) for rule in rules])(weights)
    assert size(central) > 0.1
    assert distance(found, central) < 1e-12


def test_the_runs_are_pairs_along_signs(tapes):
    rule = qj.SPSA(step=0.1, directions=3, chunk=1020)
    gradient = quick_jit(lambda w, key: jax.grad(loss)(w, XS, rule, key))
    gradient(WEIGHTS, jax.random.key(0))
    jax.effects_barrier()
    assert len(tapes) == rule.evaluations(CELL.circuit, len(XS)) == 2 * 3
    moves = [np.asarray(tape[0, [2, 3]] - WEIGHTS[1:]) for tape in tapes]
    np.testing.assert_allclose(np.abs(moves), 0.1)
    np.testing.assert_allclose(np.sum(moves, axis=0), 0, atol=1e-12)


def test_directions_differ_from_each_other_and_from_key_to_key():
    rule, size_ = qj.SPSA(step=0.5, directions=8), 20
    first, table = rule.offsets(size_, jnp.float64, jax.random.key(0))
    second, _ = rule.offsets(size_, jnp.float64, jax.random.key(1))
    assert first.shape == (16, size_) == table.T.shape
    np.testing.assert_array_equal(first[0::2], -first[1::2])  # the pair of a draw stands together
    assert len({tuple(row) for row in np.asarray(jnp.concatenate([first, second])).tolist()}) == 32
    assert rule.draws == 8
    assert rule.is_random


def test_a_key_is_asked_for():
    with pytest.raises(ValueError, match="`key`"):
        jax.grad(loss)(WEIGHTS, XS, qj.SPSA())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"directions": 0}, "`directions` must be an integer of 1 or more, but is 0"),
        ({"directions": None}, "`directions` must be an integer of 1 or more, but is None"),
        ({"step": -0.1}, "`step` must be a positive number, but is -0.1"),
        ({"on": "weights"}, "`on` must be one of ('outputs', 'loss'), but is 'weights'"),
    ],
)
def test_settings_are_checked(settings, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        qj.SPSA(**settings)
