"""Pure states in JAX by layers: the whole time loop, and its reverse that undoes the steps.

On the way back the state and its slope go through the same layers, both undone; so nothing is
stored, and no layer is done twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit import Circuit
from qrnn_jax.circuit.layers import Form, Layer, layers
from qrnn_jax.circuit.matrices import block_matrices
from qrnn_jax.engines.base import AbstractPlan, read_all, real_dtype
from qrnn_jax.engines.merged import AbstractProgram, merged_loop
from qrnn_jax.engines.moving import Moving
from qrnn_jax.engines.stages import AbstractStage, Dense, Pair, Permutation, Phases
from qrnn_jax.engines.state_vector import StateVectorPlan
from qrnn_jax.engines.window import Window

Bound = tuple[tuple[AbstractStage, Any], ...]
Backwards = tuple[tuple[AbstractStage, Any, Any], ...]

_CACHED_WIRES = 12  # up to here a batch stays in the cache


def layered_refusal(plan: AbstractPlan) -> str | None:
    """Why a plan has no loop of layers, in a sentence; None if it has."""
    if not isinstance(plan, StateVectorPlan):
        return "layers are for pure states of unitary steps only"
    if plan.devices > 1:
        return "layers have states on one device only"
    return None


@final
@dataclass(frozen=True)
class LayeredLoop:
    """The time loop of a plan that `layered_refusal` lets pass."""

    plan: StateVectorPlan

    @property
    def circuit(self) -> Circuit:
        """The step."""
        return self.plan.circuit

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of the tape that change from step to step."""
        return LayeredProgram(self.plan).moving

    def __call__(self, row: Array, moving: Array, state: Array) -> tuple[Array, Array]:
        """All steps: (reads (T, M), state).

        Arguments:
            row: (K,), a tape row for all that does not vary.
            moving: (T, len(self.columns)), the columns of the tape that do.
            state: (2**n,), complex.
        """
        program, kind = LayeredProgram(self.plan), real_dtype(self.plan.dtype)
        numbers = [number.astype(kind) for number in program.numbers(row)]
        moving = moving[..., None].astype(kind)
        start = jnp.stack([state.real, state.imag], axis=1)[..., None].astype(kind)
        reads, last = merged_loop(program, *numbers, moving, start)
        return reads[..., 0], lax.complex(last[:, 0, 0], last[:, 1, 0])


@final
@dataclass(frozen=True)
class LayeredProgram(AbstractProgram):
    """The loop of one plan on a batch."""

    plan: StateVectorPlan

    @property
    def circuit(self) -> Circuit:
        """The step."""
        return self.plan.circuit

    @cached_property
    def moving(self) -> tuple[int, ...]:
        """The tape columns that change from step to step."""
        return tuple(
            column
            for layer in _halves(self.circuit)[0] + _halves(self.circuit)[1]
            if layer.form is Form.MOVING
            for member in layer.members
            for column in member.columns
        )

    @cached_property
    def _stages(self) -> tuple[tuple[AbstractStage, ...], tuple[AbstractStage, ...]]:
        """Before and after the read-out."""
        before, after = (
            tuple(_stage(layer, self.circuit.wires, self.moving) for layer in half)
            for half in _halves(self.circuit)
        )
        return before, after

    def numbers(self, row: Array) -> list[Array]:
        """All that depends on weights alone."""
        every = self._stages[0] + self._stages[1]
        matrices = block_matrices([block for one in every for block in one.blocks], row)
        found: list[Array] = []
        used = 0
        for one in every:
            count = len(one.blocks)
            found += one.numbers(matrices[used : used + count])
            used += count
        return found

    def forward(self, *arrays: Array) -> tuple[Array, Array]:
        *numbers, moving, start = arrays
        before, after = self._bound(self._opened(numbers, start.shape[-1]))

        def step(x: Array, row: Array) -> tuple[Array, Array]:
            x = _applied(before, row, x)
            return _applied(after, row, x), self._reads(x)

        last, reads = lax.scan(step, start, moving)
        return reads, last

    def backward(self, *arrays: Array, moves: bool) -> tuple[Array, ...]:
        *numbers, moving, last, reads_slope, last_slope = arrays
        opened, close = jax.vjp(partial(self._opened, batch=last.shape[-1]), numbers)
        halves = self._bound(opened)
        before, after = (tuple((one, r, one.reverse(r)) for one, r in half) for half in halves)

        def back(carry: tuple[Pair, Any], inputs: Pair) -> tuple[tuple[Pair, Any], Array | None]:
            pair, (early, late) = carry
            row, reads = inputs
            none = jnp.zeros_like(row) if moves else None
            pair, late, slope = _undone(after, row, pair, late, none)
            here = jax.vjp(self._reads, pair[0])[1](reads)[0]
            pair, early, slope = _undone(before, row, (pair[0], pair[1] + here), early, slope)
            return (pair, (early, late)), slope

        first = tuple(_zeros(half, moving[0], last) for half in halves)
        carry = ((last, last_slope), first)
        ((_, slope), totals), rows = lax.scan(back, carry, (moving, reads_slope), reverse=True)
        slopes = tuple(
            tuple(one.close(ready, total) for (one, ready), total in zip(half, sums))
            for half, sums in zip(halves, totals)
        )
        return (*close(slopes)[0], rows if moves else jnp.zeros_like(moving), slope)

    def _opened(
        self, numbers: Sequence[Array], batch: int
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """What the stages before and after the read-out make from their numbers."""
        rest = iter(numbers)
        before, after = (
            tuple(one.open(tuple(islice(rest, one.parts)), batch) for one in half)
            for half in self._stages
        )
        return before, after

    def _bound(self, opened: tuple[tuple[Any, ...], tuple[Any, ...]]) -> tuple[Bound, Bound]:
        """The stages with what they use."""
        before, after = (
            tuple((one, own if own else one.tables()) for one, own in zip(half, owns))
            for half, owns in zip(self._stages, opened)
        )
        return before, after

    def _reads(self, x: Array) -> Array:
        """(M, B)."""
        count = self.circuit.wires

        def one(x: Array) -> Array:
            column = lax.complex(x[:, 0], x[:, 1])[:, None]
            return read_all(self.plan.observables, column, column, {w: w for w in range(count)})

        return jax.vmap(one, in_axes=-1, out_axes=-1)(x)


@lru_cache(maxsize=256)
def _halves(circuit: Circuit) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The layers before and after the read-out."""
    read, total = circuit.read_index, len(circuit.operations)
    # windows of 3 are as fast as 4 and drift less in float32; beyond the cache each pass counts
    wires = 3 if circuit.wires <= _CACHED_WIRES else 4
    first = layers(circuit, range(read), max_wires=wires)
    return first, layers(circuit, range(read, total), max_wires=wires)


def _stage(layer: Layer, count: int, moving: Sequence[int]) -> AbstractStage:
    """A layer ready to act on `count` wires; `moving` are the tape columns of the rows."""
    if layer.form is Form.REAL:
        return Window(layer, count)
    if layer.form is Form.MOVING:
        columns = [tuple(map(moving.index, member.columns)) for member in layer.members]
        return Moving(layer, count, tuple(columns))
    if layer.form is Form.PHASES:
        return Phases(layer, count)
    return (Permutation if layer.form is Form.PERMUTATION else Dense)(layer, count)


def _applied(bound: Bound, row: Array, x: Array) -> Array:
    for one, ready in bound:
        x = one.apply(ready, row, x)
    return x


def _undone(
    bound: Backwards, row: Array, pair: Pair, totals: tuple[Any, ...], slope: Array | None
) -> tuple[Pair, tuple[Any, ...], Array | None]:
    """The pair before some stages, with what they add to their totals and to the row's slope."""
    found = []
    for (one, ready, back), total in zip(reversed(bound), reversed(totals)):
        after = pair
        pair = one.undo(back, row, pair[0]), one.undo(back, row, pair[1])
        found.append(jax.tree.map(jnp.add, total, one.total(ready, row, pair, after)))
        if slope is not None:
            slope = slope + one.row_slope(row, pair, after)
    return pair, tuple(reversed(found)), slope


def _zeros(bound: Bound, row: Array, x: Array) -> tuple[Any, ...]:
    """Totals to begin with."""
    shapes = (jax.eval_shape(one.total, ready, row, (x, x), (x, x)) for one, ready in bound)
    return tuple(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), s) for s in shapes)
