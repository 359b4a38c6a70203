"""Progress: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from qrnn_jax.training.recorder import Reporter

LINE_SECONDS = 5.0  # between plain lines
BAR_WIDTH = 20


@contextmanager
def reporting(steps: int, stopping: Callable[[], bool]) -> Iterator[Reporter]:
    """A reporter that suits stderr.

    Arguments:
        steps: the last step's number.
        stopping: whether a signal has come.

    Example:
        >>> from qrnn_jax.cli.progress import reporting
        >>> with reporting(10, lambda: False) as reporter:
        ...     reporter.stopping()
        False
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainReporter(steps, stopping)
        return
    with bar(console) as progress:
        yield BarReporter(progress, steps, stopping)


def bar(console: Console) -> Progress:
    """A bar that vanishes when done.

    Example:
        >>> from rich.console import Console
        >>> from qrnn_jax.cli.progress import bar
        >>> bar(Console()).finished
        True
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=BAR_WIDTH),
        TextColumn("{task.fields[numbers]}"),
    )
    return Progress(*columns, console=console, transient=True)


@final
class BarReporter:
    """One line on a terminal: stage, bar, loss, time left."""

    def __init__(self, progress: Progress, steps: int, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping
        self._progress = progress
        self._steps = steps
        self._task = progress.add_task("starting", total=None, numbers="")
        self._validation_loss: float | None = None  # the last one, to be shown until the next

    def stage(self, text: str) -> None:
        self._progress.reset(self._task, description=text, total=None, numbers="")

    def advance(self, step: int, loss: float, validation_loss: float | None, left_s: float) -> None:
        if validation_loss is not None:
            self._validation_loss = validation_loss
        shown = losses(loss, self._validation_loss)
        numbers = f"{step}/{self._steps}  {shown}  {duration(left_s)} left"
        self._progress.update(
            self._task, description="training", total=self._steps, completed=step, numbers=numbers
        )


@final
class PlainReporter:
    """Lines on stderr, not more than one every few seconds."""

    def __init__(self, steps: int, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping
        self._steps = steps
        self._shown = -LINE_SECONDS

    def stage(self, text: str) -> None:
        print(f"{text} ...", file=sys.stderr, flush=True)

    def advance(self, step: int, loss: float, validation_loss: float | None, left_s: float) -> None:
        now = time.monotonic()
        if step < self._steps and now - self._shown < LINE_SECONDS:
            return
        self._shown = now
        left = f"{duration(left_s)} left" if step < self._steps else "done"
        width = len(str(self._steps))
        line = f"step {step:{width}}/{self._steps}  {losses(loss, validation_loss)}  {left}"
        print(line, file=sys.stderr, flush=True)


def losses(loss: float, validation_loss: float | None) -> str:
    """Example:

    >>> from qrnn_jax.cli.progress import losses
    >>> losses(0.0123456, None)
    'loss 0.01235'
    """
    validation = "" if validation_loss is None else f"  validation {validation_loss:.4g}"
    return f"loss {loss:.4g}{validation}"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    Example:
        >>> from qrnn_jax.cli.progress import duration
        >>> duration(42.4), duration(184), duration(7300)
        ('42 s', '3 min 04 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
