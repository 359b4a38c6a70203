"""Real vectors in native code: a plan's program as the kernel takes it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import Circuit, Probabilities
from qrnn_jax.circuit.observables import AbstractPauli
from qrnn_jax.engines.base import read_all, real_dtype
from qrnn_jax.engines.merged import AbstractProgram, merged_loop
from qrnn_jax.engines.native_walk import Walk
from qrnn_jax.engines.native_words import all_terms
from qrnn_jax.engines.real_bits import Bit, Exchange, Grow, Keep, Pick
from qrnn_jax.engines.real_program import Reorder
from qrnn_jax.engines.real_turns import Turn, TurnLayer, amplitudes
from qrnn_jax.engines.real_vector import RealVectorPlan

try:
    from qrnn_jax_kernels import real_states
    from qrnn_jax_kernels.loop import once
    from qrnn_jax_kernels.real_states import RealProgram
except ImportError:  # the leaf package is optional
    is_there = False
else:
    is_there = True

_MOST_READ = 6  # wires
_MOST_NUMBERS = 2**20  # in all tables


@lru_cache(maxsize=256)
def real_refusal(plan: RealVectorPlan) -> str | None:
    """Why a plan has no native loop of real vectors, in a sentence; None if it has."""
    if not is_there:
        return "the package `qrnn_jax_kernels` is not there"
    for step in (*plan.program.before, *plan.program.after):
        if not isinstance(step, TurnLayer | Grow | Pick | Exchange | Keep | Reorder):
            return (
                f"native code has turns and known bits, but not {getattr(step, 'operation', step)}"
            )
        if isinstance(step, TurnLayer) and step.turns[0].varies:
            return f"native code has no turns by data, but {step.turns[0].operation}"
    loop = real_loop(plan)
    if len(loop.read_wires) > _MOST_READ:
        return f"native code reads at most {_MOST_READ} wires"
    for observable in plan.observables:
        letters = {at[1] for part in all_terms((observable,)) for word in part for at in word}
        if not isinstance(observable, AbstractPauli | Probabilities) or letters - {"Z"}:
            return f"native code reads probabilities and products of Z here, but not {observable}"
    if plan.program.largest > real_states.MOST_WIRES:
        return f"native code has at most {real_states.MOST_WIRES} wires"
    return real_states.obstacle()


def unasked_real_refusal(plan: RealVectorPlan) -> str | None:
    """Why a plan does not take native code unasked, in a sentence; None if it does."""
    reason = real_refusal(plan)
    if reason is None and real_loop(plan).table_size > _MOST_NUMBERS:
        return "tables of angles for every amplitude would not stay in the cache"
    return reason


@final
@dataclass(frozen=True)
class RealLoop:
    """The time loop of a plan that `real_refusal` lets pass."""

    plan: RealVectorPlan

    # of an amplitude's turn, which costs 3: run thrice, transposed once; its table's slopes cost 4
    passes = 16 / 3

    @property
    def circuit(self) -> Circuit:
        """The step."""
        return self.plan.circuit

    def __call__(self, row: Array, moving: Array, state: Array) -> tuple[Array, Array]:
        """All steps: (reads (T, M), state).

        Arguments:
            row: (K,), a tape row for all that does not vary.
            moving: (T, len(self.columns)), the columns of the tape that do.
            state: (2**n,), real.
        """
        kind = real_dtype(self.plan.dtype)
        chosen = jax.vmap(self._choices)(moving.astype(kind))
        tables = self._tables(row).astype(kind)
        program = _Merged(self.walk.program)
        reads, last = merged_loop(
            program, tables, chosen[..., None], state.astype(kind)[:, None, None]
        )
        mixed = jnp.asarray(self._coefficients, kind)
        return jnp.dot(reads[..., 0], mixed, precision=jax.lax.Precision.HIGHEST), last[:, 0, 0]

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """The columns of the tape that say which words and bits are known."""
        return tuple(sorted({c for bits in self.walk.known for b in bits for c in b.columns}))

    @property
    def table_size(self) -> int:
        """How many numbers all tables have."""
        return self.walk.size

    @property
    def choice_count(self) -> int:
        """How many words and bits each step says."""
        return len(self.walk.known)

    @property
    def turned_wires(self) -> list[int]:
        """Of every turn, the wires that the vector has there."""
        return [len(order) for layer, order in self.walk.layers for _ in layer.turns]

    def kept_bytes(self, steps: int, batch: int) -> int:
        """What the kernel's gradient holds for itself: tables, their slopes, vectors of steps."""
        after = self.walk.wires_after
        parts = min(batch, real_states.PARTS)
        running = min(parts, os.cpu_count() or 1)
        largest = real_states.padded(max(after))
        trail = sum(map(real_states.padded, after))
        vectors = running * (trail + 2 * largest + steps * real_states.padded(after[0]))
        return real_dtype(self.plan.dtype).itemsize * ((1 + parts) * self.table_size + vectors)

    @cached_property
    def read_wires(self) -> tuple[int, ...]:
        """The wires that observables look at, ascending."""
        return tuple(sorted({wire for o in self.plan.observables for wire in o.wires}))

    @cached_property
    def walk(self) -> Walk:
        """The instructions, one after the other."""
        program = self.plan.program
        walk = Walk(program.carried, rescales=self.plan.circuit.is_postselected)
        for step in program.before:
            walk.add(step)
        walk.set_read(self.read_wires)
        for step in program.after:
            walk.add(step)
        walk.sort(program.carried)
        return walk

    def _choices(self, row: Array) -> Array:
        """The numbers of one step, from a row of `columns`."""
        place = {column: index for index, column in enumerate(self.columns)}

        def number(bits: tuple[Bit, ...]) -> Array:
            found = jnp.zeros((), row.dtype)
            for bit in bits:
                moved = replace(bit, columns=frozenset(place[c] for c in bit.columns))
                found = 2 * found + moved.value(row)
            return found

        found = [number(bits) for bits in self.walk.known]
        return jnp.stack(found) if found else jnp.zeros(0, row.dtype)

    def _tables(self, row: Array) -> Array:
        """All tables in a row, (F,)."""
        found = [_layer_tables(layer, orders, row) for layer, orders in self.walk.layers]
        return jnp.concatenate(found) if found else jnp.zeros(0, row.dtype)

    @cached_property
    def _coefficients(self) -> np.ndarray:
        """(words, reads)."""
        with jax.ensure_compile_time_eval():
            size = 2 ** len(self.read_wires)
            place = {wire: index for index, wire in enumerate(self.read_wires)}

            def of(word: Array) -> Array:
                return read_all(self.plan.observables, word[:, None], word[:, None], place)

            return np.asarray(jax.vmap(of)(jnp.eye(size, dtype=self.plan.dtype)))


real_loop = lru_cache(maxsize=256)(RealLoop)  # its walk is made once


def _layer_tables(layer: TurnLayer, order: tuple[int, ...], row: Array) -> Array:
    """C and S of every turn and word, for the wires in the kernel's order, in a row."""
    columns = np.array([turn.columns for turn in layer.turns])
    operation = layer.turns[0].operation
    c, s = jax.vmap(lambda angles: amplitudes(operation, angles))(row[columns])
    spelt = np.stack([_spelt(layer, turn, order) for turn in layer.turns])  # (turns, words, 2^m)
    signs = np.stack([_signs(turn, order) for turn in layer.turns])[:, None]
    which = np.arange(len(layer.turns))[:, None, None]
    tables = jnp.stack([c[which, spelt], s[which, spelt] * signs], axis=2)
    spare = real_states.padded(len(order)) - tables.shape[-1]
    return jnp.pad(tables, ((0, 0), (0, 0), (0, 0), (0, spare))).reshape(-1)


def _spelt(layer: TurnLayer, turn: Turn, order: tuple[int, ...]) -> np.ndarray:
    """What the turn's sources spell, for every word and amplitude, (words, 2^m)."""
    axes = [*(wire for wire, _ in layer.words), *order]
    number = np.arange(2 ** len(axes))
    bits = {wire: number >> place & 1 for place, wire in enumerate(reversed(axes))}
    bits |= {wire: bit.constant + 0 * number for wire, bit in layer.known if not bit.columns}
    found = np.zeros_like(number)
    for wire in turn.sources:
        found = 2 * found + bits[wire]
    return found.reshape(2 ** len(layer.words), -1)


def _signs(turn: Turn, order: Sequence[int]) -> np.ndarray:
    """-1 for amplitudes of the target's 0, which lose what those of its 1 win, (2^m,)."""
    place = len(order) - 1 - order.index(turn.target)
    return 2.0 * (np.arange(2 ** len(order)) >> place & 1) - 1


@final
@dataclass(frozen=True)
class _Merged(AbstractProgram):
    """The kernel's calls with sequences on the last axis."""

    program: "RealProgram"

    keeps_start = True

    def forward(self, *arrays: Array) -> tuple[Array, Array]:
        tables, moving, start = arrays
        reads, last = real_states.forward(self.program, tables, *_first(moving, start))
        return jnp.moveaxis(reads, 0, -1), last.T[:, None]

    def backward(self, *arrays: Array, moves: bool) -> tuple[Array, ...]:
        del moves  # words and bits have no slope
        tables, moving, start, reads_slope, last_slope = arrays
        given = (*_first(moving, start), jnp.moveaxis(reads_slope, -1, 0), last_slope[:, 0].T)
        in_tables, in_start = once(partial(real_states.backward, self.program), tables, *given)
        return in_tables, jnp.zeros_like(moving), in_start.T[:, None]


def _first(moving: Array, start: Array) -> tuple[Any, ...]:
    """(T, V, B) and (N, 1, B) with sequences on the first axis."""
    return jnp.moveaxis(moving, -1, 0), start[:, 0].T
