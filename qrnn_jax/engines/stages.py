"""How each form of a layer acts on amplitudes x (2**n, 2, B): re and im, sequences innermost.

A stage is linear and orthogonal on the real amplitudes, so the same `undo` takes back states and
slopes; only what its own numbers add to a slope differs from form to form. Here are those that act
on the whole vector or on any wires; `window.py` and `moving.py` have the others.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qrnn_jax.circuit import CNOT, SWAP
from qrnn_jax.circuit.layers import Layer
from qrnn_jax.circuit.lower import Block, Kind, Placed
from qrnn_jax.ops import apply_diagonal, apply_matrix

_CHUNK_WIRES = 10  # of the factors of a vector of phases

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
            scale = lax.rsqrt(real**2 + imag**2)  # the same rounding in every step would add up
            factor = lax.complex(real * scale, imag * scale)
            phases = apply_diagonal(factor, phases, block.wires, self.count)
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
