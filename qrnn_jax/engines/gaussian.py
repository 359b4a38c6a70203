"""Gaussian states of modes: a mean and a covariance, exact and without a cutoff."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.affine import embed, move
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.mode_channels import Homodyne
from qrnn_jax.circuit.mode_lower import Stage, fuse, halves, stages
from qrnn_jax.circuit.mode_observables import AbstractModeObservable
from qrnn_jax.circuit.modes import AbstractModeOperation
from qrnn_jax.engines.base import AbstractExactEngine, AbstractPlan, real_dtype, real_precision
from qrnn_jax.engines.sampler import AbstractSampler


@final
@dataclass(frozen=True)
class Gaussian(AbstractExactEngine):
    """Exact simulation of Gaussian steps on modes: no cutoff, microseconds per step.

    Equation: r -> S r + d, V -> S V S^T + Y, r the mean (2N,) and V the covariance (2N, 2N) of
    (x_1 .. x_N, p_1 .. p_N), from the vacuum r = 0, V = 1. A drawn homodyne outcome on mode j with
    the number z: r -> r + V_j z / sqrt(V_jj), V -> V - V_j V_j^T / V_jj, then mode j to the vacuum.

    Neighbouring operations that depend on weights alone are one map, made once per call. While data
    enter by displacements and draws only, V is the same for a whole batch, and is computed once.
    The carried state is the pair (r, V).

    Arguments:
        dtype: float32 or float64; None follows JAX's x64 setting.

    Raises:
        ValueError: at run time, when the step acts on qubits (use `StateVector`), or holds a gate
            that is not Gaussian, such as `Kerr` (use `Fock(cutoff)`).

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.Displacement(0, qj.Data(0)), qj.Rotation(0, qj.Weight(0))))
        >>> cell = qj.CircuitCell(circuit, qj.QuadX(0))
        >>> qj.run(cell, jnp.array([0.5]), jnp.ones((3, 1)), engine=qj.Gaussian()).shape
        (3, 1)

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), at hbar = 2.
    """

    dtype: DTypeLike | None = None

    @property
    def precision(self) -> np.dtype:
        return real_precision(self.dtype)

    def refusal(self, circuit: Circuit) -> str | None:
        if not circuit.is_modes:
            return (
                "`Gaussian` must have a circuit on modes, but this one acts on qubits; "
                "try `StateVector()` or `DensityMatrix()`."
            )
        for index, operation in enumerate(circuit.operations):
            if isinstance(operation, AbstractModeOperation) and not operation.is_gaussian:
                return (
                    f"`Gaussian` must have Gaussian operations, but operation {index} is "
                    f"{operation}; try `Fock(cutoff)`."
                )
        return None

    def plan(self, circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> AbstractPlan:
        refusal = self.refusal(circuit)
        if refusal:
            raise ValueError(refusal)
        return _plan(circuit, mode_observables(observables), self.precision)

    def sampler(
        self,
        circuit: Circuit,
        observables: tuple[AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        raise ValueError(no_shots(self))


@final
@dataclass(frozen=True)
class GaussianPlan(AbstractPlan):
    """Affine maps, and drawn outcomes between them."""

    circuit: Circuit
    observables: tuple[AbstractModeObservable, ...]
    dtype: np.dtype

    @cached_property
    def _halves(self) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
        """The stages before and after the read-out."""
        before, after = halves(self.circuit)
        return stages(before), stages(after)

    @property
    def _stages(self) -> tuple[Stage, ...]:
        return self._halves[0] + self._halves[1]

    @property
    def state_dtype(self) -> np.dtype:
        return real_dtype(self.dtype)

    def init(self) -> tuple[Array, Array]:
        size = 2 * self.circuit.wires
        return jnp.zeros(size, self.state_dtype), jnp.eye(size, dtype=self.state_dtype)

    def open(self, state: tuple[Array, Array]) -> tuple[Array, Array]:
        mean, covariance = state
        return mean.astype(self.state_dtype), covariance.astype(self.state_dtype)

    def close(self, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        return carry

    def prepare(self, tape: Array) -> Any:
        return [self._numbers(stage, tape) for stage in self._stages if not stage.varies]

    def encode(self, prepared: Any, tape_t: Array) -> Any:
        del prepared
        return [self._numbers(stage, tape_t) for stage in self._stages if stage.varies]

    def step(
        self, prepared: Any, carry: tuple[Array, Array], encoded_t: Any
    ) -> tuple[tuple[Array, Array], Array]:
        fixed, varying = iter(prepared), iter(encoded_t)
        numbers = [next(varying) if stage.varies else next(fixed) for stage in self._stages]
        return self._apply(numbers, carry)

    def step_at(
        self, tape_t: Array, state: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], Array]:
        return self._apply([self._numbers(stage, tape_t) for stage in self._stages], state)

    def _numbers(self, stage: Stage, tape: Array) -> Any:
        """A stage's affine map, or the number that an outcome is drawn with."""
        if stage.is_conditional:
            return tape[stage.columns[0]]
        return fuse(stage, tape, self.circuit.wires)

    def _apply(
        self, numbers: list[Any], state: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], Array]:
        before, after = self._halves
        for stage, number in zip(before, numbers):
            state = self._pass(stage, number, state)
        values = [observable.gaussian(*state) for observable in self.observables]
        reads = jnp.stack(values) if values else jnp.zeros(0, self.state_dtype)
        for stage, number in zip(after, numbers[len(before) :]):
            state = self._pass(stage, number, state)
        return state, reads

    def _pass(self, stage: Stage, number: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        if not stage.is_conditional:
            return move(number, *state)
        (mode,) = stage.members[0].operation.wires
        return _measured(mode, number, *state)

    @property
    def is_affine(self) -> bool:
        """Means obey affine maps, but means of squares do not, nor do drawn outcomes."""
        linear = all(observable.degree == 1 for observable in self.observables)
        return linear and not any(stage.is_conditional for stage in self._stages)

    @property
    def prepared_columns(self) -> frozenset[int]:
        fixed = (stage.columns for stage in self._stages if not stage.varies)
        return frozenset(column for columns in fixed for column in columns)

    def norm(self, state: tuple[Array, Array]) -> Array:
        """Gaussian maps keep the trace by their form."""
        return jnp.ones((), state[0].dtype)

    def stored_bytes(self) -> int:
        size = 2 * self.circuit.wires
        return 2 * len(self._stages) * (size + size**2) * self.state_dtype.itemsize


_plan = lru_cache(maxsize=256)(GaussianPlan)


def mode_observables(
    observables: tuple[AbstractObservable, ...],
) -> tuple[AbstractModeObservable, ...]:
    """The observables, if they are such of modes.

    Raises:
        ValueError: one is not.
    """
    for observable in observables:
        if not isinstance(observable, AbstractModeObservable):
            raise ValueError(
                "An observable of a circuit on modes must be one of modes, but "
                f"{observable} is not; try `qj.QuadX(0)`."
            )
    return observables  # type: ignore[return-value]


def no_shots(engine: AbstractExactEngine) -> str:
    """Why nothing is sampled on modes."""
    return (
        f"`{type(engine).__name__}` must not play single repetitions: outcomes of modes are not "
        "drawn under `shots`; try `shots=None`, and `Homodyne(mode, draw=...)` for measurements "
        "between the steps."
    )


def _measured(mode: int, z: Array, mean: Array, covariance: Array) -> tuple[Array, Array]:
    """The state after the outcome m = <x> + sd z, with the mode put to the vacuum."""
    column = covariance[:, mode]
    deviation = jnp.sqrt(column[mode])
    mean = mean + column * (z / deviation)
    covariance = covariance - jnp.outer(column, column) / column[mode]
    reset = jax.tree.map(lambda part: part.astype(mean.dtype), Homodyne(mode).affine())
    return move(embed(reset, (mode,), len(mean) // 2), mean, covariance)
