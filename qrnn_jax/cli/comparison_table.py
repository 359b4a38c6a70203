"""The table at the end of `qrnn-jax validate --device`."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.table import Table

from qrnn_jax.validation import DeviceReport


def print_comparison(report: DeviceReport, folder: Path) -> None:
    """Print prediction beside counts, then whether they agree.

    Arguments:
        report: what `compare_device` returned.
        folder: where JSON and picture are.

    Example:
        >>> from qrnn_jax.cli.comparison_table import print_comparison
        >>> callable(print_comparison)
        True
    """
    console = Console(highlight=False, markup=False)
    console.print()
    console.print(_table(report))
    verdict = "within" if report.passed else "NOT within"
    console.print(
        f"Counts are {verdict} 5 standard errors of the prediction: r.m.s. z = {report.rms_z:.2f} "
        f"over {len(report.rows)} numbers, largest {report.largest_z:.2f}."
    )
    console.print(f"Folder: {folder}", soft_wrap=True)


def _table(report: DeviceReport) -> Table:
    device = report.device + (f", noise of {report.noise}" if report.noise else "")
    table = Table(
        title=f"{device}: {report.shots} shots",
        title_style="bold",
        title_justify="left",
        box=SIMPLE_HEAVY,
        pad_edge=False,
    )
    table.add_column("cell")
    headers = ["step", "output", *(["ideal"] if report.noise else []), "predicted", "counted"]
    for header in (*headers, "s.e.", "z"):
        table.add_column(header, justify="right")
    for row in report.rows:
        numbers = [*([row.ideal] if report.noise else []), row.predicted, row.counted]
        words = [str(row.step + 1), str(row.output + 1), *(f"{number:+.3f}" for number in numbers)]
        table.add_row(row.cell, *words, f"{row.stderr:.3f}", f"{row.z:+.2f}")
    return table
