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
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines import AbstractEngine, AbstractSource
from qrnn_jax.estimate import estimate_gradient
from qrnn_jax.gradients import AbstractEstimator, AbstractPerturbation
from qrnn_jax.gradients.estimator import Point, Problem, split_shots
from qrnn_jax.hardware.engine import Device
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.jobs import Job, jobs_for
from qrnn_jax.hardware.protocol import AbstractDevice
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
    """
    play = partial(_rehearse, cell, rule, _engine_for(device, shots), params)
    steps, count = xs.shape[1], len(xs)
    runs = rule.count(Problem(cell.circuit, steps, True, False))
    angles = count * runs * steps * len(cell.circuit.parameters)
    if count <= 2 or angles <= _AT_ONCE or not _splits_alike(cell, rule, shots, params, xs):
        return play(xs)
    one, two = play(xs[:1]), play(xs[:2])
    assert [request._replace(rows=0) for request in one] == [r._replace(rows=0) for r in two]
    return [
        first._replace(rows=first.rows + (count - 1) * (second.rows - first.rows))
        for first, second in zip(one, two)
    ]


def _splits_alike(
    cell: AbstractCell, rule: AbstractEstimator, shots: int, params: Any, xs: Array
) -> bool:
    """Whether every sequence of a batch splits its shots as the first one does."""
    weights, problem = cell.weights(params), Problem(cell.circuit, xs.shape[1], True, False)
    key = jax.random.key(0) if rule.is_random else None

    def split(x: Array) -> Array:
        data = jax.vmap(partial(cell.data, params))(x)
        shares = rule.shares(
            problem, Point(weights, data, spread(cell.circuit, weights, data)), key
        )
        return jnp.zeros(1, int) if shares is None else split_shots(shares, shots)

    found = np.asarray(jax.lax.map(split, xs))
    return bool((found == found[0]).all())


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
