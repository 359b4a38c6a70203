"""Bausch's third task, Elman's words, with a network that suffices and one that does not."""

from __future__ import annotations

from typing import Any, NamedTuple

import qrnn_jax as qj
from qrnn_jax.validation.experiment import (
    Check,
    Experiment,
    Findings,
    Progress,
    Settings,
    Table,
)

from .bausch_convergence import (
    HEADER,
    Contest,
    Count,
    bands,
    budget,
    checks,
    count,
    lstm_parameters,
    parameters,
    told,
)
from .pictures import learning_curves

CONTEST = Contest(lambda count, seed: qj.tasks.elman_words(count, seed=seed), 8, 0.005, 0.01)
CELL = qj.cells.Bausch(lanes=3, workspace=6, stages=2, degree=2)
SMALL = qj.cells.Bausch(lanes=3, workspace=3, stages=1, degree=1)
SHARE, MEDIAN, PUBLISHED = 0.7, (None, 450.0), (6 / 7, 150.0)
SMALL_MEAN, SMALL_PUBLISHED = 800.0, 953.0  # the mean of all published nets with three wires
QUICK_LOSS = 0.5  # of two seeds after 100 steps; a uniform guess has 0.805


class Size(NamedTuple):
    """Seeds and steps."""

    seeds: int
    steps: int


QUICK, FULL = Size(2, 100), Size(10, 1000)


def run(settings: Settings, progress: Progress) -> Findings:
    """Ten seeds and a small network beside it, or two seeds for a tenth of the steps."""
    size, full = FULL if settings.full else QUICK, settings.full
    parts = 4 if full else 2
    course = CONTEST.compete(CELL, *size, told(progress, 0, parts, "circuit"))
    control = CONTEST.lstm(CELL, *size, told(progress, 1, parts, "LSTM"))
    ours, theirs = (count(found, CONTEST.threshold, size.steps) for found in (course, control))
    rows = [
        ours.row("circuit, H 6, S 2, d 2", parameters(CELL)),
        theirs.row("LSTM", lstm_parameters(CELL)),
    ]
    found = _quick(ours, theirs)
    curves = {"circuit": bands(course), "LSTM": bands(control)}
    if full:
        found = checks(ours, theirs, "LSTM", size.steps, share=SHARE, median=MEDIAN,
                       published=PUBLISHED)  # fmt: skip
        small_course = CONTEST.compete(SMALL, *size, told(progress, 2, parts, "small circuit"))
        alike = CONTEST.lstm(SMALL, *size, told(progress, 3, parts, "small LSTM"))
        small, rival = (count(c, CONTEST.threshold, size.steps) for c in (small_course, alike))
        rows.append(small.row("circuit, H 3, S 1, d 1", parameters(SMALL)))
        rows.append(rival.row("LSTM, small", lstm_parameters(SMALL)))
        curves |= {"small circuit": bands(small_course), "small LSTM": bands(alike)}
        found.append(_small(small, rival))
    note = f"{budget(*size)} Steps of runs that never learn count {size.steps}."
    tables = (Table("Elman's words", HEADER, tuple(rows), note),)
    return Findings(_conclusion(ours, theirs, size), tuple(found), tables, {"curves": curves})


def _quick(ours: Count, control: Count) -> list[Check]:
    name = f"median validation loss, {QUICK.steps} steps"
    return [Check(name, ours.loss, None, QUICK_LOSS, "prediction",
                  "quick size: learning has begun; counts of steps need the full size", None,
                  control.loss, "LSTM")]  # fmt: skip


def _small(small: Count, control: Count) -> Check:
    source = "published: the mean over all nets with three wires; the small net must not suffice"
    return Check("mean steps of the small circuit", small.mean, SMALL_MEAN, None, "prediction",
                 source, SMALL_PUBLISHED, control.mean, "LSTM as small")  # fmt: skip


def _conclusion(ours: Count, control: Count, size: Size) -> str:
    return (
        f"{ours.learnt} of {ours.runs} circuits learn within {size.steps} steps, median "
        f"{ours.median:g}; of the LSTMs with as many parameters {control.learnt}, median "
        f"{control.median:g}."
    )


def draw(findings: Findings) -> Any:
    """Validation loss against steps: median and quartiles.

    Example:
        >>> from qrnn_jax.reproduction.bausch_words import draw
        >>> callable(draw)
        True
    """
    title = "Elman's words: median and quartiles over seeds"
    return learning_curves(findings.series["curves"], title, "validation loss", "step",
                           points=[(PUBLISHED[1], CONTEST.threshold)],
                           level=("learnt", CONTEST.threshold))  # fmt: skip


EXPERIMENT = Experiment(
    name="bausch-words",
    title="Elman's words",
    question="Does the network of quantum neurons learn which letters follow from the last?",
    run=run,
    draw=draw,
)
