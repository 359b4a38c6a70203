"""What a training error is compared with: by hand, and against the library's own control."""

from dataclasses import replace

import numpy as np
import pytest

from qrnn_jax import tasks
from qrnn_jax.training.yardsticks import yardsticks


def test_the_ridge_is_the_librarys_linear_model() -> None:
    task = tasks.decreasing_triangle()
    found = yardsticks(task.train)
    control = tasks.linear_autoregression(replace(task, test=task.train), order=8, ridge=1e-6)
    assert found.lags == 8
    assert 0.5 < found.errors["ridge"] / control.scaled < 2  # penalties of another scale


def test_a_straight_line_a_constant_and_nothing() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(6, 5, 2))
    targets = inputs @ np.array([[1.0], [-2.0]])
    targets[:, 1:] += 0.5 * inputs[:, :-1, :1]  # one step back
    mask = np.zeros((6, 5), bool)
    mask[:, 1:] = True
    found = yardsticks(tasks.Windows(inputs, targets, mask))
    wanted = targets[:, 1:]
    assert found.lags == 2
    assert found.errors["zero"] == pytest.approx(np.mean(wanted**2))
    assert found.errors["constant"] == pytest.approx(np.var(wanted))
    assert found.errors["ridge"] < 1e-9
    mask[:, 0] = True  # now a step without a past counts
    assert yardsticks(tasks.Windows(inputs, targets, mask)).lags == 1
    assert yardsticks(tasks.Windows(inputs, targets, mask)).errors["ridge"] > 1e-3
