"""Real state vectors: real gates, neurons and post-selection, without wires whose bit is known."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.neuron import AbstractNeuron
from qrnn_jax.engines.base import (
    AbstractExactEngine,
    AbstractPlan,
    check_memory,
    modes_refusal,
    read_all,
    real_dtype,
    real_precision,
)
from qrnn_jax.engines.real_bits import AbstractInstruction
from qrnn_jax.engines.real_program import Program, is_real, write_program
from qrnn_jax.engines.real_turns import TurnLayer
from qrnn_jax.engines.sampler import AbstractSampler


@final
@dataclass(frozen=True)
class RealVector(AbstractExactEngine):
    """Exact simulation of steps made of real gates, neurons and post-selections.

    Equation: psi_t = K(x_t, w) psi_{t-1} / |...|, all numbers real; y_t = <psi| O |psi> / <psi|psi>
    at the read-out, without back-action.

    The operations: `RY`, `X`, `Z`, `H`, `CNOT`, `CZ`, `SWAP`, `CRY`, `Controlled` ones of these,
    `Flip`, `Neuron`, `UnitaryNeuron`, `Postselect`. A wire that ends each step in
    `Postselect(wire, 0)` and is only flipped by data since holds a known bit and costs nothing; the
    carried state is the vector of all other wires. Tables of angles are made once per call.

    For unitary steps without neurons use `StateVector`. In float32 the chance that all of one
    step's post-selections succeed must be above 1e-37: at the paper's start about 40 neurons of
    order 2.

    Arguments:
        dtype: float32 or float64; None follows JAX's x64 setting.

    Raises:
        ValueError: at run time, an operation that is not real, or none of the above (use
            `DensityMatrix`); a state that does not fit into memory; under `shots`.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> steps = (qj.Flip(0, qj.Data(0)), qj.CRY(0, 1, qj.Weight(0)), qj.Read())
        >>> steps += (qj.Flip(0, qj.Data(0)), qj.Postselect(0))
        >>> cell = qj.CircuitCell(qj.Circuit(2, steps), qj.Z(1))
        >>> xs = jnp.array([[1.0], [0.0], [1.0]])
        >>> qj.run(cell, jnp.array([0.3]), xs, engine=qj.RealVector()).shape
        (3, 1)

    Source: the simulation of Bausch, arXiv 2006.14619, section 2, without the known wires.
    """

    dtype: DTypeLike | None = None

    @property
    def precision(self) -> np.dtype:
        return real_precision(self.dtype)

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.is_modes:
            return modes_refusal(self, circuit)
        for index, operation in enumerate(circuit.operations):
            if not is_real(operation):
                return (
                    "`RealVector` must have real gates, neurons and post-selections, but operation "
                    f"{index} is {operation}; try `DensityMatrix()`."
                )
        if circuit.is_read_measured:
            return (
                "`RealVector` must read without back-action, but the circuit says "
                "`Read(measure=True)`; try `DensityMatrix()`."
            )
        return None

    def plan(
        self, circuit: Circuit, observables: tuple[AbstractObservable, ...]
    ) -> "RealVectorPlan":
        refusal = self.refusal(circuit)
        if refusal:
            raise ValueError(refusal)
        plan = _plan(circuit, observables, self.precision)
        largest = plan.program.largest
        check_memory(2**largest, plan.state_dtype, f"a real vector of {largest} qubits")
        return plan

    def sampler(
        self,
        circuit: Circuit,
        observables: tuple[AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        raise ValueError(
            "`RealVector` must not play single repetitions: it has no ancillas that could fail, "
            "and records no outcome; try `shots=None`, or `DensityMatrix()`."
        )


def prefers_real(circuit: Circuit) -> bool:
    """Whether the automatic choice is `RealVector`: a step with neurons that it can run."""
    neurons = any(isinstance(operation, AbstractNeuron) for operation in circuit.operations)
    return neurons and RealVector().refusal(circuit) is None


@final
@dataclass(frozen=True)
class RealVectorPlan(AbstractPlan):
    """Instructions on the amplitudes of the wires that hold no known bit."""

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype

    @cached_property
    def program(self) -> Program:
        """The step's instructions."""
        wires = {wire for observable in self.observables for wire in observable.wires}
        return write_program(self.circuit, tuple(sorted(wires)))

    @property
    def _instructions(self) -> tuple[AbstractInstruction, ...]:
        return self.program.before + self.program.after

    @property
    def state_dtype(self) -> np.dtype:
        return real_dtype(self.dtype)

    def init(self) -> Array:
        return jnp.zeros(2 ** len(self.program.carried), self.state_dtype).at[0].set(1)

    def open(self, state: Array) -> Array:
        return state.astype(self.state_dtype)

    def close(self, carry: Array) -> Array:
        return carry

    def prepare(self, tape: Array) -> Any:
        return [instruction.fixed(tape) for instruction in self._instructions]

    def encode(self, prepared: Any, tape_t: Array) -> Any:
        del prepared
        return [instruction.moving(tape_t) for instruction in self._instructions]

    def step(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        psi, reads = self.to_read(prepared, carry, encoded_t)
        return self.from_read(prepared, psi, encoded_t), reads

    def step_at(self, tape_t: Array, state: Array) -> tuple[Array, Array]:
        return self.step(self.prepare(tape_t), state, self.encode(None, tape_t))

    def to_read(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        """The first half of a step: the vector at the read-out, not normalised, and the reads."""
        instructions = self.program.before
        psi = _apply(instructions, prepared, carry, encoded_t)
        # complex, as observables may hold a Y; probabilities never look at the zeros
        column = psi.astype(self.dtype)[:, None]
        place = {wire: position for position, wire in enumerate(self.program.order)}
        return psi, read_all(self.observables, column, column, place)

    def from_read(self, prepared: Any, psi: Array, encoded_t: Any) -> Array:
        """The second half of a step: the carry."""
        first = len(self.program.before)
        return _apply(self.program.after, prepared[first:], psi, encoded_t[first:])

    @property
    def is_pure(self) -> bool:
        return True

    @property
    def prepared_columns(self) -> frozenset[int]:
        return frozenset().union(*(item.prepared_columns for item in self._instructions))

    def norm(self, state: Array) -> Array:
        return jnp.sum(state**2)

    def stored_bytes(self) -> int:
        layers = [item for item in self._instructions if isinstance(item, TurnLayer)]
        turns = sum(len(layer.turns) for layer in layers)
        others = len(self._instructions) - len(layers)
        # of each turn, the amplitudes before it and its table
        return int((2 * turns + others) * 2**self.program.largest * self.state_dtype.itemsize)


def _apply(
    instructions: tuple[AbstractInstruction, ...], prepared: Any, psi: Array, encoded_t: Any
) -> Array:
    for instruction, fixed, moving in zip(instructions, prepared, encoded_t):
        psi = instruction.apply(psi, fixed, moving)
    return psi


_plan = lru_cache(maxsize=256)(RealVectorPlan)
