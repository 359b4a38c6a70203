"""Turns: one wire turned by an angle that the bits of other wires choose.

    p0' = c[x] p0 - s[x] p1,    p1' = c[x] p1 + s[x] p0,    x the bits of the sources

on the amplitudes p0, p1 of the target's 0 and 1. RY, CRY, their controlled versions and neurons
have this form. A source with a known classical bit costs nothing: the bit picks the table.
"""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qrnn_jax.circuit import AbstractOperation
from qrnn_jax.circuit.controlled import Controlled
from qrnn_jax.circuit.neuron import AbstractNeuron
from qrnn_jax.circuit.rotations import CRY, RY
from qrnn_jax.engines.real_bits import AbstractInstruction, Bit, word_weights

_REGISTER_WIRES = 4  # 16 amplitudes of float32
_UNROLLED = 4  # turns in the body of a loop, for the time to compile


@final
@dataclass(frozen=True)
class Turn:
    """An operation of this form.

    Arguments:
        operation: the operation.
        sources: the wires that choose the angle, first one most significant.
        target: the wire that is turned.
        columns: the tape columns of its angles.
    """

    operation: AbstractOperation
    sources: tuple[int, ...]
    target: int
    columns: tuple[int, ...]

    @property
    def kind(self) -> object:
        """Turns of equal kind share code."""
        return type(self.operation), self.operation.static, len(self.sources)

    @property
    def varies(self) -> bool:
        """Whether the angles depend on data."""
        return any(slot.data for slot in self.operation.parameters)


def as_turn(operation: AbstractOperation, offset: int) -> Turn | None:
    """The operation as a turn, its first tape column given; None if it is none."""
    split = _split(operation)
    if split is None:
        return None
    columns = range(offset, offset + len(operation.parameters))
    return Turn(operation, *split, tuple(columns))


def _split(operation: AbstractOperation) -> tuple[tuple[int, ...], int] | None:
    """The sources and the target of a turn."""
    if isinstance(operation, AbstractNeuron):
        return operation.sources, operation.target
    if isinstance(operation, (RY, CRY)):
        return operation.wires[:-1], operation.wires[-1]
    if isinstance(operation, Controlled):
        inner = _split(operation.gate)
        return None if inner is None else ((*operation.condition, *inner[0]), inner[1])
    return None


def amplitudes(operation: AbstractOperation, angles: Array) -> tuple[Array, Array]:
    """c and s for every bit string of the sources, (2**n,) each."""
    if isinstance(operation, AbstractNeuron):
        return operation.amplitudes(*angles)
    if isinstance(operation, Controlled):
        c, s = amplitudes(operation.gate, angles)
        idle = len(c) * (2 ** len(operation.condition) - 1)
    else:
        c, s = jnp.cos(angles / 2), jnp.sin(angles / 2)
        idle = 2 ** (len(operation.wires) - 1) - 1
    return jnp.pad(c, (idle, 0), constant_values=1), jnp.pad(s, (idle, 0))


@final
@dataclass(frozen=True)
class TurnLayer(AbstractInstruction):
    """Turns of one kind, one after the other.

    Arguments:
        turns: one turn of the wire at `position`; or several, of the first wire, the second and so
            on, round and round: then they are one small loop.
        order: the wires of the vector before the layer, first one most significant.
        known: the sources outside of `order`, with their bits.
    """

    turns: tuple[Turn, ...]
    order: tuple[int, ...]
    known: tuple[tuple[int, Bit], ...]

    @property
    def new_order(self) -> tuple[int, ...]:
        """The wires of the vector after the layer."""
        moved = len(self.turns) % len(self.order) if len(self.turns) > 1 else 0
        return self.order[moved:] + self.order[:moved]

    def with_turn(self, turn: Turn, known: tuple[tuple[int, Bit], ...]) -> "TurnLayer | None":
        """This layer followed by one more turn; None where they do not go together."""
        first, count, together = self.turns[0], len(self.turns), dict((*self.known, *known))
        alike = turn.kind == first.kind and turn.varies == first.varies
        in_line = self.position == 0 and turn.target == self.order[count % len(self.order)]
        if not alike or not in_line or not set(self.known) <= set(together.items()):
            return None
        return TurnLayer((*self.turns, turn), self.order, tuple(together.items()))

    @property
    def position(self) -> int:
        """Where the first target stands."""
        return self.order.index(self.turns[0].target)

    @property
    def words(self) -> list[tuple[int, Bit]]:
        """The known sources whose bit depends on data."""
        return [(wire, bit) for wire, bit in self.known if bit.columns]

    @property
    def _varies(self) -> bool:
        return self.turns[0].varies

    @property
    def prepared_columns(self) -> frozenset[int]:
        every = frozenset(column for turn in self.turns for column in turn.columns)
        return frozenset() if self._varies else every

    def fixed(self, tape: Array) -> Any:
        return None if self._varies else self._tables(tape)

    def moving(self, tape: Array) -> Any:
        weights = word_weights([bit for _, bit in self.words], tape)
        return weights, self._tables(tape) if self._varies else None

    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        weights, tables = moving
        tables = fixed if tables is None else tables  # (words, turns, 2, other amplitudes)
        chosen = tables[0] if not self.words else _choose(weights, tables)
        if len(self.turns) == 1:
            return _turned(chosen[0], psi, self.position)
        size = self._group

        def group(psi: Array, tables: Array) -> tuple[Array, None]:
            for position in range(size):
                psi = _turned(tables[position], psi, position)
            return psi.reshape(2**size, -1).T.reshape(-1), None

        return lax.scan(group, psi, chosen.reshape(-1, size, *chosen.shape[1:]))[0]

    @property
    def _group(self) -> int:
        """How many turns are made in place before their wires move to the end.

        The most that leave rows of a vector register behind each wire, so that amplitudes are
        seldom moved and always combined row by row."""
        fits = range(1, max(1, len(self.order) - _REGISTER_WIRES) + 1)
        return max(size for size in fits if size <= _UNROLLED and len(self.turns) % size == 0)

    def _tables(self, tape: Array) -> Array:
        """c and s where they are needed: (words, turns, 2, other amplitudes)."""
        columns = np.array([turn.columns for turn in self.turns])
        operation = self.turns[0].operation
        c, s = jax.vmap(lambda angles: amplitudes(operation, angles))(tape[columns])
        rows = np.stack([self._row(index) for index in range(len(self.turns))], axis=1)
        which = np.arange(len(self.turns))[:, None]
        return jnp.stack([c[which, rows], s[which, rows]], axis=2)

    def _row(self, index: int) -> np.ndarray:
        """For each word and bit string of the other wires, the number that the sources spell.

        (words, 2**others), with one entry in place of 2**others where no turn looks at any."""
        start = index - index % self._group if len(self.turns) > 1 else 0
        order = self.order[start % len(self.order) :] + self.order[: start % len(self.order)]
        turn = self.turns[index]
        others = [wire for wire in order if wire != turn.target]
        if not any(set(other.sources) & set(self.order) for other in self.turns):
            others = []
        words = [wire for wire, _ in self.words]
        axes = [*words, *others]
        number = np.arange(2 ** len(axes))
        bits = {wire: number >> place & 1 for place, wire in enumerate(reversed(axes))}
        bits |= {wire: bit.constant + 0 * number for wire, bit in self.known if not bit.columns}
        spelt = np.zeros_like(number)
        for wire in turn.sources:
            spelt = 2 * spelt + bits[wire]
        return spelt.reshape(2 ** len(words), -1)


def _turned(table: Array, psi: Array, position: int) -> Array:
    """The amplitudes after a turn of the wire at a position; table (2, other amplitudes or 1)."""
    first = 2**position
    pairs = psi.reshape(first, 2, -1)
    c, s = table.reshape(2, *((first, -1) if table.shape[-1] > 1 else (1, 1)))
    zero, one = pairs[:, 0], pairs[:, 1]
    return jnp.stack([c * zero - s * one, c * one + s * zero], axis=1).reshape(-1)


def _choose(weights: Array, tables: Array) -> Array:
    """The tables of one word; a product, since its transpose is faster than that of a gather."""
    flat = tables.reshape(len(tables), -1)
    return jnp.dot(weights, flat, precision=lax.Precision.HIGHEST).reshape(tables.shape[1:])
