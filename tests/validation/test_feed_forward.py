"""E7: the sums over histories against the library, and the closed forms of the toys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax import validation
from qrnn_jax.validation import feed_forward, histories
from qrnn_jax.validation.binomial import binomial
from qrnn_jax.validation.quick_jit import quick_jit


@pytest.fixture(scope="module")
def exact() -> histories.Variances:
    return histories.variances(jnp.asarray(histories.PARAMETERS), quick_jit)


def test_per_shot_weights_are_unbiased_and_every_parameter_matters(
    exact: histories.Variances,
) -> None:
    np.testing.assert_allclose(exact.mean, exact.gradient, atol=1e-12)
    assert np.abs(exact.gradient).min() > 1e-3
    assert np.all(np.asarray(exact.causal) > 0)


def test_the_gradient_of_the_sum_is_a_derivative(exact: histories.Variances) -> None:
    def mean(params: np.ndarray) -> float:
        outcomes = jax.jit(histories.mean_outcomes)(jnp.asarray(params))
        return float(histories.WEIGHTS @ np.asarray(outcomes))

    unit = 1e-4 * np.eye(3)
    ends = [mean(histories.PARAMETERS + s * row) for row in unit for s in (1, -1)]
    slopes = (np.array(ends[::2]) - ends[1::2]) / 2e-4
    np.testing.assert_allclose(exact.gradient, slopes, atol=1e-6)


def test_the_library_agrees_with_the_sums(exact: histories.Variances) -> None:
    cell = histories.reflex_cell()
    params = {"weights": jnp.zeros(0), "controller": jnp.asarray(histories.PARAMETERS)}

    def one(key: jax.Array) -> jax.Array:
        return qj.run(cell, params, jnp.zeros((4, 1)), shots=200, key=key)[:, 0]

    found = quick_jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 50))
    expected = histories.mean_outcomes(jnp.asarray(histories.PARAMETERS))
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * found.std(axis=0) / np.sqrt(50))


def test_a_measured_control_takes_two_terms_and_a_coherent_one_four() -> None:
    measured, coherent = (
        feed_forward._branch(kind, validation.Settings()) for kind in (True, False)
    )
    assert (measured["terms"], coherent["terms"]) == (2, 4)
    assert max(measured["error"], coherent["error"]) < 1e-10
    assert measured["two"] == pytest.approx(measured["true"], abs=1e-12)
    assert abs(coherent["two"] / coherent["true"] - 1) > 0.1


def test_the_bias_of_fed_back_estimates_falls_like_one_over_shots() -> None:
    rows = feed_forward._biases()
    assert feed_forward._slope(rows, "gradient") == pytest.approx(-1, abs=0.01)
    truth = feed_forward._expected(None)
    step = 1e-6
    for place in range(2):
        ends = []
        for sign in (1, -1):
            p = feed_forward.TOY + sign * step * np.eye(2)[place]
            ends.append(np.cos(p[0] + p[1] * np.cos(p[0] + p[1] / 4) ** 2))
        assert truth[1 + place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-8)


def test_the_law_of_a_count() -> None:
    law = binomial(7, 0.3)
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert law @ np.arange(8) == pytest.approx(2.1, abs=1e-12)
    assert law[2] == pytest.approx(21 * 0.3**2 * 0.7**5)
