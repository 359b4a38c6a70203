"""What a queue must not forget when its process dies: which jobs were submitted, and their bits.

    journal.jsonl     one line per event, flushed to the disk before anything else happens
    ID.npz            the bits of a finished job with their SHA-256, renamed into place
    .lock             held by the process that uses the folder

A job's id is (hash of the request)-(number of the job)-(number of the try); its seed follows from
the id. For the events see `ledger.py`.
"""

import contextlib
import hashlib
import io
import os
import warnings
from pathlib import Path
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.errors import JournalError
from qrnn_jax.hardware.ledger import open_ledger


@final
class Journal:
    """The memory of a `Queue` on disk: for runs that may be killed and go on.

    Equation: spent = sum over the ids ever submitted of rows x shots, every paid replay once more.

    One process at a time may use a folder. Within it, several journals of one folder are one: what
    a queue pays through one of them counts for all.

    Arguments:
        folder: made with its parents where missing.

    Raises:
        JournalError: the folder cannot be used, another process uses it, or what is in it cannot
            be read.

    Example:
        >>> import tempfile, numpy as np, qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=1)
        >>> spent = []
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for start in range(2):  # a run, and the same one again
        ...         journal = qj.hardware.Journal(folder)
        ...         queue = qj.hardware.Queue(qj.hardware.LocalDevice(), journal=journal)
        ...         bits = queue.run(template, np.array([[1.2]]), shots=100, key=(1,))
        ...         spent.append(queue.spent)
        >>> spent
        [100, 100]
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._ledger = open_ledger(self.folder)
        except JournalError:
            raise
        except OSError as error:
            raise _named(error, self.folder) from error

    @property
    def spent(self) -> int:
        """Shots paid so far, by all queues and processes."""
        return self._ledger.bill.spent

    @property
    def jobs(self) -> int:
        """How many jobs were submitted, all tries and paid replays counted."""
        return len(self._ledger.bill.submitted) + sum(self._ledger.bill.replays.values())

    @property
    def lock(self) -> contextlib.AbstractContextManager[Any]:
        """Whoever looks at `spent` and then submits holds it meanwhile."""
        return self._ledger.lock

    def failures(self, request: str) -> int:
        """How many tries of a job have failed.

        Arguments:
            request: the id without the number of the try.
        """
        return self._ledger.bill.failures.get(request, 0)

    def knows(self, job: str) -> bool:
        """Whether a job was submitted, so that it is paid."""
        return job in self._ledger.bill.submitted

    def ticket(self, job: str) -> str | None:
        """The name under which a remote device knows a job; None where it gave none."""
        return self._ledger.bill.tickets.get(job)

    def submit(self, job: str, rows: int, shots: int, seed: int) -> None:
        """Note that a job is about to be submitted."""
        self._append({"job": job, "seed": seed, "rows": rows, "shots": shots})

    def again(self, job: str, rows: int, shots: int) -> None:
        """Note that a job is about to be played once more by a device that bills it once more."""
        number = self._ledger.bill.replays.get(job, 0) + 1
        self._append({"job": job, "again": number, "rows": rows, "shots": shots})

    def sent(self, job: str, ticket: str) -> None:
        """Note a remote device's own name for a job, before anything waits for it."""
        self._append({"job": job, "ticket": ticket})

    def fail(self, job: str, reason: str) -> None:
        """Note that a try is over."""
        self._append({"job": job, "failed": reason[:500]})

    def finish(self, job: str, bits: np.ndarray) -> None:
        """Keep the bits of a job."""
        packed = np.packbits(bits.astype(np.uint8))
        buffer = io.BytesIO()
        np.savez(buffer, bits=packed, shape=bits.shape, seal=_seal(job, packed))
        path = self._place(job)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(buffer.getvalue())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _named(error, path) from error

    def holds(self, job: str) -> bool:
        """Whether the bits of a job are on the disk, damaged or not."""
        return self._place(job).exists()

    def result(self, job: str) -> np.ndarray | None:
        """The bits of a job that was finished and not forgotten; None where they do not verify."""
        path = self._place(job)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as found:
                packed, shape, seal = found["bits"], tuple(found["shape"]), found["seal"]
            if not np.array_equal(seal, _seal(job, packed)):
                raise ValueError("its SHA-256 does not fit")
            return np.unpackbits(packed, count=int(np.prod(shape))).reshape(shape)
        except Exception as error:  # a damaged archive may raise anything
            warnings.warn(f"Skipped a damaged result, {path}: {error}.", stacklevel=2)
            return None

    def forget(self) -> None:
        """Delete all bits: they are no longer needed once a checkpoint holds what came of them.

        What was submitted stays known: asked for once more, it is not paid again by a simulator,
        nor where a ticket finds it; other devices bill a replay, and it is counted.
        """
        for path in (*self.folder.glob("*.npz"), *self.folder.glob(".*.npz.tmp")):
            path.unlink(missing_ok=True)

    def _place(self, job: str) -> Path:
        return self.folder / f"{job}.npz"

    def _append(self, event: dict[str, Any]) -> None:
        try:
            self._ledger.append(event)
        except OSError as error:
            raise _named(error, self._ledger.path) from error


def _seal(job: str, packed: np.ndarray) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(job.encode() + packed.tobytes()).digest(), np.uint8)


def _named(error: OSError, path: Path) -> JournalError:
    return JournalError(
        error.errno or 0,
        f"The journal of jobs, {path}, must be readable and writable, but: "
        f"{error.strerror or error}; try freeing space or another folder",
    )
