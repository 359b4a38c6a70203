"""The entry point; imports the command-line library on first use."""

from __future__ import annotations

from collections.abc import Sequence

from .exit_codes import USER


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Arguments:
        arguments: of the command line, without the program's name; None takes those of the process.

    Returns:
        The exit code: 0 ok, 2 bad input, 3 numerical failure, 4 I/O, 5 device, 75 interrupted but
        resumable, 130 interrupted by the user, 1 anything unexpected.

    Example:
        >>> from qrnn_jax.cli import main
        >>> main(["train", "sunspot"])  # the message goes to stderr
        2
    """
    try:
        from .app import app

        app(args=None if arguments is None else list(arguments), prog_name="qrnn-jax")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return USER
    return 0
