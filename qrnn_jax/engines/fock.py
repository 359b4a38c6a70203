"""Modes in the photon-number basis, cut off: what is not Gaussian, and the check of what is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.mode_lower import Member, by_class, halves
from qrnn_jax.circuit.mode_observables import AbstractModeObservable
from qrnn_jax.circuit.modes import AbstractModeChannel, AbstractModeGate
from qrnn_jax.engines.base import (
    AbstractExactEngine,
    AbstractPlan,
    check_memory,
    complex_dtype,
    real_dtype,
)
from qrnn_jax.engines.gaussian import mode_observables, no_shots
from qrnn_jax.engines.sampler import AbstractSampler
from qrnn_jax.ops import apply_to_axes, wave_functions, x_outcome


@final
@dataclass(frozen=True)
class Fock(AbstractExactEngine):
    """Simulation of any step on modes with photon numbers below a cutoff D.

    Equation: psi_t = U_D(x_t, w) psi_{t-1}, U_D the exact matrix elements below D; with loss or an
    averaged `Homodyne`, a density matrix. y_t = <psi_t| O |psi_t>, not divided by the norm.

    The cut is sub-unitary: what leaves it is lost from the norm, and shows as `Result.drift`, the
    1 - trace of the last step; a drawn `Homodyne` normalises. A loss + g * drift**2 keeps a trained
    model inside (the original's trace penalty). Outcomes come from the state's own distribution of
    x, on a grid; derivatives follow the outcome, too.

    For Gaussian steps `Gaussian()` is exact and far faster. Shift rules hold up to the cut: their
    shifts lead to more photons than the model has.

    Arguments:
        cutoff: D, 2 or more; cost grows as D**N per step, or D**(2N) for density matrices.
        dtype: complex64 or complex128; None follows JAX's x64 setting.

    Raises:
        ValueError: a cutoff below 2; at run time, when the step acts on qubits, or the state does
            not fit into memory.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.Displacement(0, qj.Data(0)), qj.Kerr(0, qj.Weight(0))))
        >>> cell = qj.CircuitCell(circuit, qj.QuadX(0))
        >>> result = qj.simulate(cell, jnp.array([0.3]), jnp.full((2, 1), 0.4), engine=qj.Fock(6))
        >>> result.outputs.shape, bool(result.drift < 1e-2)
        ((2, 1), True)

    Source: Miatto and Quesada, Quantum 4, 366 (2020), the recurrences.
    """

    cutoff: int
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        cutoff = self.cutoff
        if isinstance(cutoff, bool) or not isinstance(cutoff, (int, np.integer)) or cutoff < 2:
            raise ValueError(
                f"Argument `cutoff` must be an integer of 2 or more, but is {cutoff!r}; "
                "try `Fock(6)`."
            )

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.is_modes:
            return None
        return (
            "`Fock` must have a circuit on modes, but this one acts on qubits; "
            "try `StateVector()` or `DensityMatrix()`."
        )

    def plan(self, circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> AbstractPlan:
        refusal = self.refusal(circuit)
        if refusal:
            raise ValueError(refusal)
        dtype = complex_dtype(self.dtype)
        plan = _plan(circuit, mode_observables(observables), dtype, int(self.cutoff))
        what = f"a state of {circuit.wires} modes with cutoff {self.cutoff}"
        check_memory(self.cutoff**plan.axes, dtype, what)
        return plan

    def sampler(
        self,
        circuit: Circuit,
        observables: tuple[AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        raise ValueError(no_shots(self))


@final
@dataclass(frozen=True)
class FockPlan(AbstractPlan):
    """One axis per mode for amplitudes; N further axes, the columns, for a density matrix."""

    circuit: Circuit
    observables: tuple[AbstractModeObservable, ...]
    dtype: np.dtype
    cutoff: int

    @cached_property
    def _halves(self) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
        """The operations before and after the read-out."""
        return halves(self.circuit)

    @property
    def _members(self) -> tuple[Member, ...]:
        return self._halves[0] + self._halves[1]

    @cached_property
    def is_pure(self) -> bool:
        return all(m.operation.is_unitary or m.operation.is_conditional for m in self._members)

    @property
    def is_affine(self) -> bool:
        return not self.is_pure and not any(m.operation.is_conditional for m in self._members)

    @property
    def axes(self) -> int:
        """How many axes of length `cutoff` the state has."""
        return self.circuit.wires * (1 if self.is_pure else 2)

    def init(self) -> Array:
        return jnp.zeros((self.cutoff,) * self.axes, self.dtype).at[(0,) * self.axes].set(1)

    def open(self, state: Array) -> Array:
        return state.astype(self.dtype)

    def close(self, carry: Array) -> Array:
        return carry

    def prepare(self, tape: Array) -> Any:
        return self._numbers([member for member in self._members if not member.varies], tape)

    def encode(self, prepared: Any, tape_t: Array) -> Any:
        del prepared
        return self._numbers([member for member in self._members if member.varies], tape_t)

    def step(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        fixed, varying = iter(prepared), iter(encoded_t)
        numbers = [next(varying) if member.varies else next(fixed) for member in self._members]
        return self._apply(numbers, carry)

    def step_at(self, tape_t: Array, state: Array) -> tuple[Array, Array]:
        return self._apply(self._numbers(self._members, tape_t), state)

    def _numbers(self, members: Sequence[Member], tape: Array) -> list[Array]:
        """The matrix of each gate, the superoperator of each channel, the number of each draw."""

        def evaluate(operation: Any, *values: Array) -> Array:
            if operation.is_conditional:
                return values[0]
            if isinstance(operation, AbstractModeGate):
                return operation.fock_matrix(self.cutoff, *values).astype(self.dtype)
            assert isinstance(operation, AbstractModeChannel)
            return operation.fock_superoperator(self.cutoff, *values).astype(self.dtype)

        found: dict[int, Array] = {}
        for positions, stacked in by_class(members, tape, evaluate):
            found.update({index: stacked[row] for row, index in enumerate(positions)})
        return [found[index] for index in range(len(members))]

    def _apply(self, numbers: list[Array], state: Array) -> tuple[Array, Array]:
        before, after = self._halves
        for member, number in zip(before, numbers):
            state = self._pass(member, number, state)
        values = [self._read(observable, state) for observable in self.observables]
        reads = jnp.stack(values) if values else jnp.zeros(0, real_dtype(self.dtype))
        for member, number in zip(after, numbers[len(before) :]):
            state = self._pass(member, number, state)
        return state, reads

    def _pass(self, member: Member, number: Array, state: Array) -> Array:
        wires, operation = member.operation.wires, member.operation
        columns = [wire + self.circuit.wires for wire in wires]
        if operation.is_conditional:
            return self._measured(wires[0], number, state)
        if not operation.is_unitary:
            return apply_to_axes(number, state, (*wires, *columns))
        state = apply_to_axes(number, state, wires)
        return state if self.is_pure else apply_to_axes(number.conj(), state, columns)

    def _read(self, observable: AbstractModeObservable, state: Array) -> Array:
        image = state
        for mode, matrix in observable.factors(self.cutoff):
            image = apply_to_axes(jnp.asarray(matrix, self.dtype), image, (mode,))
        if self.is_pure:
            return jnp.sum(image * state.conj()).real
        return _trace(image, self.circuit.wires)

    def _measured(self, mode: int, z: Array, state: Array) -> Array:
        """The mode is projected on the outcome, the rest normalised, the mode put to |0>."""
        axes = [mode] if self.is_pure else [mode, mode + self.circuit.wires]
        outcome = x_outcome(self._reduced(mode, state), z)
        wave = wave_functions(outcome, self.cutoff).astype(self.dtype)
        rest = state
        for axis in reversed(axes):
            rest = jnp.tensordot(rest, wave, ([axis], [0]))
        if self.is_pure:
            norm = jnp.sqrt(jnp.sum(rest.real**2 + rest.imag**2))
        else:
            norm = _trace(rest, self.circuit.wires - 1)
        empty = jnp.zeros(self.cutoff, self.dtype).at[0].set(1)
        result = rest / norm
        for axis in axes:
            result = jnp.moveaxis(jnp.multiply.outer(empty, result), 0, axis)
        return result

    def _reduced(self, mode: int, state: Array) -> Array:
        """The density matrix of one mode, (cutoff, cutoff)."""
        if self.is_pure:
            rows = jnp.moveaxis(state, mode, 0).reshape(self.cutoff, -1)
            return rows @ rows.conj().T
        both = jnp.moveaxis(state, (mode, mode + self.circuit.wires), (0, 1))
        size = self.cutoff ** (self.circuit.wires - 1)
        return jnp.einsum("abii->ab", both.reshape(self.cutoff, self.cutoff, size, size))

    @property
    def prepared_columns(self) -> frozenset[int]:
        fixed = (member.columns for member in self._members if not member.varies)
        return frozenset(column for columns in fixed for column in columns)

    def norm(self, state: Array) -> Array:
        if self.is_pure:
            return jnp.sum(state.real**2 + state.imag**2)
        return _trace(state, self.circuit.wires)

    def stored_bytes(self) -> int:
        return len(self._members) * self.cutoff**self.axes * self.dtype.itemsize


_plan: Callable[..., FockPlan] = lru_cache(maxsize=256)(FockPlan)


def _trace(state: Array, count: int) -> Array:
    """The trace of a density matrix with `count` axes for rows, then as many for columns."""
    size = int(np.prod(state.shape[:count], dtype=int))
    return jnp.trace(state.reshape(size, size)).real
