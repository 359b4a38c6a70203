"""One picture of all results: milliseconds per training step, a panel per workload."""

import json
import textwrap
from pathlib import Path
from typing import Any

from benchmarks.programs import FUSED, OURS, PLAIN, is_ours
from benchmarks.workloads import WORKLOADS

_BLUE, _GREY, _ORANGE = "#0072B2", "#8C8C8C", "#D55E00"
_LINES = {OURS: (_BLUE, "o"), FUSED: (_ORANGE, "s"), PLAIN: (_GREY, "^")}
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


def draw_sweeps(folder: Path) -> Path:
    """Write `sweeps.png` from a folder's `sweeps.json`, a panel per sweep.

    Raises:
        FileNotFoundError: the folder has no such result.
    """
    path = folder / "sweeps.json"
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}; try `python -m benchmarks.sweeps`.")
    from matplotlib.figure import Figure

    result = json.loads(path.read_text())
    sweeps = list(result["sweeps"].values())
    rows = (len(sweeps) + 1) // 2
    figure = Figure(figsize=(9, 3.4 * rows + 0.8), layout="constrained")
    panels = list(figure.subplots(rows, 2, squeeze=False).flat)
    for axes, sweep in zip(panels, sweeps):
        _lines(axes, sweep)
    for axes in panels[len(sweeps) :]:
        axes.set_axis_off()
    handles = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    figure.suptitle(textwrap.fill(_title([result]), 105), fontsize=10)
    figure.savefig(path.with_suffix(".png"), dpi=150)
    return path.with_suffix(".png")


def swept(sweep: dict[str, Any], program: str) -> tuple[list[int], list[float]]:
    """Sizes and median milliseconds of a program, where it was timed."""
    timed = [
        (point["sizes"][sweep["axis"]], 1e3 * found["median_s"])
        for point in sweep["points"]
        if (found := point["programs"][program]).get("median_s") is not None
    ]
    return [size for size, _ in timed], [ms for _, ms in timed]


def _lines(axes: Any, sweep: dict[str, Any]) -> None:
    for program, (colour, marker) in _LINES.items():
        axes.plot(*swept(sweep, program), color=colour, marker=marker, label=program)
    sizes = [point["sizes"][sweep["axis"]] for point in sweep["points"]]
    axes.set_yscale("log")
    if sweep["axis"] != "wires":  # a wire doubles the state, so wires are logarithmic themselves
        axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_title(sweep["title"], fontsize=9, loc="left")
    axes.set_xlabel(sweep["axis"], fontsize=8)
    axes.set_ylabel("ms per training step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
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
