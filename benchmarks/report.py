"""Records as a table on the screen and as JSON."""

import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import origin
from benchmarks.measure import Gradient, Problem, Record
from benchmarks.programs import OURS, is_ours

_MOST_LISTED = 200  # calls, in a result file


def as_json(
    problem: Problem, expected: Gradient, records: Sequence[Record], extra: dict[str, Any]
) -> dict[str, Any]:
    """One result file."""
    return {
        "workload": problem.name,
        "title": problem.title,
        "sizes": problem.sizes,
        "dtype": "float32 / complex64",
        **origin(),
        "reference": {"loss_float64": expected.value, "golden": problem.golden},
        "gradient_tolerance": problem.gradient_tolerance,
        "gradient_goal": problem.gradient_goal,
        "programs": {record.name: program(problem, record) for record in records},
        "ratios": ratios(records),
        "ours_over": ours_over(records),
        **extra,
    }


def ratios(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """How many times faster than the first program each one is: by medians, and by best times."""
    first, found = records[0], {}
    for record in records[1:]:
        if first.repeats_s and record.repeats_s:
            found[record.name] = {
                "median": first.median_s / record.median_s,  # type: ignore[operator]
                "best": first.best_s / record.best_s,  # type: ignore[operator]
            }
    return found


def ours_over(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """How far `ours` is ahead of each program that is not ours: times faster, times less memory."""
    known = {record.name: record for record in records if record.repeats_s}
    if OURS not in known:
        return {}
    ours = _figures(known[OURS])
    return {
        name: {
            key: figure / ours[key]
            for key, figure in _figures(record).items()
            if figure and ours[key]
        }
        for name, record in known.items()
        if not is_ours(name)
    }


def _figures(record: Record) -> dict[str, float]:
    return {
        "median": statistics.median(record.repeats_s),
        "best": min(record.repeats_s),
        "temp_bytes": float(record.temp_bytes or 0),
        "compile": record.trace_s + record.compile_s,
    }


def lead_lines(records: Sequence[Record]) -> list[str]:
    """`ours_over` in words, a line per program."""
    lines = []
    for name, found in ours_over(records).items():
        memory = f", temp {found['temp_bytes']:.1f}x less" if "temp_bytes" in found else ""
        lines.append(f"ours over {name}: {found['median']:.1f}x faster{memory}")
    return lines


def meets(problem: Problem, record: Record) -> bool:
    """Whether a program's gradient is as exact as the library promises."""
    return record.check is not None and record.check.gradient_error <= problem.gradient_goal


def missed(problem: Problem, records: Sequence[Record]) -> list[str]:
    """The programs of ours that are less exact than promised, a line each."""
    return [
        f"MISSES ITS GOAL: {record.name}, gradient off by {record.check.gradient_error:.1e} "
        f"(promised {problem.gradient_goal:.0e})"
        for record in records
        if record.check is not None and is_ours(record.name) and not meets(problem, record)
    ]


def table(problem: Problem, records: Sequence[Record]) -> str:
    """A plain table: one line per program."""
    against = ratios(records)
    sizes = ", ".join(f"{name} {size}" for name, size in problem.sizes.items())
    head = f"{'program':<32}{'median ms':>11}{'best ms':>10}{'faster':>9}"
    head += f"{'compile s':>11}{'temp MB':>9}{'value err':>11}{'grad err':>10}"
    lines = [_line(record, against.get(record.name)) for record in records]
    lines += lead_lines(records) + missed(problem, records)
    return "\n".join([f"{problem.name}  {problem.title}; {sizes}", head, *lines])


def _line(record: Record, ratio: dict[str, float] | None) -> str:
    if record.refused is not None:
        return f"{record.name:<32}REFUSED: {record.refused}"
    if record.skipped is not None:
        return f"{record.name:<32}NOT RUN: {record.skipped}"
    assert record.check is not None
    assert record.median_s is not None
    assert record.best_s is not None
    faster = "" if ratio is None else f"{ratio['median']:.1f}x"
    temp = "-" if record.temp_bytes is None else f"{record.temp_bytes / 1e6:.1f}"
    return (
        f"{record.name:<32}{1e3 * record.median_s:>11.2f}{1e3 * record.best_s:>10.2f}{faster:>9}"
        f"{record.trace_s + record.compile_s:>11.1f}{temp:>9}"
        f"{record.check.value_error:>11.0e}{record.check.gradient_error:>10.0e}"
    )


def write(folder: Path, name: str, content: dict[str, Any]) -> Path:
    """Write `folder/name.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    return path


def program(problem: Problem, record: Record) -> dict[str, Any]:
    told: dict[str, Any] = {"refused": record.refused}
    if record.skipped is not None:
        return told | {"skipped": record.skipped}
    if record.check is not None:
        for key in ("value_error", "gradient_error"):
            error = getattr(record.check, key)
            told[key] = error if math.isfinite(error) else None
    if record.versions is not None:
        told["versions"] = record.versions
    if is_ours(record.name):
        told["meets"] = meets(problem, record)
    if record.refused:
        return told  # a wrong program has no time worth telling
    return {
        **told,
        "trace_s": record.trace_s,
        "compile_s": record.compile_s,
        "temp_bytes": record.temp_bytes,
        **(record.memory or {}),
        "median_s": record.median_s,
        "best_s": record.best_s,
        "repeats": len(record.repeats_s),
        "repeats_s": [round(seconds, 7) for seconds in _thinned(record.repeats_s)],
    }


def _thinned(times: list[float]) -> list[float]:
    """Every so-manieth: a small program is called thousands of times."""
    return times[:: max(1, -(-len(times) // _MOST_LISTED))]


def say(text: str) -> None:
    """What is going on, for whoever waits."""
    print(f"  {text} ...", file=sys.stderr, flush=True)
