"""How long a device will take: what it says of itself, or what a pilot run shows."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from qrnn_jax.hardware.plan_count import Request, jobs_of
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue
from qrnn_jax.hardware.speed import Speed
from qrnn_jax.hardware.template import Template

# rows x shots of a pilot's largest job, in this order; its most rows; and what may be paid for
_SIZES, _ROWS, _PAID = (2**2, 2**5, 2**8, 2**11, 2**14, 2**16), 256, 2**12
_LONGER = 0.5, 0.5  # than the smallest job, in seconds and in its own time: then it can be told
_TRIES, _ENOUGH = 3, 1.5  # of a job, the fastest counts; seconds after which none is added
_CLEARLY = 1.5  # times longer than possible: then a job was disturbed


class Clock(NamedTuple):
    """How fast a device plays each circuit, and how that is known.

    Arguments:
        speeds: of every template; None where nobody knows.
        source: a sentence.
        shots: that a pilot has played.
    """

    speeds: dict[Template, Speed | None]
    source: str
    shots: int

    def seconds_of(self, requests: Sequence[Request], device: AbstractDevice) -> float | None:
        """The time of all jobs, one after the other; None where no speed is known.

        Arguments:
            requests: of these templates.
            device: whose limits make jobs of them.
        """
        total = 0.0
        for request in requests:
            speed = self.speeds[request.template]
            if speed is None:
                return None
            jobs = jobs_of(request, device)
            total += sum(speed.seconds(job.last - job.first, job.shots) for job in jobs)
        return total


def clock_of(
    queue: Queue,
    templates: Sequence[Template],
    shots: int,
    asked: bool | None,
    progress: Callable[[str], None] | None = None,
) -> Clock:
    """What the device states of its speed, or what a pilot shows.

    Arguments:
        queue: to the device.
        templates: what will be played.
        shots: repetitions of a row.
        asked: whether to play a pilot, which the queue pays for; None plays one where the device
            states nothing and plays for nothing. Then no budget has to pay.
        progress: told that a pilot begins.

    Raises:
        BudgetError, DeviceError: as `Queue.run`.
    """
    stated = {template: queue.device.speed(template) for template in templates}
    unknown = None in stated.values()
    if asked or (asked is None and unknown and queue.device.replays_free):
        if progress is not None:
            progress("timing the device with a few rows")
        payer, most = (queue, _PAID) if asked else (Queue(queue.device), _SIZES[-1])
        before = payer.spent
        played: dict[Template, Speed | None] = {
            template: pilot(payer, template, shots, most) for template in templates
        }
        return Clock(played, "a pilot run, extrapolated", payer.spent - before)
    known = "unknown; try `pilot=True`" if unknown else "the device's own statement"
    return Clock(stated, known, 0)


def pilot(queue: Queue, template: Template, shots: int, most: int) -> Speed:
    """Play a few rows and see: the queue counts the shots, and may refuse them.

    Three unknowns, three times: of a job of one row and shot; of one with as many shots as wanted,
    and rows until it takes clearly longer, or is as large as allowed; of one with these rows and
    one shot. A job before them pays for what is done once. A job of n times as many executions
    takes at most n times as long; one that seems to take longer was disturbed.

    Arguments:
        queue: where the pilot's jobs go.
        template: what is played.
        shots: repetitions of a row.
        most: rows x shots of one job.

    Raises:
        BudgetError, DeviceError: as `Queue.run`.
    """
    play = partial(_timed, queue, template)
    one = _fastest(partial(play, 1, 1), play(1, 1))
    longer = one + max(_LONGER[0], _LONGER[1] * one)
    rows, repeated, seconds = 1, 1, one
    for job in _jobs(queue, shots, most):
        bound = seconds * math.prod(job) / (rows * repeated)
        rows, repeated = job
        seconds = _fastest(partial(play, rows, repeated), bound, until=longer)
        if seconds >= longer:
            break
    else:
        seconds = _fastest(partial(play, rows, repeated), seconds)
    single = one if rows == 1 else _fastest(partial(play, rows, 1), seconds)
    execution = max(seconds - single, 0.0) / max(rows * (repeated - 1), 1)
    row = max((single - one) / max(rows - 1, 1) - execution, 0.0)
    return Speed(max(one - row - execution, 0.0), row, execution)


def _jobs(queue: Queue, shots: int, most: int) -> Iterator[tuple[int, int]]:
    """Rows and shots of growing jobs, as long as device, budget and `most` allow."""
    limits, last = queue.device.capabilities, 1
    for size in _SIZES:
        repeated = min(max(shots, 2), size // 2, limits.max_shots, limits.max_executions)
        rows = min(size // repeated, _ROWS, limits.max_rows, limits.max_executions // repeated)
        executions = rows * repeated
        too_many = queue.left is not None and 2 * _TRIES * executions > queue.left
        if last < executions <= most and not too_many:
            last = executions
            yield rows, repeated


def _fastest(play: Callable[[], float], bound: float, until: float = 0.0) -> float:
    """The seconds of a job, the fastest of several tries: somebody else may be at work.

    One below `until` is not tried again. A long one is only where it takes clearly more than it
    can, `bound`; if it always does, it is believed."""
    found = [play()]
    while found[-1] >= until and len(found) < _TRIES:
        if sum(found) >= _ENOUGH and min(found) <= _CLEARLY * bound:
            break
        found.append(play())
    least = min(found)
    return least if least > _CLEARLY * bound else min(least, bound)


def _timed(queue: Queue, template: Template, rows: int, shots: int) -> float:
    """Seconds of one job, by a key that no other request has: else it might be remembered."""
    begin = time.perf_counter()
    queue.run(template, np.zeros((rows, len(template.symbols))), shots, (time.time_ns(),))
    return time.perf_counter() - begin
