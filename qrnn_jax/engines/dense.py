"""The general density-matrix plan: any channel, anywhere, operation by operation."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.lower import Block, Kind, lower
from qrnn_jax.circuit.matrices import block_matrices
from qrnn_jax.engines.base import AbstractPlan, columns_of, read_all
from qrnn_jax.ops import (
    apply_diagonal_unitary,
    apply_superoperator,
    apply_unitary,
    partial_trace,
    tensor_density,
)

_BLOCK_WIRES = 3


@final
@dataclass(frozen=True)
class DensePlan(AbstractPlan):
    """The full 4**n density matrix inside a step; only the memory's state between steps."""

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype

    @cached_property
    def _halves(self) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """The blocks before and after the read-out; trailing resets are done by tracing out."""
        read, total = self.circuit.read_index, len(self.circuit.operations)
        last = {wire: i for i, op in enumerate(self.circuit.operations) for wire in op.wires}
        final_resets = {last[wire] for wire in self.circuit.reset_wires}
        kept = [index for index in range(total) if index not in final_resets]
        before = [index for index in kept if index < read]
        after = [index for index in kept if index >= read]
        # a wire whose final reset precedes the read-out must be reset there, not at the end
        early = sorted(index for index in final_resets if index < read)
        before = sorted([*before, *early])
        return (
            lower(self.circuit, before, max_wires=_BLOCK_WIRES),
            lower(self.circuit, after, max_wires=_BLOCK_WIRES),
        )

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks of the step, in order."""
        return self._halves[0] + self._halves[1]

    def init(self) -> Array:
        size = 2 ** len(self.circuit.memory_wires)
        return jnp.zeros((size, size), self.dtype).at[0, 0].set(1)

    def open(self, state: Array) -> Array:
        return state.astype(self.dtype)

    def close(self, carry: Array) -> Array:
        return carry

    def prepare(self, tape: Array) -> Any:
        return block_matrices([block for block in self.blocks if not block.varies], tape)

    def encode(self, prepared: Any, tape_t: Array) -> Any:
        del prepared
        return block_matrices([block for block in self.blocks if block.varies], tape_t)

    def step(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        fixed, varying = iter(prepared), iter(encoded_t)
        matrices = [next(varying) if block.varies else next(fixed) for block in self.blocks]
        return self._apply(matrices, carry)

    def step_at(self, tape_t: Array, state: Array) -> tuple[Array, Array]:
        return self._apply(list(block_matrices(self.blocks, tape_t)), state)

    def _apply(self, matrices: list[Array], memory: Array) -> tuple[Array, Array]:
        count = self.circuit.wires
        rho = self._to_read(matrices, memory)
        identity = jnp.eye(2**count, dtype=self.dtype)
        reads = read_all(self.observables, rho, identity, {w: w for w in range(count)})
        return self._from_read(matrices, rho), reads

    def branches(self, matrices: list[Array], memory: Array, group: Group) -> tuple[Array, Array]:
        """The step with its read-out measured: one unnormalised memory state per outcome.

        Arguments:
            matrices: of `blocks`.
            memory: (dB, dB).
            group: what is measured.

        Returns:
            (O, dB, dB) states after the step, and (O,) probabilities at the read-out.
        """
        count, outcomes = self.circuit.wires, group.outcomes
        place = {wire: wire for wire in range(count)}
        inside = np.arange(2**count)[:, None] >> (count - 1 - np.array(outcomes.wires, int)) & 1
        number = inside @ (1 << np.arange(len(outcomes.wires))[::-1])
        masks = jnp.asarray(number == np.arange(outcomes.outputs)[:, None], self.dtype)
        rho = outcomes.rotate(self._to_read(matrices, memory), place, count)
        rho = outcomes.rotate(rho.conj().T, place, count).conj().T

        def branch(mask: Array) -> tuple[Array, Array]:
            part = outcomes.rotate_back(mask[:, None] * rho * mask, place, count)
            part = outcomes.rotate_back(part.conj().T, place, count).conj().T
            return self._from_read(matrices, part), jnp.trace(part).real

        return jax.vmap(branch)(masks)

    def _to_read(self, matrices: list[Array], memory: Array) -> Array:
        """The state of all wires at the read-out."""
        count, reset = self.circuit.wires, self.circuit.reset_wires
        size, before = 2 ** len(reset), self._halves[0]
        empty = jnp.zeros((size, size), self.dtype).at[0, 0].set(1)
        rho = tensor_density(empty, memory, reset, count)
        return _apply_blocks(before, matrices[: len(before)], rho, count)

    def _from_read(self, matrices: list[Array], rho: Array) -> Array:
        """The memory at the end of the step."""
        (before, after), count = self._halves, self.circuit.wires
        rho = _apply_blocks(after, matrices[len(before) :], rho, count)
        return partial_trace(rho, self.circuit.reset_wires, count)

    @property
    def prepared_columns(self) -> frozenset[int]:
        return columns_of(block for block in self.blocks if not block.varies)

    def norm(self, state: Array) -> Array:
        return jnp.trace(state).real

    def stored_bytes(self) -> int:
        return 2 * len(self.blocks) * 4**self.circuit.wires * self.dtype.itemsize


def _apply_blocks(
    blocks: tuple[Block, ...], matrices: list[Array], rho: Array, count: int
) -> Array:
    apply = {
        Kind.DENSE: apply_unitary,
        Kind.DIAGONAL: apply_diagonal_unitary,
        Kind.CHANNEL: apply_superoperator,
    }
    for block, matrix in zip(blocks, matrices):
        rho = apply[block.kind](matrix, rho, block.wires, count)
    return rho
