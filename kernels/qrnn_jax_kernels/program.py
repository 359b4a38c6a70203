"""The program of one step: what a kernel is given besides numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What a gate's numbers are: re and im of each entry, rows first."""

    ONE = 0  # (2, 2) on one wire
    CNOT = 1  # none
    DIAGONAL = 2  # (4,) phases of two wires
    TWO = 3  # (4, 4) on two wires, the first one most significant

    @property
    def size(self) -> int:
        """How many numbers."""
        return (8, 0, 8, 32)[self]


class Gate(NamedTuple):
    """One gate of a step; wire 0 is the most significant bit.

    Arguments:
        kind: see `Kind`.
        first, second: its wires; `second` is ignored for one wire.
        offset: where its numbers start.
        varies: whether they are among those of each step, or of all steps.
    """

    kind: Kind
    first: int
    second: int
    offset: int
    varies: bool


class Word(NamedTuple):
    """i^power times X on the wires of `flips` and Z on those of `signs`; Y is i X Z.

    Arguments:
        flips, signs: bits of an amplitude's index.
        power: 0 to 3.
    """

    flips: int
    signs: int
    power: int


class Program(NamedTuple):
    """A step without its numbers.

    Arguments:
        wires: 1 or more.
        read: how many gates come before the read-out.
        gates: the gates in order.
        words: the Pauli words that are read.
    """

    wires: int
    read: int
    gates: tuple[Gate, ...]
    words: tuple[Word, ...]
