"""What every device needs, once: chunks, tries, a budget, and results that are never paid twice."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.deadline import Awaited, Late
from qrnn_jax.hardware.errors import BudgetError, DeviceError, JournalError
from qrnn_jax.hardware.identity import complaint, digest_of, name_of
from qrnn_jax.hardware.jobs import check_rows, jobs_for, seed_from
from qrnn_jax.hardware.journal import Journal
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.template import Template

_MISTAKES = (TypeError, ValueError, ImportError, AttributeError, NotImplementedError)


@final
class Queue:
    """Requests to one device: split into jobs, repeated where they fail, counted and remembered.

    Equation: spent = sum over submitted jobs of rows x shots; spent <= budget, always. A failed try
    counts, because a device may bill it.

    A request is known by the hash of (template, rows, shots, key): the same one again is answered
    from memory and costs nothing, so JAX may evaluate a pure function as often as it likes. All
    seeds come from that hash and the number of the job and of the try, so no two are near each
    other. With a journal this holds beyond the life of the process: what was finished is read from
    the disk, what was submitted is waited for (a simulator plays it again, from the same seed), and
    neither is paid twice.

    A job without an answer after `timeout` seconds may still run, and be billed: it is awaited
    again in the remaining tries, and never submitted a second time. If it stays silent, the request
    fails; the same request, made later, finds the answer or goes on waiting for it.

    Arguments:
        device: who plays.
        budget: shots in all, over all rows and jobs; None for no limit.
        tries: how often a job is submitted before it counts as failed, 1 or more.
        pause: seconds before the second try; doubled before every further one.
        timeout: seconds to wait for the answer of a job in one try; None waits for ever. A device
            that gives up by itself has to cancel its job before it raises an error.
        remembered: results kept, in bytes; the last one is always kept.
        journal: where jobs are written down before they are submitted; None: nowhere.

    Raises:
        TypeError: no device.
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
        journal: Journal | None = None,
    ) -> None:
        _check(device, budget, tries, pause, timeout)
        self.device = device
        self.budget = budget
        self.journal = journal
        self.spent = 0 if journal is None else journal.spent
        self.jobs = 0 if journal is None else journal.jobs
        self.failure: Exception | None = None  # what `run` raised last: JAX hands on its text only
        self._tries = tries
        self._pause = pause
        self._timeout = timeout
        self._awaited: dict[
            tuple[bytes, int], tuple[int, Awaited]
        ] = {}  # submitted, and silent so far
        self._remembered = remembered
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._finished: dict[tuple[bytes, int], np.ndarray] = {}  # jobs of requests that failed
        self._lock = threading.RLock()

    @property
    def left(self) -> int | None:
        """Shots that may still be spent; None for no limit."""
        return None if self.budget is None else self.budget - self.spent

    def prepare(self, template: Template) -> None:
        """Refuse what the device cannot play, and let it make ready for what it can.

        Arguments:
            template: what will be played.

        Raises:
            DeviceError: the device does not offer an instruction, or has too few qubits.
        """
        refusal = self.device.capabilities.refusal(template)
        if refusal:
            raise DeviceError(refusal)
        self.device.prepare(template)

    def run(
        self, template: Template, rows: np.ndarray, shots: int, key: tuple[int, ...]
    ) -> np.ndarray:
        """Bits (R, shots, T, outputs) for every row of angles.

        Arguments:
            template: what is played.
            rows: (R, len(template.symbols)).
            shots: repetitions of every row, 1 or more.
            key: what tells this request from others like it.

        Raises:
            ValueError: rows of another width, or an angle that is not finite.
            BudgetError: the request does not fit into the budget.
            DeviceError: the device cannot play the template, or failed in all tries.
            JournalError: the journal cannot be written.
        """
        try:
            rows = np.ascontiguousarray(rows, np.float64)
            check_rows(template, rows)
            digest = digest_of(template, rows, shots, key)
            with self._lock:
                if digest not in self._known:
                    self._known[digest] = self._fresh(template, rows, shots, digest)
                    self._forget_old()
                self._known.move_to_end(digest)
                return self._known[digest]
        except Exception as error:
            self.failure = error
            raise

    def _fresh(self, template: Template, rows: np.ndarray, shots: int, digest: bytes) -> np.ndarray:
        """A request that is not remembered: submitted only if all of it fits into the budget."""
        jobs = list(enumerate(jobs_for(self.device.capabilities, len(rows), shots)))
        missing = [job for number, job in jobs if not self._is_paid(digest, number)]
        self._check_budget(sum((job.last - job.first) * job.shots for job in missing))
        self.prepare(template)
        return self._all(template, rows, shots, digest)

    def _is_paid(self, digest: bytes, number: int) -> bool:
        """Whether a job was finished before, or is under way."""
        at = digest, number
        if at in self._finished or at in self._awaited:
            return True
        name = name_of(digest, number)
        return self.journal is not None and self.journal.knows(f"{name}-{self._failures(name)}")

    def _failures(self, name: str) -> int:
        return 0 if self.journal is None else self.journal.failures(name)

    def _all(self, template: Template, rows: np.ndarray, shots: int, digest: bytes) -> np.ndarray:
        """Every job of a request, put together."""
        bits = np.empty((len(rows), shots, template.steps, template.outputs), np.uint8)
        played = np.zeros(len(rows), int)
        for number, job in enumerate(jobs_for(self.device.capabilities, len(rows), shots)):
            part = slice(job.first, job.last)
            begin = played[job.first]
            if (digest, number) not in self._finished:  # else an earlier try got as far
                found = self._one(template, rows[part], job.shots, (digest, number))
                self._finished[digest, number] = found
            bits[part, begin : begin + job.shots] = self._finished[digest, number]
            played[part] += job.shots
        self._finished = {at: kept for at, kept in self._finished.items() if at[0] != digest}
        bits.setflags(write=False)
        return bits

    def _one(
        self, template: Template, rows: np.ndarray, shots: int, at: tuple[bytes, int]
    ) -> np.ndarray:
        """One job, tried again where it fails."""
        problem, shape = "", (len(rows), shots, template.steps, template.outputs)
        name = name_of(*at)
        attempt = self._attempt(at)  # tries that failed in another process are over
        for trial in range(self._tries):
            if trial:
                time.sleep(self._pause * 2 ** (trial - 1))
            job, seed = f"{name}-{attempt}", seed_from((*at[0], at[1], attempt))
            kept = None if self.journal is None else self.journal.result(job)
            if kept is not None and kept.shape == shape:
                return kept
            if at not in self._awaited:
                self._pay(job, len(rows), shots, seed)
            try:
                found = self._answer(
                    at, attempt, partial(self._play, job, template, rows, shots, seed)
                )
                problem = complaint(found, shape) or ""
            except Late:
                problem = (
                    f"no answer in {self._timeout} s; it may still run, so it was not repeated"
                )
                continue
            except (*_MISTAKES, JournalError):
                raise  # trying again would cost shots and change nothing
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if not problem:
                if self.journal is not None:
                    self.journal.finish(job, found)
                return found
            if self.journal is not None:
                self.journal.fail(job, problem)
            attempt += 1
        raise DeviceError(f"The device must play a job, but failed {self._tries} times: {problem}")

    def _attempt(self, at: tuple[bytes, int]) -> int:
        """The number of a job's next try, or of the one that is on its way."""
        return self._awaited[at][0] if at in self._awaited else self._failures(name_of(*at))

    def _answer(self, at: tuple[bytes, int], attempt: int, call: Callable[[], Any]) -> Any:
        """What a job returned: a new one, or one that is on its way."""
        if self._timeout is None:
            return call()
        awaited = self._awaited.pop(at)[1] if at in self._awaited else Awaited(call)
        try:
            return awaited.answer(self._timeout)
        except Late:
            self._awaited[at] = attempt, awaited
            raise

    def _pay(self, job: str, rows: int, shots: int, seed: int) -> None:
        """Count a job, unless an earlier process did, and write its id down before it is sent."""
        if self.journal is not None and self.journal.knows(job):
            return
        self._check_budget(rows * shots)
        if self.journal is not None:
            self.journal.submit(job, rows, shots, seed)
        self.spent += rows * shots
        self.jobs += 1

    def _play(
        self, job: str, template: Template, rows: np.ndarray, shots: int, seed: int
    ) -> np.ndarray:
        """Send a job and wait for it; only wait where its ticket is known."""
        ticket = None if self.journal is None else self.journal.ticket(job)
        if ticket is None:
            ticket = self.device.submit(job, template, rows, shots, seed)
            if self.journal is not None and ticket is not None:
                self.journal.sent(job, ticket)
        return self.device.attach(ticket, template, rows, shots, seed)

    def _check_budget(self, wanted: int) -> None:
        if self.left is not None and wanted > self.left:
            raise BudgetError(
                f"Argument `budget` must allow {wanted} more shots, but of {self.budget} only "
                f"{self.left} are left; they were not submitted. Try fewer `shots`, or a rule with "
                "fewer circuits."
            )

    def _forget_old(self) -> None:
        while (
            len(self._known) > 1
            and sum(kept.nbytes for kept in self._known.values()) > self._remembered
        ):
            self._known.popitem(last=False)


def _check(device: Any, budget: Any, tries: Any, pause: Any, timeout: Any) -> None:
    """Refuse settings that a queue cannot have."""
    if not isinstance(device, AbstractDevice):
        raise TypeError(
            f"Argument `device` must be a device, but is {device!r}; "
            "try `qj.hardware.LocalDevice()`."
        )
    if budget is not None and (
        isinstance(budget, bool) or not isinstance(budget, int) or budget < 0
    ):
        raise ValueError(
            f"Argument `budget` must be None or an integer of 0 or more, but is {budget!r}."
        )
    if not pause >= 0:
        raise ValueError(f"Argument `pause` must be 0 seconds or more, but is {pause!r}.")
    if timeout is not None and not timeout > 0:
        raise ValueError(
            f"Argument `timeout` must be None or more than 0 seconds, but is {timeout!r}."
        )
    if isinstance(tries, bool) or not isinstance(tries, int) or tries < 1:
        raise ValueError(f"Argument `tries` must be an integer of 1 or more, but is {tries!r}.")
