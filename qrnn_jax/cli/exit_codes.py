"""Exit codes, and how an error becomes one of them and a line on stderr."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

UNEXPECTED, BAD_INPUT, NUMERICAL, IO, DEVICE, RESUMABLE, USER = 1, 2, 3, 4, 5, 75, 130


@contextmanager
def exit_codes(*, debug: bool) -> Iterator[None]:
    """Turn an error into its line on stderr and its exit code; with `debug`, show the traceback.

    Warnings become lines, too.

    Example:
        >>> import typer
        >>> from qrnn_jax.cli.exit_codes import exit_codes
        >>> try:
        ...     with exit_codes(debug=False):
        ...         raise ValueError("a bad argument")
        ... except typer.Exit as stop:
        ...     stop.exit_code
        2
    """
    import typer

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except Exception as error:
        if isinstance(error, typer.Exit):
            raise
        if debug:
            traceback.print_exc()
        say(_message(error), prefix="error: ")
        raise typer.Exit(_code(error)) from None


def say(text: str, *, prefix: str = "") -> None:
    """Lines on stderr; the prefix leaves out lines that are indented."""
    for line in text.splitlines():
        print(line if line.startswith(" ") else prefix + line, file=sys.stderr)


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    say(str(message), prefix="warning: ")


def _code(error: Exception) -> int:
    from qrnn_jax import hardware
    from qrnn_jax.training import NumericalError

    kinds: list[tuple[type[Exception], int]] = [
        (NumericalError, NUMERICAL),
        (hardware.DeviceError, DEVICE),
        (OSError, IO),
        (ValueError, BAD_INPUT),
        (MemoryError, BAD_INPUT),
    ]
    return next((code for kind, code in kinds if isinstance(error, kind)), UNEXPECTED)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is None:
        return error.strerror or str(error)
    if _code(error) == UNEXPECTED:
        return f"{type(error).__name__}: {error}; try `--debug` for the place in the code."
    return str(error) or type(error).__name__
