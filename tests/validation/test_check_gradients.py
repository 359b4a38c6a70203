"""`check_gradients`: its numbers, that a wrong rule shows, that nothing global changes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.gradients import parameter_shift
from qrnn_jax.validation import GradientReport, GradientRow

CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, qj.Data(0)),
        qj.CRX(0, 1, qj.Weight(0)),
        qj.RZZ(1, 2, qj.Weight(1) * qj.Data(0)),
        qj.RX(2, qj.Weight(0)),
        qj.Reset(0),
    ),
)
CELL = qj.CircuitCell(CIRCUIT, (qj.Z(0), qj.Y(1) @ qj.Z(2)))
WEIGHTS = jnp.array([0.7, -1.1])
XS = np.array([[0.3], [-0.8], [1.2]])
check = partial(qj.check_gradients, CELL, WEIGHTS, XS)


@pytest.fixture(scope="module")
def report() -> GradientReport:
    return check(verbose=False)


EXACT = {"Backprop": 1e-13, "Checkpointed": 1e-13, "Adjoint": 1e-13, "ParameterShift": 1e-13}
OTHERS = {"Riesz": 1e-10, "FiniteDifference": 1e-8}  # a truncated series, a step of 6e-6


def test_every_public_rule_is_as_exact_as_it_says(report: GradientReport) -> None:
    assert {row.rule for row in report.rows} == {*EXACT, *OTHERS, "SharedShift", "SPSA"}
    for name, bound in (EXACT | OTHERS).items():
        assert report[name].max_abs < bound
    for name in (*EXACT, "FiniteDifference", "SPSA"):
        assert report[name].refused is None
    assert report["SPSA"].params > 1e-3  # one random direction
    assert "data" in report["SharedShift"].refused  # a weight scaled by data
    assert report["SharedShift"].max_abs is None


def test_evaluations_are_those_of_the_rule(report: GradientReport) -> None:
    """Per step: 2 for the data of RY, 4 for CRX, 2 for RZZ, 2 for RX; three steps."""
    assert report["ParameterShift"].evaluations == 3 * (2 + 4 + 2 + 2)


def test_a_wrong_rule_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    right = parameter_shift.shift_table

    def wrong(*arguments: object, **named: object) -> tuple:
        found = right(*arguments, **named)
        return found._replace(coefficients=1.01 * found.coefficients)

    monkeypatch.setattr(parameter_shift, "shift_table", wrong)
    found = check(rules=[qj.ParameterShift(chunk=7)], verbose=False)["ParameterShift(chunk=7)"]
    assert found.values == 0
    assert found.params > 1e-4
    assert found.xs > 1e-4


def test_a_loss_of_ones_own_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    constant = check(loss=lambda ys: 0.0 * jnp.sum(ys), rules=[qj.Checkpointed()])
    assert constant["Checkpointed"].params == 0
    printed = capsys.readouterr().out
    assert printed.strip() == str(constant)
    assert "CircuitCell of 3 wires, T = 3" in printed
    assert "complex128" in printed


def test_settings_stay_as_they_are() -> None:
    with jax.enable_x64(False):
        found = check(rules=[qj.ParameterShift()], verbose=False)
        assert jnp.zeros(1).dtype == np.float32
    assert found["ParameterShift"].max_abs < 1e-13


def test_what_a_rule_refuses_is_said_and_the_rest_is_compared() -> None:
    """A noise strength fed by data: the gradient in weights holds, the one in data is refused."""
    noisy = qj.Circuit(2, (*CIRCUIT.operations[:2], qj.BitFlip(1, 0.3 * qj.Data(0))))
    cell = qj.CircuitCell(noisy, qj.Z(1))
    found = qj.check_gradients(
        cell, WEIGHTS[:1], np.abs(XS[:2]), rules=[qj.ParameterShift()], verbose=False
    )
    row = found["ParameterShift"]
    assert row.params < 1e-13
    assert row.xs is None
    assert "noise strength" in row.refused
    assert "refuses d/d xs" in str(found)


def test_an_unknown_rule_is_refused_with_the_known_ones(
    report: GradientReport,
) -> None:
    with pytest.raises(KeyError, match=r"must be one of .*'ParameterShift'.* but is 'Shift'"):
        report["Shift"]


def test_a_rule_that_refuses_everything_has_a_reason_and_no_numbers() -> None:
    noisy = qj.Circuit(2, (qj.RY(0, qj.Weight(0)), qj.BitFlip(1, 0.1 * qj.Weight(0) + 0.2)))
    cell = qj.CircuitCell(noisy, qj.Z(1))
    found = qj.check_gradients(cell, WEIGHTS[:1], np.zeros((2, 0)), verbose=False)
    row = found["ParameterShift"]
    assert row.max_abs is None
    assert row.evaluations is None
    assert "noise strength" in row.refused
    assert "ParameterShift refuses: `ParameterShift` must not" in str(found)
    assert found["Checkpointed"].max_abs < 1e-13


def test_a_model_without_weights_is_compared_too() -> None:
    cell = qj.CircuitCell(qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CNOT(0, 1))), qj.Z(1))
    row = qj.check_gradients(cell, np.zeros(0), XS, verbose=False)["ParameterShift"]
    assert row.params == 0
    assert row.xs < 1e-13


def test_nan_is_never_taken_for_agreement() -> None:
    assert np.isnan(GradientRow("a rule", 0.0, float("nan"), 0.0).max_abs)
