"""The forecast: what was, what the model says one step ahead, and what it says left to itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .picture import BLUE, GREY, RED, column, line, new_axes, new_figure, save, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def forecast(
    path: Path | str,
    *,
    time: ArrayLike,
    truth: ArrayLike,
    one_step: ArrayLike,
    free_running: ArrayLike,
    split: float | Mapping[str, float],
    title: str,
    units: str,
    time_label: str = "time",
) -> None:
    """Draw a series beside its one-step predictions and its free-running forecast.

    Arguments:
        path: of the PNG file, 1350 x 630 pixels; replaced at once, never half written.
        time: (N,), increasing.
        truth, one_step, free_running: (N,), in original units; NaN where there is no value.
        split: the time at which testing starts; or name -> start of each part, in order, for
            example {"training": 1700, "validation": 1921, "test": 1956}.
        title: one or two sentences.
        units: label of the vertical axis.
        time_label: label of the horizontal axis.

    Raises:
        ValueError: the arrays differ in shape or are not one-dimensional.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from qrnn_jax import plots
        >>> time, nothing = np.arange(60), np.full(60, np.nan)
        >>> with tempfile.TemporaryDirectory() as name:
        ...     plots.forecast(Path(name) / "forecast.png", time=time, truth=np.cos(0.3 * time),
        ...                    one_step=np.cos(0.3 * time + 0.1), free_running=nothing, split=40,
        ...                    title="cosine", units="x")
        ...     (Path(name) / "forecast.png").read_bytes()[1:4]
        b'PNG'
    """
    series = {"time": time, "truth": truth, "one_step": one_step, "free_running": free_running}
    x, *values = _columns(series)
    figure = new_figure(9.0, 4.2)
    (axes,) = new_axes(figure, 1)
    set_title(figure, title)
    styles = (
        {"color": "0.72", "linewidth": 3.0, "label": "true values"},
        {"color": BLUE, "linewidth": 1.2, "label": "predicted one step ahead"},
        {
            "color": RED,
            "linewidth": 1.6,
            "linestyle": (0, (4, 1.5)),
            "label": "free-running forecast",
        },
    )
    for y, style in zip(values, styles):
        if np.isfinite(y).any():
            line(axes, x, y, **style)
    _mark_parts(axes, split if isinstance(split, Mapping) else {"": x[0], "test": split})
    axes.margins(x=0)
    axes.set_xlabel(time_label)
    axes.set_ylabel(units)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    save(figure, path)


def _columns(series: Mapping[str, ArrayLike]) -> list[np.ndarray]:
    found = {name: column(values) for name, values in series.items()}
    shape = found["time"].shape
    for name, array in found.items():
        if array.ndim != 1 or array.shape != shape or not array.size:
            raise ValueError(
                f"Argument `{name}` must be one-dimensional and as long as `time`, but has shape "
                f"{array.shape} beside {shape}; try NaN where there is no value."
            )
    return list(found.values())


def _mark_parts(axes: Axes, starts: Mapping[str, float]) -> None:
    """A thin line where each part but the first starts, its name above it."""
    place = axes.get_xaxis_transform()  # times along the axis, fractions of the panel upwards
    for index, (name, start) in enumerate(starts.items()):
        if index:
            axes.axvline(start, color="0.6", linewidth=0.8)
        axes.text(start, 1.01, f" {name}", transform=place, color=GREY, fontsize="small")
