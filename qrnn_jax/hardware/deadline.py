"""Waiting for a job no longer than agreed, and never asking for it twice because of that."""

import threading
from collections.abc import Callable
from typing import Any, final


@final
class Late(Exception):
    """No answer yet: the job may still run."""


@final
class Awaited:
    """A call in a thread of its own, whose answer may be asked for again and again.

    Arguments:
        call: what to call, once.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._over = threading.Event()
        self._found: Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            self._found = self._call()
        except BaseException as error:  # handed over to whoever asks
            self._error = error
        self._over.set()

    def answer(self, seconds: float) -> Any:
        """What the call returned or raised.

        Arguments:
            seconds: how long to wait for it.

        Raises:
            Late: it has not returned by then.
        """
        if not self._over.wait(seconds):
            raise Late
        if self._error is not None:
            raise self._error
        return self._found
