"""E4: how the shift rule's error grows with the length of the sequence, at a fixed number of shots.

Variances are exact, see `response.py`; one comparison with shots that are really drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import Array

import qrnn_jax as qj

from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .pilot import STRONG, WEAK, pilot_cell, pilot_inputs
from .quick_jit import quick_jit
from .response import Response

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUPLINGS = (("weak", WEAK), ("strong", STRONG))
EACH = 6400  # shots for one derivative: N
WEIGHTS = 7
REPEATS, BLOCK = 2000, 250
SEEDS = 8
SOURCE = "gradients.md 1.0, 1.2, E4"


def _responses(coupling: float, steps: int, settings: Settings) -> list[Response]:
    places = [pilot_inputs(steps, settings.seed + seed) for seed in range(SEEDS)]
    return [Response(pilot_cell(coupling), place.weights, place.xs) for place in places]


def _rms(squares: Any) -> float:
    return float(np.sqrt(np.mean(squares)))


def _at_length(responses: list[Response], length: int) -> dict[str, float]:
    """All errors of the derivatives of output `length`, r.m.s. over weights and seeds."""
    last, total = length - 1, WEIGHTS * EACH
    values = np.array([response.along(np.zeros(1))[0, last, 0] for response in responses])
    sigma = _rms(1 - values**2)
    return {
        "gradient": _rms([response.derivatives(1)[:, last] ** 2 for response in responses]),
        "sigma": sigma,
        "predicted": sigma * length / EACH**0.5,
        "shift": _rms([r.shift(last, total).mean_square for r in responses]),
        "shared, uniform": _rms(
            [r.shared_shift(last, total, "uniform").mean_square for r in responses]
        ),
        "shared, weighted": _rms([r.shared_shift(last, total).mean_square for r in responses]),
        "random": _rms([r.random_occurrence(last, total).mean_square for r in responses]),
        "bias": float(max(np.max(np.abs(r.shift(last, total).bias)) for r in responses)),
    }


def _stated(length: int) -> dict[str, float]:
    """What the rules predict at sigma = 1, in units of T / sqrt(N): the largest over weights."""
    circuit, data, shots = pilot_cell().circuit, np.zeros((length, 1)), 10**6
    with jax.enable_x64(True):
        rules = {
            "shift": qj.ParameterShift(),
            "uniform": qj.SharedShift(allocation="uniform"),
            "weighted": qj.SharedShift(),
        }
        unit = np.sqrt(length / (2 * shots))  # T / sqrt(N), N = 2 T shots
        return {
            name: float(np.max(rule.predicted_stderr(circuit, data, shots) / unit))
            for name, rule in rules.items()
        }


def _drawer(response: Response, rule: qj.AbstractGradient, shots: int) -> Callable[[Array], Array]:
    """Estimated derivatives of the last output, (keys, K) from (keys,)."""

    def last(weights: Array, key: Array) -> Array:
        options: dict[str, Any] = {"gradient": rule, "shots": shots, "prefixes": True, "key": key}
        return qj.run(response.cell, weights, response.xs, **options)[-1, 0]

    return quick_jit(jax.vmap(partial(jax.grad(last), response.weights)))


def _sampled(settings: Settings, progress: Progress) -> list[dict[str, Any]]:
    """The spread of drawn gradients beside the exact one, r.m.s. over weights."""
    length, shots = 4, 100
    found = []
    circuits = 2 * WEIGHTS * length
    plain = ("shift", qj.ParameterShift())
    random = ("random occurrences", qj.ParameterShift(samples=circuits))
    for label, coupling in COUPLINGS if settings.full else COUPLINGS[:1]:
        rules = [plain, random] if settings.full and coupling == WEAK else [plain]
        response = _responses(coupling, length, settings)[0]
        total = shots * circuits
        exact = {"shift": response.shift(length - 1, total)}
        exact["random occurrences"] = response.random_occurrence(length - 1, total, shots)
        for name, rule in rules:
            progress(0.7, f"drawing gradients, {name}, {label} coupling")
            keys = jax.random.split(jax.random.key(settings.seed), (REPEATS // BLOCK, BLOCK))
            with jax.enable_x64(True):
                draw = _drawer(response, rule, shots)
                drawn = np.concatenate([draw(block) for block in keys])
            ratios = np.var(drawn, axis=0, ddof=1) / exact[name].variance
            off = (np.mean(drawn, axis=0) - response.derivatives(1)[:, -1]) ** 2
            found.append(
                {
                    "coupling": label,
                    "rule": name,
                    "length": length,
                    "spread": float(np.sqrt(np.mean(ratios))),
                    "mean": float(np.sqrt(np.mean(off / exact[name].variance) * REPEATS)),
                }
            )
    return found


def _run(settings: Settings, progress: Progress) -> Findings:
    longest = 32 if settings.full else 16
    lengths = [2**power for power in range(1, longest.bit_length())]
    series: dict[str, Any] = {"lengths": lengths}
    for place, (label, coupling) in enumerate(COUPLINGS):
        progress(0.3 * place, f"{label} coupling, exact variances up to T = {longest}")
        responses = _responses(coupling, longest, settings)
        rows = [_at_length(responses, length) for length in lengths]
        series[label] = {name: [row[name] for row in rows] for name in rows[0]}
    progress(0.6, "splitting shots")
    stated = lengths if settings.full else lengths[-1:]
    series["stated"] = {str(length): _stated(length) for length in stated}
    series["sampled"] = _sampled(settings, progress)
    progress(1.0, "done")
    return Findings(
        _conclusion(series),
        checks=(*_variance_checks(series), *_split_checks(series), *_predictions(series)),
        tables=tuple(_table(series, label) for label, _ in COUPLINGS),
        series=series,
    )


def _ratio(series: dict[str, Any], label: str, over: str, under: str) -> np.ndarray:
    return np.divide(series[label][over], series[label][under])


def _penalty(length: Any) -> Any:
    """SharedShift's error over ParameterShift's where shots are split evenly, constant sigma."""
    return np.sqrt((2 * length**2 + 1) / (3 * length))


def _exponent(series: dict[str, Any], label: str) -> float:
    return float(np.polyfit(np.log(series["lengths"]), np.log(series[label]["shift"]), 1)[0])


def _variance_checks(series: dict[str, Any]) -> list[Check]:
    checks = []
    reach = f"T = 2..{series['lengths'][-1]}"
    for label, _ in COUPLINGS:
        off = float(np.max(np.abs(_ratio(series, label, "shift", "predicted") - 1)))
        bias = float(np.max(series[label]["bias"]))
        name = f"largest |RMSE / (sigma T / sqrt(N)) - 1|, {reach}, {label} coupling"
        checks += [
            Check(f"bias of the shift rule, {reach}, {label} coupling", bias, high=1e-10),
            Check(name, off, high=0.1, kind="statistics", source=SOURCE),
        ]
    for row in series["sampled"]:
        where = f"{row['rule']}, T = {row['length']}, {row['coupling']} coupling"
        checks += [
            Check(
                f"drawn / exact spread: {where}", row["spread"], 0.95, 1.05, "statistics", SOURCE
            ),
            Check(f"r.m.s. z of the drawn mean: {where}", row["mean"], high=3.0, kind="statistics"),
        ]
    return checks


def _split_checks(series: dict[str, Any]) -> list[Check]:
    lengths = np.array(series["lengths"])
    checks = []
    for length, stated in series["stated"].items():
        penalty = float(stated["uniform"] / _penalty(int(length)))
        where = f"T = {length}, constant sigma"
        checks += [
            Check(f"predicted error of shift over sigma T / sqrt(N), {where}", stated["shift"],
                  1 - 1e-9, 1 + 1e-9, source=SOURCE),
            Check(f"SharedShift, uniform split: penalty over sqrt((2 T^2 + 1) / (3 T)), {where}",
                  penalty, 1 - 1e-9, 1 + 1e-9, source=SOURCE),
            Check(f"SharedShift, weighted split: ratio to ParameterShift, {where}",
                  stated["weighted"], 0.99, 1.01, source=SOURCE),
        ]  # fmt: skip
    for label, _ in COUPLINGS:
        exact = _ratio(series, label, "shared, uniform", "shift") / _penalty(lengths)
        even = _ratio(series, label, "shared, weighted", "shift")
        checks += [
            Check(f"SharedShift, uniform split: {word} penalty over formula, exact variances, "
                  f"{label} coupling", float(pick(exact)), 0.9, 1.1, "prediction", SOURCE)
            for word, pick in (("least", np.min), ("largest", np.max))
        ]  # fmt: skip
        checks += [
            Check(f"SharedShift, weighted split: {word} ratio, exact variances, {label} coupling",
                  float(pick(even)), 0.99, 1.01, "prediction", SOURCE)
            for word, pick in (("least", np.min), ("largest", np.max))
        ]  # fmt: skip
    return checks


def _predictions(series: dict[str, Any]) -> list[Check]:
    checks = []
    for label, _ in COUPLINGS:
        factor = _ratio(series, label, "random", "shift")
        checks.append(
            Check(f"growth exponent of the error with T, {label} coupling",
                  _exponent(series, label), 0.9, 1.1, "prediction", SOURCE)
        )  # fmt: skip
        checks += [
            Check(f"random occurrence: {word} factor, {label} coupling", float(pick(factor)),
                  1.05, 1.2, "prediction", SOURCE)
            for word, pick in (("least", np.min), ("largest", np.max))
        ]  # fmt: skip
    return checks


def _table(series: dict[str, Any], label: str) -> Table:
    names = ("gradient", "sigma", "predicted", "shift", "shared, uniform", "shared, weighted",
             "random")  # fmt: skip
    rows = [
        (length, *(round(series[label][name][place], 4) for name in names))
        for place, length in enumerate(series["lengths"])
    ]
    header = ("T", "gradient", "sigma", "sigma T / sqrt(N)", "shift", "shared, even split",
              "shared, weighted", "random occurrence")  # fmt: skip
    note = (
        f"R.m.s. over 7 weights and {SEEDS} seeds, derivative of the last output, exact variances, "
        f"N = {EACH} shots for each derivative. sigma is the r.m.s. spread of one shot of the "
        "unshifted last output, known before anything is shifted."
    )
    return Table(f"Error at fixed shots, {label} coupling", header, tuple(rows), note)


def _conclusion(series: dict[str, Any]) -> str:
    off = max(
        float(np.max(np.abs(_ratio(series, label, "shift", "predicted") - 1)))
        for label, _ in COUPLINGS
    )
    growth = " and ".join(f"T^{_exponent(series, label):.2f} ({label})" for label, _ in COUPLINGS)
    last = series["lengths"][-1]
    penalty = _ratio(series, "weak", "shared, uniform", "shift")[-1]
    return (
        f"At fixed shots the shift rule's error grows like {growth} and is predicted by "
        f"sigma T / sqrt(N) within {100 * off:.1f} % up to T = {last}. Shifting the shared weight "
        f"costs the same if shots follow its coefficients and {penalty:.1f} times more error at "
        f"T = {last} if they are split evenly."
    )


def _draw(findings: Findings) -> Figure:
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, logarithmic, new_figure, set_title

    series = findings.series
    lengths = np.array(series["lengths"])
    figure = new_figure(9, 4.4)
    for axes, (label, _) in zip(figure.subplots(1, 2, sharey=True), COUPLINGS):
        rows = series[label]
        worst = lengths / np.sqrt(EACH)
        axes.plot(
            lengths, worst, color=GREY, linewidth=1, label="Bernstein: T / sqrt(N), sigma = 1"
        )
        axes.plot(
            lengths, rows["predicted"], "--", color=BLUE, label="predicted, sigma T / sqrt(N)"
        )
        axes.plot(lengths, rows["shift"], "o", color=BLUE, label="shift, per occurrence")
        axes.plot(lengths, rows["random"], "x", color=RED, label="shift, random occurrence")
        axes.plot(lengths, rows["shared, weighted"], "+", color=ORANGE, label="shared, weighted")
        axes.plot(lengths, rows["shared, uniform"], "s-", color=ORANGE, label="shared, even split")
        axes.plot(lengths, rows["gradient"], ":", color="black", label="the gradient itself")
        axes.set(xscale="log", yscale="log", xlabel="sequence length T")
        axes.set_xticks(lengths, [str(length) for length in lengths])
        axes.set_xticks([], minor=True)
        logarithmic(axes)
        axes.set_title(f"{label} coupling: T^{_exponent(series, label):.2f}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
    figure.axes[0].set_ylabel(f"RMSE of one derivative, N = {EACH}")
    figure.axes[0].legend(fontsize=7, frameon=False)
    set_title(figure, "At fixed shots the error of exact rules grows with the sequence length")
    return figure


EXPERIMENT = Experiment(
    name="E4",
    title="error against length",
    question="How does the error of exact rules grow with the sequence length at fixed shots?",
    run=_run,
    draw=_draw,
)
