"""A real matrix on neighbouring wires: the stage that takes most of the time.

With sequences innermost it is one product of matrices, without moving amplitudes: one large product
for the first wires, one per value of the wires in front for others, and one from the right where
little stands behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, final

import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit.layers import Layer
from qrnn_jax.circuit.lower import Block, Kind
from qrnn_jax.engines.stages import AbstractStage, Pair

_COLUMNS = 64  # a matrix with so few columns behind it is applied from the right


@final
@dataclass(frozen=True)
class Window(AbstractStage):
    """A real matrix on neighbouring wires."""

    layer: Layer
    count: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        """One per wire where no gate couples them, else one for all."""
        members = self.layer.members
        if any(len(member.wires) > 1 for member in members):
            return (Block(self.layer.room, members, False, Kind.DENSE),)
        wires = sorted(self.layer.wires)
        by_wire = [tuple(m for m in members if m.wires == (wire,)) for wire in wires]
        return tuple(Block((w,), found, False, Kind.DENSE) for w, found in zip(wires, by_wire))

    parts = 1

    def numbers(self, matrices: Sequence[Array]) -> tuple[Array, ...]:
        found = {block.wires: matrix.real for block, matrix in zip(self.blocks, matrices)}
        if self.layer.room in found:
            return (found[self.layer.room],)
        one = jnp.eye(2, dtype=matrices[0].real.dtype)
        return (reduce(jnp.kron, (found.get((wire,), one) for wire in self.layer.room)),)

    def open(self, numbers: tuple[Array, ...], batch: int) -> Any:
        rows, size, columns = self._cut(batch)
        if self._from_right(batch):
            return (jnp.kron(numbers[0], jnp.eye(columns, dtype=numbers[0].dtype)),)
        return (jnp.broadcast_to(numbers[0], (rows, size, size)),)

    def apply(self, ready: Any, row: Array, x: Array) -> Array:
        return self._product(ready[0], x)

    def reverse(self, ready: Any) -> Any:
        return (jnp.swapaxes(ready[0], -1, -2),)

    def total(self, ready: Any, row: Array, before: Pair, after: Pair) -> Any:
        cut = self._cut(before[0].shape[-1])
        if self._from_right(before[0].shape[-1]):
            return (jnp.matmul(after[1].reshape(cut[0], -1).T, before[0].reshape(cut[0], -1)),)
        return (_matmul(after[1].reshape(cut), before[0].reshape(cut), 2),)

    def _cut(self, batch: int) -> tuple[int, int, int]:
        """The amplitudes as (wires in front, window, all behind)."""
        first, last = self.layer.room[0], self.layer.room[-1]
        behind = 2 ** (self.count - 1 - last)
        return 2**first, 2 ** len(self.layer.room), behind * 2 * batch

    def _from_right(self, batch: int) -> bool:
        """Whether many small products are better one product of rows."""
        rows, size, columns = self._cut(batch)
        return rows > 1 and columns < size and size * columns <= _COLUMNS

    def _product(self, matrix: Array, x: Array) -> Array:
        cut = self._cut(x.shape[-1])
        if self._from_right(x.shape[-1]):
            return jnp.matmul(x.reshape(cut[0], -1), matrix.T).reshape(x.shape)
        return _matmul(matrix, x.reshape(cut), 1).reshape(x.shape)


def _matmul(left: Array, right: Array, axis: int) -> Array:
    """Products (rows, ., .), summed over the last axis of the left and this one of the right."""
    if len(left) == 1:  # a batch of one would be moved
        return lax.dot_general(left[0], right[0], (((1,), (axis - 1,)), ((), ())))[None]
    return lax.dot_general(left, right, (((2,), (axis,)), ((0,), (0,))))
