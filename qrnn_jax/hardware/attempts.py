"""One job of a queue: counted, submitted, waited for, and tried again where it fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.deadline import Awaited, Late
from qrnn_jax.hardware.errors import BudgetError, DeviceError, JournalError
from qrnn_jax.hardware.identity import complaint, name_of
from qrnn_jax.hardware.jobs import seed_from
from qrnn_jax.hardware.journal import Journal
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.purse import Purse
from qrnn_jax.hardware.template import Template

At = tuple[bytes, int]  # the hash of a request, and the number of the job in it
# mistakes in a program; a ValueError is none: clients raise it for answers they cannot read
_MISTAKES = (TypeError, ImportError, AttributeError, NotImplementedError)
_UNKNOWN = "; it may still run, so it was not repeated"


@final
@dataclass(frozen=True, eq=False)
class Job:
    """What is played, and who plays it.

    Arguments:
        device, template, rows, shots: as in a device's `run`.
        at: which request it belongs to, and its number there.
    """

    device: AbstractDevice
    template: Template
    rows: np.ndarray
    shots: int
    at: At

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its bits."""
        return len(self.rows), self.shots, self.template.steps, self.template.outputs


@final
class Attempts:
    """The tries of jobs, and what is awaited.

    Arguments:
        purse: pays.
        journal: remembers; None: nobody.
        tries: how often a job is submitted.
        pause: seconds before the second try; doubled before every further one.
        timeout: seconds to wait for an answer in one try; None waits for ever.
    """

    def __init__(
        self,
        purse: Purse,
        journal: Journal | None,
        *,
        tries: int,
        pause: float,
        timeout: float | None,
    ) -> None:
        self._purse = purse
        self._journal = journal
        self._tries = tries
        self._pause = pause
        self._timeout = timeout
        self._awaited: dict[At, tuple[int, Awaited]] = {}  # submitted, and silent so far
        self._open: dict[At, tuple[int, str | None]] = {}  # sent, perhaps; the ticket, if known

    def is_free(self, device: AbstractDevice, at: At) -> bool:
        """Whether a job was finished before, is under way, or costs nothing to play again.

        Arguments:
            device: who plays it.
            at: which job.
        """
        if self._is_under_way(at):
            return True
        name = f"{name_of(*at)}-{self._failures(name_of(*at))}"
        if self._journal is None or not self._journal.knows(name):
            return False
        if self._journal.holds(name):
            return True
        return device.replays_free or device.gives_tickets

    def _is_under_way(self, at: At) -> bool:
        return at in self._awaited or at in self._open

    def _failures(self, name: str) -> int:
        return 0 if self._journal is None else self._journal.failures(name)

    def bits(self, job: Job) -> np.ndarray:
        """The answer to a job, tried again where it fails.

        Arguments:
            job: what is played.

        Raises:
            BudgetError: one more try does not fit into the budget.
            DeviceError: it failed in all tries.
            JournalError: the journal cannot be written.
        """
        problem, at, size = "", job.at, (len(job.rows), job.shots)
        attempt = self._attempt(at)  # tries that failed in another process are over
        for trial in range(self._tries):
            if trial:
                time.sleep(self._pause * 2 ** (trial - 1))
            name, seed = f"{name_of(*at)}-{attempt}", seed_from((*at[0], at[1], attempt))
            kept = None if self._journal is None else self._journal.result(name)
            if kept is not None and kept.shape == job.shape:
                return kept
            is_new = not self._is_under_way(at) and self._purse.pay(name, *size, seed)
            try:
                found = self._answer(at, attempt, partial(self._play, job, attempt, seed, is_new))
                problem = complaint(found, job.shape) or ""
            except Late:
                problem = f"no answer in {self._timeout} s{_UNKNOWN}"
                continue
            except (*_MISTAKES, JournalError, BudgetError):
                raise  # trying again would cost shots and change nothing
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                if job.device.gives_tickets and not isinstance(error, DeviceError):
                    problem += _UNKNOWN
                    continue
            self._open.pop(at, None)
            if not problem:
                self._note("finish", name, found)
                return found
            self._note("fail", name, problem)
            attempt += 1
        raise DeviceError(f"The device must play a job, but failed {self._tries} times: {problem}")

    def _note(self, event: str, job: str, what: Any) -> None:
        """Tell the journal, if there is one."""
        if self._journal is not None:
            getattr(self._journal, event)(job, what)

    def _attempt(self, at: At) -> int:
        """The number of a job's next try, or of the one that is on its way."""
        if at in self._awaited:
            return self._awaited[at][0]
        return self._open[at][0] if at in self._open else self._failures(name_of(*at))

    def _answer(self, at: At, attempt: int, call: Callable[[], Any]) -> Any:
        """What a job returned: a new one, or one that is on its way."""
        if self._timeout is None:
            return call()
        awaited = self._awaited.pop(at)[1] if at in self._awaited else Awaited(call)
        try:
            return awaited.answer(self._timeout)
        except Late:
            self._awaited[at] = attempt, awaited
            raise

    def _play(self, job: Job, attempt: int, seed: int, is_new: bool) -> np.ndarray:
        """Send a job and wait for it; only wait where the device has it already."""
        given = job.template, job.rows, job.shots, seed
        if job.device.gives_tickets:
            return job.device.attach(self._ticket(job, attempt, seed, is_new), *given)
        if not is_new and not job.device.replays_free:
            self._purse.pay_again(f"{name_of(*job.at)}-{attempt}", len(job.rows), job.shots)
        return job.device.attach(None, *given)

    def _ticket(self, job: Job, attempt: int, seed: int, is_new: bool) -> str | None:
        """A device's name for a job: the one that is noted, or that it finds, or a new one."""
        name = f"{name_of(*job.at)}-{attempt}"
        noted = None if self._journal is None else self._journal.ticket(name)
        ticket = noted or self._open.get(job.at, (attempt, None))[1]
        if ticket is None and not is_new:
            ticket = job.device.find(name)
        if ticket is None:
            self._open[job.at] = attempt, None
            ticket = job.device.submit(name, job.template, job.rows, job.shots, seed)
        if ticket is None:  # nothing was sent: it is played where it is awaited
            return None
        if not isinstance(ticket, str) or not ticket:
            raise TypeError(f"A device must give tickets that are text, but gave {ticket!r}.")
        self._open[job.at] = attempt, ticket
        if noted is None:
            self._note("sent", name, ticket)
        return ticket
