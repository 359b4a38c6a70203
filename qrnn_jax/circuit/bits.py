"""Recorded bits: classical values on ordinary wires, and the check that keeps them classical."""

from collections.abc import Sequence

from qrnn_jax.circuit.channels import BitFlip, Reset
from qrnn_jax.circuit.conditional import If
from qrnn_jax.circuit.measure import Measure
from qrnn_jax.circuit.operation import AbstractOperation
from qrnn_jax.circuit.readout_error import ReadoutError


def bits_written(operation: AbstractOperation) -> tuple[int, ...]:
    """The wires that an operation uses as the record of a measurement."""
    if isinstance(operation, Measure) and operation.to is not None:
        return (operation.to,)
    return ()


def bits_tested(operation: AbstractOperation) -> tuple[int, ...]:
    """The wires that an operation uses as classical controls."""
    return operation.bits if isinstance(operation, If) else ()


def find_bit_wires(operations: Sequence[AbstractOperation]) -> tuple[int, ...]:
    """The wires that hold a recorded bit, ascending."""
    found = {wire for op in operations for wire in (*bits_written(op), *bits_tested(op))}
    return tuple(sorted(found))


def check_bit_wires(operations: Sequence[AbstractOperation]) -> None:
    """Refuse whatever would make a recorded bit anything but a classical value.

    A state that is diagonal on these wires stays so under `Measure`, `If`, `Reset` and `BitFlip`;
    the shift rule of `If` and the reading of a bit rest on it.
    """
    written = {wire for operation in operations for wire in bits_written(operation)}
    bits = set(find_bit_wires(operations))
    for index, operation in enumerate(operations):
        unwritten = sorted(set(bits_tested(operation)) - written)
        if unwritten:
            raise ValueError(
                f"Operation {index}, {operation}, must test a recorded bit, but no measurement "
                f"writes wire {unwritten[0]}; try `Measure(wire, to={unwritten[0]})`."
            )
        if isinstance(operation, (Reset, BitFlip, ReadoutError)):
            continue
        own = {*bits_written(operation), *bits_tested(operation)}
        touched = sorted(bits & set(operation.named_wires) - own)
        if touched:
            raise ValueError(
                f"Operation {index}, {operation}, must leave wire {touched[0]} alone, because it "
                "holds a recorded bit (only `Measure(to=)`, `If`, `Reset`, `BitFlip` and "
                "`ReadoutError` may use it), but acts on it; try a wire of its own for the bit."
            )
