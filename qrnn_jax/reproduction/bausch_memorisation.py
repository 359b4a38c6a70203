"""Bausch's first task: two sequences learnt by heart, and what the projections would cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import (
    Check,
    Experiment,
    Findings,
    Progress,
    Settings,
    Table,
)

from .bausch_convergence import bands, lstm_parameters, parameters, told
from .bausch_models import Model, Quantum, alike
from .bausch_training import Course, Plan, train

CELL = qj.cells.Bausch(lanes=3, workspace=5, stages=2, degree=3,
                       bias_sd=0.5, weight_sd=0.5, rotation_sd=0.5)  # fmt: skip
RATE, SLOW_RATE = 0.05, 1e-5
LSTM_RATES = (0.01, 0.05, 0.2)
LOSS, LOSS_PUBLISHED = 1e-3, 5e-5
FAULTLESS = 0.8  # of the seeds: four of five
OVERHEAD, OVERHEAD_PUBLISHED = 1.1, 1.003
STUCK, STUCK_PUBLISHED = 0.4, 0.75  # at the least learning rate
QUICK_LOSS = 0.2  # after 100 steps
SECONDS = 0.118  # a step of the author's log: 339 steps in 40 s, machine not named
TABLE = "table of next tokens"  # given the token before, the answer is certain
FIGURE = "figure 6, read off to 30 %"


class Size(NamedTuple):
    """Seeds and steps."""

    seeds: int
    steps: int


QUICK, FULL = Size(2, 100), Size(5, 500)


def _sequences(count: int, seed: int) -> qj.tasks.Symbols:
    """Both sequences, over and over."""
    del seed
    return qj.tasks.memorisation()[np.arange(count) % 2]


def _train(model: Model, size: Size, rates: tuple[float, ...], progress: Progress) -> Course:
    return train(model, _sequences, Plan(*size, 2, rates), progress)


def run(settings: Settings, progress: Progress) -> Findings:
    """Five seeds and the least learning rate, or two seeds for a fifth of the steps."""
    size, full = FULL if settings.full else QUICK, settings.full
    rates = (RATE, SLOW_RATE) if full else (RATE,)
    course = _train(Quantum(CELL), size, rates, told(progress, 0, 2, "circuit"))
    lstm = _train(alike(CELL, "lstm"), size, (*LSTM_RATES, SLOW_RATE), told(progress, 1, 2, "LSTM"))
    ours = course.of_rate(RATE)
    control = min((lstm.of_rate(rate) for rate in LSTM_RATES), key=_loss)
    found = _quick(ours)
    if full:
        slow, slow_lstm = course.of_rate(SLOW_RATE), lstm.of_rate(SLOW_RATE)
        found = [*_checks(ours, size), _stuck(slow, slow_lstm), _speed(course, lstm)]
    rows = [_row("circuit", parameters(CELL), course.of_rate(rate)) for rate in rates]
    rows += [
        _row("LSTM", lstm_parameters(CELL), lstm.of_rate(rate)) for rate in (*LSTM_RATES, SLOW_RATE)
    ]
    header = ("model", "parameters", "learning rate", "last loss, median", "runs without an error",
              "largest overhead", "last overhead, median")  # fmt: skip
    note = (
        f"{size.seeds} seeds, {size.steps} steps of both sequences. Overhead: 1 / sqrt of the "
        "least probability that a step projects on, the largest of ten steps. A step of one seed "
        f"took {_per_seed(course):.2g} s of one core, of an LSTM {_per_seed(lstm):.2g} s; "
        f"{SECONDS} s are published, on an unknown machine."
    )
    tables = (Table("Memorisation", header, tuple(rows), note),)
    series = {"circuit": bands(ours), "LSTM": bands(control), "overhead": _overheads(ours)}
    return Findings(_conclusion(ours, control), tuple(found), tables, series)


def _loss(course: Course) -> float:
    """Of the last look, the median over seeds."""
    return float(np.median(course.validation[-1]))


def _per_seed(course: Course) -> float:
    return course.seconds / len(course.rates)


def _faultless(course: Course) -> int:
    """Runs whose last drawn sequences had no error."""
    return int((course.errors[-1] == 0).sum())


def _last_overhead(course: Course) -> float:
    return float(np.median(course.overheads[-1]))


def _checks(ours: Course, size: Size) -> list[Check]:
    return [
        Check("median loss", _loss(ours), None, LOSS, "prediction", FIGURE, LOSS_PUBLISHED, 0.0,
              TABLE),
        Check(f"runs of {size.seeds} whose drawn words have no error", _faultless(ours),
              FAULTLESS * size.seeds, None, "prediction", "our notes; not in the paper", None,
              size.seeds, TABLE),
        Check("median overhead at the end", _last_overhead(ours), None, OVERHEAD, "prediction",
              "the author's log, step 338", OVERHEAD_PUBLISHED, 1.0, "any classical network"),
    ]  # fmt: skip


def _stuck(slow: Course, lstm: Course) -> Check:
    return Check(f"median loss, learning rate {SLOW_RATE:g}", _loss(slow), STUCK, None,
                 "prediction", FIGURE, STUCK_PUBLISHED, _loss(lstm), "LSTM, as slow")  # fmt: skip


def _speed(course: Course, lstm: Course) -> Check:
    source = "the author's log, 339 steps in 40 s on an unknown machine; ours: one core, all seeds"
    return Check("seconds per step and seed", _per_seed(course), None, SECONDS, "prediction",
                 source, SECONDS, _per_seed(lstm), "LSTM")  # fmt: skip


def _quick(ours: Course) -> list[Check]:
    source = "quick size: learning has begun; the published loss needs 500 steps"
    return [Check(f"median loss, {QUICK.steps} steps", _loss(ours), None, QUICK_LOSS, "prediction",
                  source, None, 0.0, TABLE)]  # fmt: skip


def _row(name: str, size: int, course: Course) -> tuple[Any, ...]:
    most = float(course.overheads.max())
    runs = f"{_faultless(course)} of {len(course.rates)}"
    return name, size, float(course.rates[0]), _loss(course), runs, most, _last_overhead(course)


def _overheads(course: Course) -> dict[str, Any]:
    quartiles = np.quantile(course.overheads, [0.25, 0.5, 0.75], axis=1)
    return {"places": course.places.tolist(), "values": np.round(quartiles, 4).tolist()}


def _conclusion(ours: Course, control: Course) -> str:
    return (
        f"Median loss {_loss(ours):.2g}, {_faultless(ours)} of {len(ours.rates)} runs without an "
        f"error, overhead at most {ours.overheads.max():.0f} and {_last_overhead(ours):.3f} at the "
        f"end. An LSTM of this size has {_loss(control):.2g}, and a table of five entries 0: each "
        "token tells the next, so the task asks for no memory."
    )


def draw(findings: Findings) -> Any:
    """The loss, and below it the overhead of the projections, with the author's log.

    Example:
        >>> from qrnn_jax.reproduction.bausch_memorisation import draw
        >>> callable(draw)
        True
    """
    from qrnn_jax.plots.picture import (
        BLUE,
        GREY,
        ORANGE,
        logarithmic,
        new_axes,
        new_figure,
        set_title,
    )

    figure, series = new_figure(8.0, 6.0), findings.series
    above, below = new_axes(figure, 2)
    for axes, name, colour in ((above, "circuit", BLUE), (above, "LSTM", ORANGE),
                               (below, "overhead", BLUE)):  # fmt: skip
        places, (low, middle, high) = series[name]["places"], series[name]["values"]
        axes.plot(places, middle, color=colour, label=name)
        axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
    circle: dict[str, Any] = {"color": GREY, "fillstyle": "none", "linestyle": "", "marker": "o"}
    above.plot([100, 330], [0.0157, 1e-3], **circle, label="author's log")
    below.plot([4, 100, 338], [198, 1.08, 1.003], **circle)
    above.set(ylabel="validation loss")
    below.set(ylabel="overhead", xlabel="step")
    for axes in (above, below):
        logarithmic(axes)
    above.legend(frameon=False, fontsize=9)
    set_title(figure, "Two sequences learnt by heart: median and quartiles over seeds")
    return figure


EXPERIMENT = Experiment(
    name="bausch-memorisation",
    title="two sequences learnt by heart",
    question="Does the network learn two sequences by heart, and stop needing amplification?",
    run=run,
    draw=draw,
)
