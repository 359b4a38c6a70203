"""The picture of a forecasting task: how it was learnt, and the forecast, in the paper's manner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qrnn_jax.validation.experiment import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(findings: Findings) -> Figure:
    """Training error over BFGS iterations, and the series with its free-running forecasts.

    Example:
        >>> from qrnn_jax.reproduction.takaki_picture import draw
        >>> callable(draw)
        True
    """
    from qrnn_jax.plots.picture import BLUE, GREY, RED, logarithmic, new_figure

    series = findings.series
    figure = new_figure(12, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.2))
    low, middle, high = (np.array(part) for part in series["quartiles"])
    left.plot(middle, color=BLUE, label="median over seeds")
    left.fill_between(np.arange(len(middle)), low, high, color=BLUE, alpha=0.18, linewidth=0)
    if series["bound"] is not None:
        left.axhline(series["bound"], color=GREY, linestyle="--", label="best without memory")
    left.set(xlabel="BFGS iteration", ylabel="train MSE", title="learning")
    logarithmic(left)
    truth = np.array(series["truth"])
    span = np.arange(len(truth) - len(series["free"]), len(truth))
    right.plot(truth, color="0.75", linewidth=3, label="true values")
    right.plot(span, series["free"], color=RED, label=f"circuit left to itself, {series['chosen']}")
    right.plot(
        span, series["control"], "--", color=GREY, label=f"{series['control name']} left to itself"
    )
    right.axvline(span[0], color="0.6", linewidth=0.8)
    right.set(xlabel="time step", ylabel="x", title="forecast")
    right.set_ylim(1.6 * truth.min() - 0.05, 1.6 * truth.max() + 0.05)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(fontsize=8, frameon=False)
    right.legend(fontsize=8, framealpha=1, edgecolor="white", ncols=3, loc="lower center")
    return figure
