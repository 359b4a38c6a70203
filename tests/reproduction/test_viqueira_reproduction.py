"""What the reproductions of Viqueira et al. are made of: published streams, windows, shots."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array

import qrnn_jax as qj
from qrnn_jax.reproduction import viqueira_task as published
from qrnn_jax.reproduction import write_reproduction
from qrnn_jax.reproduction.many_seeds import train_many
from qrnn_jax.reproduction.pauli_steps import PauliSteps
from qrnn_jax.reproduction.shot_gradients import (
    covariance,
    device_gradient,
    gaussian_gradient,
    output_slopes,
    play,
    shifted_sums,
)
from qrnn_jax.reproduction.viqueira_replay import EXPERIMENT, replay
from qrnn_jax.reproduction.write_up import uncontrolled
from qrnn_jax.validation import Settings
from qrnn_jax.validation.gaussian_outputs import OutcomeModel
from qrnn_jax.validation.laboratory import run_laboratory
from tests.helpers import quick_jit

Rule = Callable[..., Any]
RULES = (gaussian_gradient, device_gradient)

CELL = qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1)
STEPS = PauliSteps(CELL)
MODEL = OutcomeModel(CELL, 3, jnp.complex128)
RNG = np.random.default_rng(5)
PARAMS = jnp.asarray(RNG.uniform(-2, 2, 1 + CELL.circuit.weight_count))
WINDOW = jnp.asarray(RNG.uniform(-1, 1, 6)), jnp.asarray(RNG.uniform(-1, 1, 3))


ALONE, OUTER = jnp.array([0.0, -2.0, 0.0]), jnp.array([0.7, -0.4, 1.3])
DRAWS = 4000


def silent(fraction: float, text: str) -> None:
    del fraction, text


def test_the_first_epochs_are_the_published_ones(tmp_path: Path) -> None:
    short = replace(EXPERIMENT, run=lambda settings, progress: replay(3, progress))
    records = run_laboratory(Settings(), tmp_path, experiments=(short,), write=write_reproduction)
    checks = records[0].findings.checks
    assert [check.published for check in checks] == [
        0.206899, 0.274813, 0.197499, 0.268157, 0.187315, 0.265767,
    ]  # fmt: skip
    assert all(check.passed for check in checks)
    assert {check.kind for check in checks} == {"exactness"}
    assert uncontrolled(records) == []
    assert (tmp_path / "viqueira-replay.png").read_bytes()[1:4] == b"PNG"
    whole = json.loads((tmp_path / "reproduction.json").read_text())
    assert "series" not in whole["experiments"][0]


@pytest.mark.slow
def test_the_whole_published_run_comes_out() -> None:
    found = replay(2000, silent)
    assert len(found.checks) == 14
    assert [check.name for check in found.checks if not check.passed] == []


def test_the_fill_windows_cover_the_test_span_once() -> None:
    windows = published.fill_windows()
    series = published.TASK.series[:, 0]
    assert windows.mask.sum(axis=1).tolist() == [5] * 40
    np.testing.assert_array_equal(windows.inputs[0, :, 0], series[785:805])
    np.testing.assert_array_equal(windows.targets[windows.mask][:, 0], series[920:])


def test_the_control_beats_the_published_network() -> None:
    control, lazy = published.control_errors(), published.persistence_errors()
    assert [round(control[split], 4) for split in published.SPLITS[:3]] == [0.0002, 0.0004, 0.0003]
    assert control["test"] < 0.1 * 0.0040674 < lazy["test"]


def test_the_best_epoch_of_each_run_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Params count epochs: run 0 is best on validation at epoch 1, run 1 at epoch 0."""
    courses = {"validation": jnp.array([[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]])}

    def fake(params: Array, splits: tuple[str, ...] = published.SPLITS) -> dict[str, Array]:
        epoch, lane = params.astype(int)
        return {name: courses.get(name, 10.0 * courses["validation"])[epoch, lane]
                for name in splits}  # fmt: skip

    monkeypatch.setattr(published, "errors_of", fake)
    monkeypatch.setattr(published, "ADAM", optax.sgd(1.0))
    starts, batches = jnp.array([[-1.0, 0.0], [-1.0, 1.0]]), jnp.zeros((3, 1, 2))
    course = published.train_course(
        lambda params, batch: jnp.array([-1.0, 0.0]), starts, batches, silent
    )
    assert course.errors["validation"].tolist() == courses["validation"].tolist()
    assert course.best.tolist() == [1, 0]
    assert course.selected["test"].tolist() == [10.0, 10.0]
    assert course.params.shape == (3, 2, 2)


def test_runs_side_by_side_are_the_runs_alone() -> None:
    """Each lane sees its own batches, in order, with a look after every group of updates."""
    batches = jnp.asarray(RNG.normal(size=(5, 3, 2)))
    optimizer = optax.adam(0.1)

    def slope(params: Array, batch: Array) -> Array:
        return 2 * (params - batch)

    told: list[float] = []
    looks = train_many(
        slope, jnp.sin, jnp.array([0.5, -1.0]), batches, optimizer, lambda f, _: told.append(f)
    )
    assert looks.shape == (5, 2)
    assert told == sorted(told)
    for lane, first in enumerate((0.5, -1.0)):
        params, state = jnp.asarray(first), optimizer.init(jnp.asarray(first))
        for group in range(5):
            for batch in batches[group, :, lane]:
                updates, state = optimizer.update(slope(params, batch), state)
                params = params + updates
            assert looks[group, lane] == pytest.approx(float(jnp.sin(params)), abs=1e-12)


@cache
def drawing(rule: Rule) -> Rule:
    """(params, window, shots, keys) -> many gradients, compiled once per rule."""
    return quick_jit(jax.vmap(partial(rule, STEPS), (None, None, None, 0)))


def drawn(rule: Rule, targets: Array, shots: float, seed: int) -> Array:
    keys = jax.random.split(jax.random.key(seed), DRAWS)
    return drawing(rule)(PARAMS, (WINDOW[0], targets), shots, keys)


@cache
def exact_gradient() -> Array:
    def loss(params: Array) -> Array:
        outputs = qj.run(CELL, params, WINDOW[0][:, None], gradient=qj.Backprop())[-3:, 0]
        return jnp.mean((outputs - WINDOW[1]) ** 2)

    return quick_jit(jax.grad(loss))(PARAMS)


@cache
def moments() -> tuple[tuple[Array, Array], Array, tuple[Array, Array], tuple[Array, Array]]:
    """Slopes of outputs, the outcomes' covariance, and sums of two kinds, compiled together."""

    def find(weights: Array, xs: Array) -> tuple:
        played = play(STEPS, weights, xs)
        return (
            output_slopes(STEPS, weights, xs, played, 3),
            covariance(STEPS, weights, xs, played, 3),
            shifted_sums(STEPS, weights, xs, played, ALONE),
            shifted_sums(STEPS, weights, xs, played, OUTER),
        )

    return quick_jit(find)(PARAMS[1:], WINDOW[0])


@pytest.mark.parametrize("rule", RULES)
def test_without_shot_noise_the_gradient_is_exact(rule: Rule) -> None:
    found = drawn(rule, WINDOW[1], jnp.inf, 0)[0]
    np.testing.assert_allclose(found, exact_gradient(), atol=1e-12)


def test_more_exchange_qubits_are_refused() -> None:
    with pytest.raises(ValueError, match="`cell` must have one exchange qubit, but has 2"):
        PauliSteps(qj.cells.Viqueira(exchange=2, memory=1, layers=1, uploads=1))


def test_slopes_have_the_moments_of_all_shifted_circuits() -> None:
    (mean, variance), _, alone, _ = moments()
    expected = qj.gradient_moments(  # of an output behind which others come: they are not to count
        CELL, PARAMS, WINDOW[0][:, None], gradient=qj.ParameterShift(), shots=1, step=-3
    )
    np.testing.assert_allclose(mean[:, 0], expected.mean, atol=1e-12)
    np.testing.assert_allclose(variance[:, 0], expected.variance, atol=1e-12)
    np.testing.assert_allclose(alone[0], -2 * mean[:, 1], atol=1e-12)
    np.testing.assert_allclose(alone[1], 4 * variance[:, 1], atol=1e-12)


def test_sums_of_correlated_outcomes_have_the_moments_of_an_independent_program() -> None:
    size = CELL.circuit.weight_count
    moves = jnp.pi / 2 * jnp.concatenate([jnp.zeros((1, size)), jnp.eye(size), -jnp.eye(size)])

    @quick_jit
    def expected(weights: Array, xs: Array) -> tuple[Array, Array, Array]:
        maps = jax.vmap(lambda move: MODEL.steps(MODEL.nodes(weights + move), xs))(moves)
        slopes = jnp.concatenate([jnp.zeros(3), OUTER])
        mean, variance = MODEL.shifted(maps[0], maps[1:], slopes, 10**6)
        half = jnp.sum(mean[:size] - mean[size:], axis=1) / 2
        spread = jnp.sum(variance[:size] + variance[size:], axis=1) / 4
        return MODEL.moments(maps[0]).covariance, half, spread

    _, matrix, _, sums = moments()
    for found, wanted in zip((matrix, *sums), expected(PARAMS[1:], WINDOW[0])):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert np.abs(matrix[np.triu_indices(3, 1)]).max() > 0.05  # or the test would be idle


@pytest.mark.parametrize("rule", RULES)
def test_gradients_are_drawn_with_the_spread_of_the_shifted_circuits(rule: Rule) -> None:
    """The last target is far off: nothing but the last output's derivative counts."""
    (mean, variance), far = moments()[0], 1e5
    found = drawn(rule, WINDOW[1].at[-1].set(far), 1000.0, 1)[:, 1:] / (-2 / 3 * far)
    np.testing.assert_allclose(found.std(axis=0) / np.sqrt(variance[:, -1] / 1000), 1, atol=0.06)
    error = np.sqrt(variance[:, -1] / 1000 / DRAWS)
    np.testing.assert_allclose((found.mean(axis=0) - mean[:, -1]) / error, 0, atol=4.5)


def test_one_noise_model_correlates_outputs_and_the_other_does_not() -> None:
    """d loss / d bias is linear in the outputs: its spread shows their covariance."""
    matrix = moments()[1]
    assert abs(float(matrix.sum() / jnp.trace(matrix)) - 1) > 0.15
    for rule, sum_ in ((gaussian_gradient, jnp.trace(matrix)), (device_gradient, matrix.sum())):
        spread = drawn(rule, WINDOW[1], 500.0, 2)[:, 0].std()
        assert spread == pytest.approx(float(2 / 3 * jnp.sqrt(sum_ / 500)), rel=0.05)
