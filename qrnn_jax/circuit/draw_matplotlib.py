"""Circuits as matplotlib figures: coloured by what a gate depends on, sized for a paper."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from qrnn_jax.circuit.draw_layout import Mark, columns, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qrnn_jax.circuit.circuit import Circuit

# lengths in inches, sizes in points; outlines from the colour-blind-safe palette of Okabe and Ito
_GAP, _LINE, _BOX, _TAIL = 0.12, 0.14, 0.3, 0.3
_LABEL_SIZE, _VALUE_SIZE, _SYMBOL_SIZE = 9, 8, 17
_INK = "#262626"
_COLOURS = {  # kind -> (outline, fill)
    "data": ("#0072B2", "#DCEBF6"),
    "weight": ("#D55E00", "#FCEADB"),
    "constant": ("#4D4D4D", "#F1F1F1"),
    "channel": ("#007A5A", "#DDF2EA"),
    "barrier": ("#4D4D4D", "#FFFFFF"),
}
_LEGEND = {"data": "data", "weight": "weight", "constant": "constant", "channel": "channel, reset"}


def draw_matplotlib(circuit: "Circuit", max_width: float = 8.5) -> "Figure":
    """One step as a matplotlib figure, made without pyplot and its global state.

    Arguments:
        circuit: the step.
        max_width: the widest row, in inches; longer circuits go on below.

    Returns:
        A figure of its own size; save it with `figure.savefig("circuit.pdf")`. Wires that end in a
        reset are named input, those that carry the state memory. Boxes are coloured by what they
        depend on: data (also where a weight scales it), weights, constants; channels are dashed.

    Example:
        >>> import qrnn_jax as qj
        >>> figure = qj.cells.Takaki(inputs=1, memory=1, depth=1).circuit.draw("mpl")
        >>> type(figure).__name__
        'Figure'

    Source: the notation of Nielsen and Chuang, section 4.3.
    """
    from matplotlib.figure import Figure

    marks = columns(circuit)
    sheet = _measure(circuit, marks)
    ranges = rows(sheet.widths, max_width - sheet.margin - _TAIL)
    width = max(sheet.width(row) for row in ranges)
    row_height = sheet.pitch * circuit.wires + 2 * _GAP
    figure = Figure((width, row_height * len(ranges) + _BOX), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, row_height * len(ranges) + _BOX))
    axes.axis("off")
    for number, row in enumerate(ranges):
        top = row_height * (len(ranges) - number) + _BOX - 2 * _GAP - sheet.pitch / 2
        heights = [top - wire * sheet.pitch for wire in range(circuit.wires)]
        _draw_wires(axes, circuit, sheet, heights, row)
        x = sheet.margin
        for column in row:
            for mark in marks[column]:
                _draw_mark(axes, mark, sheet.boxes[mark], x + sheet.widths[column] / 2, heights)
            x += sheet.widths[column]
    _draw_legend(axes, circuit, {mark.kind for mark in sheet.boxes}, sheet.margin)
    return figure


@final
@dataclass(frozen=True)
class _Sheet:
    """The measures of a drawing, in inches."""

    names: tuple[str, ...]
    margin: float
    boxes: dict[Mark, float]
    widths: tuple[float, ...]
    pitch: float

    def width(self, row: range) -> float:
        """The width of a row with its margins."""
        return self.margin + sum(self.widths[column] for column in row) + _TAIL


def _measure(circuit: "Circuit", marks: Sequence[Sequence[Mark]]) -> _Sheet:
    names = tuple(f"{_register(circuit, wire)}{wire}" for wire in range(circuit.wires))
    boxes = {mark: _mark_width(mark) for column in marks for mark in column}
    return _Sheet(
        names=names,
        margin=max(_text_width(name, _LABEL_SIZE) for name in names) + 4 * _GAP,
        boxes=boxes,
        widths=tuple(max(boxes[mark] for mark in column) + _GAP for column in marks),
        pitch=max(map(_box_height, boxes)) + _GAP,
    )


def _register(circuit: "Circuit", wire: int) -> str:
    if not circuit.reset_wires:
        return ""
    return "input " if wire in circuit.reset_wires else "memory "


def _lines(mark: Mark) -> list[tuple[str, int]]:
    """The lines of text in a box, with their sizes: long names broken, parameters as formulas."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "\n", mark.label).split("\n")
    formula = re.sub(r"([wx])(\d+)", r"\1_{\2}", mark.values).replace("*", r"\,")
    values = [(f"${formula}$", _VALUE_SIZE)] if formula else []
    return [(word, _LABEL_SIZE) for word in words] + values


def _is_symbol(mark: Mark) -> bool:
    return len(mark.label) == 1 and not mark.label.isalnum() and not mark.values


def _text_width(text: str, size: int) -> float:
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=size).get_extents().width) / 72


def _mark_width(mark: Mark) -> float:
    if mark.kind == "barrier" or _is_symbol(mark) or not mark.targets:
        return _BOX
    ports = 2 * _GAP if any(mark.port(wire) for wire in mark.targets) else 0
    return max(_BOX, max(_text_width(*line) for line in _lines(mark)) + _GAP + ports)


def _box_height(mark: Mark) -> float:
    return max(_BOX, len(_lines(mark)) * _LINE + _GAP / 2)


def _runs(wires: Iterable[int]) -> list[list[int]]:
    """Neighbouring wires together: each run is one box."""
    runs: list[list[int]] = []
    for wire in sorted(wires):
        if runs and wire == runs[-1][-1] + 1:
            runs[-1].append(wire)
        else:
            runs.append([wire])
    return runs


def _draw_wires(
    axes: "Axes", circuit: "Circuit", sheet: _Sheet, heights: Sequence[float], row: range
) -> None:
    """The wires of one row, named; the first row shows |0>, the last where the state goes."""
    end = sheet.width(row) - _GAP
    is_last = row.stop == len(sheet.widths)
    for wire, (name, y) in enumerate(zip(sheet.names, heights)):
        start = sheet.margin - _GAP
        axes.text(_GAP, y, name, size=_LABEL_SIZE, va="center", color=_INK)
        if row.start == 0 and wire in circuit.reset_wires:
            axes.text(
                start - _GAP / 3, y, "|0⟩", size=_VALUE_SIZE, va="center", ha="right", color=_INK
            )
        carried = is_last and wire in circuit.memory_wires
        stop = end - (_TAIL - _GAP) / 2 if is_last and not carried else end
        style = "-|>" if carried else "-"
        arrow = {"arrowstyle": style, "color": _INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (stop, y), (start, y), arrowprops=arrow, zorder=1)


def _draw_mark(axes: "Axes", mark: Mark, width: float, x: float, heights: Sequence[float]) -> None:
    outline = _COLOURS[mark.kind][0]
    top, bottom = heights[mark.span[0]], heights[mark.span[-1]]
    if mark.kind == "barrier":
        edges = [top + _BOX / 2 + _GAP / 2, bottom - _BOX / 2]
        axes.plot([x, x], edges, color=outline, lw=1, ls=(0, (3, 2)), zorder=2)
        axes.text(x, edges[0], mark.label, size=_VALUE_SIZE, ha="center", va="bottom", color=_INK)
        return
    axes.plot([x, x], [top, bottom], color=outline, lw=1, zorder=2)
    for wire in mark.controls:
        axes.plot([x], [heights[wire]], "o", color=outline, markersize=5, zorder=4)
    for run in _runs(mark.targets):
        if _is_symbol(mark):
            for wire in run:
                _draw_symbol(axes, mark, x, heights[wire])
        else:
            _draw_box(axes, mark, width, x, [heights[wire] for wire in run])
    for wire in mark.targets:
        place = x - width / 2 + _GAP / 2
        axes.text(
            place,
            heights[wire],
            mark.port(wire),
            size=6,
            ha="center",
            va="center",
            color=_INK,
            zorder=5,
        )


def _draw_box(axes: "Axes", mark: Mark, width: float, x: float, heights: Sequence[float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    outline, fill = _COLOURS[mark.kind]
    height = _box_height(mark) + heights[0] - heights[-1]
    centre = (heights[0] + heights[-1]) / 2
    box = FancyBboxPatch(
        (x - width / 2, centre - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.04",
        facecolor=fill,
        edgecolor=outline,
        linewidth=0.9,
        linestyle=(0, (3, 1.5)) if mark.kind == "channel" else "-",
        zorder=3,
    )
    axes.add_patch(box)
    lines = _lines(mark)
    for number, (text, size) in enumerate(lines):
        y = centre + ((len(lines) - 1) / 2 - number) * _LINE
        axes.text(x, y, text, size=size, ha="center", va="center_baseline", color=_INK, zorder=5)


def _draw_symbol(axes: "Axes", mark: Mark, x: float, y: float) -> None:
    """A symbol centred on its ink, which text alignment does not promise."""
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    path = TextPath((0, 0), mark.label, size=_SYMBOL_SIZE)
    extents = path.get_extents()
    middle = ((extents.x0 + extents.x1) / 2, (extents.y0 + extents.y1) / 2)
    place = Affine2D().translate(-middle[0], -middle[1]).scale(1 / 72).translate(x, y)
    colour = _COLOURS[mark.kind][0]
    axes.add_patch(PathPatch(place.transform_path(path), facecolor=colour, lw=0, zorder=4))


def _draw_legend(axes: "Axes", circuit: "Circuit", kinds: set[str], x: float) -> None:
    entries = [("s", *_COLOURS[kind], text) for kind, text in _LEGEND.items() if kind in kinds]
    if circuit.memory_wires:
        entries.append((">", _INK, _INK, "state, to the next step"))
    for marker, outline, fill, text in entries:
        axes.plot([x], [_BOX / 2], marker, color=fill, markeredgecolor=outline, markersize=6)
        axes.text(x + _GAP, _BOX / 2, text, size=_VALUE_SIZE, va="center", color=_INK)
        x += _text_width(text, _VALUE_SIZE) + 4 * _GAP
