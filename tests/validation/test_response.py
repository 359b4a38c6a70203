"""Moments from shifted outputs are those of the library's own rules."""

from functools import partial

import jax
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.validation.response import Response

CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, qj.Data(0)),
        qj.RX(0, qj.Weight(0)),
        qj.CNOT(0, 2),
        qj.RX(2, qj.Weight(1)),
        qj.RXX(2, 1, 0.7),
        qj.CRX(1, 0, 0.9),
        qj.ReadoutError(0, 0.05),
        qj.Read(),
        qj.Reset(0),
    ),
)
CELL = qj.CircuitCell(CIRCUIT, qj.Z(0))
WEIGHTS, XS, SHOTS = np.array([0.4, -1.1]), np.array([[0.3], [-0.8], [0.5]]), 50
MOMENTS = partial(qj.gradient_moments, CELL, WEIGHTS, XS, shots=SHOTS)


@pytest.fixture(scope="module")
def response() -> Response:
    return Response(CELL, WEIGHTS, XS)


SLOW = pytest.mark.slow
FORWARD = {"size": 0.3, "scheme": "forward"}
FIVE = {"size": 0.4, "scheme": "five-point"}


@pytest.mark.parametrize(
    ("rule", "name", "options", "runs"),
    [
        (qj.ParameterShift(horizon=2), "shift", {"horizon": 2}, 8),
        (qj.FiniteDifference(step=0.4, scheme="five-point"), "difference", FIVE, 8),
        pytest.param(
            qj.FiniteDifference(step=0.3, scheme="forward"), "difference", FORWARD, 4, marks=SLOW
        ),
        pytest.param(
            qj.SharedShift(allocation="uniform"),
            "shared_shift",
            {"allocation": "uniform"},
            12,
            marks=SLOW,
        ),
    ],
)
def test_moments_are_those_of_the_rule(
    response: Response, rule: qj.AbstractEstimator, name: str, options: dict, runs: int
) -> None:
    """`runs` is how many of the rule's runs count; the same number of shots for each of them."""
    wanted = MOMENTS(gradient=rule)
    found = getattr(response, name)(2, SHOTS * runs, **options)
    rtol = 0.03 if options.get("scheme") == "five-point" else 1e-12  # whole numbers of shots
    np.testing.assert_allclose(found.variance, wanted.variance, rtol=rtol)
    np.testing.assert_allclose(found.bias + response.derivatives(1)[:, 2], wanted.mean, atol=1e-12)


def test_derivatives_agree_by_two_routes(response: Response) -> None:
    """The Fourier series along a weight, and the sum over shifted occurrences."""
    for step in (1, 2):
        np.testing.assert_allclose(response.shift(step, 1.0).bias, 0, atol=1e-12)
    h = 1e-3
    low, mid, high = response.along(np.array([-h, 0.0, h]))[:, 2].T
    np.testing.assert_allclose(response.derivatives(1)[:, 2], (high - low) / (2 * h), atol=1e-5)
    second = (high - 2 * mid + low) / h**2
    np.testing.assert_allclose(response.derivatives(2)[:, 2], second, atol=1e-5)


@pytest.mark.slow
def test_a_random_occurrence_varies_as_the_rule_does(response: Response) -> None:
    """Law of total variance over 4000 draws of the library's own rule, one run each."""
    rule = qj.ParameterShift(samples=1)
    keys = jax.random.split(jax.random.key(0), 4000)
    mean, variance = jax.vmap(lambda key: MOMENTS(gradient=rule, key=key)[:2])(keys)
    wanted = np.mean(np.square(mean) + variance, axis=0) - response.derivatives(1)[:, 2] ** 2
    found = response.random_occurrence(2, SHOTS, each=SHOTS).variance
    np.testing.assert_allclose(found, wanted, rtol=0.1)
    single = response.random_occurrence(2, 1).variance  # R^2 - g^2, times 2 weights to choose from
    np.testing.assert_allclose(single, 2 * 9 - response.derivatives(1)[:, 2] ** 2, rtol=1e-12)


def test_spsa_averages_over_all_directions(response: Response) -> None:
    """Bias and spread between directions from plain runs at the moved weights."""
    size = 0.3
    draws = []
    for signs in ([1, 1], [1, -1], [-1, 1], [-1, -1]):
        ends = [qj.run(CELL, WEIGHTS + side * size * np.array(signs), XS)[2, 0] for side in (1, -1)]
        noise = sum(1 - float(end) ** 2 for end in ends) / (4 * size**2)
        draws.append((float(ends[0] - ends[1]) / (2 * size) * np.array(signs), noise))
    mean = np.mean([draw[0] for draw in draws], axis=0)
    second = np.mean([draw[0] ** 2 + draw[1] for draw in draws], axis=0)
    found = response.spsa(2, 20, size)  # ten directions, one shot on each side
    np.testing.assert_allclose(found.bias + response.derivatives(1)[:, 2], mean, atol=1e-12)
    np.testing.assert_allclose(found.variance, (second - mean**2) / 10, rtol=1e-10)
    few = response.spsa(2, 2000, size, directions=5)  # 200 shots on each side
    spread = np.mean([d[0] ** 2 + d[1] / 200 for d in draws], axis=0) - mean**2
    np.testing.assert_allclose(few.variance, spread / 5, rtol=1e-10)
