"""Gates that depend on data: every sequence has its own small matrix in every step."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit import AbstractGate
from qrnn_jax.circuit.layers import Layer
from qrnn_jax.engines.stages import AbstractStage, Pair

_UNROLLED = 4  # rows of a matrix that are written out


@final
@dataclass(frozen=True)
class Moving(AbstractStage):
    """One gate that depends on data, or a few, one per wire on neighbouring wires."""

    layer: Layer
    count: int
    columns: tuple[tuple[int, ...], ...]  # of the row, for each gate

    def apply(self, ready: Any, row: Array, x: Array) -> Array:
        return self._product(self._matrix(row), x)

    def undo(self, back: Any, row: Array, x: Array) -> Array:
        return self._product(jnp.swapaxes(self._matrix(row), 0, 1).conj(), x)

    def row_slope(self, row: Array, before: Pair, after: Pair) -> Array:
        return jax.vjp(lambda row: self.apply((), row, before[0]), row)[1](after[1])[0]

    def _matrix(self, row: Array) -> Array:
        """(d, d, B), for each sequence its own; real where the gates are."""
        total = None
        for member, columns in zip(self.layer.members, self.columns):
            gate = member.operation
            assert isinstance(gate, AbstractGate)
            angles = [row[column] for column in columns]
            matrix = jax.vmap(gate.matrix, in_axes=-1, out_axes=-1)(*angles)
            matrix = matrix.real.astype(row.dtype) if gate.is_real else matrix
            total = matrix if total is None else _kron(total, matrix)
        assert total is not None
        return total

    def _product(self, matrix: Array, x: Array) -> Array:
        if not jnp.iscomplexobj(matrix):
            return self._on_wires(matrix, x)
        image = self._on_wires(matrix, lax.complex(x[:, 0], x[:, 1]))
        return jnp.stack([image.real, image.imag], axis=1)

    def _on_wires(self, matrix: Array, x: Array) -> Array:
        """The wires to the front, all sums, and back."""
        wires = [wire for member in self.layer.members for wire in member.wires]
        shape, axes, previous = [], {}, -1
        for wire in sorted(wires):
            shape += [2 ** (wire - previous - 1), 2]
            axes[wire] = len(shape) - 1
            previous = wire
        shape += [2 ** (self.count - previous - 1), *x.shape[1:]]
        places, front = [axes[wire] for wire in wires], range(len(wires))
        moved = jnp.moveaxis(x.reshape(shape), places, front)
        rows = moved.reshape(len(matrix), *moved.shape[len(wires) :])
        if len(matrix) <= _UNROLLED:
            image = jnp.stack([sum(m * part for m, part in zip(line, rows)) for line in matrix])
        else:
            image = jnp.einsum("ijb,j...b->i...b", matrix, rows)
        return jnp.moveaxis(image.reshape(moved.shape), front, places).reshape(x.shape)


def _kron(first: Array, second: Array) -> Array:
    """The Kronecker product for every sequence, (d, d, B)."""
    size, columns = len(first) * len(second), first.shape[-1]
    product = first[:, None, :, None] * second[None, :, None, :]
    return product.reshape(size, size, columns)
