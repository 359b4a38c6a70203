"""What a training run on a device adds to the end: the exact training error, and the bill."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.table import Table

ROWS = {
    "model": "{cell} (this model), exact",
    "zero": "zero",
    "constant": "best constant",
    "ridge": "ridge regression on {lags} inputs",
}


def print_bill(summary: dict[str, Any]) -> None:
    """Print the training windows' errors as a table, and the shots as a sentence.

    Arguments:
        summary: what `train` returned for a run on a device.

    Example:
        >>> from qrnn_jax.cli.device_table import print_bill
        >>> callable(print_bill)
        True
    """
    console = Console(highlight=False, markup=False)
    console.print(_table(summary))
    for sentence in _sentences(summary):
        console.print(sentence, soft_wrap=True)


def _table(summary: dict[str, Any]) -> Table:
    """Predictors by rising error on the training windows."""
    errors = {"model": summary["loss_final"], **summary["training_mse"]}
    table = Table(
        title=f"{summary['task']['name']}: training windows, in units of the model",
        title_style="bold",
        title_justify="left",
        box=SIMPLE_HEAVY,
        pad_edge=False,
    )
    table.add_column("predictor")
    for header in ("mean squared error", "of the constant's"):
        table.add_column(header, justify="right")
    for name in sorted(errors, key=errors.__getitem__):
        label = ROWS[name].format(cell=summary["cell"]["name"], lags=summary["ridge_lags"])
        share = f"{100 * errors[name] / errors['constant']:.3g} %"
        style = "bold" if name == "model" else None
        table.add_row(label, f"{errors[name]:.4g}", share, style=style)
    return table


def _sentences(summary: dict[str, Any]) -> list[str]:
    device, rule = summary["device"], summary["gradient"]["name"]
    place = device["name"] if device["noise"] is None else f"{device['name']} ({device['noise']})"
    found = [
        f"Spent {device['spent']} of {device['budget']} shots on {place} in {device['jobs']} jobs; "
        f"{device['left']} are left. A step of {rule} was planned at {device['shots_per_step']}."
    ]
    if summary["status"] == "budget":
        found.append(
            "Stopped by the budget, before anything more was submitted; "
            "`--resume --budget N` goes on with more."
        )
    return found
