"""E2: what goes wrong without a word: one shift for a shared weight, autodiff through outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj
from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, new_figure, set_title

from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .naive import cosine_rows, exact_rule, naive_errors, relative
from .pathwise import recurrent_branches, true_and_pathwise, two_qubit_branches
from .pilot import STRONG, WEAK, pilot_cell, pilot_inputs
from .quick_jit import quick_jit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOUND = 1e-10
SOURCE = "notes on gradients, section 5, E2"
PATHWISE_SOURCE = "notes on gradients, section 1.14"
COUPLINGS = {"weak": WEAK, "strong": STRONG}
QUICK_STEPS, FULL_STEPS = (4, 16), (1, 4, 8, 16)
NAIVE = {4: (0.34, 0.65), 8: (0.33, 0.42), 16: (0.51, 0.77)}  # predicted relative L2 errors
PATHWISE = {"weak": (0.03, 0.05), "strong": (0.14, 0.16)}
TWO_QUBIT_ANGLES = (0.4, 0.9)
PATHWISE_STEPS = 4


def run(settings: Settings, progress: Progress) -> Findings:
    """The naive rule on cos(R w) and on the pilot cell; pathwise autodiff; refusals by name."""
    seeds = range(settings.seed, settings.seed + (16 if settings.full else 4))
    progress(0.0, "the naive rule on cos(R w)")
    cosine = cosine_rows(8 if settings.full else 4)
    lengths = FULL_STEPS if settings.full else QUICK_STEPS
    naive = []
    for number, (name, coupling) in enumerate(COUPLINGS.items()):
        for place, steps in enumerate(lengths):
            progress(0.2 + 0.3 * number + 0.07 * place, f"the naive rule, {name}, T = {steps}")
            cell = pilot_cell(coupling)
            naive.append({"coupling": name, "steps": steps, **naive_errors(cell, steps, seeds)})
    progress(0.8, "autodiff through outcomes")
    two_qubits = quick_jit(lambda weights: true_and_pathwise(two_qubit_branches, weights))
    true, held = two_qubits(jnp.array(TWO_QUBIT_ANGLES))
    pathwise = {name: _pathwise_errors(value, seeds) for name, value in COUPLINGS.items()}
    found = {
        "cosine": cosine,
        "naive": naive,
        "two_qubit": {"true": float(true[0]), "pathwise": float(held[0])},
        "pathwise": pathwise,
        "refused": refuses_backprop(),
    }
    return Findings(_conclusion(found), _checks(found), _tables(found), found)


def _pathwise_errors(coupling: float, seeds: range) -> dict[str, Any]:
    """Relative L2 errors of pathwise autodiff on the pilot cell, and of the enumeration itself."""
    cell = pilot_cell(coupling)
    assert isinstance(cell, qj.CircuitCell)

    @quick_jit
    def all_three(weights: Array, xs: Array) -> tuple[Array, ...]:
        both = true_and_pathwise(recurrent_branches(cell, xs), weights)
        return (*both, exact_rule(cell, weights, xs))

    errors, enumeration = [], []
    for seed in seeds:
        true, held, shift = map(np.asarray, all_three(*pilot_inputs(PATHWISE_STEPS, seed)))
        errors.append(relative(held, true))
        enumeration.append(relative(shift, true))
    return {"pathwise": errors, "enumeration": max(enumeration)}


def refuses_backprop() -> bool:
    """Whether the library refuses, by name, to differentiate through sampled outcomes.

    Example:
        >>> from qrnn_jax.validation.silent_failures import refuses_backprop
        >>> refuses_backprop()
        True
    """
    weights, xs = map(jnp.asarray, pilot_inputs(2))
    for options in ({"shots": 10}, {"engine": qj.Trajectories(10)}):
        try:
            qj.run(
                pilot_cell(), weights, xs, gradient=qj.Backprop(), key=jax.random.key(0), **options
            )
        except ValueError as refusal:
            if "Backprop" in str(refusal):
                continue
        return False
    return True


def _checks(found: dict[str, Any]) -> tuple[Check, ...]:
    cosine, naive, pathwise = found["cosine"], found["naive"], found["pathwise"]
    formula = max(abs(row["naive"] - row["predicted"]) for row in cosine)
    shift = max(abs(row["shift"] - row["true"]) for row in cosine)
    exact = max(row["exact"] for row in naive)
    single = abs(cosine[0]["naive"] - cosine[0]["true"])
    enumeration = max(row["enumeration"] for row in pathwise.values())
    held = found["two_qubit"]["pathwise"]
    a, b = TWO_QUBIT_ANGLES
    score = abs(found["two_qubit"]["true"] + np.sin(a) * np.cos(b))
    one_is_fine = "naive rule, nothing shared (R = 1)"
    law = "naive rule, cos(R w): 0 or +-1/R of it"
    return (
        Check(f"{one_is_fine}: error", single, high=BOUND),
        Check(f"{law}: error of this law", formula, high=BOUND, source=SOURCE),
        Check("shift per occurrence, cos(R w): error", shift, high=BOUND),
        Check("shift per occurrence, pilot cell: relative error", exact, high=BOUND),
        *_naive_checks(naive),
        Check("two qubits: error of the enumerated truth, -0.242", float(score), high=BOUND),
        Check("two qubits: |pathwise autodiff|", abs(held), high=BOUND, source=PATHWISE_SOURCE),
        Check("pilot cell: enumeration against shifts, relative", enumeration, high=BOUND),
        *_pathwise_checks(pathwise),
        Check("Backprop through outcomes is refused by name", float(found["refused"]), 1, 1),
    )


def _pathwise_checks(pathwise: dict[str, Any]) -> list[Check]:
    return [
        Check(
            f"pathwise autodiff, {name} coupling, T = {PATHWISE_STEPS}: median relative error",
            float(np.median(row["pathwise"])),
            *PATHWISE[name],
            "prediction",
            PATHWISE_SOURCE,
        )
        for name, row in pathwise.items()
    ]


def _naive_checks(naive: list[dict[str, Any]]) -> list[Check]:
    return [
        Check(
            f"naive rule, {row['coupling']} coupling, T = {row['steps']}: median relative error",
            float(np.median(row["naive"])),
            *NAIVE[row["steps"]],
            "prediction",
            SOURCE,
        )
        for row in naive
        if row["steps"] in NAIVE
    ]


def _tables(found: dict[str, Any]) -> tuple[Table, ...]:
    def spread(errors: list[float]) -> tuple[float, ...]:
        return min(errors), float(np.median(errors)), max(errors)

    cosine = tuple(
        (row["occurrences"], row["true"], row["naive"], row["shift"]) for row in found["cosine"]
    )
    naive = tuple(
        (row["coupling"], row["steps"], *spread(row["naive"]), row["exact"])
        for row in found["naive"]
    )
    two = found["two_qubit"]
    pathwise = tuple(
        (f"pilot cell, {name}, T = {PATHWISE_STEPS}", *spread(row["pathwise"]))
        for name, row in found["pathwise"].items()
    )
    lost = abs(two["pathwise"] - two["true"]) / abs(two["true"])
    return (
        Table("d cos(R w) / dw at w = 0.37", ("R", "truth", "naive", "per occurrence"), cosine),
        Table(
            "Relative L2 error of the gradient of the last output, pilot cell",
            ("coupling", "T", "naive, least", "median", "largest", "per occurrence, largest"),
            naive,
            f"Over {len(found['naive'][0]['naive'])} random places.",
        ),
        Table(
            "Relative L2 error of autodiff through sampled outcomes, all branches written out",
            ("circuit", "least", "median", "largest"),
            (("two qubits: RX, CNOT, measure, RY", lost, lost, lost), *pathwise),
            f"Two qubits: {two['pathwise']:.3g} in place of {two['true']:.4g}.",
        ),
    )


def _conclusion(found: dict[str, Any]) -> str:
    wrong = [error for row in found["naive"] if row["steps"] > 1 for error in row["naive"]]
    two = found["two_qubit"]
    lost = [error for row in found["pathwise"].values() for error in row["pathwise"]]
    refusal = "refuses" if found["refused"] else "DOES NOT refuse"
    return (
        f"One shift for a shared weight is wrong by {_percent(min(wrong))} to "
        f"{_percent(max(wrong))} of the gradient at T = 4 to 16, and returns 0 for cos(R w) at "
        f"every even R. Autodiff through sampled outcomes loses the score term: "
        f"{two['pathwise']:.3g} in place of {two['true']:.3f} for two qubits, "
        f"{_percent(min(lost))} to {_percent(max(lost))} off on the recurrent cell; the library "
        f"{refusal} it by name."
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2g} %"


def draw(findings: Findings) -> Figure:
    """Left: what the naive rule makes of cos(R w). Right: its error on the pilot cell."""
    found = findings.series
    figure = new_figure(9.0, 4.0)
    set_title(figure, "One shift for a shared weight is wrong, one per occurrence is not")
    left, right = figure.subplots(1, 2)
    _draw_cosine(left, found["cosine"])
    _draw_naive(right, [row for row in found["naive"] if row["steps"] > 1])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    return figure


def _draw_cosine(axes: Axes, rows: list[dict[str, Any]]) -> None:
    count = [row["occurrences"] for row in rows]
    axes.plot(count, [row["true"] for row in rows], color="0.6", linewidth=1.2, label="truth")
    axes.plot(count, [row["shift"] for row in rows], "o", color=BLUE, label="per occurrence")
    axes.plot(count, [row["naive"] for row in rows], "^", color=RED, label="one shift (naive)")
    axes.set_xticks(count)
    axes.set_xlabel("occurrences R of the weight")
    axes.set_ylabel("d cos(R w) / dw at w = 0.37")


def _draw_naive(axes: Axes, rows: list[dict[str, Any]]) -> None:
    steps = sorted({row["steps"] for row in rows})
    for offset, (name, colour) in enumerate(zip(COUPLINGS, (ORANGE, GREY))):
        mine = [row for row in rows if row["coupling"] == name]
        for place, row in enumerate(mine):
            at = np.full(len(row["naive"]), place + 0.2 * (offset - 0.5))
            label = f"{name} coupling" if place == 0 else None
            axes.plot(at, row["naive"], "_", color=colour, markersize=12, alpha=0.7, label=label)
    for place, (low, high) in enumerate(NAIVE[count] for count in steps):
        label = "predicted" if place == 0 else None
        axes.fill_between(
            (place - 0.3, place + 0.3), low, high, color=BLUE, alpha=0.12, label=label
        )
    axes.set_xticks(range(len(steps)), steps)
    axes.set_xlim(-0.5, len(steps) - 0.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("T")
    axes.set_ylabel("relative error of the naive gradient")


EXPERIMENT = Experiment(
    name="E2",
    title="Silent failures",
    question="What do the two most common shortcuts return, a two-term rule on a shared weight and "
    "automatic differentiation through sampled outcomes?",
    run=run,
    draw=draw,
)
