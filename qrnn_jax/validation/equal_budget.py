"""E5: which rule has the smallest error for the same number of shots.

All errors are exact moments, see `response.py` and `budgets.py`; no seed decides the winner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import qrnn_jax as qj

from .budgets import HONEST, Rule, all_rules, crossover
from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .pilot import STRONG, WEAK, pilot_cell, pilot_inputs
from .response import Response

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LENGTHS = (1, 2, 4, 8, 16)
BUDGETS = (1e3, 1e4, 1e5, 1e6, 1e7)
COARSE = np.geomspace(1e2, 1e10, 81)
SHOWN = (("weak ideal", 4), ("weak ideal", 8), ("weak ideal", 16), ("strong noisy", 16))
DRAWN = np.geomspace(1e3, 1e8, 26)
MAPPED = np.geomspace(1e3, 1e8, 11)
SIZES = (0.02, 0.035, 0.05, 0.07, 0.1, 0.17, 0.3, 0.45, 0.65, 0.9)  # of SPSA, for its oracle
RIVALS = ("tuned", "truncated", "fixed", "honest")
UNBIASED = ("shift", "random occurrence", "Riesz, random node")
TUNED = ("central, oracle", "SPSA, oracle")
SOURCE = "gradients.md E5"

# errors at BUDGETS that a pilot with another circuit of the same kind found
PILOT = {
    ("weak ideal", 4, "shift"): (0.319, 0.101, 0.032, 0.0101, 0.0032),
    ("weak ideal", 4, "central, oracle"): (0.125, 0.063, 0.030, 0.0142, 0.0066),
    ("weak ideal", 4, "SPSA, oracle"): (0.113, 0.057, 0.028, 0.0128, 0.0060),
    ("weak ideal", 8, "shift"): (0.629, 0.199, 0.063, 0.0199, 0.0063),
    ("weak ideal", 8, "central, oracle"): (0.148, 0.089, 0.044, 0.0212, 0.0101),
    ("weak ideal", 16, "shift"): (1.11, 0.353, 0.111, 0.035, 0.0111),
    ("weak ideal", 16, "truncated, oracle"): (0.247, 0.180, 0.096, 0.035, 0.0111),
    ("weak ideal", 16, "central, oracle"): (0.263, 0.177, 0.086, 0.040, 0.0190),
    ("strong noisy", 16, "shift"): (1.24, 0.393, 0.124, 0.039, 0.0124),
    ("strong noisy", 16, "truncated, oracle"): (0.108, 0.077, 0.050, 0.028, 0.0121),
    ("strong noisy", 16, "central, oracle"): (0.120, 0.066, 0.035, 0.018, 0.0086),
}
# crossovers that it found: case, T, from, to
VERDICTS = (("weak ideal", 2, 0, 1e3), ("weak ideal", 4, 3e4, 3e5), ("weak ideal", 8, 3e5, 1e6),
            ("weak ideal", 16, 3e5, 1e6), ("strong noisy", 16, 1e7, np.inf))  # fmt: skip


class _Case(NamedTuple):
    name: str
    coupling: float
    noisy: bool


CASES = (
    _Case("weak ideal", WEAK, False),
    _Case("strong noisy", STRONG, True),
    _Case("strong ideal", STRONG, False),
    _Case("weak noisy", WEAK, True),
)


def _of_case(case: _Case, settings: Settings) -> tuple[dict[str, Any], dict[int, list[Rule]]]:
    """The numbers of one case, per length, and the rules they come from."""
    seeds = 8 if settings.full else 3
    sizes = SIZES if settings.full else SIZES[::2]
    places = [pilot_inputs(LENGTHS[-1], settings.seed + seed) for seed in range(seeds)]
    cell = pilot_cell(case.coupling, case.noisy)
    responses = [Response(cell, place.weights, place.xs) for place in places]
    rules = {length: all_rules(responses, length, sizes) for length in LENGTHS}
    found: dict[str, Any] = {}
    for length, known in rules.items():
        named = {rule.name: rule for rule in known}
        gradients = [response.derivatives(1)[:, length - 1] for response in responses]
        honest = [named[name] for name in HONEST]
        rivals = {
            "tuned": [named[name] for name in TUNED],
            "truncated": [named["truncated, oracle"]],
            "fixed": [
                r for name, r in named.items() if "oracle" not in name and name not in UNBIASED
            ],
            "honest": honest[1:],
        }
        found[str(length)] = {
            "gradient": float(np.sqrt(np.mean(np.square(gradients)))),
            "rmse": {rule.name: rule.rmse(np.array(BUDGETS)).tolist() for rule in known},
            "circuits": {rule.name: rule.circuits for rule in known},
            **{
                f"beats {name}": _number(crossover(known[0], against, COARSE))
                for name, against in rivals.items()
            },
            "honest": _winners(honest, MAPPED),
        }
    return found, rules


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _winners(rules: Sequence[Rule], shots: np.ndarray) -> list[int]:
    """The index of the best rule."""
    return [int(index) for index in np.argmin([rule.rmse(shots) for rule in rules], axis=0)]


def _coherent(lengths: Sequence[int]) -> list[dict[str, Any]]:
    """f = cos(T w) at T w = 0.8: a memory that forgets nothing."""
    found = []
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.Z(0))
    for length in lengths:
        response = Response(cell, np.array([0.8 / length]), np.zeros((length, 0)))
        slope = abs(float(response.derivatives(1)[0, -1]))
        steps = np.geomspace(0.02, 1.6, 400) / length

        def best(shots: float, response: Response = response, steps: Any = steps) -> float:
            last = response.steps - 1
            squares = [response.difference(last, shots, step).mean_square for step in steps]
            return float(np.sqrt(min(squares)))

        few = [
            n for n in range(2, 41) if response.shift(length - 1, n).mean_square ** 0.5 > best(n)
        ]
        found.append(
            {
                "length": length,
                "shift": response.shift(length - 1, 1e4).mean_square ** 0.5 / slope,
                "central": best(1e4) / slope,
                "shift wins from": max(few, default=1) + 1,
            }
        )
    return found


def _run(settings: Settings, progress: Progress) -> Findings:
    series: dict[str, Any] = {"cases": {}, "curves": []}
    cases = CASES if settings.full else CASES[:2]
    for place, case in enumerate(cases):
        progress(place / (len(cases) + 1), f"{case.name}, T = 1..{LENGTHS[-1]}")
        series["cases"][case.name], rules = _of_case(case, settings)
        series["curves"] += [_curves(name, rules[length], length) for name, length in SHOWN
                             if name == case.name]  # fmt: skip
    progress(1 - 1 / (len(cases) + 1), "coherent memory")
    series["coherent"] = _coherent((1, 4, 16) if settings.full else (1, 8))
    progress(1.0, "done")
    return Findings(
        _conclusion(series),
        checks=(*_coherent_checks(series), *_pilot_checks(series)),
        tables=tuple(_tables(series)),
        series=series,
    )


def _curves(name: str, rules: Sequence[Rule], length: int) -> dict[str, Any]:
    shown = ("shift", "truncated, oracle", "truncated, 4 steps", "central, oracle", "central, law",
             "SPSA, oracle", "SPSA, c = 0.3")  # fmt: skip
    rmse = {r.name: r.rmse(DRAWN).tolist() for r in rules if r.name in shown}
    return {"case": name, "length": length, "shots": DRAWN.tolist(), "rmse": rmse}


def _coherent_checks(series: dict[str, Any]) -> list[Check]:
    checks = []
    for row in series["coherent"]:
        where = f"cos(T w), T = {row['length']}, N = 1e4: relative error of"
        checks += [
            Check(f"{where} shift", row["shift"], 0.0096, 0.0098, "statistics", SOURCE),
            Check(f"{where} central, oracle", row["central"], 0.032, 0.036, "statistics", SOURCE),
        ]
    return checks


def _pilot_checks(series: dict[str, Any]) -> list[Check]:
    checks = []
    for (case, length, rule), pilot in PILOT.items():
        ratios = np.divide(series["cases"][case][str(length)]["rmse"][rule], pilot)
        name = f"error over the pilot's: {rule}, T = {length}, {case}"
        mean = float(np.exp(np.mean(np.log(ratios))))
        checks.append(Check(name, mean, 0.7, 1.3, "prediction", SOURCE))
    for case, length, low, high in VERDICTS:
        found = series["cases"][case][str(length)]["beats tuned"]
        name = f"shots from which shift beats tuned central and SPSA, T = {length}, {case}"
        found = 10 * COARSE[-1] if found is None else found
        bound = None if high == np.inf else high
        checks.append(Check(name, float(found), low, bound, "prediction", SOURCE))
    return checks


def _tables(series: dict[str, Any]) -> list[Table]:
    header = ("rule", "circuits", *(f"N = {shots:.0e}" for shots in BUDGETS))
    found = []
    for case, lengths in series["cases"].items():
        for length, numbers in lengths.items():
            if (case, int(length)) not in SHOWN:
                continue
            rows = tuple(
                (name, numbers["circuits"][name], *(float(f"{value:.3g}") for value in errors))
                for name, errors in numbers["rmse"].items()
            )
            title = f"RMSE, {case}, T = {length}, r.m.s. gradient {numbers['gradient']:.2f}"
            found.append(Table(title, header, rows, _NOTE))
    return [_crossovers(series), *found, _coherent_table(series)]


_NOTE = (
    "RMSE per component; N counts all shots for the whole gradient of 7 weights. Oracle: the best "
    "setting for each N, for all weights and seeds alike. Law: (18 sigma^2 / (N f'''^2))^(1/6), "
    "f''' from a tenth of the shots, charged."
)


def _crossovers(series: dict[str, Any]) -> Table:
    rows = []
    for case, lengths in series["cases"].items():
        for length, numbers in lengths.items():
            best = [_best(numbers["rmse"], place) for place in range(len(BUDGETS))]
            ahead = [_shots(numbers[f"beats {rival}"]) for rival in RIVALS]
            rows.append((case, int(length), *ahead, *best))
    header = ("case", "T", "shift beats tuned central and SPSA from N =",
              "tuned truncation from", "every fixed setting from", "honest rules from",
              *(f"best at {shots:.0e}" for shots in BUDGETS))  # fmt: skip
    note = (
        f"Honest: {', '.join(HONEST[1:])}. A tuned truncation may drop one step only, so it leads "
        "for long, by little. Best: of all rules without an oracle; which of their fixed settings "
        "is best is known only afterwards."
    )
    return Table("Who wins at equal shots", header, tuple(rows), note)


def _best(rmse: dict[str, list[float]], place: int) -> str:
    return min((errors[place], name) for name, errors in rmse.items() if "oracle" not in name)[1]


def _shots(value: float | None) -> str:
    if value is None:
        return f"beyond {COARSE[-1]:.0e}"
    return f"at most {COARSE[0]:.0e}" if value == COARSE[0] else f"{value:.1e}"


def _coherent_table(series: dict[str, Any]) -> Table:
    rows = tuple(
        (r["length"], round(r["shift"], 4), round(r["central"], 4), r["shift wins from"])
        for r in series["coherent"]
    )
    header = ("T", "shift", "central, oracle", "shift wins from N =")
    return Table("Relative error at N = 1e4, f = cos(T w), T w = 0.8", header, rows)


def _conclusion(series: dict[str, Any]) -> str:
    parts = []
    for case, length in (("weak ideal", 4), ("weak ideal", 16), ("strong noisy", 16)):
        numbers = series["cases"][case][str(length)]
        parts.append(
            f"{case}, T = {length}: {_best(numbers['rmse'], 1)} at 1e4 shots; shift beats every "
            f"fixed setting from {_shots(numbers['beats fixed'])} shots and tuned central and "
            f"SPSA from {_shots(numbers['beats tuned'])}"
        )
    wins = max(row["shift wins from"] for row in series["coherent"])
    return (
        "Where memory fades, finite differences, SPSA and truncation beat the exact rule until the "
        f"budget is large ({'; '.join(parts)}). Where memory is coherent, shift wins from "
        f"{wins} shots on."
    )


def _draw(findings: Findings) -> Figure:
    from qrnn_jax.plots.picture import new_figure, set_title

    series = findings.series
    figure = new_figure(13, 7.5)
    panels = figure.subplots(2, 3)
    for axes, curves in zip(panels[:, :2].ravel(), series["curves"]):
        _draw_curves(axes, curves)
    panels[0, 0].legend(fontsize=7, frameon=False)
    for axes, case in zip(panels[:, 2], ("weak ideal", "strong noisy")):
        _draw_map(axes, series["cases"][case], case)
    set_title(
        figure, "Error for the same number of shots, and the best rule with an honest setting"
    )
    return figure


def _draw_curves(axes: Axes, curves: dict[str, Any]) -> None:
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED

    colours = {"shift": BLUE, "truncated": GREY, "central": RED, "SPSA": ORANGE}
    for name, errors in curves["rmse"].items():
        style = "--" if "oracle" in name else "-"
        colour = colours[name.split(",")[0]]
        top = 3 if name == "shift" else 2
        axes.plot(curves["shots"], errors, style, color=colour, label=name, zorder=top)
    axes.set(xscale="log", yscale="log", xlabel="shots for the whole gradient", ylabel="RMSE")
    axes.set_title(f"{curves['case']}, T = {curves['length']}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.6)


def _draw_map(axes: Axes, lengths: dict[str, Any], case: str) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED

    colours = (BLUE, GREY, RED, ORANGE)
    winners = np.array([lengths[str(length)]["honest"] for length in LENGTHS])
    edges = np.sqrt(MAPPED[1:] * MAPPED[:-1])
    ratio = MAPPED[1] / MAPPED[0]
    edges = np.concatenate([[edges[0] / ratio], edges, [edges[-1] * ratio]])
    rows = np.arange(len(LENGTHS) + 1) - 0.5
    axes.pcolormesh(edges, rows, winners, cmap=ListedColormap(colours), vmin=-0.5, vmax=3.5)
    axes.set(xscale="log", xlabel="shots for the whole gradient", ylabel="sequence length T")
    axes.set_yticks(range(len(LENGTHS)), [str(length) for length in LENGTHS])
    axes.minorticks_off()
    axes.set_title(f"best honest rule, {case}", fontsize=10)
    patches = [Patch(color=colour, label=name) for colour, name in zip(colours, HONEST)]
    axes.legend(handles=patches, fontsize=7, loc="lower right")


EXPERIMENT = Experiment(
    name="E5",
    title="equal budgets",
    question="Which rule has the smallest error for the same number of shots?",
    run=_run,
    draw=_draw,
)
