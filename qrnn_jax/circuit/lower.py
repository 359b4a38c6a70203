"""Lowering: a circuit's operations become fewer, larger blocks; the step's map never changes.

Gates that depend on weights alone may be fused into blocks of a few wires, whose matrices an engine
builds once per call. Gates that depend on data, and channels, stay by themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from qrnn_jax.circuit.operation import AbstractChannel, AbstractGate
from qrnn_jax.circuit.read import Read

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit


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


@final
@dataclass(frozen=True)
class Block:
    """Operations applied together on a few wires.

    Arguments:
        wires: the wires, ascending unless the block is a single operation.
        members: the operations, first one first.
        varies: whether any parameter depends on data, so that the block changes from step to step.
        is_channel: whether the block is one channel instead of unitary gates.
    """

    wires: tuple[int, ...]
    members: tuple[Placed, ...]
    varies: bool
    is_channel: bool


def place(
    circuit: "Circuit", indices: Iterable[int], rename: dict[int, int] | None = None
) -> list[Placed]:
    """Pick operations by index (skipping `Read`), renaming wires if asked."""
    placed = []
    for index in indices:
        operation = circuit.operations[index]
        if isinstance(operation, Read):
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
    rename: dict[int, int] | None = None,
) -> tuple[Block, ...]:
    """Fuse neighbouring gates that depend on weights alone into blocks of at most `max_wires` wires.

    A gate may join an existing block only if no later block touches one of its wires, so the order
    of non-commuting operations is kept.

    Arguments:
        circuit: the step.
        indices: positions of the operations to lower, in order.
        max_wires: the largest block; a gate on more wires is a block of its own.
        rename: new wire numbers, for engines that reorder wires.

    Returns:
        Blocks whose product equals the product of the operations.
    """
    blocks: list[Block] = []
    for placed in place(circuit, indices, rename):
        single = _single(placed)
        home = _find_home(blocks, single, max_wires)
        if home is None:
            blocks.append(single)
        else:
            old = blocks[home]
            wires = tuple(sorted({*old.wires, *placed.wires}))
            blocks[home] = Block(wires, (*old.members, placed), old.varies, False)
    return tuple(blocks)


def _single(placed: Placed) -> Block:
    varies = any(slot.data for slot in placed.operation.parameters)
    is_channel = isinstance(placed.operation, AbstractChannel)
    return Block(placed.wires, (placed,), varies, is_channel)


def _find_home(blocks: list[Block], single: Block, max_wires: int) -> int | None:
    """The index of a block that may absorb `single`: prefer one that shares wires."""
    if single.varies or single.is_channel:
        return None
    barrier = 0
    for index, block in enumerate(blocks):
        if set(block.wires) & set(single.wires):
            barrier = index
    for index in range(barrier, len(blocks)):
        block = blocks[index]
        union = {*block.wires, *single.wires}
        if not block.varies and not block.is_channel and len(union) <= max_wires:
            return index
    return None
