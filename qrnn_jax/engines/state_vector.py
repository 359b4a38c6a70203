"""State vectors: unitary steps, 2**n amplitudes."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.lower import Block, Kind, lower_halves
from qrnn_jax.circuit.matrices import apply_blocks, block_matrices
from qrnn_jax.engines.base import (
    AbstractExactEngine,
    AbstractPlan,
    check_memory,
    columns_of,
    complex_dtype,
    modes_refusal,
    read_all,
)
from qrnn_jax.engines.sampler import AbstractSampler

_BLOCK_WIRES = 4  # fused blocks of 3 to 5 wires were measured fastest on wide pure states


@final
@dataclass(frozen=True)
class StateVector(AbstractExactEngine):
    """Exact simulation of unitary steps by a state vector.

    Equation: psi_t = U(x_t, w) psi_{t-1}; y_t = <psi_t| O |psi_t>, read without back-action: a
    device would need T separate circuits for the T outputs.

    Arguments:
        dtype: complex64 or complex128; None follows JAX's x64 setting.

    Raises:
        ValueError: at run time, when the step has a channel or a reset (use `DensityMatrix`), or
            the state does not fit into memory.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0))))
        >>> cell = qj.CircuitCell(circuit, observables=(qj.Z(0),))
        >>> qj.run(cell, jnp.zeros(1), jnp.zeros((3, 1)), engine=qj.StateVector()).shape
        (3, 1)

    Source: Nielsen and Chuang, section 2.2. Cost per step: O(gates * 2**n).
    """

    dtype: DTypeLike | None = None

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.is_modes:
            return modes_refusal(self, circuit)
        for index, operation in enumerate(circuit.operations):
            if not operation.is_unitary:
                return (
                    f"`StateVector` must have unitary steps, but operation {index} is {operation}; "
                    "try `DensityMatrix()`."
                )
        return None

    def plan(self, circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> AbstractPlan:
        refusal = self.refusal(circuit)
        if refusal:
            raise ValueError(refusal)
        dtype = complex_dtype(self.dtype)
        check_memory(2**circuit.wires, dtype, f"a state vector of {circuit.wires} qubits")
        return _plan(circuit, observables, dtype)

    def sampler(
        self,
        circuit: Circuit,
        observables: tuple[AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        raise ValueError(
            "`StateVector` must not play single repetitions: a recorded outcome changes the state, "
            "and a unitary step has none; try `prefixes=True`, `DensityMatrix()` or `Trajectories`."
        )


@final
@dataclass(frozen=True)
class StateVectorPlan(AbstractPlan):
    """Blocks applied one after the other to 2**n amplitudes."""

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype

    @cached_property
    def _halves(self) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """The blocks before and after the read-out."""
        return lower_halves(self.circuit, max_wires=_BLOCK_WIRES)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self._halves[0] + self._halves[1]

    def init(self) -> Array:
        return jnp.zeros(2**self.circuit.wires, self.dtype).at[0].set(1)

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

    @property
    def is_pure(self) -> bool:
        return True

    @property
    def is_reversible(self) -> bool:
        return True

    def undo(self, prepared: Any, carry: Array, encoded_t: Any) -> Array:
        fixed, varying = iter(prepared), iter(encoded_t)
        matrices = [next(varying) if block.varies else next(fixed) for block in self.blocks]
        inverse = [
            matrix.conj() if block.kind is Kind.DIAGONAL else matrix.conj().T
            for block, matrix in zip(self.blocks, matrices)
        ]
        return apply_blocks(self.blocks[::-1], inverse[::-1], carry, self.circuit.wires)

    def _apply(self, matrices: list[Array], psi: Array) -> tuple[Array, Array]:
        before, after = self._halves
        count = self.circuit.wires
        psi = apply_blocks(before, matrices[: len(before)], psi, count)
        column = psi[:, None]
        reads = read_all(self.observables, column, column, {w: w for w in range(count)})
        return apply_blocks(after, matrices[len(before) :], psi, count), reads

    @property
    def prepared_columns(self) -> frozenset[int]:
        return columns_of(block for block in self.blocks if not block.varies)

    def norm(self, state: Array) -> Array:
        return jnp.sum(jnp.abs(state) ** 2)

    def stored_bytes(self) -> int:
        return len(self.blocks) * 2**self.circuit.wires * self.dtype.itemsize


_plan = lru_cache(maxsize=256)(StateVectorPlan)
