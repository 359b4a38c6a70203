"""E11: how gradients vanish, with the number of steps and the number of wires, for every cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import Array

import qrnn_jax as qj

from .cells import chosen_cells, takes_bits
from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .quick_jit import quick_jit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "gradients.md, section 1.10: dropped contributions are geometrically small"
FADED = 1e-20  # a variance of rounding errors, left out of fits
WIDE_STEPS = 4  # T of the study of widths
QUICK_CELLS = ("takaki", "viqueira-emcz2", "pilot")

Widths = dict[str, Callable[[int], qj.AbstractCell]]

WIDTHS: Widths = {
    "takaki": lambda wires: qj.cells.Takaki(inputs=1, memory=wires - 1, depth=2),
    "viqueira-emcz2": lambda wires: qj.cells.Viqueira(1, wires - 1, layers=2, uploads=1),
    "viqueira-emcz3": lambda wires: qj.cells.Viqueira(
        1, wires - 1, layers=2, uploads=1, ansatz="EMCZ3"
    ),
    "viqueira-parity": lambda wires: qj.cells.Viqueira(wires - 1, 1, layers=2, uploads=1),
}


def run(settings: Settings, progress: Progress) -> Findings:
    """Variances over random parameters, against T for every cell and against width for families."""
    longest, places = (32, 200) if settings.full else (8, 24)
    widths = range(2, 7) if settings.full else range(2, 4)
    cells = {n: cell for n, cell in chosen_cells(settings).items() if not takes_bits(cell)}
    if not (settings.full or settings.cells):
        cells = {name: cells[name] for name in QUICK_CELLS}
    families = WIDTHS if settings.full else dict(list(WIDTHS.items())[1:2])
    lengths, work = [], len(cells) + len(families)
    for place, (name, cell) in enumerate(cells.items()):
        progress(place / work, f"against T, {name}")
        lengths.append({"cell": name, **against_length(cell, longest, places, settings.seed)})
    wide = []
    for place, (name, make) in enumerate(families.items()):
        progress((len(cells) + place) / work, f"against width, {name}")
        row = against_width(make, widths, WIDE_STEPS, places, settings.seed)
        wide.append({"cell": name, **row})
    found = {"lengths": lengths, "widths": wide, "places": places, "longest": longest}
    return Findings(_conclusion(found), _checks(found), _tables(found), found)


def against_length(cell: qj.AbstractCell, longest: int, places: int, seed: int) -> dict[str, Any]:
    """Variances of derivatives of the outputs at random parameters and inputs.

    Equation: shared_T = mean_p Var dy_T/dp over the parameters p of the circuit, each used at all
    steps; oldest_T = Var dy_T/dx_1, what reaches the last output from the first step alone. The
    decay is the factor per step of a straight line through log oldest_T, T >= 2: at T = 1 the input
    is read in its own step, which tells nothing about memory.

    Arguments:
        cell: the model; its first output counts.
        longest: T = 1 .. longest.
        places: random parameters, each with random inputs in [-0.9, 0.9].
        seed: of both.

    Returns:
        `steps`, `shared`, `oldest`, lists over T; `decay`.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.validation.vanishing import against_length
        >>> cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=0)
        >>> found = against_length(cell, longest=3, places=9, seed=0)
        >>> len(found["oldest"]), found["decay"] < 1
        (3, True)
    """
    params, xs = _places(cell, longest, places, seed)

    def both(params: Any, xs: Array) -> tuple[Any, Array]:
        def outputs(params: Any, first: Array) -> Array:
            series = xs.at[0].set(first)
            return qj.run(cell, params, series, gradient=qj.Backprop())[:, 0]

        return jax.jacfwd(outputs, argnums=(0, 1))(params, xs[0])

    by_params, by_first = quick_jit(jax.vmap(both))(params, xs)
    shared = np.mean(_spread(_flat(by_params, longest)), axis=1)
    oldest = np.mean(np.var(np.asarray(by_first), axis=0), axis=1)
    return {
        "steps": list(range(1, longest + 1)),
        "shared": shared.tolist(),
        "oldest": oldest.tolist(),
        "decay": decay(range(2, longest + 1), oldest[1:]),
    }


def against_width(
    make: Callable[[int], qj.AbstractCell],
    widths: Sequence[int],
    steps: int,
    places: int,
    seed: int,
) -> dict[str, Any]:
    """The variance of dy_T/dp at T = `steps`, averaged over parameters, for cells of n wires.

    Arguments:
        make: n -> cell.
        widths: n.
        steps: T.
        places: random parameters.
        seed: of them.

    Returns:
        `wires`, `shared`, lists over n; `decay`, the factor per wire.

    Example:
        >>> from qrnn_jax.validation.vanishing import WIDTHS, against_width
        >>> len(against_width(WIDTHS["takaki"], (2, 3), steps=2, places=3, seed=0)["shared"])
        2
    """
    shared = []
    for wires in widths:
        cell = make(wires)
        params, xs = _places(cell, steps, places, seed)

        def last(params: Any, xs: Array, cell: qj.AbstractCell = cell) -> Array:
            return qj.run(cell, params, xs, gradient=qj.Backprop())[-1, 0]

        slopes = quick_jit(jax.vmap(jax.grad(last)))(params, xs)
        shared.append(float(np.mean(_spread(_flat(slopes, 1)))))
    return {"wires": list(widths), "shared": shared, "decay": decay(widths, np.array(shared))}


def decay(places: Sequence[int], variances: np.ndarray) -> float:
    """The factor per unit of a straight line through the logarithms; NaN from fewer than two.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.validation.vanishing import decay
        >>> round(decay([1, 2, 3], np.array([8.0, 4.0, 2.0])), 6)
        0.5
    """
    kept = variances > FADED
    if kept.sum() < 2:
        return float("nan")
    slope = np.polyfit(np.asarray(places)[kept], np.log(variances[kept]), 1)[0]
    return float(np.exp(slope))


def _places(cell: qj.AbstractCell, steps: int, places: int, seed: int) -> tuple[Any, Array]:
    first, second = jax.random.split(jax.random.key(seed))
    params = jax.vmap(cell.init)(jax.random.split(first, places))
    shape = (places, steps, cell.features)
    return params, jax.random.uniform(second, shape, minval=-0.9, maxval=0.9)


def _flat(slopes: Any, steps: int) -> np.ndarray:
    """Derivatives in all parameters, (places, T, P)."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(slopes)]
    return np.concatenate([leaf.reshape(len(leaf), steps, -1) for leaf in leaves], axis=-1)


def _spread(slopes: np.ndarray) -> np.ndarray:
    """Variances over places, (T, P), of the parameters that vary at all: a bias never does."""
    variances = np.var(slopes, axis=0)
    return variances[:, np.any(variances > FADED, axis=0)]


def _checks(found: dict[str, Any]) -> tuple[Check, ...]:
    checks = [
        Check(f"{row['cell']}: factor per step of Var dy_T/dx_1", row["decay"], high=0.9,
              kind="prediction", source=SOURCE)
        for row in found["lengths"]
    ]  # fmt: skip
    kept = [
        Check(f"{row['cell']}: Var dy_T/dw at the longest T over T = 1",
              row["shared"][-1] / row["shared"][0], low=0.5, kind="prediction", source=SOURCE)
        for row in found["lengths"]
    ]  # fmt: skip
    wide = [
        Check(f"{row['cell']}: factor per wire of Var dy_T/dw", row["decay"], 0.25, 1.0,
              "prediction", "at most that of random circuits, 1/4 per wire")
        for row in found["widths"]
    ]  # fmt: skip
    return (*checks, *kept, *wide)


def _tables(found: dict[str, Any]) -> tuple[Table, ...]:
    longest = found["longest"]
    shown = [steps for steps in (1, 2, 4, 8, 16, 32) if steps <= longest]
    rows = tuple(
        (row["cell"], *(f"{row['shared'][t - 1]:.1e}" for t in shown),
         *(f"{row['oldest'][t - 1]:.1e}" for t in shown), round(row["decay"], 3))
        for row in found["lengths"]
    )  # fmt: skip
    header = (
        "cell", *(f"dw, T = {t}" for t in shown), *(f"dx_1, T = {t}" for t in shown), "per step"
    )  # fmt: skip
    note = (
        f"Exact derivatives of the first output at {found['places']} random places. dw: mean over "
        "the shared parameters; dx_1: through the first step alone, with the factor per step of "
        f"a line through the logarithms, T = 2..{longest}."
    )
    wires = found["widths"][0]["wires"]
    wide = tuple(
        (row["cell"], *(f"{value:.1e}" for value in row["shared"]), round(row["decay"], 3))
        for row in found["widths"]
    )
    return (
        Table("Variance of gradients against the number of steps", header, rows, note),
        Table(
            "Variance of dy_T/dw against the number of wires",
            ("cell", *(f"n = {n}" for n in wires), "per wire"),
            wide,
            f"T = {WIDE_STEPS}, two layers, {found['places']} random places. Parity: all wires but "
            "one are read and reset; else one wire is.",
        ),
    )


def _conclusion(found: dict[str, Any]) -> str:
    decays = {row["cell"]: row["decay"] for row in found["lengths"]}
    slow, fast = max(decays, key=decays.__getitem__), min(decays, key=decays.__getitem__)
    ratios = [row["shared"][-1] / row["shared"][0] for row in found["lengths"]]
    wide = ", ".join(f"{row['decay']:.2f} ({row['cell']})" for row in found["widths"])
    return (
        f"What reaches the last output from the first step fades by a factor {decays[fast]:.2f} "
        f"({fast}) to {decays[slow]:.2f} ({slow}) in variance per step. Gradients in shared "
        f"weights do not vanish with T, for the last steps keep them: T = {found['longest']} has "
        f"{min(ratios):.2f} to {max(ratios):.2f} times the variance of T = 1. They do with width: "
        f"{wide} per wire."
    )


def draw(findings: Findings) -> Figure:
    """Three panels: shared weights and the first input against T, shared weights against width."""
    from qrnn_jax.plots.picture import logarithmic, new_figure, set_title

    series = findings.series
    figure = new_figure(12, 5.6)
    panels = figure.subplots(1, 3)
    for index, row in enumerate(series["lengths"]):
        style = _style(index, "+" in row["cell"])
        panels[0].plot(row["steps"], row["shared"], label=row["cell"], **style)
        seen = np.where(np.array(row["oldest"]) > FADED, row["oldest"], np.nan)
        label = f"{row['cell']}: {row['decay']:.2f}"
        panels[1].plot(row["steps"], seen, label=label, **style)
    for index, row in enumerate(series["widths"]):
        label = f"{row['cell']}: {row['decay']:.2f}"
        panels[2].plot(row["wires"], row["shared"], "o-", label=label, **_style(index, False))
    titles = ("Var dy_T/dw, shared weights", "Var dy_T/dx_1, the first step",
              f"Var dy_T/dw, T = {WIDE_STEPS}")  # fmt: skip
    legends = (None, "factor per step", "factor per wire")
    for axes, title, legend in zip(panels, titles, legends):
        axes.set_title(title, fontsize=10)
        logarithmic(axes)
        axes.set_xlabel("steps T" if axes is not panels[2] else "wires n")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        if legend:
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "ncols": 2}
            axes.legend(fontsize=7.5, frameon=False, title=legend, title_fontsize=8, **below)
    panels[2].set_xticks(series["widths"][0]["wires"])
    set_title(figure, "Where gradients vanish: exact derivatives at random parameters and inputs")
    return figure


def _style(index: int, noisy: bool) -> dict[str, Any]:
    from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED

    colours = (BLUE, ORANGE, RED, GREY, "#009E73", "#CC79A7")  # the same set, two more
    return {"color": colours[index % 6], "linewidth": 1.3} | ({"linestyle": ":"} if noisy else {})


EXPERIMENT = Experiment(
    name="E11",
    title="vanishing gradients",
    question="How does the variance of gradients fall with the number of steps and of wires?",
    run=run,
    draw=draw,
)
