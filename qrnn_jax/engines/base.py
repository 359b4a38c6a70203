"""The engine protocol: how one lowered step acts on a carried state.

An engine is a frozen setting (`StateVector(dtype=...)`). For a circuit and its observables it makes
a *plan*: a frozen, hashable object that knows what to build once per call, what to encode for all
steps before the loop, and what a step does. The loop itself is written once, in `run.py`:

    prepared = plan.prepare(tape_0)                   once per call: all weight-only work
    encoded  = vmap(plan.encode)(prepared, tape_t)    for all steps: all work without the state
    carry    = plan.open(state)
    carry, reads = plan.step(prepared, carry, encoded_t)          inside lax.scan
    state    = plan.close(carry)

A tape row (K,) holds the value of every gate parameter of one step. `prepare` looks at the columns
that no data reach: they are equal in all rows. `step_at(tape_t, state)` is the same step with all
columns its own: what the replays of a shift rule run. `state` is the public form (a vector, the
memory's density matrix, a mean and a covariance), an array or a tuple of arrays, the same for every
plan of an engine; `carry` may be whatever a plan finds fastest.
"""

import abc
import os
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.lower import Block
from qrnn_jax.engines.sampler import AbstractBranches, AbstractSource


class AbstractPlan(abc.ABC):
    """One circuit on one engine, ready to run."""

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype

    @abc.abstractmethod
    def init(self) -> Any:
        """The initial state, |0..0>, in public form."""

    @abc.abstractmethod
    def open(self, state: Any) -> Any:
        """Public form -> carry."""

    @abc.abstractmethod
    def close(self, carry: Any) -> Any:
        """Carry -> public form."""

    @abc.abstractmethod
    def prepare(self, tape: Array) -> Any:
        """Everything that depends on weights alone, from any row (K,) of the tape."""

    @abc.abstractmethod
    def encode(self, prepared: Any, tape_t: Array) -> Any:
        """Everything of one step that depends on data but not on the state."""

    @abc.abstractmethod
    def step(self, prepared: Any, carry: Any, encoded_t: Any) -> tuple[Any, Array]:
        """One step: (carry, reads)."""

    @abc.abstractmethod
    def step_at(self, tape_t: Array, state: Any) -> tuple[Any, Array]:
        """One step with the angles of every occurrence given: (state, reads)."""

    @property
    @abc.abstractmethod
    def prepared_columns(self) -> frozenset[int]:
        """The tape columns that `prepare` looks at; all others belong to `encode`."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of a step in order, where it is made of such."""
        return ()

    @property
    def is_linear(self) -> bool:
        """Whether `step` is linear in what `prepare` returns."""
        return False

    @property
    def is_pure(self) -> bool:
        """Whether the state is a vector, so that reads are quadratic in it."""
        return False

    @property
    def is_affine(self) -> bool:
        """Whether steps and reads are affine in the state, as one sweep for all shifts needs."""
        return not self.is_pure

    @property
    def is_reversible(self) -> bool:
        """Whether `undo` can take a step back."""
        return False

    def undo(self, prepared: Any, carry: Any, encoded_t: Any) -> Any:
        """The carry before a step, from the carry after it."""
        raise ValueError(f"{type(self).__name__} cannot take a step back: it is not reversible.")

    @abc.abstractmethod
    def norm(self, state: Any) -> Array:
        """What should be 1, else the chance that a run is kept: the trace, or |psi|^2."""

    def drift(self, state: Any) -> Array:
        """How far the state's norm or trace is from 1."""
        return jnp.abs(self.norm(state) - 1)

    @property
    def state_dtype(self) -> np.dtype:
        """The type of the numbers in the state."""
        return self.dtype

    @abc.abstractmethod
    def stored_bytes(self) -> int:
        """Rough number of bytes that reverse mode keeps per step."""


class AbstractEngine(abc.ABC):
    """A way to run a circuit. A frozen, hashable setting; `dtype` None follows JAX's x64 setting.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.StateVector().refusal(qj.Circuit(1, (qj.Reset(0),))) is None
        False
    """

    dtype: DTypeLike | None

    @property
    def precision(self) -> np.dtype:
        """The complex type of the precision that the engine computes in."""
        return complex_dtype(self.dtype)

    @property
    def own_shots(self) -> int | None:
        """Repetitions of every circuit where the caller names none; None leaves it at that."""
        return None

    @abc.abstractmethod
    def refusal(self, circuit: Circuit) -> str | None:
        """Why this engine cannot run the circuit, in a sentence; None if it can."""

    @abc.abstractmethod
    def sampler(
        self,
        circuit: Circuit,
        observables: tuple[AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSource:
        """Repetitions of the circuit.

        Arguments:
            circuit: the step.
            observables: what is read.
            group: the setting in which the read-out is measured and recorded; None where nothing
                is recorded and each repetition returns the expectation values of its own branch.

        Raises:
            ValueError: the engine cannot play single repetitions of it.
        """

    def prefix_source(self, circuit: Circuit, group: Group) -> AbstractSource | None:
        """Repetitions where every output has circuits of its own, of 1..t steps each.

        Arguments:
            circuit: the step.
            group: the setting in which the read-out is measured.

        Returns:
            None where the engine has no such.
        """
        del circuit, group
        return None

    def branched_source(self, circuit: Circuit, group: Group) -> AbstractBranches | None:
        """Repetitions whose data follow the outcome of the step before.

        Arguments:
            circuit: the step.
            group: the setting in which the read-out is measured.

        Returns:
            None where the engine has no such.
        """
        del circuit, group
        return None


class AbstractExactEngine(AbstractEngine):
    """An engine that returns exact expectation values; `plan` fits it to a circuit.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.DensityMatrix(), qj.AbstractExactEngine)
        True
    """

    @abc.abstractmethod
    def plan(self, circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> AbstractPlan:
        """The plan for one circuit.

        Raises:
            ValueError: the engine cannot run it, or the state does not fit into memory.
        """


def scaled_step(
    plan: AbstractPlan, prepared: Any, carry: Any, inputs: tuple[Any, Array | None]
) -> tuple[Any, Array]:
    """One step on (encoded_t, scale_t); what is left after a post-selection gets norm 1 again.

    The scale is its chance, found in an earlier run; None takes it from here, as a constant.
    """
    encoded_t, scale = inputs
    carry, reads = plan.step(prepared, carry, encoded_t)
    if scale is None and plan.circuit.is_postselected:
        scale = lax.stop_gradient(plan.norm(plan.close(carry)))
    return rescaled(plan, carry, scale), reads


def rescaled(plan: AbstractPlan, carry: Any, chance: Array | None) -> Any:
    """A carry whose norm was `chance`, with norm 1; as it is for None."""
    if chance is None:
        return carry
    factor = jnp.sqrt(chance) if plan.is_pure else chance
    return jax.tree.map(lambda leaf: leaf / factor, carry)


def modes_refusal(engine: AbstractEngine, circuit: Circuit) -> str | None:
    """Why an engine for qubits cannot run a circuit on modes; None for one on qubits."""
    if not circuit.is_modes:
        return None
    return (
        f"`{type(engine).__name__}` must have a circuit on qubits, but this one acts on modes; "
        "try `Gaussian()`, or `Fock(cutoff)`."
    )


def columns_of(blocks: Iterable[Block]) -> frozenset[int]:
    """The tape columns of all members of some blocks."""
    return frozenset(
        column for block in blocks for member in block.members for column in member.columns
    )


def complex_dtype(dtype: DTypeLike | None) -> np.dtype:
    """The complex type an engine computes in: the argument, else what JAX's x64 setting implies."""
    x64 = jnp.result_type(float) == np.float64
    if dtype is None:
        return np.dtype(np.complex128 if x64 else np.complex64)
    try:
        resolved = np.dtype(dtype)
    except TypeError:
        resolved = None
    if resolved not in (np.complex64, np.complex128):
        raise ValueError(f"Argument `dtype` must be complex64 or complex128, but is {dtype!r}.")
    if resolved == np.complex128 and not x64:
        raise ValueError(
            "Argument `dtype` must be complex64 while JAX's 64-bit types are off, but is "
            "complex128; try `with jax.enable_x64(True):` around the call."
        )
    return resolved


def real_precision(dtype: DTypeLike | None) -> np.dtype:
    """The complex type of the precision of an engine that is told a real type."""
    if dtype is None:
        return complex_dtype(None)
    kinds = {np.dtype(np.float32): np.complex64, np.dtype(np.float64): np.complex128}
    kind = kinds.get(np.dtype(dtype))
    if kind is None:
        raise ValueError(f"Argument `dtype` must be float32 or float64, but is {dtype!r}.")
    return complex_dtype(kind)


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The real type that belongs to a complex type."""
    return np.dtype(np.float64 if dtype == np.complex128 else np.float32)


def check_memory(amplitudes: int, dtype: np.dtype, what: str) -> None:
    """Refuse a state that cannot fit, before anything is allocated."""
    needed = amplitudes * dtype.itemsize
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for device in jax.local_devices():
        stats = device.memory_stats() or {}
        available = max(available, stats.get("bytes_limit", 0))
    if needed > available:
        raise ValueError(
            f"The state must fit into memory, but {what} needs {needed:.3e} bytes "
            f"({needed / 2**30:.3g} GiB) and this machine has {available / 2**30:.3g} GiB; "
            "try fewer wires."
        )


def read_all(
    observables: Sequence[AbstractObservable], left: Array, right: Array, place: dict[int, int]
) -> Array:
    """All observables on the state left right^dagger, (M,)."""
    probabilities = jnp.sum(left.real * right.real + left.imag * right.imag, axis=1)
    values = [o.read(left, right, probabilities, place) for o in observables]
    return jnp.concatenate(values) if values else jnp.zeros(0, probabilities.dtype)
