"""`qrnn-jax export`: a recurrent circuit, unrolled, as a program for other tools; or a check."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .exit_codes import exit_codes, say
from .options import Debug, Out, Overrides
from .result_folder import result_folder


class Format(StrEnum):
    """What can be written."""

    qasm3 = "qasm3"
    braket = "braket"
    qiskit = "qiskit"
    pennylane = "pennylane"


Source = Annotated[
    str | None,
    typer.Argument(
        metavar="PRESET|FILE|RUN",
        help="A preset, a TOML or JSON file, as for train; or a folder that train wrote, whose "
        "trained parameters are taken. By default decreasing_triangle.",
        show_default=False,
    ),
]
Kind = Annotated[
    Format,
    typer.Option(
        "--format",
        help="qasm3: OpenQASM 3. braket: the same in the words of Amazon Braket. qiskit: a QPY "
        "file (extra qiskit). pennylane: a Python module.",
    ),
]
Steps = Annotated[int, typer.Option(help="Time steps to unroll.", metavar="T", min=1)]
Bound = Annotated[
    bool, typer.Option("--bound", help="Write the numbers of the angles in the place of symbols.")
]
Check = Annotated[
    Path | None,
    typer.Option(
        help="Write nothing; read this OpenQASM 3 file, ours or another's, and say what it holds "
        "or why it is refused.",
        metavar="FILE",
        show_default=False,
    ),
]


def export(
    source: Source = None,
    kind: Kind = Format.qasm3,
    steps: Steps = 5,
    overrides: Overrides = None,
    bound: Bound = False,
    out: Out = None,
    check: Check = None,
    debug: Debug = False,
) -> None:
    """Write a recurrent circuit for other tools: unrolled and flat, one symbol per gate and step.

    One program per measurement setting, and export.json: what every symbol is, which weight or
    data value with which factor, and its number for the parameters and the task's first inputs.
    """
    with exit_codes(debug=debug):
        from qrnn_jax.hardware import DeviceError

        from .export_files import write_export
        from .export_model import model_from
        from .export_table import check_program, print_export

        if check is not None:
            check_program(check)
            return
        folder = result_folder("export", out, resume=False)
        model = model_from(source, overrides or [], steps)
        say(f"Exporting {steps} steps of {model.name} as {kind.value}, to {folder}")
        try:
            written = write_export(model, kind.value, bound, folder)
        except ImportError as error:
            raise DeviceError(str(error)) from error
        print_export(written, folder)
