"""Wide states: the ops of a step in passes, each on tiles that differ in some wires only.

An op that must have its wires among those of a tile waits for a pass that has them; others that do
not touch what waits go before it. Diagonals, controls and signs of words touch a wire in its basis
states only: among one another, their order does not matter.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from qrnn_jax_kernels.cuda_pure_states.ops import NO_WIRE, Op, as_array, ops
from qrnn_jax_kernels.program import Program

LEAST_TILE = 4
_LOW = 2  # wires of the lowest bits are in every tile: amplitudes that lie together


class Passes(NamedTuple):
    """A step for wide states.

    Arguments:
        rows: (ops, 12), see `Op.row`; wires numbered as in `task.h`.
        ranges: of each pass, its first row, how many, and the bits of an amplitude's index that
            differ within a tile.
    """

    rows: np.ndarray
    ranges: tuple[tuple[int, int, int], ...]


@lru_cache(maxsize=256)
def passes(program: Program, tile: int) -> Passes:
    """A step whose tiles have so many wires, fewer than there are."""
    waiting = ops(program)
    rows: list[Op] = []
    ranges: list[tuple[int, int, int]] = []
    while waiting:
        wires, taken, waiting = _next(waiting, program.wires, tile)
        bits = sum(1 << (program.wires - 1 - wire) for wire in wires)
        ranges.append((len(rows), len(taken), bits))
        rows += [_numbered(op, wires, program.wires) for op in taken]
    return Passes(as_array(rows), tuple(ranges))


def _next(waiting: list[Op], wires: int, tile: int) -> tuple[list[int], list[Op], list[Op]]:
    """The wires of a pass in order, its ops, and those that are left."""
    held = set(range(wires - _LOW, wires))
    changed: set[int] = set()  # wires that a waiting op mixes, and that it looks at
    seen: set[int] = set()
    taken, left = [], []
    for op in waiting:
        brought, looks = set(op.brought), _looks_at(op, wires)
        free = not (brought & (changed | seen) or looks & changed)
        if free and len(held | brought) <= tile:
            held |= brought
            taken.append(op)
        else:
            changed |= brought
            seen |= looks
            left.append(op)
    spare = [wire for wire in range(wires - 1, -1, -1) if wire not in held]
    return sorted(held | set(spare[: tile - len(held)])), taken, left


def _looks_at(op: Op, wires: int) -> set[int]:
    signs = {wire for wire in range(wires) if op.signs >> (wires - 1 - wire) & 1}
    return set(op.others) | signs


def _numbered(op: Op, held: list[int], wires: int) -> Op:
    """The same op: wires held first, then the others, the last one first."""
    others = [wire for wire in range(wires - 1, -1, -1) if wire not in held]
    number = {wire: index for index, wire in enumerate([*held, *others])} | {NO_WIRE: NO_WIRE}
    signs = 0
    for wire in _looks_at(op, wires) - set(op.others):
        index = number[wire]
        signs |= 1 << (len(held) - 1 - index if index < len(held) else index)
    return op._replace(
        high=number[op.high],
        low=number[op.low],
        others=tuple(number[wire] for wire in op.others),
        signs=signs,
    )
