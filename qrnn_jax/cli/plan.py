"""`qrnn-jax plan`: what a gradient costs on a device, before anything is submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .exit_codes import exit_codes
from .options import Debug, Noise, Out, Overrides, Source
from .result_folder import result_folder

Cell = Annotated[
    str | None,
    typer.Option(help="Another cell, with its defaults.", metavar="NAME", show_default=False),
]
Device = Annotated[str, typer.Option(help="Who would play: local, aer or braket.", metavar="NAME")]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Steps of a sequence; by default those of the series' windows.",
        metavar="T",
        show_default=False,
    ),
]
Batch = Annotated[int, typer.Option(help="Sequences side by side.", metavar="B")]
Shots = Annotated[int, typer.Option(help="Repetitions per circuit.", metavar="S")]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        help="A rule, as in SPSA or 'SPSA(step=0.2, directions=8)'; by default all that can serve. "
        "May be repeated.",
        metavar="RULE",
        show_default=False,
    ),
]
Error = Annotated[
    float | None,
    typer.Option(help="Find the cheapest rule with this error.", metavar="E", show_default=False),
]
Pilot = Annotated[
    bool | None,
    typer.Option(
        "--pilot/--no-pilot",
        help="Time the device with a few rows: it plays. By default only a simulator is timed.",
        show_default=False,
    ),
]


def plan(
    source: Source = None,
    cell: Cell = None,
    overrides: Overrides = None,
    device: Device = "local",
    noise: Noise = None,
    steps: Steps = None,
    batch: Batch = 1,
    shots: Shots = 1000,
    rules: Rules = None,
    error: Error = None,
    pilot: Pilot = None,
    out: Out = None,
    debug: Debug = False,
) -> None:
    """Say what a gradient costs on a device: circuits, jobs, shots, time and error.

    Nothing is submitted, but for the few rows of a pilot; unasked, only a simulator plays them.
    Exit code 5 where the device cannot play the circuit.
    """
    options: dict[str, Any] = {"shots": shots, "error": error, "pilot": pilot}
    changes = [*([] if cell is None else [f"cell.name={cell}"]), *(overrides or [])]
    with exit_codes(debug=debug):
        from qrnn_jax import hardware
        from qrnn_jax.training.planned import subject_of
        from qrnn_jax.training.rule_text import rule_of

        folder = result_folder("plan", out, resume=False)
        subject = subject_of(source, changes, steps, batch)
        options |= {"rule": [rule_of(text) for text in rules or []] or None, "batch": batch}
        found = _planned(subject, options | {"device": hardware.named(device, noise)})
        _write(folder, subject.settings, found)
        print(found)
        print(f"Folder: {folder}")


def _planned(subject: Any, options: dict[str, Any]) -> Any:
    """The plan, with what is being planned on stderr."""
    import qrnn_jax as qj

    from .progress import reporting

    with reporting(1, lambda: False) as reporter:
        reporter.stage(f"planning {subject.name}")
        given = {"params": subject.params, "xs": subject.xs, "progress": reporter.stage}
        return qj.plan(subject.cell, subject.steps, **options, **given)


def _write(folder: Path, settings: dict[str, Any], found: Any) -> None:
    """plan.json: the plan, the settings, and what it was made with."""
    from qrnn_jax.training import strict_json
    from qrnn_jax.training.files import write_atomically
    from qrnn_jax.training.machine import machine, versions

    folder.mkdir(parents=True, exist_ok=True)
    content = {"plan": found.as_dict(), "settings": settings}
    content |= {"machine": machine(), "versions": versions()}
    write_atomically(folder / "plan.json", f"{strict_json(content, indent=2)}\n".encode())
