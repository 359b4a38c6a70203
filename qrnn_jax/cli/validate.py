"""`qrnn-jax validate`: the gradient laboratory, from settings to a report folder and a table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .exit_codes import UNEXPECTED, exit_codes, say
from .options import Debug, Noise, Out, Resume
from .result_folder import result_folder
from .signals import Signals
from .validate_device import validate_device

Full = Annotated[
    bool,
    typer.Option("--full/--quick", help="The full size, within an hour, or a look in minutes."),
]
Cells = Annotated[
    list[str] | None,
    typer.Option(
        "--cell",
        help="Look at this cell of the laboratory only. May be repeated.",
        metavar="NAME",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", help="Run this experiment only. May be repeated.", metavar="E", show_default=False
    ),
]
DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Instead: run cells on this device, prediction beside counts. local, aer or braket.",
        metavar="NAME",
        show_default=False,
    ),
]
Shots = Annotated[
    int | None,
    typer.Option(
        help="For --device: shots of every circuit; 2048.", metavar="N", show_default=False
    ),
]


def validate(
    full: Full = False,
    cells: Cells = None,
    only: Only = None,
    out: Out = None,
    resume: Resume = False,
    device: DeviceName = None,
    noise: Noise = None,
    shots: Shots = None,
    debug: Debug = False,
) -> None:
    """Settle with numbers how far the gradient of a recurrent circuit can be trusted.

    Runs the experiments of the gradient laboratory in float64 and writes every number with its
    expectation and verdict. Exit code 1 if an exactness or statistics check fails. With --device,
    a device's counts beside what the density matrix predicts; exit code 5 if the device fails.
    """
    if device is not None:
        with exit_codes(debug=debug), Signals("before the next circuits") as signals:
            _refuse({"--full": full, "--only": only, "--resume": resume}, "without `--device`")
            validate_device(device, noise, cells or [], shots, out, signals)
        return
    with exit_codes(debug=debug), Signals() as signals:
        _refuse({"--noise": noise, "--shots": shots}, "with `--device`")
        from qrnn_jax.training.recorder import Interrupted
        from qrnn_jax.validation import Settings
        from qrnn_jax.validation.laboratory import run_laboratory
        from qrnn_jax.validation.record import failed

        from .laboratory_progress import reporting
        from .laboratory_table import print_findings

        folder = result_folder("validate", out, resume=resume)
        settings = Settings(full=full, cells=tuple(cells or ()))
        try:
            with reporting(lambda: signals.received is not None) as reporter:
                records = run_laboratory(settings, folder, tuple(only or ()), reporter)
        except Interrupted as stop:
            say(f"{stop} Try: {_again(full, cells, only, folder)}")
            raise typer.Exit(signals.exit_code) from None
        print_findings(records, folder)
        if failed(records):
            raise typer.Exit(UNEXPECTED)


def _again(full: bool, cells: list[str] | None, only: list[str] | None, folder: Path) -> str:
    """The command that goes on where this one stopped."""
    words = ["qrnn-jax", "validate", *(["--full"] if full else [])]
    words += [word for name in cells or [] for word in ("--cell", name)]
    words += [word for name in only or [] for word in ("--only", name)]
    return shlex.join([*words, "--out", str(folder), "--resume"])


def _refuse(given: dict[str, object], place: str) -> None:
    """Options that belong to the other half of the command."""
    for option, value in given.items():
        if value is not None and value is not False:
            raise ValueError(f"Option `{option}` must stand {place}, but does not.")
