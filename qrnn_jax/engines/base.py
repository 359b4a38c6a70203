"""The engine protocol: how one lowered step acts on a carried state.

An engine is a frozen setting (`StateVector(dtype=...)`). For a circuit and its observables it makes
a *plan*: a frozen, hashable object that knows what to build once per call, what to encode for all
steps before the loop, and what a step does. The loop itself is written once, in `run.py`:

    prepared = plan.prepare(weights)                  once per call: all weight-only work
    encoded  = vmap(plan.encode)(prepared, data_t)    for all steps: all work without the state
    carry    = plan.open(state)
    carry, reads = plan.step(prepared, carry, encoded_t)          inside lax.scan
    state    = plan.close(carry)

`step_at(tape_t, state)` is the same step with one angle per gate occurrence: what the replays of a
shift rule run. `state` is the public form (a vector, or the memory's density matrix), the same for
every plan of an engine; `carry` may be whatever a plan finds fastest.
"""

import abc
import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable, Circuit


class AbstractPlan(abc.ABC):
    """One circuit on one engine, ready to run."""

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype

    @abc.abstractmethod
    def init(self) -> Array:
        """The initial state, |0..0>, in public form."""

    @abc.abstractmethod
    def open(self, state: Array) -> Array:
        """Public form -> carry."""

    @abc.abstractmethod
    def close(self, carry: Array) -> Array:
        """Carry -> public form."""

    @abc.abstractmethod
    def prepare(self, weights: Array) -> Any:
        """Everything that depends on weights alone."""

    @abc.abstractmethod
    def encode(self, prepared: Any, data_t: Array) -> Any:
        """Everything of one step that does not depend on the state."""

    @abc.abstractmethod
    def step(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        """One step: (carry, reads)."""

    @abc.abstractmethod
    def step_at(self, tape_t: Array, state: Array) -> tuple[Array, Array]:
        """One step with the angles of every occurrence given: (state, reads)."""

    @abc.abstractmethod
    def drift(self, state: Array) -> Array:
        """How far the state's norm or trace is from 1."""

    @abc.abstractmethod
    def stored_bytes(self) -> int:
        """Rough number of bytes that reverse mode keeps per step."""


class AbstractEngine(abc.ABC):
    """A way to simulate; `plan` fits it to a circuit. A frozen, hashable setting.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.StateVector().refusal(qj.Circuit(1, (qj.Reset(0),))) is None
        False
    """

    @abc.abstractmethod
    def refusal(self, circuit: Circuit) -> str | None:
        """Why this engine cannot run the circuit, in a sentence; None if it can."""

    @abc.abstractmethod
    def plan(self, circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> AbstractPlan:
        """The plan for one circuit.

        Raises:
            ValueError: the engine cannot run it, or the state does not fit into memory.
        """


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
