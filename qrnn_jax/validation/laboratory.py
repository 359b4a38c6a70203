"""Run the experiments of the gradient laboratory into a folder, one result file after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, final

import jax

from qrnn_jax.training.files import write_atomically
from qrnn_jax.training.machine import machine, versions
from qrnn_jax.training.metrics import strict_json
from qrnn_jax.training.recorder import Interrupted

from .cells import chosen_cells
from .experiment import Experiment, Findings, Settings
from .experiments import EXPERIMENTS, chosen
from .record import Record, finished
from .write_up import draw, write_report


class Reporter(Protocol):
    """Whom the laboratory tells what happens, and asks whether to stop.

    Example:
        >>> from qrnn_jax.validation.laboratory import Silent
        >>> Silent().stopping()
        False
    """

    def begin(self, experiment: Experiment) -> None:
        """An experiment begins."""

    def advance(self, fraction: float, text: str) -> None:
        """A fraction of the experiment is done; the text says what comes now."""

    def end(self, record: Record, resumed: bool) -> None:
        """An experiment is finished; `resumed` if in an earlier session."""

    def stopping(self) -> bool:
        """Whether to stop; what is finished has been written."""
        ...


@final
class Silent:
    """A reporter that says nothing and never stops.

    Example:
        >>> from qrnn_jax.validation.laboratory import Silent
        >>> Silent().advance(0.5, "half")
    """

    def begin(self, experiment: Experiment) -> None:
        del experiment

    def advance(self, fraction: float, text: str) -> None:
        del fraction, text

    def end(self, record: Record, resumed: bool) -> None:
        del record, resumed

    def stopping(self) -> bool:
        return False


def run_laboratory(
    settings: Settings,
    folder: Path,
    only: Sequence[str] = (),
    reporter: Reporter | None = None,
    *,
    experiments: Sequence[Experiment] = EXPERIMENTS,
    write: Callable[[Sequence[Record], Path], None] = write_report,
) -> tuple[Record, ...]:
    """Run experiments in float64, each into a file of its own; skip those that are finished.

    Writes E1.json, E1.png, ... as each is done, then what `write` writes. A second run into
    the same folder with the same settings and the same version of the library takes up each E1.json
    that it finds and draws its picture anew.

    Arguments:
        settings: how large the experiments are, and which cells they look at.
        folder: made where missing.
        only: names such as "E3"; empty for all.
        reporter: is told what happens, and may ask to stop.
        experiments: from which `only` chooses.
        write: puts the finished records into the folder: report.json and report.md by default.

    Returns:
        One `Record` per experiment, in order.

    Raises:
        ValueError: an unknown name of a cell or an experiment.
        Interrupted: the reporter asked to stop; finished experiments have been written.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import validation
        >>> from qrnn_jax.validation.laboratory import run_laboratory
        >>> def measure(settings, progress):
        ...     return validation.Findings("It holds.", (validation.Check("error", 0.0, high=1),))
        >>> mine = validation.Experiment("E0", "nothing", "Does it hold?", measure)
        >>> with tempfile.TemporaryDirectory() as name:
        ...     records = run_laboratory(validation.Settings(), Path(name), experiments=(mine,))
        ...     sorted(path.name for path in Path(name).iterdir())
        ['E0.json', 'report.json', 'report.md']
        >>> records[0].findings.conclusion
        'It holds.'
    """
    chosen_cells(settings)
    planned = chosen(only, experiments)
    reporter = reporter or Silent()
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for experiment in planned:
        path = folder / f"{experiment.name}.json"
        record = finished(experiment, settings, path)
        resumed = record is not None
        if record is None:
            record = _run(experiment, settings, reporter)
            write_atomically(path, (strict_json(record.to_json(), indent=2) + "\n").encode())
        draw(record, folder)
        records.append(record)
        reporter.end(record, resumed)
    write(records, folder)
    return tuple(records)


def _run(experiment: Experiment, settings: Settings, reporter: Reporter) -> Record:
    reporter.begin(experiment)

    def progress(fraction: float, text: str) -> None:
        if reporter.stopping():
            raise Interrupted(f"Stopped in experiment {experiment.name}.")
        reporter.advance(fraction, text)

    start = time.perf_counter()
    with jax.enable_x64(True):
        progress(0.0, experiment.title)
        found = experiment.run(settings, progress)
    seconds = time.perf_counter() - start
    # as a later session will read it: the pictures need nothing but the file
    findings = Findings.from_json(json.loads(strict_json(found.to_json())))
    return Record(experiment, findings, settings, seconds, versions(), machine())
