"""The Kraus plan: unitary gates, then a read-out, then resets; only the memory is carried.

With the input register A (the wires reset at the end of the step) empty at the start, a step is

    encode:   |phi(x)> = E(x) |0..0>_A                 gates on A alone, before A meets the memory
    columns:  V = U (|phi(x)> (x) 1_B)                  (2**n, 2**nB), an isometry
    read:     y = Tr(O V rho_B V^dagger)
    reset:    rho_B <- Tr_A(V rho_B V^dagger) = sum_k K_k rho_B K_k^dagger,  K_k the blocks of V

Wires are renamed so that A comes first; then V's rows split as (k, b) by a reshape.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import AbstractObservable, Circuit, Reset
from qrnn_jax.circuit.lower import Block, lower
from qrnn_jax.circuit.matrices import apply_blocks, block_matrices
from qrnn_jax.engines.base import AbstractPlan, columns_of, read_all

_BLOCK_WIRES = 3


def kraus_refusal(circuit: Circuit) -> str | None:
    """Why a circuit is not of the form gates, read, resets; None if it is."""
    for index, operation in enumerate(circuit.operations):
        if index < circuit.read_index and not operation.is_unitary:
            return f"operation {index}, {operation}, is a channel before the read-out"
        if index >= circuit.read_index and operation.wires and not isinstance(operation, Reset):
            return f"operation {index}, {operation}, follows the read-out and is no reset"
    return None


@final
@dataclass(frozen=True)
class KrausPlan(AbstractPlan):
    """Carry the memory's density matrix; apply each step as Kraus blocks."""

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype

    @cached_property
    def place(self) -> dict[int, int]:
        """New wire numbers: the input register first."""
        order = [*self.circuit.reset_wires, *self.circuit.memory_wires]
        return {wire: position for position, wire in enumerate(order)}

    @cached_property
    def split(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Indices of the encoder (operations on A before it meets the memory) and of the body."""
        fresh = set(self.circuit.reset_wires)
        alone = []
        for index in range(self.circuit.read_index):
            wires = set(self.circuit.operations[index].wires)
            if wires <= fresh:
                alone.append(index)
            else:
                fresh -= wires
        encoder = self._up_to_data(alone)
        body = [index for index in range(self.circuit.read_index) if index not in encoder]
        return tuple(encoder), tuple(body)

    def _up_to_data(self, indices: list[int]) -> list[int]:
        """Without the gates that no data follow: built once per call, they belong to the body."""
        kept: list[int] = []
        ahead: set[int] = set()  # wires of the gates kept so far
        for index in reversed(indices):
            operation = self.circuit.operations[index]
            varies = any(slot.data for slot in operation.parameters)
            if varies or ahead & set(operation.wires):
                kept.insert(0, index)
                ahead |= set(operation.wires)
        return kept

    @cached_property
    def encoder(self) -> tuple[Block, ...]:
        return lower(self.circuit, self.split[0], max_wires=_BLOCK_WIRES, rename=self.place)

    @cached_property
    def body(self) -> tuple[Block, ...]:
        return lower(self.circuit, self.split[1], max_wires=_BLOCK_WIRES, rename=self.place)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.encoder + self.body

    @cached_property
    def body_varies(self) -> bool:
        """Whether data enter after the input register has met the memory."""
        return any(block.varies for block in self.body)

    @property
    def sizes(self) -> tuple[int, int]:
        """Dimensions of the input register and of the memory."""
        return 2 ** len(self.circuit.reset_wires), 2 ** len(self.circuit.memory_wires)

    def init(self) -> Array:
        size = self.sizes[1]
        return jnp.zeros((size, size), self.dtype).at[0, 0].set(1)

    def open(self, state: Array) -> Array:
        return state.astype(self.dtype)

    def close(self, carry: Array) -> Array:
        return carry

    def prepare(self, tape: Array) -> Any:
        fixed = block_matrices([block for block in self.body if not block.varies], tape)
        unitary = None if self.body_varies else self.unitary_from(fixed)
        return fixed, unitary

    def unitary_from(self, matrices: tuple[Array, ...]) -> Array:
        """The body's dense matrix with the input register's columns apart: (2**n, dA, dB)."""
        count = self.circuit.wires
        columns = jnp.eye(2**count, dtype=self.dtype)
        return apply_blocks(self.body, matrices, columns, count).reshape(-1, *self.sizes)

    def encode(self, prepared: Any, tape_t: Array) -> Any:
        del prepared
        varying = [block for block in self.body if block.varies]
        return self.encode_register(tape_t), block_matrices(varying, tape_t)

    def encode_register(self, tape_t: Array) -> Array:
        """|phi>, the input register's state before it meets the memory, (dA,)."""
        ground = jnp.zeros(self.sizes[0], self.dtype).at[0].set(1)
        matrices = block_matrices(self.encoder, tape_t)
        return apply_blocks(self.encoder, matrices, ground, len(self.circuit.reset_wires))

    def step(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        fixed, unitary = prepared
        phi, varying = encoded_t
        if unitary is not None:
            return self._act(jnp.einsum("oab,a->ob", unitary, phi), carry)
        fixed, varying = iter(fixed), iter(varying)
        matrices = [next(varying) if block.varies else next(fixed) for block in self.body]
        return self._act(self._columns(phi, matrices), carry)

    def step_at(self, tape_t: Array, state: Array) -> tuple[Array, Array]:
        phi = self.encode_register(tape_t)
        matrices = list(block_matrices(self.body, tape_t))
        return self._act(self._columns(phi, matrices), state)

    def _columns(self, phi: Array, matrices: list[Array]) -> Array:
        identity = jnp.eye(self.sizes[1], dtype=self.dtype)
        columns = jnp.einsum("a,bc->abc", phi, identity).reshape(-1, self.sizes[1])
        return apply_blocks(self.body, matrices, columns, self.circuit.wires)

    def _act(self, columns: Array, memory: Array) -> tuple[Array, Array]:
        outer, inner = self.sizes
        left = columns @ memory  # (2**n, dB)
        reads = read_all(self.observables, left, columns, self.place)
        by_outcome = (outer, inner, inner)
        new = jnp.einsum(
            "kcb,kdb->cd", left.reshape(by_outcome), columns.conj().reshape(by_outcome)
        )
        return new, reads

    @property
    def prepared_columns(self) -> frozenset[int]:
        return columns_of(block for block in self.body if not block.varies)

    def norm(self, state: Array) -> Array:
        return jnp.trace(state).real

    def stored_bytes(self) -> int:
        outer, inner = self.sizes
        blocks = 2 + (len(self.body) if self.body_varies else 0)
        return blocks * outer * inner * inner * self.dtype.itemsize
