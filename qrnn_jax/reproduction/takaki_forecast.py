"""One forecasting task of Takaki et al., measured: what the three tasks share."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Findings, Progress, Table

from .linear import Forecast, best, free_errors, linear_autoregression, persistence
from .recurrent import MISSING, has_networks, network_forecasts
from .takaki_model import Fit, bfgs, padded, start, teacher_forced, training_loss

PARAMETERS = 54  # of the circuit: 3 layers, 6 qubits, 3 angles
SPANS = (50, 100, 200)  # free-running steps
ORDERS = (2, 8, 32)  # of the linear controls: the cosine needs 2, the triangle half a period
NO_NUMBERS = "calibrated with our own definition; the paper's numbers were not readable"


class Plan(NamedTuple):
    """What is measured.

    Arguments:
        task: a key of `qj.tasks.TASKS`.
        seeds: runs, from seed 0 on.
        iterations: of BFGS.
        judged: how many of the first seeds the expectation is about.
        rank: which of them counts, 1 for the best.
        train, free: the largest errors accepted of it; `free` over 50 steps.
        bound: with no memory wires the least training error possible; None to leave it out.
        source: where the expectation comes from.
    """

    task: str
    seeds: int
    iterations: int
    judged: int
    rank: int
    train: float
    free: float
    bound: float | None = None
    source: str = NO_NUMBERS


def measure(plan: Plan, progress: Progress) -> Findings:
    """Train from every seed, predict with and without the true past, and put controls beside it.

    Example:
        >>> from qrnn_jax.reproduction.takaki_forecast import Plan
        >>> Plan("cosine", 3, 150, 3, 2, 5e-5, 5e-3).source == Plan.__new__.__defaults__[1]
        True
    """
    task = qj.tasks.TASKS[plan.task]()
    controls = [persistence(task, SPANS)]
    controls += [linear_autoregression(task, order, SPANS) for order in ORDERS]
    controls += network_forecasts(task, PARAMETERS, plan.iterations, plan.seeds, SPANS,
                                  lambda text: progress(0.0, text))  # fmt: skip
    fits, forecasts = [], []
    for seed in range(plan.seeds):
        cell = qj.cells.Takaki(seed=seed)
        told = partial(_told, progress, plan, seed)
        fits.append(bfgs(training_loss(cell, task), start(cell), plan.iterations, told=told))
        forecasts.append(forecast(cell, task, fits[-1], f"seed {seed}"))
    judged = forecasts[: plan.judged]
    scores = [max(f.train / plan.train, f.free[50] / plan.free) for f in judged]
    chosen = judged[int(np.argsort(scores)[min(plan.rank, len(judged)) - 1])]
    checks = _checks(plan, chosen, controls)
    if plan.bound is not None:
        progress(1 - 1 / (plan.seeds + 1), "without memory")
        checks.insert(0, _memoryless(plan, task, controls[0]))
    series = _series(plan, task, fits, chosen, controls)
    tables = (_table(plan, forecasts, fits), _control_table(plan, controls))
    return Findings(_conclusion(chosen, forecasts, controls), tuple(checks), tables, series)


def forecast(cell: qj.cells.Takaki, task: qj.tasks.Task, fit: Fit, name: str) -> Forecast:
    """What a trained circuit makes of the test span, with the true past and without.

    Example:
        >>> from qrnn_jax.reproduction.takaki_forecast import SPANS, forecast
        >>> callable(forecast), SPANS  # takes seconds
        (True, (50, 100, 200))
    """
    params = {"angles": jnp.asarray(fit.params.reshape(cell.depth, cell.wires, 3))}
    outputs = teacher_forced(cell, params, jnp.asarray(task.test.inputs[0]))
    one_step = qj.tasks.score(task, np.asarray(outputs)[None, :, None]).scaled
    count = task.test.scored
    known = jnp.asarray(task.series[:-count])
    values = np.asarray(qj.forecast(cell, params, known, count))[:, 0]
    return Forecast(name, fit.loss, one_step, values, free_errors(task, values, SPANS))


def _told(progress: Progress, plan: Plan, seed: int, iteration: int) -> None:
    fraction = (seed + iteration / plan.iterations) / (plan.seeds + 1)
    progress(min(fraction, 1.0), f"seed {seed}, BFGS iteration {iteration}")


def _checks(plan: Plan, chosen: Forecast, controls: list[Forecast]) -> list[Check]:
    place = {1: "best", 2: "second best"}[plan.rank]
    which = f"{place} of {min(plan.judged, plan.seeds)} seeds"
    train, train_name = best(controls, "train")
    free, free_name = best(controls, "free", 50)
    return [
        Check(f"train MSE, {which}", chosen.train, None, plan.train, "prediction", plan.source,
              None, train, train_name),
        Check(f"free-running MSE, 50 steps, {which}", chosen.free[50], None, plan.free,
              "prediction", plan.source, None, free, free_name),
    ]  # fmt: skip


def _memoryless(plan: Plan, task: qj.tasks.Task, control: Forecast) -> Check:
    """Without memory wires the circuit must land on the bound, from above."""
    assert plan.bound is not None
    cell = qj.cells.Takaki(memory=0)
    fit = bfgs(training_loss(cell, task), start(cell), plan.iterations)
    low, high = 0.98 * plan.bound, 1.02 * plan.bound
    source = "derived: amplitude^2 sin^2(2 pi / period) / 2, within 2 %"
    return Check("train MSE, no memory wires", fit.loss, low, high, "exactness", source, None,
                 control.train, control.name)  # fmt: skip


def _series(
    plan: Plan, task: qj.tasks.Task, fits: list[Fit], chosen: Forecast, controls: list[Forecast]
) -> dict[str, Any]:
    curves = padded([fit.curve for fit in fits], plan.iterations + 1)
    name = best(controls, "free", 50)[1]
    control = next(found for found in controls if found.name == name)
    return {
        "quartiles": np.quantile(curves, [0.25, 0.5, 0.75], axis=0).tolist(),
        "truth": task.series[:, 0].tolist(),
        "free": chosen.values.tolist(),
        "chosen": chosen.name,
        "control": control.values.tolist(),
        "control name": name,
        "bound": plan.bound,
    }


def _table(plan: Plan, forecasts: list[Forecast], fits: list[Fit]) -> Table:
    rows = [
        (found.name, len(fit.curve) - 1, found.train, found.one_step,
         *(found.free[span] for span in SPANS), fit.seconds)
        for found, fit in zip(forecasts, fits)
    ]  # fmt: skip
    header = ("run", "iterations", "train MSE", "test MSE, true past",
              *(f"free MSE, {span}" for span in SPANS), "seconds")  # fmt: skip
    note = (
        f"3 input and 3 memory qubits, depth 3, tau 0.2, output scale 2, 54 angles; BFGS with "
        f"exact gradients, at most {plan.iterations} iterations; float64."
    )
    return Table("Every seed", header, tuple(rows), note)


def _control_table(plan: Plan, controls: list[Forecast]) -> Table:
    rows = [(c.name, c.train, c.one_step, *c.free.values()) for c in controls]
    header = ("control", "train MSE", "test MSE, true past", *(f"free MSE, {s}" for s in SPANS))
    networks = (
        f"LSTM and GRU: the circuit's optimiser and budget, {plan.seeds} seeds of "
        f"{plan.iterations} iterations, best training error"
    )
    note = f"Persistence and AR: closed form. {networks if has_networks() else MISSING}."
    return Table("Controls", header, tuple(rows), note)


def _conclusion(chosen: Forecast, forecasts: list[Forecast], controls: list[Forecast]) -> str:
    free, free_name = best(controls, "free", 200)
    typical = float(np.median([found.free[200] for found in forecasts]))
    networks = [f"{c.name.split(',')[0]} {c.free[200]:.1g}" for c in controls if "," in c.name]
    words = (
        f"{chosen.name}: train MSE {chosen.train:.2g}, with the true past {chosen.one_step:.2g} on "
        f"the test span, left to itself {chosen.free[50]:.2g} over 50 steps and "
        f"{chosen.free[200]:.2g} over 200, where the median of {len(forecasts)} seeds is "
        f"{typical:.2g}. Over 200 steps the best control, {free_name}, has {free:.1g}"
    )
    return f"{words}; of equal size: {', '.join(networks)}." if networks else f"{words}."
