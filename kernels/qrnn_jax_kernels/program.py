"""The program of one step: what a kernel is given besides numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What a gate's numbers are: rows of a matrix first, re and im of each complex entry."""

    COMPLEX = 0  # unitary, on one or two wires
    REAL = 1  # orthogonal, on one or two wires
    DIAGONAL = 2  # phases (2**k,) on up to five wires
    CNOT = 3  # none
    TURN = 4  # c and s of [[c, -s], [s, c]]


class Gate(NamedTuple):
    """One gate of a step; wire 0 is the most significant bit.

    Arguments:
        kind: see `Kind`.
        wires: the first one most significant.
        offset: where its numbers start.
        varies: whether they are among those of each step, or of all steps.
    """

    kind: Kind
    wires: tuple[int, ...]
    offset: int
    varies: bool

    @property
    def size(self) -> int:
        """How many numbers."""
        dimension = 2 ** len(self.wires)
        sizes = (2 * dimension**2, dimension**2, 2 * dimension, 0, 2)
        return sizes[self.kind]


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
