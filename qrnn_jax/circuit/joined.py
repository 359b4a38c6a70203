"""Neighbouring rotations about one axis as one: an input that is followed by a trained angle."""

from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from qrnn_jax.circuit.circuit import Circuit
from qrnn_jax.circuit.operation import AbstractMarker, AbstractOperation
from qrnn_jax.circuit.rotations import AbstractRotation


@lru_cache(maxsize=256)
def joined_rotations(circuit: Circuit) -> Circuit:
    """The same unitary step with fewer gates: R(a) R(b) = R(a + b), slots add.

    Its tape has other columns, so it is for loops that are differentiated as a whole: a shift rule
    shifts the gates that the circuit has. And it is for loops that take gates one by one: where
    gates of weights are fused, one that data move as well could not be among them.

    Arguments:
        circuit: the step, without resets: what stands behind a reset may say where `Read` is.

    Returns:
        A circuit with the same weights, data and read-out.
    """
    assert circuit.is_unitary
    operations: list[AbstractOperation] = []
    last: dict[int, int] = {}  # for every wire, the place of the last operation on it
    for operation in circuit.operations:
        wires = range(circuit.wires) if isinstance(operation, AbstractMarker) else operation.wires
        places = {last.get(wire, -1) for wire in wires}
        place = places.pop()
        both = None if places or place < 0 else _both(operations[place], operation)
        if both is not None:
            operations[place] = both
            continue
        last.update(dict.fromkeys(wires, len(operations)))
        operations.append(operation)
    return Circuit(circuit.wires, operations)


def _both(before: AbstractOperation, after: AbstractOperation) -> AbstractOperation | None:
    """Two operations, the second right after the first, as one; None if they are no rotations of
    one kind."""
    if not isinstance(after, AbstractRotation) or type(before) is not type(after):
        return None
    if (before.wires, before.static) != (after.wires, after.static):
        return None
    angle: Any = before.parameters[0] + after.parameters[0]
    return replace(cast(Any, after), angle=angle)
