"""SIGINT and SIGTERM as a question that the training loop asks between its calls."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, final

from .exit_codes import RESUMABLE, USER

CODES = {signal.SIGINT: USER, signal.SIGTERM: RESUMABLE}
PLACE = "after a checkpoint"
NOTICE = "\nStopping {}; once more to stop at once.\n"
SHOW_CURSOR = b"\x1b[?25h"


@final
class Signals:
    """While entered, the first signal sets `received` and the second one ends the process.

    Arguments:
        place: where a run stops, as the user is told.

    Example:
        >>> import os, signal
        >>> from qrnn_jax.cli.signals import Signals
        >>> with Signals() as signals:
        ...     signals.received is None
        True
    """

    def __init__(self, place: str = PLACE) -> None:
        self._notice = NOTICE.format(place).encode()
        self.received: signal.Signals | None = None
        self._old: dict[signal.Signals, Any] = {}

    @property
    def exit_code(self) -> int:
        """For a run that a signal has stopped."""
        return USER if self.received is None else CODES[self.received]

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._handle) for number in CODES}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is not None:
            if os.isatty(2):
                os.write(2, SHOW_CURSOR)
            os._exit(CODES[signal.Signals(number)])
        self.received = signal.Signals(number)
        os.write(2, self._notice)  # not `print`: a handler may interrupt one
