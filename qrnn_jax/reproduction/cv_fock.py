"""The network in the photon-number basis, cut off as in the published program."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table
from qrnn_jax.validation.quick_jit import quick_jit

from .cv_controls import CLOSED, least_squares
from .cv_picture import band, draw_learning
from .cv_series import CELL
from .cv_training import SERIES, Course, play_windows, train_series

CUTOFF, PENALTY = 6, 10.0  # as published, per mode
ENGINE = qj.Fock(CUTOFF, dtype=jnp.complex64)  # the published precision
NAMES = (f"Fock, cutoff {CUTOFF}", "Gaussian, exact")
FACTOR, TRACE = 3.0, 0.99
SOURCE = "our notes: the cut moves outputs by 8e-4, so the errors should nearly agree"


class Size(NamedTuple):
    """Series, seeds of each, epochs."""

    series: tuple[str, ...]
    seeds: int
    epochs: int


FULL, QUICK = Size(SERIES, 5, 50), Size(("sine",), 2, 5)


def measure(size: Size, first: int, progress: Progress) -> Findings:
    """Train with the cut and without, from the same starts with the same draws.

    Example:
        >>> from qrnn_jax.reproduction.cv_fock import CUTOFF, FULL
        >>> CUTOFF, FULL.epochs
        (6, 50)
    """
    tasks = [qj.tasks.cv_series(name) for name in size.series]

    def train(begin: float, end: float, **how: Any) -> Course:
        def told(part: float, text: str) -> None:
            progress(begin + (end - begin) * part, text)

        return train_series(CELL, tasks, size.seeds, size.epochs, told, first=first, **how)

    cut = train(0.0, 0.8, engine=ENGINE, penalty=PENALTY,
                compiler=jax.jit if size == FULL else quick_jit)  # fmt: skip
    exact = train(0.8, 0.95)
    progress(0.95, "traces")
    traces = _traces(cut, tasks, size.seeds)
    checks = [*_ratios(cut, exact, tasks, size), _least_trace(traces)]
    tables = (_table(cut, exact, traces, tasks, size),)
    curves = [course.losses.reshape(size.epochs, len(tasks), -1) for course in (cut, exact)]
    series = {
        task.name: {name: band(part[:, k]) for name, part in zip(NAMES, curves)}
        for k, task in enumerate(tasks)
    }
    return Findings(_conclusion(checks), tuple(checks), tables, {"curves": series})


def _traces(course: Course, tasks: list[qj.tasks.Task], seeds: int) -> np.ndarray:
    """The mean trace of the last state over the training windows, (series, seeds)."""
    inputs = jnp.asarray(np.repeat(np.stack([t.train.inputs for t in tasks]), seeds, axis=0))
    sampled = qj.cells.CVQRNN(homodyne="sampled")
    keys = jax.random.split(jax.random.key(0), len(inputs))
    play = jax.jit(jax.vmap(partial(play_windows, sampled, engine=ENGINE)))
    drift = play(course.params[-1], inputs, keys)[1]
    return 1 - np.asarray(drift).mean(axis=1).reshape(len(tasks), seeds)


def _last(course: Course, tasks: list[qj.tasks.Task]) -> np.ndarray:
    """The mean train MSE of the last epoch, (series,)."""
    return course.losses[-1].reshape(len(tasks), -1).mean(axis=1)


def _ratios(cut: Course, exact: Course, tasks: list[qj.tasks.Task], size: Size) -> list[Check]:
    """Over the Gaussian engine's error on the same series, by the same starts and draws."""
    return [
        Check(f"{task.name}: mean train MSE, epoch {size.epochs}, over the Gaussian engine's",
              float(ours / theirs), 1 / FACTOR, FACTOR, "prediction", SOURCE, None,
              least_squares(task).train / float(theirs), f"{CLOSED}, over the same")
        for task, ours, theirs in zip(tasks, _last(cut, tasks), _last(exact, tasks))
    ]  # fmt: skip


def _least_trace(traces: np.ndarray) -> Check:
    name = "least mean trace of the last state, all runs"
    return Check(name, float(traces.min()), TRACE, None, "prediction", SOURCE, None, 1.0,
                 "Gaussian engine, no cut")  # fmt: skip


def _table(
    cut: Course, exact: Course, traces: np.ndarray, tasks: list[qj.tasks.Task], size: Size
) -> Table:
    rows = [
        (task.name, seed, float(cut.losses[-1].reshape(len(tasks), -1)[k, seed]),
         float(exact.losses[-1].reshape(len(tasks), -1)[k, seed]), float(traces[k, seed]))
        for k, task in enumerate(tasks)
        for seed in range(size.seeds)
    ]  # fmt: skip
    header = ("series", "run", "train MSE, Fock", "train MSE, Gaussian", "mean trace")
    note = (
        f"Epoch {size.epochs}. State vectors of {CUTOFF}^3 amplitudes, complex64, outcomes from "
        f"the state's own distribution, penalty {PENALTY:g} (1 - mean trace)^2, left out of the "
        f"errors. {cut.seconds:.0f} s for {cut.losses.shape[1]} runs, compiling included; the "
        f"Gaussian engine took {exact.seconds:.0f} s."
    )
    return Table("Every run", header, tuple(rows), note)


def _conclusion(checks: list[Check]) -> str:
    *ratios, trace = (check.measured for check in checks)
    fine = all(check.passed for check in checks)
    verdict = "So the Gaussian engine may replace it." if fine else "So the cut matters."
    return (
        f"Cut off at {CUTOFF} photons a mode, training ends at {min(ratios):.2f} to "
        f"{max(ratios):.2f} times the exact Gaussian error; the least mean trace is {trace:.5f}. "
        f"{verdict}"
    )


def run(settings: Settings, progress: Progress) -> Findings:
    """All series for 50 epochs, or one for 5."""
    return measure(FULL if settings.full else QUICK, settings.seed, progress)


def _draw(findings: Findings) -> Any:
    from qrnn_jax.plots.picture import new_figure, set_title

    curves = findings.series["curves"]
    figure = new_figure(max(5.0, 3.6 * len(curves)), 3.8)
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (name, bands) in zip(panels, curves.items()):
        draw_learning(axes, bands, {})
        axes.set_title(name, fontsize=10)
    panels[0].set_ylabel("train MSE")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  frameon=False, fontsize=9)  # fmt: skip
    set_title(figure, "The same starts and draws, cut off and exact: mean and range of the runs")
    return figure


EXPERIMENT = Experiment(
    name="cv-fock",
    title="cut off at six photons a mode",
    question="Does the cut of the published simulation matter?",
    run=run,
    draw=_draw,
)
