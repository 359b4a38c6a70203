"""The order in which native code takes a step's gates: several share one pass over the state.

A pass holds gates on a few wires: real turns, and all phases before and after them as one diagonal
each. It is the cheapest form of ansaetze whose layers of turns and of entangling gates alternate.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, groupby

from qrnn_jax.circuit import CNOT, RY
from qrnn_jax.circuit.lower import Block, Kind, Placed
from qrnn_jax.circuit.spelling import spelt


def passes(blocks: Iterable[Block], most: int) -> tuple[Block, ...]:
    """The same step with gates that share a pass next to one another.

    Arguments:
        blocks: from `lower` with `max_wires=1` and `diagonal_wires=2`.
        most: wires of a pass.

    Returns:
        One-wire gates (see `is_real_turn`), diagonals on at most `most` wires, and the others as
        they were.
    """
    writer = _Writer(most)
    for block in blocks:
        for part in _parts(block):
            writer.add(part)
    writer.close()
    return tuple(writer.blocks)


def is_real_turn(block: Block) -> bool:
    """Whether a block is a real matrix on one wire."""
    real = all(item.operation.is_real for item in block.members)
    return real and block.kind is Kind.DENSE and len(block.wires) == 1


def is_turn(block: Block) -> bool:
    """Whether it is one of those that a single angle says: [[c, -s], [s, c]]."""
    return is_real_turn(block) and all(isinstance(item.operation, RY) for item in block.members)


def pass_wires(wires: int, most: int) -> int:
    """How many of a layer's wires share a pass, so that all passes are about equally large."""
    return -(-wires // -(-wires // most))


def _parts(block: Block) -> list[Block]:
    """Phases and one real turn, where a one-wire block is a product of these; else the block."""
    if len(block.wires) > 1:
        return [block]
    runs = [
        Block(block.wires, tuple(run), block.varies and kind is Kind.DENSE, kind)
        for kind, run in groupby(chain.from_iterable(map(spelt, block.members)), _kind)
    ]
    turns = [run for run in runs if run.kind is Kind.DENSE]
    if len(turns) > 1 or not all(map(is_real_turn, turns)):
        return [block]
    if not turns:
        return [replace(run, varies=block.varies) for run in runs]
    return runs


def _kind(item: Placed) -> Kind:
    return Kind.DIAGONAL if item.operation.is_diagonal else Kind.DENSE


class _Writer:
    """Collects the gates of a pass until one does not fit: phases, turns, and phases again."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.blocks: list[Block] = []
        self.before: list[Block] = []
        self.turns: list[Block] = []
        self.after: list[Block] = []

    def add(self, block: Block) -> None:
        """The next gate."""
        if block.kind is not Kind.DIAGONAL and len(block.wires) > 1:
            self.close()
            self.blocks.append(block)
            return
        if not self._fits(block):
            self.close()
        if block.kind is not Kind.DIAGONAL:
            self.turns.append(block)
        elif _wires(self.turns) & set(block.wires):
            self.after.append(block)
        else:
            self.before.append(block)

    def close(self) -> None:
        """End a pass."""
        self.blocks += [*_merged(self.before), *self.turns, *_merged(self.after)]
        self.before, self.turns, self.after = [], [], []

    def _fits(self, block: Block) -> bool:
        if len(_wires([*self.before, *self.turns, *self.after, block])) > self.most:
            return False
        return block.kind is Kind.DIAGONAL or not _wires(self.after) & set(block.wires)


def _merged(phases: list[Block]) -> list[Block]:
    """Those of weights as one block, then those of data."""
    fixed = [block for block in phases if not block.varies]
    moving = [block for block in phases if block.varies]
    if not fixed:
        return moving
    members = tuple(item for block in fixed for item in block.members)
    return [Block(tuple(sorted(_wires(fixed))), members, False, Kind.DIAGONAL), *moving]


def _wires(blocks: Iterable[Block]) -> set[int]:
    return {wire for block in blocks for wire in block.wires}


def is_cnot(block: Block) -> bool:
    """Whether a block is one CNOT, which moves no amplitude."""
    return len(block.members) == 1 and isinstance(block.members[0].operation, CNOT)
