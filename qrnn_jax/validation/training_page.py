"""The page of E10: checks, tables, conclusion and picture from the courses of training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .experiment import Check, Table
from .shot_training import rules

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .experiment import Findings

SOURCE = "gradients.md, section 5, E10"
EXACT, SHIFT, DEFAULT = "exact gradient", "shift", "central, h = 1e-7"
SINGLE, FEW = "random shifts, single shots", "random shifts, few circuits"
PERTURBING = ("central, h = 0.3", "central, h by the law", "SPSA, c = 0.2")
CIRCUITS = (1e3, 1e4, 1e5)  # budgets of distinct circuits


def scores(case: dict[str, Any], rule: str) -> np.ndarray:
    """log loss at every budget, (budgets, tasks x seeds).

    Example:
        >>> from qrnn_jax.validation.training_page import scores
        >>> scores({"rows": [{"rule": "shift", "seeds": [[1.0, 1.0]]}]}, "shift").tolist()
        [[0.0, 0.0]]
    """
    rows = [row["seeds"] for row in case["rows"] if row["rule"] == rule]
    return np.log(np.concatenate(rows, axis=1))


def ratio(case: dict[str, Any], upper: str, lower: str) -> np.ndarray:
    """Geometric mean over tasks and seeds of the loss of one rule over another's, per budget.

    Example:
        >>> from qrnn_jax.validation.training_page import ratio
        >>> rows = [{"rule": "a", "seeds": [[0.5]]}, {"rule": "b", "seeds": [[0.25]]}]
        >>> ratio({"rows": rows}, "a", "b").tolist()
        [2.0]
    """
    return np.exp((scores(case, upper) - scores(case, lower)).mean(axis=1))


def leaders(case: dict[str, Any]) -> list[list[str]]:
    """Per budget, the rules whose paired log loss is within two standard errors of the least.

    The first one is the leader; the exact gradient takes no part.

    Example:
        >>> from qrnn_jax.validation.training_page import leaders
        >>> rows = [{"rule": "a", "seeds": [[0.1, 0.2]]}, {"rule": "b", "seeds": [[0.2, 0.4]]}]
        >>> leaders({"rows": rows})
        [['a']]
    """
    found = {name: scores(case, name) for name in _names(case) if name != EXACT}
    lists = []
    for place in range(len(next(iter(found.values())))):
        ranked = sorted(found, key=lambda name: found[name][place].mean())
        best = found[ranked[0]][place]
        gaps = {name: found[name][place] - best for name in ranked[1:]}
        tied = [
            name
            for name, gap in gaps.items()
            if gap.mean() <= 2 * gap.std(ddof=1) / np.sqrt(len(gap))
        ]
        lists.append([ranked[0], *tied])
    return lists


def checks_of(found: dict[str, Any]) -> tuple[Check, ...]:
    """The Gaussian against the sampler, then what the notes expected."""
    agreement, width = found["agreement"], 5 / math.sqrt(found["agreement"]["repeats"])
    checks = [
        Check("sampled gradients beside the Gaussian: r.m.s. z of the mean", agreement["z"],
              high=2.2, kind="statistics"),
        Check("the same: variance over the predicted one", agreement["variance"],
              1 - width, 1 + width, "statistics"),
    ]  # fmt: skip
    for case in found["cases"]:
        checks += _case_checks(case, found["budgets"])
    return (*checks, *_bfgs_checks(found["bfgs"] or []))


def _case_checks(case: dict[str, Any], budgets: list[float]) -> list[Check]:
    where, last = _where(case), len(budgets) - 1
    initial = np.log([row["median"][0] for row in case["rows"] if row["rule"] == DEFAULT]).mean()
    stuck = float(np.exp(scores(case, DEFAULT)[last].mean()))
    checks = [
        _expect(f"{where}: default-h, final loss over initial", stuck / np.exp(initial), low=0.9),
        _expect(f"{where}: default-h, final loss over that of the mean", stuck, low=0.9),
        _expect(f"{where}: single random shots over shift, per shot, at the end",
                ratio(case, SINGLE, SHIFT)[last], 0.7, 1.4),
        _expect(f"{where}: few random circuits over shift, circuits run",
                _circuits(case, FEW) / _circuits(case, SHIFT), high=0.2),
        _expect(f"{where}: best perturbing over best unbiased rule, at the end",
                _best(case, PERTURBING, last) / _best(case, (SHIFT, SINGLE, FEW), last), low=1.0),
    ]  # fmt: skip
    if case["steps"] in (4, 8):
        rivals = [name for name in _names(case) if name not in (EXACT, SHIFT)]
        worst = min(_best(case, rivals, i) / _best(case, (SHIFT,), i) for i in range(last + 1))
        checks.append(
            _expect(f"{where}: best rival over shift, least of all budgets", worst, low=1.0)
        )
    if case["steps"] == 16:
        for place, budget in enumerate(budgets):
            if 1e5 <= budget <= 1e6:
                name = f"{where}: shift over best perturbing rule at {budget:.0e} shots"
                value = _best(case, (SHIFT,), place) / _best(case, PERTURBING, place)
                checks.append(_expect(name, value, low=1.0))
    return checks


def _bfgs_checks(rows: list[dict[str, Any]]) -> list[Check]:
    bounds: dict[str, dict[str, float]] = {
        "exact, float64": {"high": 0.7},
        "exact, float32": {"low": 0.9},
        "1000 shots": {"low": 0.9},
    }
    return [
        _expect(
            f"BFGS, {row['setting']}, {row['task']}: loss over initial",
            row["last"] / row["first"],
            **bounds[row["setting"]],
        )
        for row in rows
        if row["setting"] in bounds
    ]


def _expect(name: str, value: Any, low: float | None = None, high: float | None = None) -> Check:
    return Check(name, float(value), low, high, "prediction", SOURCE)


def _best(case: dict[str, Any], names: Any, place: int) -> float:
    return float(np.exp(min(scores(case, name)[place].mean() for name in names)))


def _names(case: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["rule"] for row in case["rows"]))


def _circuits(case: dict[str, Any], rule: str) -> float:
    return next(row["circuits"][-1] for row in case["rows"] if row["rule"] == rule)


def _where(case: dict[str, Any]) -> str:
    return f"T = {case['steps']}, {'noisy' if case['noisy'] else 'ideal'}"


def tables_of(found: dict[str, Any]) -> tuple[Table, ...]:
    """Losses per shot and per circuit, who leads, and SciPy."""
    return (
        _loss_table(found),
        _leader_table(found),
        _circuit_table(found),
        *([_bfgs_table(found["bfgs"])] if found["bfgs"] else []),
    )


def _loss_table(found: dict[str, Any]) -> Table:
    rows = tuple(
        (_where(case), row["task"], row["rule"], row["rate"], *(round(x, 3) for x in row["at"]),
         round(row["circuits"][-1]))
        for case in found["cases"] for row in case["rows"]
    )  # fmt: skip
    header = ("case", "task", "rule", "rate", *(f"{b:.0e}" for b in found["budgets"]), "circuits")
    note = (
        f"Median over {found['seeds']} seeds of the exact test loss over the variance of the "
        "targets (1 is what the mean scores), at a budget of shots, pilot shots included. "
        "The exact gradient spends none: it is put where shift would be. The last column counts "
        "the distinct circuits of the whole course."
    )
    return Table("Loss at equal shot budgets", header, rows, note)


def _leader_table(found: dict[str, Any]) -> Table:
    rows = tuple(
        (_where(case), f"{budget:.0e}", names[0], ", ".join(names[1:]) or "-",
         round(float(ratio(case, SHIFT, names[0])[place]), 2))
        for case in found["cases"]
        for place, (budget, names) in enumerate(zip(found["budgets"], leaders(case)))
    )  # fmt: skip
    note = (
        "Geometric mean over tasks and seeds. Tied: within two standard errors of the paired "
        "difference. The last column is the loss of shift over that of the leader."
    )
    header = ("case", "shots", "leads", "tied with it", "shift / leader")
    return Table("Who leads, per shot", header, rows, note)


def _circuit_table(found: dict[str, Any]) -> Table:
    rows = []
    for case in found["cases"]:
        columns = [_per_circuit(case, most) for most in CIRCUITS]
        rows += [(_where(case), name, *(round(c[name], 3) for c in columns)) for name in columns[0]]
    header = ("case", "rule", *(f"{most:.0e}" for most in CIRCUITS))
    note = (
        "Geometric mean over tasks of the median loss when so many distinct circuits were run, or "
        "at the end of training where that took fewer."
    )
    return Table("Loss at equal numbers of distinct circuits", header, tuple(rows), note)


def _at_circuits(rows: list[dict[str, Any]], most: float) -> float:
    logs = [
        np.log(row["median"][int(np.sum(np.array(row["circuits"]) <= most)) - 1]) for row in rows
    ]
    return float(np.exp(np.mean(logs)))


def _per_circuit(case: dict[str, Any], most: float) -> dict[str, float]:
    """Rule -> loss once so many circuits were run, the exact gradient left out."""
    names = [name for name in _names(case) if name != EXACT]
    return {
        name: _at_circuits([row for row in case["rows"] if row["rule"] == name], most)
        for name in names
    }


def _bfgs_table(rows: list[dict[str, Any]]) -> Table:
    cells = tuple(
        (row["task"], row["setting"], round(row["first"], 3), round(row["last"], 3),
         round(row["iterations"]), round(row["evaluations"]), f"{row['shots']:.1e}")
        for row in rows
    )  # fmt: skip
    note = (
        f"T = {rows[0]['steps']}, ideal circuit, the loss of all 40 training windows; medians over "
        "seeds of the exact test loss. SciPy's default step is 1.49e-8."
    )
    header = ("task", "loss is", "first", "last", "iterations", "evaluations", "shots")
    return Table("SciPy's BFGS with finite differences", header, cells, note)


def conclusion_of(found: dict[str, Any]) -> str:
    """Who leads at each end of the budgets, and what the default step does."""
    lead = []
    for case in found["cases"]:
        listed = leaders(case)
        first, last = listed[0][0], listed[-1]
        early, late = f"{found['budgets'][0]:.0e}", f"{found['budgets'][-1]:.0e}"
        tied = f" (tied with {', '.join(last[1:])})" if last[1:] else ""
        lead.append(f"{_where(case)}: {first} at {early} shots, {last[0]}{tied} at {late}")
    stuck = min(float(np.exp(scores(case, DEFAULT)[-1].mean())) for case in found["cases"])
    words = f"At equal shots these rules lead. {'; '.join(lead)}. "
    frugal = [_per_circuit(case, 1e4) for case in found["cases"]]
    thrifty = dict.fromkeys(min(losses, key=losses.__getitem__) for losses in frugal)
    words += f"Per distinct circuit, at 1e4 of them, {' or '.join(thrifty)} leads. "
    words += f"A step of 1e-7 ends at {stuck:.2f} at best, where predicting the mean scores 1. "
    missed = [check.name for check in checks_of(found) if not check.passed]
    predictions = sum(check.kind == "prediction" for check in checks_of(found))
    words += f"Of {predictions} expectations {len(missed)} do not hold. "
    if found["bfgs"] is None:
        return words + "BFGS was not run: SciPy is not installed."
    return words + _bfgs_words(found["bfgs"])


def _bfgs_words(rows: list[dict[str, Any]]) -> str:
    settings = dict.fromkeys(row["setting"] for row in rows)
    parts = []
    for setting in settings:
        gains = [np.log(row["last"] / row["first"]) for row in rows if row["setting"] == setting]
        parts.append(f"{np.exp(np.mean(gains)):.2f} ({setting})")
    return f"SciPy's BFGS multiplies the loss by {', '.join(parts)}."


def draw(findings: Findings) -> Figure:
    """Loss against shots, per task, and against circuits, for up to three cases."""
    from qrnn_jax.plots.picture import new_figure, set_title

    cases = findings.series["cases"]
    wanted = [(4, False), (16, False), (16, True)]
    chosen = [c for c in cases if (c["steps"], c["noisy"]) in wanted] or cases[:1]
    figure = new_figure(4.2 * len(chosen) + 1.5, 9.5)
    panels = figure.subplots(3, len(chosen), squeeze=False, sharey="row")
    tasks = list(dict.fromkeys(row["task"] for row in chosen[0]["rows"]))
    for column, case in enumerate(chosen):
        for line, (task, axis) in enumerate(
            [*((t, "shots") for t in tasks), (tasks[0], "circuits")]
        ):
            axes = panels[line][column]
            _curves(axes, [row for row in case["rows"] if row["task"] == task], axis)
            axes.set_title(f"{_where(case)}, {task}", fontsize=10)
            axes.set_xlabel("shots spent" if axis == "shots" else "distinct circuits run")
    for row in panels:
        row[0].set_ylabel("test loss / variance of targets")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    set_title(figure, "Training at equal shot budgets: median over seeds, all rules with Adam")
    return figure


def _curves(axes: Any, rows: list[dict[str, Any]], axis: str) -> None:
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, logarithmic

    styles = [
        (BLUE, "-"), (BLUE, "--"), (BLUE, ":"), (BLUE, "-."), (GREY, "-"),
        (ORANGE, "-"), (ORANGE, "--"), (GREY, ":"), (RED, "-"),
    ]  # fmt: skip
    for rule, (colour, style) in zip(rules(4), styles):
        (row,) = [row for row in rows if row["rule"] == rule.name]
        across, height = np.array(row[axis][1:]), np.array(row["median"][1:])
        axes.plot(across, height, style, color=colour, label=row["rule"], linewidth=1.4)
        if row["rule"] == SHIFT:
            axes.fill_between(across, row["low"][1:], row["high"][1:], color=colour, alpha=0.15)
    axes.axhline(1, color="0.8", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    logarithmic(axes)
    axes.spines[["top", "right"]].set_visible(False)
