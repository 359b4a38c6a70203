"""E8: its formulas against draws, at tiny sizes."""

import jax
import numpy as np
import pytest

from qrnn_jax import validation
from qrnn_jax.validation import post_selection
from qrnn_jax.validation.experiment import Findings


def test_the_quotient_rule_is_exact_and_the_shift_of_the_ratio_is_not() -> None:
    found = post_selection._exactness(validation.Settings())
    assert found["error"] < 1e-10
    assert abs(found["naive"] - found["true"]) > 1


def test_first_order_errors_are_those_of_draws() -> None:
    found = post_selection._estimates(1000, 0.25, jax.random.split(jax.random.key(0), 600))
    spread = found.std(axis=0, ddof=1)
    assert spread == pytest.approx(post_selection._formulas(1000, 0.25), rel=0.12)


def test_the_bias_of_the_ratio_tends_to_its_first_order() -> None:
    rows = [post_selection._bias(shots) for shots in (60, 1000)]
    ratios = [row["exact"] / row["first"] for row in rows]
    assert ratios[1] == pytest.approx(1, abs=0.02)
    assert ratios[0] > 1.05


def test_the_conclusion_and_the_picture_come_from_the_numbers() -> None:
    spread = [
        {"chance": p, "output": p**-0.5, "gradient": 2 * p**-0.5, "repeats": 9,
         "output formula": p**-0.5, "gradient formula": 2 * p**-0.5}
        for p in (1.0, 0.25, 0.0625)
    ]  # fmt: skip
    series = {
        "exact": {"steps": 3, "error": 1e-15, "true": -2.0, "quotient": -2.0, "naive": -0.5},
        "spread": spread,
        "biases": [post_selection._bias(shots) for shots in post_selection.FEW],
        "drawn": {"output": 1.0, "gradient": 1.0, "seen": 9.0},
        "decay": {"factors": (2.0 ** (np.arange(1, 11) / 2)).tolist(), "off": 0.0},
    }
    checks = post_selection._checks(series)
    assert all(check.passed for check in checks)
    words = post_selection._conclusion(series)
    assert "-0.500, not -2.000" in words
    assert "a factor 32 in" in words
    figure = post_selection.draw(Findings(words, checks, (), series))
    assert len(figure.axes) == 2
    series["exact"]["naive"] = -1.9
    assert not all(check.passed for check in post_selection._checks(series))
