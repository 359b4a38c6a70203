"""The page of reproductions: per paper what it reports, what we find, and the best control."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qrnn_jax.training.files import write_atomically
from qrnn_jax.training.metrics import strict_json
from qrnn_jax.validation import Check
from qrnn_jax.validation.record import Record, failed
from qrnn_jax.validation.write_up import (
    expected,
    markdown_rows,
    markdown_table,
    origin,
    report,
    verdict,
)

# first word of a reproduction's name -> whose results are reproduced
PAPERS = {
    "bausch": "Bausch, Recurrent quantum neural networks, NeurIPS 2020, arXiv 2006.14619",
    "cv": "Siemaszko, McDermott, Buraczewski, Le Saux and Stobinska, arXiv 2207.00378",
    "takaki": "Takaki, Mitarai, Negoro, Fujii and Kitagawa, Phys. Rev. A 103, 052414 (2021), "
    "arXiv 2012.11242",
    "viqueira": "Viqueira, Failde, Juane, Gomez and Mera, Mach. Learn.: Sci. Technol. 6 (2025), "
    "arXiv 2310.20671",
}
HEADER = ("reproduction", "measure", "paper", "ours", "control", "verdict")


def write_reproduction(records: Sequence[Record], folder: Path) -> None:
    """Write reproduction.json and reproduction.md; the pictures' numbers stay in NAME.json.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.reproduction import write_reproduction
        >>> with tempfile.TemporaryDirectory() as name:
        ...     write_reproduction([], Path(name))
        ...     sorted(path.name for path in Path(name).iterdir())
        ['reproduction.json', 'reproduction.md']
    """
    whole = report(records)
    for entry in whole["experiments"]:
        del entry["series"]
    content = strict_json(whole) + "\n"
    write_atomically(folder / "reproduction.json", content.encode())
    write_atomically(folder / "reproduction.md", page(records).encode())


def page(records: Sequence[Record]) -> str:
    """The reproductions as Markdown: one chapter per paper, one section per reproduction.

    Raises:
        ValueError: a record whose name begins with no paper of `PAPERS`.

    Example:
        >>> from qrnn_jax.reproduction.write_up import page
        >>> page([]).splitlines()[0]
        '# Reproductions'
    """
    for record in records:
        if _paper(record) not in PAPERS:
            raise ValueError(
                f"Argument `records` must be of papers in PAPERS, but {record.experiment.name!r} "
                f"begins with none of {', '.join(PAPERS)}; try an entry for {_paper(record)!r}."
            )
    parts = ["# Reproductions", origin(records)]
    missed = failed(records)
    if missed:
        parts.append(f"Failed: {'; '.join(missed)}.")
    for paper, title in PAPERS.items():
        own = [record for record in records if _paper(record) == paper]
        if own:
            rows = [row(record, check) for record in own for check in record.findings.checks]
            parts += [f"## {title}", "\n".join(markdown_rows(HEADER, rows))]
            parts += map(_section, own)
    return "\n\n".join(parts) + "\n"


def _paper(record: Record) -> str:
    """The first word of its name."""
    return record.experiment.name.split("-")[0]


def row(record: Record, check: Check) -> tuple[str, ...]:
    """A check as a row below `HEADER`.

    Example:
        >>> from qrnn_jax.reproduction import REPRODUCTIONS
        >>> from qrnn_jax.reproduction.write_up import row
        >>> from qrnn_jax.validation import Check, Findings, Settings
        >>> from qrnn_jax.validation.record import Record
        >>> check = Check("RMSE", 0.1, high=0.2, control=0.01, control_name="ridge")
        >>> found = Findings("It comes out.", (check,))
        >>> row(Record(REPRODUCTIONS[0], found, Settings(), 1.0, {}, {}), check)
        ('bausch-memorisation', 'RMSE', '-', '0.1', '0.01 (ridge)', 'passed: <= 0.2')
    """
    return (
        record.experiment.name,
        check.name,
        _number(check.published, check),
        _number(check.measured, check),
        controlled(check),
        f"{verdict(check)}: {_asked(check)}" if check.judged else verdict(check),
    )


def _asked(check: Check) -> str:
    """The bounds; around a published number, how far from it they are."""
    low, high, published = check.low, check.high, check.published
    if low is None or high is None or published is None or low == high:
        return expected(check)
    return f"within {max(high - published, published - low):.2g}"


def controlled(check: Check) -> str:
    """The best control's number and its name.

    Example:
        >>> from qrnn_jax.reproduction.write_up import controlled
        >>> from qrnn_jax.validation import Check
        >>> controlled(Check("error", 0.1, control=0.0002, control_name="ridge, 8 lags"))
        '0.0002 (ridge, 8 lags)'
    """
    if check.control is None:
        return "-"
    return f"{_number(check.control)} ({check.control_name})"


def uncontrolled(records: Sequence[Record]) -> list[str]:
    """The checks that come without a control: no row of a result may.

    Example:
        >>> from qrnn_jax.reproduction.write_up import uncontrolled
        >>> uncontrolled([])
        []
    """
    return [
        f"{record.experiment.name}: {check.name}"
        for record in records
        for check in record.findings.checks
        if check.control is None or not check.control_name
    ]


def _section(record: Record) -> str:
    experiment, found = record.experiment, record.findings
    parts = [
        f"### {experiment.name}: {experiment.title}",
        f"*{experiment.question}* ({record.seconds:.0f} s)",
        found.conclusion,
    ]
    if experiment.draw is not None:
        parts.append(f"![{experiment.title}]({experiment.name}.png)")
    sources = dict.fromkeys(check.source for check in found.checks if check.source)
    if sources:
        parts.append(f"Expectations: {'; '.join(sources)}.")
    parts += [markdown_table(table) for table in found.tables]
    return "\n\n".join(parts)


def _number(value: float | None, check: Check | None = None) -> str:
    if value is None:
        return "-"
    digits = 6 if check is not None and check.kind == "exactness" else 4
    return f"{value:.{digits}g}"
