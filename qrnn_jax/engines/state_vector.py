"""State vectors: unitary steps, 2**n amplitudes."""

from collections.abc import Sequence
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
from qrnn_jax.circuit.observables import AbstractPauli
from qrnn_jax.devices import check_devices
from qrnn_jax.engines.base import (
    AbstractExactEngine,
    AbstractPlan,
    check_memory,
    columns_of,
    complex_dtype,
    modes_refusal,
    read_all,
)
from qrnn_jax.engines.divided import Divided, divided_refusal
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
        devices: a power of two; the state is divided over so many devices by its first wires, so
            that each holds a part of it. For states that one device cannot hold; for many
            sequences use `over_devices`.

    Raises:
        ValueError: `devices` is no power of two; at run time, when the step has a channel or a
            reset (use `DensityMatrix`), the state does not fit into memory, or a gate or an
            observable has more wires than the part of one device.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0))))
        >>> cell = qj.CircuitCell(circuit, observables=(qj.Z(0),))
        >>> qj.run(cell, jnp.zeros(1), jnp.zeros((3, 1)), engine=qj.StateVector()).shape
        (3, 1)

    Source: Nielsen and Chuang, section 2.2. Cost per step: O(gates * 2**n).
    """

    dtype: DTypeLike | None = None
    devices: int = 1

    def __post_init__(self) -> None:
        check_devices(self.devices)
        if self.devices & (self.devices - 1):
            raise ValueError(
                "Argument `devices` must be a power of two on a state vector, but is "
                f"{self.devices}; try {1 << (self.devices.bit_length() - 1)}."
            )

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.is_modes:
            return modes_refusal(self, circuit)
        for index, operation in enumerate(circuit.operations):
            if not operation.is_unitary:
                return (
                    f"`StateVector` must have unitary steps, but operation {index} is {operation}; "
                    "try `DensityMatrix()`."
                )
        return divided_refusal(circuit.wires, self.devices, circuit.operations)

    def plan(self, circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> AbstractPlan:
        whole = [item for item in observables if not isinstance(item, AbstractPauli)]
        refusal = self.refusal(circuit) or divided_refusal(circuit.wires, self.devices, whole)
        if refusal:
            raise ValueError(refusal)
        dtype, share = complex_dtype(self.dtype), 2**circuit.wires // self.devices
        what = f"a state vector of {circuit.wires} qubits"
        check_memory(share, dtype, what if self.devices == 1 else f"a device's part of {what}")
        return _plan(circuit, observables, dtype, self.devices)

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
    """Blocks applied one after the other to 2**n amplitudes, perhaps divided over devices."""

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype
    devices: int = 1

    @cached_property
    def _halves(self) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """The blocks before and after the read-out."""
        most = min(_BLOCK_WIRES, self._divided.wires - self._divided.top)
        return lower_halves(self.circuit, max_wires=most)

    @property
    def _divided(self) -> Divided:
        return Divided(self.circuit.wires, self.devices)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self._halves[0] + self._halves[1]

    def init(self) -> Array:
        if self.devices > 1:
            return self._divided.init(self.dtype)
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
        return self._act(self.blocks[::-1], inverse[::-1], carry)

    def _apply(self, matrices: list[Array], psi: Array) -> tuple[Array, Array]:
        before, after = self._halves
        psi = self._act(before, matrices[: len(before)], psi)
        reads = self._read(psi)
        return self._act(after, matrices[len(before) :], psi), reads

    def _act(self, blocks: Sequence[Block], matrices: Sequence[Array], psi: Array) -> Array:
        if self.devices > 1:
            return self._divided.apply(blocks, matrices, psi)
        return apply_blocks(blocks, matrices, psi, self.circuit.wires)

    def _read(self, psi: Array) -> Array:
        if self.devices > 1:
            return self._divided.read(self.observables, psi)
        column, place = psi[:, None], {wire: wire for wire in range(self.circuit.wires)}
        return read_all(self.observables, column, column, place)

    @property
    def prepared_columns(self) -> frozenset[int]:
        return columns_of(block for block in self.blocks if not block.varies)

    def norm(self, state: Array) -> Array:
        return jnp.sum(jnp.abs(state) ** 2)

    def stored_bytes(self) -> int:
        return len(self.blocks) * 2**self.circuit.wires * self.dtype.itemsize


_plan = lru_cache(maxsize=256)(StateVectorPlan)
