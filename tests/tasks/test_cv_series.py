"""The series of Siemaszko et al.: the formulas, the windows, and the errors of the notes."""

from dataclasses import replace

import numpy as np
import pytest

from qrnn_jax import tasks

EXACT = 1e-10  # what the notes call exact
# name: naive as coded; naive, train and test; order 2 with bias; order 4 with bias
TABLE = {
    "sine": (2.26e-3, (1.46e-3, 1.54e-3), (EXACT, EXACT), (EXACT, EXACT)),
    "bessel": (2.63e-4, (5.50e-4, 1.36e-4), (3.7e-7, 3.1e-7), (3e-13, 1e-12)),
    "triangle": (1.80e-3, (1.22e-3, 1.22e-3), (7.8e-5, 8.4e-5), (7.3e-5, 7.8e-5)),
    "damped cosine": (2.38e-4, (8.51e-4, 8.6e-5), (EXACT, EXACT), (EXACT, EXACT)),
}


def raw(name):
    """The formulas again, J_0 by its integral and the triangle by the arcsine."""
    x = np.linspace(0, 22, 200)
    angles = (np.arange(400) + 0.5) * np.pi / 400  # the midpoint rule is exact to rounding here
    return {
        "sine": np.sin(x),
        "bessel": np.cos(x[:, None] * np.sin(angles)).mean(axis=1),
        "triangle": 2 / np.pi * np.arcsin(np.sin(x - np.pi / 2)),
        "damped cosine": np.exp(-0.1 * x) * np.cos(x),
    }[name]


def is_near(found, expected):
    return found < EXACT if expected == EXACT else abs(found / expected - 1) < 0.02


@pytest.mark.parametrize("name", TABLE)
def test_series_is_the_formula_on_the_unit_interval(name):
    values = raw(name)
    expected = (values - values.min()) / (values.max() - values.min())
    np.testing.assert_allclose(tasks.cv_series(name).series[:, 0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", TABLE)
def test_windows_are_the_paper_s(name):
    task = tasks.cv_series(name)
    series = task.series[:, 0]
    assert (len(task.train), len(task.test), task.validation) == (98, 97, None)
    for windows, start in ((task.train, 0), (task.test, 98)):
        for n, window in enumerate(windows.inputs[:, :, 0]):
            np.testing.assert_array_equal(window, series[start + n : start + n + 4])
            assert windows.targets[n, -1, 0] == series[start + n + 4]
        assert (windows.mask == [False, False, False, True]).all()


@pytest.mark.parametrize("name", TABLE)
def test_errors_of_the_controls_are_those_of_the_notes(name):
    """Check 7: within 2 %, except the third and fourth digit after a rounding to one."""
    task = tasks.cv_series(name)
    coded, naive, second, fourth = TABLE[name]
    for windows, index in ((task.train, 0), (task.test, 1)):
        scored = replace(task, test=windows)
        assert is_near(tasks.persistence(scored).scaled, naive[index])
        assert is_near(tasks.linear_autoregression(scored, order=2).scaled, second[index])
        linear = tasks.linear_autoregression(scored, order=4).scaled
        if name == "bessel":  # one printed digit of a number near rounding
            assert EXACT > linear > fourth[index] / 2
        else:
            assert is_near(linear, fourth[index])
    last_dropped = np.arange(90).reshape(9, 10)
    assert tasks.naive_as_coded(task, last_dropped) == pytest.approx(coded, rel=0.01)
    for seed in range(3):
        batches = tasks.fixed_batches(98, seed=seed)
        assert tasks.naive_as_coded(task, batches) == pytest.approx(coded, rel=0.1)


def test_batches_are_drawn_once_and_drop_what_is_left():
    batches = tasks.fixed_batches(98, seed=5)
    assert batches.shape == (9, 10)
    assert len(set(batches.flat)) == 90
    assert batches.min() >= 0
    assert batches.max() < 98
    assert (np.diff(batches.ravel()) != 1).sum() > 50
    np.testing.assert_array_equal(batches, tasks.fixed_batches(98, seed=5))
    assert (batches != tasks.fixed_batches(98, seed=6)).any()


def test_noise_is_uniform_of_the_given_width_before_scaling():
    noisy = tasks.cv_series("sine", noise=0.1, seed=3).series[:, 0]
    values = raw("sine") + 0.1 * (np.random.default_rng(3).random(200) - 0.5)
    expected = (values - values.min()) / (values.max() - values.min())
    np.testing.assert_allclose(noisy, expected, rtol=0, atol=1e-12)
    assert (noisy != tasks.cv_series("sine", noise=0.1, seed=4).series[:, 0]).any()


@pytest.mark.parametrize(("length", "train", "test"), [(2, 99, 98), (8, 96, 95), (20, 90, 89)])
def test_other_lengths_keep_the_halves(length, train, test):
    task = tasks.cv_series("bessel", length=length)
    assert (len(task.train), len(task.test)) == (train, test)
    assert task.train.scored == train


def test_forecast_of_the_exact_recurrence_is_the_series():
    """s_{i+1} = 2 cos(dx) s_i - s_{i-1} + c; it starts from the four points before place 90."""
    series = tasks.cv_series("sine").series
    turn = 2 * np.cos(22 / 199)
    shift = (series[2] - turn * series[1] + series[0]).item()
    windows = []

    def predict(window):
        windows.append(window.copy())
        return turn * window[-1] - window[-2] + shift

    path = tasks.sliding_forecast(predict, series)
    assert path.shape == (110, 1)
    np.testing.assert_allclose(path, series[90:], rtol=0, atol=1e-10)
    np.testing.assert_array_equal(windows[0], series[86:90])
    np.testing.assert_array_equal(windows[5][:, 0], [*series[91:91, 0], *path[1:5, 0]])


def test_forecast_never_sees_the_future():
    series = tasks.cv_series("bessel").series.copy()
    series[90:] = np.nan
    path = tasks.sliding_forecast(lambda window: window.mean(axis=0), series, steps=6)
    assert np.isfinite(path).all()
    assert path[0] == pytest.approx(series[86:90].mean(axis=0))


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"`name` must be one of sine, .* but it is 'cosine'"):
        tasks.cv_series("cosine")
    with pytest.raises(ValueError, match=r"`length` must be at most 196, .* but it is 197"):
        tasks.cv_series("sine", length=197)
    with pytest.raises(ValueError, match=r"`noise` must lie in \[0, inf\], but it is -0.1"):
        tasks.cv_series("sine", noise=-0.1)
    with pytest.raises(ValueError, match=r"`count` must be a whole number of at least 10"):
        tasks.fixed_batches(9)
    with pytest.raises(ValueError, match=r"`start` must lie between `length`, 4, and the 5 values"):
        tasks.sliding_forecast(lambda window: window[-1], np.zeros(5), start=3)
