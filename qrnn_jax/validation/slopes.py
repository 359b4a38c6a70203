"""E3: how fast the error of one derivative falls with the number of shots.

On f = cos a everything is known in closed form, and shots are really drawn. On recurrent circuits
the errors are exact moments of the same estimates, see `response.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .pilot import STRONG, WEAK, pilot_cell, pilot_inputs
from .response import Response

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANGLE = 0.8
SLOPES = {"shift": (-0.5, 0.02), "forward": (-0.25, 0.02)}
SLOPES |= {"central": (-1 / 3, 0.02), "five-point": (-0.4, 0.03)}
SCHEMES = ("forward", "central", "five-point")
# f'', f''', f^(5) of cos
CURVES = {"forward": -np.cos(ANGLE), "central": np.sin(ANGLE), "five-point": -np.sin(ANGLE)}
DEFAULT_STEP = 1e-7
SMALL = 0.02  # a small gradient
PARTS = 18  # runs that one estimate is made of: 9 + 9, or 8 + 8 + 1 + 1
BLOCK = 1000  # repeats side by side
QUICK = ((6, 1), (6000, 1), (6000, 10))
FULL = ((6, 1), (6, 10), (600, 1), (600, 10), (60_000, 1))
SHARED = 50  # shots of a run whose key is reused
LONGEST = 1.0  # radians: no closed-form step of a recurrent circuit is longer
LAW = [10.0**power for power in (2, 3, 4, 5, 6)]
SOURCE = "gradients.md 1.7, E3"


class _Rule(NamedTuple):
    """Estimate = sum_r weights[r] y(a + offsets[r]); of the 18 runs, parts[r] are at point r."""

    offsets: np.ndarray
    weights: np.ndarray
    parts: np.ndarray

    def error(self, shots: int, at: float = ANGLE) -> tuple[float, float]:
        """Bias and standard deviation on cos at `at`, with `shots` in each of the 18 runs."""
        values = np.cos(at + self.offsets)
        variance = np.sum(self.weights**2 * (1 - values**2) / (shots * self.parts))
        return float(self.weights @ values + np.sin(at)), float(np.sqrt(variance))


def _rule(name: str, step: float) -> _Rule:
    if name == "shift":
        offsets, weights = np.array([np.pi / 2, -np.pi / 2]), np.array([0.5, -0.5])
    else:
        found = qj.FiniteDifference(step=step, scheme=name).offsets(1, float, None)
        offsets, weights = np.asarray(found[0])[:, 0], np.asarray(found[1])[0]
    share = np.abs(weights) / np.sum(np.abs(weights))
    return _Rule(offsets, weights, np.round(PARTS * share).astype(int))


def _closed(name: str, shots: int) -> _Rule:
    """The rule with its closed-form step for `shots` in all."""
    if name == "shift":
        return _rule(name, 0.0)
    sigma = float(np.sin(ANGLE))
    return _rule(name, qj.FiniteDifference.optimal_step(name, shots, CURVES[name], sigma))


CELL = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0))), qj.Z(0))


@cache
def _player(shots: int, engine: qj.AbstractEngine | None) -> Callable[..., Array]:
    """One run for every angle and key, (n, R) from (R,) and (n, R)."""

    def one(angle: Array, key: Array) -> Array:
        nothing = jnp.zeros((1, 0))
        return qj.run(CELL, angle[None], nothing, engine=engine, shots=shots, key=key)[0, 0]

    return jax.jit(jax.vmap(jax.vmap(one), (None, 0)))


def _fresh(rule: _Rule, shots: int, times: int, repeats: int, key: Array) -> np.ndarray:
    """Estimates (repeats,) from 18 x `times` runs of `shots`, each with a key of its own."""
    angles = jnp.asarray(ANGLE + np.repeat(rule.offsets, rule.parts))
    counts = np.repeat(rule.weights / rule.parts, rule.parts)
    keys = jax.random.split(key, (times, repeats // BLOCK, BLOCK, PARTS))
    values = [[_player(shots, None)(angles, block) for block in row] for row in keys]
    return (np.asarray(values) @ counts).mean(axis=0).ravel()


def _reused(rule: _Rule, times: int, repeats: int, at: float, key: Array) -> np.ndarray:
    """Estimates (repeats,) where both circuits share their keys: what hardware cannot do."""
    angles = jnp.asarray(at + rule.offsets)
    keys = jnp.repeat(jax.random.split(key, (times, repeats // BLOCK, BLOCK, 1)), 2, axis=-1)
    shot_by_shot = qj.Trajectories(1)  # an outcome is u < p, u from the key
    values = [[_player(SHARED, shot_by_shot)(angles, block) for block in row] for row in keys]
    return (np.asarray(values) @ rule.weights).mean(axis=0).ravel()


def _slope(shots: Any, errors: Any) -> float:
    return float(np.polyfit(np.log(shots), np.log(errors), 1)[0])


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _sampled(settings: Settings, key: Array, progress: Progress) -> dict[str, Any]:
    """RMSE from drawn shots and from the formulas, per rule; few run sizes, each compiled once."""
    sizes = FULL if settings.full else QUICK  # (shots of a run, times 18 runs)
    repeats = 2000 if settings.full else 1000
    budgets = [(size, times, PARTS * size * times) for size, times in sizes]
    drawn: dict[str, list[float]] = {name: [] for name in SLOPES}
    exact: dict[str, list[float]] = {name: [] for name in SLOPES}
    for place, (size, times, shots) in enumerate(budgets):
        progress(0.6 * place / len(budgets), f"drawing {shots} shots")
        for index, name in enumerate(SLOPES):
            rule, own = _closed(name, shots), jax.random.fold_in(key, 10 * place + index)
            drawn[name].append(_rms(_fresh(rule, size, times, repeats, own) + np.sin(ANGLE)))
            exact[name].append(float(np.hypot(*rule.error(size * times))))
    tiny = _rule("forward", DEFAULT_STEP)
    spread = np.std(_fresh(tiny, 6, 10, repeats, jax.random.fold_in(key, 999)))
    shots = PARTS * 60
    return {
        "shots": [budget[2] for budget in budgets],
        "drawn": drawn,
        "exact": exact,
        "repeats": repeats,
        "default": {
            "shots": shots,
            "std": float(spread),
            "predicted": float(np.sqrt(2) * np.sin(ANGLE) / (DEFAULT_STEP * np.sqrt(shots / 2))),
        },
    }


def _control(settings: Settings, key: Array) -> dict[str, Any]:
    """The same with one key in both circuits, at the steps that are best for that."""
    times, repeats = ((1, 8, 64), 2000) if settings.full else ((1, 8), 1000)
    shots = [2 * SHARED * count for count in times]
    drawn: dict[str, list[float]] = {"forward": [], "central": []}
    exact: dict[str, list[float]] = {"forward": [], "central": []}
    for place, (count, total) in enumerate(zip(times, shots)):
        for index, name in enumerate(drawn):
            own = jax.random.fold_in(key, 10 * place + index)
            rule = _rule(name, _shared_step(name, total))
            means = _reused(rule, count, repeats, ANGLE, own)
            drawn[name].append(_rms(means + np.sin(ANGLE)))
            exact[name].append(_shared_error(name, total))
    at, rule = float(np.arcsin(SMALL)), _rule("shift", 0.0)
    spread = float(np.std(_reused(rule, 1, 4 * repeats, at, jax.random.fold_in(key, 998))))
    return {
        "shots": shots,
        "drawn": drawn,
        "exact": exact,
        "law": {name: [_shared_error(name, n) for n in LAW] for name in drawn},
        "small": {
            "std": spread,
            "predicted": float(np.sqrt(2 * (SMALL - SMALL**2) / (2 * SHARED))),
            "fresh": float(np.sqrt((1 - SMALL**2) / (2 * SHARED))),
        },
    }


def _shared_step(name: str, shots: float) -> float:
    """The best step with a shared key: there Var (y+ - y-) = (2 |d| - d^2) / S, d = E (y+ - y-).

    To first order d = h g or 2 h g, so the variance of the difference falls with h.
    """
    slope = np.sin(ANGLE)
    if name == "forward":
        return float((8 * slope / (shots * np.cos(ANGLE) ** 2)) ** (1 / 3))
    return float((18 / (shots * slope)) ** (1 / 5))


def _shared_error(name: str, shots: float) -> float:
    """The exact RMSE with a shared key: outcomes are equal but for a share |d| / 2 of the shots."""
    rule = _rule(name, _shared_step(name, shots))
    gap = abs(float(np.subtract(*np.cos(ANGLE + rule.offsets))))
    variance = rule.weights[0] ** 2 * (2 * gap - gap**2) / (shots / 2)
    return float(
        np.sqrt((rule.weights @ np.cos(ANGLE + rule.offsets) + np.sin(ANGLE)) ** 2 + variance)
    )


def _recurrent(settings: Settings, progress: Progress) -> dict[str, Any]:
    """RMSE over weights and seeds, exact, per coupling: the oracle's step and the closed form's."""
    steps, seeds = (8, 8) if settings.full else (4, 3)
    shots = np.geomspace(1e2, 1e6, 9)
    grid = np.geomspace(0.02, 2, 40)
    found: dict[str, Any] = {"shots": shots.tolist(), "steps": steps, "seeds": seeds}
    for place, (label, coupling) in enumerate((("weak", WEAK), ("strong", STRONG))):
        progress(0.8 + 0.1 * place, f"recurrent circuit, {label} coupling")
        cell = pilot_cell(coupling)
        places = [pilot_inputs(steps, settings.seed + seed) for seed in range(seeds)]
        responses = [Response(cell, inputs.weights, inputs.xs) for inputs in places]
        rows = {"shift": _pooled([r.shift(steps - 1, 7 * n).mean_square for r in responses]
                                 for n in shots)}  # fmt: skip
        for scheme in SCHEMES:
            rows[f"{scheme}, oracle"] = [
                min(_pooled([[_square(r, n, h, scheme) for r in responses] for h in grid]))
                for n in shots
            ]
            rows[f"{scheme}, closed form"] = _pooled(
                [_closed_square(r, int(n), scheme) for r in responses] for n in shots
            )
        found[label] = rows
    return found


def _pooled(squares: Any) -> list[float]:
    return [float(np.sqrt(np.mean(row))) for row in squares]


def _square(response: Response, shots: float, step: float, scheme: str) -> float:
    count = len(response.weights)
    return response.difference(response.steps - 1, count * shots, step, scheme).mean_square


def _closed_square(response: Response, shots: int, scheme: str) -> float:
    """The mean squared error where every weight has the closed-form step of its own derivative."""
    last, count = response.steps - 1, len(response.weights)
    order = {"forward": 2, "central": 3, "five-point": 5}[scheme]
    curves = response.derivatives(order)[:, last]
    sigma = float(np.sqrt(1 - response.along(np.zeros(1))[0, last, 0] ** 2))
    squares = []
    for weight, curve in enumerate(curves):
        step = qj.FiniteDifference.optimal_step(scheme, shots, float(curve), sigma)
        found = response.difference(last, count * shots, min(step, LONGEST), scheme)
        squares.append(found.bias[weight] ** 2 + found.variance[weight])
    return float(np.mean(squares))


def _run(settings: Settings, progress: Progress) -> Findings:
    first, second = jax.random.split(jax.random.key(settings.seed))
    with jax.enable_x64(True):
        sampled = _sampled(settings, first, progress)
        progress(0.65, "reusing keys")
        control = _control(settings, second)
    recurrent = _recurrent(settings, progress)
    slopes = {name: _slope(sampled["shots"], sampled["drawn"][name]) for name in SLOPES}
    series = {"sampled": sampled, "control": control, "recurrent": recurrent, "slopes": slopes}
    progress(1.0, "done")
    return Findings(
        _conclusion(series),
        checks=(*_slope_checks(series), *_control_checks(control), *_recurrent_checks(recurrent)),
        tables=(_cos_table(sampled), _recurrent_table(recurrent)),
        series=series,
    )


def _slope_checks(series: dict[str, Any]) -> list[Check]:
    sampled, default = series["sampled"], series["sampled"]["default"]
    checks = [
        Check(
            f"slope of {name} on cos a at a = {ANGLE}",
            series["slopes"][name],
            wanted - width,
            wanted + width,
            "statistics",
            SOURCE,
        )
        for name, (wanted, width) in SLOPES.items()
    ]
    ratios = [np.divide(sampled["drawn"][name], sampled["exact"][name]) for name in SLOPES]
    off = float(np.max(np.abs(np.array(ratios) - 1)))
    ratio = default["std"] / default["predicted"]
    return [
        *checks,
        Check("largest |drawn / exact RMSE - 1|", off, high=0.1, kind="statistics"),
        Check("forward, h = 1e-7: std / (sqrt(2) sigma / (h sqrt(S)))", ratio, 0.9, 1.1,
              "statistics", SOURCE),
    ]  # fmt: skip


def _control_checks(control: dict[str, Any]) -> list[Check]:
    small = control["small"]
    checks = [
        Check(
            f"slope of {name} with the key reused, N = 1e2..1e6",
            _slope(LAW, control["law"][name]),
            wanted - 0.03,
            wanted + 0.03,
            "statistics",
            SOURCE,
        )
        for name, wanted in (("forward", -1 / 3), ("central", -0.4))
    ]
    ratios = [np.divide(control["drawn"][name], control["exact"][name]) for name in control["law"]]
    off = float(np.max(np.abs(np.array(ratios) - 1)))
    name = f"shift, key reused, |g| = {SMALL}: std / sqrt(2 (|g| - g^2) / N)"
    return [
        *checks,
        Check("key reused: largest |drawn / exact RMSE - 1|", off, high=0.1, kind="statistics"),
        Check(name, small["std"] / small["predicted"], 0.93, 1.07, "statistics", SOURCE),
    ]


def _recurrent_checks(recurrent: dict[str, Any]) -> list[Check]:
    return [
        Check(
            f"slope of {name} on the recurrent circuit, {label} coupling",
            _slope(recurrent["shots"], errors),
            SLOPES[name.split(",")[0]][0] - 0.05,
            SLOPES[name.split(",")[0]][0] + 0.05,
            "prediction",
            SOURCE,
        )
        for label in ("weak", "strong")
        for name, errors in recurrent[label].items()
    ]


def _cos_table(sampled: dict[str, Any]) -> Table:
    rows = [
        (shots, *(round(sampled["drawn"][name][place], 6) for name in SLOPES))
        for place, shots in enumerate(sampled["shots"])
    ]
    note = (
        f"RMSE over {sampled['repeats']} repeats, fresh keys; N counts all shots of a derivative."
    )
    return Table(f"One derivative of cos a at a = {ANGLE}", ("N", *SLOPES), tuple(rows), note)


def _recurrent_table(recurrent: dict[str, Any]) -> Table:
    rows = tuple(
        (name, *(round(_slope(recurrent["shots"], recurrent[label][name]), 3)
                 for label in ("weak", "strong")))
        for name in recurrent["weak"]
    )  # fmt: skip
    note = (
        f"Exact moments, T = {recurrent['steps']}, r.m.s. over 7 weights and {recurrent['seeds']} "
        "seeds, N = 1e2..1e6 for one derivative. Oracle: one step per N for all, the best one; "
        f"closed form: each weight's own, at most {LONGEST:g} rad."
    )
    return Table("Slopes on recurrent circuits", ("rule", "weak", "strong"), rows, note)


def _conclusion(series: dict[str, Any]) -> str:
    slopes, default, small = (
        series["slopes"], series["sampled"]["default"], series["control"]["small"]
    )  # fmt: skip
    listed = ", ".join(f"{name} {slope:.3f}" for name, slope in slopes.items())
    return (
        f"With fresh shots the error of a derivative falls with these powers of N: {listed}. "
        f"The default step h = 1e-7 has a standard deviation of {default['std']:.1e} at "
        f"{default['shots']} shots. A simulator that reuses its key in both circuits understates "
        f"the shift rule's error at |g| = {SMALL} by a factor {small['fresh'] / small['std']:.1f}."
    )


def _draw(findings: Findings) -> Figure:
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, new_figure, set_title

    series = findings.series
    figure = new_figure(11, 4.6)
    panels = figure.subplots(1, 3, sharey=False)
    colours = dict(zip(SLOPES, (BLUE, ORANGE, RED, GREY)))
    sampled, control, recurrent = series["sampled"], series["control"], series["recurrent"]
    for name, colour in colours.items():
        label = f"{name}: {series['slopes'][name]:.2f}"
        _fitted(panels[0], sampled["shots"], sampled["drawn"][name], colour, label)
    for name, errors in control["law"].items():
        label = f"{name}, key reused: {_slope(LAW, errors):.2f}"
        panels[0].plot(LAW, errors, "--", color=colours[name], linewidth=1, label=label)
        panels[0].plot(control["shots"], control["drawn"][name], "x", color=colours[name])
    for axes, label in zip(panels[1:], ("weak", "strong")):
        for name, errors in recurrent[label].items():
            colour, closed = colours[name.split(",")[0]], "closed" in name
            text = f"{name}: {_slope(recurrent['shots'], errors):.2f}"
            axes.plot(recurrent["shots"], errors, ":" if closed else "-", color=colour, label=text)
        axes.set_title(f"recurrent, {label} coupling, T = {recurrent['steps']}", fontsize=10)
    panels[0].set_title(f"cos a at a = {ANGLE}, drawn shots", fontsize=10)
    panels[0].set_ylabel("RMSE of one derivative")
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlabel="shots for one derivative, N")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        axes.legend(fontsize=7, frameon=False, title="fitted slope", title_fontsize=7)
    set_title(figure, "Error against shots: only the shift rule falls as one over the square root")
    return figure


def _fitted(axes: Any, shots: Any, errors: Any, colour: str, label: str) -> None:
    """Points and the straight line through them."""
    fit = np.polyfit(np.log(shots), np.log(errors), 1)
    axes.plot(shots, np.exp(np.polyval(fit, np.log(shots))), color=colour, linewidth=1)
    axes.plot(shots, errors, "o", color=colour, markersize=4)
    axes.plot([], [], "o-", color=colour, markersize=4, linewidth=1, label=label)


EXPERIMENT = Experiment(
    name="E3",
    title="error against shots",
    question="How fast does the error of one derivative fall with the number of shots?",
    run=_run,
    draw=_draw,
)
