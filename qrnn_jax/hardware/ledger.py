"""The events of a journal: a text file with a line for each, and what they add up to.

    {"job": id, "seed": s, "rows": r, "shots": n}     about to be submitted: paid from here on
    {"job": id, "again": k, "rows": r, "shots": n}    about to be played once more, and paid again
    {"job": id, "ticket": text}                       a remote device knows it by this name
    {"job": id, "failed": text}                       this try is over

A line that a dying writer left torn was never acted upon, and is dropped. A folder belongs to one
process at a time: it holds a lock there, and all its ledgers of one folder are the same object.
"""

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final
from weakref import WeakValueDictionary

from qrnn_jax.hardware.errors import JournalError

try:
    import fcntl
except ImportError:  # not on every system: there a folder is not locked
    fcntl = None  # type: ignore[assignment]

_MAX_BYTES = 2**28
_OPEN: "WeakValueDictionary[tuple[int, int], Ledger]" = WeakValueDictionary()
_OPENING = threading.Lock()


def open_ledger(folder: Path) -> "Ledger":
    """The ledger of a folder, read anew; the lock is kept as long as somebody holds it.

    Arguments:
        folder: exists.

    Raises:
        JournalError: another process uses it, or a line is damaged.
        OSError: it cannot be read or written.
    """
    with _OPENING:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        found = os.fstat(handle)
        ledger = _OPEN.get((found.st_dev, found.st_ino))
        if ledger is None:
            ledger = Ledger(folder / "journal.jsonl", handle)
            ledger.acquire()
            _OPEN[found.st_dev, found.st_ino] = ledger
        else:
            os.close(handle)
        ledger.read()
        return ledger


@final
@dataclass
class Bill:
    """What the events add up to.

    Arguments:
        spent: shots paid.
        submitted: ids of jobs.
        replays: how often a job was paid once more.
        tickets: a remote device's names of jobs.
        failures: tries that are over, by the id without the number of the try.
    """

    spent: int = 0
    submitted: set[str] = field(default_factory=set)
    replays: dict[str, int] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def learn(self, event: dict[str, Any]) -> None:
        """Add an event.

        Arguments:
            event: see the module's text.
        """
        job = event["job"]
        if "ticket" in event:
            if not isinstance(event["ticket"], str):
                raise TypeError("a ticket must be text")
            self.tickets[job] = event["ticket"]
        elif "failed" in event:
            request, _, attempt = job.rpartition("-")
            self.failures[request] = max(self.failures.get(request, 0), int(attempt) + 1)
        elif "again" in event:
            self.replays[job] = self.replays.get(job, 0) + 1
            self.spent += event["rows"] * event["shots"]
        elif job not in self.submitted:
            self.submitted.add(job)
            self.spent += event["rows"] * event["shots"]


@final
class Ledger:
    """What was submitted, how often, and what came of it.

    Arguments:
        path: of the file of events.
        handle: an open file in its folder, to be locked.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._handle = handle
        self.bill = Bill()

    def __del__(self) -> None:
        os.close(self._handle)  # the lock goes with it

    def acquire(self) -> None:
        """Refuse a folder that another process uses."""
        if fcntl is None:
            return
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(
                f"The journal of jobs, {self.path.parent}, must be free, but another process is "
                "using it; try another folder, or wait for that process to end."
            ) from None

    def append(self, event: dict[str, Any]) -> None:
        """Write an event to the disk, then believe it.

        Arguments:
            event: see the module's text.

        Raises:
            OSError: it cannot be written.
        """
        with self.lock:
            with open(self.path, "ab") as file:
                file.write(json.dumps(event).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self.bill.learn(event)

    def read(self) -> None:
        """Learn what was done so far; a torn last line is cut off.

        Raises:
            JournalError: a line is damaged.
            OSError: it cannot be read or written.
        """
        with self.lock:
            bill = Bill()
            for number, line in enumerate(self._lines(), start=1):
                try:
                    bill.learn(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    raise JournalError(
                        f"Line {number} of {self.path} must be an event of a job, but is damaged, "
                        "so what was paid is unknown; try restoring the file from a copy, or start "
                        "in a new folder: shots paid already are not counted there."
                    ) from None
            self.bill = bill

    def _lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        with open(self.path, "rb+") as file:
            content = file.read(_MAX_BYTES + 1)
            if len(content) > _MAX_BYTES:
                raise OSError(f"it must have at most {_MAX_BYTES} bytes, but has more")
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)
        return content[:whole].splitlines()
