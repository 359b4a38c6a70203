"""A step as instructions on real amplitudes of those wires that hold no known classical bit.

A wire whose last operation is `Postselect(wire, 0)` starts every step in |0>. Since then it holds a
known bit, flipped by data at most, until something turns it: then it joins the vector, until it is
post-selected again. So a register that is written, only controls, and is unwritten costs nothing.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax.numpy as jnp
from jax import Array

from qrnn_jax.circuit import CNOT, CZ, SWAP, AbstractGate, AbstractOperation, Circuit, H, X, Z
from qrnn_jax.circuit.controlled import Controlled
from qrnn_jax.circuit.flip import Flip
from qrnn_jax.circuit.operation import AbstractMarker
from qrnn_jax.circuit.postselect import Postselect
from qrnn_jax.circuit.slots import Slot, as_slot
from qrnn_jax.engines.real_bits import AbstractInstruction, Bit, Exchange, Grow, Keep, Pick
from qrnn_jax.engines.real_turns import Turn, TurnLayer, as_turn
from qrnn_jax.ops import apply_matrix

_FIXED = (CNOT, CZ, SWAP, H, X, Z)


def is_real(operation: AbstractOperation) -> bool:
    """Whether an operation has a place in a program."""
    if isinstance(operation, Controlled):
        return is_real(operation.gate)
    known = (Flip, Postselect, AbstractMarker, *_FIXED)
    return isinstance(operation, known) or as_turn(operation, 0) is not None


class Program(NamedTuple):
    """The instructions of a step.

    Arguments:
        carried: the wires of the carried vector, ascending.
        before: up to the read-out.
        order: the wires of the vector at the read-out, first one most significant.
        after: from the read-out to the end.
        largest: the most wires that the vector has.
    """

    carried: tuple[int, ...]
    before: tuple[AbstractInstruction, ...]
    order: tuple[int, ...]
    after: tuple[AbstractInstruction, ...]
    largest: int


def write_program(circuit: Circuit, read: tuple[int, ...]) -> Program:
    """The program of a step, with the wires that are read in the vector at the read-out."""
    last = {wire: op for op in circuit.operations for wire in op.wires}
    empty = {wire for wire, op in last.items() if isinstance(op, Postselect) and op.value == 0}
    carried = tuple(wire for wire in range(circuit.wires) if wire not in empty)
    writer = _Writer(circuit, carried)
    before = writer.write(0, circuit.read_index, read)
    order = writer.order
    after = writer.write(circuit.read_index, len(circuit.operations), carried)
    after = (*after, *writer.sort(carried))
    return Program(carried, before, order, after, writer.largest)


class _Writer:
    """Walks through a step and keeps track of what each wire holds."""

    def __init__(self, circuit: Circuit, carried: tuple[int, ...]) -> None:
        self.circuit = circuit
        self.order = carried
        self.largest = len(carried)
        self.known = {wire: Bit() for wire in range(circuit.wires) if wire not in carried}
        self.frame: dict[int, Bit] = {}  # flips not yet made, of wires in the vector
        self.columns: dict[Slot, int] = {}  # equal slots are one bit
        self.found: list[AbstractInstruction] = []

    def write(
        self, start: int, stop: int, wanted: tuple[int, ...]
    ) -> tuple[AbstractInstruction, ...]:
        """The instructions of some operations, after which the wanted wires are in the vector."""
        self.found = []
        for index in range(start, stop):
            self._add(self.circuit.operations[index], self.circuit.offsets[index])
        self._settle(wanted)
        return tuple(self.found)

    def sort(self, wires: tuple[int, ...]) -> tuple[AbstractInstruction, ...]:
        """What brings the vector into this order."""
        return () if wires == self.order else (Reorder(self.order, wires),)

    def _add(self, operation: AbstractOperation, offset: int) -> None:
        turn = as_turn(operation, offset)
        if isinstance(operation, AbstractMarker):
            return
        if isinstance(operation, Flip):
            self._flip(operation.wire, self._bit(as_slot(operation.bit, "bit"), offset))
        elif isinstance(operation, X):
            self._flip(operation.wire, Bit(1))
        elif isinstance(operation, Postselect):
            self._postselect(operation.wire, operation.value)
        elif turn is not None:
            self._turn(turn)
        else:
            assert isinstance(operation, AbstractGate)
            self._settle(operation.wires)
            places = tuple(self.order.index(wire) for wire in operation.wires)
            self.found.append(RealGate(operation, offset, places, len(self.order)))

    def _bit(self, slot: Slot, column: int) -> Bit:
        if not slot.terms:
            return Bit(int(slot.constant))
        return Bit(0, frozenset([self.columns.setdefault(slot, column)]))

    def _flip(self, wire: int, bit: Bit) -> None:
        holds = self.known if wire in self.known else self.frame
        holds[wire] = holds.get(wire, Bit()) ^ bit

    def _postselect(self, wire: int, value: int) -> None:
        if wire in self.known:
            bit = self.known[wire] ^ Bit(value)
            self.found += [Keep(bit)] if bit else []
        else:
            bit = self.frame.pop(wire, Bit()) ^ Bit(value)
            self.found.append(Pick(bit, self.order.index(wire)))
            self.order = tuple(other for other in self.order if other != wire)
        self.known[wire] = Bit(value)

    def _turn(self, turn: Turn) -> None:
        unknown = tuple(wire for wire in turn.sources if wire not in self.known)
        self._settle((*unknown, turn.target))
        known = tuple((wire, self.known[wire]) for wire in turn.sources if wire in self.known)
        last = self.found[-1] if self.found else None
        layer = last.with_turn(turn, known) if isinstance(last, TurnLayer) else None
        if layer is None:
            layer = TurnLayer((turn,), self.order, known)
        else:
            self.found.pop()
        self.found.append(layer)
        self.order = layer.new_order

    def _settle(self, wires: tuple[int, ...]) -> None:
        """Bring wires into the vector, and make the flips that they still wait for."""
        for wire in wires:
            if wire in self.known:
                self.found.append(Grow(self.known.pop(wire), wire))
                self.order = (wire, *self.order)
                self.largest = max(self.largest, len(self.order))
            elif self.frame.get(wire):
                self.found.append(Exchange(self.frame.pop(wire), self.order.index(wire)))


@final
@dataclass(frozen=True)
class RealGate(AbstractInstruction):
    """Any other gate with a real matrix, on some places of the vector."""

    operation: AbstractGate
    offset: int
    places: tuple[int, ...]
    count: int

    @property
    def _columns(self) -> tuple[int, ...]:
        return tuple(range(self.offset, self.offset + len(self.operation.parameters)))

    @property
    def _varies(self) -> bool:
        return any(slot.data for slot in self.operation.parameters)

    @property
    def prepared_columns(self) -> frozenset[int]:
        return frozenset() if self._varies else frozenset(self._columns)

    def fixed(self, tape: Array) -> Any:
        return None if self._varies else self._matrix(tape)

    def moving(self, tape: Array) -> Any:
        return self._matrix(tape) if self._varies else None

    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        return apply_matrix(fixed if moving is None else moving, psi, self.places, self.count)

    def _matrix(self, tape: Array) -> Array:
        angles = [tape[column] for column in self._columns]
        return self.operation.matrix(*angles).real.astype(tape.dtype)


@final
@dataclass(frozen=True)
class Reorder(AbstractInstruction):
    """The wires of the vector in another order."""

    order: tuple[int, ...]
    wanted: tuple[int, ...]

    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        axes = [self.order.index(wire) for wire in self.wanted]
        return jnp.transpose(psi.reshape((2,) * len(axes)), axes).reshape(-1)
