"""Metrics: one line of strict JSON per logged step."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .files import append, read_capped, write_atomically

MAX_BYTES = 2**28


def strict_json(value: Any, *, indent: int | None = None) -> str:
    """JSON that every reader accepts: a number that is not finite becomes null.

    Arguments:
        value: dictionaries, lists, strings, numbers, booleans and None; NumPy's and JAX's numbers
            and arrays as well.
        indent: as in `json.dumps`.

    Example:
        >>> from qrnn_jax import training
        >>> training.strict_json({"step": 1, "loss": float("nan")})
        '{"step": 1, "loss": null}'
    """
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def append_metrics(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append rows to a metrics file, one line each.

    Raises:
        OSError: the file cannot be written; it and the number of bytes are named.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> with tempfile.TemporaryDirectory() as name:
        ...     training.append_metrics(Path(name) / "metrics.jsonl", [{"step": 1}, {"step": 2}])
        ...     training.read_metrics(Path(name) / "metrics.jsonl")
        [{'step': 1}, {'step': 2}]
    """
    append(path, _lines(rows))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All rows of a metrics file; a last line that a killed writer left torn is ignored.

    Raises:
        ValueError: a line in the middle is no JSON object with a `step`; its number is named.
        OSError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> with tempfile.TemporaryDirectory() as name:
        ...     size = (Path(name) / "metrics.jsonl").write_text('{"step": 1}\\n{"st')
        ...     training.read_metrics(Path(name) / "metrics.jsonl")
        [{'step': 1}]
    """
    lines = read_capped(path, MAX_BYTES).decode("utf-8", errors="replace").split("\n")
    return [_row(path, number, line) for number, line in enumerate(lines[:-1], start=1)]


def truncate_metrics(path: Path, step: int) -> None:
    """Drop the rows after a step, so that a resumed run writes each step once.

    Raises:
        OSError, ValueError: as `read_metrics`; a missing file is left missing.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name) / "metrics.jsonl"
        ...     training.append_metrics(path, [{"step": 1}, {"step": 2}])
        ...     training.truncate_metrics(path, 1)
        ...     training.read_metrics(path)
        [{'step': 1}]
    """
    if not path.exists():
        return
    kept = [row for row in read_metrics(path) if row["step"] <= step]
    write_atomically(path, _lines(kept))


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(strict_json(dict(row)) + "\n" for row in rows).encode()


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or not isinstance(row.get("step"), int):
        raise ValueError(
            f"File {path} must hold one JSON object with a `step` per line, but line {number} is "
            f"{line[:60]!r}; try removing that line."
        )
    return row


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if hasattr(value, "tolist"):  # numbers and arrays of NumPy and JAX
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise TypeError(f"{type(value).__name__} has no place in JSON; try numbers, strings or lists.")
