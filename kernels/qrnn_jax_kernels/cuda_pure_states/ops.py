"""A program as the CUDA kernel takes it: gates and read-outs in order, a row of numbers for each.

The kernel flips at most one wire when it reads a word. A word that flips several is turned into
one that flips the first, by CNOTs from that one to the others; they are undone after.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from qrnn_jax_kernels.program import Gate, Kind, Program, Word

MOST_WIRES = 5  # of a diagonal
NO_WIRE = -1


class _Op(IntEnum):
    """As in `task.h`."""

    ONE = 0
    CNOT = 1
    DIAGONAL = 2
    TWO = 3
    READ = 4
    REAL = 5
    TURN = 6


_OF_ONE = {Kind.COMPLEX: _Op.ONE, Kind.REAL: _Op.REAL, Kind.TURN: _Op.TURN}


class Op(NamedTuple):
    """A gate, or the read-out of a word.

    Arguments:
        kind: see `_Op`.
        high, low: wires that are brought to where a gate acts; -1 for none.
        others: wires that are where they are: a control, those of a diagonal.
        place: where its numbers start, ~place of varying ones; of a word, which one.
        signs: bits of an amplitude's index.
        power: of i.
    """

    kind: _Op
    high: int
    low: int
    others: tuple[int, ...]
    place: int
    signs: int = 0
    power: int = 0

    @property
    def brought(self) -> tuple[int, ...]:
        """The wires that must be among those a team holds."""
        return tuple(wire for wire in (self.high, self.low) if wire != NO_WIRE)

    @property
    def row(self) -> tuple[int, ...]:
        """As in `task.h`."""
        unused = (NO_WIRE,) * (MOST_WIRES - len(self.others))
        numbers = (self.place, self.signs, self.power, len(self.others))
        return (self.kind, self.high, self.low, *numbers, *self.others, *unused)


def as_array(found: Iterable[Op]) -> np.ndarray:
    """(ops, 12)."""
    return np.array([op.row for op in found], np.int32).reshape(-1, 7 + MOST_WIRES)


def ops(program: Program) -> list[Op]:
    """The step in order.

    Raises:
        ValueError: the varying numbers of two gates are the same, or some belong to none.
    """
    _check(program)
    found = [_gate(gate) for gate in program.gates[: program.read]]
    for index, word in enumerate(program.words):
        found += _read(program.wires, index, word)
    return found + [_gate(gate) for gate in program.gates[program.read :]]


def _check(program: Program) -> None:
    """The kernel writes the slope of a varying number once: from the one gate that has it."""
    used = sorted((gate.offset, gate.size) for gate in program.gates if gate.varies)
    used = [(offset, size) for offset, size in used if size]
    expected = np.cumsum([0] + [size for _, size in used])[:-1].tolist()
    if [offset for offset, _ in used] != expected:
        raise ValueError(
            "Argument `program` must give every varying number to exactly one gate, but has "
            f"gates at {used}; try offsets {expected}."
        )


def _gate(gate: Gate) -> Op:
    place = ~gate.offset if gate.varies else gate.offset
    if gate.kind is Kind.DIAGONAL:
        return Op(_Op.DIAGONAL, NO_WIRE, NO_WIRE, gate.wires, place)
    if gate.kind is Kind.CNOT:
        return Op(_Op.CNOT, NO_WIRE, gate.wires[1], gate.wires[:1], place)
    if len(gate.wires) == 1:
        return Op(_OF_ONE[gate.kind], NO_WIRE, gate.wires[0], (), place)
    high, low = gate.wires
    return Op(_Op.TWO, high, low, (), place)


def _read(wires: int, index: int, word: Word) -> list[Op]:
    """X_a X_b becomes X_a under a CNOT from a to b, and Z_b becomes Z_a Z_b."""
    bit = {wire: 1 << (wires - 1 - wire) for wire in range(wires)}
    flipped = [wire for wire in range(wires) if word.flips & bit[wire]]
    first, others = (flipped[0], flipped[1:]) if flipped else (NO_WIRE, [])
    signs = word.signs
    for other in others:
        signs ^= bit[first] if signs & bit[other] else 0
    moves = [_gate(Gate(Kind.CNOT, (first, other), 0, False)) for other in others]
    return [*moves, Op(_Op.READ, NO_WIRE, first, (), index, signs, word.power), *moves]
