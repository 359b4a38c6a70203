"""The table at the end of `qrnn-jax validate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.table import Table

from qrnn_jax.validation import Check
from qrnn_jax.validation.record import Record, failed
from qrnn_jax.validation.write_up import expected, passed, verdict

from .progress import duration

REST = 52  # columns of the table besides the conclusion


def print_findings(records: Sequence[Record], folder: Path) -> None:
    """Print one row per experiment, then what failed and what missed its prediction.

    Arguments:
        records: what `run_laboratory` returned.
        folder: where the report is.

    Example:
        >>> from qrnn_jax.cli.laboratory_table import print_findings
        >>> callable(print_findings)
        True
    """
    console = Console(highlight=False, markup=False)
    console.print()
    console.print(_table(records, console.width - REST))
    for record in records:
        for check in record.findings.checks:
            if not check.passed:
                console.print(_sentence(record, check))
    seconds = duration(sum(record.seconds for record in records))
    missed = len(failed(records))
    sum_up = (
        f"{missed} of the checks that must pass FAILED" if missed else "All that must hold holds"
    )
    console.print(f"{sum_up}; {seconds} in all.")
    console.print(f"Report: {folder / 'report.md'}", soft_wrap=True)


def _table(records: Sequence[Record], width: int) -> Table:
    table = Table(box=SIMPLE_HEAVY, pad_edge=False)
    table.add_column("experiment", no_wrap=True)
    for header in ("passed", "worst", "time"):
        table.add_column(header, justify="right")
    table.add_column("conclusion", no_wrap=True)
    for record in records:
        name = f"{record.experiment.name} {record.experiment.title}"
        found = record.findings
        words = shorten(found.conclusion, max(20, width), placeholder=" ...")
        numbers = passed(found.checks), worst(found.checks), f"{record.seconds:.0f} s"
        table.add_row(name, *numbers, words)
    return table


def worst(checks: Sequence[Check]) -> str:
    """The exactness check that comes closest to its bound, or passes it: its number.

    Example:
        >>> from qrnn_jax.cli.laboratory_table import worst
        >>> from qrnn_jax.validation import Check
        >>> worst([Check("a", 1e-14, high=1e-10), Check("b", 1e-12, high=1e-10)])
        '1e-12'
    """
    bounded = [
        check for check in checks if check.kind == "exactness" and check.high and check.low is None
    ]
    if not bounded:
        return "-"
    return f"{max(bounded, key=_share).measured:.2g}"


def _share(check: Check) -> float:
    """Of the upper bound; NaN is worst."""
    share = abs(check.measured) / (check.high or 1.0)
    return math.inf if math.isnan(share) else share


def _sentence(record: Record, check: Check) -> str:
    return (
        f"{record.experiment.name} {verdict(check)}: {check.name}: {check.measured:.4g}, "
        f"expected {expected(check)}."
    )
