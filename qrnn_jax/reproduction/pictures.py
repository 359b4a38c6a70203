"""Pictures that several reproductions share: learning curves with bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


POINTS = 400  # of a stored curve
DIGITS = 5


def stored(curves: Any) -> dict[str, Any]:
    """Curves (.., N) thinned to at most 400 points and five digits, with their places.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.reproduction.pictures import stored
        >>> stored(np.array([1.0, 0.123456789]))
        {'places': [0, 1], 'values': [1.0, 0.12346]}
    """
    curves = np.asarray(curves, np.float64)
    count = curves.shape[-1]
    places = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(curves), 1e-300))))
    rounded = np.round(curves * scale) / scale
    return {"places": places.tolist(), "values": rounded[..., places].tolist()}


def learning_curves(
    bands: Mapping[str, Mapping[str, Any]],
    title: str,
    height: str,
    across: str,
    *,
    points: Sequence[tuple[float, float]] = (),
    level: tuple[str, float] | None = None,
) -> Figure:
    """Median and band of several runs, on a logarithmic axis.

    Arguments:
        bands: name -> what `stored` made of (low, middle, high), or of a single curve.
        title: one or two sentences.
        height, across: labels of the axes.
        points: published values, (place, height), drawn as circles.
        level: the control's name and value, a dashed line.

    Example:
        >>> from qrnn_jax.reproduction.pictures import learning_curves, stored
        >>> bands = {"train": stored([[1, 2], [2, 3], [3, 4]])}
        >>> figure = learning_curves(bands, "a run", "error", "epoch")
        >>> len(figure.axes)
        1
    """
    from qrnn_jax.plots.picture import (
        BLUE,
        GREY,
        ORANGE,
        RED,
        logarithmic,
        new_axes,
        new_figure,
        set_title,
    )

    figure = new_figure(8.0, 4.6)
    (axes,) = new_axes(figure, 1)
    colours = (BLUE, ORANGE, RED, "#009E73", "#CC79A7")
    for place, ((name, band), colour) in enumerate(zip(bands.items(), colours)):
        width = 2.6 - 0.45 * place  # so that curves on top of each other are all seen
        values = np.atleast_2d(np.array(band["values"]))
        middle = values[len(values) // 2]
        axes.plot(band["places"], middle, color=colour, linewidth=width, label=name)
        if len(values) == 3:
            axes.fill_between(
                band["places"], values[0], values[2], color=colour, alpha=0.18, linewidth=0
            )
    _mark(axes, points, level, GREY)
    axes.set(xlabel=across, ylabel=height)
    logarithmic(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    set_title(figure, title)
    return figure


def _mark(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    level: tuple[str, float] | None,
    colour: str,
) -> None:
    if points:
        axes.plot(*zip(*points), "o", color=colour, fillstyle="none", label="published")
    if level is not None:
        axes.axhline(level[1], color=colour, linestyle="--", linewidth=1, label=level[0])
