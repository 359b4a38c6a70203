"""What `qrnn-jax export` prints: what was written, or what a foreign program holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.table import Table

import qrnn_jax as qj
from qrnn_jax.training.files import read_capped

MAX_BYTES = 2**19  # of a program that is checked


def print_export(written: dict[str, Any], folder: Path) -> None:
    """Print what was written, one row per program.

    Arguments:
        written: what `write_export` returned.
        folder: where it is.

    Example:
        >>> from qrnn_jax.cli.export_table import print_export
        >>> callable(print_export)
        True
    """
    table = Table(box=SIMPLE_HEAVY, pad_edge=False)
    for header in ("program", "measured", "instructions"):
        table.add_column(header)
    for setting in written["settings"]:
        measured = " ".join(f"{letter}{wire}" for wire, letter in setting["measured"])
        counts = ", ".join(f"{count} {name}" for name, count in setting["instructions"].items())
        table.add_row(setting["file"], measured, counts)
    console = Console(highlight=False, markup=False)
    console.print()
    console.print(table)
    symbols = "bound to numbers" if written["bound"] else "open"
    console.print(
        f"{written['wires']} wires, {written['steps']} steps, {len(written['symbols'])} angles, "
        f"{symbols}; numbers in export.json: {written['parameters']}."
    )
    console.print(f"Folder: {folder}", soft_wrap=True)


def check_program(path: Path) -> None:
    """Print what an OpenQASM 3 file holds.

    Arguments:
        path: the file, at most 512 KiB.

    Raises:
        ValueError: refused, with the line and the reason.
        OSError: not readable.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.cli.export_table import check_program
        >>> with tempfile.TemporaryDirectory() as name:
        ...     size = (Path(name) / "a.qasm").write_text("OPENQASM 3.0; qubit q; U(0, 0, 1) q;")
        ...     check_program(Path(name) / "a.qasm")
        1 qubits, 0 bits, 0 inputs: a flat program.
          1 U
    """
    try:
        text = read_capped(path, MAX_BYTES).decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"File {path} must be ASCII text, but: {error}.") from None
    try:
        found = qj.hardware.check_openqasm3(text)
    except qj.hardware.ProgramError as error:
        raise ValueError(f"File {path} is refused. {error}") from None
    counts = f"{found['qubits']} qubits, {found['bits']} bits, {len(found['inputs'])} inputs"
    print(f"{counts}: a flat program.")
    for name, count in found["operations"].items():
        print(f"  {count} {name}")
