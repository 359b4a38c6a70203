"""How each form of a layer acts on amplitudes x (2**n, 2, B): re and im, sequences innermost.

With sequences innermost, a real matrix on a window of wires is one product of matrices, without
moving amplitudes. A stage is linear and orthogonal on the real amplitudes, so the same `undo` takes
back states and slopes; only what its own numbers contribute to a slope differs from form to form.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qrnn_jax.circuit import CNOT, SWAP, AbstractGate
from qrnn_jax.circuit.layers import Form, Layer
from qrnn_jax.circuit.lower import Block, Kind, Placed
from qrnn_jax.ops import apply_diagonal, apply_matrix

_CHUNK_WIRES = 10  # of the factors of a vector of phases
_COLUMNS = 64  # a matrix beside so few columns is applied from the right
_UNROLLED = 4  # rows of a moving matrix that are written out

Pair = tuple[Array, Array]  # a state and its slope


class AbstractStage(abc.ABC):
    """One layer, ready to act."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What its numbers are made from, once per call."""
        return ()

    @property
    def parts(self) -> int:
        """How many arrays `numbers` returns."""
        return len(self.blocks)

    def numbers(self, matrices: Sequence[Array]) -> tuple[Array, ...]:
        """Real arrays, from the matrices of `blocks`."""
        return tuple(jnp.stack([matrix.real, matrix.imag]) for matrix in matrices)

    def open(self, numbers: tuple[Array, ...], batch: int) -> Any:
        """What the loop uses, made before it from the numbers; `batch` is B."""
        return numbers

    def tables(self) -> Any:
        """What the loop uses of a stage without numbers."""
        return None

    def reverse(self, ready: Any) -> Any:
        """What the way back uses, made before it: then no matrix is transposed on the way."""
        return ready

    @abc.abstractmethod
    def apply(self, ready: Any, row: Array, x: Array) -> Array:
        """The amplitudes after the layer; `row` (V, B) holds the angles that move."""

    def undo(self, back: Any, row: Array, x: Array) -> Array:
        """The amplitudes before the layer; `back` is what `reverse` made."""
        return self.apply(back, row, x)

    def total(self, ready: Any, row: Array, before: Pair, after: Pair) -> Any:
        """What one step adds to the slope of `ready`."""
        return ()

    def close(self, ready: Any, total: Any) -> Any:
        """The slope of `ready` from the sum of all steps."""
        return total

    def row_slope(self, row: Array, before: Pair, after: Pair) -> Array:
        """The slope of `row` in one step."""
        return jnp.zeros_like(row)


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


@final
@dataclass(frozen=True)
class Phases(AbstractStage):
    """One phase for every amplitude."""

    layer: Layer
    count: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        found: list[Block] = []
        for member in self.layer.members:
            for index, block in enumerate(found):
                if len({*block.wires, *member.wires}) <= _CHUNK_WIRES:
                    found[index] = block.with_member(member)
                    break
            else:
                found.append(Block(member.wires, (member,), False, Kind.DIAGONAL))
        return tuple(found)

    def open(self, numbers: tuple[Array, ...], batch: int) -> Any:
        kind = jnp.result_type(numbers[0].dtype, jnp.complex64)
        phases = jnp.ones(2**self.count, kind)
        for block, (real, imag) in zip(self.blocks, numbers):
            phases = apply_diagonal(lax.complex(real, imag), phases, block.wires, self.count)
        return phases.real[:, None], phases.imag[:, None]

    def apply(self, ready: Any, row: Array, x: Array) -> Array:
        c, s = ready
        return jnp.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], axis=1)

    def reverse(self, ready: Any) -> Any:
        return ready[0], -ready[1]

    def total(self, ready: Any, row: Array, before: Pair, after: Pair) -> Any:
        psi, slope = after
        return slope[:, 1] * psi[:, 0] - slope[:, 0] * psi[:, 1]  # of the angle of each phase

    def close(self, ready: Any, total: Any) -> Any:
        angle = total.sum(axis=-1, keepdims=True)
        return -ready[1] * angle, ready[0] * angle


@final
@dataclass(frozen=True)
class Permutation(AbstractStage):
    """Amplitude i comes from f(i), f affine in the bits of i: two small tables tell it."""

    layer: Layer
    count: int

    def tables(self) -> Any:
        return self._index(self.layer.members[::-1])

    def reverse(self, ready: Any) -> Any:
        return self._index(self.layer.members)

    def apply(self, ready: Any, row: Array, x: Array) -> Array:
        return x.at[ready].get(mode="promise_in_bounds", unique_indices=True)

    def _index(self, members: Sequence[Placed]) -> Array:
        low = self.count // 2
        high = self._source(members, np.arange(2 ** (self.count - low)) << low)
        rest = self._source(members, np.arange(2**low)) ^ self._source(members, np.array(0))
        # made where it runs: a constant of 2**n numbers would be folded while compiling
        tables = lax.optimization_barrier((jnp.asarray(high), jnp.asarray(rest)))
        return (tables[0][:, None] ^ tables[1]).reshape(-1)

    def _source(self, members: Sequence[Placed], index: np.ndarray) -> np.ndarray:
        """Where the amplitudes come from, gate by gate; every gate is its own inverse."""
        for member in members:
            first, last = (self.count - 1 - w for w in (member.wires[0], member.wires[-1]))
            if isinstance(member.operation, CNOT):
                flip = (index >> first & 1) << last
            elif isinstance(member.operation, SWAP):
                flip = ((index >> first ^ index >> last) & 1) * (1 << first | 1 << last)
            else:
                flip = np.array(1 << first)
            index = index ^ flip
        return index.astype(np.uint32)


@final
@dataclass(frozen=True)
class Dense(AbstractStage):
    """A complex matrix on a few wires."""

    layer: Layer
    count: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (Block(self.layer.room, self.layer.members, False, Kind.DENSE),)

    def apply(self, ready: Any, row: Array, x: Array) -> Array:
        real, imag = ready[0]
        return self._product(lax.complex(real, imag), x)

    def reverse(self, ready: Any) -> Any:
        real, imag = ready[0]
        return (jnp.stack([real.T, -imag.T]),)

    def total(self, ready: Any, row: Array, before: Pair, after: Pair) -> Any:
        return jax.vjp(lambda ready: self.apply(ready, row, before[0]), ready)[1](after[1])[0]

    def _product(self, matrix: Array, x: Array) -> Array:
        vector = lax.complex(x[:, 0], x[:, 1])
        image = apply_matrix(matrix, vector, self.layer.room, self.count)
        return jnp.stack([image.real, image.imag], axis=1)


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


def stage(layer: Layer, count: int, moving: Sequence[int]) -> AbstractStage:
    """A layer ready to act on `count` wires; `moving` are the tape columns of the rows."""
    if layer.form is Form.REAL:
        return Window(layer, count)
    if layer.form is Form.MOVING:
        columns = [tuple(map(moving.index, member.columns)) for member in layer.members]
        return Moving(layer, count, tuple(columns))
    if layer.form is Form.PHASES:
        return Phases(layer, count)
    return (Permutation if layer.form is Form.PERMUTATION else Dense)(layer, count)
