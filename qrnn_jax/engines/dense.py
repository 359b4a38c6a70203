"""The general density-matrix plan: any channel, anywhere, operation by operation."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.lower import Block, Kind, lower
from qrnn_jax.circuit.matrices import block_matrices
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines.base import AbstractPlan, read_all, real_dtype
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
    def _blocks(self) -> tuple[Block, ...]:
        return self._halves[0] + self._halves[1]

    def init(self) -> Array:
        size = 2 ** len(self.circuit.memory_wires)
        return jnp.zeros((size, size), self.dtype).at[0, 0].set(1)

    def open(self, state: Array) -> Array:
        return state.astype(self.dtype)

    def close(self, carry: Array) -> Array:
        return carry

    def prepare(self, weights: Array) -> Any:
        empty = jnp.zeros(self.circuit.data_count, real_dtype(self.dtype))
        fixed = [block for block in self._blocks if not block.varies]
        return weights, block_matrices(fixed, spread(self.circuit, weights, empty))

    def encode(self, prepared: Any, data_t: Array) -> Any:
        weights, _ = prepared
        varying = [block for block in self._blocks if block.varies]
        return block_matrices(varying, spread(self.circuit, weights, data_t))

    def step(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        fixed, varying = iter(prepared[1]), iter(encoded_t)
        matrices = [next(varying) if block.varies else next(fixed) for block in self._blocks]
        return self._apply(matrices, carry)

    def step_at(self, tape_t: Array, state: Array) -> tuple[Array, Array]:
        return self._apply(list(block_matrices(self._blocks, tape_t)), state)

    def _apply(self, matrices: list[Array], memory: Array) -> tuple[Array, Array]:
        before, after = self._halves
        count, reset = self.circuit.wires, self.circuit.reset_wires
        size = 2 ** len(reset)
        empty = jnp.zeros((size, size), self.dtype).at[0, 0].set(1)
        rho = tensor_density(empty, memory, reset, count)
        rho = _apply_blocks(before, matrices[: len(before)], rho, count)
        identity = jnp.eye(2**count, dtype=self.dtype)
        reads = read_all(self.observables, rho, identity, {w: w for w in range(count)})
        rho = _apply_blocks(after, matrices[len(before) :], rho, count)
        return partial_trace(rho, reset, count), reads

    def drift(self, state: Array) -> Array:
        return jnp.abs(jnp.trace(state) - 1)

    def stored_bytes(self) -> int:
        return 2 * len(self._blocks) * 4**self.circuit.wires * self.dtype.itemsize


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
