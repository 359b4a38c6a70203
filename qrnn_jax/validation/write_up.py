"""The laboratory's report: numbers for programs, a page for readers, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qrnn_jax.plots.picture import save
from qrnn_jax.training.files import write_atomically
from qrnn_jax.training.machine import machine, versions
from qrnn_jax.training.metrics import strict_json

from .experiment import Check, Table
from .record import Record, failed


def draw(record: Record, folder: Path) -> None:
    """Draw an experiment's picture from its findings, where it has one.

    Example:
        >>> from qrnn_jax.validation.write_up import draw
        >>> callable(draw)
        True
    """
    if record.experiment.draw is not None:
        save(record.experiment.draw(record.findings), folder / f"{record.experiment.name}.png")


def write_report(records: Sequence[Record], folder: Path) -> None:
    """Write report.json and report.md.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.validation.write_up import write_report
        >>> with tempfile.TemporaryDirectory() as name:
        ...     write_report([], Path(name))
        ...     sorted(path.name for path in Path(name).iterdir())
        ['report.json', 'report.md']
    """
    content = strict_json(report(records)) + "\n"
    write_atomically(folder / "report.json", content.encode())
    write_atomically(folder / "report.md", page(records).encode())


def report(records: Sequence[Record]) -> dict[str, Any]:
    """Every number with its expectation and verdict.

    Example:
        >>> from qrnn_jax.validation.write_up import report
        >>> report([])["failed"]
        []
    """
    return {
        "failed": failed(records),
        "seconds": sum(record.seconds for record in records),
        "settings": asdict(records[0].settings) if records else None,
        "versions": versions(),
        "machine": machine(),
        "experiments": [record.to_json() for record in records],
    }


def page(records: Sequence[Record]) -> str:
    """The report as Markdown: one section per experiment.

    Example:
        >>> from qrnn_jax.validation.write_up import page
        >>> page([]).splitlines()[0]
        '# The gradient laboratory'
    """
    sections = [_head(records), *map(_section, records)]
    return "\n\n".join(sections) + "\n"


def origin(records: Sequence[Record]) -> str:
    """How large, how long, and with what the records were made, in a line.

    Example:
        >>> from qrnn_jax.validation.write_up import origin
        >>> origin([]).split(".")[0]
        'Settings: quick; 0 s in all'
    """
    full = any(record.settings.full for record in records)
    seconds = sum(record.seconds for record in records)
    made, where = versions(), machine()
    return (
        f"Settings: {'full' if full else 'quick'}; {seconds:.0f} s in all. qrnn_jax "
        f"{made['qrnn_jax'] or 'from a checkout'}, jax {made['jax']}, Python {where['python']}, "
        f"{where['system']}, {where['cpus']} CPUs, {where['device']}."
    )


def _head(records: Sequence[Record]) -> str:
    lines = [
        "# The gradient laboratory",
        "",
        origin(records),
        "",
        *markdown_rows(
            ("experiment", "checks passed", "seconds", "conclusion"),
            [
                (
                    f"{record.experiment.name} {record.experiment.title}",
                    passed(record.findings.checks),
                    f"{record.seconds:.1f}",
                    record.findings.conclusion,
                )
                for record in records
            ],
        ),
    ]
    missed = failed(records)
    if missed:
        lines += ["", f"Failed: {'; '.join(missed)}."]
    return "\n".join(lines)


def _section(record: Record) -> str:
    name, found = record.experiment.name, record.findings
    parts = [
        f"## {name}: {record.experiment.title}",
        f"*{record.experiment.question}*",
        found.conclusion,
    ]
    if record.experiment.draw is not None:
        parts.append(f"![{record.experiment.title}]({name}.png)")
    if found.checks:
        header = ("check", "measured", "expected", "verdict", "kind", "source")
        parts.append("\n".join(markdown_rows(header, [_check(check) for check in found.checks])))
    parts += [markdown_table(table) for table in found.tables]
    return "\n\n".join(parts)


def _check(check: Check) -> tuple[str, ...]:
    words = check.name, f"{check.measured:.4g}", expected(check)
    return (*words, verdict(check), check.kind, check.source)


def expected(check: Check) -> str:
    """What a check asks for, in few characters.

    Example:
        >>> from qrnn_jax.validation import Check
        >>> from qrnn_jax.validation.write_up import expected
        >>> expected(Check("slope", -0.5, low=-0.52, high=-0.48))
        '-0.52 .. -0.48'
    """
    low, high = check.low, check.high
    if low is not None and high is not None:
        return f"{low:.4g}" if low == high else f"{low:.4g} .. {high:.4g}"
    if low is not None:
        return f">= {low:.4g}"
    return "a number" if high is None else f"<= {high:.4g}"


def verdict(check: Check) -> str:
    """One word: "reported" without a bound, "passed", "FAILED", or "missed" for a prediction.

    Example:
        >>> from qrnn_jax.validation import Check
        >>> from qrnn_jax.validation.write_up import verdict
        >>> verdict(Check("error", 1.0, high=0.1)), verdict(Check("guess", 1, 2, 3, "prediction"))
        ('FAILED', 'missed')
        >>> verdict(Check("accuracy", 0.96))
        'reported'
    """
    if not check.judged:
        return "reported"
    if check.passed:
        return "passed"
    return "missed" if check.kind == "prediction" else "FAILED"


def passed(checks: Sequence[Check]) -> str:
    """How many checks passed of those that have a bound; the others are counted by themselves.

    Example:
        >>> from qrnn_jax.validation import Check
        >>> from qrnn_jax.validation.write_up import passed
        >>> checks = [Check("error", 1.0, high=0.1), Check("error", 0.0, high=0.1)]
        >>> passed(checks), passed([*checks, Check("accuracy", 0.96)])
        ('1/2', '1/2 + 1 reported')
    """
    judged = [check for check in checks if check.judged]
    share = f"{sum(check.passed for check in judged)}/{len(judged)}"
    rest = len(checks) - len(judged)
    return f"{share} + {rest} reported" if rest else share


def markdown_table(table: Table) -> str:
    """A table with its title and its note.

    Example:
        >>> from qrnn_jax.validation import Table
        >>> from qrnn_jax.validation.write_up import markdown_table
        >>> markdown_table(Table("sizes", ("T",), ((4,),))).splitlines()[-1]
        '| 4 |'
    """
    lines = [f"**{table.title}**", "", *markdown_rows(table.header, table.rows)]
    return "\n".join([*lines, "", table.note] if table.note else lines)


def markdown_rows(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """The lines of a table.

    Example:
        >>> from qrnn_jax.validation.write_up import markdown_rows
        >>> markdown_rows(("T", "known"), [(4, None)])[-1]
        '| 4 | - |'
    """
    body = [[_text(value) for value in row] for row in rows]
    lines = [list(header), ["---"] * len(header), *body]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value).replace("|", "\\|")
