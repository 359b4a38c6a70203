"""BFGS as such papers run it, with SciPy's default finite differences, beside exact gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table

from .linear import best, linear_autoregression
from .pictures import learning_curves, stored
from .takaki_forecast import ORDERS
from .takaki_model import Fit, bfgs, padded, start, training_loss

EXACT64, EXACT32 = "exact, float64", "exact, float32"
SCIPY64, SCIPY32 = "finite differences, float64", "finite differences, float32"
WAYS = {
    EXACT64: (jnp.float64, True),
    EXACT32: (jnp.float32, True),
    SCIPY64: (jnp.float64, False),
    SCIPY32: (jnp.float32, False),
}
SOURCE = "rounding: SciPy's step is 1.5e-8, below the 6e-8 that float32 resolves at 1"


class Size(NamedTuple):
    """How many seeds, BFGS iterations."""

    seeds: int
    iterations: int


QUICK, FULL = Size(1, 30), Size(5, 150)


def measure(size: Size, progress: Progress) -> Findings:
    """Train on the cosine in four ways, from the same starts.

    Example:
        >>> from qrnn_jax.reproduction.takaki_differences import WAYS
        >>> list(WAYS)[-1]
        'finite differences, float32'
    """
    task = qj.tasks.cosine()
    fits: dict[str, list[Fit]] = {way: [] for way in WAYS}
    for seed in range(size.seeds):
        cell = qj.cells.Takaki(seed=seed)
        for place, (way, (real, exact)) in enumerate(WAYS.items()):
            done = (seed + place / len(WAYS)) / size.seeds

            def told(iteration: int, done: float = done, words: str = way) -> None:
                progress(done, f"{words}, iteration {iteration}")

            loss = training_loss(cell, task, real)
            fits[way].append(bfgs(loss, start(cell), size.iterations, exact=exact, told=told))
    control = best([linear_autoregression(task, order, ()) for order in ORDERS], "train")
    ends = {way: float(np.median([fit.loss for fit in own])) for way, own in fits.items()}
    checks = _checks(ends, fits, control)
    curves = {way: padded([fit.curve for fit in own], size.iterations + 1)
              for way, own in fits.items()}  # fmt: skip
    series = {way: stored(np.quantile(rows, [0.25, 0.5, 0.75], axis=0))
              for way, rows in curves.items()}  # fmt: skip
    conclusion = _conclusion(ends, fits)
    return Findings(conclusion, checks, (_table(ends, fits, size),), series)


def _checks(
    ends: dict[str, float], fits: dict[str, list[Fit]], control: tuple[float, str]
) -> tuple[Check, ...]:
    begin = float(np.median([fit.curve[0] for fit in fits[EXACT64]]))
    stuck = Check("median train MSE, finite differences, float32", ends[SCIPY32], begin / 2, None,
                  "prediction", SOURCE, None, *control)  # fmt: skip
    same = Check("median train MSE, finite differences, float64", ends[SCIPY64], None,
                 3 * ends[EXACT64], "prediction", "ours: at most 3 times that of exact gradients",
                 None, *control)  # fmt: skip
    exact = _seconds(fits[EXACT64])
    cost = Check("seconds, finite differences, float64", _seconds(fits[SCIPY64]), 5 * exact, None,
                 "prediction", "ours: 55 losses take 5 times as long as a gradient, or longer",
                 None, exact, "exact gradients")  # fmt: skip
    return stuck, same, cost


def _seconds(fits: list[Fit]) -> float:
    return float(np.median([fit.seconds for fit in fits]))


def _table(ends: dict[str, float], fits: dict[str, list[Fit]], size: Size) -> Table:
    rows = tuple(
        (way, ends[way], float(np.median([len(fit.curve) - 1 for fit in own])),
         float(np.median([fit.evaluations for fit in own])), _seconds(own))
        for way, own in fits.items()
    )  # fmt: skip
    header = ("gradient", "train MSE", "iterations", "losses evaluated", "seconds")
    note = f"Medians over {size.seeds} seeds, at most {size.iterations} iterations, cosine."
    return Table("BFGS in four ways", header, rows, note)


def _conclusion(ends: dict[str, float], fits: dict[str, list[Fit]]) -> str:
    factor = _seconds(fits[SCIPY64]) / _seconds(fits[EXACT64])
    iterations = np.median([len(fit.curve) - 1 for fit in fits[SCIPY32]])
    return (
        f"SciPy's default differences reach {ends[SCIPY64]:.1e} in float64 where exact gradients "
        f"reach {ends[EXACT64]:.1e}, in {factor:.0f} times the time. In float32, JAX's default, "
        f"they end at {ends[SCIPY32]:.2g} after {iterations:.0f} iterations without an error "
        f"message; exact float32 gradients reach {ends[EXACT32]:.1e}."
    )


def run(settings: Settings, progress: Progress) -> Findings:
    """Five seeds and 150 iterations, or one and 30."""
    return measure(FULL if settings.full else QUICK, progress)


def _draw(findings: Findings) -> Any:
    title = "Cosine, BFGS: exact gradients beside SciPy's default finite differences"
    return learning_curves(findings.series, title, "train MSE", "BFGS iteration")


EXPERIMENT = Experiment(
    name="takaki-differences",
    title="SciPy's default gradients",
    question="What do SciPy's default finite differences do to such a training?",
    run=run,
    draw=_draw,
)
