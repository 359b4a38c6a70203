"""How long a device will take: what it says of itself, or what a pilot run shows."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from qrnn_jax.hardware.plan_count import Request, jobs_of
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue
from qrnn_jax.hardware.speed import Speed
from qrnn_jax.hardware.template import Template

_ROWS, _SHOTS = (8, 64, 256), (8, 64, 512, 4096)  # of the pilot, tried in this order
_LONG = 0.3  # seconds: what takes as long can be timed
_TRIES = 3  # of what is timed: the fastest counts


def seconds_of(
    requests: Sequence[Request], device: AbstractDevice, speeds: dict[Template, Speed | None]
) -> float | None:
    """The time of all jobs, one after the other; None where no speed is known."""
    total = 0.0
    for request in requests:
        speed = speeds[request.template]
        if speed is None:
            return None
        jobs = jobs_of(request, device)
        total += sum(speed.seconds(job.last - job.first, job.shots) for job in jobs)
    return total


def pilot(queue: Queue, template: Template) -> Speed:
    """Play a few rows and see: the queue counts the shots, and may refuse them.

    Three unknowns, three times: of a job of one row and shot, of one with more rows, of one with
    more shots. More are taken until it is long enough to be timed, or the budget ends. A job before
    them pays for what is done once.

    Arguments:
        queue: where the pilot's jobs go.
        template: what is played.

    Raises:
        BudgetError, DeviceError: as `Queue.run`.
    """
    limits = queue.device.capabilities
    _timed(queue, template, 1, 1)
    one = min(_timed(queue, template, 1, 1) for _ in range(_TRIES))
    most = min(limits.max_rows, limits.max_executions)
    rows, by_rows = _grown(queue, _ROWS, most, lambda rows: _timed(queue, template, rows, 1))
    most = min(limits.max_shots, limits.max_executions)
    shots, by_shots = _grown(queue, _SHOTS, most, lambda shots: _timed(queue, template, 1, shots))
    execution = max(by_shots - one, 0.0) / max(shots - 1, 1)
    row = max((by_rows - one) / max(rows - 1, 1) - execution, 0.0)
    return Speed(max(one - row - execution, 0.0), row, execution)


def _grown(
    queue: Queue, sizes: Sequence[int], most: int, play: Callable[[int], float]
) -> tuple[int, float]:
    """The first size that takes long each time, or the last one allowed, and its seconds."""
    size, seconds = 1, 0.0
    for wanted in sizes:
        more = min(wanted, most)
        too_many = queue.left is not None and _TRIES * more > queue.left
        if seconds and (more == size or too_many):
            break
        size, seconds = more, play(more)
        if seconds >= _LONG:  # or somebody else was at work
            seconds = min(seconds, *(play(more) for _ in range(_TRIES - 1)))
        if seconds >= _LONG:
            break
    return size, seconds


def _timed(queue: Queue, template: Template, rows: int, shots: int) -> float:
    """Seconds of one job, by a key that no other request has: else it might be remembered."""
    begin = time.perf_counter()
    queue.run(template, np.zeros((rows, len(template.symbols))), shots, (time.time_ns(),))
    return time.perf_counter() - begin
