"""Training curves: loss and gradient norm over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .picture import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    column,
    line,
    logarithmic,
    new_axes,
    new_figure,
    save,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves(rows: Sequence[Mapping[str, Any]], path: Path | str, *, title: str) -> None:
    """Draw the loss and the gradient's norm over training steps, both on logarithmic axes.

    Arguments:
        rows: as in a run's `metrics.jsonl`: `step`, `loss`, `gradient_norm`; `validation_loss`
            where some rows have one, and `used`, False where a step was skipped (marked by a
            cross). A value that is missing, null or not above 0 leaves a gap.
        path: of the PNG file, 1050 x 720 pixels; replaced at once, never half written.
        title: one or two sentences.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import plots
        >>> rows = [{"step": n, "loss": 0.5**n, "gradient_norm": 1 / n} for n in range(1, 20)]
        >>> with tempfile.TemporaryDirectory() as name:
        ...     plots.curves(rows, Path(name) / "curves.png", title="cosine")
        ...     (Path(name) / "curves.png").read_bytes()[1:4]
        b'PNG'
    """
    steps = column([row["step"] for row in rows])
    loss, validation, norm = (
        _positive(rows, name) for name in ("loss", "validation_loss", "gradient_norm")
    )
    figure = new_figure(7.0, 4.8)
    upper, lower = new_axes(figure, 2)
    set_title(figure, title)
    line(upper, steps, loss, color=BLUE, linewidth=1.4, label="training")
    if np.isfinite(validation).any():
        known = np.isfinite(validation)
        line(
            upper, steps[known], validation[known], color=ORANGE, linewidth=1.4, label="validation"
        )
    line(lower, steps, norm, color=GREY, linewidth=1.0)
    _mark_skipped(upper, steps[[row.get("used") is False for row in rows]])
    _label(upper, loss, "loss (mean squared error)")
    _label(lower, norm, "gradient norm")
    lower.set_xlabel("training step")
    if rows:
        lower.locator_params(axis="x", integer=True)
    else:
        lower.set_xticks([])
    if len(upper.get_legend_handles_labels()[0]) > 1:
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    save(figure, path)


def _positive(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    values = column([row.get(name) for row in rows])
    return np.where(values > 0, values, np.nan)


def _mark_skipped(axes: Axes, steps: NDArray[np.float64]) -> None:
    if steps.size:
        floor = np.full(steps.size, 0.03)
        place = axes.get_xaxis_transform()  # steps along the axis, fractions of the panel upwards
        axes.plot(steps, floor, "x", color=RED, transform=place, label="skipped step")


def _label(axes: Axes, values: NDArray[np.float64], label: str) -> None:
    axes.set_ylabel(label)
    if np.isfinite(values).any():
        logarithmic(axes)
    else:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=GREY)
