"""Vanishing gradients: variances against closed forms, the fit, the experiment at a tiny size."""

import jax
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.validation import Findings, Settings, vanishing
from qrnn_jax.validation.vanishing import EXPERIMENT, against_length, against_width, decay


def coherent(wires: int = 1) -> qj.CircuitCell:
    """y_T = cos(T w + x_1 + .. + x_T)."""
    circuit = qj.Circuit(wires, (qj.RX(0, qj.Weight(0)), qj.RX(0, qj.Data(0))))
    return qj.CircuitCell(circuit, qj.Z(0))


def test_variances_are_those_of_the_closed_form() -> None:
    cell, places = coherent(), 12
    found = against_length(cell, longest=4, places=places, seed=3)
    first, second = jax.random.split(jax.random.key(3))
    w = np.asarray(jax.vmap(cell.init)(jax.random.split(first, places)))[:, 0]
    xs = np.asarray(jax.random.uniform(second, (places, 4, 1), minval=-0.9, maxval=0.9))[..., 0]
    angles = [t * w + xs[:, :t].sum(axis=1) for t in range(1, 5)]
    shared = [np.var(t * np.sin(angle)) for t, angle in enumerate(angles, 1)]
    np.testing.assert_allclose(found["shared"], shared, rtol=1e-9)
    np.testing.assert_allclose(found["oldest"], [np.var(np.sin(a)) for a in angles], rtol=1e-9)
    assert found["steps"] == [1, 2, 3, 4]


def test_idle_wires_change_nothing_so_the_factor_per_wire_is_one() -> None:
    found = against_width(coherent, (1, 2, 3), steps=2, places=5, seed=0)
    assert found["wires"] == [1, 2, 3]
    assert found["decay"] == pytest.approx(1.0)


def test_a_parameter_that_never_varies_is_left_out() -> None:
    """The bias of Viqueira's cell has the derivative 1 everywhere."""
    slopes = np.random.default_rng(0).normal(size=(50, 1, 3))
    slopes[:, :, 1] = 1
    expected = np.var(slopes[:, :, [0, 2]], axis=0)
    np.testing.assert_allclose(vanishing._spread(slopes), expected)


def test_decay_ignores_what_has_faded_and_is_unknown_from_one_point() -> None:
    assert decay([1, 2, 3], np.array([1.0, 0.5, 1e-31])) == pytest.approx(0.5)
    assert np.isnan(decay([1, 2], np.array([1.0, 0.0])))


def test_the_experiment_runs_and_draws_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vanishing, "WIDTHS", {"coherent": coherent, "same": coherent})
    found = EXPERIMENT.run(Settings(cells=("pilot",)), lambda fraction, text: None)
    found = Findings.from_json(found.to_json())
    assert [row["cell"] for row in found.series["lengths"]] == ["pilot"]
    assert "per step" in found.conclusion
    assert len(EXPERIMENT.draw(found).axes) == 3
