"""E1: are the shift rules exact on every cell, and do they cost what they are said to cost?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.plots.picture import BLUE, GREY, ORANGE, RED, new_figure, set_title

from .branches import enumerate_feed_forward
from .cells import NOISE, cell_inputs, chosen_cells, feed_forward_cell, takes_bits
from .counting import count_shifted_circuits
from .experiment import Check, Experiment, Findings, Progress, Settings, Table
from .quick_jit import quick_jit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOUND = 1e-10
QUICK_STEPS, FULL_STEPS = (3,), (1, 2, 4, 8, 16, 32)
# where the other rules are looked at, too: some T in full size, some cells in quick size
ALL_RULES_AT, QUICK_ALL_RULES = (4, 32), ("feed-forward+noise",)
BRANCH_STEPS = 3
# name -> rule, and whether it differentiates in the inputs, too
RULES: dict[str, tuple[qj.AbstractGradient, bool]] = {
    "ParameterShift": (qj.ParameterShift(), True),
    "shared route": (qj.ParameterShift(route="shared"), True),
    "SharedShift": (qj.SharedShift(), False),
    "Riesz": (qj.Riesz(), False),
}
COLOURS = dict(zip(RULES, (BLUE, ORANGE, GREY, RED)))


def run(settings: Settings, progress: Progress) -> Findings:
    """Every cell, every T, every rule beside exact autodiff on the density matrix."""
    steps = FULL_STEPS if settings.full else QUICK_STEPS
    cells, alone = chosen_cells(settings), settings.cells or QUICK_ALL_RULES
    if not settings.full and not settings.cells:  # a noisy twin holds all that its ideal cell holds
        cells = {name: cell for name, cell in cells.items() if name + NOISE not in cells}
    rows: list[dict[str, Any]] = []
    for number, (name, cell) in enumerate(cells.items()):
        for place, count in enumerate(steps):
            progress((number + place / len(steps)) / len(cells), f"{name}, T = {count}")
            everything = count in ALL_RULES_AT if settings.full else name in alone
            found = _compare(cell, count, settings.seed, everything)
            rows.append({"cell": name, "steps": count, **found})
    branches = enumeration_error(settings.seed)
    return Findings(
        _conclusion(rows, branches), _checks(rows, branches), _tables(rows), {"rows": rows}
    )


def _compare(cell: qj.AbstractCell, steps: int, seed: int, everything: bool) -> dict[str, Any]:
    """The largest error of each rule, the largest acausal entry, and numbers of circuits."""
    params, xs = cell_inputs(cell, steps, seed)
    inputs = jax.tree.map(jnp.asarray, (params, xs))
    smooth = not takes_bits(cell)
    exact = _jacobians(cell, qj.Backprop(), (0, 1) if smooth else (0,), inputs)
    row: dict[str, Any] = {"acausal": None}
    for name, (rule, both) in RULES.items():
        if name != "ParameterShift" and not everything:
            row[name] = None
            continue
        wanted = (0, 1) if both and smooth else (0,)
        try:
            if name == "shared route":
                row[name] = _distance(*_scalar_gradients(cell, rule, inputs, exact))
                continue
            found = _jacobians(cell, rule, wanted, inputs)
        except ValueError as refusal:  # exact autodiff has passed: the rule refuses by name
            row[name] = str(refusal)
            continue
        row[name] = _distance(found, exact[: len(wanted)])
        if name == "ParameterShift" and smooth:
            row["acausal"] = acausal(found[1])
    rule, circuit = qj.ParameterShift(), cell.circuit
    reach = (False, True) if smooth else (False,)
    counted = [rule.evaluations(circuit, steps, data=data) for data in reach]
    expected = [count_shifted_circuits(circuit, steps, data=data) for data in reach]
    return {**row, "circuits": counted[0], "miscounted": int(counted != expected)}


def _outputs(cell: qj.AbstractCell, rule: qj.AbstractGradient) -> Callable[..., Any]:
    qubits = qj.DensityMatrix().refusal(cell.circuit) is None
    return partial(qj.run, cell, engine=qj.DensityMatrix() if qubits else None, gradient=rule)


def _jacobians(
    cell: qj.AbstractCell, rule: qj.AbstractGradient, wanted: tuple[int, ...], inputs: Any
) -> tuple[Any, ...]:
    """d ys (T, outputs) / d params and, if wanted, / d xs: (T, outputs, T, features)."""
    return quick_jit(jax.jacfwd(_outputs(cell, rule), argnums=wanted))(*inputs)


def _scalar_gradients(
    cell: qj.AbstractCell, rule: qj.AbstractGradient, inputs: Any, exact: tuple[Any, ...]
) -> tuple[Any, Any]:
    """The gradient of a weighted sum of all outputs, and what it is by the exact Jacobian."""
    outputs = _outputs(cell, rule)
    shape = jax.eval_shape(outputs, *inputs).shape
    weights = 1 + np.modf(0.618034 * np.arange(np.prod(shape)))[0].reshape(shape)

    def loss(params: Any, xs: Any) -> Any:
        return jnp.vdot(weights, outputs(params, xs))

    wanted = tuple(range(len(exact)))
    found = quick_jit(jax.grad(loss, argnums=wanted))(*inputs)
    return found, jax.tree.map(lambda leaf: np.tensordot(weights, leaf, 2), exact)


def acausal(jacobian: Any) -> float:
    """The largest |d y_s / d x_t| for t > s of a Jacobian (T, outputs, T, features).

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.validation.exactness import acausal
        >>> acausal(np.arange(4.0).reshape(2, 1, 2, 1))
        1.0
    """
    entries = np.abs(np.asarray(jacobian)).max(axis=(1, 3), initial=0.0)  # (T, T)
    return float(np.triu(entries, 1).max())


def _distance(tree: Any, reference: Any) -> float:
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(reference), strict=True)
    return float(max(np.max(np.abs(np.asarray(a) - b), initial=0.0) for a, b in pairs))


def enumeration_error(seed: int) -> float:
    """ParameterShift against the explicit sum over all outcomes, on the feed-forward cell.

    Example:
        >>> import jax
        >>> from qrnn_jax.validation.exactness import enumeration_error
        >>> with jax.enable_x64(True):
        ...     enumeration_error(0) < 1e-12
        True
    """
    cell = feed_forward_cell()
    weights, xs = cell_inputs(cell, BRANCH_STEPS, seed)
    values, jacobian = enumerate_feed_forward(weights, xs[:, 0])
    outputs = _outputs(cell, qj.ParameterShift())
    found = outputs(weights, jnp.asarray(xs)), quick_jit(jax.jacfwd(outputs))(weights, xs)
    return _distance(found, (values, jacobian))


def worst(rows: list[dict[str, Any]], name: str) -> float:
    """The largest of a column's numbers; refusals are left out.

    Example:
        >>> from qrnn_jax.validation.exactness import worst
        >>> worst([{"Riesz": 1e-14}, {"Riesz": "refused"}], "Riesz")
        1e-14
    """
    return max((row[name] for row in rows if isinstance(row[name], int | float)), default=0.0)


def _checks(rows: list[dict[str, Any]], branches: float) -> tuple[Check, ...]:
    errors = [
        Check(f"{name} against exact autodiff, largest error", worst(rows, name), high=BOUND)
        for name in RULES
    ]
    return (
        *errors,
        Check("ParameterShift against the sum over outcomes", branches, high=BOUND),
        Check("derivative of an output in a later input", worst(rows, "acausal"), 0.0, 0.0),
        Check(
            "cases with a number of circuits other than counted", worst(rows, "miscounted"), 0, 0
        ),
    )


def _conclusion(rows: list[dict[str, Any]], branches: float) -> str:
    largest = max(branches, *(worst(rows, name) for name in RULES))
    steps = sorted({row["steps"] for row in rows})
    cells = len({row["cell"] for row in rows})
    holds = largest <= BOUND and not worst(rows, "acausal") and not worst(rows, "miscounted")
    return (
        f"Applied per occurrence, the shift rule {'is' if holds else 'IS NOT'} exact on all "
        f"{cells} cells, resets, recorded measurements, feed-forward and noise included: for "
        f"T = {', '.join(map(str, steps))} no entry of any Jacobian differs from exact "
        f"differentiation by more than {largest:.1e}, and all T outputs together take "
        "2 x frequencies x occurrences circuits."
    )


def _tables(rows: list[dict[str, Any]]) -> tuple[Table, ...]:
    def text(row: dict[str, Any], name: str) -> Any:
        return "refused" if isinstance(row[name], str) else row[name]

    body = tuple(
        (row["cell"], row["steps"], row["circuits"], *(text(row, name) for name in RULES))
        for row in rows
    )
    header = ("cell", "T", "shifted circuits", *RULES)
    note = (
        "Largest absolute difference to exact autodiff of the density matrix: for `ParameterShift` "
        "over the whole Jacobians in parameters and inputs, for its shared route over both "
        "gradients of a weighted sum of all outputs, for the others over the Jacobian in the "
        "parameters. Shifted circuits: of `ParameterShift`, for the parameters."
    )
    reasons = {
        (row["cell"], name): row[name]
        for row in rows
        for name in RULES
        if isinstance(row[name], str)
    }
    refusals = tuple((*place, reason) for place, reason in reasons.items())
    errors = Table("Errors of the shift rules", header, body, note)
    refused = Table("What was refused", ("cell", "rule", "reason"), refusals)
    return (errors, refused) if refusals else (errors,)


def draw(findings: Findings) -> Figure:
    """The largest error of each rule on each cell, over all T."""
    rows = findings.series["rows"]
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    figure = new_figure(7.0, 1.6 + 0.27 * len(cells))
    set_title(figure, "Largest error of a Jacobian, by rule and cell")
    axes = figure.subplots()
    for offset, (name, marker) in enumerate(zip(RULES, "os^D")):
        groups = [[row for row in rows if row["cell"] == cell] for cell in cells]
        errors = [worst(group, name) or np.nan for group in groups]
        places = np.arange(len(cells)) + 0.16 * (offset - 1.5)
        axes.plot(errors, places, marker, color=COLOURS[name], markersize=5, label=name)
    axes.axvline(BOUND, color="0.3", linestyle="--", linewidth=1, label="bound")
    axes.set_xscale("log")
    axes.set_xlabel("largest absolute difference to exact autodiff")
    axes.set_yticks(range(len(cells)), cells)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name="E1",
    title="Exactness",
    question="Is the shift rule exact when a weight recurs at every step, with resets, recorded "
    "measurements, feed-forward and noise in between, and how many circuits does it take?",
    run=run,
    draw=draw,
)
