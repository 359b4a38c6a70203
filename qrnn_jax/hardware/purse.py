"""What a queue may spend and has spent: with a journal, what everybody spent who uses it."""

import operator
import threading
from contextlib import AbstractContextManager
from typing import Any, final

from qrnn_jax.hardware.errors import BudgetError
from qrnn_jax.hardware.journal import Journal


@final
class Purse:
    """Shots: allowed, spent, left.

    Equation: spent <= budget, always: what is submitted is counted before.

    Arguments:
        budget: shots in all; None for no limit.
        journal: where shots are counted; None: here.

    Raises:
        ValueError: the budget is no integer of 0 or more.
    """

    def __init__(self, budget: Any, journal: Journal | None) -> None:
        self.budget = None if budget is None else whole("budget", budget, 0, "None or an")
        self._journal = journal
        self._spent = self._jobs = 0
        own: AbstractContextManager[Any] = threading.RLock()
        self._lock = own if journal is None else journal.lock

    @property
    def spent(self) -> int:
        """Shots submitted, failed tries included."""
        return self._spent if self._journal is None else self._journal.spent

    @property
    def jobs(self) -> int:
        """Jobs submitted, failed tries included."""
        return self._jobs if self._journal is None else self._journal.jobs

    @property
    def left(self) -> int | None:
        """Shots that may still be spent; None for no limit."""
        return None if self.budget is None else self.budget - self.spent

    def check(self, wanted: int) -> None:
        """Refuse what is not left.

        Arguments:
            wanted: shots.

        Raises:
            BudgetError: fewer are left.
        """
        left = self.left
        if left is not None and wanted > left:
            raise BudgetError(
                f"Argument `budget` must allow {wanted} more shots, but of {self.budget} only "
                f"{left} are left; they were not submitted. Try fewer `shots`, or a rule with "
                "fewer circuits."
            )

    def pay(self, job: str, rows: int, shots: int, seed: int) -> bool:
        """Count a job and write its id down, unless that was done before.

        Arguments:
            job: its id.
            rows, shots, seed: of the job.

        Returns:
            Whether it is new.
        """
        with self._lock:
            if self._journal is not None and self._journal.knows(job):
                return False
            self.check(rows * shots)
            if self._journal is not None:
                self._journal.submit(job, rows, shots, seed)
            self._spent += rows * shots
            self._jobs += 1
            return True

    def pay_again(self, job: str, rows: int, shots: int) -> None:
        """Count a job once more, which a journal knows.

        Arguments:
            job: its id.
            rows, shots: of the job.
        """
        assert self._journal is not None
        with self._lock:
            self.check(rows * shots)
            self._journal.again(job, rows, shots)


def whole(name: str, value: Any, least: int, what: str = "an") -> int:
    """An integer of any library, at least so large.

    Arguments:
        name: of the argument.
        value: what was given.
        least: the smallest one.
        what: begins the sentence.
    """
    try:
        found = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = None
    if found is None or found < least:
        raise ValueError(
            f"Argument `{name}` must be {what} integer of {least} or more, but is {value!r}."
        )
    return found
