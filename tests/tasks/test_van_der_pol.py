"""Tasks (b) and (c) of Viqueira et al.; loosely, since the series depend on the platform."""

from dataclasses import replace

import numpy as np
import pytest

from qrnn_jax import tasks


def steps(mu, times, force):
    """Runge's fourth-order method with a small fixed step: an oracle that adapts nothing."""
    fine, state, found = 20, np.array([1.0, 0.0]), []
    dt = (times[1] - times[0]) / fine

    def slope(t, s):
        push = force * np.sin(2 * np.pi * t / 3)
        return np.array([s[1], mu * (1 - s[0] ** 2) * s[1] - s[0] + push])

    for time in times:
        found.append(state[0])
        for k in range(fine):
            t = time + k * dt
            a = slope(t, state)
            b = slope(t + dt / 2, state + dt / 2 * a)
            c = slope(t + dt / 2, state + dt / 2 * b)
            d = slope(t + dt, state + dt * c)
            state = state + dt / 6 * (a + 2 * b + 2 * c + d)
    return np.array(found)


def test_the_oscillators_start_as_their_equations_say():
    """Over the first 40 samples; the jump after them magnifies the default tolerance of 1e-3."""
    forced, two = tasks.forced_van_der_pol().series, tasks.two_van_der_pols().series
    times = np.linspace(0, 115, 1150)[:40]
    expected = 0.25 * steps(2.0, times, 1.0)
    np.testing.assert_allclose(forced[:40, 0], expected, rtol=0, atol=4e-3)
    np.testing.assert_array_equal(forced[:, 0], forced[:, 1])
    times = np.linspace(0, 118, 1180)[:40]
    for column, mu in ((0, 2.0), (1, 1.0)):
        expected = 0.25 * steps(mu, times, 0.0)
        np.testing.assert_allclose(two[:40, column], expected, rtol=0, atol=4e-3)


def test_targets_lie_ahead_by_the_published_delays():
    task = tasks.forced_van_der_pol()
    ahead = task.series[150:, 0].reshape(50, 20)
    np.testing.assert_array_equal(task.test.targets[:, :, 0], ahead[40:])
    task = tasks.two_van_der_pols()
    first, second = task.series.T
    ahead = (first[50:1050] + 0.1 * second[180:]).reshape(50, 20)
    np.testing.assert_array_equal(task.test.targets[:, :, 0], ahead[40:])
    np.testing.assert_array_equal(task.test.inputs[:, :, 1], second[:1000].reshape(50, 20)[40:])


@pytest.mark.parametrize(
    ("generate", "seed", "order", "expected"),
    [
        (tasks.forced_van_der_pol, 1, 8, (0.084, 0.117, 0.120)),
        (tasks.two_van_der_pols, 0, 16, (0.097, 0.116, 0.150)),
    ],
)
def test_a_linear_model_has_about_the_errors_of_the_notes(generate, seed, order, expected):
    task = generate()
    held_back = list(tasks.validation_windows(seed))
    cut = task.series[:1000].reshape(50, 20, 2)
    np.testing.assert_array_equal(task.validation.inputs, cut[held_back])
    for windows, error in zip((task.train, task.validation, task.test), expected, strict=True):
        scored = replace(task, test=windows)
        found = tasks.linear_autoregression(scored, order=order, ridge=1e-6).scaled ** 0.5
        assert found == pytest.approx(error, rel=0.1)
