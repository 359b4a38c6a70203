"""Error against shots: the pieces of E3."""

import jax
import numpy as np
import pytest

from qrnn_jax.validation import Settings, slopes
from qrnn_jax.validation.slopes import ANGLE, PARTS, SLOPES

BUDGETS = [PARTS * size for size in (6, 60, 600, 6000, 60_000)]


@pytest.mark.parametrize("name", SLOPES)
def test_the_error_falls_with_the_expected_power(name: str) -> None:
    """Mean and variance in closed form; no shots are drawn."""
    errors = [np.hypot(*slopes._closed(name, n).error(n // PARTS)) for n in BUDGETS]
    wanted, width = SLOPES[name]
    assert slopes._slope(BUDGETS, errors) == pytest.approx(wanted, abs=width)


@pytest.mark.parametrize("name", SLOPES)
def test_runs_are_shared_out_by_weight(name: str) -> None:
    rule = slopes._rule(name, 0.3)
    assert rule.parts.sum() == PARTS
    share = np.abs(rule.weights) / np.abs(rule.weights).sum()
    np.testing.assert_allclose(rule.parts / PARTS, share, atol=1e-12)


@pytest.mark.slow
def test_drawn_errors_are_the_exact_ones_and_keys_differ() -> None:
    """Sharing one key among the runs would double the spread of the mean of nine."""
    with jax.enable_x64(True):
        rule = slopes._closed("central", 108)
        drawn = slopes._fresh(rule, 6, 1, 1000, jax.random.key(3))
    bias, spread = rule.error(6)
    assert np.std(drawn) == pytest.approx(spread, rel=0.1)
    assert np.mean(drawn) + np.sin(ANGLE) == pytest.approx(bias, abs=5 * spread / 1000**0.5)


@pytest.mark.parametrize("name", ["forward", "central"])
def test_a_reused_key_couples_outcomes(name: str) -> None:
    """Against outcomes made from shared uniform numbers, in NumPy."""
    shots, repeats = 200, 4000
    rule = slopes._rule(name, slopes._shared_step(name, shots))
    uniform = np.random.default_rng(0).uniform(size=(repeats, 1, shots // 2))
    chances = (1 + np.cos(ANGLE + rule.offsets)) / 2
    means = np.where(uniform < chances[:, None], 1, -1).mean(axis=-1)
    error = np.sqrt(np.mean((means @ rule.weights + np.sin(ANGLE)) ** 2))
    assert slopes._shared_error(name, shots) == pytest.approx(error, rel=0.06)


@pytest.mark.slow
def test_the_quick_experiment_passes_its_gates_and_is_drawn() -> None:
    found = slopes.EXPERIMENT.run(Settings(), lambda share, doing: None)
    assert [c.name for c in found.checks if c.kind != "prediction" and not c.passed] == []
    assert slopes.EXPERIMENT.draw is not None
    assert len(slopes.EXPERIMENT.draw(found).axes) == 3
