"""What every device needs, once: chunks, tries, a budget, and results that are remembered."""

import threading
from collections import OrderedDict
from os import PathLike
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.attempts import Attempts, Job
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.identity import digest_of
from qrnn_jax.hardware.jobs import check_rows, jobs_for
from qrnn_jax.hardware.journal import Journal
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.purse import Purse, whole
from qrnn_jax.hardware.template import Template


@final
class Queue:
    """Requests to one device: split into jobs, repeated where they fail, counted and remembered.

    Equation: spent = sum over submitted jobs of rows x shots; spent <= budget, always. A failed try
    counts, because a device may bill it.

    A request is known by the hash of (template, rows, shots, key): the same one again is answered
    from memory and costs nothing, so JAX may evaluate a pure function as often as it likes. All
    seeds come from that hash and the number of the job and of the try, so no two are near each
    other. With a journal this holds beyond the life of the process: what was finished is read from
    the disk, and what was submitted is waited for where the device gave a ticket. Without one it is
    played again: a simulator's replay is free (`AbstractDevice.replays_free`), any other is counted
    once more, and refused where the budget does not allow it.

    A job without an answer after `timeout` seconds may still run, and be billed: it is awaited
    again in the remaining tries, and never submitted a second time. If it stays silent, the request
    fails; the same request, made later, finds the answer or goes on waiting for it. The same holds
    for a lost connection to a device that gives tickets (`AbstractDevice.gives_tickets`).

    Arguments:
        device: who plays.
        budget: shots in all, over all rows and jobs; None for no limit.
        tries: how often a job is submitted before it counts as failed, 1 or more.
        pause: seconds before the second try; doubled before every further one.
        timeout: seconds to wait for the answer of a job in one try; None waits for ever. A device
            that gives up by itself has to cancel its job before it raises an error.
        remembered: results kept, in bytes; the last one is always kept.
        journal: where jobs are written down before they are submitted, a `Journal` or its folder;
            None: nowhere. Queues that share one share the shots spent.

    Raises:
        TypeError: no device, or no journal.
        ValueError: a setting out of range.

    Example:
        >>> import numpy as np, qrnn_jax as qj
        >>> queue = qj.hardware.Queue(qj.hardware.LocalDevice(), budget=1000)
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)
        >>> bits = queue.run(template, np.array([[np.pi, 0.0]]), shots=300, key=(1, 2))
        >>> bits.shape, bits.mean(axis=1).ravel().tolist(), queue.spent, queue.left
        ((1, 300, 2, 1), [1.0, 0.0], 300, 700)
    """

    def __init__(
        self,
        device: AbstractDevice,
        *,
        budget: int | None = None,
        tries: int = 4,
        pause: float = 1.0,
        timeout: float | None = None,
        remembered: int = 2**26,
        journal: Journal | str | PathLike[str] | None = None,
    ) -> None:
        _check(device, pause, timeout)
        self.device = device
        self.journal = _journal(journal)
        self._purse = Purse(budget, self.journal)
        self._attempts = Attempts(
            self._purse, self.journal, tries=whole("tries", tries, 1), pause=pause, timeout=timeout
        )
        self.failure: Exception | None = None  # what `run` raised last: JAX hands on its text only
        self._remembered = remembered
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._finished: dict[tuple[bytes, int], np.ndarray] = {}  # jobs of requests that failed
        self._lock = threading.RLock()

    @property
    def budget(self) -> int | None:
        """Shots in all; None for no limit."""
        return self._purse.budget

    @property
    def spent(self) -> int:
        """Shots paid so far; with a journal, by all who use it."""
        return self._purse.spent

    @property
    def jobs(self) -> int:
        """Jobs submitted so far, all tries counted; with a journal, by all who use it."""
        return self._purse.jobs

    @property
    def left(self) -> int | None:
        """Shots that may still be spent; None for no limit."""
        return self._purse.left

    def prepare(self, template: Template) -> None:
        """Refuse what the device cannot play, and let it make ready for what it can.

        Arguments:
            template: what will be played.

        Raises:
            DeviceError: the device does not offer an instruction, or has too few qubits.
        """
        _prepare(self.device, template)

    def run(
        self,
        template: Template,
        rows: np.ndarray,
        shots: int,
        key: tuple[int, ...],
        *,
        layout: tuple[int, ...] | None = None,
    ) -> np.ndarray:
        """Bits (R, shots, T, outputs) for every row of angles.

        Arguments:
            template: what is played.
            rows: (R, len(template.symbols)).
            shots: repetitions of every row, 1 or more.
            key: what tells this request from others like it.
            layout: the backend's qubit for each wire, for devices that let them be chosen.

        Raises:
            ValueError: rows of another width, an angle that is not finite, or `shots` that is no
                integer of 1 or more.
            BudgetError: the request does not fit into the budget.
            DeviceError: the device cannot play the template, or failed in all tries.
            JournalError: the journal cannot be written.
        """
        try:
            rows = np.ascontiguousarray(rows, np.float64)
            check_rows(template, rows)
            shots = whole("shots", shots, 1)
            digest = digest_of(template, rows, shots, key, layout)
            with self._lock:
                if digest not in self._known:
                    device = self.device if layout is None else self.device.pinned(layout)
                    self._known[digest] = self._fresh(device, template, rows, shots, digest)
                    self._forget_old()
                self._known.move_to_end(digest)
                return self._known[digest]
        except Exception as error:
            self.failure = error
            raise

    def _fresh(
        self,
        device: AbstractDevice,
        template: Template,
        rows: np.ndarray,
        shots: int,
        digest: bytes,
    ) -> np.ndarray:
        """A request that is not remembered: submitted only if all of it fits into the budget."""
        jobs = list(jobs_for(device.capabilities, len(rows), shots))
        missing = [
            (job.last - job.first) * job.shots
            for number, job in enumerate(jobs)
            if (digest, number) not in self._finished
            and not self._attempts.is_free(device, (digest, number))
        ]
        self._purse.check(sum(missing))
        _prepare(device, template)
        bits = np.empty((len(rows), shots, template.steps, template.outputs), np.uint8)
        played = np.zeros(len(rows), int)
        for number, job in enumerate(jobs):
            part, at = slice(job.first, job.last), (digest, number)
            begin = played[job.first]
            if at not in self._finished:  # else an earlier try got as far
                one = Job(device, template, rows[part], job.shots, at)
                self._finished[at] = self._attempts.bits(one)
            bits[part, begin : begin + job.shots] = self._finished[at]
            played[part] += job.shots
        self._finished = {at: kept for at, kept in self._finished.items() if at[0] != digest}
        bits.setflags(write=False)
        return bits

    def _forget_old(self) -> None:
        while (
            len(self._known) > 1
            and sum(kept.nbytes for kept in self._known.values()) > self._remembered
        ):
            self._known.popitem(last=False)


def device_of(device: Any) -> Any:
    """What plays: the device behind a queue, anything else as it is.

    Arguments:
        device: a queue or a device.
    """
    return device.device if isinstance(device, Queue) else device


def _prepare(device: AbstractDevice, template: Template) -> None:
    """Refuse what a device cannot play, else let it make ready."""
    refusal = device.capabilities.refusal(template)
    if refusal:
        raise DeviceError(refusal)
    device.prepare(template)


def _journal(given: Any) -> Journal | None:
    """A journal, or the one of a folder."""
    if given is None or isinstance(given, Journal):
        return given
    if isinstance(given, str | PathLike):
        return Journal(given)
    raise TypeError(
        f"Argument `journal` must be a journal or its folder, but is {given!r}; "
        'try `qj.hardware.Journal("jobs")`.'
    )


def _check(device: Any, pause: Any, timeout: Any) -> None:
    """Refuse settings that a queue cannot have."""
    if not isinstance(device, AbstractDevice):
        raise TypeError(
            f"Argument `device` must be a device, but is {device!r}; "
            "try `qj.hardware.LocalDevice()`."
        )
    if not pause >= 0:
        raise ValueError(f"Argument `pause` must be 0 seconds or more, but is {pause!r}.")
    if timeout is not None and not timeout > 0:
        raise ValueError(
            f"Argument `timeout` must be None or more than 0 seconds, but is {timeout!r}."
        )
