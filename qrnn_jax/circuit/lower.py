"""Lowering: a circuit's operations become fewer, larger blocks; the step's map never changes.

Gates that depend on weights alone may be fused: into dense blocks of a few wires, and where they
are diagonal and span more (a chain of CZ, all pairs of ZZ) into one vector of phases. An engine
builds both once per call. Gates that depend on data, and channels, stay by themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, final

from qrnn_jax.circuit.operation import AbstractChannel, AbstractGate, AbstractMarker

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit

_DIAGONAL_WIRES = 12  # the largest vector of phases: 4096 entries


@final
@dataclass(frozen=True)
class Placed:
    """An operation with its wires (possibly renamed) and its first tape column."""

    operation: AbstractGate | AbstractChannel
    wires: tuple[int, ...]
    offset: int

    @property
    def columns(self) -> tuple[int, ...]:
        """The tape columns of the operation's parameters."""
        count = len(self.operation.parameters)
        return tuple(range(self.offset, self.offset + count))

    @property
    def varies(self) -> bool:
        """Whether any parameter depends on data."""
        return any(slot.data for slot in self.operation.parameters)


class Kind(Enum):
    """What a block's numbers are."""

    DENSE = "a matrix (2**k, 2**k)"
    DIAGONAL = "a vector of phases (2**k,)"
    CHANNEL = "a superoperator (4**k, 4**k)"


@final
@dataclass(frozen=True)
class Block:
    """Operations applied together on a few wires.

    Arguments:
        wires: the wires, ascending unless the block is a single operation.
        members: the operations, first one first.
        varies: whether any parameter depends on data, so that the block changes from step to step.
        kind: whether it is applied as a matrix, as phases, or as a channel.
    """

    wires: tuple[int, ...]
    members: tuple[Placed, ...]
    varies: bool
    kind: Kind

    def with_member(self, placed: Placed) -> "Block":
        """This block followed by one more gate."""
        wires = tuple(sorted({*self.wires, *placed.wires}))
        return Block(wires, (*self.members, placed), self.varies, self.kind)


def place(
    circuit: "Circuit", indices: Iterable[int], rename: dict[int, int] | None = None
) -> list[Placed]:
    """Pick operations by index (skipping markers such as `Read`), renaming wires if asked."""
    placed = []
    for index in indices:
        operation = circuit.operations[index]
        if isinstance(operation, AbstractMarker):
            continue
        assert isinstance(operation, (AbstractGate, AbstractChannel))
        wires = tuple(wire if rename is None else rename[wire] for wire in operation.wires)
        placed.append(Placed(operation, wires, circuit.offsets[index]))
    return placed


def lower(
    circuit: "Circuit",
    indices: Iterable[int],
    *,
    max_wires: int,
    diagonal_wires: int = _DIAGONAL_WIRES,
    rename: dict[int, int] | None = None,
) -> tuple[Block, ...]:
    """Fuse neighbouring gates that depend on weights alone.

    A gate may join an earlier block only if it commutes, for a visible reason (no common wire, or
    both diagonal), with every block in between: so the step's map is kept.

    Arguments:
        circuit: the step.
        indices: positions of the operations to lower, in order.
        max_wires: the largest dense block; a gate on more wires is a block of its own.
        diagonal_wires: the same for vectors of phases.
        rename: new wire numbers, for engines that reorder wires.

    Returns:
        Blocks whose product equals the product of the operations.
    """
    blocks: list[Block] = []
    for placed in place(circuit, indices, rename):
        home = _find_home(blocks, placed, max_wires, diagonal_wires)
        if home is None:
            wide = circuit.wires > max_wires
            blocks.append(Block(placed.wires, (placed,), placed.varies, _kind(placed, wide)))
        else:
            blocks[home] = blocks[home].with_member(placed)
    return tuple(blocks)


def lower_halves(
    circuit: "Circuit", *, max_wires: int, diagonal_wires: int = _DIAGONAL_WIRES
) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """The blocks before and after the read-out."""
    read, total = circuit.read_index, len(circuit.operations)
    of = partial(lower, circuit, max_wires=max_wires, diagonal_wires=diagonal_wires)
    return of(range(read)), of(range(read, total))


def _kind(placed: Placed, wide: bool) -> Kind:
    """How a block begins. On few wires, and for one-wire gates, dense blocks absorb everything."""
    if isinstance(placed.operation, AbstractChannel):
        return Kind.CHANNEL
    many = wide and len(placed.wires) > 1 and not placed.varies
    return Kind.DIAGONAL if many and placed.operation.is_diagonal else Kind.DENSE


def _find_home(
    blocks: list[Block], placed: Placed, max_wires: int, diagonal_wires: int
) -> int | None:
    """The index of the block that absorbs a gate: a dense one if any, else a diagonal one."""
    if placed.varies or isinstance(placed.operation, AbstractChannel):
        return None
    diagonal = placed.operation.is_diagonal
    first = 0
    for index, block in enumerate(blocks):
        commutes = diagonal and block.kind is Kind.DIAGONAL
        if set(block.wires) & set(placed.wires) and not commutes:
            first = index
    limits = {Kind.DENSE: max_wires, Kind.DIAGONAL: diagonal_wires if diagonal else 0}
    for kind, limit in limits.items():
        for index in range(first, len(blocks)):
            block = blocks[index]
            fits = len({*block.wires, *placed.wires}) <= limit
            if block.kind is kind and not block.varies and fits:
                return index
    return None
