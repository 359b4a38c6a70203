"""The picture of the long sequences: steps to learn, and the gradient, against the length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qrnn_jax.validation.experiment import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(findings: Findings) -> Figure:
    """Steps until half of the runs have learnt, and norms of the gradient.

    Example:
        >>> from qrnn_jax.reproduction.bausch_long_picture import draw
        >>> callable(draw)
        True
    """
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, logarithmic, new_figure

    figure, series = new_figure(11.0, 4.6), findings.series
    left, right = figure.subplots(1, 2)
    green, purple = "#009E73", "#CC79A7"
    for (name, rows), colour in zip(series["steps"].items(), (BLUE, RED, purple, ORANGE, green)):
        lengths, steps, shares = zip(*rows)
        left.plot(lengths, steps, color=colour, label=name, linewidth=1.6)
        for length, step, share in zip(lengths, steps, shares):  # full where most runs learn
            fill = "full" if share > 0.5 else "none"
            left.plot([length], [step], "o", color=colour, fillstyle=fill)
    published = list(zip(*series["published"]))
    left.plot(*published, "s", color=GREY, fillstyle="none", label="circuit, published")
    left.set(xlabel="length", ylabel="median steps until learnt", title="training")
    names = dict.fromkeys(row[0] for row in series["gradients"])
    for name, colour in zip(names, (GREY, BLUE, RED)):
        rows = [row for row in series["gradients"] if row[0] == name]
        _, lengths, whole, early = zip(*rows)
        right.plot(lengths, whole, color=colour, marker="o", markersize=4, label=name)
        right.plot(lengths, early, "--", color=colour, marker="o", markersize=4)
    right.set(xlabel="length", ylabel="norm", title="gradient (dashed: early half of the steps)")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.spines[["top", "right"]].set_visible(False)
        logarithmic(axes)
        axes.legend(fontsize=8, frameon=False)
    ticks = sorted({int(row[1]) for row in series["gradients"]})
    for axes in (left, right):
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
    return figure
