"""What a device plays, cut at its read-outs: each piece a noisy circuit of ours.

Constant gates and channels in a row are one channel here, made in NumPy: a transpiled step has a
hundred of them, and a compiler would take its time over each.

A read-out ends its piece, so qubits that are read one after the other are read together. Where a
transpiler put something in between that depends on an early outcome's qubit (a swap, say), that
outcome is kept on a wire of its own until the others are there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from qrnn_jax.cell import CircuitCell
from qrnn_jax.circuit import (
    RX,
    RXX,
    RY,
    RYY,
    RZ,
    RZZ,
    AbstractOperation,
    Circuit,
    Data,
    Kraus,
    Measure,
    Probabilities,
    Read,
    ReadoutError,
    Slot,
    Unitary,
)
from qrnn_jax.hardware import channels
from qrnn_jax.hardware.calibration import Calibration
from qrnn_jax.hardware.transpiled import Affine, Played

_TURNS: dict[str, Any] = {"rx": RX, "ry": RY, "rz": RZ, "rxx": RXX, "ryy": RYY, "rzz": RZZ}


@final
@dataclass(frozen=True)
class Section:
    """The noisy circuit from one read-out to the next, as a cell whose data are angles.

    Arguments:
        cell: returns the joint probabilities of the recorded bits.
        columns: the entry of the flattened tape that each data value is.
        qubits: the qubit behind each recorded bit.
    """

    cell: CircuitCell
    columns: tuple[int, ...]
    qubits: tuple[int, ...]


def sections_of(
    instructions: Iterable[Played], device: Calibration, steps: int, bits: int
) -> tuple[Section, ...]:
    """Cut what is played at its read-outs, and put the channels in.

    Arguments:
        instructions: of the transpiled circuit.
        device: where the channels come from.
        steps: T.
        bits: recorded at every step.
    """
    instructions = list(instructions)
    used = sorted({q for i in instructions if i.name != "delay" for q in i.qubits})
    wire = {qubit: index for index, qubit in enumerate(used)}
    left = [i for i in instructions if set(i.qubits) <= wire.keys()]
    pieces = []
    for step in range(steps):
        piece, left = until_read(left, step, bits)
        pieces.append(piece)
    kept = max(len(_early(piece)) for piece in pieces)
    return tuple(_section(piece, bits, device, wire, kept) for piece in pieces)


def until_read(
    instructions: list[Played], step: int, bits: int
) -> tuple[list[Played], list[Played]]:
    """A piece that ends with the last measurement of a step, and what can be played after it.

    Arguments:
        instructions: all that is left.
        step: whose measurements end the piece.
        bits: how many they are.
    """
    targets = [i.target for i in instructions]
    ends = [place for place, target in enumerate(targets) if target and target[0] == step]
    if len(ends) != bits or any(t and t[0] != step for t in targets[: ends[-1]]):
        raise ValueError(
            f"A twin must find the {bits} read-outs of step {step} before any later one, but finds "
            "them mixed; try a device with another `optimization_level`."
        )
    piece, later = instructions[: ends[-1] + 1], instructions[ends[-1] + 1 :]
    return _without_late(piece, later)


def _without_late(piece: list[Played], later: list[Played]) -> tuple[list[Played], list[Played]]:
    """Move behind the read-out what no measurement of the piece waits for."""
    needed: set[int] = set()
    kept: list[Played] = []
    moved: list[Played] = []
    for instruction in reversed(piece):
        touches = set(instruction.qubits)
        if instruction.target is not None or touches & needed:
            kept.append(instruction)
            needed |= touches
        else:
            moved.append(instruction)
    return kept[::-1], moved[::-1] + later


def _early(piece: list[Played]) -> list[int]:
    """Places of the measurements whose qubit is used again within the piece."""
    return [
        place
        for place, i in enumerate(piece)
        if i.target is not None
        and any(set(i.qubits) & set(after.qubits) for after in piece[place + 1 :])
    ]


def _section(
    piece: list[Played], bits: int, device: Calibration, wire: dict[int, int], kept: int
) -> Section:
    columns = sorted({column for i in piece if i.angle for column, _ in i.angle.terms})
    made = _Builder(device, wire, {column: index for index, column in enumerate(columns)})
    early = set(_early(piece))
    read, qubits = [0] * bits, [0] * bits
    for place, instruction in enumerate(piece):
        if instruction.target is None:
            made.play(instruction)
            continue
        bit, (qubit,) = instruction.target[1], instruction.qubits
        qubits[bit], read[bit] = qubit, wire[qubit]
        if place in early:
            read[bit] = len(wire) + len([p for p in early if p < place])
            made.flush((wire[qubit],))
            made.operations.append(Measure(wire[qubit], to=read[bit]))
    made.flush(tuple(wire.values()))
    flips = [ReadoutError(w, *device.qubits[q].flips) for w, q in zip(read, qubits)]
    circuit = Circuit(len(wire) + kept, [*made.operations, *flips, Read(measure=True)])
    cell = CircuitCell(circuit, Probabilities(tuple(read)))
    return Section(cell, tuple(columns), tuple(qubits))


@final
class _Builder:
    """Operations with noise; what is constant waits on its wire until something is not."""

    def __init__(self, device: Calibration, wire: dict[int, int], data: dict[int, int]) -> None:
        self.operations: list[AbstractOperation] = []
        self._device = device
        self._wire = wire
        self._data = data
        self._waiting: dict[int, np.ndarray] = {}

    def play(self, instruction: Played) -> None:
        """One instruction, and the noise behind it."""
        name, qubits = instruction.name, instruction.qubits
        wires = tuple(self._wire[qubit] for qubit in qubits)
        if instruction.angle is not None and instruction.angle.terms:
            self.flush(wires)
            self.operations.append(_TURNS[name](*wires, self._slot(instruction.angle)))
            self._constant(wires, self._device.channel(name, qubits))
        elif name == "delay":
            self._constant(wires, self._device.wait(qubits[0], instruction.seconds))
        elif name == "measure":  # into scratch: what it does to the state
            self._constant(wires, channels.DEPHASED)
        else:
            noise = self._device.channel(name, qubits)
            self._constant(wires, channels.composed(_matrices(instruction), noise))

    def flush(self, wires: tuple[int, ...]) -> None:
        """Write down what waits on some wires."""
        for wire in wires:
            if wire in self._waiting:
                self.operations.append(_operation((wire,), self._waiting.pop(wire)))

    def _constant(self, wires: tuple[int, ...], kraus: np.ndarray) -> None:
        identity = np.eye(2, dtype=complex)[None]
        before = [self._waiting.pop(wire, identity) for wire in wires]
        made = channels.composed(channels.side_by_side(before), kraus)
        if len(wires) == 1:
            self._waiting[wires[0]] = made
        else:
            self.operations.append(_operation(wires, made))

    def _slot(self, angle: Affine) -> Slot:
        parts = (slope * Data(self._data[column]) for column, slope in angle.terms)
        return sum(parts, start=Slot(angle.offset))


def _matrices(instruction: Played) -> np.ndarray:
    """A constant instruction as a channel."""
    if instruction.name == "reset":
        return channels.RESET
    if instruction.matrix is not None:
        return instruction.matrix[None]
    assert instruction.angle is not None
    return channels.turn(instruction.name, instruction.angle.offset)[None]


def _operation(wires: tuple[int, ...], kraus: np.ndarray) -> AbstractOperation:
    return Unitary(wires, kraus[0]) if len(kraus) == 1 else Kraus(wires, kraus)
