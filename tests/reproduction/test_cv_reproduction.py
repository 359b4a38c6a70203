"""What the reproductions of Siemaszko et al. are made of: the trainer, its losses, the controls."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array

import qrnn_jax as qj
from qrnn_jax.reproduction import cv_against_lstm, cv_digits, cv_fock, cv_series, cv_trends
from qrnn_jax.reproduction.cv_controls import (
    closed_table,
    least_squares,
    linear_by_adam,
    linear_output,
)
from qrnn_jax.reproduction.cv_picture import band
from qrnn_jax.reproduction.cv_training import (
    SERIES,
    Course,
    first_below,
    free_errors,
    free_running,
    lanes,
    mean_outputs,
    squared_loss,
    train_epochs,
)
from qrnn_jax.validation import Check
from tests.helpers import quick_jit

CELL = qj.cells.CVQRNN()
RNG = np.random.default_rng(3)
PARAMS = np.append(RNG.normal(size=25) * 0.4, 0.9)


@cache
def task(name: str) -> qj.tasks.Task:
    return qj.tasks.cv_series(name)


def silent(fraction: float, text: str) -> None:
    del fraction, text


def line_loss(w: Array, inputs: Array, targets: Array, key: Array) -> tuple[Array, Array]:
    del key
    error = jnp.mean((inputs[:, :, 0] @ w - targets) ** 2)
    return error + 0.1 * jnp.sum(w**2), error


def test_runs_side_by_side_are_adam_alone_with_the_running_mean_of_an_epoch() -> None:
    """Each run has its batches, in order, and its rate; what is reported is not the objective."""
    inputs, targets = RNG.normal(size=(2, 3, 5, 4, 1)), RNG.normal(size=(2, 3, 5))
    starts, rates = RNG.normal(size=(2, 4)), (0.01, 0.3)
    course = train_epochs(
        line_loss, jnp.asarray(starts), (jnp.asarray(inputs), jnp.asarray(targets)), epochs=4,
        key=jax.random.key(0), progress=silent, rate=np.array(rates),
    )  # fmt: skip
    assert course.losses.shape == (4, 2)
    slope = quick_jit(jax.grad(line_loss, has_aux=True))
    for lane, rate in enumerate(rates):
        optimizer = optax.adam(rate, eps=1e-7)
        w, state = jnp.asarray(starts[lane]), optimizer.init(jnp.asarray(starts[lane]))
        for epoch in range(4):
            told = []
            for x, y in zip(inputs[lane], targets[lane]):
                gradient, error = slope(w, x, y, None)
                change, state = optimizer.update(gradient, state)
                w = w + change
                told.append(float(error))
            assert course.losses[epoch, lane] == pytest.approx(np.mean(told), rel=1e-10)
            np.testing.assert_allclose(course.after(epoch + 1)[lane], w, rtol=1e-9)


def test_every_update_of_every_run_draws_anew() -> None:
    def loss(w: Array, inputs: Array, targets: Array, key: Array) -> tuple[Array, Array]:
        drawn = jax.random.normal(key) + 0 * jnp.sum(inputs) * jnp.sum(targets)
        return w * drawn, drawn

    one = jnp.ones((3, 1, 2, 4, 1)), jnp.ones((3, 1, 2))
    course = train_epochs(loss, jnp.zeros(3), one, epochs=4, key=jax.random.key(1), progress=silent)
    assert len(np.unique(course.losses)) == 12
    two = jnp.ones((3, 2, 2, 4, 1)), jnp.ones((3, 2, 2))
    both = train_epochs(loss, jnp.zeros(3), two, epochs=4, key=jax.random.key(1), progress=silent)
    assert np.abs(both.losses - course.losses).min() > 1e-6  # two updates, two draws


def test_runs_come_in_the_order_task_then_seed() -> None:
    inputs, targets = lanes([task("sine"), task("bessel")], 2)
    batches = qj.tasks.fixed_batches(98)
    for lane, name in enumerate(("sine", "sine", "bessel", "bessel")):
        windows = task(name).train[batches.ravel()]
        np.testing.assert_array_equal(inputs[lane].reshape(90, 4, 1), windows.inputs)
        np.testing.assert_array_equal(targets[lane].ravel(), windows.targets[:, -1, 0])


def test_sampled_losses_scatter_around_the_closed_form_above_the_averaged() -> None:
    windows = task("sine").train[:10]
    inputs, targets = jnp.asarray(windows.inputs), jnp.asarray(windows.targets[:, -1, 0])
    keys = jax.random.split(jax.random.key(2), 4000)

    @quick_jit
    def losses(params: Array) -> tuple[Array, Array, Array]:
        sampled, averaged, expected = (squared_loss(CELL, mode) for mode in cv_series.MODES)
        drawn = jax.vmap(lambda key: sampled(params, inputs, targets, key)[1])(keys)
        return drawn, *(how(params, inputs, targets, keys[0])[1] for how in (averaged, expected))

    drawn, averaged, expected = (np.asarray(part) for part in losses(jnp.asarray(PARAMS)))
    error = drawn.std() / np.sqrt(len(drawn))
    assert expected > averaged + 50 * error  # or the test would be idle
    assert drawn.mean() == pytest.approx(float(expected), abs=4.5 * error)


def test_the_trace_penalty_is_minimised_and_not_reported() -> None:
    """At cutoff 3 a window near 1 loses much of the trace, one near 0 little."""
    inputs, targets = jnp.full((2, 2, 1), 0.9).at[1].set(0.1), jnp.zeros(2)
    engine, key = qj.Fock(3), jax.random.key(0)
    cell = qj.cells.CVQRNN(hidden=1)
    params = cell.init(key)

    sampled = qj.cells.CVQRNN(hidden=1, homodyne="sampled")
    numbers = jnp.concatenate([inputs, jax.random.normal(key, (2, 2, 1))], axis=2)

    @quick_jit
    def both(params: Array) -> tuple:
        found = squared_loss(cell, "sampled", engine, 10.0)(params, inputs, targets, key)
        free = squared_loss(cell, "sampled", engine)(params, inputs, targets, key)
        alone = [qj.simulate(sampled, params, x, engine=engine).drift for x in numbers]
        return found, free, alone

    (objective, told), (free, plain), drift = both(params)
    assert told == plain == free
    assert objective - told == pytest.approx(10 * np.mean(drift) ** 2, rel=1e-9)
    assert objective - told > 1e-3


def test_the_published_cut_is_built() -> None:
    assert (cv_fock.CUTOFF, cv_fock.PENALTY, cv_fock.ENGINE.cutoff) == (6, 10.0, 6)
    assert cv_fock.FULL.series == SERIES


@pytest.mark.parametrize(
    ("name", "copied", "second", "fourth"),
    [
        ("sine", (1.46e-3, 1.54e-3), None, None),
        ("bessel", (5.50e-4, 1.36e-4), (3.7e-7, 3.1e-7), (3e-13, 1.4e-12)),
        ("triangle", (1.22e-3, 1.22e-3), (7.8e-5, 8.4e-5), (7.3e-5, 7.8e-5)),
        ("damped cosine", (8.51e-4, 8.6e-5), None, None),
    ],
)
def test_controls_have_the_errors_of_the_notes(
    name: str, copied: tuple, second: tuple | None, fourth: tuple | None
) -> None:
    (row,) = closed_table([task(name)]).rows
    np.testing.assert_allclose(row[2:4], copied, rtol=0.01)
    for found, expected in ((row[4:6], second), (row[6:8], fourth)):
        if expected is None:
            assert max(found) < 1e-28
        else:
            np.testing.assert_allclose(found, expected, rtol=0.05)


def test_the_line_by_adam_is_that_of_the_notes() -> None:
    """Epochs 5 and 10; a start twice too high is slower."""
    tasks = [task(name) for name in SERIES]
    course = linear_by_adam(tasks, 10, silent)
    np.testing.assert_allclose(course.losses[4], [1.0e-3, 2.8e-4, 8.8e-4, 5e-4], rtol=0.35)
    np.testing.assert_allclose(course.losses[9], [6e-4, 2.1e-4, 6.2e-4, 3e-4], rtol=0.35)
    doubled = linear_by_adam(tasks, 1, silent, copies=2.0)
    assert (doubled.losses[0] > 10 * course.losses[0]).all()


def test_no_network_is_below_the_best_line_on_its_windows() -> None:
    params = jnp.asarray(RNG.normal(size=(20, 26)) * 0.3 + np.append(np.zeros(25), 0.5))
    windows = task("triangle").train
    inputs = jnp.broadcast_to(jnp.asarray(windows.inputs), (20, *windows.inputs.shape))
    outputs = np.asarray(mean_outputs(CELL, params, inputs))
    targets = windows.targets[:, -1, 0]
    line = least_squares(task("triangle"))
    assert (np.mean((outputs - targets) ** 2, axis=1) > line.train).all()
    # even the best affine function of an output is above it
    best = [np.polyval(np.polyfit(row, targets, 1), row) for row in outputs]
    assert (np.mean((np.array(best) - targets) ** 2, axis=1) > line.train).all()


def test_a_forecast_starts_at_the_published_place_and_feeds_itself() -> None:
    tasks = [task("sine"), task("damped cosine")]
    lines = np.stack([least_squares(one).weights for one in tasks])
    values = free_running(jax.vmap(linear_output), jnp.asarray(lines), tasks, 1)
    np.testing.assert_allclose(values[:, 0], [one.series[90:200, 0] for one in tasks], atol=1e-10)
    assert free_errors(values, tasks).max() < 1e-20
    wrong = free_running(jax.vmap(linear_output), jnp.asarray(lines[::-1].copy()), tasks, 1)
    assert free_errors(wrong, tasks).min() > 1e-4


def course(*levels: float, seeds: int = 1, epochs: int = 60) -> Course:
    """Errors that halve each epoch, one level per series; seeds scatter around it."""
    scatter = np.linspace(0.5, 1.5, seeds) if seeds > 1 else np.ones(1)
    decay = 0.5 ** np.arange(epochs)
    losses = decay[:, None] * np.outer(levels, scatter).ravel()
    return Course(losses, jnp.zeros((epochs, losses.shape[1])), 1.5)


def controlled(checks: list[Check]) -> bool:
    return all(check.control is not None and check.control_name for check in checks)


def test_levels_are_means_over_seeds_at_their_epoch() -> None:
    tasks = [task(name) for name in SERIES]
    checks = cv_series._levels(course(1.0, 2.0, 3.0, 4.0, seeds=5), tasks, 50)
    assert [check.high for check in checks] == [4e-4] * 4 + [1e-4, 1e-4, 3e-4, 1e-4]
    expected = np.outer([0.5**9, 0.5**49], [1.0, 2.0, 3.0, 4.0]).ravel()
    np.testing.assert_allclose([check.measured for check in checks], expected, rtol=1e-12)
    assert controlled(checks)
    assert len(cv_series._levels(course(1.0, 1.0, 1.0, 1.0, seeds=5), tasks, 10)) == 4


def test_epochs_are_counted_and_compared() -> None:
    quick, slow = course(0.01, 0.02, 0.04, 0.08, seeds=2), course(*[1.0] * 4, seeds=2)
    slow = slow._replace(losses=np.repeat(slow.losses, 5, axis=0))
    line = course(0.001, 0.002, 0.002, 0.002)
    found = cv_against_lstm.Runs(quick, slow, slow, line, line)
    checks = cv_against_lstm._epoch_checks(found)
    assert [check.measured for check in checks[:3]] == [5, 51, 51 / 5]
    assert [(check.low, check.high) for check in checks[:3]] == [(None, 10), (30, 80), (4, None)]
    assert [check.control for check in checks[:3]] == [2, 2, 51 / 2]
    assert controlled(checks)
    assert len(checks) == 12


def test_a_level_that_is_never_reached_fails() -> None:
    assert first_below([0.3, 0.1, 0.2, 0.05], 0.15) == 2
    assert np.isnan(first_below([0.3, 0.1], 0.1))
    assert not Check("epochs", first_below([0.3], 0.1), high=10).passed


def test_trends_are_ratios_of_medians() -> None:
    def point(*errors: float) -> cv_trends.Point:
        return cv_trends.Point(np.array(errors), 1e-9)

    sweeps = {
        "transmissivity": {0.2: point(9.0, 12.0, 500.0), 1.0: point(2.0, 1.0, 0.1)},
        "window": {2: point(8.0), 4: point(2.0), 6: point(0.5), 8: point(1.0)},
        "noise": {0.001: point(1.0), 0.1: point(7.0)},
    }
    checks = cv_trends._checks(sweeps)
    assert [check.measured for check in checks] == [12, 4, 7, 0.5]
    assert [check.low or check.high for check in checks] == [5, 3, 5, 1]
    assert controlled(checks)
    sweeps["window"] = {2: point(8.0), 4: point(2.0)}
    assert len(cv_trends._checks(sweeps)) == 3


def test_what_trains_together_has_one_program() -> None:
    groups = cv_trends._groups(cv_trends.FULL)
    names = {key: [(name, value) for name, value, _ in members] for key, members in groups.items()}
    assert names[CELL, 4] == [
        ("transmissivity", 1.0), ("window", 4),
        *(("noise", value) for value in (0.001, 0.01, 0.03, 0.1)),
    ]  # fmt: skip
    assert sum(map(len, names.values())) == 5 + 7 + 4
    lossy = qj.cells.CVQRNN(transmissivity=0.2)
    assert names[lossy, 4] == [("transmissivity", 0.2)]


def test_a_band_is_range_and_mean() -> None:
    found = band([[1.0, 3.0, 8.0], [2.0, 2.0, 5.0]])
    assert found["values"] == [[1.0, 2.0], [4.0, 3.0], [8.0, 5.0]]


def test_digits_are_told_apart_by_a_line() -> None:
    pytest.importorskip("sklearn")
    splits = qj.tasks.eight_by_eight(seed=0)
    model = cv_digits.regression(splits)
    accuracy, loss = cv_digits._scores(model, splits)["test"][:, 0]
    assert accuracy > 0.98
    assert loss < 0.1
    confident = np.where(splits.test.targets[:, -1, 0] == 1, 2.0, -2.0)
    right, cost = cv_digits._errors(confident, splits.test)
    assert (right, cost) == (1.0, pytest.approx(np.log1p(np.exp(-2.0))))
    assert cv_digits._errors(-confident, splits.test)[0] == 0.0


def test_a_lead_over_the_lstm_is_claimed_only_where_there_is_one() -> None:
    slow, fast = course(0.08, 0.08, 0.08, 0.08, seeds=2), course(0.01, 0.01, 0.01, 0.01, seeds=2)
    line, errors = course(0.001, 0.001, 0.001, 0.001), {}
    behind = cv_against_lstm.Runs(slow, fast, fast, line, line)
    assert "does not lead the LSTM" in cv_against_lstm._conclusion(behind, errors)
    ahead = cv_against_lstm.Runs(fast, slow, slow, line, line)
    assert "a linear filter has it, too" in cv_against_lstm._conclusion(ahead, errors)
    late = cv_against_lstm.Runs(fast, slow, slow, course(0.08, 0.001, 0.001, 0.001), line)
    assert "a line does not match it on every" in cv_against_lstm._conclusion(late, errors)
