"""Task (a) from fresh seeds: is the published run typical?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table

from .pictures import learning_curves, stored
from .recurrent import window_networks
from .viqueira_task import (
    CELL,
    CONTROL,
    LAGS,
    SPLITS,
    Course,
    all_windows,
    control_errors,
    persistence_errors,
    train_exactly,
)

# ten published seeds, mean and standard deviation of the RMSE at the best epoch
PUBLISHED = {
    "train": (0.0091, 0.0023),
    "validation": (0.0164, 0.0043),
    "test": (0.0046, 0.0017),
    "fill": (0.0057, 0.0019),
}
EARLY, EARLY_RMSE, EARLY_SEEDS = 500, 0.03, 3  # check D8: all three by then
EARLY_PUBLISHED = 0.0232  # the worst of the ten published seeds by then
SOURCE = "ten published runs of the author's program; means are ours"


class Size(NamedTuple):
    """How many seeds, for how many epochs; and the same of LSTM and GRU, with learning rates."""

    seeds: int
    epochs: int
    networks: int
    network_epochs: int
    rates: tuple[float, ...]


QUICK, FULL = Size(3, 500, 2, 50, (1e-3, 1e-2)), Size(10, 2000, 10, 2000, (1e-3, 3e-3, 1e-2))


def measure(size: Size, first: int, progress: Progress) -> Findings:
    """Train from the seeds first, first + 1, ...

    Example:
        >>> from qrnn_jax.reproduction.viqueira_seeds import FULL, measure
        >>> callable(measure), FULL.seeds  # takes minutes
        (True, 10)
    """
    seeds = tuple(range(first, first + size.seeds))
    course = train_exactly(seeds, size.epochs, lambda part, text: progress(0.8 * part, text))
    control = control_errors()
    epoch = min(EARLY, size.epochs)
    early = float(course.errors["train"][epoch - 1, :EARLY_SEEDS].max())
    checks = [
        Check(f"worst train RMSE of {min(EARLY_SEEDS, size.seeds)} seeds, {epoch} epochs", early,
              None, EARLY_RMSE, "prediction", "calibrated: 0.0083 to 0.0232 for ten seeds",
              EARLY_PUBLISHED if epoch == EARLY else None, control["train"], CONTROL)
    ]  # fmt: skip
    if size == FULL:
        checks += [
            Check(f"mean {split} RMSE of {size.seeds} seeds", float(course.selected[split].mean()),
                  None, mean + 2 * sd, "prediction", SOURCE, mean, control[split], CONTROL)
            for split, (mean, sd) in PUBLISHED.items()
        ]  # fmt: skip
    series = {
        "quartiles": {
            split: stored(np.quantile(errors, [0.25, 0.5, 0.75], axis=1))
            for split, errors in course.errors.items()
        },
        "control": control,
    }
    tables = _table(course, first), _controls(size, lambda text: progress(0.8, text))
    conclusion = _conclusion(course, size, checks, tables[1], control)
    return Findings(conclusion, tuple(checks), tables, series)


def _table(course: Course, first: int) -> Table:
    rows = [
        (first + place, int(epoch), *(float(course.selected[split][place]) for split in SPLITS))
        for place, epoch in enumerate(course.best)
    ]
    header = ("seed", "best epoch", *(f"{split} RMSE" for split in SPLITS))
    note = "At the epoch of least validation error; exact gradients."
    return Table("Fresh seeds", header, tuple(rows), note)


def _controls(size: Size, told: Callable[[str], None]) -> Table:
    """Persistence and ridge, and networks of as many parameters as the circuit has."""
    closed = [
        ("persistence", 0, *persistence_errors().values()),
        (CONTROL, LAGS + 1, *control_errors().values()),
    ]
    size_of_circuit = 1 + CELL.circuit.weight_count
    return window_networks(all_windows(), size_of_circuit, size.rates, size.network_epochs,
                           size.networks, told, closed=closed)  # fmt: skip


def _conclusion(
    course: Course, size: Size, checks: list[Check], table: Table, control: dict[str, float]
) -> str:
    test, column = course.selected["test"], table.header.index("test RMSE")
    words = (
        f"{size.seeds} fresh seeds, {size.epochs} epochs: test RMSE {test.mean():.4f} +- "
        f"{test.std(ddof=min(1, size.seeds - 1)):.4f}"
    )
    if size == FULL:
        mean, sd = PUBLISHED["test"]
        fits = "all within" if all(check.passed for check in checks) else "not all within"
        words += f" where {mean} +- {sd} was published; the means are {fits} two such deviations"
    networks = [f"{row[0]} {row[column]:.4f}" for row in table.rows if row[2] is not None]
    words += f". Of equal size, tuned: {', '.join(networks)}" if networks else ""
    return f"{words}. The control, {CONTROL}, has {control['test']:.1g}."


def run(settings: Settings, progress: Progress) -> Findings:
    """Ten seeds as long as published, or three for 500 epochs."""
    return measure(FULL if settings.full else QUICK, settings.seed, progress)


def _draw(findings: Findings) -> Any:
    series = findings.series
    title = "Task (a) of Viqueira et al. from fresh seeds: median and quartiles"
    level = (CONTROL, series["control"]["test"])
    return learning_curves(series["quartiles"], title, "RMSE", "epoch", level=level)


EXPERIMENT = Experiment(
    name="viqueira-seeds",
    title="task (a), fresh seeds",
    question="Do fresh seeds train as well as the published ones?",
    run=run,
    draw=_draw,
)
