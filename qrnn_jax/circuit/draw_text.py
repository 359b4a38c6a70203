"""Circuits as text: one line per wire."""

from typing import TYPE_CHECKING

from qrnn_jax.circuit.draw_layout import Mark, columns, rows

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit


def draw_text(circuit: "Circuit", max_width: int | None = 100) -> str:
    """One step as text, one line per wire.

    Arguments:
        circuit: the step.
        max_width: the longest line, in characters; longer circuits go on below. None never wraps.

    Returns:
        Lines joined by newlines, and an empty line between rows. Dots are controls; marks joined by
        a vertical line are one operation; a number and a colon before a label give the place of the
        wire in an operation that does not take its wires in ascending order.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.Reset(0)))
        >>> print(circuit.draw())
        0: ─RY(x0)─╭●──────┤Read├─|0⟩─
        1: ────────╰RX(w0)─┤    ├─────

    Source: the layout of the texts is our own; dots for controls follow Nielsen and Chuang, 4.3.
    """
    blocks = [_column(marks, circuit.wires) for marks in columns(circuit)]
    names = [f"{wire}: " for wire in range(circuit.wires)]
    margin = max(map(len, names))
    limit = None if max_width is None else max_width - margin - 1
    parts = []
    for row in rows([len(block[0]) for block in blocks], limit):
        lines = [
            name.rjust(margin) + "".join(blocks[column][wire] for column in row) + "─"
            for wire, name in enumerate(names)
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _column(marks: list[Mark], count: int) -> list[str]:
    """One column: equally long pieces of every wire's line, each with a stretch of wire before."""
    joints, texts = ["─"] * count, [""] * count
    for mark in marks:
        for wire in mark.span:
            joints[wire], texts[wire] = _joint(mark, wire), _text(mark, wire)
    if set(joints) == {"─"}:
        joints = [""] * count
    width = max(map(len, texts))
    return [f"─{joint}{text.ljust(width, '─')}" for joint, text in zip(joints, texts)]


def _joint(mark: Mark, wire: int) -> str:
    """What joins the wires of one operation."""
    if mark.kind == "barrier":
        return "┤"
    if len(mark.span) == 1:
        return "─"
    if wire in (mark.span[0], mark.span[-1]):
        return "╭" if wire == mark.span[0] else "╰"
    return "├" if wire in (*mark.targets, *mark.controls) else "┼"


def _text(mark: Mark, wire: int) -> str:
    if mark.kind == "barrier":
        return (mark.label if wire == 0 else " " * len(mark.label)) + "├"
    if wire in mark.controls:
        return "●"
    if wire not in mark.targets:
        return ""
    values = f"({mark.values})" if mark.values else ""
    port = mark.port(wire)
    return (f"{port}:" if port else "") + mark.label + values
