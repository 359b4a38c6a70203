"""What the network loses by loss, by short windows and by noise: three sweeps of the paper."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table

from .cv_controls import least_squares
from .cv_training import train_series

SEEDS = 3
MEASURE = "median train MSE"
SOURCE = "bounds of our notes, from an earlier re-run of ours in NumPy (see the table)"
# sweep -> its value -> the last epoch's mean train MSE of our earlier re-run
RERUN: dict[str, dict[float, float]] = {
    "transmissivity": {1.0: 4.1e-5, 0.8: 8.9e-5, 0.6: 1.6e-4, 0.4: 1.9e-4, 0.2: 4.8e-4},
    "window": {2: 2.1e-4, 4: 3.4e-5, 6: 5.3e-6, 8: 3.8e-6, 12: 2.0e-5, 16: 5.1e-5, 20: 4.0e-5},
    "noise": {0.001: 4.1e-5, 0.01: 4.7e-5, 0.03: 1.1e-4, 0.1: 7.6e-4},
}
SERIES = {"transmissivity": "sine", "window": "bessel", "noise": "sine"}
LABELS = {"transmissivity": "transmissivity", "window": "window length T", "noise": "noise eps"}
FLOOR = 1e-8  # of the picture
LOSSY, SHORT, NOISY = 5.0, 3.0, 5.0  # times as bad, at least


class Size(NamedTuple):
    """The values of the sweeps, and how long each run is."""

    transmissivity: tuple[float, ...]
    window: tuple[int, ...]
    noise: tuple[float, ...]
    epochs: int


FULL = Size((1.0, 0.8, 0.6, 0.4, 0.2), (2, 4, 6, 8, 12, 16, 20), (0.001, 0.01, 0.03, 0.1), 50)
QUICK = Size((1.0, 0.2), (2, 4), (0.001, 0.1), 50)


class Point(NamedTuple):
    """One value of a sweep.

    Arguments:
        errors: (seeds,), the running train MSE of the last epoch.
        line: train MSE of the best line through equal windows.
    """

    errors: np.ndarray
    line: float

    @property
    def median(self) -> float:
        """Over seeds."""
        return float(np.median(self.errors))


Sweeps = dict[str, dict[float, Point]]


def measure(size: Size, first: int, progress: Progress) -> Findings:
    """Train every point of the three sweeps from three seeds, outcomes sampled.

    Example:
        >>> from qrnn_jax.reproduction.cv_trends import FULL, QUICK
        >>> FULL.window, set(QUICK.noise) < set(FULL.noise)
        ((2, 4, 6, 8, 12, 16, 20), True)
    """
    sweeps: Sweeps = {name: {} for name in RERUN}
    groups = _groups(size)
    for place, ((cell, _), members) in enumerate(groups.items()):

        def told(part: float, text: str, place: int = place) -> None:
            progress((place + part) / len(groups), text)

        tasks = [task for _, _, task in members]
        course = train_series(cell, tasks, SEEDS, size.epochs, told, first=first)
        errors = course.losses[-1].reshape(len(tasks), SEEDS)
        for (name, value, task), row in zip(members, errors):
            order = task.train.inputs.shape[1]
            sweeps[name][value] = Point(row, least_squares(task, order).train)
    sweeps = {name: dict(sorted(points.items())) for name, points in sweeps.items()}
    series = {
        name: {
            "values": list(points),
            "errors": [point.errors.tolist() for point in points.values()],
            "lines": [point.line for point in points.values()],
            "rerun": [RERUN[name][value] for value in points],
        }
        for name, points in sweeps.items()
    }
    checks = _checks(sweeps)
    return Findings(_conclusion(checks), tuple(checks), (_table(sweeps, size),), series)


Member = tuple[str, float, qj.tasks.Task]


def _groups(size: Size) -> dict[tuple[qj.cells.CVQRNN, int], list[Member]]:
    """What one program can train together: (cell, window length) -> points of sweeps."""
    cell = qj.cells.CVQRNN()
    points = [
        *(("transmissivity", value, qj.cells.CVQRNN(transmissivity=value), {})
          for value in size.transmissivity),
        *(("window", value, cell, {"length": value}) for value in size.window),
        *(("noise", value, cell, {"noise": value}) for value in size.noise),
    ]  # fmt: skip
    groups: dict[tuple[qj.cells.CVQRNN, int], list[Member]] = {}
    for name, value, alike, how in points:
        task = qj.tasks.cv_series(SERIES[name], **how)  # type: ignore[arg-type]
        groups.setdefault((alike, task.train.inputs.shape[1]), []).append((name, value, task))
    return groups


def _checks(sweeps: Sweeps) -> list[Check]:
    loss, window, noise = sweeps.values()
    rows: list[tuple[str, tuple[Point, Point], float | None, float | None, str]] = [
        ("sine: transmissivity 0.2 over 1", (loss[0.2], loss[1.0]), LOSSY, None,
         "line without a channel"),
        ("bessel: window 2 over 4", (window[2], window[4]), SHORT, None,
         "best lines, AR(2) over AR(4)"),
        ("sine: noise 0.1 over 0.001", (noise[0.1], noise[0.001]), NOISY, None,
         "best line, AR(4)"),
    ]  # fmt: skip
    if 6 in window:
        worse = max((window[6], window[8]), key=lambda point: point.median)
        rows.append(("bessel: window 6 or 8, the worse, over 4", (worse, window[4]), None, 1.0,
                     "best lines, of that order over AR(4)"))  # fmt: skip
    return [
        Check(f"{name}, {MEASURE}", upper.median / lower.median, low, high, "prediction",
              SOURCE, None, upper.line / lower.line, control)
        for name, (upper, lower), low, high, control in rows
    ]  # fmt: skip


def _table(sweeps: Sweeps, size: Size) -> Table:
    rows = [
        (SERIES[name], LABELS[name], value, point.median, float(point.errors.min()),
         float(point.errors.max()), RERUN[name][value], point.line)
        for name, points in sweeps.items()
        for value, point in points.items()
    ]  # fmt: skip
    header = ("series", "varied", "value", "median", "least", "largest", "earlier re-run",
              "best line")  # fmt: skip
    note = (
        f"Train MSE of epoch {size.epochs}, running mean, outcomes sampled, {SEEDS} seeds. Best "
        "line: least squares through windows of equal length, on the same noise."
    )
    return Table("Sweeps", header, tuple(rows), note)


def _conclusion(checks: list[Check]) -> str:
    names = [check.name.removesuffix(f", {MEASURE}").replace(":", ",") for check in checks]
    parts = [f"{name}: {check.measured:.2g} times" for name, check in zip(names, checks)]
    missed = [name for name, check in zip(names, checks) if not check.passed]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "All trends are as expected."
    return f"Median errors: {'; '.join(parts)}. {verdict}"


def run(settings: Settings, progress: Progress) -> Findings:
    """All values, or the ends of each sweep."""
    return measure(FULL if settings.full else QUICK, settings.seed, progress)


def _draw(findings: Findings) -> Any:
    from qrnn_jax.plots.picture import BLUE, GREY, logarithmic, new_figure, set_title

    figure = new_figure(12, 4.2)
    panels = figure.subplots(1, len(findings.series))
    for axes, (name, sweep) in zip(panels, findings.series.items()):
        values, errors = np.array(sweep["values"]), np.array(sweep["errors"])
        axes.plot(values, np.median(errors, axis=1), color=BLUE, label="median of the runs")
        axes.plot(np.repeat(values, errors.shape[1]), errors.ravel(), "o", color=BLUE,
                  markersize=4, alpha=0.5, label="single runs")  # fmt: skip
        axes.plot(values, sweep["rerun"], "x", color=GREY, label="earlier re-run in NumPy")
        lines = np.array(sweep["lines"])
        if lines.max() > FLOOR:
            shown = np.where(lines > FLOOR, lines, np.nan)
            axes.plot(values, shown, ".--", color=GREY, label="best line")
        axes.set(xlabel=LABELS[name], title=SERIES[name])
        if name == "noise":
            axes.set_xscale("log")
        axes.spines[["top", "right"]].set_visible(False)
        logarithmic(axes)
    panels[0].set_ylabel("train MSE")
    found = {h.get_label(): h for axes in panels for h in axes.lines}
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=4,
                  frameon=False, fontsize=9)  # fmt: skip
    set_title(figure, f"Errors after the last epoch (below {FLOOR:g} no line is shown)")
    return figure


EXPERIMENT = Experiment(
    name="cv-trends",
    title="loss, window length and noise",
    question="Do errors grow with photon loss, short windows and noise?",
    run=run,
    draw=_draw,
)
