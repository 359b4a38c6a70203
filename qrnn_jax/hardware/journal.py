"""What a queue must not forget when its process dies: which jobs were submitted, and their bits.

    journal.jsonl     one line per event, flushed to the disk before anything else happens
        {"job": id, "seed": s, "rows": r, "shots": n}     about to be submitted: paid from here on
        {"job": id, "ticket": text}                       a remote device knows it by this name
        {"job": id, "failed": text}                       this try is over
    ID.npz            the bits of a finished job with their SHA-256, renamed into place

A job's id is (hash of the request)-(number of the job)-(number of the try); its seed follows from
the id. A line that a dying writer left torn was never acted upon, and is dropped.
"""

import contextlib
import hashlib
import io
import json
import os
import warnings
from pathlib import Path
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.errors import JournalError

_MAX_BYTES = 2**28


@final
class Journal:
    """The memory of a `Queue` on disk: for runs that may be killed and go on.

    Equation: spent = sum over the ids ever submitted of rows x shots.

    One process at a time may use a folder.

    Arguments:
        folder: made with its parents where missing.

    Raises:
        JournalError: the folder cannot be used, or what is in it cannot be read.

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

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.spent = 0
        self._submitted: set[str] = set()
        self._tickets: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._read()
        except OSError as error:
            raise _named(error, self.folder) from error

    @property
    def jobs(self) -> int:
        """How many jobs were submitted, all tries counted."""
        return len(self._submitted)

    def failures(self, request: str) -> int:
        """How many tries of a job have failed.

        Arguments:
            request: the id without the number of the try.
        """
        return self._failures.get(request, 0)

    def knows(self, job: str) -> bool:
        """Whether a job was submitted, so that it is paid."""
        return job in self._submitted

    def ticket(self, job: str) -> str | None:
        """The name under which a remote device knows a job; None where it gave none."""
        return self._tickets.get(job)

    def submit(self, job: str, rows: int, shots: int, seed: int) -> None:
        """Note that a job is about to be submitted."""
        self._append({"job": job, "seed": seed, "rows": rows, "shots": shots})

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

        What was submitted stays known, so it is not paid again.
        """
        for path in (*self.folder.glob("*.npz"), *self.folder.glob(".*.npz.tmp")):
            path.unlink(missing_ok=True)

    def _place(self, job: str) -> Path:
        return self.folder / f"{job}.npz"

    @property
    def _log(self) -> Path:
        return self.folder / "journal.jsonl"

    def _append(self, event: dict[str, Any]) -> None:
        try:
            with open(self._log, "ab") as file:
                file.write(json.dumps(event).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _named(error, self._log) from error
        self._learn(event)

    def _learn(self, event: dict[str, Any]) -> None:
        job = event["job"]
        if "ticket" in event:
            self._tickets[job] = event["ticket"]
        elif "failed" in event:
            request, _, attempt = job.rpartition("-")
            self._failures[request] = max(self.failures(request), int(attempt) + 1)
        elif job not in self._submitted:
            self._submitted.add(job)
            self.spent += event["rows"] * event["shots"]

    def _read(self) -> None:
        """Learn what earlier processes did; a torn last line is cut off."""
        if not self._log.exists():
            return
        with open(self._log, "rb+") as file:
            content = file.read(_MAX_BYTES + 1)
            if len(content) > _MAX_BYTES:
                raise OSError(f"it must have at most {_MAX_BYTES} bytes, but has more")
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                self._learn(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise OSError(
                    f"line {number} of {self._log.name} is damaged, so what was paid is unknown"
                ) from None


def _seal(job: str, packed: np.ndarray) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(job.encode() + packed.tobytes()).digest(), np.uint8)


def _named(error: OSError, path: Path) -> JournalError:
    return JournalError(
        error.errno or 0,
        f"The journal of jobs, {path}, must be readable and writable, but: "
        f"{error.strerror or error}; try freeing space or another folder",
    )
