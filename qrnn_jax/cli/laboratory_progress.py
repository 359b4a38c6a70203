"""Progress of the laboratory: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from rich.console import Console
from rich.progress import Progress

from qrnn_jax.validation import Experiment
from qrnn_jax.validation.laboratory import Reporter
from qrnn_jax.validation.record import Record
from qrnn_jax.validation.write_up import passed

from .progress import LINE_SECONDS, bar, duration


@contextmanager
def reporting(stopping: Callable[[], bool]) -> Iterator[Reporter]:
    """A reporter that suits stderr.

    Arguments:
        stopping: whether a signal has come.

    Example:
        >>> from qrnn_jax.cli.laboratory_progress import reporting
        >>> with reporting(lambda: False) as reporter:
        ...     reporter.stopping()
        False
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainReporter(stopping)
        return
    with bar(console) as progress:
        yield BarReporter(progress, stopping)


@final
class BarReporter:
    """One line on a terminal: experiment, bar, what is done, seconds; and a line when finished."""

    def __init__(self, progress: Progress, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping
        self._progress = progress
        self._task = progress.add_task("starting", total=1.0, numbers="")
        self._start = time.monotonic()

    def begin(self, experiment: Experiment) -> None:
        self._start = time.monotonic()
        name = f"{experiment.name} {experiment.title}"
        self._progress.reset(self._task, description=name, total=1.0, numbers="")

    def advance(self, fraction: float, text: str) -> None:
        seconds = duration(time.monotonic() - self._start)
        self._progress.update(self._task, completed=fraction, numbers=f"{text}  {seconds}")

    def end(self, record: Record, resumed: bool) -> None:
        self._progress.console.print(finished_line(record, resumed), markup=False, highlight=False)


@final
class PlainReporter:
    """Lines on stderr, not more than one every few seconds within an experiment."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping
        self._start = self._shown = time.monotonic()

    def begin(self, experiment: Experiment) -> None:
        self._start = self._shown = time.monotonic()
        print(f"{experiment.name} {experiment.title} ...", file=sys.stderr, flush=True)

    def advance(self, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now - self._shown < LINE_SECONDS:
            return
        self._shown = now
        line = f"  {100 * fraction:3.0f} %  {duration(now - self._start)}  {text}"
        print(line, file=sys.stderr, flush=True)

    def end(self, record: Record, resumed: bool) -> None:
        print(finished_line(record, resumed), file=sys.stderr, flush=True)


def finished_line(record: Record, resumed: bool) -> str:
    """What to say when an experiment is finished.

    Example:
        >>> from qrnn_jax.cli.laboratory_progress import finished_line
        >>> callable(finished_line)
        True
    """
    how = "found finished" if resumed else f"{record.seconds:.1f} s"
    experiment = record.experiment
    return f"{experiment.name} {experiment.title}: {passed(record.findings.checks)} checks, {how}"
