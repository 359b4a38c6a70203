"""E10: estimates of every rule, what they cost, the tasks, the page from a tiny run."""

import math
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qrnn_jax.validation import Findings, Settings, shot_training, training_budget
from qrnn_jax.validation.gaussian_outputs import OutcomeModel
from qrnn_jax.validation.quick_jit import quick_jit
from qrnn_jax.validation.shot_training import (
    Data,
    Lanes,
    lanes_of,
    rules,
    shot_schedule,
    train,
)
from qrnn_jax.validation.training_budget import EXPERIMENT, Size, training_cell
from qrnn_jax.validation.training_page import leaders
from qrnn_jax.validation.training_windows import narma5, training_windows

STEPS, SCORED, REPEATS = 4, 2, 2000
MODEL = OutcomeModel(training_cell(0, True), SCORED, jnp.complex128)
PARAMS = jnp.array([0.1, 0.4, -1.2, 0.8, 2.1, 0.3])
WINDOW = jnp.array([0.3, -0.8, 0.5, 0.9]), jnp.array([0.3, -0.2])
BY_NAME = {rule.name: rule for rule in rules(STEPS)}


def lane_of(name: str) -> Lanes:
    lanes = lanes_of([(BY_NAME[name], 0, 0, 0.1)], MODEL.size)
    return jax.tree.map(lambda leaf: leaf[0], lanes)


@cache
def compiled(family: str) -> Any:
    """Gradient, shots and circuits of one update, for many keys: one program per family."""

    def one(lane: Lanes, budget: jax.Array, key: jax.Array) -> Any:
        if family == "occurrence":
            return shot_training._shifted(MODEL, lane, PARAMS, WINDOW, budget, key)
        return shot_training._moved(MODEL, lane, jnp.ones(()), PARAMS, WINDOW, budget, key)

    return quick_jit(jax.vmap(one, (None, None, 0)))


def estimates(name: str, budget: float) -> tuple[np.ndarray, float, float]:
    keys = jax.random.split(jax.random.key(5), REPEATS)
    run = compiled(BY_NAME[name].family)
    gradient, (shots, circuits) = run(lane_of(name), jnp.asarray(budget), keys)
    return np.asarray(gradient), float(shots[0]), float(circuits[0])


def loss(params: jax.Array) -> jax.Array:
    nodes = MODEL.nodes(params[1:])
    mean = MODEL.moments(MODEL.steps(nodes, WINDOW[0])).mean
    return jnp.mean((params[0] + mean - WINDOW[1]) ** 2)


@cache
def slopes() -> np.ndarray:
    return np.asarray(quick_jit(jax.grad(loss))(PARAMS))


@pytest.mark.parametrize(
    "name", ["shift", "random shifts, few circuits", "random shifts, single shots"]
)
def test_unbiased_rules_have_the_gradient_as_their_mean(name: str) -> None:
    found, shots, _ = estimates(name, budget=3000.0)
    z = (found.mean(0) - slopes()) / (found.std(0) / math.sqrt(len(found)))
    assert np.max(np.abs(z)) < 4.5
    assert 0.9 * 3000 < shots <= 3000


def test_costs_are_those_of_the_circuits() -> None:
    """K = 5 weights, T = 4: 2 K T shifted circuits, the last 3 steps with a horizon of 2."""
    expected = {"shift": 41, "truncated shift": 31, "random shifts, few circuits": 11}
    expected |= {"central, h = 0.3": 11, "SPSA, c = 0.2": 11}
    for name, circuits in expected.items():
        _, shots, found = estimates(name, budget=1000.0)
        assert found == circuits
        assert shots == circuits * (1000 // circuits)
    _, _, singles = estimates("random shifts, single shots", budget=22.0)
    assert singles == pytest.approx(1 + 40 * (1 - math.exp(-20 / 40)))


def test_the_exact_lane_has_no_noise() -> None:
    found, _, _ = estimates("exact gradient", budget=41.0)
    np.testing.assert_allclose(found, np.tile(slopes(), (REPEATS, 1)), atol=1e-9)


def test_single_shots_have_the_variance_of_drawing_one_occurrence() -> None:
    """At equal shots: at least the variance of shift, by what the random choice adds."""
    single, _, _ = estimates("random shifts, single shots", 3000.0)
    shift, _, _ = estimates("shift", 3000.0)
    assert 1.0 < single[:, 1:].var(0).sum() / shift[:, 1:].var(0).sum() < 1.6


def test_a_central_difference_is_that_of_the_outputs() -> None:
    found, _, _ = estimates("central, h = 0.3", budget=1e14)

    @quick_jit
    def outputs(params: jax.Array) -> jax.Array:
        return MODEL.moments(MODEL.steps(MODEL.nodes(params[1:]), WINDOW[0])).mean

    eye = 0.3 * jnp.eye(6)
    moves = [(outputs(PARAMS + move) - outputs(PARAMS - move)) / 0.6 for move in eye[1:]]
    slope = PARAMS[0] + outputs(PARAMS) - WINDOW[1]  # 2 / W = 1
    np.testing.assert_allclose(found[0, 1:], jnp.stack(moves) @ slope, atol=1e-5)


def test_a_tiny_step_drowns_in_shot_noise() -> None:
    found, _, _ = estimates("central, h = 1e-7", budget=1100.0)
    assert np.all(found[:, 1:].std(0) > 1e4)


def test_the_schedule_grows_and_spends_the_total() -> None:
    shots = shot_schedule(300.0, 1e7, 480)
    assert shots[0] == pytest.approx(300)
    assert shots.sum() == pytest.approx(1e7, rel=1e-6)
    np.testing.assert_allclose(np.diff(np.log(shots)), np.log(shots[1] / shots[0]), rtol=1e-6)


def test_the_pilot_is_charged_and_lanes_start_alike() -> None:
    split = training_windows("sine", STEPS, SCORED)
    data = Data(*(jnp.asarray(part, jnp.float32)[None] for part in split))
    names = ("central, h = 0.3", "central, h by the law")
    lanes = lanes_of([(BY_NAME[name], 0, 0, 0.1) for name in names], MODEL.size)
    model = OutcomeModel(training_cell(0, True), SCORED)
    program = quick_jit(partial(train, model, "whole"))
    course = program(data, jnp.full((2, 3), 1100.0, jnp.float32), lanes)
    np.testing.assert_allclose(course.shots[:, 0], [0, 3300, 6600])
    np.testing.assert_allclose(course.shots[:, 1], np.array([0, 3300, 6600]) + 4 * 5 * 100)
    assert course.loss[0, 0] == course.loss[0, 1]
    assert not np.any(course.loss[1:] == course.loss[:-1])


def test_narma5_by_hand() -> None:
    u = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.1])
    y = narma5(u)
    assert y[0] == pytest.approx(0.1)
    assert y[4] == pytest.approx(0.3 * y[3] + 0.05 * y[3] * y[:4].sum() + 1.5 * 0.1 * 0.5 + 0.1)
    assert y[5] == pytest.approx(0.3 * y[4] + 0.05 * y[4] * y[:5].sum() + 1.5 * 0.2 * 0.1 + 0.1)


def test_windows_do_not_overlap_and_targets_are_the_next_values() -> None:
    split = training_windows("sine", 8, 2)
    assert split.inputs.shape == (2, 40, 8)
    np.testing.assert_allclose(split.targets[:, :, 0], 0.6 * split.inputs[:, :, 7])
    assert len(np.unique(split.inputs.round(12))) == 2 * 40 * 8


def test_leaders_ties_are_paired() -> None:
    def row(name: str, seeds: list[float]) -> dict[str, Any]:
        return {"rule": name, "seeds": [seeds]}

    rows = [row("a", [0.1, 0.5, 0.9]), row("b", [0.2, 1.0, 1.81]), row("c", [0.3, 0.2, 1.0])]
    assert leaders({"rows": rows}) == [["a", "c"]]


def tiny(monkeypatch: pytest.MonkeyPatch) -> Findings:
    size = Size(((STEPS, False),), 1, (0.1,), 2e4, 2, 0, 20, (STEPS, 1, 1), quick_jit)
    monkeypatch.setattr(training_budget, "QUICK", size)
    monkeypatch.setattr(training_budget, "EVERY", 2)
    agreement = {"z": 1.0, "variance": 1.0, "repeats": 20}
    monkeypatch.setattr(training_budget, "gaussian_agreement", lambda *arguments: agreement)
    found = EXPERIMENT.run(Settings(), lambda fraction, text: None)
    return Findings.from_json(found.to_json())


def test_the_experiment_runs_and_draws_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_budget, "has_scipy", lambda: False)
    found = tiny(monkeypatch)
    assert "SciPy is not installed" in found.conclusion
    assert {check.kind for check in found.checks} == {"statistics", "prediction"}
    assert len(found.series["cases"][0]["rows"]) == 2 * len(rules(STEPS))
    assert len(EXPERIMENT.draw(found).axes) == 3


def test_bfgs_counts_its_shots() -> None:
    pytest.importorskip("scipy")
    from qrnn_jax.validation.scipy_training import SETTINGS, bfgs

    split = training_windows("sine", STEPS, SCORED)
    train_part = split.inputs[0, :5], split.targets[0, :5]
    exact, _, noisy, _ = SETTINGS
    start = np.asarray(PARAMS)
    found = bfgs(MODEL, exact, train_part, start, seed=0, iterations=5)
    assert found.iterations == 5
    assert found.shots == 0
    assert np.max(np.abs(found.params - start)) > 0.01
    drowned = bfgs(MODEL, noisy, train_part, start, seed=0, iterations=1)
    assert drowned.shots == 5 * 1000 * drowned.evaluations
