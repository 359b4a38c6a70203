"""Reading and writing small files without surprises."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, nothing between.

    Written beside the target, flushed to the disk, renamed over it.

    Raises:
        OSError: naming path and bytes; the old file is intact and no temporary file is left.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.training.files import write_atomically
        >>> with tempfile.TemporaryDirectory() as name:
        ...     write_atomically(Path(name) / "a.txt", b"hello")
        ...     (Path(name) / "a.txt").read_text()
        'hello'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = error.strerror or error
        raise OSError(
            error.errno or 0,
            f"File {path} ({len(content)} bytes) must be writable, but {reason}; "
            "try freeing space or another folder",
        ) from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_capped(path: Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes; reads no more than that.

    Raises:
        ValueError: the file is larger.
        OSError: it cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.training.files import read_capped
        >>> with tempfile.TemporaryDirectory() as name:
        ...     size = (Path(name) / "a").write_bytes(b"xyz")
        ...     read_capped(Path(name) / "a", 3)
        b'xyz'
    """
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"File {path} must have at most {limit} bytes, but has more.")
    return content
