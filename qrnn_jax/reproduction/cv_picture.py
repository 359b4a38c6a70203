"""Pictures of the continuous-variable network: learning curves and forecasts, series by series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .pictures import stored

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Band = Mapping[str, Any]


def band(losses: ArrayLike) -> Band:
    """Least, mean and largest of several runs (epochs, runs), to be stored.

    Example:
        >>> from qrnn_jax.reproduction.cv_picture import band
        >>> band([[1.0, 2.0], [3.0, 7.0]])["values"]
        [[1.0, 3.0], [1.5, 5.0], [2.0, 7.0]]
    """
    losses = np.asarray(losses)
    return stored(np.stack([losses.min(axis=1), losses.mean(axis=1), losses.max(axis=1)]))


def colours() -> tuple[str, ...]:
    """Those of the curves, in order.

    Example:
        >>> from qrnn_jax.reproduction.cv_picture import colours
        >>> len(set(colours()))
        5
    """
    from qrnn_jax.plots.picture import BLUE, ORANGE, RED

    return (BLUE, RED, ORANGE, "#009E73", "#CC79A7")


def draw_learning(
    axes: Axes,
    curves: Mapping[str, Band],
    levels: Mapping[str, float],
    *,
    floor: float = 0.0,
) -> None:
    """Mean and range of several kinds of runs over epochs, and levels as dashed lines.

    Arguments:
        axes: a panel.
        curves: name -> what `band` gave.
        levels: name -> height.
        floor: nothing is shown below.

    Example:
        >>> from qrnn_jax.plots.picture import new_axes, new_figure
        >>> from qrnn_jax.reproduction.cv_picture import band, draw_learning
        >>> (axes,) = new_axes(new_figure(4, 3), 1)
        >>> draw_learning(axes, {"trained": band([[1.0, 2.0], [0.5, 0.9]])}, {"aim": 0.1})
        >>> len(axes.lines)
        2
    """
    from qrnn_jax.plots.picture import GREY, logarithmic

    for (name, curve), colour in zip(curves.items(), colours()):
        epochs = np.array(curve["places"]) + 1
        low, middle, high = np.array(curve["values"])
        axes.plot(epochs, middle, color=colour, linewidth=1.6, label=name)
        axes.fill_between(epochs, low, high, color=colour, alpha=0.16, linewidth=0)
    for (name, level), style in zip(levels.items(), ("--", ":", "-.")):
        axes.axhline(level, color=GREY, linestyle=style, linewidth=1, label=name)
    axes.set_xlabel("epoch")
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(floor, axes.get_ylim()[0]))
    _bare(axes)
    logarithmic(axes)


def draw_forecast(
    axes: Axes, truth: Sequence[float], values: Mapping[str, Sequence[float]], first: int
) -> None:
    """A series and what several models make of it from a place on, left to themselves.

    Example:
        >>> from qrnn_jax.plots.picture import new_axes, new_figure
        >>> from qrnn_jax.reproduction.cv_picture import draw_forecast
        >>> (axes,) = new_axes(new_figure(4, 3), 1)
        >>> draw_forecast(axes, [0.0, 1.0, 2.0], {"line": [2.1]}, 2)
        >>> len(axes.lines)
        3
    """
    axes.plot(truth, color="0.78", linewidth=4, label="true values")
    for place, ((name, forecast), colour) in enumerate(zip(values.items(), colours())):
        places = np.arange(first, first + len(forecast))
        width = 2.4 - 0.4 * place  # so that curves on top of each other are all seen
        axes.plot(places, forecast, color=colour, linewidth=width, label=name)
    axes.axvline(first, color="0.6", linewidth=0.8)
    axes.set_xlabel("point")
    low, high = min(truth), max(truth)
    axes.set_ylim(low - 0.35 * (high - low), high + 0.35 * (high - low))
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
