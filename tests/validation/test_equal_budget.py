"""Who wins at equal shots: the pieces of E5."""

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.validation import Settings, equal_budget
from qrnn_jax.validation.budgets import HONEST, Rule, all_rules, crossover
from qrnn_jax.validation.response import Response

CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, qj.Data(0)),
        qj.RX(0, qj.Weight(0)),
        qj.CNOT(0, 2),
        qj.RX(2, qj.Weight(1)),
        qj.CRX(2, 0, 0.7),
        qj.Reset(0),
    ),
)
SHOTS = np.array([1e3, 1e5])


@pytest.fixture(scope="module")
def rules() -> dict[str, Rule]:
    cell = qj.CircuitCell(CIRCUIT, qj.Z(0))
    places = [np.array([0.4, -1.1]), np.array([1.7, 0.6])]
    responses = [Response(cell, place, np.array([[0.3], [-0.8], [0.5]])) for place in places]
    return {rule.name: rule for rule in all_rules(responses, 3, (0.1, 0.3, 0.6))}


def test_a_crossover_is_where_the_curves_meet() -> None:
    """1000 / N^(1/2) falls below 10 / N^(1/6) for good at N = 10^6."""
    exact = Rule("exact", 1, lambda shots: 1000 / np.sqrt(shots))
    biased = Rule("biased", 1, lambda shots: 10 / shots ** (1 / 6))
    grid = np.geomspace(1e2, 1e8, 601)
    assert crossover(exact, [biased], grid) == pytest.approx(1e6, rel=0.03)
    assert crossover(biased, [exact], grid) == np.inf
    far = Rule("far", 1, lambda shots: 1e4 + 0 * shots)
    assert crossover(exact, [far], grid) == 1e2


def test_oracles_are_never_worse_than_fixed_settings(rules: dict[str, Rule]) -> None:
    for family in ("central", "SPSA", "truncated"):
        best = rules[f"{family}, oracle"].rmse(SHOTS)
        for name, rule in rules.items():
            if name.startswith(family):
                assert np.all(best <= rule.rmse(SHOTS) * 1.01), name


def test_unbiased_rules_fall_as_the_square_root_and_biased_ones_stop(
    rules: dict[str, Rule],
) -> None:
    for name in ("shift", "truncated, 4 steps", "random occurrence", "Riesz, random node"):
        few, many = rules[name].rmse(SHOTS)
        assert few / many == pytest.approx(10, rel=1e-6), name
    few, many = rules["central, h = 0.3"].rmse(np.array([1e9, 1e13]))
    assert many > 0.9 * few
    few, many = rules["central, law"].rmse(np.array([1e5, 1e8]))
    assert np.log10(few / many) / 3 == pytest.approx(1 / 3, abs=0.06)


def test_circuits_are_counted(rules: dict[str, Rule]) -> None:
    assert rules["shift"].circuits == 2 * 2 * 3
    assert rules["truncated, 2 steps"].circuits == 2 * 2 * 2
    assert rules["central, h = 0.1"].circuits == 2 * 2
    assert set(HONEST) <= set(rules)


def test_with_coherent_memory_shift_wins_at_any_length() -> None:
    """cot(0.8) / sqrt(N), and 0.757 (sigma^2 / sin^2(0.8) / N)^(1/3), at N = 1e4."""
    (found,) = equal_budget._coherent((3,))
    assert found["shift"] == pytest.approx(1 / np.tan(0.8) / 100, rel=1e-9)
    assert found["central"] == pytest.approx(0.757 * 1e4 ** (-1 / 3), rel=0.02)
    assert found["shift wins from"] < 20


@pytest.mark.slow
def test_the_quick_experiment_passes_its_gates_and_is_drawn() -> None:
    found = equal_budget.EXPERIMENT.run(Settings(), lambda share, doing: None)
    assert [c.name for c in found.checks if c.kind != "prediction" and not c.passed] == []
    assert equal_budget.EXPERIMENT.draw is not None
    assert len(equal_budget.EXPERIMENT.draw(found).axes) == 6
