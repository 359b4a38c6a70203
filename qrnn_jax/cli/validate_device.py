"""`qrnn-jax validate --device`: a device's counts beside their prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from .exit_codes import UNEXPECTED, say
from .result_folder import result_folder
from .signals import Signals


def validate_device(
    device: str,
    noise: str | None,
    cells: Sequence[str],
    shots: int | None,
    out: Path | None,
    signals: Signals,
) -> None:
    """Run, write `device.json` and `device.png`, print the table.

    Arguments:
        device, noise: as `hardware.named`.
        cells: of the laboratory; none for the default ones.
        shots: of every circuit; None for the default.
        out: the folder, or None.
        signals: ends the command between the circuits; nothing is written then.

    Raises:
        typer.Exit: code 1, counts and prediction differ; that of a signal.

    Example:
        >>> from qrnn_jax.cli.validate_device import validate_device
        >>> callable(validate_device)
        True
    """
    from qrnn_jax.plots.picture import save
    from qrnn_jax.training.files import write_atomically
    from qrnn_jax.training.machine import machine, versions
    from qrnn_jax.training.metrics import strict_json
    from qrnn_jax.training.recorder import Interrupted
    from qrnn_jax.validation import compare_device, draw_device

    from .comparison_table import print_comparison
    from .progress import reporting

    folder = result_folder("validate-device", out, resume=False)
    sizes = {} if shots is None else {"shots": shots}
    try:
        with reporting(1, lambda: signals.received is not None) as reporter:
            progress = _stopping(reporter.stage, signals)
            report = compare_device(device, noise, cells=cells, progress=progress, **sizes)
        _check_not_stopped(signals, "the report")
    except Interrupted as stop:
        say(str(stop))
        raise typer.Exit(signals.exit_code) from None
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**report.to_json(), "versions": versions(), "machine": machine()}
    write_atomically(folder / "device.json", strict_json(whole).encode())
    save(draw_device(report), folder / "device.png")
    print_comparison(report, folder)
    if not report.passed:
        raise typer.Exit(UNEXPECTED)


def _stopping(tell: Callable[[str], None], signals: Signals) -> Callable[[str], None]:
    """Tells, unless a signal has come."""

    def progress(text: str) -> None:
        _check_not_stopped(signals, text)
        tell(text)

    return progress


def _check_not_stopped(signals: Signals, text: str) -> None:
    from qrnn_jax.training.recorder import Interrupted

    if signals.received is not None:
        raise Interrupted(f"Stopped before {text}; nothing was written.")
