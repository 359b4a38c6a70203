"""How long a device will take: what it says of itself, or what a pilot run shows."""

import time
from collections.abc import Sequence

import numpy as np

from qrnn_jax.hardware.plan_count import Request, jobs_of
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue
from qrnn_jax.hardware.speed import Speed
from qrnn_jax.hardware.template import Template

_ROWS = 16  # of the pilot's table
_SHOTS = 8  # the first number of shots, multiplied until it takes long enough to be timed
_GROWTH = 8
_MOST = 4096
_LONG = 0.1  # seconds


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

    Three unknowns, three times: of a job of one row, of the same with more shots, of a table of
    rows. A job before them pays for what is done once. Shots grow
    until they take long enough to be timed, or the budget ends.

    Arguments:
        queue: where the pilot's jobs go.
        template: what is played.

    Raises:
        BudgetError, DeviceError: as `Queue.run`.
    """
    limits = queue.device.capabilities
    _timed(queue, template, 1, 1)
    one = _timed(queue, template, 1, 1)
    rows = min(_ROWS, limits.max_rows, limits.max_executions)
    many = _timed(queue, template, rows, 1)
    most = min(limits.max_shots, limits.max_executions, _MOST)
    shots = min(_SHOTS, most)
    while (long := _timed(queue, template, 1, shots)) < _LONG:
        more = min(shots * _GROWTH, most)
        if more == shots or (queue.left is not None and more > queue.left):
            break
        shots = more
    execution = max(long - one, 0.0) / max(shots - 1, 1)
    row = max((many - one) / max(rows - 1, 1) - execution, 0.0)
    return Speed(max(one - row - execution, 0.0), row, execution)


def _timed(queue: Queue, template: Template, rows: int, shots: int) -> float:
    """Seconds of one job, by a key that no other request has: else it might be remembered."""
    begin = time.perf_counter()
    queue.run(template, np.zeros((rows, len(template.symbols))), shots, (time.time_ns(),))
    return time.perf_counter() - begin
