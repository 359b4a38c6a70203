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
        raise _named(error, path, len(content)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def append(path: Path, content: bytes) -> None:
    """Append to a file, made where missing; not atomic: a crash may leave the last line torn.

    Raises:
        OSError: naming path and bytes.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.training.files import append
        >>> with tempfile.TemporaryDirectory() as name:
        ...     append(Path(name) / "a.txt", b"one ")
        ...     append(Path(name) / "a.txt", b"two")
        ...     (Path(name) / "a.txt").read_text()
        'one two'
    """
    try:
        with open(path, "ab") as file:
            file.write(content)
    except OSError as error:
        raise _named(error, path, len(content)) from error


def _named(error: OSError, path: Path, size: int) -> OSError:
    """The same error, saying which file and how many bytes."""
    return OSError(
        error.errno or 0,
        f"File {path} ({size} bytes) must be writable, but {error.strerror or error}; "
        "try freeing space or another folder",
    )


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
