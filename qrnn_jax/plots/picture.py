"""What all pictures share: colours, figures without pyplot's global state, how to save them."""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
PIXELS = 2**15  # of the longer side, where a picture's size depends on its content
# from the colour-blind-safe set of Okabe and Ito (2008)
BLUE, ORANGE, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#4D4D4D"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; matplotlib is imported here, on first use. Sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def set_title(figure: Figure, title: str, **place: Any) -> None:
    """A title above the panels, broken into lines that fit the figure."""
    letters = max(40, int(11 * figure.get_figwidth()))
    figure.suptitle(textwrap.fill(title, letters), fontsize=11, **place)


def new_axes(figure: Figure, rows: int) -> list[Axes]:
    """Panels above each other that share their horizontal axis, framed left and below only."""
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    return list(panels)


def line(axes: Axes, x: NDArray, y: NDArray, **style: object) -> None:
    """A line with a gap at each NaN; a value between two gaps is a dot, or it would be unseen."""
    drawn = axes.plot(x, y, **style)[0]  # type: ignore[arg-type]
    known = np.concatenate([[False], np.isfinite(y), [False]])
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    axes.plot(x[alone], y[alone], "o", color=drawn.get_color(), markersize=3.5)


def logarithmic(axes: Axes) -> None:
    """A logarithmic vertical axis with plain numbers, few enough to read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 5 * low:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def column(values: ArrayLike | Sequence[float | None]) -> NDArray[np.float64]:
    """Numbers as float64, with None and anything that is not finite as NaN."""
    array = np.array(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def save(figure: Figure, path: Path | str, *, dpi: float = DPI, tight: bool = False) -> None:
    """Write a PNG so that a reader sees the old picture or the new one, nothing between."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    box = "tight" if tight else None
    try:
        # without the program's name, equal figures are equal files
        figure.savefig(
            temporary, format="png", dpi=dpi, bbox_inches=box, metadata={"Software": None}
        )
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            error.errno or 0,
            f"Picture {path} must be writable, but {reason}; try freeing space or another folder",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
