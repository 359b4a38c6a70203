"""E9: what finite shots do to losses and their gradients, and whether stated errors are honest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

from .binomial import binomial
from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .pilot import STRONG, pilot_cell, pilot_inputs
from .quick_jit import quick_jit
from .standard_errors import cases, honesty

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOTS = 50
FEW = 5  # where keys are shared
ANGLE, TARGET = 0.6, 0.2
LABEL = jnp.array(0)  # of the outcome +1
CHANCE = 0.91  # of the label
SIZES = (20, 50, 200, 1000, 5000)
SOURCE = "gradients.md 1.13, E9"
CELL = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0))), (qj.Z(0),))
NOTHING = jnp.zeros((1, 0))
Loss = Callable[[Array, int], Array]  # of y and the number of shots


def run(settings: Settings, progress: Progress) -> Findings:
    """Exact biases of all losses; drawn ones with split and with shared keys; stated errors."""
    progress(0.0, "sums over all counts")
    biases = {name: [_bias(loss, shots) for shots in SIZES] for name, loss in losses().items()}
    progress(0.1, "squared error, split keys")
    split, recurrent = _split(settings), _recurrent(settings)
    progress(0.3, "squared error, one key for all")
    shared = _shared(settings)
    rows = []
    chosen = cases(settings)
    for place, case in enumerate(chosen):
        progress(0.4 + 0.6 * place / len(chosen), f"standard errors of {case.rule}, {case.cell}")
        entries = 4000 if settings.full and not case.joint else 2000
        found = honesty(case, settings.seed, entries)
        rows.append({"rule": case.rule, "cell": case.cell, "joint": case.joint,
                     **found._asdict(), "passed": found.passed})  # fmt: skip
    series = {"biases": biases, "split": split, "recurrent": recurrent, "shared": shared}
    series["errors"] = rows
    progress(1.0, "done")
    return Findings(_conclusion(series), _checks(series), _tables(series), series)


def losses() -> dict[str, Loss]:
    """Name -> loss of one output, from its value and its number of shots.

    Example:
        >>> from qrnn_jax.validation.loss_bias import losses
        >>> list(losses())[:2]
        ['squared error', 'squared error, corrected']
    """

    def corrected(y: Array, shots: int) -> Array:
        spread = jax.lax.stop_gradient(jnp.sqrt((1 - y**2) / (shots - 1)))
        result = qj.Result(y, None, spread, None)
        return qj.losses.mse_unbiased(result, jnp.full_like(y, TARGET))

    return {
        "squared error": lambda y, shots: qj.losses.mse(y, jnp.full_like(y, TARGET)),
        "squared error, corrected": corrected,
        "Brier score": lambda y, shots: qj.losses.brier(y, LABEL),
        "cross-entropy": lambda y, shots: qj.losses.cross_entropy(y, LABEL, floor=0.5 / shots),
        "cross-entropy, jackknife": lambda y, shots: qj.losses.cross_entropy_jackknife(
            y, LABEL, shots
        ),
    }


def _bias(loss: Loss, shots: int) -> dict[str, float]:
    """Bias of the value and relative bias of the slope of l(y), summed over all counts."""
    counts = np.arange(shots + 1)
    outputs, truth = jnp.asarray(2 * counts / shots - 1), jnp.asarray(2 * CHANCE - 1)
    both = quick_jit(jax.vmap(jax.value_and_grad(lambda y: loss(y, shots))))
    values, slopes = map(np.asarray, both(outputs))
    law = binomial(shots, CHANCE)
    # the loss itself, and its slope: what infinitely many shots give
    exact, slope = jax.value_and_grad(lambda y: loss(y, 10**12))(truth)
    return {
        "shots": shots,
        "value": float(law @ values - exact),
        "slope": float(law @ slopes / slope - 1),
    }


def _split(settings: Settings) -> dict[str, float]:
    """The library's squared error, its correction and its gradient at few shots, drawn."""
    repeats = 20_000 if settings.full else 1000
    target = jnp.full((1, 1), TARGET)

    def one(key: Array) -> Array:
        def values(w: Array) -> tuple[Array, Array]:
            result = qj.simulate(
                CELL, w, NOTHING, shots=SHOTS, key=key, gradient=qj.ParameterShift()
            )
            return qj.losses.mse(result.outputs, target), qj.losses.mse_unbiased(result, target)

        (plain, better), slope = jax.value_and_grad(values, has_aux=True)(jnp.array([ANGLE]))
        return jnp.array([plain, better, slope[0]])

    found = _drawn(one, repeats, settings.seed)
    y = np.cos(ANGLE)
    loss, slope, added = (y - TARGET) ** 2, -2 * (y - TARGET) * np.sin(ANGLE), (1 - y**2) / SHOTS
    errors = found.std(axis=0, ddof=1) / np.sqrt(repeats)
    off = np.abs(found.mean(axis=0) - [loss + added, loss, slope]) / errors
    return {
        "repeats": repeats, "truth": float(slope), "mean": float(found[:, 2].mean()),
        "error": float(errors[2]), "gradient": float(off[2]), "added": float(added),
        "found": float(found[:, 0].mean() - loss), "value": float(off[0]),
        "corrected": float(off[1]), "seen": float((found[:, 0].mean() - loss) / errors[0]),
    }  # fmt: skip


def _drawn(one: Callable[[Array], Array], repeats: int, seed: int) -> np.ndarray:
    keys = jax.random.split(jax.random.key(seed), repeats)
    return np.asarray(quick_jit(lambda k: jax.lax.map(one, k, batch_size=500))(keys))


def _recurrent(settings: Settings) -> dict[str, float]:
    """The same on the pilot, three steps: the entry that is furthest from the exact gradient."""
    repeats = 4000 if settings.full else 300
    cell, (weights, xs) = pilot_cell(STRONG), pilot_inputs(3, settings.seed)
    inputs, targets = jnp.asarray(xs), jnp.full((3, 1), TARGET)

    def loss(w: Array, **options: Any) -> Array:
        return qj.losses.mse(qj.run(cell, w, inputs, **options), targets)

    def one(key: Array) -> Array:
        return jax.grad(partial(loss, shots=SHOTS, prefixes=True, key=key))(jnp.asarray(weights))

    found = _drawn(one, repeats, settings.seed + 1)
    truth = np.asarray(quick_jit(jax.grad(loss))(jnp.asarray(weights)))
    moved = found.std(axis=0) > 1e-9
    errors = found.std(axis=0, ddof=1)[moved] / np.sqrt(repeats)
    off = np.abs(found.mean(axis=0) - truth)[moved] / errors
    return {"repeats": repeats, "entries": int(moved.sum()), "off": float(off.max())}


def _shared(settings: Settings) -> dict[str, float]:
    """By hand, with one key in the unshifted and in both shifted circuits: what not to do.

    Equation: E[2 (y - t) dy] is off by cov(o, o_+) - cov(o, o_-) over S; with one uniform number u
    for all, o = +1 where u < p, so cov(o_a, o_b) = 4 (min(p_a, p_b) - p_a p_b).
    """
    repeats = 40_000 if settings.full else 10_000
    angles = jnp.asarray(ANGLE + np.array([0, 1, -1]) * np.pi / 2)

    def one(key: Array) -> Array:
        def play(angle: Array) -> Array:
            engine = qj.Trajectories(1)
            return qj.run(CELL, angle[None], NOTHING, engine=engine, shots=FEW, key=key)[0, 0]

        y, plus, minus = jax.vmap(play)(angles)
        return 2 * (y - TARGET) * (plus - minus)[None] / 2

    found = _drawn(one, repeats, settings.seed + 2)[:, 0]
    p, plus, minus = (1 + np.cos(ANGLE + np.array([0, 1, -1]) * np.pi / 2)) / 2
    covariances = [4 * (min(p, other) - p * other) for other in (plus, minus)]
    predicted = (covariances[0] - covariances[1]) / FEW
    truth = -2 * (np.cos(ANGLE) - TARGET) * np.sin(ANGLE)
    error = found.std(ddof=1) / np.sqrt(repeats)
    bias = float(found.mean() - truth)
    return {"repeats": repeats, "bias": bias, "predicted": float(predicted),
            "off": float(abs(bias - predicted) / error),
            "seen": float(abs(bias) / error)}  # fmt: skip


def _checks(series: dict[str, Any]) -> tuple[Check, ...]:
    split, shared, errors = (series[name] for name in ("split", "shared", "errors"))
    at = {name: dict(zip(SIZES, rows)) for name, rows in series["biases"].items()}
    plain, better = at["cross-entropy"][SHOTS], at["cross-entropy, jackknife"][SHOTS]
    first = (1 - CHANCE) / (CHANCE * SHOTS)
    squares = [at[name][s]["slope"] for name in list(at)[:3] for s in SIZES]
    return (
        Check("squared errors and Brier score: relative bias of the gradient",
              max(map(abs, squares)), high=1e-10, source=SOURCE),
        Check("squared error: bias of the value beside (1 - y^2) / S", _added(at["squared error"]),
              high=1e-10, source=SOURCE),
        Check("squared error, corrected: bias of the value",
              max(abs(row["value"]) for row in at["squared error, corrected"].values()),
              high=1e-10),
        Check(f"gradient at {SHOTS} shots, split keys: off, in standard errors", split["gradient"],
              high=3, kind="statistics", source=SOURCE),
        Check(f"value at {SHOTS} shots: off from truth + (1 - y^2) / S, in standard errors",
              split["value"], high=3, kind="statistics", source=SOURCE),
        Check(f"corrected value at {SHOTS} shots: off, in standard errors", split["corrected"],
              high=3, kind="statistics"),
        Check("recurrent circuit, split keys: largest entry's bias, in standard errors",
              series["recurrent"]["off"], high=4, kind="statistics"),
        Check(f"one shared key, {FEW} shots: bias from its prediction, in standard errors",
              shared["off"], high=4, kind="statistics"),
        Check(f"one shared key, {FEW} shots: bias, in standard errors", shared["seen"], low=5,
              kind="statistics"),
        Check(f"cross-entropy: relative bias of the gradient at {SHOTS} shots over (1 - p) / (p S)",
              plain["slope"] / first, 0.9, 1.1, source=SOURCE),
        Check(f"cross-entropy: bias of the value at {SHOTS} shots over (1 - p) / (2 p S)",
              2 * plain["value"] / first, 0.9, 1.1),
        Check("jackknife: what remains of the bias of the gradient",
              abs(better["slope"] / plain["slope"]), high=0.1),
        Check("jackknife: what remains of the bias of the value",
              abs(better["value"] / plain["value"]), high=0.1),
        *(Check(f"stated errors, {_named(row)}: {word}", row[name], low, high, "statistics")
          for row in errors
          for name, word, low, high in (("rms", "r.m.s. z", 0.93, 1.07),
                                        ("mean", "|mean z| in standard errors", None, 4))),
    )  # fmt: skip


def _added(rows: dict[int, dict[str, float]]) -> float:
    """How far the bias of the value is from (1 - y^2) / S, at most."""
    spread = 4 * CHANCE * (1 - CHANCE)
    return max(abs(row["value"] - spread / shots) for shots, row in rows.items())


def _named(row: dict[str, Any]) -> str:
    return f"{row['rule']} on {row['cell']}{', joint' if row['joint'] else ''}"


def _tables(series: dict[str, Any]) -> tuple[Table, ...]:
    biases = tuple(
        (name, row["shots"], row["value"], row["slope"])
        for name, rows in series["biases"].items()
        for row in rows
        if row["shots"] in (SHOTS, 1000)
    )
    errors = tuple(
        (row["rule"], row["cell"], "joint" if row["joint"] else "apart", row["entries"],
         row["keys"], round(row["rms"], 3), round(row["mean"], 2), row["passed"])
        for row in series["errors"]
    )  # fmt: skip
    return (
        Table(f"Exact biases, p = {CHANCE}, y = {2 * CHANCE - 1:.2f}",
              ("loss", "shots", "of the value", "of the gradient, relative"), biases,
              "Sums over all counts. The derivative of y has shots of its own."),
        Table("Are stated standard errors honest?",
              ("rule", "cell", "outputs", "entries", "keys", "r.m.s. z", "|mean z|", "honest"),
              errors, "Quadratic loss, three steps, 1000 shots per circuit; |mean z| in its "
              "standard errors."),
    )  # fmt: skip


def _conclusion(series: dict[str, Any]) -> str:
    split, shared, errors = (series[name] for name in ("split", "shared", "errors"))
    at = {name: dict(zip(SIZES, rows)) for name, rows in series["biases"].items()}
    plain, better = at["cross-entropy"][SHOTS], at["cross-entropy, jackknife"][SHOTS]
    honest = sum(row["passed"] for row in errors)
    return (
        f"With keys of their own for all circuits, the gradient of the squared error at {SHOTS} "
        f"shots is {split['mean']:.4f} +- {split['error']:.4f} (truth {split['truth']:.4f}); one "
        f"key for all would bias it by {shared['bias']:+.4f} at {FEW}. The value is too large by "
        f"{split['found']:.4f}, (1 - y^2) / S, which `mse_unbiased` removes. The cross-entropy's "
        f"gradient is too long by {plain['slope']:.2%} at p = {CHANCE}, with the jackknife "
        f"{better['slope']:+.3%}; the Brier score's is unbiased. Stated standard errors are "
        f"honest in {honest} of {len(errors)} cases (r.m.s. z "
        f"{min(r['rms'] for r in errors):.3f} to {max(r['rms'] for r in errors):.3f})."
    )


def draw(findings: Findings) -> Figure:
    """Left: biases of the gradient against shots. Right: r.m.s. z of every case."""
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, new_figure, set_title

    series = findings.series
    errors = series["errors"]
    figure = new_figure(11, max(4.0, 1.2 + 0.2 * len(errors)))
    left, right = figure.subplots(1, 2)
    curves = (("squared error", "value", BLUE), ("cross-entropy", "value", ORANGE),
              ("cross-entropy", "slope", RED),
              ("cross-entropy, jackknife", "slope", GREY))  # fmt: skip
    for name, what, colour in curves:
        rows = series["biases"][name]
        label = f"{name}: {'value' if what == 'value' else 'gradient, relative'}"
        size = [abs(row[what]) for row in rows]
        left.plot([row["shots"] for row in rows], size, "o-", color=colour, label=label)
    left.set(xscale="log", yscale="log", xlabel="shots per circuit", ylabel="|bias|, exact")
    right.axvspan(0.93, 1.07, color="0.93")
    right.axvline(1, color="0.6", linewidth=1)
    right.plot([row["rms"] for row in errors], range(len(errors)), "o", color=BLUE)
    right.set_yticks(range(len(errors)), [_named(row) for row in errors], fontsize=7)
    right.invert_yaxis()
    right.set(xlabel="r.m.s. of (estimate - truth) / stated error", xlim=(0.88, 1.12))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    left.legend(fontsize=8, frameon=False)
    set_title(figure, "Losses under shots: quadratic ones have unbiased gradients")
    return figure


EXPERIMENT = Experiment(
    name="E9",
    title="Bias of losses",
    question="Are losses and their gradients biased under shots, and are stated errors honest?",
    run=run,
    draw=draw,
)
