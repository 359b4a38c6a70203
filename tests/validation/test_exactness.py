"""E1 and E2, and the independent computations that they lean on."""

import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.validation import Settings, exactness, silent_failures
from qrnn_jax.validation.branches import enumerate_feed_forward
from qrnn_jax.validation.cells import feed_forward_cell, reuploading_cell
from qrnn_jax.validation.counting import count_shifted_circuits, frequencies
from qrnn_jax.validation.experiment import Findings
from qrnn_jax.validation.naive import cosine_cell, cosine_rows, naive_rule
from qrnn_jax.validation.pathwise import (
    recurrent_branches,
    true_and_pathwise,
    two_qubit_branches,
)
from qrnn_jax.validation.pilot import pilot_cell, pilot_inputs
from qrnn_jax.validation.quick_jit import quick_jit

WEIGHTS, XS = np.array([0.7, -1.1, 1.9, 0.4]), np.array([0.3, -0.8, 0.5])


def quiet(fraction: float, text: str) -> None:
    assert 0 <= fraction <= 1
    assert text


def run_e1(*cells: str) -> Findings:
    return exactness.run(Settings(cells=cells), quiet)


def test_e1_passes_on_a_cell_and_draws() -> None:
    found = run_e1("feed-forward+noise")
    assert all(check.passed for check in found.checks), found.checks
    assert found.series["rows"][0]["circuits"] == 4 * 2 * 3
    assert "is exact on all 1 cells" in found.conclusion
    assert len(exactness.draw(found).axes[0].lines) == 5  # four rules and the bound


def test_e1_sees_a_wrong_rule_and_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {
        "ParameterShift": (qj.ParameterShift(horizon=2), True),
        "SharedShift": (qj.SharedShift(), False),
    }
    monkeypatch.setattr(exactness, "RULES", rules)
    found = run_e1("reuploading")
    assert [check.passed for check in found.checks][:2] == [False, True]
    assert "IS NOT exact" in found.conclusion
    (row,) = found.tables[0].rows
    assert row[-1] == "refused"
    assert "weight multiplied by data" in found.tables[1].rows[0][2]


def test_acausal_sees_the_future_only() -> None:
    jacobian = np.zeros((3, 2, 3, 1))
    jacobian[2, 1, 0, 0] = 5.0
    assert exactness.acausal(jacobian) == 0.0
    jacobian[0, 1, 2, 0] = -1e-300
    assert exactness.acausal(jacobian) == 1e-300


def test_circuits_are_counted_from_matrices() -> None:
    gates = {qj.RX(0, 0.1): 1, qj.RZZ(0, 1, 0.1): 1, qj.CRY(0, 1, 0.1): 2}
    assert [frequencies(gate, 0) for gate in gates] == list(gates.values())
    assert frequencies(qj.U3(0, 0.3, 0.2, 0.1), 1) == 1
    circuit = reuploading_cell().circuit
    # per step: RX, RY with w0, CRX twice, RZZ, RX; with data also RY, RX
    assert count_shifted_circuits(circuit, 5) == 5 * 2 * 6
    assert count_shifted_circuits(circuit, 5, data=True) == 5 * 2 * 8
    assert count_shifted_circuits(feed_forward_cell().circuit, 3) == 3 * 2 * 4


def test_enumeration_agrees_with_its_own_differences() -> None:
    values, jacobian = enumerate_feed_forward(WEIGHTS, XS)
    assert values.shape == (3, 2)
    for weight, step in enumerate(1e-6 * np.eye(4)):
        ends = [enumerate_feed_forward(WEIGHTS + sign * step, XS)[0] for sign in (1, -1)]
        np.testing.assert_allclose(jacobian[..., weight], (ends[0] - ends[1]) / 2e-6, atol=1e-8)


def test_enumeration_agrees_with_the_library() -> None:
    values, jacobian = enumerate_feed_forward(WEIGHTS, XS)
    ys = qj.run(feed_forward_cell(), jnp.asarray(WEIGHTS), jnp.asarray(XS)[:, None])
    np.testing.assert_allclose(ys, values, atol=1e-14)
    assert np.abs(jacobian[-1]).min() > 1e-4  # every weight matters for both outputs


def test_the_naive_rule_on_powers_of_a_rotation() -> None:
    rows = cosine_rows(3)
    assert [abs(row["naive"]) < 1e-14 for row in rows] == [False, True, False]
    np.testing.assert_allclose(rows[2]["naive"], -rows[2]["true"] / 3, rtol=1e-13)
    np.testing.assert_allclose([row["shift"] for row in rows], [row["true"] for row in rows])


def test_the_naive_rule_is_right_for_one_occurrence() -> None:
    found = naive_rule(cosine_cell(), jnp.array([0.3]), jnp.zeros((1, 0)))
    np.testing.assert_allclose(found, [-np.sin(0.3)], rtol=1e-14)


def test_pathwise_autodiff_loses_all_of_the_two_qubit_derivative() -> None:
    both = quick_jit(lambda weights: true_and_pathwise(two_qubit_branches, weights))
    true, pathwise = both(jnp.array([0.4, 0.9]))
    np.testing.assert_allclose(true[0], -0.242, atol=5e-4)  # notes on gradients, section 1.14
    np.testing.assert_allclose(true, [-np.sin(0.4) * np.cos(0.9), -np.cos(0.4) * np.sin(0.9)])
    np.testing.assert_allclose(pathwise, [0.0, true[1]], atol=1e-15)


def test_the_branches_of_the_pilot_cell_add_up_to_its_output() -> None:
    cell, (weights, xs) = pilot_cell(0.8), pilot_inputs(3, seed=1)
    assert isinstance(cell, qj.CircuitCell)
    branches = recurrent_branches(cell, jnp.asarray(xs))
    chances, values = quick_jit(branches)(jnp.asarray(weights))
    np.testing.assert_allclose(chances.sum(), 1.0, atol=1e-14)
    ys = qj.run(cell, jnp.asarray(weights), jnp.asarray(xs))
    np.testing.assert_allclose(jnp.vdot(chances, values), ys[-1, 0], atol=1e-14)


@pytest.mark.slow
def test_e2_passes_what_must_hold_and_draws() -> None:
    found = silent_failures.run(Settings(), quiet)
    wrong = [c.name for c in found.checks if c.kind != "prediction" and not c.passed]
    assert wrong == []
    assert len(silent_failures.draw(found).axes) == 2


def test_backprop_through_outcomes_is_refused() -> None:
    assert silent_failures.refuses_backprop()
