"""A device as an engine of `run`: its shots take the place of simulated ones, for every rule."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.engines import AbstractEngine, AbstractSource
from qrnn_jax.engines.sampler import AbstractBranches
from qrnn_jax.hardware.branches import BranchSource
from qrnn_jax.hardware.build import step_of
from qrnn_jax.hardware.mitigation import Mitigation
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue
from qrnn_jax.hardware.source import DeviceSource
from qrnn_jax.setup import check_shots


@final
@dataclass(frozen=True)
class Device(AbstractEngine):
    """A device in place of a simulator: outputs and gradients from its counts.

    Equation: y_t = (1/S) sum_s O(bits of shot s, step t).

    Works under `jit`, `grad` and `vmap`, through `jax.pure_callback`: all circuits of a batch and
    of its gradient, the unperturbed ones included, go out as one request. Every rule that asks for
    nothing but runs can follow it: `ParameterShift`, `SharedShift`, `Riesz`, `FiniteDifference` and
    `SPSA` with a step. Exact rules such as `Backprop` are refused, and so are observables that a
    device cannot read, unless the circuit says `qj.Read(measure=True)`, or the caller
    `prefixes=True`: then output t has circuits of its own, of t steps, and those that no output
    needs are not played. An error in a device reaches the caller as a JAX runtime error that quotes
    it.

    Arguments:
        device: what plays; a `hardware.Queue` around it adds a budget and counts the shots.
        shots: repetitions of every circuit; None where `run(shots=...)` says it.
        mitigation: what takes read-out errors out of the means, see `hardware.LinearMitigation`;
            standard errors grow with it. None leaves them in.

    Raises:
        TypeError: no device.
        ValueError: `shots` is no positive integer; at run time, a circuit with no exact form in the
            device's instructions.
        DeviceError: the device does not offer what the circuit needs.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> queue = qj.hardware.Queue(qj.hardware.LocalDevice(), budget=10_000)
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> engine, key = qj.Device(queue, shots=20), jax.random.key(0)
        >>> loss = lambda p: jnp.sum(qj.run(cell, p, jnp.zeros((2, 1)), engine=engine, key=key))
        >>> gradient = jax.grad(loss)(cell.init(key))
        >>> queue.jobs, queue.spent  # 1 circuit, and 2 for each of 6 weights at 2 steps
        (1, 500)

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
        if self.mitigation is not None and not callable(self.mitigation):
            raise TypeError(
                f"Argument `mitigation` must be a function, but is {self.mitigation!r}; "
                "try `qj.hardware.LinearMitigation(...)`."
            )

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
        return self._source(circuit, group, prefixes=False)

    def prefix_source(self, circuit: Circuit, group: Any) -> AbstractSource:
        return self._source(circuit, group, prefixes=True)

    def _source(self, circuit: Circuit, group: Any, *, prefixes: bool) -> DeviceSource:
        step = step_of(circuit, group)
        return DeviceSource(self.queue, step, group, prefixes, self.mitigation)

    def branched_source(self, circuit: Circuit, group: Any) -> AbstractBranches:
        if self.mitigation is not None:
            raise ValueError(
                "Argument `mitigation` must be None where recorded bits steer later angles, but is "
                f"{self.mitigation}: what was recorded has acted; try `mitigation=None`."
            )
        step = step_of(circuit, group, len(group.values))
        return BranchSource(self.queue, step, group)


@lru_cache(maxsize=64)
def _queue_of(device: AbstractDevice) -> Queue:
    """One queue for each device: without a budget."""
    return Queue(device)
