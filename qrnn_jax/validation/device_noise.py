"""E6: what the noise of a device does to the shift rule, and to the usefulness of its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj

from .cells import cell_inputs
from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .pilot import STRONG, pilot_cell, pilot_inputs
from .quick_jit import quick_jit
from .response import Response

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOUND = 1e-10
ANGLE = 0.8
RATES = {0.01: -0.017, 0.05: -0.082, 0.1: -0.153}  # relative errors of a single gate in the notes
TURNS = (0.01, 0.05)  # over-rotations
BUDGET = 1e5  # shots for a whole gradient
STEPS = 16
PILOT = {0: 0.31, 1: 0.37}  # relative errors in the notes, without and with "laboratory" noise
SOURCE = "gradients.md 1.12, E6"
HEAVY = qj.NoiseProfile(
    gate1=0.01, gate2=0.03, damping=0.04, dephasing=0.03, idle=0.02, reset=0.03, readout=0.05
)


def run(settings: Settings, progress: Progress) -> Findings:
    """Exactness under noise; the two kinds of noise that break it; how much is left to see."""
    progress(0.0, "shift rule against exact autodiff")
    exact = _exactness(settings)
    progress(0.3, "noise that depends on the angle")
    gates, recurrent = _gates(), _recurrent(settings)
    progress(0.5, "over-rotation")
    turned = [_turned(turn, settings) for turn in TURNS]
    levels = _levels(settings, progress)
    series = {"exact": exact, "gates": gates, "recurrent": recurrent}
    series |= {"turned": turned, "levels": levels}
    progress(1.0, "done")
    return Findings(_conclusion(series), _checks(series), _tables(series), series)


def every_channel_cell() -> qj.CircuitCell:
    """Every kind of channel in one step, in between gates that do not commute.

    Example:
        >>> from qrnn_jax.validation.device_noise import every_channel_cell
        >>> every_channel_cell().circuit.weight_count
        3
    """
    phase = np.diag([1, 1j]).astype(complex)
    operations = (
        qj.RY(0, qj.Data(0)),
        qj.Depolarizing(0, 0.04),
        qj.RX(1, qj.Weight(0)),
        qj.AmplitudeDamping(1, 0.1),
        qj.CRX(0, 1, qj.Weight(1)),
        qj.PhaseDamping(1, 0.07),
        qj.RZZ(1, 2, 0.7 * qj.Weight(0) + 0.2),
        qj.BitFlip(2, 0.05),
        qj.Kraus((2,), np.sqrt([0.8, 0.2])[:, None, None] * np.stack([np.eye(2), phase])),
        qj.Measure(1, basis="X"),
        qj.RX(2, qj.Weight(2) * qj.Data(0)),
        qj.CNOT(2, 0),
        qj.ReadoutError(0, 0.02, 0.06),
        qj.Read(),
        qj.AmplitudeDamping(2, 0.03),
        qj.Reset(0),
        qj.BitFlip(0, 0.02),
    )
    return qj.CircuitCell(qj.Circuit(3, operations), (qj.Z(0),))


def _exactness(settings: Settings) -> list[dict[str, Any]]:
    """The largest error of the Jacobians in params and inputs, per cell and noise."""
    steps = 8 if settings.full else 3
    profiles = {"heavy": HEAVY}
    if settings.full:
        profiles["laboratory"] = qj.NoiseProfile.preset("laboratory")
    ideal: dict[str, qj.AbstractCell] = {"pilot": pilot_cell(STRONG)}
    if settings.full:
        ideal["Takaki"] = qj.cells.Takaki(inputs=2, memory=1, depth=1)
    cells: dict[tuple[str, str], qj.AbstractCell] = {
        (name, label): qj.cells.Noisy(cell, profile)
        for name, cell in ideal.items()
        for label, profile in profiles.items()
    }
    cells["every channel", "its own"] = every_channel_cell()
    rows = []
    for (name, label), cell in cells.items():
        params, xs = cell_inputs(cell, steps, settings.seed)
        found = [
            _jacobians(cell, rule, params, xs) for rule in (qj.ParameterShift(), qj.Backprop())
        ]
        error = max(float(np.max(np.abs(a - b))) for a, b in zip(*found))
        rows.append({"cell": name, "noise": label, "steps": steps, "error": error})
    return rows


def _jacobians(cell: qj.AbstractCell, rule: qj.AbstractGradient, params: Any, xs: Any) -> list[Any]:
    def outputs(params: Any, xs: Any) -> Any:
        return qj.run(cell, params, xs, gradient=rule)

    found = quick_jit(jax.jacfwd(outputs, argnums=(0, 1)))(params, jnp.asarray(xs))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(found)]


def _gates() -> list[dict[str, float]]:
    """exp(-g |a|) cos a: the library's shifted gradient, the closed form, and the true slope."""
    rates = tuple(RATES)  # one wire for each
    noisy = [qj.AngleNoise(qj.RX(wire, qj.Weight(wire)), rate) for wire, rate in enumerate(rates)]
    cell = qj.CircuitCell(
        qj.Circuit(len(rates), noisy), sum(map(qj.Z, range(len(rates))), 0 * qj.Z(0))
    )
    found = _gradients(cell, np.full(len(rates), ANGLE), np.zeros((1, 0)))
    rows = []
    for rate, shifted, true in zip(rates, *found):
        ends = ANGLE + np.array([1, -1]) * np.pi / 2
        plus, minus = np.exp(-rate * np.abs(ends)) * np.cos(ends)
        slope = -np.exp(-rate * ANGLE) * (np.sin(ANGLE) + rate * np.cos(ANGLE))
        off = max(abs(shifted - (plus - minus) / 2), abs(true - slope))
        rows.append({"rate": rate, "relative": float(shifted / true - 1), "closed": float(off)})
    return rows


def _gradients(cell: qj.AbstractCell, weights: np.ndarray, xs: np.ndarray) -> list[np.ndarray]:
    """d y_T / d weights by the shift rule that proceeds, and exactly."""
    rules = qj.ParameterShift(angle_noise=True), qj.Backprop()

    def gradient(rule: qj.AbstractGradient) -> np.ndarray:
        def last(w: Any) -> Any:
            return qj.run(cell, w, jnp.asarray(xs), gradient=rule)[-1, 0]

        return np.asarray(quick_jit(jax.grad(last))(jnp.asarray(weights)))

    return [gradient(rule) for rule in rules]


def angle_noise_cell(rate: float) -> qj.CircuitCell:
    """The pilot with a noise that grows with the angle behind each trained rotation.

    Example:
        >>> from qrnn_jax.validation.device_noise import angle_noise_cell
        >>> angle_noise_cell(0.1).circuit.count()["AngleNoise"]
        7
    """
    circuit = pilot_cell().circuit
    rotations = (qj.RX, qj.RZ)
    operations = [
        qj.AngleNoise(operation, rate) if isinstance(operation, rotations) else operation
        for operation in circuit.operations
    ]
    return qj.CircuitCell(qj.Circuit(circuit.wires, operations), (qj.Z(0),))


def _recurrent(settings: Settings) -> list[dict[str, float]]:
    """The relative L2 error of the pilot's gradient at T = 4, pooled over seeds."""
    rows = []
    for rate in RATES if settings.full else tuple(RATES)[-1:]:
        cell, off, size = angle_noise_cell(rate), 0.0, 0.0
        for seed in range(4 if settings.full else 1):
            shifted, true = _gradients(cell, *pilot_inputs(4, settings.seed + seed))
            off += float(np.sum((shifted - true) ** 2))
            size += float(np.sum(true**2))
        rows.append({"rate": rate, "relative": float(np.sqrt(off / size))})
    return rows


def _turned(turn: float, settings: Settings) -> dict[str, float]:
    """A device plays (1 + e) a: what its shifts give beside the slope of what it plays.

    Equation: [f(a + s) - f(a - s)] / 2 = sin(s) f'(a) with s = (1 + e) pi / 2, in place of
    (1 + e) f'(a): the same factor for every occurrence of a gate with one frequency.
    """
    weights, xs = pilot_inputs(4, settings.seed)
    response = Response(pilot_cell(), (1 + turn) * weights, xs)
    size = xs.shape[0] * len(weights)
    unit = (1 + turn) * np.pi / 2 * np.eye(size).reshape(size, len(xs), -1)
    pairs = response.shifted(np.concatenate([unit, -unit])).reshape(2, len(xs), -1, len(xs))
    shifted = ((pairs[0] - pairs[1]) / 2)[:, :, -1].sum(axis=0)
    true = (1 + turn) * response.derivatives(1)[:, -1]
    scale = float(shifted @ true / (true @ true))
    rest = float(np.linalg.norm(shifted - scale * true) / np.linalg.norm(true))
    closed = float(np.sin((1 + turn) * np.pi / 2) / (1 + turn) - 1)
    return {"turn": turn, "relative": scale - 1, "closed": closed, "direction": rest}


def _levels(settings: Settings, progress: Progress) -> list[dict[str, float]]:
    """The pilot at growing noise: gradient, spread of a shot, and relative error at the budget."""
    factors, seeds = ((0, 0.5, 1, 2, 4, 8), 8) if settings.full else ((0, 1), 3)
    profile, rule = qj.NoiseProfile.preset("laboratory"), qj.ParameterShift()
    rows = []
    for place, factor in enumerate(factors):
        progress(0.6 + 0.4 * place / len(factors), f"{factor} x laboratory noise")
        ideal = pilot_cell()
        cell = qj.cells.Noisy(ideal, profile.scaled(factor)) if factor else ideal
        shots = round(BUDGET / rule.evaluations(cell.circuit, STEPS))
        moments = _moments(cell, rule, shots)
        squares, variances, sigmas = [], [], []
        for seed in range(seeds):
            weights, xs = pilot_inputs(STEPS, settings.seed + seed)
            mean, variance = map(np.asarray, moments(weights, xs))
            squares.append(np.mean(mean**2))
            variances.append(np.mean(variance))
            sigmas.append(shots * variance / (STEPS / 2))  # Var = sigma^2 T / (2 S)
        gradient, error = np.sqrt(np.mean(squares)), np.sqrt(np.mean(variances))
        rows.append({"factor": factor, "gradient": float(gradient), "error": float(error),
                     "relative": float(error / gradient), "seeds": seeds, "shots": shots,
                     "sigma": float(np.sqrt(np.mean(sigmas)))})  # fmt: skip
    return rows


def _moments(cell: qj.AbstractCell, rule: qj.ParameterShift, shots: int) -> Callable[..., Any]:
    """(weights, xs) -> mean and variance of the estimated gradient of the last output."""

    def both(weights: Any, xs: Any) -> tuple[Any, Any]:
        found = qj.gradient_moments(cell, weights, xs, gradient=rule, shots=shots)
        return found.mean, found.variance

    return quick_jit(both)


def _checks(series: dict[str, Any]) -> tuple[Check, ...]:
    worst = max(row["error"] for row in series["exact"])
    closed = max(row["closed"] for row in series["gates"])
    exact = [
        Check("shift rule against autodiff of the noisy channel", worst, high=BOUND, source=SOURCE),
        Check("angle-dependent noise on one gate against its closed form", closed, high=BOUND),
    ]
    gates = [
        Check(f"relative error of one gate, noise rate {row['rate']:g}", row["relative"],
              wanted - 5e-4, wanted + 5e-4, "prediction", SOURCE)
        for row, wanted in zip(series["gates"], RATES.values())
    ]  # fmt: skip
    turned = [
        check
        for row in series["turned"]
        for check in (
            Check(f"over-rotation {row['turn']:g}: error against its closed form",
                  abs(row["relative"] - row["closed"]), high=BOUND),
            Check(f"over-rotation {row['turn']:g}: change of direction", row["direction"],
                  high=BOUND),
            Check(f"over-rotation {row['turn']:g}: relative error", row["relative"],
                  -1.1 * row["turn"], -0.9 * row["turn"], "prediction", SOURCE),
        )
    ]  # fmt: skip
    return (*exact, *gates, *turned, *_usefulness(series))


def _usefulness(series: dict[str, Any]) -> tuple[Check, ...]:
    """What the notes expected of the pilot under "laboratory" noise."""
    at = {row["factor"]: row for row in series["levels"]}
    ratios = {name: at[1][name] / at[0][name] for name in ("relative", "gradient", "sigma")}
    pilot = [
        Check(f"relative error at 1e5 shots, {name}", at[factor]["relative"],
              0.7 * wanted, 1.3 * wanted, "prediction", SOURCE)
        for (factor, wanted), name in zip(PILOT.items(), ("ideal", "laboratory noise"))
    ]  # fmt: skip
    return (
        *pilot,
        Check("relative error, noisy over ideal", ratios["relative"], 1.0, 1.4, "prediction",
              SOURCE),
        Check("r.m.s. gradient, noisy over ideal", ratios["gradient"], None, 1.0, "prediction",
              SOURCE),
        Check("spread of a shot, noisy over ideal", ratios["sigma"], 1.0, None, "prediction",
              SOURCE),
    )  # fmt: skip


def _tables(series: dict[str, Any]) -> tuple[Table, ...]:
    exact = tuple((r["cell"], r["noise"], r["steps"], r["error"]) for r in series["exact"])
    many = {row["rate"]: f"{row['relative']:.1%}" for row in series["recurrent"]}
    angle = tuple(
        (row["rate"], f"{row['relative']:+.1%}", many.get(row["rate"])) for row in series["gates"]
    )
    names = ("factor", "gradient", "sigma", "error", "relative")
    levels = tuple(tuple(round(row[name], 4) for name in names) for row in series["levels"])
    first = series["levels"][0]
    return (
        Table("Shift rule against exact autodiff of the noisy circuit",
              ("cell", "noise", "T", "largest error"), exact,
              "Whole Jacobians in parameters and inputs. Heavy: 1 to 5 percent of everything, "
              "imperfect resets and idling memory included."),
        Table("Noise that grows with the angle: relative error of the shift rule",
              ("rate per radian", f"one gate, a = {ANGLE}", "recurrent, T = 4"), angle,
              "Recurrent: relative L2 error of the gradient of the last output."),
        Table(f"Noise and usefulness: pilot, T = {STEPS}, {BUDGET:.0e} shots for the gradient",
              ("x laboratory noise", "r.m.s. gradient", "sigma", "error", "error / gradient"),
              levels, f"Exact moments, r.m.s. over 7 weights and {first['seeds']} seeds."),
    )  # fmt: skip


def _conclusion(series: dict[str, Any]) -> str:
    worst = max(row["error"] for row in series["exact"])
    at = {row["factor"]: row for row in series["levels"]}
    gates, many, turned = series["gates"][-1], series["recurrent"][-1], series["turned"][-1]
    holds = "is exact" if worst <= BOUND else "IS NOT exact"
    return (
        f"Under noise that does not depend on the angle the shift rule {holds} for the noisy "
        f"circuit (largest error {worst:.1e}). Noise that grows with the angle biases it: by "
        f"{gates['relative']:.1%} for one gate at {gates['rate']:g} per radian, by "
        f"{many['relative']:.1%} on a recurrent circuit. Over-rotation by {turned['turn']:.0%} "
        f"scales it by {turned['relative']:+.1%} and keeps its direction. Laboratory noise changes "
        f"the r.m.s. gradient by {at[1]['gradient'] / at[0]['gradient'] - 1:+.0%} and the relative "
        f"error at {BUDGET:.0e} shots from {at[0]['relative']:.2f} to {at[1]['relative']:.2f}."
    )


def draw(findings: Findings) -> Figure:
    """Left: what angle-dependent noise does. Right: what is left to see as noise grows."""
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, new_figure, set_title

    series = findings.series
    figure = new_figure(9.5, 3.9)
    left, right = figure.subplots(1, 2)
    rates = [row["rate"] for row in series["gates"]]
    one = [100 * abs(row["relative"]) for row in series["gates"]]
    many = [100 * row["relative"] for row in series["recurrent"]]
    left.plot(rates, one, "o-", color=BLUE, label=f"one gate, a = {ANGLE}")
    some = [row["rate"] for row in series["recurrent"]]
    left.plot(some, many, "s-", color=RED, label="recurrent circuit, T = 4")
    left.set(xlabel="noise per radian of the angle", ylabel="bias of the shift rule, percent")
    left.set(xlim=(0, None), ylim=(0, None))
    factors = [row["factor"] for row in series["levels"]]
    curves = {"gradient": ("r.m.s. gradient", BLUE), "sigma": ("spread of one shot", GREY),
              "error": ("its error at 1e5 shots", ORANGE),
              "relative": ("error / gradient", RED)}  # fmt: skip
    for name, (label, colour) in curves.items():
        right.plot(
            factors, [row[name] for row in series["levels"]], "o-", color=colour, label=label
        )
    right.set(xlabel='multiples of the "laboratory" noise', ylim=(0, None))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        axes.legend(fontsize=8, frameon=False, bbox_to_anchor=(0.0, 0.78), loc="upper left")
    set_title(figure, "Noise: the shift rule stays exact unless noise follows the angle; "
              "what fades is the gradient")  # fmt: skip
    return figure


EXPERIMENT = Experiment(
    name="E6",
    title="Device noise",
    question="Does the shift rule stay exact on a noisy device, and is its gradient still useful?",
    run=run,
    draw=draw,
)
