"""The loss of a training run on a device, with error bars, against the shots it has cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .picture import BLUE, GREY, ORANGE, RED, column, new_axes, new_figure, save, set_title

BINS = 40  # points with error bars, at most


class _Binned(NamedTuple):
    """Means of neighbouring steps: shots, loss, and the standard error that the shots leave."""

    shots: NDArray[np.float64]
    loss: NDArray[np.float64]
    error: NDArray[np.float64]


def shot_curve(
    rows: Sequence[Mapping[str, Any]],
    path: Path | str,
    *,
    title: str,
    levels: Mapping[str, float],
) -> None:
    """Draw the measured loss with its error bars against the shots spent.

    Arguments:
        rows: as in the `metrics.jsonl` of a run on a device: `loss`, `loss_error` and `shots`. Many
            steps are averaged in groups; the single ones are faint dots.
        path: of the PNG file, 1050 x 600 pixels; replaced at once, never half written.
        title: one or two sentences.
        levels: errors to compare with, drawn as lines, by name.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import plots
        >>> rows = [{"loss": 1 / n, "loss_error": 0.1, "shots": 50 * n} for n in range(1, 9)]
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name) / "shots.png"
        ...     plots.shot_curve(rows, path, title="cosine", levels={"best constant": 0.5})
        ...     path.read_bytes()[1:4]
        b'PNG'
    """
    shots, loss, error = (
        column([row.get(name) for row in rows]) for name in ("shots", "loss", "loss_error")
    )
    figure = new_figure(7.0, 4.0)
    (axes,) = new_axes(figure, 1)
    set_title(figure, title)
    found = binned(shots, loss, error)
    if len(found.shots) < len(shots):
        axes.plot(shots, loss, ".", color=BLUE, alpha=0.15, markersize=3, label="single steps")
    axes.errorbar(
        found.shots,
        found.loss,
        np.nan_to_num(found.error),
        fmt="o",
        color=BLUE,
        markersize=3.5,
        linewidth=1.2,
        capsize=2,
        label="measured loss, one standard error of the shots",
    )
    for (name, value), colour in zip(levels.items(), (ORANGE, RED, GREY), strict=False):
        axes.axhline(value, color=colour, linewidth=1.2, linestyle="--", label=name)
    axes.axhline(0, color="0.7", linewidth=0.8)
    _frame(axes, found, levels)
    axes.set_xlabel("shots spent")
    axes.set_ylabel("mean squared error")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    save(figure, path)


def _frame(axes: Any, found: _Binned, levels: Mapping[str, float]) -> None:
    """Limits that show every bar and every level; single steps may lie outside."""
    error = np.nan_to_num(found.error)
    ends = np.concatenate([found.loss - error, found.loss + error, [0.0], [*levels.values()]])
    ends = ends[np.isfinite(ends)]
    low, high = float(ends.min()), float(ends.max())
    room = 0.06 * max(high - low, 1e-12)
    axes.set_ylim(low - room, high + room)
    if found.shots.size:
        axes.set_xlim(0, 1.03 * float(found.shots.max()))


def binned(
    shots: NDArray[np.float64], loss: NDArray[np.float64], error: NDArray[np.float64]
) -> _Binned:
    """At most 40 groups of neighbouring steps of equal size.

    Equation: a group's loss is the mean, its error sqrt(sum error^2) / n: that of the shots alone,
    not of which sequences the steps saw.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.plots.shot_curve import binned
        >>> found = binned(np.arange(80.0), np.ones(80), np.full(80, 0.2))
        >>> len(found.shots), round(float(found.error[0]), 6)
        (40, 0.141421)
    """
    groups = np.array_split(np.arange(len(loss)), min(BINS, len(loss)) or 1)
    groups = [group for group in groups if len(group)]
    return _Binned(
        np.array([shots[group].mean() for group in groups]),
        np.array([loss[group].mean() for group in groups]),
        np.array([np.sqrt(np.sum(error[group] ** 2)) / len(group) for group in groups]),
    )
