"""E7: gates and controllers that act on what was measured before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

from .binomial import binomial
from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .histories import PARAMETERS, STEPS, WEIGHTS, Variances, reflex_cell, variances
from .quick_jit import quick_jit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOUND = 1e-10
SHOTS = (100, 1000, 10_000)
EXACT = ("gradient", "per_shot", "score", "causal")  # what the report takes from the sums
FEW = 20  # shots at which the bias of fed-back estimates is drawn, too
SOURCE = "gradients.md 1.4, 1.12, E7"
TOY = np.array([0.9, 0.7])


def run(settings: Settings, progress: Progress) -> Findings:
    """Gates under a measured bit; controllers fed by bits; controllers fed by estimates."""
    progress(0.0, "a trained gate under a measured bit")
    branches = [_branch(measured, settings) for measured in (True, False)]
    progress(0.25, "bits: sums over all histories")
    exact = variances(jnp.asarray(PARAMETERS), quick_jit)
    progress(0.35, "bits: drawing shots")
    bits = _bits(settings, exact)
    progress(0.75, "expectation values fed back")
    biases, drawn = _biases(), _drawn(settings)
    series = {"branches": branches, "bits": bits, "biases": biases, "drawn": drawn}
    progress(1.0, "done")
    return Findings(_conclusion(series), _checks(series), _tables(series), series)


def controlled_cell(measured: bool, angle: qj.Slot) -> qj.CircuitCell:
    """A rotation of the memory under the data qubit: measured first, or coherently.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.validation.feed_forward import controlled_cell
        >>> controlled_cell(True, qj.Weight(0)).circuit.bit_wires
        (2,)
    """
    control = (qj.Measure(0, to=2), qj.If(2, qj.RX(1, angle)))
    operations = (
        qj.RY(0, qj.Data(0)),
        qj.RY(1, 0.7),
        qj.CNOT(1, 0),
        qj.RX(0, 1.1),
        *(control if measured else (qj.CRX(0, 1, angle),)),
        qj.RXX(0, 1, 0.8),
        qj.RZ(1, 0.4),
        qj.RY(0, 0.6),
        qj.Reset(0),
    )
    return qj.CircuitCell(qj.Circuit(3 if measured else 2, operations), (qj.Z(0),))


def _branch(measured: bool, settings: Settings) -> dict[str, Any]:
    """The library's rule, two terms by hand, and the truth, for the last output."""
    steps = 8 if settings.full else 4
    xs = np.random.default_rng(settings.seed).uniform(-1, 1, (steps, 1))
    cell, weight = controlled_cell(measured, qj.Weight(0)), jnp.array([0.8])

    def last(rule: qj.AbstractGradient, w: Array) -> Array:
        return qj.run(cell, w, jnp.asarray(xs), gradient=rule)[-1, 0]

    shifted, true = (
        float(quick_jit(jax.grad(partial(last, rule)))(weight)[0])
        for rule in (qj.ParameterShift(), qj.Backprop())
    )
    outside = controlled_cell(measured, qj.Data(1))  # the angle as data: moved one by one
    data = np.concatenate([xs, np.full_like(xs, 0.8)], axis=1)
    moves = np.pi / 2 * np.eye(steps)[:, :, None] * np.array([0.0, 1.0])
    outputs = quick_jit(jax.vmap(lambda x: qj.run(outside, jnp.zeros(0), x)[-1, 0]))
    ends = np.asarray(outputs(jnp.concatenate([data + moves, data - moves])))
    circuits = qj.ParameterShift().evaluations(cell.circuit, steps)
    return {
        "measured": measured, "steps": steps, "error": abs(shifted - true), "true": true,
        "two": float((ends[:steps] - ends[steps:]).sum() / 2), "terms": circuits / steps,
    }  # fmt: skip


def _bits(settings: Settings, exact: Variances) -> dict[str, Any]:
    """Estimates of the library beside the sums over histories."""
    shots, repeats = (1000, 700) if settings.full else (300, 60)
    cell = reflex_cell()
    params = {"weights": jnp.zeros(0), "controller": jnp.asarray(PARAMETERS)}
    xs = jnp.zeros((STEPS, 1))

    def one(key: Array) -> tuple[Array, Array]:
        found = qj.estimate_gradient(_linear, cell, params, xs, shots=shots, key=key)
        return found.gradient["controller"], found.stderr["controller"]

    keys = jax.random.split(jax.random.key(settings.seed), repeats)
    gradients, errors = map(np.asarray, jax.jit(lambda k: jax.lax.map(one, k))(keys))
    scores = (gradients - np.asarray(exact.gradient)) / errors
    predicted = np.sqrt(np.asarray(exact.per_shot) / (4 * STEPS * shots))
    means = scores.mean(axis=1)
    return {
        "shots": shots,
        "repeats": repeats,
        "unbiased": float(np.max(np.abs(exact.mean - exact.gradient))),
        "rms": float(np.sqrt(np.mean(scores**2))),
        "mean": float(abs(means.mean()) / means.std(ddof=1) * np.sqrt(repeats)),
        "stated": float(np.max(np.abs(errors.mean(axis=0) / predicted - 1))),
        **{name: np.asarray(getattr(exact, name)).tolist() for name in EXACT},
    }


def _linear(outputs: Array) -> Array:
    return jnp.vdot(jnp.asarray(WEIGHTS), outputs[:, 0])


@final
@dataclass(frozen=True)
class Curved(qj.AbstractController):
    """a_t = p_0 + p_1 h^2, h the last read, 0.5 at first.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.feed_forward import Curved
        >>> float(Curved().angles(jnp.array([1.0, 2.0]), jnp.array(0.5), jnp.zeros(1))[0])
        1.5
    """

    features: int = 1

    def init(self, key: Array) -> Array:
        return jax.random.normal(key, (2,))

    def start(self, params: Array) -> Array:
        return 0.5 * jnp.ones((), params.dtype)

    def angles(self, params: Array, h: Array, x: Array) -> Array:
        del x
        return (params[0] + params[1] * h**2)[None]

    def update(self, params: Array, h: Array, x: Array, reads: Array) -> Array:
        del params, h, x
        return reads[0]


def _expected(shots: int | None) -> np.ndarray:
    """E[y_2] and E[dy_2/dp], summed over the counts of y_1; the exact ones for None.

    y_2 = cos(p_0 + p_1 y_1^2), y_1 = cos(p_0 + p_1 / 4) estimated; dy_1 is drawn apart from y_1.
    """
    first = TOY[0] + TOY[1] / 4
    truth, slope = np.cos(first), -np.sin(first) * np.array([1, 0.25])
    values, law = np.array([truth]), np.ones(1)
    if shots is not None:
        values, law = 1 - 2 * np.arange(shots + 1) / shots, binomial(shots, (1 - truth) / 2)
    angle = TOY[0] + TOY[1] * values**2
    direct = np.stack([np.ones_like(values), values**2])
    through = 2 * TOY[1] * values * slope[:, None]
    slopes = -np.sin(angle) * (direct + through)
    return np.array([law @ np.cos(angle), *(slopes @ law)])


def _biases() -> list[dict[str, float]]:
    truth = _expected(None)
    return [
        {"shots": shots, "value": bias[0], "gradient": float(np.max(np.abs(bias[1:])))}
        for shots in SHOTS
        for bias in [(_expected(shots) - truth).tolist()]
    ]


def _drawn(settings: Settings) -> dict[str, float]:
    """The library at few shots: how far its mean is from the exact expectation, and from truth."""
    repeats = 20_000 if settings.full else 2000
    circuit = qj.Circuit(1, (qj.RX(0, qj.Data(0)), qj.Reset(0)))
    cell = qj.FeedbackCell(qj.CircuitCell(circuit, (qj.Z(0),)), Curved())
    weights = jnp.zeros(0)

    def one(key: Array) -> Array:
        def last(p: Array) -> Array:
            params = {"weights": weights, "controller": p}
            return qj.run(cell, params, jnp.zeros((2, 1)), shots=FEW, key=key)[-1, 0]

        value, slopes = jax.value_and_grad(last)(jnp.asarray(TOY))
        return jnp.concatenate([value[None], slopes])

    keys = jax.random.split(jax.random.key(settings.seed + 1), repeats)
    found = np.asarray(jax.jit(lambda k: jax.lax.map(one, k, batch_size=1000))(keys))
    errors = found.std(axis=0, ddof=1) / np.sqrt(repeats)
    mean = found.mean(axis=0)
    return {
        "repeats": repeats,
        "off": float(np.max(np.abs(mean - _expected(FEW)) / errors)),
        "seen": float(np.max(np.abs(mean - _expected(None)) / errors)),
    }


def _slope(rows: list[dict[str, float]], name: str) -> float:
    errors = [abs(row[name]) for row in rows]
    return float(np.polyfit(np.log([row["shots"] for row in rows]), np.log(errors), 1)[0])


def _checks(series: dict[str, Any]) -> tuple[Check, ...]:
    measured, coherent = series["branches"]
    bits, biases, drawn = series["bits"], series["biases"], series["drawn"]
    width = 0.07 if bits["repeats"] > 600 else 0.2  # 2000 entries, or few
    return (
        Check("measured control: shift rule against autodiff", measured["error"], high=BOUND),
        Check("measured control: two terms by hand against autodiff",
              abs(measured["two"] - measured["true"]), high=BOUND, source=SOURCE),
        Check("measured control: circuits per occurrence", measured["terms"], 2, 2),
        Check("coherent control: shift rule against autodiff", coherent["error"], high=BOUND),
        Check("coherent control: circuits per occurrence", coherent["terms"], 4, 4),
        Check("coherent control: two terms by hand over the truth, off by",
              abs(coherent["two"] / coherent["true"] - 1), 0.1, kind="prediction", source=SOURCE),
        Check("bits: mean of per-shot weights against the sum over histories", bits["unbiased"],
              high=BOUND, source=SOURCE),
        Check("bits: r.m.s. z", bits["rms"], 1 - width, 1 + width,
              kind="statistics"),
        Check("bits: |mean z| over its standard error", bits["mean"], high=4, kind="statistics"),
        Check("bits: stated error against the sum over histories, largest relative difference",
              bits["stated"], high=0.02, kind="statistics"),
        Check("estimates fed back: slope of the bias of the value", _slope(biases, "value"),
              -1.05, -0.95, source=SOURCE),
        Check("estimates fed back: slope of the bias of the gradient", _slope(biases, "gradient"),
              -1.05, -0.95, source=SOURCE),
        Check(f"estimates fed back, {FEW} shots: library's mean from its exact expectation, in "
              "standard errors", drawn["off"], high=4, kind="statistics"),
        Check(f"estimates fed back, {FEW} shots: library's mean from the truth, in standard errors",
              drawn["seen"], low=4, kind="statistics"),
    )  # fmt: skip


def _tables(series: dict[str, Any]) -> tuple[Table, ...]:
    branches = tuple(
        ("measured" if row["measured"] else "coherent", row["true"], row["two"],
         row["two"] / row["true"], int(row["terms"]))
        for row in series["branches"]
    )  # fmt: skip
    bits = series["bits"]
    rows = tuple(
        (f"p_{place}", *(round(float(entry), 4) for entry in entries))
        for place, entries in enumerate(
            zip(bits["gradient"], bits["per_shot"], bits["score"], bits["causal"])
        )
    )
    biases = tuple((int(r["shots"]), r["value"], r["gradient"]) for r in series["biases"])
    return (
        Table(f"A trained rotation under a qubit, T = {series['branches'][0]['steps']}",
              ("control", "derivative", "two terms", "ratio", "circuits per occurrence"), branches),
        Table(f"A controller on recorded bits, T = {STEPS}: gradient, and N x variance",
              ("parameter", "gradient", "per-shot weights", "likelihood ratio",
               "likelihood ratio, causal"), rows,
              "Exact sums over 16 histories; N counts all shots: 16 circuits for per-shot weights, "
              "one for the likelihood ratio. The score of a history is known to a simulator only."),
        Table("A controller on estimated expectation values: exact bias",
              ("shots", "value", "gradient"), biases),
    )  # fmt: skip


def _conclusion(series: dict[str, Any]) -> str:
    measured, coherent = series["branches"]
    bits, biases = series["bits"], series["biases"]
    ratio = np.sqrt(np.sum(bits["score"]) / np.sum(bits["per_shot"]))
    causal = np.sqrt(np.sum(bits["causal"]) / np.sum(bits["per_shot"]))
    return (
        f"Under a measured control two terms give {measured['two'] / measured['true']:.4f} of the "
        f"derivative; under a coherent one they give {coherent['two'] / coherent['true']:.2f} of "
        "it, and four terms are needed. A nonlinear controller on recorded bits has an unbiased "
        f"gradient from per-shot weights, {4 * STEPS} circuits for any number of its parameters "
        f"(r.m.s. z {bits['rms']:.2f}); at equal shots the likelihood ratio, which only a "
        f"simulator can form, has {ratio:.2f} times its error, {causal:.2f} times if causal. "
        f"Estimates fed back bias the gradient by {biases[0]['gradient']:.1e} at "
        f"{biases[0]['shots']} shots, "
        f"falling as shots^{_slope(biases, 'gradient'):.2f}."
    )


def draw(findings: Findings) -> Figure:
    """Left: errors of the two estimates on bits. Right: the bias of fed-back estimates."""
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, new_figure, set_title

    series = findings.series
    figure = new_figure(9.5, 3.9)
    left, right = figure.subplots(1, 2)
    bits, places = series["bits"], np.arange(3)
    bars = {"per_shot": ("per-shot weights", BLUE), "score": ("likelihood ratio", ORANGE),
            "causal": ("likelihood ratio, causal", GREY)}  # fmt: skip
    for offset, (name, (label, colour)) in enumerate(bars.items()):
        height = np.sqrt(np.maximum(bits[name], 0))
        left.bar(places + 0.27 * (offset - 1), height, 0.25, color=colour, label=label)
    left.set_xticks(places, [f"$p_{place}$" for place in places])
    left.set_ylabel("standard error x root of all shots")
    left.set_title("controller on recorded bits", fontsize=10)
    shots = [row["shots"] for row in series["biases"]]
    for name, colour in (("value", BLUE), ("gradient", RED)):
        bias = [abs(row[name]) for row in series["biases"]]
        label = f"{name}, slope {_slope(series['biases'], name):.2f}"
        right.plot(shots, bias, "o-", color=colour, label=label)
    right.set(xscale="log", yscale="log", xlabel="shots per circuit", ylabel="|bias|")
    right.set_title("controller on estimated expectation values", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(fontsize=8, frameon=False)
    set_title(
        figure, "Feed-forward: bits leave the gradient unbiased, estimates bias it by 1/shots"
    )
    return figure


EXPERIMENT = Experiment(
    name="E7",
    title="Feed-forward",
    question="Does the shift rule survive gates and controllers that act on what was measured?",
    run=run,
    draw=draw,
)
