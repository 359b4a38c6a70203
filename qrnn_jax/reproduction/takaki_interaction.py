"""Takaki's last study: the interaction between qubits must be neither too weak nor too strong."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table

from .linear import best, linear_autoregression, persistence
from .takaki_cosine import BOUND
from .takaki_forecast import ORDERS
from .takaki_model import bfgs, start, training_loss

WEAK, SUITABLE, STRONG = 0.01, 0.2, 1.0  # evolution times tau; the couplings are of order 1
RATIO = 20.0  # how much lower the suitable one must be than either end
CLAIM = "the abstract claims a suitable range; that it is 20 times better is calibrated"


class Size(NamedTuple):
    """Which evolution times, how many seeds, BFGS iterations."""

    times: tuple[float, ...]
    seeds: int
    iterations: int


QUICK = Size((WEAK, SUITABLE, STRONG), 1, 150)
FULL = Size((WEAK, 0.02, 0.05, 0.1, SUITABLE, 0.35, 0.5, 0.7, STRONG), 5, 150)
JUDGED = 3  # seeds behind the medians that are judged


def measure(size: Size, progress: Progress) -> Findings:
    """Train on the cosine at each evolution time.

    Example:
        >>> from qrnn_jax.reproduction.takaki_interaction import FULL, QUICK
        >>> set(QUICK.times) <= set(FULL.times)
        True
    """
    task = qj.tasks.cosine()
    total = len(size.times) * size.seeds
    losses = np.zeros((len(size.times), size.seeds))
    for place, (row, seed) in enumerate(np.ndindex(*losses.shape)):
        cell = qj.cells.Takaki(seed=seed, tau=size.times[row])
        progress(place / total, f"tau {cell.tau}, seed {seed}")
        losses[row, seed] = bfgs(training_loss(cell, task), start(cell), size.iterations).loss
    linear = [linear_autoregression(task, order, ()) for order in ORDERS]
    judged = dict(zip(size.times, np.median(losses[:, :JUDGED], axis=1)))
    checks = _checks(judged, best(linear, "train"), persistence(task, ()).train)
    low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75], axis=1)
    series = {"times": list(size.times), "losses": losses.tolist(), "bound": float(BOUND)}
    rows = tuple(zip(size.times, low.tolist(), middle.tolist(), high.tolist()))
    note = f"{size.seeds} seeds, {size.iterations} BFGS iterations, memoryless bound {BOUND:.3e}."
    header = ("tau", "lower quartile", "median", "upper quartile")
    table = Table("Train MSE on the cosine", header, rows, note)
    return Findings(_conclusion(judged, checks), checks, (table,), series)


def _checks(
    judged: dict[float, float], control: tuple[float, str], flat: float
) -> tuple[Check, ...]:
    ends = [
        Check(f"median train MSE at tau {SUITABLE}, beside that at tau {tau:g}", judged[SUITABLE],
              None, judged[tau] / RATIO, "prediction", CLAIM, None, *control)
        for tau in (WEAK, STRONG)
    ]  # fmt: skip
    bound = Check(f"train MSE at tau {WEAK}: as without memory", judged[WEAK], 0.98 * BOUND,
                  1.02 * BOUND, "prediction", "the memoryless bound, within 2 %", None, flat,
                  "persistence")  # fmt: skip
    return (*ends, bound)


def _conclusion(judged: dict[float, float], checks: tuple[Check, ...]) -> str:
    *ends, bound = (check.passed for check in checks)
    known = ", where the circuit does as badly as without memory," if bound else ""
    return (
        f"{'The range exists' if all(ends) else 'The range is not as wide as expected'}: the "
        f"median train MSE is {judged[SUITABLE]:.1e} at tau {SUITABLE}, "
        f"{judged[WEAK] / judged[SUITABLE]:.3g} times that at tau {WEAK}{known} and "
        f"{judged[STRONG] / judged[SUITABLE]:.3g} times that at tau {STRONG:g}."
    )


def run(settings: Settings, progress: Progress) -> Findings:
    """Nine evolution times and five seeds, or three and one."""
    return measure(FULL if settings.full else QUICK, progress)


def _draw(findings: Findings) -> Any:
    from qrnn_jax.plots.picture import BLUE, GREY, logarithmic, new_axes, new_figure, set_title

    series = findings.series
    losses = np.array(series["losses"])
    low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75], axis=1)
    figure = new_figure(7, 4.4)
    (axes,) = new_axes(figure, 1)
    axes.fill_between(series["times"], low, high, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(series["times"], middle, "o-", color=BLUE, label="median and quartiles over seeds")
    axes.plot(series["times"], losses, ".", color=BLUE, alpha=0.4, markersize=4)
    axes.axhline(series["bound"], color=GREY, linestyle="--", label="best without memory")
    axes.set(xlabel="evolution time tau (strength of the interaction)", ylabel="train MSE")
    axes.set_xscale("log")
    logarithmic(axes)
    axes.legend(fontsize=8, frameon=False)
    set_title(figure, "Cosine: too weak an interaction gives no memory, too strong a short one")
    return figure


EXPERIMENT = Experiment(
    name="takaki-interaction",
    title="strength of the interaction",
    question="Is there a suitable range of the interaction, neither too weak nor too strong?",
    run=run,
    draw=_draw,
)
