"""A run folder: who may write it, and which file is where."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import RunFolderError
from .files import write_atomically
from .metrics import strict_json

try:
    import fcntl
except ImportError:  # not a POSIX system: no lock
    fcntl = None  # type: ignore[assignment]


class RunFolder:
    """A folder that one run owns, as a context manager.

        config.json     what was asked, complete
        metrics.jsonl   one line per logged step
        summary.json    what came out; written last
        *.png           pictures
        checkpoints/    see `checkpoint.py`
        .lock           held by the running process, released when it ends in whatever way

    Arguments:
        path: the folder; made with its parents where missing.

    Raises:
        RunFolderError: on entering, where the folder cannot be made or written, or another process
            runs in it.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> with tempfile.TemporaryDirectory() as name, training.RunFolder(Path(name)) as folder:
        ...     folder.write_json("summary.json", {"steps": 3})
        ...     folder.summary.read_text().strip()
        '{\\n  "steps": 3\\n}'
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock: int | None = None

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def __enter__(self) -> RunFolder:
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_bytes(b"writable?")
            probe.unlink()
            self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunFolderError(
                f"Output folder {self.path} must be writable, but {error.strerror or error}; "
                "try another `--out`."
            ) from error
        self._acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write_json(self, name: str, value: Any) -> None:
        """Write strict JSON into the folder, atomically."""
        write_atomically(self.path / name, (strict_json(value, indent=2) + "\n").encode())

    def _acquire(self) -> None:
        assert self._lock is not None
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            raise RunFolderError(
                f"Output folder {self.path} must be free, but another run is writing it; "
                "try another `--out`, or wait for that run to end."
            ) from None
