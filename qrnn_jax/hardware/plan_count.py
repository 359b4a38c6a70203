"""What a gradient asks of a device, counted by asking: the real program, with nobody playing.

`rehearse` runs the gradient as a user would, `jax.vmap(jax.value_and_grad(loss of run))`, through
the engine `Device` and its source. Only the queue is another one: it writes the requests down and
returns bits that mean nothing. So every rule, also a new one, is counted by its own code, and a
change in how runs are gathered into requests is counted, too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.engines import AbstractEngine, AbstractSource
from qrnn_jax.estimate import estimate_gradient
from qrnn_jax.gradients import AbstractEstimator, AbstractPerturbation
from qrnn_jax.gradients.estimator import Problem
from qrnn_jax.hardware.engine import Device
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Job, jobs_for
from qrnn_jax.hardware.template import Template
from qrnn_jax.run import run

_AT_ONCE = 2**23  # angles of a rehearsal; larger batches are counted from small ones
_PLAYED = 2  # repetitions returned for any number of shots: as many as a variance needs


class Request(NamedTuple):
    """One call of a queue.

    Arguments:
        template: what is played.
        rows: of angles.
        shots: repetitions of every row.
    """

    template: Template
    rows: int
    shots: int

    @property
    def executions(self) -> int:
        """rows x shots."""
        return self.rows * self.shots


def jobs_of(request: Request, device: AbstractDevice) -> list[Job]:
    """The jobs that a queue makes of a request."""
    return list(jobs_for(device.capabilities, request.rows, request.shots))


@final
class Tally:
    """In the place of a `Queue`: requests are written down, nothing is played."""

    def __init__(self, device: AbstractDevice) -> None:
        self.device = device
        self._requests: list[Request] = []
        self._known: set[tuple[Any, ...]] = set()
        self._lock = threading.RLock()

    @contextmanager
    def counting(self) -> Iterator[list[Request]]:
        """A list to which requests are added; one user at a time."""
        with self._lock:
            self._requests, self._known = [], set()
            yield self._requests

    def prepare(self, template: Template) -> None:
        """Refuse what the device cannot play."""
        refusal = self.device.capabilities.refusal(template)
        if refusal:
            raise DeviceError(refusal)

    def run(
        self, template: Template, rows: np.ndarray, shots: int, key: tuple[int, ...]
    ) -> np.ndarray:
        """Bits of two repetitions, all 0; as in a `Queue`, the same request is free."""
        rows = np.ascontiguousarray(rows, np.float64)
        known = template, hash(rows.tobytes()), len(rows), shots, key
        if known not in self._known:
            self._known.add(known)
            self._requests.append(Request(template, len(rows), shots))
        played = min(shots, _PLAYED)
        return np.zeros((len(rows), played, template.steps, template.outputs), np.uint8)


@final
@dataclass(frozen=True)
class Rehearsal(AbstractEngine):
    """The engine `Device` with a tally for a queue."""

    device: Device
    tally: Tally

    dtype = None

    @property
    def own_shots(self) -> int | None:
        return self.device.own_shots

    def refusal(self, circuit: Circuit) -> str | None:
        return self.device.refusal(circuit)

    def sampler(
        self, circuit: Circuit, observables: tuple[AbstractObservable, ...], group: Any
    ) -> AbstractSource:
        source: Any = self.device.sampler(circuit, observables, group)
        return replace(source, queue=self.tally)


@lru_cache(maxsize=64)
def _engine_for(device: AbstractDevice, shots: int) -> Rehearsal:
    """One for each device, so that a second plan compiles nothing."""
    return Rehearsal(Device(device, shots=shots), Tally(device))


def requests_of(
    cell: AbstractCell,
    rule: AbstractEstimator,
    device: AbstractDevice,
    shots: int,
    params: Any,
    xs: Array,
    other: Array,
) -> list[Request]:
    """What value and gradient of a batch, side by side under `jax.vmap`, ask of a device.

    A large batch is counted from one and two sequences, unless its shots follow the data.

    Arguments:
        cell: the model.
        rule: how to differentiate.
        device: who would play.
        shots: repetitions per circuit.
        params: pytree of real arrays.
        xs: (B, T, features).
        other: (T, features), a sequence unlike those.
    """
    play = partial(_rehearse, cell, rule, _engine_for(device, shots), params)
    steps, count = xs.shape[1], len(xs)
    runs = rule.count(Problem(cell.circuit, steps, True, False))
    if count <= 2 or count * runs * steps * len(cell.circuit.parameters) <= _AT_ONCE:
        return play(xs)
    one, two = play(xs[:1]), play(jnp.stack([xs[0], other]))
    if [request._replace(rows=0) for request in one] != [item._replace(rows=0) for item in two]:
        return play(xs)
    return [
        first._replace(rows=first.rows + (count - 1) * (second.rows - first.rows))
        for first, second in zip(one, two)
    ]


def _rehearse(
    cell: AbstractCell, rule: AbstractEstimator, engine: Rehearsal, params: Any, xs: Array
) -> list[Request]:
    """The requests for exactly these sequences."""
    keys = jax.random.split(jax.random.key(0), len(xs))
    options: dict[str, Any] = {"engine": engine, "gradient": rule}

    def both(params: Any, x: Array, key: Array) -> Any:
        if isinstance(rule, AbstractPerturbation) and rule.on == "loss":
            return estimate_gradient(_loss, cell, params, x, **options, key=key)
        return jax.value_and_grad(lambda p: _loss(run(cell, p, x, **options, key=key)))(params)

    with engine.tally.counting() as requests:
        jax.block_until_ready(jax.vmap(both, (None, 0, 0))(params, xs, keys))
        return list(requests)


def _loss(ys: Array) -> Array:
    return jnp.sum(ys**2)
