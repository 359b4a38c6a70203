"""A program as the CUDA kernel reads it: one row of eight numbers for each gate and each read-out.

The kernel flips at most one wire when it reads a word. A word that flips several is turned into
one that flips the first, by CNOTs from that one to the others; they are undone after.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from qrnn_jax_kernels.program import Gate, Kind, Program, Word

KINDS = (Kind.COMPLEX, Kind.CNOT, Kind.DIAGONAL)
_NO_WIRE = -1
Row = tuple[int, int, int, int, int, int, int, int]


class _Op(IntEnum):
    """As in `task.h`."""

    ONE = 0
    CNOT = 1
    DIAGONAL = 2
    TWO = 3
    READ = 4


def ops(program: Program) -> np.ndarray:
    """(gates and reads, 8): kind; wires brought to bits 1 and 0; two others; place; signs, power.

    Raises:
        ValueError: the varying numbers of two gates are the same, or some belong to none.
    """
    _check(program)
    rows = [_gate(gate) for gate in program.gates[: program.read]]
    for index, word in enumerate(program.words):
        rows += _read(program.wires, index, word)
    rows += [_gate(gate) for gate in program.gates[program.read :]]
    return np.array(rows, np.int32).reshape(-1, 8)


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


def _gate(gate: Gate) -> Row:
    place = ~gate.offset if gate.varies else gate.offset
    first, last = gate.wires[0], gate.wires[-1]
    two = len(gate.wires) == 2
    op, wires = {
        Kind.COMPLEX: (_Op.TWO, (first, last, _NO_WIRE, _NO_WIRE))
        if two
        else (_Op.ONE, (_NO_WIRE, first, _NO_WIRE, _NO_WIRE)),
        Kind.CNOT: (_Op.CNOT, (_NO_WIRE, last, first, _NO_WIRE)),
        Kind.DIAGONAL: (_Op.DIAGONAL, (_NO_WIRE, _NO_WIRE, first, last)),
    }[gate.kind]
    return (op, *wires, place, 0, 0)


def _read(wires: int, index: int, word: Word) -> list[Row]:
    """X_a X_b becomes X_a under a CNOT from a to b, and Z_b becomes Z_a Z_b."""
    bit = {wire: 1 << (wires - 1 - wire) for wire in range(wires)}
    flipped = [wire for wire in range(wires) if word.flips & bit[wire]]
    first, others = (flipped[0], flipped[1:]) if flipped else (_NO_WIRE, [])
    signs = word.signs
    for other in others:
        signs ^= bit[first] if signs & bit[other] else 0
    moves = [_gate(Gate(Kind.CNOT, (first, other), 0, False)) for other in others]
    read = (_Op.READ, _NO_WIRE, first, _NO_WIRE, _NO_WIRE, index, signs, word.power)
    return [*moves, read, *moves]
