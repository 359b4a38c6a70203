"""The table at the end of `qrnn-jax reproduce`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.table import Table

from qrnn_jax.reproduction.write_up import HEADER, row
from qrnn_jax.validation.record import Record, failed

from .progress import duration

WIDTH = 100  # where the output is no terminal


def print_reproductions(records: Sequence[Record], folder: Path) -> None:
    """Print one row per measure, then each conclusion.

    Arguments:
        records: what `run_laboratory` returned.
        folder: where the page is.

    Example:
        >>> from qrnn_jax.cli.reproduction_table import print_reproductions
        >>> callable(print_reproductions)
        True
    """
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=WIDTH)
    console.print()
    console.print(_table(records))
    for record in records:
        console.print(f"{record.experiment.name}: {record.findings.conclusion}")
    seconds = duration(sum(record.seconds for record in records))
    missed = len(failed(records))
    sum_up = f"{missed} numbers that must be hit FAILED" if missed else "All that must hold holds"
    console.print(f"{sum_up}; {seconds} in all.")
    console.print(f"Page: {folder / 'reproduction.md'}", soft_wrap=True)


def _table(records: Sequence[Record]) -> Table:
    table = Table(box=SIMPLE_HEAVY, pad_edge=False)
    for header in HEADER:
        number = header in ("paper", "ours")
        table.add_column(
            header,
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",
        )
    for record in records:
        for place, check in enumerate(record.findings.checks):
            first, *rest = row(record, check)
            table.add_row("" if place else first, *rest)
        table.add_section()
    return table
