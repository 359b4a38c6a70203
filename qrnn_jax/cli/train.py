"""`qrnn-jax train`: from a preset or a file to a trained run folder and a table."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from .exit_codes import exit_codes, say
from .options import Debug, Noise, Out, Overrides, Resume, Source
from .signals import Signals

Steps = Annotated[str | None, typer.Option(help="Training steps.", metavar="N", show_default=False)]
Seed = Annotated[
    str | None,
    typer.Option(help="Of parameters and batches.", metavar="S", show_default=False),
]
Device = Annotated[
    str | None,
    typer.Option(help="Train from counts of this device: local, aer.", metavar="NAME"),
]
Shots = Annotated[str | None, typer.Option(help="Repetitions of every circuit.", metavar="N")]
Budget = Annotated[str | None, typer.Option(help="Shots in all, never exceeded.", metavar="N")]
Rule = Annotated[
    str | None,
    typer.Option(
        help="How counts become gradients: parameter-shift, shared-shift, spsa, finite-difference, "
        "or 'SPSA(step=0.2, directions=8)'; short for --set 'gradient={name=\"SPSA\", ...}'.",
        metavar="RULE",
    ),
]


def train(
    source: Source = None,
    out: Out = None,
    steps: Steps = None,
    seed: Seed = None,
    overrides: Overrides = None,
    device: Device = None,
    noise: Noise = None,
    shots: Shots = None,
    budget: Budget = None,
    rule: Rule = None,
    resume: Resume = False,
    debug: Debug = False,
) -> None:
    """Train a recurrent quantum circuit on a series, test it, draw it.

    Without arguments: on the yearly sunspot numbers. Ends with the test error beside those of
    persistence, a linear autoregression and the variance. With a device the gradients come from
    its counts, and the run ends with its steps or its budget of shots.
    """
    chosen = {"name": device, "noise": noise, "shots": shots, "budget": budget}
    with exit_codes(debug=debug), Signals() as signals:
        from qrnn_jax.training.config import make_config
        from qrnn_jax.training.recorder import Interrupted
        from qrnn_jax.training.train import train as run

        from .progress import reporting

        changes = [
            *_rule(rule),
            *(overrides or []),
            *(text for key, value in chosen.items() for text in _named(f"device.{key}", value)),
            *_named("training.steps", steps),
            *_named("training.seed", seed),
        ]
        config = make_config(_settings(source, out, resume=resume), changes)
        folder = out or _default_folder(source)
        say(_headline(config, folder))
        try:
            with reporting(config.training.steps, lambda: signals.received is not None) as reporter:
                summary = run(config, folder, resume=resume, reporter=reporter)
        except Interrupted as stop:
            say(f"{stop} Try: qrnn-jax train --out {shlex.quote(str(folder))} --resume")
            raise typer.Exit(signals.exit_code) from None
        _show(summary, folder)


def _show(summary: dict[str, Any], folder: Path) -> None:
    from .device_table import print_bill
    from .table import print_summary

    print_summary(summary, folder)
    if "device" in summary:
        print_bill(summary)


def _rule(text: str | None) -> list[str]:
    from qrnn_jax.training.rule_text import rule_changes

    return [] if text is None else rule_changes(text)


def _settings(source: str | None, out: Path | None, *, resume: bool) -> dict[str, Any]:
    """What was named, else the run to go on with, else the default."""
    from qrnn_jax.training.complaints import ConfigError
    from qrnn_jax.training.config import read_settings
    from qrnn_jax.training.presets import DEFAULT, preset_or_file

    if resume and out is None:
        raise ConfigError("Option `--resume` must come with `--out`, the folder to go on with.")
    if resume and source is None and out is not None and (out / "config.json").exists():
        return read_settings(out / "config.json")
    return preset_or_file(source or DEFAULT)


def _named(setting: str, value: str | None) -> list[str]:
    return [] if value is None else [f"{setting}={value}"]


def _default_folder(source: str | None) -> Path:
    from qrnn_jax.training.presets import DEFAULT

    return Path("runs") / f"{Path(source or DEFAULT).stem}-{time.strftime('%Y%m%d-%H%M%S')}"


def _headline(config: Any, folder: Path) -> str:
    training, device = config.training, config.device
    counts = "" if device is None else f" from at most {device.budget} shots of {device.name}"
    return (
        f"Training {config.cell.name} on {config.task.name} for {training.steps} steps{counts} "
        f"in {training.precision}, in {folder}"
    )
