"""Bausch's second task, Elman's XOR, and what the neurons' bias at the start does to it."""

from __future__ import annotations

from math import pi
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

CONTEST = Contest(lambda count, seed: qj.tasks.xor(count, seed=seed), 16, 0.005, 1e-3)
SHARE, MEDIAN, PUBLISHED = 0.9, (120.0, 450.0), (1.0, 230.0)
QUICK_LOSS = 0.1  # of three seeds after 200 steps; a uniform guess has 0.643
SLOWER = 2.0  # with a bias mean of 0 or pi
BIASES = {"0": (0.0, 870.0), "pi": (pi, 999.0)}  # published medians, over all spreads


class Size(NamedTuple):
    """Seeds and steps."""

    seeds: int
    steps: int


QUICK, FULL = Size(3, 200), Size(10, 1000)


def cell(bias_mean: float = pi / 2) -> qj.cells.Bausch:
    """The circuit: 6 wires, 264 angles.

    Example:
        >>> from qrnn_jax.reproduction.bausch_xor import cell
        >>> cell().circuit.weight_count
        264
    """
    return qj.cells.Bausch(lanes=2, workspace=4, stages=1, degree=3, bias_mean=bias_mean)


def run(settings: Settings, progress: Progress) -> Findings:
    """Ten seeds and three biases, or three seeds for a fifth of the steps."""
    size, full = FULL if settings.full else QUICK, settings.full
    parts = 4 if full else 2
    course = CONTEST.compete(cell(), *size, told(progress, 0, parts, "circuit"))
    control = CONTEST.lstm(cell(), *size, told(progress, 1, parts, "LSTM"))
    ours, theirs = (count(found, CONTEST.threshold, size.steps) for found in (course, control))
    rows = [
        ours.row("circuit, bias mean pi/2", parameters(cell())),
        theirs.row("LSTM", lstm_parameters(cell())),
    ]
    found = _quick(ours, theirs)
    curves = {"circuit": bands(course), "LSTM": bands(control)}
    if full:
        found = checks(ours, theirs, "LSTM", size.steps, share=SHARE, median=MEDIAN,
                       published=PUBLISHED)  # fmt: skip
        for place, (name, (mean, published)) in enumerate(BIASES.items()):
            part = told(progress, 2 + place, parts, f"bias {name}")
            slow_course = CONTEST.compete(cell(mean), *size, part)
            slow = count(slow_course, CONTEST.threshold, size.steps)
            rows.append(slow.row(f"circuit, bias mean {name}", parameters(cell())))
            curves[f"circuit, bias mean {name}"] = bands(slow_course)
            found.append(_slower(ours, slow, name, published))
    note = f"{budget(*size)} Steps of runs that never learn count {size.steps}."
    tables = (Table("Elman's XOR", HEADER, tuple(rows), note),)
    return Findings(_conclusion(ours, theirs, size), tuple(found), tables, {"curves": curves})


def _quick(ours: Count, control: Count) -> list[Check]:
    name = f"median validation loss, {QUICK.steps} steps"
    return [Check(name, ours.loss, None, QUICK_LOSS, "prediction",
                  "quick size: learning has begun; counts of steps need the full size", None,
                  control.loss, "LSTM")]  # fmt: skip


def _slower(ours: Count, slow: Count, name: str, published: float) -> Check:
    source = "published: medians over all spreads of the start; at least twice the default expected"
    return Check(f"median steps, bias mean {name}", slow.median, SLOWER * ours.median, None,
                 "prediction", source, published, ours.median, "bias mean pi/2")  # fmt: skip


def _conclusion(ours: Count, control: Count, size: Size) -> str:
    words = (
        f"{ours.learnt} of {ours.runs} circuits learn within {size.steps} steps, median "
        f"{ours.median:g}; of the LSTMs with as many parameters {control.learnt}, median "
        f"{control.median:g}."
    )
    return f"{words} What counts follows from the last two bits: no long memory is tested."


def draw(findings: Findings) -> Any:
    """Validation loss against steps: median and quartiles.

    Example:
        >>> from qrnn_jax.reproduction.bausch_xor import draw
        >>> callable(draw)
        True
    """
    title = "Elman's XOR: median and quartiles over seeds"
    return learning_curves(findings.series["curves"], title, "validation loss", "step",
                           points=[(PUBLISHED[1], CONTEST.threshold)],
                           level=("learnt", CONTEST.threshold))  # fmt: skip


EXPERIMENT = Experiment(
    name="bausch-xor",
    title="Elman's XOR",
    question="Does the network of quantum neurons learn that every third bit is a XOR?",
    run=run,
    draw=draw,
)
