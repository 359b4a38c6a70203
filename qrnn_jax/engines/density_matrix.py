"""Density matrices: every circuit, exactly."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.engines.base import (
    AbstractExactEngine,
    AbstractPlan,
    check_memory,
    complex_dtype,
    modes_refusal,
)
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.instrument import InstrumentSampler, prefers_instrument
from qrnn_jax.engines.kraus import KrausPlan, kraus_refusal
from qrnn_jax.engines.sampler import AbstractSampler
from qrnn_jax.engines.trajectories import TrajectorySampler
from qrnn_jax.engines.transfer import TransferPlan, transfer_refusal


@final
@dataclass(frozen=True)
class DensityMatrix(AbstractExactEngine):
    """Exact simulation of any step by density matrices.

    Equation: rho_t = E(x_t, w)[rho_{t-1}]; y_t = Tr(O rho_t), read without back-action. Only the
    state of the memory (the wires that are not reset at the end of the step) is carried.

    Arguments:
        dtype: complex64 or complex128; None follows JAX's x64 setting.

    Three plans, chosen by a documented cost model, agree to rounding: one real transfer matrix
    (small memory), Kraus blocks (gates, read, resets), and the full matrix (channels anywhere). For
    unitary steps on many wires use `StateVector` instead: it needs the square root of the memory.

    Raises:
        ValueError: at run time, when the state does not fit into memory.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CNOT(0, 1), qj.Reset(0)))
        >>> cell = qj.CircuitCell(circuit, observables=(qj.Z(0),))
        >>> qj.run(cell, jnp.zeros(0), jnp.zeros((3, 1)), engine=qj.DensityMatrix()).shape
        (3, 1)

    Source: Viqueira et al., Mach. Learn.: Sci. Technol. 6 (2025), the emulation by Kraus operators.
    """

    dtype: DTypeLike | None = None

    def refusal(self, circuit: Circuit) -> str | None:
        return modes_refusal(self, circuit)

    def plan(self, circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> AbstractPlan:
        refusal = self.refusal(circuit)
        if refusal:
            raise ValueError(refusal)
        return _plan(circuit, observables, complex_dtype(self.dtype))

    def sampler(
        self,
        circuit: Circuit,
        observables: tuple[AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        """Exact instruments while they are small; else pure states, with the same statistics."""
        dtype = complex_dtype(self.dtype)
        plan = DensePlan(circuit, observables, dtype)
        if group is not None and prefers_instrument(plan, group):
            return InstrumentSampler(plan, group)
        check_memory(2**circuit.wires, dtype, f"a state vector of {circuit.wires} qubits")
        return TrajectorySampler(circuit, observables, dtype, group)


@lru_cache(maxsize=256)
def _plan(
    circuit: Circuit, observables: tuple[AbstractObservable, ...], dtype: np.dtype
) -> AbstractPlan:
    what = f"a density matrix of {circuit.wires} qubits"
    # the least it can be; only then may a plan look at the gates' matrices
    check_memory(2 ** (circuit.wires + len(circuit.memory_wires)), dtype, what)
    plan = KrausPlan(circuit, observables, dtype)
    blocked = kraus_refusal(circuit) is not None
    # 4**n entries, except for Kraus blocks that vary: they are built for the memory's columns only
    columns = len(circuit.memory_wires) if not blocked and plan.body_varies else circuit.wires
    check_memory(2 ** (circuit.wires + columns), dtype, what)
    if blocked:
        return DensePlan(circuit, observables, dtype)
    return TransferPlan(plan) if transfer_refusal(plan) is None else plan
