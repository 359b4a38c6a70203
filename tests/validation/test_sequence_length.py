"""Error against length: the pieces of E4."""

import numpy as np
import pytest

from qrnn_jax.validation import Settings, sequence_length
from qrnn_jax.validation.pilot import STRONG, pilot_cell, pilot_inputs
from qrnn_jax.validation.response import Response
from qrnn_jax.validation.sequence_length import EACH


@pytest.fixture(scope="module")
def responses() -> list[Response]:
    places = [pilot_inputs(3, seed) for seed in range(3)]
    return [Response(pilot_cell(STRONG), place.weights, place.xs) for place in places]


def test_the_error_is_the_predicted_one(responses: list[Response]) -> None:
    found = sequence_length._at_length(responses, 3)
    assert found["bias"] < 1e-12
    assert found["predicted"] == pytest.approx(found["sigma"] * 3 / np.sqrt(EACH))
    assert found["shift"] == pytest.approx(found["predicted"], rel=0.1)
    assert found["shared, weighted"] == pytest.approx(found["shift"], rel=0.03)
    assert found["shared, uniform"] / found["shift"] == pytest.approx(np.sqrt(19 / 9), rel=0.05)
    gradient = found["gradient"]
    assert found["random"] == pytest.approx(np.sqrt((9 - gradient**2 / 7) / EACH), rel=1e-6)


def test_rules_state_the_worst_case_and_the_penalty() -> None:
    """T = 3: nodes pi/6, pi/2, 5 pi/6: sum |y| = 3, sum y^2 = 19/6."""
    stated = sequence_length._stated(3)
    assert stated["shift"] == pytest.approx(1, abs=1e-9)
    assert stated["uniform"] == pytest.approx(np.sqrt(19 / 9), abs=1e-9)
    assert stated["weighted"] == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_the_quick_experiment_passes_its_gates_and_is_drawn() -> None:
    found = sequence_length.EXPERIMENT.run(Settings(), lambda share, doing: None)
    assert [c.name for c in found.checks if c.kind != "prediction" and not c.passed] == []
    assert sequence_length.EXPERIMENT.draw is not None
    assert len(sequence_length.EXPERIMENT.draw(found).axes) == 2
