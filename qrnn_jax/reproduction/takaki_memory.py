"""Fading memory, the cause behind Takaki's interaction study: how the memory began is lost."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table

from .takaki_model import start

TIMES = (0.05, 0.2, 0.5)  # tau: weak, suitable, strong
SUITABLE = 0.2
LIMITS = {20: 1e-3, 100: 1e-6}  # step -> the largest difference at the suitable tau
STEPS, SHOWN = 200, (5, 20, 50, 100)
SOURCE = "calibrated with our own definition, seed 0; the paper does not report it"


def differences(cell: qj.cells.Takaki, steps: int) -> np.ndarray:
    """|y_t from memory 0 - y_t from the fully mixed memory|, untrained angles, cosine input.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.takaki_memory import differences
        >>> bool((differences(qj.cells.Takaki(inputs=1, memory=1, depth=1), 4) > 0).all())
        True
    """
    xs = jnp.asarray(qj.tasks.cosine(steps=steps).train.inputs[0])
    angles = start(cell).reshape(cell.depth, cell.wires, 3)
    size = 2**cell.memory
    pure, mixed = np.zeros((size, size)), np.eye(size) / size
    pure[0, 0] = 1.0
    first, second = (
        qj.simulate(cell, {"angles": jnp.asarray(angles)}, xs, carry=jnp.asarray(memory, complex))
        for memory in (pure, mixed)
    )
    return np.abs(np.asarray(first.outputs - second.outputs))[:, 0]


def measure(steps: int, progress: Progress) -> Findings:
    """The difference over time for three strengths of the interaction.

    Example:
        >>> from qrnn_jax.reproduction.takaki_memory import LIMITS, TIMES
        >>> min(TIMES), max(LIMITS)
        (0.05, 100)
    """
    found = {}
    for place, tau in enumerate(TIMES):
        progress(place / len(TIMES), f"tau {tau}")
        found[tau] = differences(qj.cells.Takaki(tau=tau), steps)
    weak = f"the same circuit at tau {TIMES[0]}"
    checks = tuple(
        Check(f"difference after {step} steps", float(found[SUITABLE][step - 1]), None, limit,
              "statistics", SOURCE, None, float(found[TIMES[0]][step - 1]), weak)
        for step, limit in LIMITS.items() if step <= steps
    )  # fmt: skip
    shown = [step for step in SHOWN if step <= steps]
    rows = tuple((tau, *(float(found[tau][step - 1]) for step in shown)) for tau in TIMES)
    header = ("tau", *(f"after {step} steps" for step in shown))
    note = "Output from memory |0..0> against output from the fully mixed memory; seed 0."
    table = Table("What is left of the memory's start", header, rows, note)
    series = {str(tau): values.tolist() for tau, values in found.items()}
    return Findings(_conclusion(rows, shown), checks, (table,), series)


def _conclusion(rows: tuple[tuple[float, ...], ...], shown: list[int]) -> str:
    weak, suitable, strong = (row[-1] for row in rows)
    return (
        f"After {shown[-1]} steps {weak:.0e} of the memory's start is left in the output at tau "
        f"{TIMES[0]}, {suitable:.0e} at {TIMES[1]} and {strong:.0e} at {TIMES[2]}: coupling "
        "stronger forgets faster, so a suitable strength keeps as much past as the task needs."
    )


def run(settings: Settings, progress: Progress) -> Findings:
    """The same at both sizes: it takes seconds."""
    del settings
    return measure(STEPS, progress)


def _draw(findings: Findings) -> Any:
    from qrnn_jax.plots.picture import (
        BLUE,
        ORANGE,
        RED,
        logarithmic,
        new_axes,
        new_figure,
        set_title,
    )

    figure = new_figure(7, 4.2)
    (axes,) = new_axes(figure, 1)
    for (tau, values), colour in zip(findings.series.items(), (ORANGE, BLUE, RED)):
        axes.plot(np.arange(1, len(values) + 1), np.maximum(values, 1e-17), color=colour,
                  label=f"tau {tau}")  # fmt: skip
    for step, limit in LIMITS.items():
        axes.plot(step, limit, "v", color=BLUE)
    axes.set(xlabel="time step", ylabel="difference of outputs")
    logarithmic(axes)
    axes.legend(fontsize=9, frameon=False)
    title = "Two starts of the memory, one input: triangles are the limits set for tau 0.2"
    set_title(figure, title)
    return figure


EXPERIMENT = Experiment(
    name="takaki-memory",
    title="fading memory",
    question="Does the circuit forget how its memory began?",
    run=run,
    draw=_draw,
)
