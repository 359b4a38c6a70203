"""Where a drawing puts things: operations become marks, marks share columns, columns share rows.

Nothing here knows a particular gate. A mark takes its text from `label` and `parameters`, its dots
from `controls`, and its kind from the slots, so a new gate is drawn without a change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from qrnn_jax.circuit.operation import AbstractMarker, AbstractOperation
from qrnn_jax.circuit.read import Read

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit


@final
@dataclass(frozen=True)
class Mark:
    """What one operation looks like.

    Arguments:
        label: the text on its targets.
        values: the parameters as text, such as "2*w3,0.1", of more than four the first and the
            last; empty without parameters.
        targets: the wires that carry the label, in the operation's order.
        controls: the wires that carry a dot.
        kind: "data", "weight" or "constant" (what its numbers depend on), "channel", or "barrier"
            for an operation that names no wire and stands on all of them.
    """

    label: str
    values: str
    targets: tuple[int, ...]
    controls: tuple[int, ...]
    kind: str

    @property
    def span(self) -> range:
        """The wires from the first to the last one touched, with those passed on the way."""
        wires = (*self.targets, *self.controls)
        return range(min(wires), max(wires) + 1)

    def port(self, wire: int) -> str:
        """The target's place among the operation's wires; empty where these are ascending."""
        if list(self.targets) == sorted(self.targets):
            return ""
        return str(self.targets.index(wire))


def columns(circuit: "Circuit") -> list[list[Mark]]:
    """The marks of a step in columns: each as far left as the wires that it spans are free.

    Arguments:
        circuit: the step; an implied `Read` gets its mark too.

    Returns:
        Columns from left to right. Marks of one column share no wire, not even one passed over.
    """
    operations = list(circuit.operations)
    if not any(isinstance(operation, Read) for operation in operations):
        operations.insert(circuit.read_index, Read())
    result: list[list[Mark]] = []
    free = [0] * circuit.wires  # the first column that is free, per wire
    for operation in operations:
        mark = _mark(operation, circuit.wires)
        column = max(free[wire] for wire in mark.span)
        if column == len(result):
            result.append([])
        result[column].append(mark)
        for wire in mark.span:
            free[wire] = column + 1
    return result


def rows(widths: Sequence[float], limit: float | None) -> list[range]:
    """Break columns into rows no wider than `limit`, about equally full; None means one row.

    Arguments:
        widths: the width of each column.
        limit: the largest sum of widths in a row; a wider column is a row of its own.

    Returns:
        Consecutive ranges of columns.
    """
    if limit is None:
        return [range(len(widths))]
    best = _fill(widths, limit)
    for share in range(99, 0, -1):
        narrower = _fill(widths, limit * share / 100)
        if len(narrower) > len(best):
            break
        best = narrower
    return best


def _fill(widths: Sequence[float], limit: float) -> list[range]:
    starts, used = [0], 0.0
    for column, width in enumerate(widths):
        if used and used + width > limit:
            starts.append(column)
            used = 0.0
        used += width
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(widths)])]


def _mark(operation: AbstractOperation, count: int) -> Mark:
    wires = operation.named_wires or tuple(range(count))
    return Mark(
        label=operation.label,
        values=_values(operation),
        targets=tuple(wire for wire in wires if wire not in operation.controls),
        controls=operation.controls,
        kind=_kind(operation),
    )


def _values(operation: AbstractOperation) -> str:
    """The parameters; of many, the first and the last."""
    texts = [repr(slot) for slot in operation.parameters]
    return ",".join(texts if len(texts) <= 4 else [texts[0], "..", texts[-1]])


def _kind(operation: AbstractOperation) -> str:
    if not operation.named_wires:
        return "barrier"
    if not operation.is_unitary or isinstance(operation, AbstractMarker):
        return "channel"
    if any(slot.data for slot in operation.parameters):
        return "data"
    return "weight" if any(slot.weights for slot in operation.parameters) else "constant"
