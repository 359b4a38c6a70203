"""Losses of shot averages: their biases against exact sums over binomial counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom

import qrnn_jax as qj
from qrnn_jax import losses

CELL = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0))), (qj.Z(0),))
XS = jnp.zeros((3, 0))
OUTPUTS = jnp.array([[0.3, -0.7], [0.9, 0.1], [-0.2, 0.5]])
LABELS = jnp.array([[0, 1], [0, 0], [1, 1]])


def average(loss, shots: int, chance: float) -> np.ndarray:
    """The exact expectations of a loss of label 0 and of its slope in p, over all counts."""
    counts = np.arange(shots + 1.0)
    outputs = jnp.asarray(2 * counts / shots - 1)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(loss)))(outputs)
    return binom.pmf(counts, shots, chance) @ np.stack([values, 2 * slopes], axis=1)


def test_losses_are_what_they_are_called() -> None:
    targets = OUTPUTS - jnp.array([[1.0, 2.0], [0.0, 0.0], [0.0, 1.0]])
    assert losses.mse(OUTPUTS, targets) == pytest.approx(1.0)
    chances = np.array([[0.65, 0.85], [0.95, 0.55], [0.6, 0.25]])
    assert losses.brier(OUTPUTS, LABELS) == pytest.approx(np.mean((1 - chances) ** 2))
    assert losses.cross_entropy(OUTPUTS, LABELS) == pytest.approx(-np.mean(np.log(chances)))
    bias = np.mean((1 - chances) / (2 * chances * 40))
    assert losses.cross_entropy_bias(OUTPUTS, LABELS, 40) == pytest.approx(bias)


def test_the_unbiased_error_is_the_mean_over_pairs_of_different_shots() -> None:
    """For one Pauli word: y^2 becomes ((sum of outcomes)^2 - S) / (S (S - 1))."""
    shots, target = 7, 0.2
    weights = jnp.array([0.9])
    result = qj.simulate(CELL, weights, XS, shots=shots, key=jax.random.key(3))
    total = shots * np.asarray(result.outputs)
    pairs = (total**2 - shots) / (shots * (shots - 1))
    expected = np.mean(pairs - 2 * target * total / shots + target**2)
    targets = jnp.full((3, 1), target)
    assert losses.mse_unbiased(result, targets) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("options", [{}, {"prefixes": True}])
def test_the_unbiased_error_is_right_on_average_and_the_plain_one_is_not(options: dict) -> None:
    weights, shots, target = jnp.array([0.6]), 4, 0.2

    def both(key):
        result = qj.simulate(CELL, weights, XS, shots=shots, key=key, **options)
        targets = jnp.full((3, 1), target)
        return losses.mse_unbiased(result, targets), losses.mse(result.outputs, targets)

    found = jnp.stack(jax.lax.map(both, jax.random.split(jax.random.key(1), 4000), batch_size=500))
    means, errors = found.mean(axis=1), found.std(axis=1) / np.sqrt(4000)
    truth = (np.cos(0.6) - target) ** 2
    assert abs(means[0] - truth) < 4 * errors[0]
    assert abs(means[1] - truth - np.sin(0.6) ** 2 / shots) < 4 * errors[1]
    assert np.sin(0.6) ** 2 / shots > 20 * errors[1]


def test_the_unbiased_error_has_the_gradient_of_the_plain_one_and_is_exact_without_shots() -> None:
    targets = jnp.full((3, 1), 0.2)

    def unbiased(w, shots):
        key = None if shots is None else jax.random.key(2)
        rule = qj.ParameterShift()
        result = qj.simulate(CELL, w, XS, shots=shots, key=key, gradient=rule)
        return losses.mse_unbiased(result, targets)

    def plain(w):
        return losses.mse(qj.run(CELL, w, XS, shots=50, key=jax.random.key(2)), targets)

    weights = jnp.array([0.6])
    np.testing.assert_array_equal(jax.grad(unbiased)(weights, 50), jax.grad(plain)(weights))
    truth = (np.cos(0.6) - 0.2) ** 2
    assert unbiased(weights, None) == pytest.approx(truth)


@pytest.mark.parametrize(("shots", "chance"), [(50, 0.91), (200, 0.5), (1000, 0.1)])
def test_the_bias_of_the_cross_entropy_is_as_predicted_and_the_jackknife_removes_it(
    shots: int, chance: float
) -> None:
    label = jnp.array(0)
    truth = np.array([-np.log(chance), -1 / chance])
    plain = average(lambda y: losses.cross_entropy(y, label, floor=0.5 / shots), shots, chance)
    first = float(losses.cross_entropy_bias(2 * chance - 1, label, shots))
    assert first == pytest.approx((1 - chance) / (2 * chance * shots))
    predicted = np.array([first, -2 * first / chance])
    np.testing.assert_allclose(plain - truth, predicted, rtol=0.1)
    better = average(lambda y: losses.cross_entropy_jackknife(y, label, shots), shots, chance)
    assert np.all(np.abs(better - truth) < 0.1 * np.abs(predicted))


def test_the_jackknife_is_the_mean_of_leaving_one_shot_out() -> None:
    shots, seen = 9, 6
    counts = np.repeat([1.0, 0.0], [seen, shots - seen])
    without = [np.delete(counts, place).mean() for place in range(shots)]
    chance, label = seen / shots, jnp.array(0)
    value, slope = jax.value_and_grad(losses.cross_entropy_jackknife)(2 * chance - 1, label, shots)
    for found, h in ((value, lambda p: -np.log(p)), (2 * slope, lambda p: -1 / p)):
        left_out = np.mean([h(p) for p in without])
        assert found == pytest.approx(shots * h(chance) - (shots - 1) * left_out, abs=1e-12)


def test_the_jackknife_keeps_its_digits_in_float32_and_is_finite_at_the_ends() -> None:
    shots = 100_000
    outputs = np.array([-1.0, -0.5, 0.125, 0.875, 1.0])  # the same numbers in both
    label = np.zeros(5, int)

    def found():
        y = jnp.asarray(outputs, jnp.result_type(float))
        return jax.jit(
            jax.value_and_grad(lambda y: losses.cross_entropy_jackknife(y, label, shots))
        )(y)

    exact = found()
    with jax.enable_x64(False):
        single = found()
    assert single[0].dtype == jnp.float32
    np.testing.assert_allclose(single[0], exact[0], rtol=1e-6)
    np.testing.assert_allclose(single[1], exact[1], rtol=2e-6)
    assert np.isfinite(exact[1]).all()


def test_the_gradient_of_the_brier_score_is_unbiased_and_of_the_cross_entropy_is_not() -> None:
    shots, chance, label = 20, 0.7, jnp.array(0)
    brier = average(lambda y: losses.brier(y, label), shots, chance)
    assert brier[1] == pytest.approx(-2 * (1 - chance), abs=1e-12)
    assert brier[0] == pytest.approx((1 - chance) ** 2 + chance * (1 - chance) / shots, abs=1e-12)
    entropy = average(lambda y: losses.cross_entropy(y, label, floor=0.025), shots, chance)
    assert entropy[1] * chance + 1 < -0.02


def test_a_chance_below_the_floor_counts_as_the_floor() -> None:
    value, slope = jax.value_and_grad(losses.cross_entropy)(-1.0, 0, floor=0.01)
    assert (value, slope) == (pytest.approx(-np.log(0.01)), 0.0)


def test_wrong_arguments_are_refused() -> None:
    targets = jnp.zeros(3)
    with pytest.raises(ValueError, match=r"`targets` must have the shape.*\(3, 1\).*\(3,\)"):
        losses.mse(jnp.zeros((3, 1)), targets)
    with pytest.raises(ValueError, match="`labels` must have the shape"):
        losses.brier(jnp.zeros((3, 1)), jnp.zeros(3, int))
    with pytest.raises(ValueError, match=r"`labels` must hold bits.*\(1 - labels\)"):
        losses.cross_entropy(jnp.zeros(2), jnp.array([1, -1]))
    with pytest.raises(ValueError, match=r"`floor` must be in \(0, 1\), but is 0"):
        losses.cross_entropy(jnp.zeros(2), jnp.zeros(2, int), floor=0)
    with pytest.raises(ValueError, match=r"`shots` must be an integer of 2 or more, but is 1"):
        losses.cross_entropy_jackknife(jnp.zeros(2), jnp.zeros(2, int), 1)
    with pytest.raises(ValueError, match=r"`shots` must be an integer of 1 or more, but is 2\.5"):
        losses.cross_entropy_bias(jnp.zeros(2), jnp.zeros(2, int), 2.5)  # type: ignore[arg-type]


def test_losses_compose_with_jit_vmap_and_grad() -> None:
    def loss(y, label):
        return losses.cross_entropy_jackknife(y, label, 50) + losses.brier(y, label)

    together = jax.jit(jax.vmap(jax.grad(loss)))(OUTPUTS, LABELS)
    alone = jnp.stack([jax.grad(loss)(y, label) for y, label in zip(OUTPUTS, LABELS)])
    np.testing.assert_allclose(together, alone, rtol=1e-12)
