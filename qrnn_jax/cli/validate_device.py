"""`qrnn-jax validate --device`: a device's counts beside their prediction."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from .exit_codes import UNEXPECTED
from .result_folder import result_folder


def validate_device(
    device: str, noise: str | None, cells: Sequence[str], shots: int | None, out: Path | None
) -> None:
    """Run, write `device.json` and `device.png`, print the table.

    Arguments:
        device, noise: as `hardware.named`.
        cells: of the laboratory; none for the default ones.
        shots: of every circuit; None for the default.
        out: the folder, or None.

    Raises:
        typer.Exit: code 1, counts and prediction differ.

    Example:
        >>> from qrnn_jax.cli.validate_device import validate_device
        >>> callable(validate_device)
        True
    """
    from qrnn_jax.plots.picture import save
    from qrnn_jax.training.files import write_atomically
    from qrnn_jax.training.machine import machine, versions
    from qrnn_jax.training.metrics import strict_json
    from qrnn_jax.validation import compare_device, draw_device

    from .comparison_table import print_device

    folder = result_folder("validate-device", out, resume=False)
    sizes = {} if shots is None else {"shots": shots}
    with telling() as progress:
        report = compare_device(device, noise, cells=cells, progress=progress, **sizes)
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**report.to_json(), "versions": versions(), "machine": machine()}
    write_atomically(folder / "device.json", strict_json(whole).encode())
    save(draw_device(report), folder / "device.png")
    print_device(report, folder)
    if not report.passed:
        raise typer.Exit(UNEXPECTED)


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Says on stderr what is being done: in place on a terminal, else in lines.

    Example:
        >>> from qrnn_jax.cli.validate_device import telling
        >>> with telling() as tell:
        ...     callable(tell)
        True
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: print(f"{text} ...", file=sys.stderr, flush=True)
        return
    with console.status("starting") as status:
        yield lambda text: status.update(text)
