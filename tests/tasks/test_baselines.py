"""The baselines against series whose answers are known, and independent arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from qrnn_jax import tasks


def linear_task(coefficients, constant, *, features=1):
    """A task whose next value is an exact linear function of the past."""
    rng = np.random.default_rng(3)
    order = len(coefficients)
    series = list(rng.normal(size=(order, features)))
    for _ in range(120):
        past = sum(c * x for c, x in zip(coefficients, series[::-1][:order], strict=True))
        series.append(past + constant)
    windows = tasks.sliding_windows(np.array(series), 8)
    windows = replace(windows, mask=tasks.washout(windows.mask, 5))
    scale = tasks.Standardiser(low=-4.0, high=4.0, limit=0.5)
    task = tasks.cosine(steps=4)
    return replace(task, train=windows[:60], test=windows[60:], scale=scale)


@pytest.mark.parametrize("features", [1, 2])
def test_linear_series_is_solved_exactly(features):
    task = linear_task((1.2, -0.5, -0.3), 0.4, features=features)
    assert tasks.linear_autoregression(task, order=3).scaled < 1e-24
    assert tasks.linear_autoregression(task, order=4).scaled < 1e-24
    assert tasks.linear_autoregression(task, order=1).scaled > 1e-10


def test_cosine_needs_two_past_values():
    task = tasks.cosine()
    assert tasks.linear_autoregression(task, order=2).scaled < 1e-24
    assert tasks.linear_autoregression(task, order=1).scaled == pytest.approx(1.964e-3, rel=1e-3)


def test_sunspot_autoregression_against_plain_least_squares():
    """In original units, from the series itself: no windows, no masks, no scale."""
    years, numbers = tasks.sunspot_numbers()
    rows = [[*numbers[t - 16 : t], 1.0] for t in range(16, 309)]
    system, wanted, predicted = np.array(rows), numbers[16:], years[16:]
    train, test = predicted <= 1920, predicted >= 1956
    weights = np.linalg.lstsq(system[train], wanted[train], rcond=None)[0]
    expected = np.mean((system[test] @ weights - wanted[test]) ** 2)
    result = tasks.linear_autoregression(tasks.sunspots(), order=16)
    assert result.original == pytest.approx(expected, rel=1e-9)
    assert result.scaled == pytest.approx(expected * (1.2 / 154.4) ** 2, rel=1e-9)


def test_sunspot_persistence_and_variance_against_the_series():
    years, numbers = tasks.sunspot_numbers()
    test = numbers[years >= 1956]
    steps = np.diff(numbers)[years[1:] >= 1956]
    task = tasks.sunspots()
    assert tasks.persistence(task).original == pytest.approx(np.mean(steps**2), rel=1e-12)
    assert tasks.variance(task).original == pytest.approx(test.var(), rel=1e-12)


def test_autoregression_never_reads_the_test_windows():
    task = tasks.sunspots()
    noise = replace(task.test, targets=task.test.targets + 1.0)
    shifted = tasks.linear_autoregression(replace(task, test=noise), order=4)
    windows = task.test.inputs[:, -4:, 0]
    train = task.train.inputs[:, -4:, 0]
    design = np.column_stack([train, np.ones(len(train))])
    weights = np.linalg.lstsq(design, task.train.targets[:, -1, 0], rcond=None)[0]
    guesses = np.column_stack([windows, np.ones(len(windows))]) @ weights
    expected = np.mean((guesses - task.test.targets[:, -1, 0] - 1.0) ** 2)
    assert shifted.scaled == pytest.approx(expected, rel=1e-9)


def test_ridge_shrinks_the_weights_but_not_the_constant():
    """With an enormous penalty only the constant is left: the mean of the training targets."""
    task = tasks.sunspots()
    mean = task.train.targets[task.train.mask].mean()
    expected = np.mean((task.test.targets[task.test.mask] - mean) ** 2)
    result = tasks.linear_autoregression(task, order=3, ridge=1e12)
    assert result.scaled == pytest.approx(expected, rel=1e-6)


def test_ridge_solves_the_normal_equations():
    task = tasks.decreasing_triangle()
    scored = task.train.mask
    past = np.stack([np.roll(task.train.inputs[:, :, 0], k, axis=1)[scored] for k in range(3)], 1)
    wanted = task.train.targets[scored][:, 0]
    centred, means = past - past.mean(axis=0), past.mean(axis=0)
    gram = centred.T @ centred + 0.7 * np.eye(3)
    weights = np.linalg.solve(gram, centred.T @ (wanted - wanted.mean()))
    tested = task.test.mask
    lags = np.stack([np.roll(task.test.inputs[:, :, 0], k, axis=1)[tested] for k in range(3)], 1)
    guesses = (lags - means) @ weights + wanted.mean()
    expected = np.mean((guesses - task.test.targets[tested][:, 0]) ** 2)
    result = tasks.linear_autoregression(task, order=3, ridge=0.7)
    assert result.scaled == pytest.approx(expected, rel=1e-10)


def test_score_ignores_steps_that_do_not_count():
    task = tasks.sunspots()
    guesses = np.where(task.test.mask[:, :, None], task.test.targets + 0.3, np.nan)
    result = tasks.score(task, guesses)
    assert result.scaled == pytest.approx(0.09)
    assert result.original == pytest.approx((0.3 * 154.4 / 1.2) ** 2)
    assert np.isnan(tasks.score(task, np.full(task.test.targets.shape, np.nan)).scaled)


def test_baselines_refuse_by_name():
    task = tasks.sunspots()
    with pytest.raises(
        ValueError, match=r"`predictions` must have the shape .* \(53, 16, 1\), but"
    ):
        tasks.score(task, np.zeros((53, 16)))
    with pytest.raises(
        ValueError, match=r"`order` must be at most 16, .* training .* but it is 17"
    ):
        tasks.linear_autoregression(task, order=17)
    with pytest.raises(
        ValueError, match=r"`order` must be at most 31, .* scored test step .* is 32"
    ):
        tasks.linear_autoregression(_long_train(), order=32)
    with pytest.raises(ValueError, match=r"`order` must be a whole number of at least 1"):
        tasks.linear_autoregression(task, order=0)
    with pytest.raises(ValueError, match=r"`ridge` must lie in \[0, inf\], but it is -1"):
        tasks.linear_autoregression(task, order=2, ridge=-1)
    wide = tasks.Windows(np.zeros((1, 4, 2)), np.zeros((1, 4, 1)), np.ones((1, 4), dtype=bool))
    with pytest.raises(
        ValueError, match=r"as many features as outputs for persistence, .* 2 and 1"
    ):
        tasks.persistence(replace(task, train=wide, validation=None, test=wide))


def _long_train():
    """A task whose training window is longer than the history before its first test step."""
    return replace(tasks.cosine(steps=30), train=tasks.cosine(steps=90).train)
