"""Records as a table on the screen and as JSON."""

import json
import math
import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

from benchmarks.measure import Gradient, Record
from benchmarks.workloads import Workload

_PACKAGES = ("qrnn_jax", "jax", "jaxlib", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores, memory and JAX's device."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "device": str(jax.devices()[0].device_kind),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Python and the packages that matter."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "source tree"
    return found


def as_json(
    workload: Workload, expected: Gradient, records: Sequence[Record], extra: dict[str, Any]
) -> dict[str, Any]:
    """One result file."""
    return {
        "workload": workload.name,
        "title": workload.title,
        "sizes": workload.sizes,
        "dtype": "float32 / complex64",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "reference": {"loss_float64": expected.value, "golden": workload.golden},
        "programs": {record.name: _program(record) for record in records},
        "ratios": ratios(records),
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


def table(workload: Workload, records: Sequence[Record]) -> str:
    """A plain table: one line per program."""
    against = ratios(records)
    sizes = ", ".join(f"{name} {size}" for name, size in workload.sizes.items())
    head = f"{'program':<32}{'median ms':>11}{'best ms':>10}{'faster':>9}"
    head += f"{'compile s':>11}{'temp MB':>9}{'value err':>11}{'grad err':>10}"
    lines = [_line(record, against.get(record.name)) for record in records]
    return "\n".join([f"{workload.name}  {workload.title}; {sizes}", head, *lines])


def _line(record: Record, ratio: dict[str, float] | None) -> str:
    assert record.check is not None
    if record.refused is not None:
        return f"{record.name:<32}REFUSED: {record.refused}"
    assert record.median_s is not None
    assert record.best_s is not None
    faster = "" if ratio is None else f"{ratio['median']:.1f}x"
    return (
        f"{record.name:<32}{1e3 * record.median_s:>11.2f}{1e3 * record.best_s:>10.2f}{faster:>9}"
        f"{record.trace_s + record.compile_s:>11.1f}{record.temp_bytes / 1e6:>9.1f}"
        f"{record.check.value_error:>11.0e}{record.check.gradient_error:>10.0e}"
    )


def write(folder: Path, name: str, content: dict[str, Any]) -> Path:
    """Write `folder/name.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    return path


def _program(record: Record) -> dict[str, Any]:
    assert record.check is not None
    errors = (record.check.value_error, record.check.gradient_error)
    value_error, gradient_error = (error if math.isfinite(error) else None for error in errors)
    told = {
        "value_error": value_error,
        "gradient_error": gradient_error,
        "refused": record.refused,
    }
    if record.refused:
        return told  # a wrong program has no time worth telling
    return {
        **told,
        "trace_s": record.trace_s,
        "compile_s": record.compile_s,
        "temp_bytes": record.temp_bytes,
        "median_s": record.median_s,
        "best_s": record.best_s,
        "repeats_s": [round(seconds, 7) for seconds in record.repeats_s],
    }


def _cpu_model() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or "unknown"
