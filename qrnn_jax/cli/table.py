"""The table at the end of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.table import Table

from .progress import duration

PREDICTORS = {
    "model": "{cell} (this model)",
    "linear_ar": "linear autoregression, order {order}",
    "persistence": "persistence: next = present",
    "variance": "mean of the test span",
}


def print_summary(summary: dict[str, Any], out: Path) -> None:
    """Print a summary's test errors as a table, and what else matters in sentences.

    Arguments:
        summary: what `train` returned.
        out: the run folder.

    Example:
        >>> from qrnn_jax.cli.table import print_summary
        >>> callable(print_summary)
        True
    """
    console = Console(highlight=False, markup=False)
    console.print()
    console.print(_table(summary))
    for sentence in _sentences(summary):
        console.print(sentence, soft_wrap=False)
    console.print(f"Run folder: {out}", soft_wrap=True)


def _table(summary: dict[str, Any]) -> Table:
    """Predictors by rising test error; a column of scaled units where they differ."""
    original, scaled = summary["test_mse"], summary["test_mse_scaled"]
    both = original != scaled
    table = Table(
        title=f"{summary['task']['name']}: {summary['test_steps']} test steps, given the true past",
        title_style="bold",
        title_justify="left",
        box=SIMPLE_HEAVY,
        pad_edge=False,
    )
    table.add_column("predictor")
    for header in ("mean squared error", *(["scaled"] if both else []), "of variance"):
        table.add_column(header, justify="right")
    for name in sorted(original, key=original.__getitem__):
        label = PREDICTORS[name].format(
            cell=summary["cell"]["name"], order=summary["linear_ar_order"]
        )
        errors = [_number(original[name]), *([_number(scaled[name])] if both else [])]
        share = _share(original[name] / original["variance"])
        table.add_row(label, *errors, share, style="bold" if name == "model" else None)
    return table


def _sentences(summary: dict[str, Any]) -> list[str]:
    selected, free = summary["selected"], summary["free_running"]
    first, last = _number(summary["loss_initial"]), _number(summary["loss_final"])
    found = [
        *summary["verdict"],
        f"Training loss {first} -> {last} in {summary['steps']} steps.",
        f"Tested: the parameters of step {selected['step']} ({selected['by']}).",
    ]
    if summary["skipped_steps"]:
        found.append(f"Skipped {summary['skipped_steps']} steps that were not finite.")
    if free is not None:
        error = _number(free["mse"])
        found.append(f"Free-running over {free['steps']} steps: mean squared error {error}.")
    if summary["shift_vs_autodiff_max_abs"] is not None:
        error = f"{summary['shift_vs_autodiff_max_abs']:.1e}"
        found.append(f"Parameter-shift gradient against autodiff, float64: differs by {error}.")
    compiled, trained = duration(summary["compile_s"]), duration(summary["train_s"])
    found.append(f"Compiled in {compiled}, trained in {trained}.")
    return found


def _share(fraction: float) -> str:
    return f"{100 * fraction:.3g} %" if fraction > 1e-5 else "< 0.001 %"


def _number(value: float) -> str:
    return f"{value:.4g}"
