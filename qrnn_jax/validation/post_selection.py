"""E8: outputs conditioned on success are ratios; what that does to gradients and errors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

from .binomial import binomial
from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .quick_jit import quick_jit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOUND = 1e-10
WEIGHTS = np.array([0.4, 0.5, -0.8, 0.2])
CHANCES = (1.0, 0.5, 0.25, 0.125, 0.0625)  # of success
SHOTS = 4000
ANGLE = 0.9
FEW, RARE = (60, 250, 1000), 0.25  # shots and chance of success where the bias is looked at
DECAY = 10  # steps
MANY = 2_000_000
SOURCE = "gradients.md 1.12, E8"


def run(settings: Settings, progress: Progress) -> Findings:
    """Exactness of the quotient rule; errors against the chance of success; decay with T."""
    progress(0.0, "quotient rule against exact autodiff")
    exact = _exactness(settings)
    progress(0.4, "errors against the chance of success")
    spread = _spread(settings)
    progress(0.6, "bias of the ratio")
    biases, drawn = [_bias(shots) for shots in FEW], _drawn(settings)
    progress(0.8, "one post-selection per step")
    series = {"exact": exact, "spread": spread, "biases": biases, "drawn": drawn}
    series["decay"] = _decay(settings)
    progress(1.0, "done")
    return Findings(_conclusion(series), _checks(series), _tables(series), series)


def selected_cell(turned: qj.Slot) -> qj.CircuitCell:
    """An ancilla is turned by the data qubit and must end in |1>, at every step.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.validation.post_selection import selected_cell
        >>> selected_cell(qj.Weight(3)).circuit.is_postselected
        True
    """
    operations = (
        qj.RY(0, 0.2 * qj.Data(0)),
        qj.RX(1, qj.Weight(0)),
        qj.RY(0, turned),
        qj.CRX(1, 0, qj.Weight(1)),
        qj.CRY(0, 2, 2.4),
        qj.RY(2, 0.25),
        qj.RZZ(1, 2, qj.Weight(2)),
        qj.AmplitudeDamping(1, 0.05),
        qj.Postselect(2, 1),
        qj.CNOT(0, 1),
        qj.RX(1, 0.4),
        qj.Reset(0),
        qj.Reset(2),
    )
    return qj.CircuitCell(qj.Circuit(3, operations), (qj.Z(0),))


def _exactness(settings: Settings) -> dict[str, Any]:
    """Gradients of the last output: both routes, autodiff, and the shift of the ratio itself."""
    steps = 8 if settings.full else 3
    xs = np.random.default_rng(settings.seed).uniform(-1, 1, (steps, 1))
    cell = selected_cell(qj.Weight(3))

    def last(rule: qj.AbstractGradient, w: Array) -> Array:
        return qj.run(cell, w, jnp.asarray(xs), gradient=rule)[-1, 0]

    rules = qj.Backprop(), qj.ParameterShift(), qj.ParameterShift(route="shared")
    true, replay, shared = (
        np.asarray(quick_jit(jax.grad(partial(last, rule)))(jnp.asarray(WEIGHTS))) for rule in rules
    )
    outside = selected_cell(qj.Data(1))  # the angle as data: moved one by one
    data = np.concatenate([xs, np.full_like(xs, WEIGHTS[3])], axis=1)
    moves = np.pi / 2 * np.eye(steps)[:, :, None] * np.array([0.0, 1.0])
    outputs = quick_jit(jax.vmap(lambda x: qj.run(outside, jnp.asarray(WEIGHTS[:3]), x)[-1, 0]))
    ends = np.asarray(outputs(jnp.concatenate([data + moves, data - moves])))
    return {
        "steps": steps,
        "error": float(max(np.abs(replay - true).max(), np.abs(shared - true).max())),
        "true": float(true[3]),
        "quotient": float(replay[3]),
        "naive": float((ends[:steps] - ends[steps:]).sum() / 2),
    }


def lone_cell() -> qj.CircuitCell:
    """y = cos w, and an ancilla that fails without knowing of it, with chance sin^2(x / 2).

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.validation.post_selection import lone_cell
        >>> weights, xs = jnp.array([0.0]), jnp.array([[jnp.pi / 2]])
        >>> chance = jnp.exp(qj.log_success(lone_cell(), weights, xs))
        >>> print(f"{chance[0]:.3f} {qj.run(lone_cell(), weights, xs)[0, 0]:.3f}")
        0.500 1.000
    """
    operations = (
        qj.RX(0, qj.Weight(0)), qj.RY(1, qj.Data(0)), qj.Postselect(1), qj.Reset(0), qj.Reset(1)
    )  # fmt: skip
    return qj.CircuitCell(qj.Circuit(2, operations), (qj.Z(0),))


def _estimates(shots: int, chance: float, keys: Array) -> np.ndarray:
    """The output and its derivative from `shots` runs per circuit, (keys, 2)."""
    cell, weight = lone_cell(), jnp.array([ANGLE])
    data = jnp.full((1, 1), 2 * np.arccos(np.sqrt(chance)))

    def both(data: Array, key: Array) -> Array:
        def value(w: Array) -> Array:
            return qj.run(cell, w, data, shots=shots, key=key)[0, 0]

        found, slope = jax.value_and_grad(value)(weight)
        return jnp.array([found, slope[0]])

    return np.asarray(_many(both)(data, keys))


def _many(both: Any) -> Any:
    return quick_jit(lambda x, keys: jax.lax.map(partial(both, x), keys, batch_size=500))


def _spread(settings: Settings) -> list[dict[str, float]]:
    """Root mean squared errors, drawn, beside first-order formulas."""
    repeats = 4000 if settings.full else 1000
    rows, truth = [], np.array([np.cos(ANGLE), -np.sin(ANGLE)])
    for place, chance in enumerate(CHANCES if settings.full else CHANCES[::2]):
        key = jax.random.fold_in(jax.random.key(settings.seed), place)
        found = _estimates(SHOTS, chance, jax.random.split(key, repeats))
        errors = np.sqrt(np.mean((found - truth) ** 2, axis=0))
        output, slope = _formulas(SHOTS, chance)
        rows.append({"chance": chance, "output": float(errors[0]), "gradient": float(errors[1]),
                     "output formula": output, "gradient formula": slope,
                     "repeats": repeats})  # fmt: skip
    return rows


def _formulas(shots: int, chance: float) -> tuple[float, float]:
    """Standard errors of y = n / d and of (n' - y d') / d, d the share that survives.

    One run of a shifted circuit contributes (o - y) if it survives, else 0; d adds g^2 (1-p)/p.
    """
    y, slope = np.cos(ANGLE), -np.sin(ANGLE)
    ends = np.array([slope, -slope])  # cos(a + pi/2), cos(a - pi/2)
    each = (1 + y**2 - 2 * y * ends) / chance - (ends - y) ** 2
    variance = np.sum(each) / 4 + slope**2 * (1 - chance) / chance
    return float(np.sqrt((1 - y**2) / (shots * chance))), float(np.sqrt(variance / shots))


def _bias(shots: int) -> dict[str, float]:
    """The relative bias of the gradient: p E[1 / d] - 1, summed over the number of survivors."""
    law, counts = binomial(shots, RARE)[1:], np.arange(1, shots + 1)
    exact = RARE * (law @ (shots / counts)) / law.sum() - 1
    return {"shots": shots, "exact": float(exact), "first": (1 - RARE) / (RARE * shots)}


def _drawn(settings: Settings) -> dict[str, float]:
    """The bias of the library's estimates at the fewest shots."""
    repeats = 40_000 if settings.full else 10_000
    keys = jax.random.split(jax.random.key(settings.seed + 1), repeats)
    found = _estimates(FEW[0], RARE, keys)
    truth, relative = np.array([np.cos(ANGLE), -np.sin(ANGLE)]), _bias(FEW[0])["exact"]
    errors = found.std(axis=0, ddof=1) / np.sqrt(repeats)
    off = np.abs(found.mean(axis=0) - truth * np.array([1, 1 + relative])) / errors
    seen = abs(found[:, 1].mean() - truth[1]) / errors[1]
    return {
        "repeats": repeats,
        "output": float(off[0]),
        "gradient": float(off[1]),
        "seen": float(seen),
    }


def _decay(settings: Settings) -> dict[str, Any]:
    """One post-selection of chance 1/2 per step: standard errors beside those without any."""
    weight, data = jnp.array([ANGLE]), jnp.full((DECAY, 1), np.pi / 2)
    kept = lone_cell()
    free = [op for op in kept.circuit.operations if not isinstance(op, qj.Postselect)]
    other = qj.CircuitCell(qj.Circuit(2, free), (qj.Z(0),))
    options: dict[str, Any] = {
        "shots": MANY,
        "prefixes": True,
        "key": jax.random.key(settings.seed),
    }
    errors = [
        np.asarray(quick_jit(lambda w, c=cell: qj.simulate(c, w, data, **options).stderr)(weight))
        for cell in (kept, other)
    ]
    weights = np.asarray(quick_jit(lambda w: qj.log_success(kept, w, data))(weight))
    off = float(np.max(np.abs(weights - np.arange(1, DECAY + 1) * np.log(0.5))))
    return {"factors": (errors[0] / errors[1])[:, 0].tolist(), "off": off}


def _slope(rows: list[dict[str, float]], name: str) -> float:
    """The exponent of p; for the gradient where p is small: near p = 1 it has other terms, too."""
    rows = [row for row in rows if name == "output" or row["chance"] <= RARE]
    chances, errors = [row["chance"] for row in rows], [row[name] for row in rows]
    return float(np.polyfit(np.log(chances), np.log(errors), 1)[0])


def _checks(series: dict[str, Any]) -> tuple[Check, ...]:
    exact, spread, drawn, decay = (series[n] for n in ("exact", "spread", "drawn", "decay"))
    ratios = [
        row[name] / row[f"{name} formula"] - 1 for row in spread for name in ("output", "gradient")
    ]
    last = series["biases"][-1]
    return (
        Check("quotient rule, both routes, against autodiff", exact["error"], high=BOUND,
              source=SOURCE),
        Check("shift of the ratio itself: error of the derivative",
              abs(exact["naive"] - exact["true"]), 1.0, source=SOURCE),
        Check("largest |drawn / first-order RMSE - 1|", max(map(abs, ratios)), high=0.1,
              kind="statistics"),
        Check("RMSE of the output: exponent of the chance of success", _slope(spread, "output"),
              -0.55, -0.45, "statistics", SOURCE),
        Check(f"RMSE of the gradient: exponent of the chance of success up to {RARE}",
              _slope(spread, "gradient"), -0.6, -0.4, "prediction", SOURCE),
        Check(f"bias of the gradient at {last['shots']} shots over (1 - p) / (p S)",
              last["exact"] / last["first"], 0.95, 1.05, source=SOURCE),
        Check(f"{FEW[0]} shots: output from truth, in standard errors", drawn["output"], high=4,
              kind="statistics"),
        Check(f"{FEW[0]} shots: gradient from its exact expectation, in standard errors",
              drawn["gradient"], high=4, kind="statistics"),
        Check(f"{FEW[0]} shots: gradient from truth, in standard errors", drawn["seen"], low=4,
              kind="statistics"),
        Check("log of the chance that all steps succeed against t log 0.5", decay["off"],
              high=BOUND),
        Check(f"p = 0.5, T = {DECAY}: standard error over that without post-selection",
              decay["factors"][-1], 30, 34, "prediction", SOURCE),
    )  # fmt: skip


def _tables(series: dict[str, Any]) -> tuple[Table, ...]:
    exact = series["exact"]
    names = ("output", "output formula", "gradient", "gradient formula")
    spread = tuple((r["chance"], *(round(r[n], 5) for n in names)) for r in series["spread"])
    biases = tuple(
        (r["shots"], round(r["exact"], 5), round(r["first"], 5)) for r in series["biases"]
    )
    factors = tuple((t + 1, round(f, 2), round(2 ** ((t + 1) / 2), 2))
                    for t, f in enumerate(series["decay"]["factors"]))  # fmt: skip
    return (
        Table(f"A derivative through post-selections, T = {exact['steps']}",
              ("exact", "quotient rule", "shift of the ratio"),
              ((exact["true"], exact["quotient"], exact["naive"]),)),
        Table(f"RMSE of cos w at {SHOTS} shots per circuit",
              ("chance of success", "output", "formula", "gradient", "formula"), spread),
        Table(f"Relative bias of the gradient, chance of success {RARE}",
              ("shots", "exact", "(1 - p) / (p S)"), biases),
        Table("Post-selecting with chance 1/2 at every step: factor on the standard error",
              ("T", "found", "2^(T/2)"), factors, f"{MANY} shots per output."),
    )  # fmt: skip


def _conclusion(series: dict[str, Any]) -> str:
    exact, biases = series["exact"], series["biases"]
    return (
        f"Applied to numerator and denominator apart, the shift rule is exact (largest error "
        f"{exact['error']:.1e}); applied to the ratio it gives {exact['naive']:.3f}, not "
        f"{exact['true']:.3f}. Errors grow with the chance of success p as "
        f"p^{_slope(series['spread'], 'output'):.2f} for the output and "
        f"p^{_slope(series['spread'], 'gradient'):.2f} for the gradient (p <= {RARE}), whose "
        f"bias is {biases[0]['exact']:.1%} at {biases[0]['shots']} shots and p = {RARE}. One "
        f"post-selection of chance 1/2 at every step costs a factor "
        f"{series['decay']['factors'][-1]:.0f} in the standard error after {DECAY} steps: shots "
        "cannot buy that back."
    )


def draw(findings: Findings) -> Figure:
    """Left: errors against the chance of success. Right: what repeated post-selection costs."""
    from qrnn_jax.plots.picture import BLUE, GREY, RED, logarithmic, new_figure, set_title

    series = findings.series
    figure = new_figure(9.5, 3.9)
    left, right = figure.subplots(1, 2)
    chances = [row["chance"] for row in series["spread"]]
    for name, colour in (("output", BLUE), ("gradient", RED)):
        label = f"{name}: {_slope(series['spread'], name):.2f}"
        left.plot(chances, [r[name] for r in series["spread"]], "o", color=colour, label=label)
        left.plot(chances, [r[f"{name} formula"] for r in series["spread"]], "-", color=colour)
    left.set(xscale="log", xlabel="chance of success, p",
             ylabel=f"RMSE at {SHOTS} shots per circuit")  # fmt: skip
    factors = series["decay"]["factors"]
    steps = np.arange(1, len(factors) + 1)
    right.plot(steps, 2 ** (steps / 2), "--", color=GREY, label="2^(T/2)")
    right.plot(steps, factors, "o", color=BLUE, label="found")
    right.set(xlabel="steps, T", ylabel="factor on the standard error")
    right.set_title("post-selecting with chance 1/2 at every step", fontsize=10)
    left.set_title("drawn (dots) and first order (lines)", fontsize=10)
    left.set_xticks(chances, [f"{chance:g}" for chance in chances], minor=False)
    left.minorticks_off()
    for axes, title in ((left, "fitted exponent of p"), (right, None)):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        logarithmic(axes)
        axes.legend(fontsize=8, frameon=False, title=title, title_fontsize=8)
    set_title(figure, "Post-selection: the quotient rule is exact, its price is the survivors")
    return figure


EXPERIMENT = Experiment(
    name="E8",
    title="Post-selection",
    question="Can outputs that are conditioned on success be differentiated by shifts, and at what "
    "price?",
    run=run,
    draw=draw,
)
