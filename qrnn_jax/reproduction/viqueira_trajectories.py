"""The hardware path of Viqueira's circuit: sampled outcomes beside exact expectation values."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table

from .pauli_steps import PauliSteps
from .shot_gradients import covariance, play
from .viqueira_task import CELL, TASK, published_start

SEED = 13192
SHOTS = 20_000  # of the run whose outputs are compared with exact ones
WORST, RATIO = 5.0, 0.2  # standard errors; how far the deviation may be from the formula's
OURS = "check D13: follows from the binomial distribution"
MODEL = "independent Gaussian errors, the paper's model"


class Size(NamedTuple):
    """Repeated runs and the shots of each."""

    repeats: int
    shots: int


QUICK, FULL = Size(200, 100), Size(200, 20_000)


def measure(size: Size, seed: int, progress: Progress) -> Findings:
    """Sample the first training window at the published start, once and many times.

    Example:
        >>> from qrnn_jax.reproduction.viqueira_trajectories import FULL, SHOTS
        >>> FULL.shots == SHOTS
        True
    """
    params = jnp.asarray(published_start(SEED))
    xs = jnp.asarray(TASK.train.inputs[0])
    exact = np.asarray(qj.run(CELL, params, xs, engine=qj.DensityMatrix()))[:, 0]
    progress(0.1, f"{SHOTS} shots")
    once_key, model_key, many_key = jax.random.split(jax.random.key(seed), 3)
    once = np.asarray(_sample(params, xs, once_key, SHOTS))
    many = []
    for place, key in enumerate(jax.random.split(many_key, size.repeats)):
        progress(0.2 + 0.8 * place / size.repeats, f"run {place} of {size.repeats}")
        many.append(np.asarray(_sample(params, xs, key, size.shots)))
    errors = np.sqrt(1 - exact**2)
    drawn = np.asarray(jax.random.normal(model_key, (size.repeats + 1, len(exact))))
    worst, model = np.abs((once - exact) * np.sqrt(SHOTS) / errors).max(), np.abs(drawn[0]).max()
    ratios = np.std(many, axis=0, ddof=1) * np.sqrt(size.shots) / errors
    off = float(np.abs(ratios - 1).max())
    model_off = float(np.abs(np.std(drawn[1:], axis=0, ddof=1) - 1).max())
    checks = (
        Check(f"worst of {len(exact)} outputs, in standard errors, {SHOTS} shots", float(worst),
              None, WORST, "statistics", OURS, None, float(model), MODEL),
        Check(f"deviation over {size.repeats} runs: worst distance of its ratio to "
              "sqrt((1 - z^2) / S) from 1", off, None, RATIO, "statistics", OURS, None, model_off,
              MODEL),
    )  # fmt: skip
    return _findings(size, exact, once, ratios, _correlation(params, xs), checks)


def _sample(params: Any, xs: Any, key: Any, shots: int) -> Any:
    return qj.run(CELL, params, xs, engine=qj.Trajectories(SHOTS), shots=shots, key=key)[:, 0]


def _correlation(params: Any, xs: Any) -> np.ndarray:
    """Of the outcomes of one repetition, exactly; the diagonal left out."""
    steps, weights, inputs = PauliSteps(CELL), params[1:], xs[:, 0]
    played = play(steps, weights, inputs)
    matrix = np.asarray(covariance(steps, weights, inputs, played, len(inputs)))
    spread = np.sqrt(np.diag(matrix))
    return matrix / np.outer(spread, spread) - np.eye(len(matrix))


def _findings(
    size: Size, exact: Any, once: Any, ratios: Any, correlation: Any, checks: tuple[Check, ...]
) -> Findings:
    rows = tuple(
        (step + 1, float(exact[step]), float(once[step]), float(ratios[step]))
        for step in range(len(exact))
    )
    header = ("step", "exact output", f"{SHOTS} shots", "deviation over formula")
    note = f"Deviation over {size.repeats} runs of {size.shots} shots each."
    pair = np.unravel_index(np.argmax(np.abs(correlation)), correlation.shape)
    agree = "agree" if all(check.passed for check in checks) else "do not agree"
    conclusion = (
        f"Sampled trajectories {agree} with the density matrix: the worst of {len(exact)} outputs "
        f"is {checks[0].measured:.1f} standard errors off. Outputs of one circuit share their "
        f"repetitions: those of steps {min(pair) + 1} and {max(pair) + 1} correlate by "
        f"{correlation[pair]:+.2f}, which independent errors, the paper's model, leave out."
    )
    series = {"correlation": correlation.round(5).tolist()}
    return Findings(conclusion, checks, (Table("Outputs", header, rows, note),), series)


def run(settings: Settings, progress: Progress) -> Findings:
    """200 runs of 20,000 shots, or of 100."""
    return measure(FULL if settings.full else QUICK, settings.seed, progress)


def _draw(findings: Findings) -> Any:
    from matplotlib.ticker import MultipleLocator

    from qrnn_jax.plots.picture import new_figure, set_title

    correlation = np.array(findings.series["correlation"])
    size = np.abs(correlation).max()
    figure = new_figure(5.6, 4.8)
    axes = figure.subplots()
    edges = np.arange(len(correlation) + 1) + 0.5
    image = axes.pcolormesh(edges, edges, correlation, cmap="RdBu_r", vmin=-size, vmax=size)
    figure.colorbar(image, ax=axes, label="correlation of outputs, diagonal left out")
    axes.set(xlabel="time step", ylabel="time step", aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(5))
    set_title(figure, "Outputs from the same repetitions are correlated (exact)")
    return figure


EXPERIMENT = Experiment(
    name="viqueira-trajectories",
    title="sampled outcomes",
    question="Do sampled trajectories give the exact outputs, with the expected errors?",
    run=run,
    draw=_draw,
)
