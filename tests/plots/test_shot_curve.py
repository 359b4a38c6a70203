"""The loss against the shots spent: what is drawn, and its error bars."""

import importlib

import numpy as np
import pytest

from qrnn_jax import plots
from qrnn_jax.plots.shot_curve import binned

ROWS = [
    {"step": n, "loss": 0.1 * n, "loss_error": 0.02 * n, "shots": 50 * n, "used": True}
    for n in range(1, 5)
]


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch):
    """Draw, and get the panel instead of a file."""
    kept: list = []
    module = importlib.import_module("qrnn_jax.plots.shot_curve")
    monkeypatch.setattr(module, "save", lambda figure, path: kept.append(figure))

    def drawn(rows: list, **levels: float):
        plots.shot_curve(rows, "nowhere", title="a run", levels=levels)
        return kept[-1].axes[0]

    return drawn


def test_bars_reach_one_standard_error(axes) -> None:
    panel = axes(ROWS, constant=0.7, ridge=0.01)
    (bars,) = panel.containers
    line, _, (ends,) = bars.lines
    np.testing.assert_allclose(line.get_xdata(), [50, 100, 150, 200])
    np.testing.assert_allclose(line.get_ydata(), [0.1, 0.2, 0.3, 0.4])
    lengths = [segment[1, 1] - segment[0, 1] for segment in ends.get_segments()]
    np.testing.assert_allclose(lengths, [0.04, 0.08, 0.12, 0.16])
    named = {line.get_label(): line.get_ydata()[0] for line in panel.lines if len(line.get_ydata())}
    assert (named["constant"], named["ridge"]) == (0.7, 0.01)
    low, high = panel.get_ylim()
    assert low < 0
    assert high > 0.7


def test_many_steps_are_averaged_in_groups(axes) -> None:
    rng = np.random.default_rng(0)
    loss, error = rng.normal(0.3, 0.1, 200), np.full(200, 0.1)
    found = binned(np.arange(200.0), loss, error)
    assert len(found.loss) == 40
    np.testing.assert_allclose(found.loss[3], loss[15:20].mean())
    np.testing.assert_allclose(found.error, 0.1 / np.sqrt(5))
    rows = [{"loss": a, "loss_error": b, "shots": n} for n, (a, b) in enumerate(zip(loss, error))]
    assert "single steps" in axes(rows).get_legend_handles_labels()[1]


def test_a_run_without_steps_or_errors_is_drawn(axes) -> None:
    assert not axes([]).containers[0].lines[0].get_xdata().size
    rows = [{**row, "loss_error": None} for row in ROWS]
    assert len(axes(rows).containers[0].lines[0].get_xdata()) == 4
