"""One picture of all results: milliseconds per training step, a panel per workload."""

import json
import textwrap
from pathlib import Path
from typing import Any

from benchmarks.programs import is_ours
from benchmarks.workloads import WORKLOADS

_BLUE, _GREY = "#0072B2", "#8C8C8C"
_INCHES_PER_BAR = 0.24


def draw(folder: Path) -> Path:
    """Write `overview.png` from the JSON files of a folder.

    Raises:
        FileNotFoundError: the folder has no result.
    """
    results = [
        json.loads(path.read_text())
        for name in WORKLOADS
        if (path := folder / f"{name}.json").exists()
    ]
    if not results:
        raise FileNotFoundError(f"There are no results in {folder}; try `python -m benchmarks`.")
    from matplotlib.figure import Figure

    bars = [timed(result) for result in results]
    height = _INCHES_PER_BAR * sum(map(len, bars)) + 0.85 * len(bars) + 0.7
    figure = Figure(figsize=(8, height), layout="constrained")
    panels = figure.subplots(
        len(bars), 1, squeeze=False, height_ratios=[len(times) + 1 for times in bars]
    )[:, 0]
    for axes, result, times in zip(panels, results, bars, strict=True):
        _panel(axes, result, times)
    panels[-1].set_xlabel("milliseconds per training step (median), logarithmic")
    figure.suptitle(textwrap.fill(_title(results), 95), fontsize=10)
    path = folder / "overview.png"
    figure.savefig(path, dpi=150)
    return path


def timed(result: dict[str, Any]) -> dict[str, float]:
    """Median milliseconds by program, fastest first; a refused program has none."""
    times = {
        name: 1e3 * found["median_s"]
        for name, found in result["programs"].items()
        if found.get("median_s") is not None
    }
    return dict(sorted(times.items(), key=lambda item: item[1]))


def _panel(axes: Any, result: dict[str, Any], times: dict[str, float]) -> None:
    sizes = ", ".join(f"{name} {size}" for name, size in result["sizes"].items())
    axes.set_title(f"{result['workload']}: {result['title']}\n{sizes}", fontsize=9, loc="left")
    colours = [_BLUE if is_ours(name) else _GREY for name in times]
    bars = axes.barh(list(times), list(times.values()), color=colours, height=0.7)
    labels = [f"{ms:.3g}" if ms < 100 else f"{ms:,.0f}" for ms in times.values()]
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(min(times.values(), default=1) / 3, 3 * max(times.values(), default=1))
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _title(results: list[dict[str, Any]]) -> str:
    machines = {
        f"{found['cpu']}, {found['cores']} cores, JAX on {found['device']}"
        for found in (result["machine"] for result in results)
    }
    quick = "QUICK RUN, ITS TIMES MEAN NOTHING. " if any(r["quick"] for r in results) else ""
    return (
        f"{quick}One training step in float32; blue is this library. {'; '.join(sorted(machines))}"
    )
