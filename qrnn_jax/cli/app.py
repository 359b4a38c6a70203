"""All commands in one application."""

from __future__ import annotations

import typer

from .export import export
from .plan import plan
from .reproduce import reproduce
from .train import train
from .validate import validate

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
app.command()(train)
app.command()(validate)
app.command()(reproduce)
app.command()(export)
app.command()(plan)


@app.callback()
def qrnn_jax() -> None:
    """Quantum recurrent neural networks in JAX: simulated, differentiated and trained."""
