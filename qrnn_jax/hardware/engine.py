"""A device as an engine of `run`: its shots take the place of simulated ones, for every rule."""

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.engines import AbstractEngine, AbstractSource, Estimate
from qrnn_jax.hardware.build import Step, step_of
from qrnn_jax.hardware.mitigation import Mitigation, values_for
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue, check_rows
from qrnn_jax.setup import check_shots

_ROWS = 2**20  # rows of one request: the queue splits them as the device wishes


@final
@dataclass(frozen=True)
class Device(AbstractEngine):
    """A device in place of a simulator: outputs and gradients from its counts.

    Equation: y_t = (1/S) sum_s O(bits of shot s, step t).

    Works under `jit`, `grad` and `vmap`, through `jax.pure_callback`: all circuits of a batch or of
    a gradient go out as one request. Every rule that asks for nothing but runs can follow it:
    `ParameterShift`, `SharedShift`, `Riesz`, `FiniteDifference` and `SPSA` with a step. Exact rules
    such as `Backprop` are refused, and so are observables that a device cannot read, see
    `qj.Read(measure=True)`. An error in a device reaches the caller as a JAX runtime error that
    quotes it.

    Arguments:
        device: what plays; a `hardware.Queue` around it adds a budget and counts the shots.
        shots: repetitions of every circuit; None where `run(shots=...)` says it.
        mitigation: what takes read-out errors out of the means, see `hardware.LinearMitigation`;
            standard errors grow with it. None leaves them in.

    Raises:
        TypeError: no device.
        ValueError: `shots` is no positive integer; at run time, `prefixes=True`, a circuit with no
            exact form in the device's instructions.
        DeviceError: the device does not offer what the circuit needs.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> queue = qj.hardware.Queue(qj.hardware.LocalDevice(), budget=10_000)
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> engine, key = qj.Device(queue, shots=20), jax.random.key(0)
        >>> loss = lambda p: jnp.sum(qj.run(cell, p, jnp.zeros((2, 1)), engine=engine, key=key))
        >>> gradient = jax.grad(loss)(cell.init(key))
        >>> queue.jobs, queue.spent  # 1 circuit, and 2 for each of 6 weights at 2 steps
        (2, 500)

    Source: Mitarai et al., Phys. Rev. A 98, 032309 (2018).
    """

    device: AbstractDevice | Queue
    shots: int | None = None
    mitigation: Mitigation | None = None

    dtype = None  # counts are summed up on the host; outputs follow JAX's x64 setting

    def __post_init__(self) -> None:
        if not isinstance(self.device, AbstractDevice | Queue):
            raise TypeError(
                f"Argument `device` must be a device, but is {self.device!r}; "
                "try `qj.hardware.LocalDevice()`."
            )
        check_shots(self.shots)

    @property
    def queue(self) -> Queue:
        """Where its requests go."""
        return self.device if isinstance(self.device, Queue) else _queue_of(self.device)

    @property
    def own_shots(self) -> int | None:
        return self.shots

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.is_modes:
            return "`Device` must have a circuit on qubits, but this one acts on modes."
        return None

    def sampler(
        self, circuit: Circuit, observables: tuple[AbstractObservable, ...], group: Any
    ) -> AbstractSource:
        del observables
        if group is None:
            raise ValueError("Argument `shots` must be given with `Device`, but is None.")
        return DeviceSource(self.queue, step_of(circuit, group), group, self.mitigation)


@lru_cache(maxsize=64)
def _queue_of(device: AbstractDevice) -> Queue:
    """One queue for each device: without a budget."""
    return Queue(device)


@final
@dataclass(frozen=True)
class DeviceSource(AbstractSource):
    """The shots of one measurement setting.

    Arguments:
        queue: where requests go.
        step: what is played, T times.
        group: what each outcome says about the reads.
        mitigation: see `Device`.
    """

    queue: Queue
    step: Step
    group: Any
    mitigation: Mitigation | None = None

    @property
    def reads(self) -> int:
        return int(self.group.values.shape[1])

    def batch(self, steps: int, repetitions: int) -> int:
        del steps, repetitions
        return _ROWS

    def estimate(self, tape: Array, key: Array, shots: int | Array, directions: Array) -> Estimate:
        steps, count = len(tape), len(directions)
        self.queue.prepare(self.step.unrolled(steps))
        values_for(
            self.mitigation, self.step.unrolled(steps), self.group
        )  # refused here, if at all
        reads, kind = self.reads, np.dtype(tape.dtype)
        made = Estimate(
            jax.ShapeDtypeStruct((steps, reads), kind),  # type: ignore[arg-type]
            jax.ShapeDtypeStruct((steps, reads, reads), kind),  # type: ignore[arg-type]
            jax.ShapeDtypeStruct((count,), kind),  # type: ignore[arg-type]
        )
        numbers = tape, jax.random.key_data(key), jnp.asarray(shots, jnp.int32), directions
        return Estimate(
            *jax.pure_callback(
                partial(self._ask, kind), made, *numbers, vmap_method="broadcast_all"
            )
        )

    def _ask(self, kind: np.dtype, *given: Any) -> Estimate:
        """Everything of a batch (..): tapes (.., T, K), keys (.., 2), shots (..), directions."""
        tape, keys, shots, directions = map(np.asarray, given)
        lead = shots.shape
        template = self.step.unrolled(tape.shape[-2])
        rows = tape.reshape(math.prod(lead), len(template.symbols)).astype(np.float64)
        keys, counts = keys.reshape(len(rows), -1), shots.reshape(-1)
        directions = directions.reshape(len(rows), *directions.shape[len(lead) :])
        check_rows(template, rows)
        found: list[Any] = [None] * len(rows)
        for number in np.unique(counts):  # one request for all rows of as many shots
            chosen = np.flatnonzero(counts == number)
            key = tuple(keys[chosen].ravel().tolist())
            bits = self.queue.run(template, rows[chosen], int(number), key)
            for place, row in enumerate(chosen):
                found[row] = self._moments(bits[place], directions[row])
        parts = (np.stack(part) for part in zip(*found))
        return Estimate(*(p.reshape(*lead, *p.shape[1:]).astype(kind) for p in parts))  # type: ignore[arg-type]

    def _moments(
        self, bits: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean (T, M), its covariance (T, M, M), its variance along directions (P, T, M)."""
        weights = 1 << np.arange(bits.shape[-1])[::-1]
        steps = bits.shape[1]
        table = values_for(self.mitigation, self.step.unrolled(steps), self.group)
        values = table[np.arange(steps), bits @ weights]  # (S, T, M)
        shots = len(values)
        mean = values.mean(axis=0)
        apart = values - mean
        with np.errstate(invalid="ignore", divide="ignore"):  # one shot alone has no variance
            scale = 1 / np.float64(shots * (shots - 1))
            covariance = np.einsum("sti,stj->tij", apart, apart) * scale
            lines = np.einsum("stm,ptm->sp", apart, directions)
            return mean, covariance, np.sum(lines**2, axis=0) * scale
