"""E9: exact biases, drawn ones, and a test of the test of standard errors."""

import jax
import numpy as np
import pytest

from qrnn_jax import validation
from qrnn_jax.validation import loss_bias, standard_errors
from qrnn_jax.validation.standard_errors import Case, honesty, scored


def test_exact_biases() -> None:
    losses, p, shots = loss_bias.losses(), loss_bias.CHANCE, 50
    found = {name: loss_bias._bias(loss, shots) for name, loss in losses.items()}
    assert found["squared error"]["value"] == pytest.approx(4 * p * (1 - p) / shots, abs=1e-12)
    assert found["Brier score"]["value"] == pytest.approx(p * (1 - p) / shots, abs=1e-12)
    assert found["squared error, corrected"]["value"] == pytest.approx(0, abs=1e-11)
    for name in ("squared error", "squared error, corrected", "Brier score"):
        assert found[name]["slope"] == pytest.approx(0, abs=1e-11)
    first = (1 - p) / (p * shots)
    assert found["cross-entropy"]["slope"] == pytest.approx(first, rel=0.05)
    assert abs(found["cross-entropy, jackknife"]["slope"]) < 0.05 * first


def test_one_key_for_all_circuits_biases_the_gradient() -> None:
    found = loss_bias._shared(validation.Settings())
    assert found["off"] < 4
    assert found["seen"] > 5


def test_scores_of_honest_and_dishonest_errors() -> None:
    rng = np.random.default_rng(0)
    noise, truth = rng.normal(size=(500, 5)), np.arange(5.0)
    errors = np.full((500, 5), 0.1)
    errors[:, 4] = 0  # nothing can move this entry
    assert scored(truth + 0.1 * noise, errors, truth).passed
    assert scored(truth + 0.1 * noise, errors, truth).entries == 2000
    assert not scored(truth + 0.12 * noise, errors, truth).passed  # errors understated
    assert not scored(truth + 0.1 * noise + 0.03, errors, truth).passed  # biased


def test_a_stated_error_is_honest() -> None:
    with jax.enable_x64(True):
        found = honesty(Case("ParameterShift", "pilot"), entries=700)
    assert found.entries == 700
    assert 0.9 < found.rms < 1.1
    assert found.mean < 4


def test_every_unbiased_rule_is_asked_in_a_full_run() -> None:
    full = standard_errors.cases(validation.Settings(full=True))
    assert {case.rule for case in full} == set(standard_errors.RULES)
    assert {case.cell for case in full} == set(standard_errors.cells())
    assert all(rule.is_unbiased for rule in standard_errors.RULES.values())
    assert {case.joint for case in full} == {True, False}
